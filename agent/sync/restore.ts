/**
 * What an earlier agent left in the maps: which services are whole, and what has to be repaired.
 * Reads only. A kill at any point of apply.ts leaves something that this understands.
 */
import { listFrontends } from '../maps/frontends.ts'
import type { FrontendEntry, FrontendRow } from '../maps/frontends.ts'
import { listMembers } from '../maps/members.ts'
import { backendIds, readRegion } from '../maps/regions.ts'
import { listServices } from '../maps/services.ts'
import type { Maps } from '../maps/table.ts'
import { joinRows } from './actual.ts'
import type { PortState } from './actual.ts'
import type { Extent } from './slots.ts'
import type { Inventory } from './stock.ts'

/** What one service id has in the maps. */
export interface Remains {
  readonly id: number
  /** 0: it has no region that programs could use. */
  readonly region: number
  readonly slots: number
  /** Sealed rows that name it. */
  readonly rows: FrontendRow[]
  /** Backend ids under its id in `members` that are not in its region. */
  readonly strayIds: number[]
  /** Regions of old that its members still point to. */
  readonly oldRegions: Extent[]
  /** Some members are missing or wrong. */
  areMembersDue: boolean
}

export interface Restored {
  readonly byId: ReadonlyMap<number, Remains>
  /** Entries that no program trusts: to be overwritten or deleted. */
  readonly unsealed: readonly FrontendRow[]
  readonly frontends_n: number
  readonly members_n: number
  readonly inventory: Inventory
}

/** Slots of the region at `region` that service `id` owns; 0 if there is none. */
function slotsOf(maps: Maps, id: number, region: number): number {
  const { backends } = maps
  if (region === 0 || region >= backends.capacity) return 0
  const { serviceId, totalN, localN, clusterOffset, clusterN } = readRegion(backends, region)
  const slots = 1 + totalN
  if (serviceId !== id || region + slots > backends.capacity) return 0
  return localN <= totalN && clusterOffset + clusterN <= totalN ? slots : 0
}

function overlaps(sorted: readonly (Extent & { id: number })[]): Set<number> {
  const ids = new Set<number>()
  let last: (Extent & { id: number }) | undefined
  for (const extent of sorted) {
    if (last !== undefined && extent.region < last.region + last.slots) {
      ids.add(extent.id).add(last.id)
    }
    if (last === undefined || extent.region + extent.slots > last.region + last.slots) last = extent
  }
  return ids
}

class Reader {
  readonly byId = new Map<number, Remains>()
  readonly unsealed: FrontendRow[] = []
  /** Every region that a program may still read. */
  readonly regions: Extent[] = []
  #backendIdFloor = 1
  #generationFloor = 1
  /** Members of each service that are as they should be. */
  readonly #right = new Map<number, number>()
  readonly #maps: Maps

  constructor(maps: Maps) {
    this.#maps = maps
  }

  services(): void {
    const found: (Extent & { id: number })[] = []
    for (const { id, region, generation } of listServices(this.#maps.services)) {
      this.#sawGeneration(generation)
      const slots = slotsOf(this.#maps, id, region)
      if (slots > 0) found.push({ id, region, slots })
      else this.#remains(id)
    }
    found.sort((a, b) => a.region - b.region)
    const damaged = overlaps(found)
    for (const { id, region, slots } of found) {
      this.regions.push({ region, slots })
      const ids = backendIds(this.#maps.backends, region, slots - 1)
      for (const backendId of ids) this.#sawBackend(backendId)
      // Two regions that overlap, or an id twice in one: this was not written by us as it stands.
      const isWhole = !damaged.has(id) && new Set(ids).size === ids.length && !ids.includes(0)
      this.#remains(id, isWhole ? region : 0, isWhole ? slots : 0)
    }
  }

  members(): number {
    let count = 0
    for (const { serviceId, backendId, region, offset, generation, isSealed } of listMembers(
      this.#maps.members,
    )) {
      count++
      this.#sawGeneration(generation)
      this.#sawBackend(backendId)
      const service = this.#remains(serviceId)
      const isOurs =
        service.region !== 0 &&
        offset < service.slots - 1 &&
        backendIds(this.#maps.backends, service.region + offset, 1)[0] === backendId
      if (isSealed && isOurs && region === service.region) {
        this.#right.set(serviceId, (this.#right.get(serviceId) ?? 0) + 1)
      } else {
        this.#strayMember(service, backendId, isSealed ? region : 0)
      }
    }
    for (const service of this.byId.values()) {
      service.areMembersDue ||= (this.#right.get(service.id) ?? 0) < service.slots - 1
    }
    return count
  }

  #strayMember(service: Remains, backendId: number, region: number): void {
    service.areMembersDue = true
    service.strayIds.push(backendId)
    const slots = slotsOf(this.#maps, service.id, region)
    if (slots === 0 || region === service.region) return
    if (service.oldRegions.some((old) => old.region === region)) return
    const isFree = !this.regions.some(
      (used) => region < used.region + used.slots && used.region < region + slots,
    )
    // Of overlapping ones the first is kept: they were written one after another into free slots.
    if (!isFree) return
    service.oldRegions.push({ region, slots })
    this.regions.push({ region, slots })
  }

  frontends(): number {
    const entries = listFrontends(this.#maps.frontends)
    for (const entry of entries) this.#frontend(entry)
    return entries.length
  }

  #frontend({ row, serviceId, isSealed, generation }: FrontendEntry): void {
    this.#sawGeneration(generation)
    if (isSealed) this.#remains(serviceId).rows.push(row)
    else this.unsealed.push(row)
  }

  /** Ids that are still in the backends of their own service are no strays. */
  finish(): void {
    for (const service of this.byId.values()) {
      if (service.strayIds.length === 0 || service.region === 0) continue
      const ids = new Set(backendIds(this.#maps.backends, service.region, service.slots - 1))
      const strays = service.strayIds.filter((id) => !ids.has(id))
      service.strayIds.splice(0, service.strayIds.length, ...strays)
    }
  }

  inventory(): Inventory {
    const isId = (id: number): boolean => id > 0 && id < this.#maps.services.capacity
    return {
      serviceIds: new Set([...this.byId.keys()].filter(isId)),
      regions: this.regions,
      backendIdFloor: this.#backendIdFloor,
      generationFloor: this.#generationFloor,
    }
  }

  #remains(id: number, region = 0, slots = 0): Remains {
    const known = this.byId.get(id)
    if (known !== undefined) return known
    const remains: Remains = {
      id,
      region,
      slots,
      rows: [],
      strayIds: [],
      oldRegions: [],
      areMembersDue: false,
    }
    this.byId.set(id, remains)
    return remains
  }

  // Beyond this the numbers begin again anyway, and one damaged value must not use them all up.
  #sawBackend(id: number): void {
    if (id < floorLimit) this.#backendIdFloor = Math.max(this.#backendIdFloor, id + 1)
  }

  #sawGeneration(generation: number): void {
    if (generation < floorLimit) {
      this.#generationFloor = Math.max(this.#generationFloor, generation + 1)
    }
  }
}

const floorLimit = 0xf0000000

/** Throws MapError if a map can't be read. */
export function readRestored(maps: Maps): Restored {
  const reader = new Reader(maps)
  reader.services()
  const members_n = reader.members()
  const frontends_n = reader.frontends()
  reader.finish()
  const { byId, unsealed } = reader
  return { byId, unsealed, frontends_n, members_n, inventory: reader.inventory() }
}

/** As a port that was written and may not be settled. */
export function portOf(key: string, remains: Remains): PortState {
  const { id, region, slots, rows, strayIds, oldRegions, areMembersDue } = remains
  const isSettled = !areMembersDue && strayIds.length + oldRegions.length === 0
  return {
    key,
    id,
    region,
    slots,
    rows: joinRows(rows),
    unsettled: isSettled
      ? undefined
      : { oldRegions, staleIds: strayIds, staleRows: [], areMembersDue, areRowsDue: false },
  }
}
