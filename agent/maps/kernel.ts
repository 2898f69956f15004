/** Maps of the kernel: flat Buffers over the native addon. */
import { load64, membarrier, store32x2, store64 } from '../../native/index.ts'
import type { BpfMap } from '../../native/index.ts'
import { codeOf, reasonOf } from '../errors.ts'
import { flReason, flServiceStats } from './abi.gen.ts'
import type { MapName } from './abi.gen.ts'
import { metaOf } from './meta.ts'
import type { Meta } from './meta.ts'
import { viewOf } from './rows.ts'
import { MapError } from './table.ts'
import type { Maps, Memory, Rows, Table } from './table.ts'

const remedies: Readonly<Record<string, string>> = {
  E2BIG: 'the map is full: raise its size',
  ENOMEM: 'the kernel has no memory for it: it is tried again',
  EPERM: 'needs CAP_BPF (see deploy/daemonset.yaml)',
}

function mapError(map: string, verb: string, thrown: unknown): MapError {
  const code = codeOf(thrown)
  const done =
    typeof thrown === 'object' && thrown !== null && 'done' in thrown ? Number(thrown.done) : 0
  const remedy = remedies[code] ?? 'it is tried again'
  const message = `${verb} ${map}: ${code || reasonOf(thrown)}: ${remedy}`
  return new MapError(message, { code, map, done, cause: thrown })
}

/** Runs `work`; what it throws becomes a MapError. */
function guard<T>(map: string, verb: string, work: () => T): T {
  try {
    return work()
  } catch (thrown) {
    throw mapError(map, verb, thrown)
  }
}

function kernelTable(name: string, map: BpfMap): Table {
  const { keySize, valueSize, maxEntries } = map.info()
  return {
    name,
    keyBytes: keySize,
    valueBytes: valueSize,
    capacity: maxEntries,
    get: (key) => guard(name, 'read', () => map.lookup(key) ?? undefined),
    set: (key, value) => guard(name, 'write', () => map.update(key, value)),
    delete: (key) => guard(name, 'delete from', () => map.delete(key)),
    setBatch: (keys, values) =>
      guard(name, 'write', () => map.updateBatch(keys.bytes, values.bytes, keys.count)),
    deleteBatch: (keys) =>
      guard(name, 'delete from', () => map.deleteBatch(keys.bytes, keys.count)),
    entries: () =>
      guard(name, 'read', () => {
        const { keys, values, count } = map.entries()
        const rows = (bytes: Uint8Array): Rows => ({ bytes, count })
        return { keys: rows(keys), values: rows(values) }
      }),
  }
}

function kernelMemory(name: string, map: BpfMap): Memory {
  const { valueSize, maxEntries } = map.info()
  const memory = guard(name, 'map the memory of', () => map.mmap())
  return {
    name,
    valueBytes: valueSize,
    capacity: maxEntries,
    bytes: new Uint8Array(memory),
    store: (offset, low, high) =>
      guard(name, 'store to', () => store32x2(memory, offset, low, high)),
    load64: (offset) => guard(name, 'load from', () => load64(memory, offset)),
    store64: (offset, value) => guard(name, 'store to', () => store64(memory, offset, value)),
  }
}

/** `meta` alone: what bypass, status and cleanup need while the agent is down. */
export function kernelMeta(map: BpfMap): Meta {
  return metaOf(kernelMemory('meta', map))
}

/** A per-CPU array of u64 fields, read once; `sum` adds up one field of one entry over all CPUs. */
function perCpu(name: string, map: BpfMap, valueBytes: number) {
  const { values, count } = guard(name, 'read', () => map.entries())
  const view = viewOf(values)
  const entryBytes = count === 0 ? 0 : values.length / count
  return (index: number, offset: number): bigint => {
    let sum = 0n
    if (index >= count) return sum
    // Values are multiples of 8 bytes, so the CPUs' stand without gaps.
    for (let at = index * entryBytes; at < (index + 1) * entryBytes; at += valueBytes) {
      sum += view.getBigUint64(at + offset, true)
    }
    return sum
  }
}

/**
 * `open` gives a pinned or loaded map by name; each is opened once, and closed by `close()`.
 * Throws MapError or what `open` throws.
 */
export function kernelMaps(open: (name: MapName) => BpfMap): Maps {
  const opened: BpfMap[] = []
  const take = (name: MapName): BpfMap => {
    const map = open(name)
    opened.push(map)
    return map
  }
  const close = (): void => {
    for (const map of opened) map.close()
  }
  try {
    const stats = take('service_stats')
    const reasons = take('reasons')
    return {
      frontends: kernelTable('frontends', take('frontends')),
      services: kernelMemory('services', take('services')),
      backends: kernelMemory('backends', take('backends')),
      members: kernelTable('members', take('members')),
      affinity: kernelTable('affinity', take('affinity')),
      nodeAddresses: kernelTable('node_addresses', take('node_addresses')),
      meta: kernelMemory('meta', take('meta')),
      serviceStats() {
        const sum = perCpu('service_stats', stats, flServiceStats.size)
        const { connectionsN, rejectsN } = flServiceStats.at
        return {
          connections: (id) => sum(id, connectionsN),
          rejects: (id) => sum(id, rejectsN),
        }
      },
      reasons() {
        const sum = perCpu('reasons', reasons, 8)
        return Array.from({ length: flReason.reasonN }, (_, i) => sum(i, 0))
      },
      barrier: membarrier,
      close,
    }
  } catch (error) {
    close()
    throw error
  }
}
