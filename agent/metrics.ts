/**
 * The table of metrics, and the registry made of it. kubeproxy_* names, labels and buckets are
 * kube-proxy's own (kube-proxy-observed section 5), so that its dashboards and the scale tests of
 * Kubernetes read us unchanged.
 */
import { readdirSync } from 'node:fs'
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Status } from './api/view.ts'

interface Metric {
  readonly kind: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels?: readonly string[]
  readonly buckets?: readonly number[]
}

const range = (from: number, to: number, step: number): number[] =>
  Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, i) => from + i * step)

const syncBuckets = Array.from({ length: 15 }, (_, i) => 0.001 * 2 ** i)
const programmingBuckets = [
  0.25,
  0.5,
  ...range(1, 59, 1),
  ...range(60, 115, 5),
  ...range(120, 300, 30),
]

export const metricTable = {
  fairlead_build_info: {
    kind: 'gauge',
    help: 'Always 1.',
    labels: ['version', 'node_version'],
  },
  fairlead_degraded: { kind: 'gauge', help: '1 while status names a reason to worry.' },
  fairlead_bypass: { kind: 'gauge', help: '1 while bypass is on: nothing new is translated.' },
  fairlead_lease_remaining_seconds: {
    kind: 'gauge',
    help: 'Until the programs stand down; absent without a lease.',
  },
  fairlead_hook_attached: {
    kind: 'gauge',
    help: '1 if the program hangs on its hook.',
    labels: ['hook'],
  },
  fairlead_decisions_total: {
    kind: 'counter',
    help: 'What the programs decided, by reason.',
    labels: ['reason'],
  },
  fairlead_map_entries: { kind: 'gauge', help: 'Entries in use.', labels: ['map'] },
  fairlead_map_capacity: { kind: 'gauge', help: 'Entries that fit.', labels: ['map'] },
  fairlead_map_memory_bytes: { kind: 'gauge', help: 'Kernel memory.', labels: ['map'] },
  fairlead_map_writes_total: { kind: 'counter', help: 'Entries written.', labels: ['map'] },
  fairlead_map_errors_total: {
    kind: 'counter',
    help: 'Map operations that failed.',
    labels: ['map', 'code'],
  },
  fairlead_sync_pending: { kind: 'gauge', help: 'Services whose change is not in the maps yet.' },
  fairlead_sync_failed: { kind: 'gauge', help: 'Services whose change could not be applied.' },
  fairlead_problems: {
    kind: 'gauge',
    help: 'Objects that cannot be used, whole or in part.',
    labels: ['reason'],
  },
  fairlead_source_synced: { kind: 'gauge', help: '1 once the kind was listed.', labels: ['kind'] },
  fairlead_source_last_alive_seconds: {
    kind: 'gauge',
    help: 'Age of the last sign of life of the watch.',
    labels: ['kind'],
  },
  fairlead_source_lists_total: { kind: 'counter', help: 'Lists begun.', labels: ['kind'] },
  fairlead_source_watches_total: { kind: 'counter', help: 'Watches begun.', labels: ['kind'] },
  fairlead_source_errors_total: {
    kind: 'counter',
    help: 'Lists and watches that ended badly, by status or errno.',
    labels: ['kind', 'code'],
  },
  fairlead_events_lost_total: { kind: 'counter', help: 'Events of the programs nobody took.' },
  kubeproxy_sync_proxy_rules_duration_seconds: {
    kind: 'histogram',
    help: 'Time of one round of map writes.',
    labels: ['ip_family'],
    buckets: syncBuckets,
  },
  kubeproxy_sync_proxy_rules_last_timestamp_seconds: {
    kind: 'gauge',
    help: 'When the last round of map writes ended.',
    labels: ['ip_family'],
  },
  kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds: {
    kind: 'gauge',
    help: 'When the last round of map writes was asked for.',
    labels: ['ip_family'],
  },
  kubeproxy_sync_proxy_rules_endpoint_changes_pending: {
    kind: 'gauge',
    help: 'EndpointSlice changes not in the maps yet.',
  },
  kubeproxy_sync_proxy_rules_endpoint_changes_total: {
    kind: 'counter',
    help: 'EndpointSlice changes seen.',
  },
  kubeproxy_sync_proxy_rules_service_changes_pending: {
    kind: 'gauge',
    help: 'Service changes not in the maps yet.',
  },
  kubeproxy_sync_proxy_rules_service_changes_total: {
    kind: 'counter',
    help: 'Service changes seen.',
  },
  kubeproxy_sync_proxy_rules_no_local_endpoints_total: {
    kind: 'gauge',
    help: 'Service ports with policy Local and endpoints only elsewhere.',
    labels: ['ip_family', 'traffic_policy'],
  },
  kubeproxy_network_programming_duration_seconds: {
    kind: 'histogram',
    help: 'From the change of an endpoint (its trigger-time annotation) to the maps.',
    labels: ['ip_family'],
    buckets: programmingBuckets,
  },
  kubeproxy_proxy_healthz_total: {
    kind: 'counter',
    help: 'Answers of /healthz.',
    labels: ['code'],
  },
  kubeproxy_proxy_livez_total: { kind: 'counter', help: 'Answers of /livez.', labels: ['code'] },
  process_cpu_seconds_total: { kind: 'counter', help: 'User and system CPU time.' },
  process_resident_memory_bytes: { kind: 'gauge', help: 'Resident memory.' },
  process_heap_bytes: { kind: 'gauge', help: 'Heap of the JavaScript engine in use.' },
  process_open_fds: { kind: 'gauge', help: 'Open file descriptors.' },
  process_start_time_seconds: { kind: 'gauge', help: 'Start, in seconds since the epoch.' },
} as const satisfies Record<`${string}_${string}`, Metric>

export type MetricName = keyof typeof metricTable

type Made = {
  readonly [Name in MetricName]: (typeof metricTable)[Name]['kind'] extends 'counter'
    ? Counter
    : (typeof metricTable)[Name]['kind'] extends 'gauge'
      ? Gauge
      : Histogram
}

export interface Metrics {
  /** By full name; main hands them to the rooms as plain callbacks. */
  readonly metric: Made
  /** The text of one scrape, after `observe`. */
  text(): Promise<string>
  readonly contentType: string
}

function make(name: string, metric: Metric, registers: Registry[]) {
  const options = { name, help: metric.help, labelNames: [...(metric.labels ?? [])], registers }
  if (metric.kind === 'counter') return new Counter(options)
  if (metric.kind === 'gauge') return new Gauge(options)
  return new Histogram({ ...options, buckets: [...(metric.buckets ?? [])] })
}

/** @param observe called before each scrape, to bring gauges up to date */
export function createMetrics(observe: (made: Made) => Promise<void> | void): Metrics {
  const registry = new Registry()
  const entries = Object.entries(metricTable).map(([name, metric]) => [
    name,
    make(name, metric, [registry]),
  ])
  const metric = Object.fromEntries(entries) as Made
  return {
    metric,
    contentType: registry.contentType,
    async text() {
      await observe(metric)
      observeProcess(metric)
      return registry.metrics()
    },
  }
}

const oneIf = (value: boolean): number => (value ? 1 : 0)

/** Gauges that say what status says. */
export function observeStatus(made: Made, status: Status): void {
  const { datapath, maps, sync, sources, lease } = status
  made.fairlead_build_info.set({ version: status.version, node_version: process.version }, 1)
  made.fairlead_degraded.set(oneIf(status.degraded.length > 0))
  made.fairlead_bypass.set(oneIf(status.bypass.isOn))
  if (lease.durationSeconds > 0) {
    made.fairlead_lease_remaining_seconds.set(lease.remainingSeconds)
  } else made.fairlead_lease_remaining_seconds.remove()
  made.fairlead_hook_attached.reset()
  for (const { name, isAttached } of datapath.hooks) {
    made.fairlead_hook_attached.set({ hook: name }, oneIf(isAttached))
  }
  made.fairlead_decisions_total.reset()
  for (const { reason, count } of status.decisions) {
    made.fairlead_decisions_total.inc({ reason }, count)
  }
  for (const { name, used, capacity, memoryBytes } of maps) {
    made.fairlead_map_entries.set({ map: name }, used)
    made.fairlead_map_capacity.set({ map: name }, capacity)
    made.fairlead_map_memory_bytes.set({ map: name }, memoryBytes)
  }
  made.fairlead_sync_pending.set(sync.pending)
  made.fairlead_sync_failed.set(sync.failed.length)
  made.fairlead_problems.reset()
  for (const { reason } of status.problems) made.fairlead_problems.inc({ reason })
  for (const { kind, isSynced, lastAliveSeconds } of sources) {
    made.fairlead_source_synced.set({ kind }, oneIf(isSynced))
    if (lastAliveSeconds === undefined) continue
    made.fairlead_source_last_alive_seconds.set({ kind }, lastAliveSeconds)
  }
}

function openDescriptors(): number {
  try {
    return readdirSync('/proc/self/fd').length
  } catch {
    return Number.NaN
  }
}

function observeProcess(made: Made): void {
  const { user, system } = process.cpuUsage()
  const { rss, heapUsed } = process.memoryUsage()
  made.process_cpu_seconds_total.reset()
  made.process_cpu_seconds_total.inc((user + system) / 1e6)
  made.process_resident_memory_bytes.set(rss)
  made.process_heap_bytes.set(heapUsed)
  made.process_open_fds.set(openDescriptors())
  made.process_start_time_seconds.set(performance.timeOrigin / 1000)
}
