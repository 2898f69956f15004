/**
 * The few fields we keep of Kubernetes objects. A source (the API server or a directory of
 * manifests) projects each object to these at once and forgets the rest. Immutable once made.
 */
import type { Address, Family } from './address.ts'

export type Protocol = 'TCP' | 'UDP' | 'SCTP'

/** `namespace/name`; a Node's is its name alone. */
export type ObjectKey = string

/** What an Event or a log line needs to name an object. */
export interface ObjectRef {
  /** `File` is a manifest that as a whole can't be read, its path the name; in no table. */
  readonly kind: 'Service' | 'EndpointSlice' | 'Node' | 'Namespace' | 'ConfigMap' | 'File'
  readonly namespace: string
  readonly name: string
  readonly uid: string
  /** `file:line` for manifests, '' for the API server. */
  readonly where: string
}

export interface ServicePort {
  readonly name: string
  readonly protocol: Protocol
  readonly port: number
  /** 0: none. */
  readonly nodePort: number
}

export interface LoadBalancerIp {
  readonly address: Address
  /** `Proxy`: the balancer delivers to the node itself, nothing is programmed (kube-proxy-behaviour L1). */
  readonly mode: 'VIP' | 'Proxy'
}

export interface Service {
  readonly ref: ObjectRef
  /** Seconds since the epoch: the older Service wins a contested frontend. */
  readonly createdAt_s: number
  readonly type: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName'
  /** Valid addresses only, at most one a family; empty when headless. */
  readonly clusterIps: readonly Address[]
  readonly isHeadless: boolean
  /** Value of the label service.kubernetes.io/service-proxy-name, undefined if absent. */
  readonly proxyName: string | undefined
  readonly ports: readonly ServicePort[]
  readonly internalTrafficPolicy: 'Cluster' | 'Local'
  readonly externalTrafficPolicy: 'Cluster' | 'Local'
  /** ClientIP affinity's timeout; 0: no affinity. */
  readonly affinityTimeout_s: number
  readonly externalIps: readonly Address[]
  readonly loadBalancerIps: readonly LoadBalancerIp[]
  /** As written; parsed where they are used. */
  readonly loadBalancerSourceRanges: readonly string[]
  /** 0: none. */
  readonly healthCheckNodePort: number
}

export interface SlicePort {
  readonly name: string
  readonly protocol: Protocol
  readonly port: number
}

export const endpointState = { ready: 1, serving: 2, terminating: 4 } as const

/** Hints of one endpoint; kube-proxy-behaviour C2. */
export interface EndpointHints {
  readonly zones: readonly string[]
  readonly nodes: readonly string[]
}

/**
 * Endpoints as columns: 100,000 of them as objects would cost tens of MB. Column i of each is one
 * endpoint. Only addresses[0] of an endpoint counts, endpoints without address are not here
 * (kube-proxy-behaviour O5).
 */
export interface EndpointSlice {
  readonly ref: ObjectRef
  /** Value of the label kubernetes.io/service-name; '' if absent: bound to no Service (O4). */
  readonly service: string
  /** Label service.kubernetes.io/headless is present: ignored for frontends (O3). */
  readonly isHeadless: boolean
  readonly family: Family
  /** Ports without name or number are not here (O5). */
  readonly ports: readonly SlicePort[]
  readonly count: number
  /** count × 16 bytes. */
  readonly addresses: Uint8Array
  /** Bits of `endpointState`, nil conditions resolved (O7). */
  readonly states: Uint8Array
  /** Node name each, '' if none. Interned. */
  readonly nodes: readonly string[]
  /** Zone each, '' if none. Interned. */
  readonly zones: readonly string[]
  /** Endpoint host names, for DNS; undefined when no endpoint has one. */
  readonly hostnames: readonly string[] | undefined
  /** Undefined when no endpoint has any. */
  readonly hints: readonly (EndpointHints | undefined)[] | undefined
}

export interface Node {
  readonly ref: ObjectRef
  readonly zone: string
  /** InternalIP before ExternalIP, in the order given. */
  readonly addresses: readonly Address[]
  readonly podCidrs: readonly string[]
  readonly isDeleting: boolean
  readonly taintKeys: readonly string[]
}

/** Kept for DNS and gates; the Foundation only counts them. */
export interface Namespace {
  readonly ref: ObjectRef
}
export interface ConfigMap {
  readonly ref: ObjectRef
  readonly data: Readonly<Record<string, string>>
}

export type ModelObject = Service | EndpointSlice | Node | Namespace | ConfigMap

/** One object that can't be used, whole or in part: a log line, a row of `status`, an Event. */
export interface Problem {
  readonly ref: ObjectRef
  /** Stable CamelCase word: reason of the Event, key for folding repeats. */
  readonly reason: string
  /** What is wrong, naming field and value. */
  readonly message: string
  /** What to do. */
  readonly remedy: string
}
