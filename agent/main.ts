/** Wiring and signals, nothing else: imports every room, and is imported by none. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { serveControl } from './api/grpc.ts'
import { serveHttp } from './api/http.ts'
import { liveView } from './api/live.ts'
import { healthOf } from './api/node-health.ts'
import type { Listener } from './api/view.ts'
import { systemClock } from './clock.ts'
import type { Clock } from './clock.ts'
import type { Config } from './config.ts'
import { Control } from './control.ts'
import { openKernel } from './datapath/kernel.ts'
import type { Kernel } from './datapath/kernel.ts'
import { ApiClient } from './kube/client.ts'
import { inClusterCredentials, kubeconfigCredentials } from './kube/credentials.ts'
import { eventPoster } from './kube/events.ts'
import type { Events } from './kube/events.ts'
import { manifestsSource } from './kube/manifests.ts'
import { apiServerSource } from './kube/source.ts'
import { createLog } from './log.ts'
import type { Log } from './log.ts'
import { createMetrics, observeStatus } from './metrics.ts'
import type { Metrics } from './metrics.ts'
import type { Source } from './model/source.ts'
import { version } from './version.ts'

/** Resolves at SIGTERM or SIGINT; a second one ends the process at once. */
function untilSignal(log: Log): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        log.info({ signal }, 'stops; the datapath goes on serving')
        resolve()
      })
    }
  })
}

function kernelOf(config: Config, clock: Clock, log: Log): Kernel {
  const { limits } = config
  return openKernel({
    bpffs: config.bpffs,
    cgroup: config.cgroup,
    socketLb: config.socketLb,
    rememberPeer: config.rememberPeer,
    sizes: { ...limits, service_stats: limits.services },
    lease_ms: config.lease_ms,
    eventSample: config.eventSample,
    clock,
    log,
  })
}

interface Objects {
  readonly source: Source
  /** Undefined where there is no API server to take Events. */
  readonly events: Events | undefined
  close(): void
}

function objectsOf(config: Config, clock: Clock, log: Log, signal: AbortSignal): Objects {
  const { nodeName, servers, kubeconfig, manifests } = config
  if (manifests !== '') {
    const source = manifestsSource({ directory: manifests })
    return { source, events: undefined, close: () => undefined }
  }
  const credentials =
    kubeconfig === ''
      ? inClusterCredentials({ servers })
      : kubeconfigCredentials(kubeconfig, { servers })
  const client = new ApiClient({ credentials, clock, userAgent: `fairlead/${version}` })
  const { watchList, protobuf, pageLimit } = config
  return {
    source: apiServerSource({ client, nodeName, log, clock, watchList, protobuf, pageLimit }),
    events: eventPoster({ client, nodeName, log, clock, signal }),
    close: () => client.close(),
  }
}

interface Parts {
  readonly config: Config
  readonly clock: Clock
  readonly log: Log
  readonly kernel: Kernel
  readonly source: Source
  readonly control: Control
  readonly metrics: (observe: Parameters<typeof createMetrics>[0]) => Metrics
}

/** Status, listings, probes and metrics. */
async function serveApi(parts: Parts): Promise<{ close(): Promise<void> }> {
  const { config, clock, log, kernel, control, source } = parts
  const path = (name: string): string => join(config.runDir, name)
  let listeners: () => readonly Listener[] = () => []
  const view = liveView({
    config,
    clock,
    cgroup: kernel.cgroup,
    pins: kernel.datapath.pins,
    features: kernel.datapath.features,
    maps: kernel.maps,
    open: kernel.datapath.map,
    used: control.used,
    namingOf: control.namingOf,
    events: kernel.events,
    sync: control.syncRow,
    sources: () => source.status(),
    listeners: () => listeners(),
    problems: control.problems,
    degraded: control.degraded,
  })
  const health = healthOf({
    now_ms: clock.now_ms,
    lastSync_ms: control.lastSync_ms,
    waitingSince_ms: control.waitingSince_ms,
    node: control.node,
    needsNode: config.manifests === '',
    notReady: control.notReady,
  })
  const metrics = parts.metrics(async (made) => observeStatus(made, await view.status()))
  const socketPath = path('http.sock')
  const http = await serveHttp({ config, view, health, metrics, socketPath, clock, log })
  const grpc = await serveControl({
    view,
    path: path('control.sock'),
    isServing: () => control.notReady().length === 0,
    clock,
    log,
  })
  listeners = () => [
    ...http.listeners(),
    { name: 'control', address: path('control.sock'), isListening: true, trouble: '' },
  ]
  return {
    async close() {
      await grpc.close()
      await http.close()
    },
  }
}

/** Metrics are made before what feeds them and what they look at: observers come later. */
function lateMetrics(): { metrics: Metrics; observe: (by: Observer) => Metrics } {
  let observer: Observer = () => undefined
  const metrics = createMetrics((made) => observer(made))
  return {
    metrics,
    observe(by) {
      observer = by
      return metrics
    },
  }
}

type Observer = Parameters<typeof createMetrics>[0]

/** Longest wait for the source to end: it has nothing to lose. */
const farewell_ms = 1_000

/**
 * Runs until SIGTERM or SIGINT; the datapath stays and serves.
 * @returns the exit code
 * @throws FairleadError where it can't begin at all
 */
export async function runAgent(config: Config): Promise<number> {
  const clock = systemClock
  const { log, flush } = createLog({
    verbosity: config.verbosity,
    format: config.logFormat,
    clock,
  })
  const stopping = new AbortController()
  const stopped = untilSignal(log)
  mkdirSync(config.runDir, { recursive: true, mode: 0o700 })
  log.info({ version, node: config.nodeName, pid: process.pid }, 'starts')
  const kernel = kernelOf(config, clock, log)
  try {
    const { metrics, observe } = lateMetrics()
    const objects = objectsOf(config, clock, log, stopping.signal)
    const { source, events } = objects
    const control = new Control({ config, clock, log, kernel, source, events, metrics })
    const api = await serveApi({ config, clock, log, kernel, source, control, metrics: observe })
    const ran = control.run(stopping.signal)
    await Promise.race([stopped, ran])
    stopping.abort()
    await api.close()
    await Promise.race([ran, clock.sleep(farewell_ms)])
    objects.close()
    return 0
  } finally {
    kernel.close()
    flush()
  }
}
