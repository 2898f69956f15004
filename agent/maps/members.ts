/** `members`: is this remembered backend still one of this service, and where? */
import { flBackend, flMember, flMemberKey, flSeal } from './abi.gen.ts'
import { RowBuffer, viewOf } from './rows.ts'
import { pairHash } from './seal.ts'
import type { Memory, Table } from './table.ts'

export function memberBuffer(): RowBuffer {
  return new RowBuffer(flMemberKey.size, flMember.size)
}

/**
 * Pushes all members of a region of `count` backends. `generation` is asked once a member. Without
 * objects on the way: a cold start pushes 100,000 of them.
 */
export function pushMembers(
  rows: RowBuffer,
  backends: Memory,
  serviceId: number,
  region: number,
  count: number,
  generation: () => number,
): void {
  const { row, keys, values } = rows.push(count)
  const from = viewOf(backends.bytes)
  let id = (region + 1) * flBackend.size + flBackend.at.id
  for (let i = 0; i < count; i++, id += flBackend.size) {
    writeMember(keys, values, row + i, serviceId, from.getUint32(id, true), region, i, generation())
  }
}

function writeMember(
  keys: DataView,
  values: DataView,
  row: number,
  serviceId: number,
  backendId: number,
  region: number,
  offset: number,
  generation: number,
): void {
  const key = row * flMemberKey.size
  keys.setUint32(key + flMemberKey.at.serviceId, serviceId, true)
  keys.setUint32(key + flMemberKey.at.backendId, backendId, true)
  const hash = pairHash(serviceId, backendId)
  const value = row * flMember.size
  values.setUint32(value + flMember.at.sealFirst + flSeal.at.keyHash, hash, true)
  values.setUint32(value + flMember.at.sealFirst + flSeal.at.generation, generation, true)
  values.setUint32(value + flMember.at.region, region, true)
  values.setUint32(value + flMember.at.offset, offset, true)
  values.setUint32(value + flMember.at.sealLast + flSeal.at.keyHash, hash, true)
  values.setUint32(value + flMember.at.sealLast + flSeal.at.generation, generation, true)
}

/** Pushes the key alone, for a batch of deletions. */
export function pushMemberKey(rows: RowBuffer, serviceId: number, backendId: number): void {
  const { row, keys } = rows.push(1)
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
        sealLast.keyHash === pairHash(serviceId, backendId),
    }
  }
}
