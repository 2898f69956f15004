/** `members`: is this remembered backend still one of this service, and where? */
import { flMember, flMemberKey } from './abi.gen.ts'
import { RowBuffer, viewOf } from './rows.ts'
import { keyHash } from './seal.ts'
import type { Table } from './table.ts'

export function memberBuffer(): RowBuffer {
  return new RowBuffer(flMemberKey.size, flMember.size)
}

/** Without objects on the way: a cold start pushes 100,000 of them. */
export function pushMember(
  rows: RowBuffer,
  serviceId: number,
  backendId: number,
  region: number,
  offset: number,
  generation: number,
): void {
  const { row, keys, values, keyBytes } = rows.push()
  const key = row * flMemberKey.size
  keys.setUint32(key + flMemberKey.at.serviceId, serviceId, true)
  keys.setUint32(key + flMemberKey.at.backendId, backendId, true)
  const hash = keyHash(keyBytes, key, flMemberKey.size)
  const value = row * flMember.size
  for (const seal of [flMember.at.sealFirst, flMember.at.sealLast]) {
    values.setUint32(value + seal, hash, true)
    values.setUint32(value + seal + 4, generation, true)
  }
  values.setUint32(value + flMember.at.region, region, true)
  values.setUint32(value + flMember.at.offset, offset, true)
}

/** Pushes the key alone, for a batch of deletions. */
export function pushMemberKey(rows: RowBuffer, serviceId: number, backendId: number): void {
  const { row, keys } = rows.push()
  const key = row * flMemberKey.size
  keys.setUint32(key + flMemberKey.at.serviceId, serviceId, true)
  keys.setUint32(key + flMemberKey.at.backendId, backendId, true)
}

export interface MemberEntry {
  readonly serviceId: number
  readonly backendId: number
  readonly region: number
  readonly offset: number
  /** Both seals are equal and of this key: programs trust the value. */
  readonly isSealed: boolean
  readonly generation: number
}

export function* listMembers(table: Table): Generator<MemberEntry> {
  const { keys, values } = table.entries()
  const [keyView, valueView] = [viewOf(keys.bytes), viewOf(values.bytes)]
  for (let i = 0; i < keys.count; i++) {
    const { serviceId, backendId } = flMemberKey.read(keyView, i * flMemberKey.size)
    const value = flMember.read(valueView, i * flMember.size)
    const { sealFirst, sealLast, region, offset } = value
    yield {
      serviceId,
      backendId,
      region,
      offset,
      generation: sealLast.generation,
      isSealed:
        sealFirst.keyHash === sealLast.keyHash &&
        sealFirst.generation === sealLast.generation &&
        sealLast.keyHash === keyHash(keys.bytes, i * flMemberKey.size, flMemberKey.size),
    }
  }
}
