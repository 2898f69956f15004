/**
 * Reads Kubernetes objects from protobuf: only the fields of `raw.ts`, by number; all else
 * (managedFields above all) is skipped without being looked at. Field numbers: generated.proto in
 * k8s.io/api core/v1 and discovery/v1, k8s.io/apimachinery meta/v1 and runtime. They are part of
 * the API's promise and never change. An unset optional field stays absent.
 */
import type { Kind } from '../model/source.ts'
import {
  bytes,
  commonText,
  endOf,
  entry,
  guarded,
  message,
  mustBeAt,
  readerOf,
  skip,
  text,
} from './message.ts'
import type { Reader } from './message.ts'
import type {
  RawConfigMap,
  RawEndpoint,
  RawEndpointSlice,
  RawMeta,
  RawNamespace,
  RawNode,
  RawObject,
  RawService,
  RawServicePort,
} from './raw.ts'

type Defined<T> = Exclude<T, null | undefined>

/** Labels that `project` reads; the rest is not worth a string. */
const keptLabels: ReadonlySet<string> = new Set([
  'kubernetes.io/service-name',
  'service.kubernetes.io/headless',
  'service.kubernetes.io/service-proxy-name',
  'topology.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/zone',
])

/** The first field of a message as text: ForZone, ForNode, Taint. */
function nameOnly(r: Reader, limit: number): string | undefined {
  let name: string | undefined
  message(r, limit, (tag, end) => {
    if (tag !== bytes(1)) return false
    name = commonText(r, end)
    return true
  })
  return name
}

/** meta/v1 Time as whole seconds since the epoch. */
function time(r: Reader, limit: number): number {
  let seconds = 0
  const end = endOf(r, limit)
  while (r.pos < end) {
    const tag = r.uint32()
    // Enough until 2106, and no 64-bit number object for each.
    if (tag === 8) seconds = r.uint32()
    else skip(r, tag, end)
  }
  mustBeAt(r, end)
  return seconds
}

const isKeptLabel = (key: string): boolean => keptLabels.has(key)

// From here on `case` labels are tags: field number × 8 + wire type, 2 where it has a length. As
// plain loops, for a full sync runs most of this before V8 has compiled any of it.

function meta(r: Reader, limit: number): RawMeta {
  const found: RawMeta = {}
  const end = endOf(r, limit)
  while (r.pos < end) {
    const tag = r.uint32()
    switch (tag) {
      case 10:
        found.name = text(r, end)
        break
      case 26:
        found.namespace = commonText(r, end)
        break
      case 42:
        found.uid = text(r, end)
        break
      case 50:
        found.resourceVersion = text(r, end)
        break
      case 66:
        found.creationTimestamp = time(r, end)
        break
      case 74:
        found.deletionTimestamp = time(r, end)
        break
      case 90:
        readLabel(found, r, end)
        break
      default:
        skip(r, tag, end)
    }
  }
  mustBeAt(r, end)
  return found
}

function readLabel(found: RawMeta, r: Reader, limit: number): void {
  const label = entry(r, limit, isKeptLabel)
  if (label !== undefined) (found.labels ??= {})[label[0]] = label[1]
}

function servicePort(r: Reader, limit: number): RawServicePort {
  const port: RawServicePort = {}
  const end = endOf(r, limit)
  while (r.pos < end) {
    const tag = r.uint32()
    if (tag === 10) port.name = commonText(r, end)
    else if (tag === 18) port.protocol = commonText(r, end)
    else if (tag === 24) port.port = r.int32()
    else if (tag === 40) port.nodePort = r.int32()
    else skip(r, tag, end)
  }
  mustBeAt(r, end)
  return port
}

/** SessionAffinityConfig.clientIP.timeoutSeconds. */
function affinity(
  r: Reader,
  limit: number,
): Defined<Defined<RawService['spec']>['sessionAffinityConfig']> {
  const config: { clientIP?: { timeoutSeconds?: number } } = {}
  message(r, limit, (tag, end) => {
    if (tag !== bytes(1)) return false
    const clientIP: { timeoutSeconds?: number } = {}
    message(r, end, (inner) => {
      if (inner !== 8) return false
      clientIP.timeoutSeconds = r.int32()
      return true
    })
    config.clientIP = clientIP
    return true
  })
  return config
}

function serviceSpec(r: Reader, limit: number): Defined<RawService['spec']> {
  const spec: Defined<RawService['spec']> = {}
  const end = endOf(r, limit)
  while (r.pos < end) {
    const tag = r.uint32()
    switch (tag) {
      case 10:
        ;(spec.ports ??= []).push(servicePort(r, end))
        break
      case 26:
        spec.clusterIP = text(r, end)
        break
      case 146:
        ;(spec.clusterIPs ??= []).push(text(r, end))
        break
      case 34:
        spec.type = commonText(r, end)
        break
      case 42:
        ;(spec.externalIPs ??= []).push(text(r, end))
        break
      case 58:
        spec.sessionAffinity = commonText(r, end)
        break
      case 74:
        ;(spec.loadBalancerSourceRanges ??= []).push(text(r, end))
        break
      case 90:
        spec.externalTrafficPolicy = commonText(r, end)
        break
      case 96:
        spec.healthCheckNodePort = r.int32()
        break
      case 114:
        spec.sessionAffinityConfig = affinity(r, end)
        break
      case 154:
        ;(spec.ipFamilies ??= []).push(commonText(r, end))
        break
      case 178:
        spec.internalTrafficPolicy = commonText(r, end)
        break
      default:
        skip(r, tag, end)
    }
  }
  mustBeAt(r, end)
  return spec
}

function serviceStatus(r: Reader, limit: number): Defined<RawService['status']> {
  const ingress: { ip?: string; ipMode?: string; hostname?: string }[] = []
  message(r, limit, (tag, end) => {
    if (tag !== bytes(1)) return false
    message(r, end, (inner, innerEnd) => {
      if (inner !== bytes(1)) return false
      const point: { ip?: string; ipMode?: string; hostname?: string } = {}
      message(r, innerEnd, (field, fieldEnd) => {
        if (field === bytes(1)) point.ip = text(r, fieldEnd)
        else if (field === bytes(2)) point.hostname = text(r, fieldEnd)
        else if (field === bytes(3)) point.ipMode = commonText(r, fieldEnd)
        else return false
        return true
      })
      ingress.push(point)
      return true
    })
    return true
  })
  return { loadBalancer: { ingress } }
}

function conditions(r: Reader, limit: number): Defined<RawEndpoint['conditions']> {
  const found: { ready?: boolean; serving?: boolean; terminating?: boolean } = {}
  const end = endOf(r, limit)
  while (r.pos < end) {
    const tag = r.uint32()
    if (tag === 8) found.ready = r.bool()
    else if (tag === 16) found.serving = r.bool()
    else if (tag === 24) found.terminating = r.bool()
    else skip(r, tag, end)
  }
  mustBeAt(r, end)
  return found
}

function hints(r: Reader, limit: number): Defined<RawEndpoint['hints']> {
  const found: { forZones?: { name?: string }[]; forNodes?: { name?: string }[] } = {}
  message(r, limit, (tag, end) => {
    if (tag !== bytes(1) && tag !== bytes(2)) return false
    const name = nameOnly(r, end)
    const named = name === undefined ? {} : { name }
    if (tag === bytes(1)) (found.forZones ??= []).push(named)
    else (found.forNodes ??= []).push(named)
    return true
  })
  return found
}

function endpoint(r: Reader, limit: number): RawEndpoint {
  const found: RawEndpoint = {}
  const end = endOf(r, limit)
  while (r.pos < end) {
    const tag = r.uint32()
    switch (tag) {
      case 10:
        ;(found.addresses ??= []).push(text(r, end))
        break
      case 18:
        found.conditions = conditions(r, end)
        break
      case 26:
        found.hostname = text(r, end)
        break
      case 50:
        found.nodeName = commonText(r, end)
        break
      case 58:
        found.zone = commonText(r, end)
        break
      case 66:
        found.hints = hints(r, end)
        break
      default:
        skip(r, tag, end)
    }
  }
  mustBeAt(r, end)
  return found
}

function slicePort(r: Reader, limit: number): { name?: string; protocol?: string; port?: number } {
  const port: { name?: string; protocol?: string; port?: number } = {}
  message(r, limit, (tag, end) => {
    if (tag === bytes(1)) port.name = commonText(r, end)
    else if (tag === bytes(2)) port.protocol = commonText(r, end)
    else if (tag === 24) port.port = r.int32()
    else return false
    return true
  })
  return port
}

function nodeSpec(r: Reader, limit: number): Defined<RawNode['spec']> {
  const spec: Defined<RawNode['spec']> = {}
  message(r, limit, (tag, end) => {
    if (tag === bytes(1)) spec.podCIDR = text(r, end)
    else if (tag === bytes(7)) (spec.podCIDRs ??= []).push(text(r, end))
    else if (tag === bytes(5)) {
      const key = nameOnly(r, end)
      ;(spec.taints ??= []).push(key === undefined ? {} : { key })
    } else return false
    return true
  })
  return spec
}

function nodeStatus(r: Reader, limit: number): Defined<RawNode['status']> {
  const addresses: { type?: string; address?: string }[] = []
  message(r, limit, (tag, end) => {
    if (tag !== bytes(5)) return false
    const address: { type?: string; address?: string } = {}
    message(r, end, (inner, innerEnd) => {
      if (inner === bytes(1)) address.type = commonText(r, innerEnd)
      else if (inner === bytes(2)) address.address = text(r, innerEnd)
      else return false
      return true
    })
    addresses.push(address)
    return true
  })
  return { addresses }
}

type FieldReader<T> = (object: T, r: Reader, tag: number, end: number) => boolean

function readServiceField(object: RawService, r: Reader, tag: number, end: number): boolean {
  if (tag === bytes(2)) object.spec = serviceSpec(r, end)
  else if (tag === bytes(3)) object.status = serviceStatus(r, end)
  else return false
  return true
}

function readSliceField(object: RawEndpointSlice, r: Reader, tag: number, end: number): boolean {
  if (tag === 18) (object.endpoints ??= []).push(endpoint(r, end))
  else if (tag === 26) (object.ports ??= []).push(slicePort(r, end))
  else if (tag === 34) object.addressType = commonText(r, end)
  else return false
  return true
}

function readNodeField(object: RawNode, r: Reader, tag: number, end: number): boolean {
  if (tag === bytes(2)) object.spec = nodeSpec(r, end)
  else if (tag === bytes(3)) object.status = nodeStatus(r, end)
  else return false
  return true
}

function readConfigMapField(object: RawConfigMap, r: Reader, tag: number, end: number): boolean {
  if (tag !== bytes(2)) return false
  const pair = entry(r, end, () => true)
  if (pair !== undefined) (object.data ??= {})[pair[0]] = pair[1]
  return true
}

const fieldReaders: Readonly<Record<Kind, FieldReader<never>>> = {
  Service: readServiceField,
  EndpointSlice: readSliceField,
  Node: readNodeField,
  Namespace: (_: RawNamespace) => false,
  ConfigMap: readConfigMapField,
}

/** One object, the bare message. Throws DecodeError. */
export function readObject(kind: Kind, raw: Buffer): RawObject {
  return guarded(kind, () => readObjectTo(kind, readerOf(raw), raw.length))
}

/** As `readObject`, from where the reader stands to `end`, where it stands afterwards. */
export function readObjectTo(kind: Kind, r: Reader, end: number): RawObject {
  const object: RawObject = { kind }
  const readField = fieldReaders[kind] as FieldReader<RawObject>
  while (r.pos < end) {
    const tag = r.uint32()
    if (tag === 10) object.metadata = meta(r, end)
    else if (!readField(object, r, tag, end)) skip(r, tag, end)
  }
  mustBeAt(r, end)
  return object
}
