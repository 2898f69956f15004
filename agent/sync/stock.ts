/**
 * The room in the maps, and who gets it. A Service's change is drawn up whole, with every id and
 * slot it needs taken, before anything that a program can see is written; if anything is short,
 * all is given back and the last good set stays.
 */
import type { DesiredPort, DesiredService } from '../desired/desired.ts'
import { flLimit } from '../maps/abi.gen.ts'
import { metaOf } from '../maps/meta.ts'
import { RegionDraft, regionSlots } from '../maps/regions.ts'
import type { Maps } from '../maps/table.ts'
import type { ObjectKey } from '../model/objects.ts'
import type { Actual, PortState } from './actual.ts'
import { Counter, ServiceIds } from './ids.ts'
import { mustKeepRegion, noRegionChange, planRegion, planRemoval, planRows } from './plan.ts'
import type { RegionChange, RemovedBackend, RowChange } from './plan.ts'
import { Slots } from './slots.ts'
import type { Extent } from './slots.ts'

/** What is to be done to one service port. */
export interface PortChange {
  readonly port: PortState
  /** The new region, already written; undefined: the one in force stays. */
  readonly next: Extent | undefined
  readonly areMembersDue: boolean
  readonly rows: RowChange
  /** Ids whose members go. */
  readonly removedIds: readonly number[]
  readonly removed: readonly RemovedBackend[]
  readonly isRemoval: boolean
  /** Members more that the map will hold. */
  readonly added_n: number
}

export interface ServiceChange {
  readonly key: ObjectKey
  /** Ports without change are not here. */
  readonly changes: readonly PortChange[]
  /** Ports after the change, in the order of the wish, then those that go. */
  readonly ports: readonly PortState[]
  /** A port of the API server's Service kept backends that the wish has lost. */
  readonly isKeptAlive: boolean
}

/** Which map is too small for a Service. */
export interface Shortage {
  readonly key: ObjectKey
  readonly map: 'frontends' | 'services' | 'backends' | 'members'
  readonly free: number
  readonly needed: number
  readonly capacity: number
  /** No size helps: one service port has more backends than fit in a region. */
  readonly isTooLarge: boolean
}

export function isShortage(result: ServiceChange | Shortage): result is Shortage {
  return 'needed' in result
}

/** What restore found in force. */
export interface Inventory {
  readonly serviceIds: ReadonlySet<number>
  readonly regions: readonly Extent[]
  /** Larger than any found in the maps. */
  readonly backendIdFloor: number
  readonly generationFloor: number
}

const backendIdBlock = 4096
/** 100,000 members take as many; a block is one store. */
const generationBlock = 65536

export class Stock {
  readonly #maps: Maps
  readonly #actual: Actual
  readonly #draft = new RegionDraft()
  readonly #slots: Slots
  readonly #ids: ServiceIds
  readonly #backendIds: Counter
  readonly #generations: Counter

  constructor(maps: Maps, actual: Actual, found: Inventory) {
    const meta = metaOf(maps.meta)
    this.#maps = maps
    this.#actual = actual
    this.#slots = new Slots(maps.backends.capacity, found.regions)
    this.#ids = new ServiceIds(maps.services.capacity, found.serviceIds)
    this.#backendIds = new Counter(
      { read: () => meta.nextBackendId(), write: (id) => meta.setNextBackendId(id) },
      backendIdBlock,
      found.backendIdFloor,
    )
    this.#generations = new Counter(
      { read: () => meta.nextGeneration(), write: (n) => meta.setNextGeneration(n) },
      generationBlock,
      found.generationFloor,
    )
  }

  nextGeneration(): number {
    return this.#generations.take()
  }

  /** After a barrier. */
  free(regions: readonly Extent[], ids: readonly number[]): void {
    for (const { region, slots } of regions) this.#slots.give(region, slots)
    for (const id of ids) this.#ids.give(id)
  }

  /** Free entries, for metrics. */
  available(): { readonly services: number; readonly backends: number } {
    return { services: this.#ids.available, backends: this.#slots.available }
  }

  /** Draws up everything for one Service. New regions are written, where no program can see them. */
  reserve(desired: DesiredService): ServiceChange | Shortage {
    const known = new Map(this.#actual.portsOf(desired.key).map((port) => [port.key, port]))
    const ports: PortState[] = []
    const changes: PortChange[] = []
    let isKeptAlive = false
    for (const wanted of desired.ports) {
      if (wanted.frontends.length === 0) continue
      const state = known.get(wanted.key)
      known.delete(wanted.key)
      const keeps = desired.isApiServer && mustKeepRegion(wanted, state, this.#maps.backends)
      isKeptAlive ||= keeps
      const change = this.#change(desired.key, wanted, state, keeps)
      if ('needed' in change) {
        this.#giveBack(changes)
        return change
      }
      ports.push(change.port)
      if (isDue(change)) changes.push(change)
    }
    for (const port of known.values()) {
      ports.push(port)
      changes.push(this.#removal(port))
    }
    const short = this.#entriesShort(desired.key, changes)
    if (short !== undefined) {
      this.#giveBack(changes)
      return short
    }
    for (const { rows, added_n } of changes) {
      this.#actual.frontends_n += rows.added_n
      this.#actual.members_n += added_n
    }
    return { key: desired.key, changes, ports, isKeptAlive }
  }

  #change(
    key: ObjectKey,
    wanted: DesiredPort,
    state: PortState | undefined,
    keeps: boolean,
  ): PortChange | Shortage {
    const rows = planRows(wanted, state)
    const due = state?.unsettled
    const region: RegionChange = keeps
      ? noRegionChange
      : planRegion(wanted, state, this.#maps.backends, this.#draft)
    const common = {
      rows,
      areMembersDue: region.isChanged || due?.areMembersDue === true,
      removedIds: due === undefined ? region.removedIds : [...due.staleIds, ...region.removedIds],
      removed: region.removed,
      isRemoval: false,
      added_n: region.added_n,
    }
    if (!region.isChanged && state !== undefined) return { port: state, next: undefined, ...common }
    return this.#takeRegion(key, wanted, state, common)
  }

  #takeRegion(
    key: ObjectKey,
    wanted: DesiredPort,
    state: PortState | undefined,
    common: Omit<PortChange, 'port' | 'next'>,
  ): PortChange | Shortage {
    const { count } = wanted.backends
    const slots = regionSlots(count)
    const { services, backends } = this.#maps
    const room = { free: this.#slots.available, needed: slots, capacity: backends.capacity }
    if (count > flLimit.regionMax) return { key, map: 'backends', ...room, isTooLarge: true }
    const region = this.#slots.take(slots)
    if (region === undefined) return { key, map: 'backends', ...room, isTooLarge: false }
    const id = state?.id ?? this.#ids.take()
    if (id === undefined) {
      this.#slots.give(region, slots)
      const { capacity } = services
      return { key, map: 'services', free: 0, needed: 1, capacity, isTooLarge: false }
    }
    this.#draft.setServiceId(id)
    this.#draft.fillIds(() => this.#backendIds.take())
    this.#draft.copyTo(backends, region)
    const port = state ?? {
      key: wanted.key,
      id,
      region: 0,
      slots: 0,
      rows: '',
      unsettled: undefined,
    }
    return { port, next: { region, slots }, ...common }
  }

  #removal(port: PortState): PortChange {
    const { removedIds, removed } = planRemoval(port, this.#maps.backends)
    return {
      port,
      next: undefined,
      areMembersDue: false,
      rows: planRows(undefined, port),
      removedIds: [...(port.unsettled?.staleIds ?? []), ...removedIds],
      removed,
      isRemoval: true,
      added_n: 0,
    }
  }

  #entriesShort(key: ObjectKey, changes: readonly PortChange[]): Shortage | undefined {
    const sum = (of: (change: PortChange) => number): number =>
      changes.reduce((n, change) => n + of(change), 0)
    const check = (
      map: 'frontends' | 'members',
      used: number,
      needed: number,
    ): Shortage | undefined => {
      const { capacity } = this.#maps[map]
      const free = Math.max(0, capacity - used)
      if (needed <= free) return undefined
      return { key, map, free, needed, capacity, isTooLarge: false }
    }
    return (
      check(
        'frontends',
        this.#actual.frontends_n,
        sum(({ rows }) => rows.added_n),
      ) ??
      check(
        'members',
        this.#actual.members_n,
        sum(({ added_n }) => added_n),
      )
    )
  }

  /** No program has seen any of it, so no barrier is needed. */
  #giveBack(changes: readonly PortChange[]): void {
    for (const { port, next } of changes) {
      if (next !== undefined) this.#slots.give(next.region, next.slots)
      if (next !== undefined && port.region === 0) this.#ids.give(port.id)
    }
  }
}

function isDue({ next, port, rows }: PortChange): boolean {
  return (
    next !== undefined ||
    port.unsettled !== undefined ||
    rows.set.length > 0 ||
    rows.delete.length > 0
  )
}
