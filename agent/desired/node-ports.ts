/** On which addresses of this node are NodePorts served? (kube-proxy-behaviour P1) */
import { familyOf } from '../model/address.ts'
import type { Address } from '../model/address.ts'
import { isInside } from '../model/cidr.ts'
import type { Cidr } from '../model/cidr.ts'
import { isSameAddress } from './frontends.ts'

export type NodePortRule = 'primary' | 'localhost' | 'all' | readonly Cidr[]

/** First of each family: of the Node object where it has one, else of the devices. */
function primaries(nodeAddresses: readonly Address[], devices: readonly Address[]): Address[] {
  const first = (family: 4 | 6): Address[] =>
    [...nodeAddresses, ...devices].filter((address) => familyOf(address) === family).slice(0, 1)
  return [...first(4), ...first(6)]
}

/** A family that the ranges do not name at all is served on every address (P1). */
function isInRanges(address: Address, ranges: readonly Cidr[]): boolean {
  const family = familyOf(address)
  const ofFamily = ranges.filter((range) => range.family === family)
  return ofFamily.length === 0 || ofFamily.some((range) => isInside(address, range))
}

/** Loopback is not decided here: the programs serve it to the node's own processes (P3). */
export function servesNodePorts(
  rule: NodePortRule,
  nodeAddresses: readonly Address[],
  devices: readonly Address[],
): (address: Address) => boolean {
  if (rule === 'all') return () => true
  if (rule === 'localhost') return () => false
  if (rule !== 'primary') return (address) => isInRanges(address, rule)
  const served = primaries(nodeAddresses, devices)
  return (address) => served.some((one) => isSameAddress(one, address))
}
