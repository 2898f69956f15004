/**
 * The computed wish: what one Service, its slices and this node's facts come to in terms of
 * frontends and backends. Pure data; `sync` turns it into map writes.
 */
import type { Address, Family } from '../model/address.ts'
import type { ObjectKey, ObjectRef, Problem, Protocol } from '../model/objects.ts'

/** namespace/name/port name/protocol/family: what one service id stands for. */
export type ServicePortKey = string

export type FrontendKind = 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalIP'

export interface Frontend {
  readonly kind: FrontendKind
  /** NodePort: 0.0.0.0 (v4-mapped) or ::, one entry of the family for all node addresses. */
  readonly address: Address
  /** 0: every port of the address that no other frontend names; refused (N5). */
  readonly port: number
  readonly protocol: Protocol
  /** externalTrafficPolicy decides (kube-proxy-behaviour C4). */
  readonly isExternal: boolean
  /** connect() of a pod must be left to the packet path (DESIGN 4.1, "What connect() cannot know"). */
  readonly isPerPacket: boolean
}

/**
 * Backends as columns, in the order local only | local and cluster | cluster only | serving but
 * unused: Local is [0, localCount), Cluster is [clusterOffset, clusterOffset + clusterCount).
 */
export interface Backends {
  readonly count: number
  /** count × 16 bytes. */
  readonly addresses: Uint8Array
  readonly ports: Uint16Array
  /** 1: serves while it terminates. */
  readonly terminating: Uint8Array
  /** 1: on this node. */
  readonly local: Uint8Array
  readonly zones: readonly string[]
  readonly localCount: number
  readonly clusterOffset: number
  readonly clusterCount: number
}

export interface DesiredPort {
  readonly key: ServicePortKey
  readonly family: Family
  readonly frontends: readonly Frontend[]
  readonly backends: Backends
  readonly isInternalLocal: boolean
  readonly isExternalLocal: boolean
  /** Some endpoint is ready, or serving and terminating, on any node (kube-proxy-behaviour C5). */
  readonly hasEndpoints: boolean
  readonly affinityTimeout_s: number
}

export interface DesiredService {
  readonly key: ObjectKey
  readonly ref: ObjectRef
  readonly createdAt_s: number
  /** default/kubernetes: never programmed down to zero backends. */
  readonly isApiServer: boolean
  readonly ports: readonly DesiredPort[]
  /** Found while compiling; each row of them is an Event on the Service. */
  readonly problems: readonly Problem[]
}
