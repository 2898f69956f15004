/** `node_addresses`: which addresses are this node's, and which of them serve NodePorts? */
import { flNodeAddress, flNodeAddressFlag } from './abi.gen.ts'
import type { Table } from './table.ts'

export interface NodeAddress {
  /** 16 bytes, v4-mapped. */
  readonly address: Uint8Array
  /** NodePorts are served on it (nodePortAddresses). */
  readonly hasNodePorts: boolean
}

function encode({ hasNodePorts }: NodeAddress): Uint8Array {
  const value = new Uint8Array(flNodeAddress.size)
  flNodeAddress.write(new DataView(value.buffer), 0, {
    flags: hasNodePorts ? flNodeAddressFlag.nodePorts : 0,
  })
  return value
}

/** Brings the map to `addresses`; returns how many entries it wrote. Nothing equal is written. */
export function writeNodeAddresses(table: Table, addresses: readonly NodeAddress[]): number {
  const wanted = new Map(addresses.map((a) => [Buffer.from(a.address).toString('hex'), a]))
  let writes = 0
  for (const { address, hasNodePorts } of readNodeAddresses(table)) {
    const key = Buffer.from(address).toString('hex')
    const row = wanted.get(key)
    if (row === undefined && table.delete(address)) writes++
    if (row?.hasNodePorts === hasNodePorts) wanted.delete(key)
  }
  for (const row of wanted.values()) {
    table.set(row.address, encode(row))
    writes++
  }
  return writes
}

export function readNodeAddresses(table: Table): NodeAddress[] {
  const { keys, values } = table.entries()
  const view = new DataView(values.bytes.buffer, values.bytes.byteOffset, values.bytes.byteLength)
  return Array.from({ length: keys.count }, (_, i) => ({
    address: keys.bytes.slice(i * table.keyBytes, (i + 1) * table.keyBytes),
    hasNodePorts:
      (flNodeAddress.read(view, i * table.valueBytes).flags & flNodeAddressFlag.nodePorts) !== 0,
  }))
}
