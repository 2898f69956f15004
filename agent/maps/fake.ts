/** Maps in memory, for tests and for dry runs: same widths and limits as the kernel's. */
import {
  flAffinity,
  flAffinityKey,
  flBackend,
  flFrontend,
  flFrontendKey,
  flMember,
  flMemberKey,
  flMeta,
  flNodeAddress,
  flReason,
  flService,
} from './abi.gen.ts'
import { viewOf } from './rows.ts'
import { MapError } from './table.ts'
import type { Maps, Memory, Rows, Table } from './table.ts'

export interface FakeSizes {
  readonly frontends: number
  readonly services: number
  readonly backends: number
  readonly members: number
}

export interface FakeMaps extends Maps {
  /** Rows set or deleted, and stores, by map. Counted also when `onWrite` throws. */
  readonly writes: Record<string, number>
  /** Calls of `barrier`. */
  barriers: number
  /** Called before each single write; what it throws ends the operation there. */
  onWrite: ((map: string) => void) | undefined
}

type Count = (map: string) => void

/** Keys are held as Latin-1 text. */
function fakeTable(
  name: string,
  keyBytes: number,
  valueBytes: number,
  capacity: number,
  count: Count,
): Table {
  const rows = new Map<string, Uint8Array>()
  const text = (key: Uint8Array): string => {
    if (key.length !== keyBytes) throw new RangeError(`${name}: key of ${key.length} bytes`)
    return Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1')
  }
  const one = ({ bytes }: Rows, width: number, i: number): Uint8Array =>
    bytes.subarray(i * width, (i + 1) * width)
  const set = (key: Uint8Array, value: Uint8Array, done: number): void => {
    if (value.length !== valueBytes) throw new RangeError(`${name}: value of ${value.length} bytes`)
    count(name)
    const at = text(key)
    if (!rows.has(at) && rows.size >= capacity) {
      throw new MapError(`write ${name}: E2BIG: raise its size`, { code: 'E2BIG', map: name, done })
    }
    rows.set(at, value.slice())
  }
  const remove = (key: Uint8Array): boolean => {
    count(name)
    return rows.delete(text(key))
  }
  return {
    name,
    keyBytes,
    valueBytes,
    capacity,
    get: (key) => rows.get(text(key))?.slice(),
    set: (key, value) => set(key, value, 0),
    delete: remove,
    setBatch(keys, values) {
      for (let i = 0; i < keys.count; i++)
        set(one(keys, keyBytes, i), one(values, valueBytes, i), i)
    },
    deleteBatch(keys) {
      let n = 0
      for (let i = 0; i < keys.count; i++) if (remove(one(keys, keyBytes, i))) n++
      return n
    },
    entries() {
      const keys = Buffer.concat([...rows.keys()].map((key) => Buffer.from(key, 'latin1')))
      const values = Buffer.concat([...rows.values()])
      return {
        keys: { bytes: keys, count: rows.size },
        values: { bytes: values, count: rows.size },
      }
    },
  }
}

function fakeMemory(name: string, valueBytes: number, capacity: number, count: Count): Memory {
  const bytes = new Uint8Array(valueBytes * capacity)
  const view = viewOf(bytes)
  return {
    name,
    valueBytes,
    capacity,
    bytes,
    store(offset, low, high) {
      count(name)
      view.setUint32(offset, low, true)
      view.setUint32(offset + 4, high, true)
    },
    load64: (offset) => view.getBigUint64(offset, true),
    store64(offset, value) {
      count(name)
      view.setBigUint64(offset, value, true)
    },
  }
}

const defaults: FakeSizes = { frontends: 1024, services: 256, backends: 4096, members: 4096 }

export function fakeMaps(sizes: Partial<FakeSizes> = {}): FakeMaps {
  const size = { ...defaults, ...sizes }
  const count: Count = (map) => {
    fake.writes[map] = (fake.writes[map] ?? 0) + 1
    fake.onWrite?.(map)
  }
  const fake: FakeMaps = {
    writes: {},
    barriers: 0,
    onWrite: undefined,
    frontends: fakeTable('frontends', flFrontendKey.size, flFrontend.size, size.frontends, count),
    services: fakeMemory('services', flService.size, size.services, count),
    backends: fakeMemory('backends', flBackend.size, size.backends, count),
    members: fakeTable('members', flMemberKey.size, flMember.size, size.members, count),
    affinity: fakeTable('affinity', flAffinityKey.size, flAffinity.size, 1024, count),
    nodeAddresses: fakeTable('node_addresses', 16, flNodeAddress.size, 64, count),
    meta: fakeMemory('meta', flMeta.size, 1, count),
    serviceStats: () => ({ connections: () => 0n, rejects: () => 0n }),
    reasons: () => Array.from({ length: flReason.reasonN }, () => 0n),
    barrier() {
      fake.barriers++
      return Promise.resolve()
    },
    close: () => {},
  }
  return fake
}

/** All rows and stores so far. */
export function writesOf(fake: FakeMaps): number {
  return Object.values(fake.writes).reduce((sum, n) => sum + n, 0)
}
