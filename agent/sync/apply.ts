/**
 * Writes a batch of Services' changes in the order that lets a program see each frontend entirely
 * old or entirely new (DESIGN 4.3), at any moment and wherever the agent is killed:
 *
 *   regions (done by stock.ts) → services → members → frontends → barrier → regions free again
 *
 * An old member stays right until it is replaced: its region is freed last. What goes away goes in
 * the reverse order. A failed Service is marked `unsettled` and left to a retry; others go on.
 */
import { frontendBuffer, getFrontend, pushFrontend, pushFrontendKey } from '../maps/frontends.ts'
import { memberBuffer, pushMemberKey, pushMembers } from '../maps/members.ts'
import type { RowBuffer } from '../maps/rows.ts'
import { storeService } from '../maps/services.ts'
import { MapError } from '../maps/table.ts'
import type { Maps, Table } from '../maps/table.ts'
import type { ObjectKey } from '../model/objects.ts'
import type { Actual, PortState } from './actual.ts'
import type { RemovedBackend } from './plan.ts'
import type { Freed } from './quarantine.ts'
import type { PortChange, ServiceChange, Stock } from './stock.ts'
import type { Extent } from './slots.ts'

/** Rows set or deleted, slots of regions, stores. */
export interface Writes {
  frontends: number
  members: number
  services: number
  backends: number
}

export interface Applied {
  /** Services that have to be tried again. */
  readonly failed: ReadonlyMap<ObjectKey, MapError>
  readonly removed: readonly RemovedBackend[]
  /** To be given back to the stock after a barrier. */
  readonly freed: Freed
  readonly writes: Writes
  /** Entries were deleted: there may be room now for what was short. */
  readonly hasMadeRoom: boolean
}

interface Task {
  readonly key: ObjectKey
  readonly change: PortChange
}

/** Rows of many tasks in one buffer; `ranges` says whose is which. */
interface Batch {
  readonly rows: RowBuffer
  readonly ranges: { readonly task: Task; readonly start: number; readonly end: number }[]
}

class Writer {
  readonly failed = new Map<ObjectKey, MapError>()
  readonly writes: Writes = { frontends: 0, members: 0, services: 0, backends: 0 }
  readonly #tasks: readonly Task[]

  constructor(tasks: readonly Task[]) {
    this.#tasks = tasks
  }

  /** Tasks of Services that have not failed so far. */
  *live(): Generator<Task> {
    for (const task of this.#tasks) if (!this.failed.has(task.key)) yield task
  }

  fail(key: ObjectKey, thrown: unknown): void {
    if (!(thrown instanceof MapError)) throw thrown
    this.failed.set(key, thrown)
  }

  collect(rows: RowBuffer, push: (task: Task, rows: RowBuffer) => void): Batch {
    const ranges: Batch['ranges'] = []
    for (const task of this.live()) {
      const start = rows.count
      try {
        push(task, rows)
      } catch (thrown) {
        this.fail(task.key, thrown)
      }
      if (rows.count > start) ranges.push({ task, start, end: rows.count })
    }
    return { rows, ranges }
  }

  setAll(table: Table, batch: Batch): void {
    this.#write(table, batch, (start, end) => {
      const { keys, values } = batch.rows.slice(start, end)
      table.setBatch(keys, values)
    })
  }

  deleteAll(table: Table, batch: Batch): void {
    this.#write(table, batch, (start, end) => {
      table.deleteBatch(batch.rows.slice(start, end).keys)
    })
  }

  /** All at once; where that fails, task by task, so that one Service's trouble stays its own. */
  #write(table: Table, { rows, ranges }: Batch, write: (start: number, end: number) => void): void {
    if (rows.count === 0) return
    const map = table.name as 'frontends' | 'members'
    if (ranges.length > 1) {
      try {
        write(0, rows.count)
        this.writes[map] += rows.count
        return
      } catch (thrown) {
        if (!(thrown instanceof MapError)) throw thrown
      }
    }
    for (const { task, start, end } of ranges) {
      if (this.failed.has(task.key)) continue
      try {
        write(start, end)
        this.writes[map] += end - start
      } catch (thrown) {
        this.fail(task.key, thrown)
      }
    }
  }
}

/** From here on the new region is in force, and the state says what is still owed. */
function commit({ change }: Task, maps: Maps, stock: Stock, writes: Writes): void {
  const { port, next, rows, removedIds, isRemoval } = change
  const due = port.unsettled
  const oldRegions: Extent[] = [...(due?.oldRegions ?? [])]
  if (next !== undefined) {
    if (port.region !== 0) oldRegions.push({ region: port.region, slots: port.slots })
    storeService(maps.services, port.id, next.region, stock.nextGeneration())
    port.region = next.region
    port.slots = next.slots
    writes.services++
    writes.backends += next.slots
  }
  port.rows = rows.rows
  port.unsettled = {
    oldRegions,
    // Of a port that goes, its own ids are no strays: it may be wanted again before it is gone.
    staleIds: isRemoval ? (due?.staleIds ?? []) : removedIds,
    staleRows: rows.delete,
    areMembersDue: change.areMembersDue || isRemoval,
    areRowsDue: due?.areRowsDue === true || rows.set.length > 0,
  }
}

function pushRegion({ change }: Task, rows: RowBuffer, maps: Maps, stock: Stock): void {
  const { port } = change
  if (!change.areMembersDue || port.region === 0) return
  const { id, region, slots } = port
  pushMembers(rows, maps.backends, id, region, slots - 1, () => stock.nextGeneration())
}

function pushStaleMembers({ change }: Task, rows: RowBuffer): void {
  for (const id of change.removedIds) pushMemberKey(rows, change.port.id, id)
}

function pushRows({ change }: Task, rows: RowBuffer, stock: Stock): void {
  for (const row of change.rows.set) {
    pushFrontend(rows, row, change.port.id, stock.nextGeneration())
  }
}

/** Another service may have taken the frontend over meanwhile: then it is not ours to delete. */
function pushStaleRows({ change }: Task, rows: RowBuffer, maps: Maps): void {
  for (const row of change.rows.delete) {
    const entry = getFrontend(maps.frontends, row)
    if (entry === undefined) continue
    if (!entry.isSealed || entry.serviceId === change.port.id) pushFrontendKey(rows, row)
  }
}

/** Nothing is owed any more. */
function settle(change: PortChange, actual: Actual, freed: { regions: Extent[] }): void {
  const { port, rows, removedIds } = change
  freed.regions.push(...(port.unsettled?.oldRegions ?? []))
  actual.frontends_n -= rows.delete.length
  actual.members_n -= removedIds.length
  port.unsettled = undefined
}

/** Ids out of range come from a damaged map: there is nothing of theirs to be freed. */
function remove(port: PortState, maps: Maps, freed: { regions: Extent[]; ids: number[] }): number {
  if (port.region !== 0) freed.regions.push({ region: port.region, slots: port.slots })
  if (port.id <= 0 || port.id >= maps.services.capacity) return 0
  storeService(maps.services, port.id, 0, 0)
  freed.ids.push(port.id)
  return 1
}

/** Throws only what is no MapError: then the state is unknown, and a restart finds out. */
export function apply(
  batch: readonly ServiceChange[],
  maps: Maps,
  stock: Stock,
  actual: Actual,
): Applied {
  const tasks = batch.flatMap(({ key, changes }) => changes.map((change) => ({ key, change })))
  const writer = new Writer(tasks)
  const isRemoval = ({ change }: Task): boolean => change.isRemoval
  for (const { key, ports } of batch) actual.setPorts(key, ports)
  for (const task of tasks) commit(task, maps, stock, writer.writes)

  const members = writer.collect(memberBuffer(), (task, rows) => {
    if (!isRemoval(task)) pushRegion(task, rows, maps, stock)
  })
  writer.setAll(maps.members, members)
  const staleMembers = writer.collect(memberBuffer(), (task, rows) => {
    if (!isRemoval(task)) pushStaleMembers(task, rows)
  })
  writer.deleteAll(maps.members, staleMembers)

  const rows = writer.collect(frontendBuffer(), (task, rows) => pushRows(task, rows, stock))
  writer.setAll(maps.frontends, rows)
  const gone = writer.collect(frontendBuffer(), (task, rows) => pushStaleRows(task, rows, maps))
  writer.deleteAll(maps.frontends, gone)

  const orphans = writer.collect(memberBuffer(), (task, rows) => {
    if (isRemoval(task)) pushStaleMembers(task, rows)
  })
  writer.deleteAll(maps.members, orphans)
  return finish(batch, writer, maps, actual, gone.rows.count + staleMembers.rows.count)
}

function finish(
  batch: readonly ServiceChange[],
  writer: Writer,
  maps: Maps,
  actual: Actual,
  deleted_n: number,
): Applied {
  const freed = { regions: [] as Extent[], ids: [] as number[] }
  const removed: RemovedBackend[] = []
  for (const { key, changes, ports } of batch) {
    const isFailed = writer.failed.has(key)
    const gone = new Set<unknown>()
    for (const change of changes) {
      if (!change.isRemoval || !isFailed) removed.push(...change.removed)
      if (isFailed) continue
      settle(change, actual, freed)
      if (!change.isRemoval) continue
      writer.writes.services += remove(change.port, maps, freed)
      gone.add(change.port)
    }
    if (gone.size > 0) {
      actual.setPorts(
        key,
        ports.filter((port) => !gone.has(port)),
      )
    }
  }
  const { failed, writes } = writer
  return { failed, removed, freed, writes, hasMadeRoom: deleted_n + freed.ids.length > 0 }
}
