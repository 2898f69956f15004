/**
 * Addresses that no Service may claim and no endpoint may have, whoever wrote them: threats T1
 * and T2 of the threat model. IPv4 is v4-mapped here, so `::ffff:127.0.0.1` is 127.0.0.1.
 */
import { familyOf } from './address.ts'
import type { Address } from './address.ts'

export type SpecialUse = 'loopback' | 'link-local' | 'multicast' | 'unspecified' | 'broadcast'

function specialV4(a: number, b: number, c: number, d: number): SpecialUse | undefined {
  if (a === 127) return 'loopback'
  if (a === 169 && b === 254) return 'link-local'
  if (a >= 224 && a <= 239) return 'multicast'
  if (a === 0) return 'unspecified'
  if (a === 255 && b === 255 && c === 255 && d === 255) return 'broadcast'
  return undefined
}

function isZeroTo(bytes: Uint8Array, offset: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (bytes[offset + i] !== 0) return false
  return true
}

function specialV6(bytes: Uint8Array, offset: number): SpecialUse | undefined {
  const first = bytes[offset] ?? 0
  const second = bytes[offset + 1] ?? 0
  if (first === 0xff) return 'multicast'
  if (first === 0xfe && (second & 0xc0) === 0x80) return 'link-local'
  if (!isZeroTo(bytes, offset, 12)) return undefined
  // ::/96 holds ::, ::1 and IPv4-compatible addresses, which some stacks read as IPv4.
  const [a = 0, b = 0, c = 0, d = 0] = bytes.subarray(offset + 12, offset + 16)
  if (a === 0 && b === 0 && c === 0) return d === 1 ? 'loopback' : 'unspecified'
  return specialV4(a, b, c, d)
}

/**
 * Why 16 bytes at `offset` can be neither VIP nor backend nor node address; undefined if they can.
 * 0.0.0.0/8 counts as unspecified: Linux delivers 0.0.0.0 to the host itself.
 */
export function specialUse(bytes: Address, offset = 0): SpecialUse | undefined {
  if (familyOf(bytes, offset) === 6) return specialV6(bytes, offset)
  const at = offset + 12
  return specialV4(bytes[at] ?? 0, bytes[at + 1] ?? 0, bytes[at + 2] ?? 0, bytes[at + 3] ?? 0)
}
