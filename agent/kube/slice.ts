/**
 * Projection of an EndpointSlice to columns: kube-proxy-behaviour O3 to O7; addresses are checked
 * by T2. 100,000 endpoints come through here in one sync: no objects and no closures an endpoint.
 */
import { familyOf, writeAddress } from '../model/address.ts'
import type { Family } from '../model/address.ts'
import { endpointState } from '../model/objects.ts'
import type { EndpointHints, EndpointSlice, ObjectRef, SlicePort } from '../model/objects.ts'
import { exact } from '../model/list.ts'
import { specialUse } from '../model/validate.ts'
import { show } from './findings.ts'
import type { Fields, Findings } from './findings.ts'
import type { RawEndpoint } from './raw.ts'
import { isPort, readProtocol } from './service.ts'

const serviceLabel = 'kubernetes.io/service-name'
const headlessLabel = 'service.kubernetes.io/headless'

/**
 * Names of nodes and zones recur in every slice; one string of each is kept. Only a cache: emptied
 * when a cluster's turnover of nodes has filled it.
 */
const internedLimit = 20_000
const interned = new Map<string, string>()

function intern(value: unknown): string {
  if (typeof value !== 'string' || value === '') return ''
  const known = interned.get(value)
  if (known !== undefined) return known
  if (interned.size >= internedLimit) interned.clear()
  interned.set(value, value)
  return value
}

const hintsOf = new Map<string, EndpointHints>()
const hintsOfZone = new Map<string, EndpointHints>()

function hintNames(value: unknown): string[] {
  if (!Array.isArray(value)) return []
  const names: string[] = []
  for (const item of value as unknown[]) {
    const name = (item as Fields | null | undefined)?.['name']
    if (typeof name === 'string' && name !== '') names.push(intern(name))
  }
  return names
}

/** The one zone of the usual `forZones: [{name}]` without forNodes; undefined for all else. */
function onlyZone(hints: Fields): string | undefined {
  const zones = hints['forZones']
  if (!Array.isArray(zones) || zones.length !== 1 || hints['forNodes'] !== undefined) {
    return undefined
  }
  const name = (zones[0] as Fields | null | undefined)?.['name']
  return typeof name === 'string' ? name : undefined
}

/** One object for all endpoints with the same hints; undefined if there are none. */
function readHints(value: unknown): EndpointHints | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const fields = value as Fields
  const zone = onlyZone(fields)
  const shared = zone === undefined ? undefined : hintsOfZone.get(zone)
  if (shared !== undefined) return shared
  const zones = hintNames(fields['forZones'])
  const nodes = hintNames(fields['forNodes'])
  if (zones.length === 0 && nodes.length === 0) return undefined
  const [cache, key] =
    zone === undefined ? [hintsOf, JSON.stringify([zones, nodes])] : [hintsOfZone, zone]
  const known = cache.get(key)
  if (known !== undefined) return known
  if (cache.size >= internedLimit) cache.clear()
  const hints = { zones, nodes }
  cache.set(key, hints)
  return hints
}

/** O7: nil ready is true, nil serving is true, nil terminating is false. */
function readState(conditions: RawEndpoint['conditions']): number {
  const given = conditions ?? {}
  return (
    ((given.ready ?? true) === true ? endpointState.ready : 0) |
    ((given.serving ?? true) === true ? endpointState.serving : 0) |
    ((given.terminating ?? false) === true ? endpointState.terminating : 0)
  )
}

/** Writes addresses[0] of endpoint `i`; false if it has none or a bad one, which is noted. */
function readAddress(
  endpoint: RawEndpoint,
  i: number,
  family: Family,
  into: Uint8Array,
  offset: number,
  findings: Findings,
): boolean {
  const list: unknown = endpoint.addresses
  const text: unknown = Array.isArray(list) ? list[0] : undefined
  if (text === undefined || text === null) return false
  const field = `endpoints[${i}].addresses[0]`
  if (typeof text !== 'string' || !writeAddress(text, into, offset)) {
    findings.add('BadAddress', `${field} is ${show(text)}, no IP address`, `correct ${field}`)
    return false
  }
  const special = specialUse(into, offset)
  if (special !== undefined) {
    findings.add(
      'ForbiddenAddress',
      `${field} ${show(text)} is ${special}: nothing is sent there`,
      'give the endpoint the address of a pod or host',
    )
    return false
  }
  if (familyOf(into, offset) === family) return true
  const message = `${field} is ${show(text)}, no IPv${family} address as addressType says`
  findings.add('WrongFamily', message, 'put each family into a slice of its own')
  return false
}

type Columns = Pick<
  EndpointSlice,
  'count' | 'addresses' | 'states' | 'nodes' | 'zones' | 'hostnames' | 'hints'
>

function readEndpoints(list: readonly unknown[], family: Family, findings: Findings): Columns {
  // One allocation a slice: a small ArrayBuffer costs more than the endpoints in it.
  const memory = new ArrayBuffer(list.length * 17)
  const addresses = new Uint8Array(memory, 0, list.length * 16)
  const states = new Uint8Array(memory, list.length * 16, list.length)
  const nodes = new Array<string>(list.length)
  const zones = new Array<string>(list.length)
  let hostnames: string[] | undefined
  let hints: (EndpointHints | undefined)[] | undefined
  let count = 0
  for (let i = 0; i < list.length; i++) {
    const item = list[i]
    if (typeof item !== 'object' || item === null) {
      findings.add('BadShape', `endpoints[${i}] is ${show(item)}, not an object`, 'remove it')
      continue
    }
    const endpoint = item as RawEndpoint
    if (!readAddress(endpoint, i, family, addresses, count * 16, findings)) continue
    states[count] = readState(endpoint.conditions)
    nodes[count] = intern(endpoint.nodeName)
    zones[count] = intern(endpoint.zone)
    const hostname: unknown = endpoint.hostname
    if (typeof hostname === 'string' && hostname !== '') {
      hostnames ??= new Array<string>(list.length).fill('')
      hostnames[count] = hostname
    }
    const hint = readHints(endpoint.hints)
    if (hint !== undefined) {
      hints ??= new Array<EndpointHints | undefined>(list.length).fill(undefined)
      hints[count] = hint
    }
    count++
  }
  for (const column of [nodes, zones, hostnames, hints]) if (column) column.length = count
  return {
    count,
    addresses: count === list.length ? addresses : addresses.subarray(0, count * 16),
    states: count === list.length ? states : states.subarray(0, count),
    nodes,
    zones,
    hostnames,
    hints,
  }
}

/** O5: a port whose name or number is nil does not count; nil is not "all ports". */
function readPorts(fields: Fields, findings: Findings): SlicePort[] {
  const ports: SlicePort[] = []
  findings.items(fields['ports'], 'ports').forEach((item, i) => {
    const field = `ports[${i}]`
    const { name, port, protocol: given } = findings.fields(item, field)
    if (typeof name !== 'string' || port === undefined || port === null) return
    const protocol = readProtocol(given, `${field}.protocol`, findings)
    if (protocol === undefined) return
    if (isPort(port)) {
      ports.push({ name: intern(name), protocol, port })
    } else {
      const message = `${field}.port is ${show(port)}`
      findings.add('BadPort', message, `give ${field}.port a number from 1 to 65535`)
    }
  })
  return ports
}

/** Undefined for addressType FQDN, without a problem, and for an unknown one. */
export function projectSlice(
  ref: ObjectRef,
  fields: Fields,
  labels: Fields,
  findings: Findings,
): EndpointSlice | undefined {
  const type = fields['addressType']
  if (type === 'FQDN') return undefined
  if (type !== 'IPv4' && type !== 'IPv6') {
    findings.add('BadValue', `addressType is ${show(type)}`, 'use IPv4 or IPv6')
    return undefined
  }
  const family = type === 'IPv4' ? 4 : 6
  return {
    ref,
    service: intern(findings.text(labels[serviceLabel], `label ${serviceLabel}`)),
    isHeadless: (labels[headlessLabel] ?? undefined) !== undefined,
    family,
    ports: exact(readPorts(fields, findings)),
    ...readEndpoints(findings.items(fields['endpoints'], 'endpoints'), family, findings),
  }
}
