/**
 * What has to change for one service port: its wish against what is in the maps. Writes nothing
 * and takes nothing; `stock.ts` finds the room, `apply.ts` does it.
 */
import type { DesiredPort } from '../desired/desired.ts'
import { flRegionFlag } from '../maps/abi.gen.ts'
import { rowKey } from '../maps/frontends.ts'
import type { FrontendRow } from '../maps/frontends.ts'
import { readBackend, readRegion } from '../maps/regions.ts'
import type { RegionDraft, RegionHeader } from '../maps/regions.ts'
import type { Memory } from '../maps/table.ts'
import { joinRows, splitRows } from './actual.ts'
import type { PortState } from './actual.ts'
import { protocolOf, rowOf } from './rows.ts'

/** A backend that a service port no longer has: its UDP sockets are to be destroyed. */
export interface RemovedBackend {
  /** IPPROTO_* */
  readonly protocol: number
  readonly address: Uint8Array
  readonly port: number
}

export interface RowChange {
  /** All rows after the change, as `PortState.rows`. */
  readonly rows: string
  /** To be written: new ones, those with other flags, those in doubt. */
  readonly set: readonly FrontendRow[]
  /** To be deleted, unless another service has taken them over. */
  readonly delete: readonly FrontendRow[]
  /** Entries more that the map will hold. */
  readonly added_n: number
}

export interface RegionChange {
  /** The draft differs from the region in force and has to be written. */
  readonly isChanged: boolean
  /** Backends without an id in the draft. */
  readonly added_n: number
  readonly removedIds: readonly number[]
  readonly removed: readonly RemovedBackend[]
}

const nothing: readonly never[] = Object.freeze([])

export const noRegionChange: RegionChange = {
  isChanged: false,
  added_n: 0,
  removedIds: nothing,
  removed: nothing,
}

export function headerOf(desired: DesiredPort, serviceId: number): RegionHeader {
  const { backends } = desired
  return {
    serviceId,
    flags:
      (desired.isInternalLocal ? flRegionFlag.internalLocal : 0) |
      (desired.isExternalLocal ? flRegionFlag.externalLocal : 0) |
      (desired.hasEndpoints ? flRegionFlag.hasEndpoints : 0),
    affinityTimeoutS: desired.affinityTimeout_s,
    maglevBase: 0,
    localN: backends.localCount,
    clusterOffset: backends.clusterOffset,
    clusterN: backends.clusterCount,
    totalN: backends.count,
  }
}

/** `wanted`: frontends of the wish; none when the port is to go. */
export function planRows(wanted: DesiredPort | undefined, state: PortState | undefined): RowChange {
  const byKey = new Map<string, FrontendRow>()
  for (const frontend of wanted?.frontends ?? []) {
    const row = rowOf(frontend)
    byKey.set(rowKey(row), row)
  }
  const rows = joinRows([...byKey.values()])
  if (state === undefined) {
    return { rows, set: [...byKey.values()], delete: nothing, added_n: byKey.size }
  }
  const due = state.unsettled
  if (rows === state.rows && due === undefined) {
    return { rows, set: nothing, delete: nothing, added_n: 0 }
  }
  const old = splitRows(state.rows)
  const known = new Set(due?.areRowsDue === true ? [] : old)
  const stale = new Set([...old, ...(due?.staleRows ?? [])])
  const oldKeys = new Set([...stale].map(rowKey))
  return {
    rows,
    set: [...byKey.values()].filter((row) => !known.has(row)),
    delete: [...stale].filter((row) => !byKey.has(rowKey(row))),
    added_n: [...byKey.keys()].filter((key) => !oldKeys.has(key)).length,
  }
}

/**
 * Fills `draft` with the wish, ids of backends that stay included, and compares it with the region
 * in force.
 */
export function planRegion(
  wanted: DesiredPort,
  state: PortState | undefined,
  backends: Memory,
  draft: RegionDraft,
): RegionChange {
  draft.write(headerOf(wanted, state?.id ?? 0), wanted.backends)
  if (state === undefined || state.region === 0) {
    return { ...noRegionChange, isChanged: true, added_n: wanted.backends.count }
  }
  const old_n = state.slots - 1
  const gone = draft.matchIds(backends, state.region, old_n)
  const added_n = wanted.backends.count - (old_n - gone.length)
  if (added_n === 0 && gone.length === 0 && draft.isIn(backends, state.region)) {
    return noRegionChange
  }
  return { isChanged: true, added_n, ...removedOf(state, backends, gone) }
}

/** Everything in force goes. */
export function planRemoval(
  state: PortState,
  backends: Memory,
): Pick<RegionChange, 'removedIds' | 'removed'> {
  if (state.region === 0) return { removedIds: [], removed: [] }
  return removedOf(
    state,
    backends,
    Array.from({ length: state.slots - 1 }, (_, i) => i),
  )
}

function removedOf(
  state: PortState,
  backends: Memory,
  offsets: readonly number[],
): Pick<RegionChange, 'removedIds' | 'removed'> {
  const protocol = protocolOf(splitRows(state.rows))
  const removed = offsets.map((offset) => {
    const { id, addr: address, port } = readBackend(backends, state.region, offset)
    return { id, backend: { protocol, address, port } }
  })
  return {
    removedIds: removed.map(({ id }) => id),
    removed: removed.map(({ backend }) => backend),
  }
}

/**
 * `default/kubernetes` keeps its last good set rather than none: were the API server's endpoints
 * lost for a moment, nothing on the node could reach it to learn better.
 */
export function mustKeepRegion(
  wanted: DesiredPort,
  state: PortState | undefined,
  backends: Memory,
): boolean {
  if (state === undefined || state.region === 0 || wanted.backends.clusterCount > 0) return false
  return readRegion(backends, state.region).clusterN > 0
}
