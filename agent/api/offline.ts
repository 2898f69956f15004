/** A View of the pinned maps alone: what the listings show while the agent is down. */
import { reasonTexts } from '../maps/abi.gen.ts'
import type { MapName } from '../maps/abi.gen.ts'
import { mapLayouts, flSchema } from '../maps/abi.gen.ts'
import { metaOf } from '../maps/meta.ts'
import { readRegion } from '../maps/regions.ts'
import { listServices } from '../maps/services.ts'
import type { Maps } from '../maps/table.ts'
import type { Meta } from '../maps/meta.ts'
import { dumpMap } from '../maps/text.ts'
import { bootTime_ns } from '../datapath/boot-time.ts'
import { openPinnedMaps } from '../datapath/pinned.ts'
import type { PinnedMaps } from '../datapath/pinned.ts'
import { reportHooks, reportMaps } from '../datapath/report.ts'
import { FairleadError } from '../errors.ts'
import { version } from '../version.ts'
import { affinityRows, backendRows, serviceRows } from './rows.ts'
import { matches } from './view.ts'
import type { Decision, Lease, ServiceFilter, ServicePort, Status, View } from './view.ts'

export function leaseOf(meta: Meta, now_ns: bigint): Lease {
  const lease_ns = meta.lease_ns()
  const left_ns = meta.heartbeat_ns() + lease_ns - now_ns
  const seconds = (ns: bigint): number => (ns > 0n ? Number(ns / 1_000_000_000n) : 0)
  return {
    durationSeconds: seconds(lease_ns),
    remainingSeconds: lease_ns === 0n ? 0 : seconds(left_ns),
  }
}

export function decisionsOf(counts: readonly bigint[]): Decision[] {
  return reasonTexts.map(({ name }, i) => ({ reason: name, count: Number(counts[i] ?? 0n) }))
}

export function isMapName(name: string): name is MapName {
  return name in mapLayouts
}

/** The slots in use, as the agent would count them: regions that a service points to. */
function usedOf(maps: Maps, name: MapName): number | undefined {
  if (name !== 'services' && name !== 'backends') return undefined
  const rows = [...listServices(maps.services)]
  if (name === 'services') return rows.length
  return rows.reduce((n, { region }) => n + 1 + readRegion(maps.backends, region).totalN, 0)
}

function statusOf({ pins, maps, open }: PinnedMaps, bpffs: string): Status {
  const meta = metaOf(maps.meta)
  const hooks = reportHooks(pins)
  const missing = hooks.filter((hook) => !hook.isAttached).map((hook) => hook.name)
  const lease = leaseOf(meta, bootTime_ns())
  const isOver = lease.durationSeconds > 0 && lease.remainingSeconds === 0
  return {
    version,
    nodeName: '',
    isAgentRunning: false,
    pid: 0,
    startedAt: '',
    uptimeSeconds: 0,
    datapath: { schema: flSchema.version, bpffs, cgroup: '', socketLb: '', hooks, features: [] },
    maps: reportMaps(open, (name) => usedOf(maps, name)),
    sync: { isInitialDone: false, lastAt: '', pending: 0, failed: [] },
    sources: [],
    listeners: [],
    bypass: { isOn: meta.isBypassed() },
    lease,
    decisions: decisionsOf(maps.reasons()),
    problems: [],
    degraded: [
      'no agent is running: the maps serve as they were left',
      ...(missing.length > 0 ? [`not attached: ${missing.join(', ')}`] : []),
      ...(meta.isBypassed() ? ['bypass is on: nothing new is translated'] : []),
      ...(isOver ? ['the lease ran out: nothing new is translated'] : []),
    ],
  }
}

/** @throws FairleadError NO_PINS where nothing is pinned */
export function openPinned(bpffs: string): View {
  const pinned = openPinnedMaps(bpffs)
  const { maps, open } = pinned
  const services = (filter: ServiceFilter): ServicePort[] =>
    serviceRows(maps, () => undefined).filter((row) => matches(row, filter))
  return {
    status: () => statusOf(pinned, bpffs),
    services,
    backends: (filter) => backendRows(maps, services(filter)),
    affinity: (filter) => affinityRows(maps, services(filter), bootTime_ns()),
    mapList: () => reportMaps(open, (name) => usedOf(maps, name)),
    mapDump: (name) => (isMapName(name) ? { name, lines: dumpMap(maps, name) } : undefined),
    bypass: () => ({ isOn: metaOf(maps.meta).isBypassed() }),
    async *events() {
      throw new FairleadError(
        'AGENT_UNREACHABLE',
        'watch events: no agent is running, and nothing else reads them',
        'start the agent',
      )
    },
    close: () => pinned.close(),
  }
}
