/**
 * The endpoints of one service port in one family, over all its slices, each address and port once
 * (kube-proxy-behaviour O3 to O6).
 */
import { addressBytes } from '../model/address.ts'
import type { Family } from '../model/address.ts'
import { endpointState } from '../model/objects.ts'
import type { EndpointHints, EndpointSlice, ServicePort } from '../model/objects.ts'

/** Columns; row i is endpoint `index[i]` of `slices[i]`. */
export interface Candidates {
  readonly slices: EndpointSlice[]
  readonly index: number[]
  readonly ports: number[]
}

/** Below so many rows comparing each with each is cheaper than hashing. */
const smallCount = 12

function isSameAddress(a: Uint8Array, aAt: number, b: Uint8Array, bAt: number): boolean {
  // From the end: addresses of a cluster differ in their last bytes.
  for (let i = addressBytes - 1; i >= 0; i--) if (a[aAt + i] !== b[bAt + i]) return false
  return true
}

function hashOf(bytes: Uint8Array, at: number, port: number): number {
  let hash = 0x811c9dc5 ^ port
  for (let i = 0; i < addressBytes; i++) {
    hash = Math.imul(hash ^ (bytes[at + i] ?? 0), 0x01000193)
  }
  return hash ^ (hash >>> 15)
}

const noSlots = new Int32Array(0)

/** Finds rows by address and port; grows with them. */
class Index {
  readonly #rows: Candidates
  #slots = noSlots

  constructor(rows: Candidates) {
    this.#rows = rows
  }

  /** The row with that address and port, -1 if none. */
  find(slice: EndpointSlice, index: number, port: number): number {
    const { ports } = this.#rows
    if (ports.length < smallCount) {
      for (let row = 0; row < ports.length; row++) {
        if (ports[row] === port && this.#is(row, slice, index)) return row
      }
      return -1
    }
    if (this.#slots.length < ports.length * 2) this.#grow()
    let slot = this.#slotOf(slice, index, port)
    for (;;) {
      const row = (this.#slots[slot] ?? 0) - 1
      if (row < 0 || (ports[row] === port && this.#is(row, slice, index))) return row
      slot = (slot + 1) & (this.#slots.length - 1)
    }
  }

  /** Notes the last row, after it was appended. */
  added(): void {
    if (this.#slots.length > 0) this.#insert(this.#rows.ports.length - 1)
  }

  #is(row: number, slice: EndpointSlice, index: number): boolean {
    const known = this.#rows.slices[row]
    if (known === undefined) return false
    const knownAt = (this.#rows.index[row] ?? 0) * addressBytes
    return isSameAddress(known.addresses, knownAt, slice.addresses, index * addressBytes)
  }

  #slotOf(slice: EndpointSlice, index: number, port: number): number {
    return hashOf(slice.addresses, index * addressBytes, port) & (this.#slots.length - 1)
  }

  #insert(row: number): void {
    const slice = this.#rows.slices[row]
    if (slice === undefined) return
    let slot = this.#slotOf(slice, this.#rows.index[row] ?? 0, this.#rows.ports[row] ?? 0)
    while (this.#slots[slot] !== 0) slot = (slot + 1) & (this.#slots.length - 1)
    this.#slots[slot] = row + 1
  }

  #grow(): void {
    // At least four times the rows, so that probing stays short until the next growth.
    this.#slots = new Int32Array(2 ** Math.ceil(Math.log2(this.#rows.ports.length * 4)))
    for (let row = 0; row < this.#rows.ports.length; row++) this.#insert(row)
  }
}

/** Bigger wins where one address and port stands twice: not terminating, then ready, serving. */
function rankOf(state: number): number {
  return (
    ((state & endpointState.terminating) === 0 ? 4 : 0) +
    ((state & endpointState.ready) === 0 ? 0 : 2) +
    ((state & endpointState.serving) === 0 ? 0 : 1)
  )
}

export function stateOf(rows: Candidates, row: number): number {
  return rows.slices[row]?.states[rows.index[row] ?? 0] ?? 0
}

export function nodeOf(rows: Candidates, row: number): string {
  return rows.slices[row]?.nodes[rows.index[row] ?? 0] ?? ''
}

export function hintsOf(rows: Candidates, row: number): EndpointHints | undefined {
  return rows.slices[row]?.hints?.[rows.index[row] ?? 0]
}

function addSlice(rows: Candidates, known: Index, slice: EndpointSlice, port: number): void {
  for (let index = 0; index < slice.count; index++) {
    const row = known.find(slice, index, port)
    if (row < 0) {
      rows.slices.push(slice)
      rows.index.push(index)
      rows.ports.push(port)
      known.added()
    } else if (rankOf(slice.states[index] ?? 0) > rankOf(stateOf(rows, row))) {
      rows.slices[row] = slice
      rows.index[row] = index
    }
  }
}

/** In the order of the slices given, so that equal input gives equal output. */
export function collectCandidates(
  port: ServicePort,
  family: Family,
  slices: readonly EndpointSlice[],
): Candidates {
  const rows: Candidates = { slices: [], index: [], ports: [] }
  const known = new Index(rows)
  for (const slice of slices) {
    if (slice.family !== family || slice.isHeadless) continue
    for (const { name, protocol, port: number } of slice.ports) {
      if (name === port.name && protocol === port.protocol) addSlice(rows, known, slice, number)
    }
  }
  return rows
}
