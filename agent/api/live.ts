/** The View of the running agent: the maps as they are, with the names that only the agent knows. */
import type { Clock } from '../clock.ts'
import type { Config } from '../config.ts'
import { bootTime_ns } from '../datapath/boot-time.ts'
import type { EventStream } from '../datapath/events.ts'
import type { Pins } from '../datapath/pins.ts'
import { reportFeatures, reportHooks, reportMaps } from '../datapath/report.ts'
import type { BpfMap, FeatureProbe, MapReport } from '../datapath/report.ts'
import { flSchema } from '../maps/abi.gen.ts'
import type { MapName } from '../maps/abi.gen.ts'
import type { DatapathEvent } from '../maps/events.ts'
import { metaOf } from '../maps/meta.ts'
import type { Maps } from '../maps/table.ts'
import { dumpMap } from '../maps/text.ts'
import { isZero } from '../model/address.ts'
import type { Problem as ModelProblem } from '../model/objects.ts'
import type { SourceStatus } from '../model/source.ts'
import { version } from '../version.ts'
import { decisionsOf, isMapName, leaseOf } from './offline.ts'
import { affinityRows, backendRows, endpointText, protocolName, serviceRows } from './rows.ts'
import type { NamingOf } from './rows.ts'
import { matches } from './view.ts'
import type {
  Event,
  Listener,
  Problem,
  ServiceFilter,
  ServicePort,
  Source,
  Status,
  Sync,
  View,
} from './view.ts'

export interface LiveParts {
  readonly config: Config
  readonly clock: Clock
  readonly cgroup: string
  readonly pins: Pins
  readonly features: readonly FeatureProbe[]
  readonly maps: Maps
  open(name: MapName): BpfMap
  /** Entries in use, where that is known without counting. */
  used(name: MapName): number | undefined
  readonly namingOf: NamingOf
  readonly events: EventStream
  sync(): Sync
  sources(): readonly SourceStatus[]
  listeners(): readonly Listener[]
  problems(): readonly ModelProblem[]
  degraded(): readonly string[]
}

/** Events that wait for one slow reader; the oldest go first. */
const eventBacklog = 1000

function sourceRow(status: SourceStatus, clock: Clock): Source {
  const { kind, isSynced, lastAlive_ms, trouble } = status
  const age_s = (clock.monotonic_ms() - lastAlive_ms) / 1000
  return { kind, isSynced, lastAliveSeconds: lastAlive_ms === 0 ? undefined : age_s, trouble }
}

function problemRow({ ref, reason, message, remedy }: ModelProblem): Problem {
  const { kind, namespace, name, where } = ref
  return { kind, namespace, name, where, reason, message, remedy }
}

function statusOf(parts: LiveParts, startedAt_ms: number, maps: readonly MapReport[]): Status {
  const { config, clock, pins } = parts
  const meta = metaOf(parts.maps.meta)
  return {
    version,
    nodeName: config.nodeName,
    isAgentRunning: true,
    pid: process.pid,
    startedAt: new Date(startedAt_ms).toISOString(),
    uptimeSeconds: Math.floor(process.uptime()),
    datapath: {
      schema: flSchema.version,
      bpffs: config.bpffs,
      cgroup: parts.cgroup,
      socketLb: config.socketLb,
      hooks: reportHooks(pins),
      features: reportFeatures(parts.features),
    },
    maps,
    sync: parts.sync(),
    sources: parts.sources().map((status) => sourceRow(status, clock)),
    listeners: parts.listeners(),
    bypass: { isOn: meta.isBypassed() },
    lease: leaseOf(meta, bootTime_ns()),
    decisions: decisionsOf(parts.maps.reasons()),
    problems: parts.problems().map(problemRow),
    degraded: parts.degraded(),
  }
}

/** A row for listeners; `time` is the wall clock at which the program ran. */
function eventRow(event: DatapathEvent, parts: LiveParts): Event {
  const age_ms = Number(bootTime_ns() - event.time_ns) / 1e6
  const named = parts.namingOf(event.serviceId)
  const isTranslated = !isZero(event.backend)
  return {
    time: new Date(parts.clock.now_ms() - age_ms).toISOString(),
    verdict: event.kind,
    hook: event.hook,
    reason: event.reason,
    protocol: protocolName(event.protocol),
    destination: endpointText(event.destination, event.destinationPort),
    backend: isTranslated ? endpointText(event.backend, event.backendPort) : '',
    serviceId: event.serviceId,
    backendId: event.backendId,
    namespace: named?.namespace ?? '',
    name: named?.name ?? '',
    portName: named?.portName ?? '',
    pid: event.pid,
    command: event.command,
    netnsCookie: Number(event.netnsCookie),
    cgroupId: Number(event.cgroupId),
  }
}

async function* watchEvents(parts: LiveParts, signal: AbortSignal): AsyncGenerator<Event> {
  const waiting: DatapathEvent[] = []
  let wake = (): void => undefined
  const unlisten = parts.events.listen((event) => {
    waiting.push(event)
    if (waiting.length > eventBacklog) waiting.shift()
    wake()
  })
  const onAbort = (): void => wake()
  signal.addEventListener('abort', onAbort)
  try {
    while (!signal.aborted) {
      const event = waiting.shift()
      if (event !== undefined) yield eventRow(event, parts)
      else await new Promise<void>((resolve) => (wake = resolve))
    }
  } finally {
    unlisten()
    signal.removeEventListener('abort', onAbort)
  }
}

export function liveView(parts: LiveParts): View {
  const startedAt_ms = parts.clock.now_ms()
  const { maps } = parts
  const services = (filter: ServiceFilter): ServicePort[] =>
    serviceRows(maps, parts.namingOf).filter((row) => matches(row, filter))
  const mapList = (): MapReport[] => reportMaps(parts.open, parts.used)
  return {
    status: () => statusOf(parts, startedAt_ms, mapList()),
    services,
    backends: (filter) => backendRows(maps, services(filter)),
    affinity: (filter) => affinityRows(maps, services(filter), bootTime_ns()),
    mapList,
    mapDump: (name) => (isMapName(name) ? { name, lines: dumpMap(maps, name) } : undefined),
    bypass: () => ({ isOn: metaOf(maps.meta).isBypassed() }),
    events: (signal) => watchEvents(parts, signal),
    close: () => undefined,
  }
}
