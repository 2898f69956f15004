/** `affinity`: which backend did this client have last, and when? Written by programs only. */
import { flAffinity, flAffinityKey, flClientKind } from './abi.gen.ts'
import { viewOf } from './rows.ts'
import type { Table } from './table.ts'

export interface AffinityEntry {
  readonly serviceId: number
  readonly backendId: number
  /** CLOCK_BOOTTIME of the client's last new connection. */
  readonly lastUsed_ns: bigint
  /** Who the client is: by address (16 bytes), or by the cookie of its network namespace. */
  readonly client:
    | { readonly kind: 'address'; readonly address: Uint8Array }
    | { readonly kind: 'netns'; readonly cookie: bigint }
}

/** An LRU map changes while it is read: entries may be missing, none is made up. */
export function listAffinity(table: Table): AffinityEntry[] {
  const { keys, values } = table.entries()
  const [keyView, valueView] = [viewOf(keys.bytes), viewOf(values.bytes)]
  return Array.from({ length: keys.count }, (_, i) => {
    const key = flAffinityKey.read(keyView, i * flAffinityKey.size)
    const value = flAffinity.read(valueView, i * flAffinity.size)
    const isCookie = key.kind === flClientKind.netnsCookie
    return {
      serviceId: key.serviceId,
      backendId: value.backendId,
      lastUsed_ns: value.lastUsedNs,
      client: isCookie
        ? { kind: 'netns', cookie: viewOf(key.client).getBigUint64(0, true) }
        : { kind: 'address', address: key.client },
    }
  })
}
