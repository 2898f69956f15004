/** `frontends`: is this destination a frontend, and whose? */
import { flFrontend, flFrontendKey } from './abi.gen.ts'
import type { FlFrontendKey } from './abi.gen.ts'
import { RowBuffer, viewOf } from './rows.ts'
import { keyHash } from './seal.ts'
import type { Table } from './table.ts'

/**
 * Key and flags of one entry as 24 Latin-1 characters, without its service: what a service port
 * remembers of its entries. As a string it is small, comparable with `===` and a key of a Map.
 */
export type FrontendRow = string

const keyChars = flFrontendKey.size
const scratch = Buffer.alloc(keyChars + 4)
const scratchView = viewOf(scratch)

export function frontendRow(key: FlFrontendKey, flags: number): FrontendRow {
  flFrontendKey.write(scratchView, 0, key)
  scratchView.setUint32(keyChars, flags, true)
  return scratch.toString('latin1')
}

/** The key part of a row: equal for two rows of one map entry. */
export function rowKey(row: FrontendRow): string {
  return row.slice(0, keyChars)
}

/** The key part as the map takes it. */
export function rowKeyBytes(row: FrontendRow): Uint8Array {
  return Buffer.from(rowKey(row), 'latin1')
}

export function readRow(row: FrontendRow): { key: FlFrontendKey; flags: number } {
  scratch.write(row, 0, 'latin1')
  return { key: flFrontendKey.read(scratchView, 0), flags: scratchView.getUint32(keyChars, true) }
}

export function frontendBuffer(): RowBuffer {
  return new RowBuffer(flFrontendKey.size, flFrontend.size)
}

export function pushFrontend(
  rows: RowBuffer,
  row: FrontendRow,
  serviceId: number,
  generation: number,
): void {
  const { row: at, values, keyBytes } = rows.push(1)
  scratch.write(row, 0, 'latin1')
  keyBytes.set(scratch.subarray(0, keyChars), at * keyChars)
  const seal = { keyHash: keyHash(scratch, 0, keyChars), generation }
  flFrontend.write(values, at * flFrontend.size, {
    sealFirst: seal,
    serviceId,
    flags: scratchView.getUint32(keyChars, true),
    sealLast: seal,
  })
}

/** Pushes the key alone, for a batch of deletions. */
export function pushFrontendKey(rows: RowBuffer, row: FrontendRow): void {
  const { row: at, keyBytes } = rows.push(1)
  scratch.write(row, 0, 'latin1')
  keyBytes.set(scratch.subarray(0, keyChars), at * keyChars)
}

export interface FrontendEntry {
  readonly row: FrontendRow
  readonly serviceId: number
  /** Both seals are equal and of this key: programs trust the value. */
  readonly isSealed: boolean
  readonly generation: number
}

function entryAt(keys: Uint8Array, values: Uint8Array, i: number): FrontendEntry {
  const key = i * keyChars
  const value = flFrontend.read(viewOf(values), i * flFrontend.size)
  scratch.set(keys.subarray(key, key + keyChars))
  scratchView.setUint32(keyChars, value.flags, true)
  const { sealFirst, sealLast } = value
  return {
    row: scratch.toString('latin1'),
    serviceId: value.serviceId,
    generation: sealLast.generation,
    isSealed:
      sealFirst.keyHash === sealLast.keyHash &&
      sealFirst.generation === sealLast.generation &&
      sealLast.keyHash === keyHash(keys, key, keyChars),
  }
}

export function listFrontends(table: Table): FrontendEntry[] {
  const { keys, values } = table.entries()
  return Array.from({ length: keys.count }, (_, i) => entryAt(keys.bytes, values.bytes, i))
}

/** The map's entry under this row's key. */
export function getFrontend(table: Table, row: FrontendRow): FrontendEntry | undefined {
  const key = rowKeyBytes(row)
  const value = table.get(key)
  return value && entryAt(key, value, 0)
}
