/**
 * What a Service asks clients to dial: ClusterIP, NodePort, LoadBalancer and external addresses of
 * one family (kube-proxy-behaviour O2, O10, O11, L1), after the checks of threat T1.
 */
import { familyOf, formatAddress, parseAddress } from '../model/address.ts'
import type { Address, Family } from '../model/address.ts'
import { isInside, parseCidr } from '../model/cidr.ts'
import type { Problem, Service, ServicePort } from '../model/objects.ts'
import type { Frontend, FrontendKind } from './desired.ts'
import type { NodeFacts } from './facts.ts'

/** An address of a Service, before it meets a port. */
export interface Vip {
  readonly kind: FrontendKind
  readonly address: Address
}

/** Stand for every node address of their family. */
export const anyAddress: Readonly<Record<Family, Address>> = {
  4: parseAddress('0.0.0.0') as Address,
  6: parseAddress('::') as Address,
}

/** 0: none. On other types the field has no meaning. */
export function nodePortOf(service: Service, port: ServicePort): number {
  return service.type === 'NodePort' || service.type === 'LoadBalancer' ? port.nodePort : 0
}

export function isSameAddress(a: Address, b: Address): boolean {
  for (let i = a.length - 1; i >= 0; i--) if (a[i] !== b[i]) return false
  return true
}

/** Programmed at all? O1: another proxy's; O2: headless or a mere name. */
function isProgrammed(service: Service): boolean {
  return service.proxyName === undefined && service.type !== 'ExternalName' && !service.isHeadless
}

/** Families in the order of clusterIPs; a family without clusterIP gets nothing at all (O11). */
export function familiesOf(service: Service): readonly Family[] {
  return isProgrammed(service) ? service.clusterIps.map((address) => familyOf(address)) : []
}

function refusal(service: Service, vip: Vip, facts: NodeFacts): Problem | undefined {
  const isNode = facts.addresses.some((address) => isSameAddress(address, vip.address))
  const isAllowed =
    vip.kind !== 'ExternalIP' || facts.externalIpCidrs.some((cidr) => isInside(vip.address, cidr))
  if (!isNode && isAllowed) return undefined
  const what = `${vip.kind} address ${formatAddress(vip.address)}`
  if (isNode) {
    return {
      ref: service.ref,
      reason: 'VipIsNodeAddress',
      message: `${what} is an address of node ${facts.name}: it is not served there`,
      remedy: 'give the Service an address that no node has',
    }
  }
  const isOff = facts.externalIpCidrs.length === 0
  return {
    ref: service.ref,
    reason: 'ExternalIpRefused',
    message: isOff
      ? `${what} is not served: externalIPs are off, since they let a tenant take any address`
      : `${what} is not served: it lies outside the allowed ranges`,
    remedy: 'use a LoadBalancer address, or allow its range in the agent options',
  }
}

/**
 * The addresses of a Service in one family, each once, the first kind that names it; those that
 * may not be served are told in `problems`.
 */
export function vipsOf(
  service: Service,
  family: Family,
  facts: NodeFacts,
  problems: Problem[],
): Vip[] {
  const asked: Vip[] = service.clusterIps.map((address) => ({ kind: 'ClusterIP', address }))
  if (service.type === 'LoadBalancer') {
    for (const { address, mode } of service.loadBalancerIps) {
      if (mode === 'VIP') asked.push({ kind: 'LoadBalancer', address })
    }
  }
  for (const address of service.externalIps) asked.push({ kind: 'ExternalIP', address })
  const vips: Vip[] = []
  for (const vip of asked) {
    if (familyOf(vip.address) !== family) continue
    if (vips.some((known) => isSameAddress(known.address, vip.address))) continue
    const problem = refusal(service, vip, facts)
    if (problem === undefined) vips.push(vip)
    else problems.push(problem)
  }
  return vips
}

/** L3: a /0 allows all; ranges of the other family alone do not filter this one. */
function hasSourceFilter(service: Service, family: Family): boolean {
  let isFiltered = false
  for (const text of service.loadBalancerSourceRanges) {
    const range = parseCidr(text)
    // What can't be read filters: a typing error must not open a Service.
    if (range === undefined) isFiltered = true
    else if (range.family === family && range.bits === (family === 4 ? 96 : 0)) return false
    else if (range.family === family) isFiltered = true
  }
  return isFiltered
}

/**
 * Must a pod's connect() be left to the packet path, because only the real source decides (DESIGN
 * 4.1, "What connect() cannot know")? masqueradeAll joins this rule when it becomes an option.
 */
function isPerPacket(
  service: Service,
  kind: FrontendKind,
  family: Family,
  drops: boolean,
  facts: NodeFacts,
): boolean {
  if (!facts.packetPathExists) return false
  if (service.affinityTimeout_s > 0) return true
  if (kind === 'ClusterIP') return drops
  // Masqueraded cells of behaviour 1.3. With policy Local a pod short-circuits unmasqueraded.
  if (service.externalTrafficPolicy === 'Cluster') return true
  return kind === 'LoadBalancer' && hasSourceFilter(service, family)
}

/** The frontends of one port in one family. */
export function frontendsOf(
  service: Service,
  port: ServicePort,
  family: Family,
  vips: readonly Vip[],
  endpoints: { readonly localCount: number; readonly hasEndpoints: boolean },
  facts: NodeFacts,
): Frontend[] {
  // N2: policy Local, endpoints only elsewhere: the verdict is DROP.
  const isLocal = service.internalTrafficPolicy === 'Local'
  const drops = isLocal && endpoints.localCount === 0 && endpoints.hasEndpoints
  const make = (kind: FrontendKind, address: Address, number: number): Frontend => ({
    kind,
    address,
    port: number,
    protocol: port.protocol,
    isExternal: kind !== 'ClusterIP',
    isPerPacket: isPerPacket(service, kind, family, drops, facts),
  })
  const frontends = vips.map(({ kind, address }) => make(kind, address, port.port))
  const nodePort = nodePortOf(service, port)
  if (nodePort > 0) frontends.push(make('NodePort', anyAddress[family], nodePort))
  return frontends
}
