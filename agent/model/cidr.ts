/** Address ranges: source ranges of load balancers, allowed external IPs. */
import { familyOf, parseAddress } from './address.ts'
import type { Address, Family } from './address.ts'

export interface Cidr {
  readonly address: Address
  /** Length in the 128 bits of `address`: an IPv4 /8 is 104. */
  readonly bits: number
  readonly family: Family
}

/**
 * `10.0.0.0/8`, `fd00::/8`; leading zeros are decimal as in addresses (kube-proxy-behaviour O12).
 * Undefined if it is none. Bits behind the prefix may be set and are ignored.
 */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf('/')
  if (slash < 0) return undefined
  const address = parseAddress(text.slice(0, slash))
  const length = text.slice(slash + 1)
  if (address === undefined || !/^[0-9]{1,3}$/.test(length)) return undefined
  // A v4-mapped text (`::ffff:10.0.0.0/104`) counts in its own 128 bits.
  const isDotted = !text.slice(0, slash).includes(':')
  const bits = Number.parseInt(length, 10) + (isDotted ? 96 : 0)
  if (bits > 128) return undefined
  const family = bits >= 96 ? familyOf(address) : 6
  return { address, bits, family }
}

export function isInside(address: Address, cidr: Cidr): boolean {
  if (familyOf(address) !== cidr.family) return false
  const whole = cidr.bits >> 3
  for (let i = 0; i < whole; i++) if (address[i] !== cidr.address[i]) return false
  const rest = cidr.bits & 7
  if (rest === 0) return true
  const mask = (0xff << (8 - rest)) & 0xff
  return (((address[whole] ?? 0) ^ (cidr.address[whole] ?? 0)) & mask) === 0
}
