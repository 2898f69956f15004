/** What a Service's wish depends on besides the Service and its slices. */
import type { Address } from '../model/address.ts'
import type { Cidr } from '../model/cidr.ts'
import type { Node } from '../model/objects.ts'

export interface NodeFacts {
  /** This node's name: endpoints with it are local (kube-proxy-behaviour O7). */
  readonly name: string
  /** '' if unknown: zone hints then never narrow (C2). */
  readonly zone: string
  /** Of this node; no VIP may equal one (threat T1). */
  readonly addresses: readonly Address[]
  /** Where externalIPs may lie; empty: nowhere, they are off (threat T1, CVE-2020-8554). */
  readonly externalIpCidrs: readonly Cidr[]
  /** Backends that one service port and family can have (FL_REGION_MAX). */
  readonly backendsLimit: number
  /** Pod devices have programs that decide what connect() can't know. */
  readonly packetPathExists: boolean
}

/**
 * TEMPORARY, until the packet path exists: no frontend is left to it. The whole of the per-packet
 * rule hangs on this one constant; the rule itself stands in `frontends.ts`.
 */
export const packetPathExists = false

export interface FactSettings {
  readonly nodeName: string
  readonly externalIpCidrs: readonly Cidr[]
  readonly backendsLimit: number
}

/** @param interfaceAddresses of this node's devices, which its Node object need not list. */
export function nodeFacts(
  settings: FactSettings,
  node: Node | undefined,
  interfaceAddresses: readonly Address[],
): NodeFacts {
  return {
    name: settings.nodeName,
    zone: node?.zone ?? '',
    addresses: [...(node?.addresses ?? []), ...interfaceAddresses],
    externalIpCidrs: settings.externalIpCidrs,
    backendsLimit: settings.backendsLimit,
    packetPathExists,
  }
}
