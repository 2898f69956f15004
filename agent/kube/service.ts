/** Projection of a Service: kube-proxy-behaviour O1, O2, O9 to O12, L1; VIPs are checked by T1. */
import { familyOf, formatAddress, parseAddress } from '../model/address.ts'
import type { Address, Family } from '../model/address.ts'
import { parseCidr } from '../model/cidr.ts'
import { exact } from '../model/list.ts'
import type { LoadBalancerIp, ObjectRef, Protocol, Service, ServicePort } from '../model/objects.ts'
import { specialUse } from '../model/validate.ts'
import { show } from './findings.ts'
import type { Fields, Findings } from './findings.ts'

const proxyNameLabel = 'service.kubernetes.io/service-proxy-name'
const defaultAffinityTimeout_s = 10_800
const maxAffinityTimeout_s = 86_400

/** Port names are part of service port keys, so no `/`; '' is a name too. */
const portName = /^[A-Za-z0-9_.-]{0,63}$/

/** TCP if absent; undefined, and noted, if it is none that Kubernetes knows. */
export function readProtocol(
  value: unknown,
  field: string,
  findings: Findings,
): Protocol | undefined {
  if (value === undefined || value === null || value === '') return 'TCP'
  if (value === 'TCP' || value === 'UDP' || value === 'SCTP') return value
  findings.add('BadProtocol', `${field} is ${show(value)}`, 'use TCP, UDP or SCTP')
  return undefined
}

export function isPort(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65535
}

/** A port number that may be absent: 0, also when it is noted as wrong. */
function optionalPort(value: unknown, field: string, findings: Findings): number {
  if (value === undefined || value === null || value === 0) return 0
  if (isPort(value)) return value
  findings.add('BadPort', `${field} is ${show(value)}`, `give ${field} a number from 1 to 65535`)
  return 0
}

/** An address that clients may dial; undefined, and noted, if it is none or forbidden (T1). */
function readVip(value: unknown, field: string, findings: Findings): Address | undefined {
  const address = typeof value === 'string' ? parseAddress(value) : undefined
  if (address === undefined) {
    findings.add('BadAddress', `${field} is ${show(value)}, no IP address`, `correct ${field}`)
    return undefined
  }
  const special = specialUse(address)
  if (special === undefined) return address
  findings.add(
    'ForbiddenAddress',
    `${field} ${show(value)} is ${special}: no Service may claim such an address`,
    `give ${field} an address of its own`,
  )
  return undefined
}

function familyNamed(value: unknown): Family | undefined {
  if (value === 'IPv4') return 4
  return value === 'IPv6' ? 6 : undefined
}

/** O11: family i is ipFamilies[i] with clusterIPs[i]; without ipFamilies, clusterIP alone. */
function readClusterIps(spec: Fields, listed: readonly unknown[], findings: Findings): Address[] {
  const families = findings.items(spec['ipFamilies'], 'spec.ipFamilies')
  const single = spec['clusterIP'] ?? ''
  const isPlain = families.length === 0 || listed.length === 0
  const values = isPlain ? [single === '' ? (listed[0] ?? '') : single] : listed
  if (families.length === 0 && listed.length > 1) {
    const message = 'spec.ipFamilies is missing, so only the first cluster IP is served'
    findings.add('MissingField', message, 'add ipFamilies, one for each of clusterIPs')
  }
  const addresses: Address[] = []
  values.forEach((value, i) => {
    if (value === '') return
    const field = isPlain ? 'spec.clusterIP' : `spec.clusterIPs[${i}]`
    const address = readVip(value, field, findings)
    if (address === undefined) return
    const family = familyOf(address)
    const wanted = families.length === 0 ? family : familyNamed(families[i])
    if (wanted !== family || addresses.some((other) => familyOf(other) === family)) {
      const message = `${field} ${show(value)} does not match spec.ipFamilies[${i}] ${show(families[i])}`
      findings.add('WrongFamily', message, 'let clusterIPs and ipFamilies name the same families')
    } else {
      addresses.push(address)
    }
  })
  return addresses
}

function readPort(item: unknown, field: string, findings: Findings): ServicePort | undefined {
  const fields = findings.fields(item, field)
  const name = findings.text(fields['name'], `${field}.name`)
  if (!portName.test(name)) {
    findings.add('BadName', `${field}.name is ${show(name)}`, 'give the port a DNS label')
    return undefined
  }
  const protocol = readProtocol(fields['protocol'], `${field}.protocol`, findings)
  if (protocol === undefined) return undefined
  const port = fields['port']
  if (!isPort(port)) {
    const message = `${field}.port is ${show(port)}`
    findings.add('BadPort', message, `give ${field}.port a number from 1 to 65535`)
    return undefined
  }
  const nodePort = optionalPort(fields['nodePort'], `${field}.nodePort`, findings)
  return { name, protocol, port, nodePort }
}

/** O10: a name with its protocol, and a number with its protocol, stand once in a Service. */
function readPorts(spec: Fields, findings: Findings): ServicePort[] {
  const ports: ServicePort[] = []
  const taken = new Set<string>()
  findings.items(spec['ports'], 'spec.ports').forEach((item, i) => {
    const port = readPort(item, `spec.ports[${i}]`, findings)
    if (port === undefined) return
    const keys = [`name ${port.name}/${port.protocol}`, `port ${port.port}/${port.protocol}`]
    const clash = keys.find((key) => taken.has(key))
    if (clash !== undefined) {
      const message = `spec.ports[${i}] repeats ${clash}: the first one is served`
      findings.add('DuplicatePort', message, 'give each port a name and number of its own')
      return
    }
    for (const key of keys) taken.add(key)
    const nodePortKey = `node port ${port.nodePort}/${port.protocol}`
    if (port.nodePort > 0 && taken.has(nodePortKey)) {
      const message = `spec.ports[${i}] repeats ${nodePortKey}: the first one is served`
      findings.add('DuplicatePort', message, 'give each port a nodePort of its own')
      ports.push({ ...port, nodePort: 0 })
      return
    }
    taken.add(nodePortKey)
    ports.push(port)
  })
  return ports
}

function readChoice<T extends string>(
  value: unknown,
  field: string,
  choices: readonly [T, ...T[]],
  findings: Findings,
): T {
  if (value === undefined || value === null || value === '') return choices[0]
  const choice = choices.find((known) => known === value)
  if (choice !== undefined) return choice
  const message = `${field} is ${show(value)}: taken as ${choices[0]}`
  findings.add('BadValue', message, `use ${choices.join(' or ')}`)
  return choices[0]
}

function readAffinity(spec: Fields, findings: Findings): number {
  const mode = readChoice(
    spec['sessionAffinity'],
    'spec.sessionAffinity',
    ['None', 'ClientIP'],
    findings,
  )
  if (mode === 'None') return 0
  const config = findings.fields(spec['sessionAffinityConfig'], 'spec.sessionAffinityConfig')
  const field = 'spec.sessionAffinityConfig.clientIP'
  const timeout_s = findings.fields(config['clientIP'], field)['timeoutSeconds']
  if (timeout_s === undefined || timeout_s === null) return defaultAffinityTimeout_s
  const isNumber = typeof timeout_s === 'number' && Number.isInteger(timeout_s)
  if (isNumber && timeout_s >= 1 && timeout_s <= maxAffinityTimeout_s) return timeout_s
  const message = `${field}.timeoutSeconds is ${show(timeout_s)}: taken as ${defaultAffinityTimeout_s}`
  findings.add('BadValue', message, `use 1 to ${maxAffinityTimeout_s} seconds`)
  return defaultAffinityTimeout_s
}

function unique(addresses: readonly Address[]): Address[] {
  return [...new Map(addresses.map((address) => [formatAddress(address), address])).values()]
}

function readExternalIps(spec: Fields, findings: Findings): Address[] {
  const found = findings
    .items(spec['externalIPs'], 'spec.externalIPs')
    .map((value, i) => readVip(value, `spec.externalIPs[${i}]`, findings))
  return unique(found.filter((address) => address !== undefined))
}

/** L1: an entry without ip (a host name) is nothing to us; ipMode nil is VIP. */
function readIngress(status: Fields, findings: Findings): LoadBalancerIp[] {
  const field = 'status.loadBalancer.ingress'
  const balancer = findings.fields(status['loadBalancer'], 'status.loadBalancer')
  const found = new Map<string, LoadBalancerIp>()
  findings.items(balancer['ingress'], field).forEach((item, i) => {
    const { ip, ipMode } = findings.fields(item, `${field}[${i}]`)
    if (ip === undefined || ip === null || ip === '') return
    const address = readVip(ip, `${field}[${i}].ip`, findings)
    if (address === undefined) return
    const mode = ipMode ?? 'VIP'
    if (mode === 'VIP' || mode === 'Proxy') {
      found.set(formatAddress(address), { address, mode })
    } else {
      const message = `${field}[${i}].ipMode is ${show(mode)}: the address is not served`
      findings.add('BadValue', message, 'use VIP or Proxy')
    }
  })
  return [...found.values()]
}

/** O12: padding is cut. A range that is none stays in the list, so that a filter never opens. */
function readSourceRanges(spec: Fields, findings: Findings): string[] {
  const field = 'spec.loadBalancerSourceRanges'
  return findings.items(spec['loadBalancerSourceRanges'], field).map((item, i) => {
    const range = findings.text(item, `${field}[${i}]`).trim()
    if (parseCidr(range) === undefined) {
      findings.add('BadRange', `${field}[${i}] is ${show(item)}, no CIDR`, 'write it as 10.0.0.0/8')
    }
    return range
  })
}

function readCreation_s(value: unknown): number {
  if (typeof value === 'number') return Number.isFinite(value) ? Math.trunc(value) : 0
  const parsed_ms = typeof value === 'string' ? Date.parse(value) : Number.NaN
  return Number.isNaN(parsed_ms) ? 0 : Math.trunc(parsed_ms / 1000)
}

/** Undefined if it should have a VIP and has none that may be served. */
export function projectService(
  ref: ObjectRef,
  fields: Fields,
  metadata: Fields,
  labels: Fields,
  findings: Findings,
): Service | undefined {
  const spec = findings.fields(fields['spec'], 'spec')
  const types = ['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'] as const
  const policies = ['Cluster', 'Local'] as const
  const policy = (name: string): 'Cluster' | 'Local' =>
    readChoice(spec[name], `spec.${name}`, policies, findings)
  const type = readChoice(spec['type'], 'spec.type', types, findings)
  const listed = findings.items(spec['clusterIPs'], 'spec.clusterIPs')
  const isHeadless = spec['clusterIP'] === 'None' || listed[0] === 'None'
  const hasVip = !isHeadless && type !== 'ExternalName'
  const clusterIps = hasVip ? readClusterIps(spec, listed, findings) : []
  if (hasVip && clusterIps.length === 0) {
    if ([spec['clusterIP'] ?? '', ...listed].every((ip) => ip === '')) {
      findings.add('MissingField', 'spec.clusterIP is missing', 'give the Service its clusterIP')
    }
    return undefined
  }
  const proxyName = labels[proxyNameLabel]
  return {
    ref,
    createdAt_s: readCreation_s(metadata['creationTimestamp']),
    type,
    clusterIps: exact(clusterIps),
    isHeadless,
    proxyName:
      (proxyName ?? undefined) === undefined
        ? undefined
        : findings.text(proxyName, `label ${proxyNameLabel}`),
    ports: exact(readPorts(spec, findings)),
    internalTrafficPolicy: policy('internalTrafficPolicy'),
    externalTrafficPolicy: policy('externalTrafficPolicy'),
    affinityTimeout_s: readAffinity(spec, findings),
    externalIps: exact(readExternalIps(spec, findings)),
    loadBalancerIps: exact(readIngress(findings.fields(fields['status'], 'status'), findings)),
    loadBalancerSourceRanges: exact(readSourceRanges(spec, findings)),
    healthCheckNodePort: optionalPort(
      spec['healthCheckNodePort'],
      'spec.healthCheckNodePort',
      findings,
    ),
  }
}
