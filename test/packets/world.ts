/** The Services that packets of the tables are for, and who sends them, in both families. */
import { formatEndpoint, parseAddress } from '../../agent/model/address.ts'
import { nodeName } from '../support/rig.ts'

export type Family = 4 | 6

interface Port {
  readonly protocol: 'TCP' | 'UDP' | 'SCTP'
  readonly port: number
  readonly target: number
  readonly nodePort?: number
}

interface ServiceFacts {
  readonly name: string
  /** Last number of its ClusterIP. */
  readonly vip: number
  readonly ports: readonly Port[]
  /** Last numbers of its backends on this node, and on the other one. */
  readonly local: readonly number[]
  readonly remote: readonly number[]
  readonly spec?: Readonly<Record<string, unknown>>
}

const tcp = (nodePort?: number): Port => withNodePort('TCP', 80, 8080, nodePort)
const udp = (nodePort?: number): Port => withNodePort('UDP', 53, 5353, nodePort)
const sctp = (port: number, target: number): Port => ({ protocol: 'SCTP', port, target })

function withNodePort(
  protocol: 'TCP' | 'UDP',
  port: number,
  target: number,
  nodePort: number | undefined,
): Port {
  return { protocol, port, target, ...(nodePort === undefined ? {} : { nodePort }) }
}

export const services: readonly ServiceFacts[] = [
  {
    name: 'web',
    vip: 10,
    ports: [tcp(30080), udp(30053), sctp(9000, 9000), sctp(9001, 9002)],
    local: [7],
    remote: [],
    spec: { type: 'NodePort' },
  },
  {
    name: 'near',
    vip: 11,
    ports: [tcp(30081)],
    local: [7],
    remote: [9],
    spec: { type: 'NodePort', externalTrafficPolicy: 'Local', internalTrafficPolicy: 'Local' },
  },
  {
    name: 'far',
    vip: 12,
    ports: [tcp(30082), udp(30054)],
    local: [],
    remote: [9],
    spec: { type: 'NodePort', externalTrafficPolicy: 'Local', internalTrafficPolicy: 'Local' },
  },
  { name: 'none', vip: 13, ports: [tcp(), udp(), sctp(9000, 9000)], local: [], remote: [] },
  { name: 'self', vip: 14, ports: [tcp(), udp()], local: [5], remote: [] },
  {
    name: 'sticky',
    vip: 15,
    ports: [udp()],
    local: [21, 22, 23, 24],
    remote: [],
    spec: { sessionAffinity: 'ClientIP' },
  },
  { name: 'first', vip: 16, ports: [tcp(), udp(), sctp(9000, 9000)], local: [30], remote: [] },
  { name: 'second', vip: 17, ports: [tcp(), udp(), sctp(9000, 9000)], local: [30], remote: [] },
  { name: 'many', vip: 18, ports: [tcp(), udp()], local: [31, 32], remote: [33, 34] },
]

export interface Place {
  readonly family: Family
  /** A pod on this node. */
  readonly client: string
  /** Somebody outside the cluster. */
  readonly outside: string
  readonly router: string
  readonly node: string
  readonly loopback: string
  vip(name: string): string
  /** A pod by its last number: 9 and 33 up are on the other node. */
  pod(number: number): string
}

function factsOf(name: string): ServiceFacts {
  const found = services.find((service) => service.name === name)
  if (found === undefined) throw new Error(`the world has no Service ${name}`)
  return found
}

export const places: Readonly<Record<Family, Place>> = {
  4: {
    family: 4,
    client: '10.244.1.5',
    outside: '198.51.100.50',
    router: '203.0.113.1',
    node: '192.0.2.1',
    loopback: '127.0.0.1',
    vip: (name) => `10.96.0.${factsOf(name).vip}`,
    pod: (number) => `10.244.${isRemote(number) ? 2 : 1}.${number}`,
  },
  6: {
    family: 6,
    client: 'fd00:244:1::5',
    outside: '2001:db8:51::50',
    router: '2001:db8:113::1',
    node: '2001:db8::1',
    loopback: '::1',
    vip: (name) => `fd00:96::${factsOf(name).vip}`,
    pod: (number) => `fd00:244:${isRemote(number) ? 2 : 1}::${number}`,
  },
}

function isRemote(number: number): boolean {
  return number === 9 || number >= 33
}

/** `10.96.0.10:80`, `[fd00:96::10]:80`. */
export function at(address: string, port: number): string {
  const parsed = parseAddress(address)
  if (parsed === undefined) throw new Error(`${address} is no address`)
  return formatEndpoint(parsed, port)
}

/** `more`: what its spec has besides. */
export function serviceObject(name: string, more: Readonly<Record<string, unknown>> = {}): object {
  const { ports, spec = {} } = factsOf(name)
  const clusterIPs = [places[4].vip(name), places[6].vip(name)]
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace: 'default', name },
    spec: {
      clusterIP: clusterIPs[0],
      clusterIPs,
      ipFamilies: ['IPv4', 'IPv6'],
      ports: ports.map(({ protocol, port, target, nodePort }) => ({
        name: `${protocol}-${port}`.toLowerCase(),
        protocol,
        port,
        targetPort: target,
        nodePort: nodePort ?? 0,
      })),
      ...spec,
      ...more,
    },
  }
}

/** The slice of one family. `without`: backends that are gone. */
export function sliceObject(name: string, family: Family, without: readonly number[] = []): object {
  const { local, remote, ports } = factsOf(name)
  const endpoints = [...local, ...remote]
    .filter((number) => !without.includes(number))
    .map((number) => ({
      addresses: [places[family].pod(number)],
      nodeName: isRemote(number) ? 'node-b' : nodeName,
    }))
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      namespace: 'default',
      name: `${name}-${family}`,
      labels: { 'kubernetes.io/service-name': name },
    },
    addressType: `IPv${family}`,
    ports: ports.map(({ protocol, port, target }) => ({
      name: `${protocol}-${port}`.toLowerCase(),
      protocol,
      port: target,
    })),
    endpoints,
  }
}

/** Everything, as documents of one YAML stream. */
export function worldYaml(): string {
  const objects = services.flatMap((service) => [
    serviceObject(service.name),
    sliceObject(service.name, 4),
    sliceObject(service.name, 6),
  ])
  return objects.map((object) => JSON.stringify(object)).join('\n---\n')
}
