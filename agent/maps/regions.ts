/** `backends`: regions, each a header slot and then its backends, in memory shared with programs. */
import { flBackend, flBackendState, flRegion } from './abi.gen.ts'
import type { FlBackend, FlRegion } from './abi.gen.ts'
import { viewOf } from './rows.ts'
import { zoneHash } from './seal.ts'
import type { Memory } from './table.ts'

export type RegionHeader = FlRegion
export type Backend = FlBackend

/**
 * What a region needs of its backends, as columns of `count` rows. Twice, because maps may not know
 * `Backends` of desired, which is one.
 */
export interface BackendColumns {
  readonly count: number
  /** 16 bytes a row. */
  readonly addresses: Uint8Array
  readonly ports: Uint16Array
  /** 0 or 1. */
  readonly terminating: Uint8Array
  /** 0 or 1. */
  readonly local: Uint8Array
  readonly zones: readonly string[]
}

const slotBytes = flBackend.size
/** Address and port: what makes two backends of a service port the same one. */
const identity = [0, 4, 8, 12].map((at) => flBackend.at.addr + at)

/** Slots of a region with `count` backends. */
export function regionSlots(count: number): number {
  return 1 + count
}

export function readRegion(backends: Memory, region: number): RegionHeader {
  return flRegion.read(viewOf(backends.bytes), region * slotBytes)
}

/** The backend at `offset` (0: the first) of a region. */
export function readBackend(backends: Memory, region: number, offset: number): Backend {
  return flBackend.read(viewOf(backends.bytes), (region + 1 + offset) * slotBytes)
}

/** Ids of a region's `count` backends, in their order. */
export function backendIds(backends: Memory, region: number, count: number): Uint32Array {
  const view = viewOf(backends.bytes)
  const first = (region + 1) * slotBytes + flBackend.at.id
  const ids = new Uint32Array(count)
  for (let i = 0; i < count; i++) ids[i] = view.getUint32(first + i * slotBytes, true)
  return ids
}

/** A region as it will stand in the map; `take` copies it there. Reused for one after another. */
export class RegionDraft {
  #bytes = new Uint8Array(64 * slotBytes)
  #view = new DataView(this.#bytes.buffer)
  #count = 0

  /** Fills the draft. Ids are zero until `matchIds` or `setId`. */
  write(header: RegionHeader, columns: BackendColumns): void {
    const bytes = regionSlots(columns.count) * slotBytes
    if (bytes > this.#bytes.length) {
      this.#bytes = new Uint8Array(2 * bytes)
      this.#view = new DataView(this.#bytes.buffer)
    }
    this.#count = columns.count
    this.#bytes.fill(0, 0, bytes)
    flRegion.write(this.#view, 0, header)
    for (let i = 0; i < columns.count; i++) this.#writeBackend(columns, i)
  }

  #writeBackend(columns: BackendColumns, i: number): void {
    const slot = (i + 1) * slotBytes
    const state = columns.terminating[i] ? flBackendState.terminating : flBackendState.active
    for (let k = 0; k < 16; k++) {
      this.#bytes[slot + flBackend.at.addr + k] = columns.addresses[i * 16 + k] ?? 0
    }
    this.#view.setUint32(slot + flBackend.at.zone, zoneHash(columns.zones[i] ?? ''), true)
    this.#view.setUint16(slot + flBackend.at.port, columns.ports[i] ?? 0)
    this.#bytes[slot + flBackend.at.state] = state
    this.#bytes[slot + flBackend.at.isLocal] = columns.local[i] ?? 0
  }

  /**
   * Gives each backend the id that the same address and port has in `region` of `backends`, and
   * returns the offsets there of backends that the draft no longer has.
   */
  matchIds(backends: Memory, region: number, count: number): number[] {
    const old = viewOf(backends.bytes)
    const base = (region + 1) * slotBytes
    const isTaken = new Uint8Array(count)
    const index = count > 16 ? this.#indexOf(old, base, count) : undefined
    for (let i = 0; i < this.#count; i++) {
      const slot = (i + 1) * slotBytes
      // Most changes leave most backends where they were, or one place further.
      let at = i < count && !isTaken[i] && this.#isSame(slot, old, base + i * slotBytes) ? i : -1
      if (at < 0) at = this.#find(slot, old, base, count, isTaken, index)
      if (at < 0) continue
      isTaken[at] = 1
      this.setId(i, old.getUint32(base + at * slotBytes + flBackend.at.id, true))
    }
    const removed: number[] = []
    for (let i = 0; i < count; i++) if (!isTaken[i]) removed.push(i)
    return removed
  }

  #hash(view: DataView, slot: number): number {
    let hash = view.getUint16(slot + flBackend.at.port)
    for (const at of identity) hash = Math.imul(hash ^ view.getUint32(slot + at, true), 0x01000193)
    return (hash ^ (hash >>> 15)) >>> 0
  }

  #indexOf(old: DataView, base: number, count: number): Int32Array {
    const size = 2 ** Math.ceil(Math.log2(2 * count))
    const index = new Int32Array(size)
    for (let i = 0; i < count; i++) {
      let at = this.#hash(old, base + i * slotBytes) & (size - 1)
      while (index[at] !== 0) at = (at + 1) & (size - 1)
      index[at] = i + 1
    }
    return index
  }

  #find(
    slot: number,
    old: DataView,
    base: number,
    count: number,
    isTaken: Uint8Array,
    index: Int32Array | undefined,
  ): number {
    const isIt = (i: number): boolean =>
      !isTaken[i] && this.#isSame(slot, old, base + i * slotBytes)
    if (index === undefined) {
      for (let i = 0; i < count; i++) if (isIt(i)) return i
      return -1
    }
    let at = this.#hash(this.#view, slot) & (index.length - 1)
    for (let i = index[at] ?? 0; i !== 0; i = index[at] ?? 0) {
      if (isIt(i - 1)) return i - 1
      at = (at + 1) & (index.length - 1)
    }
    return -1
  }

  #isSame(slot: number, old: DataView, oldSlot: number): boolean {
    for (const at of identity) {
      if (this.#view.getUint32(slot + at) !== old.getUint32(oldSlot + at)) return false
    }
    const { port } = flBackend.at
    return this.#view.getUint16(slot + port) === old.getUint16(oldSlot + port)
  }

  setId(offset: number, id: number): void {
    this.#view.setUint32((offset + 1) * slotBytes + flBackend.at.id, id, true)
  }

  idAt(offset: number): number {
    return this.#view.getUint32((offset + 1) * slotBytes + flBackend.at.id, true)
  }

  /** Gives ids to the backends that have none. */
  fillIds(next: () => number): void {
    let at = slotBytes + flBackend.at.id
    for (let i = 0; i < this.#count; i++, at += slotBytes) {
      if (this.#view.getUint32(at, true) === 0) this.#view.setUint32(at, next(), true)
    }
  }

  setServiceId(id: number): void {
    this.#view.setUint32(flRegion.at.serviceId, id, true)
  }

  /** True if `region` holds exactly this, header and ids included. */
  isIn(backends: Memory, region: number): boolean {
    const bytes = regionSlots(this.#count) * slotBytes
    const start = region * slotBytes
    if (start + bytes > backends.bytes.length) return false
    const old = backends.bytes.subarray(start, start + bytes)
    return Buffer.compare(old, this.#bytes.subarray(0, bytes)) === 0
  }

  /** Copies the draft to slots that no program can reach yet. */
  copyTo(backends: Memory, region: number): void {
    const bytes = this.#bytes.subarray(0, regionSlots(this.#count) * slotBytes)
    backends.bytes.set(bytes, region * slotBytes)
  }
}
