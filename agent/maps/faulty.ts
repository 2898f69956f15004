/** Maps that fail now and then, in a way that can be repeated: what scenario tests run on as well. */
import { MapError } from './table.ts'
import type { Maps, Rows, Table } from './table.ts'

export interface FaultOptions {
  /** Part of operations that fail, 0 to 1. May be changed while it runs. */
  rate: number
  /** Same seed, same failures. */
  readonly seed: number
}

const codes = ['EAGAIN', 'ENOMEM', 'E2BIG'] as const

/** mulberry32: small, and good enough to scatter faults. In [0, 1). */
export function randomOf(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

function faultyTable(table: Table, options: FaultOptions, random: () => number): Table {
  const isFault = (): boolean => random() < options.rate
  const fail = (verb: string, done: number): never => {
    const code = codes[Math.floor(random() * codes.length)] ?? 'EAGAIN'
    throw new MapError(`${verb} ${table.name}: ${code}: injected`, { code, map: table.name, done })
  }
  const first = ({ bytes, count }: Rows, width: number, n: number): Rows =>
    n === count ? { bytes, count } : { bytes: bytes.subarray(0, n * width), count: n }
  return {
    name: table.name,
    keyBytes: table.keyBytes,
    valueBytes: table.valueBytes,
    capacity: table.capacity,
    get: (key) => (isFault() ? fail('read', 0) : table.get(key)),
    set: (key, value) => (isFault() ? fail('write', 0) : table.set(key, value)),
    delete: (key) => (isFault() ? fail('delete from', 0) : table.delete(key)),
    setBatch(keys, values) {
      const isFailing = isFault()
      const n = isFailing ? Math.floor(random() * keys.count) : keys.count
      table.setBatch(first(keys, table.keyBytes, n), first(values, table.valueBytes, n))
      if (isFailing) fail('write', n)
    },
    deleteBatch(keys) {
      const isFailing = isFault()
      const n = isFailing ? Math.floor(random() * keys.count) : keys.count
      const deleted = table.deleteBatch(first(keys, table.keyBytes, n))
      return isFailing ? fail('delete from', n) : deleted
    },
    // A failed read at start is not a fault of an entry: restore is tried again as a whole.
    entries: () => (isFault() ? fail('read', 0) : table.entries()),
  }
}

/** Wraps `maps`: batches fail half-way, barriers reject. Memory (mmap) cannot fail. */
export function faultyMaps(maps: Maps, options: FaultOptions): Maps {
  const random = randomOf(options.seed)
  return {
    ...maps,
    frontends: faultyTable(maps.frontends, options, random),
    members: faultyTable(maps.members, options, random),
    affinity: faultyTable(maps.affinity, options, random),
    nodeAddresses: faultyTable(maps.nodeAddresses, options, random),
    barrier: () =>
      random() < options.rate
        ? Promise.reject(new MapError('barrier: EAGAIN: injected', { code: 'EAGAIN', map: '' }))
        : maps.barrier(),
  }
}
