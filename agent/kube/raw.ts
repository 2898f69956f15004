/**
 * The part of the Kubernetes JSON shape that we read. The JSON decoder gives these as they came,
 * the protobuf decoder builds the same shape, so that one projection serves both.
 *
 * Absent and null mean the same everywhere. A protobuf decoder must leave an unset optional field
 * absent and never fill in its default: a nil `ready` is true, a nil `name` of a slice port is not
 * '' (kube-proxy-behaviour O5, O7). These types say what a well-behaved server sends; `project`
 * trusts none of it.
 */

type Maybe<T> = T | null | undefined

export interface RawMeta {
  name?: Maybe<string>
  namespace?: Maybe<string>
  uid?: Maybe<string>
  resourceVersion?: Maybe<string>
  /** RFC 3339 text (JSON), or whole seconds since the epoch (protobuf). */
  creationTimestamp?: Maybe<string | number>
  deletionTimestamp?: Maybe<string | number>
  labels?: Maybe<Record<string, string>>
}

interface RawBase {
  /** Absent on the items of a JSON list: pass the kind to `project`. */
  kind?: Maybe<string>
  apiVersion?: Maybe<string>
  metadata?: Maybe<RawMeta>
}

export interface RawServicePort {
  name?: Maybe<string>
  protocol?: Maybe<string>
  port?: Maybe<number>
  nodePort?: Maybe<number>
}

export interface RawService extends RawBase {
  spec?: Maybe<{
    type?: Maybe<string>
    clusterIP?: Maybe<string>
    clusterIPs?: Maybe<string[]>
    ipFamilies?: Maybe<string[]>
    ports?: Maybe<RawServicePort[]>
    internalTrafficPolicy?: Maybe<string>
    externalTrafficPolicy?: Maybe<string>
    sessionAffinity?: Maybe<string>
    sessionAffinityConfig?: Maybe<{ clientIP?: Maybe<{ timeoutSeconds?: Maybe<number> }> }>
    externalIPs?: Maybe<string[]>
    loadBalancerSourceRanges?: Maybe<string[]>
    healthCheckNodePort?: Maybe<number>
  }>
  status?: Maybe<{
    loadBalancer?: Maybe<{
      ingress?: Maybe<{ ip?: Maybe<string>; ipMode?: Maybe<string>; hostname?: Maybe<string> }[]>
    }>
  }>
}

export interface RawEndpoint {
  addresses?: Maybe<string[]>
  conditions?: Maybe<{
    ready?: Maybe<boolean>
    serving?: Maybe<boolean>
    terminating?: Maybe<boolean>
  }>
  hostname?: Maybe<string>
  nodeName?: Maybe<string>
  zone?: Maybe<string>
  hints?: Maybe<{
    forZones?: Maybe<{ name?: Maybe<string> }[]>
    forNodes?: Maybe<{ name?: Maybe<string> }[]>
  }>
}

/** discovery.k8s.io/v1 */
export interface RawEndpointSlice extends RawBase {
  addressType?: Maybe<string>
  endpoints?: Maybe<RawEndpoint[]>
  ports?: Maybe<{ name?: Maybe<string>; protocol?: Maybe<string>; port?: Maybe<number> }[]>
}

export interface RawNode extends RawBase {
  spec?: Maybe<{
    podCIDR?: Maybe<string>
    podCIDRs?: Maybe<string[]>
    taints?: Maybe<{ key?: Maybe<string> }[]>
  }>
  status?: Maybe<{ addresses?: Maybe<{ type?: Maybe<string>; address?: Maybe<string> }[]> }>
}

export interface RawNamespace extends RawBase {}

export interface RawConfigMap extends RawBase {
  data?: Maybe<Record<string, string>>
}

export type RawObject = RawService | RawEndpointSlice | RawNode | RawNamespace | RawConfigMap
