/** Kubernetes objects of few words, as the API server would send them, and results as lines. */
import { formatAddress, formatEndpoint } from '../../agent/model/address.ts'
import type { DesiredService } from '../../agent/desired/desired.ts'
import type { NodeFacts } from '../../agent/desired/facts.ts'
import { project } from '../../agent/kube/project.ts'
import type { RawEndpoint, RawEndpointSlice, RawService } from '../../agent/kube/raw.ts'
import type { EndpointSlice, Service } from '../../agent/model/objects.ts'

type Spec = NonNullable<RawService['spec']>

export interface ServiceWords {
  readonly name?: string
  readonly namespace?: string
  readonly uid?: string
  readonly created?: string
  readonly labels?: Record<string, string>
  readonly ips?: readonly string[]
  readonly spec?: Spec
  readonly ingress?: readonly { ip?: string; ipMode?: string; hostname?: string }[]
}

/** A Service `default/web` at 10.96.0.1 with port http 80/TCP, unless said otherwise. */
export function rawService(words: ServiceWords = {}): RawService {
  const ips = [...(words.ips ?? ['10.96.0.1'])]
  const name = words.name ?? 'web'
  return {
    kind: 'Service',
    apiVersion: 'v1',
    metadata: {
      name,
      namespace: words.namespace ?? 'default',
      uid: words.uid ?? `uid-${name}`,
      creationTimestamp: words.created ?? '2026-01-01T00:00:00Z',
      ...(words.labels === undefined ? {} : { labels: words.labels }),
    },
    spec: {
      type: 'ClusterIP',
      clusterIP: ips[0],
      clusterIPs: ips,
      ipFamilies: ips.map((ip) => (ip.includes(':') ? 'IPv6' : 'IPv4')),
      ports: [{ name: 'http', protocol: 'TCP', port: 80 }],
      ...words.spec,
    },
    status: { loadBalancer: { ingress: [...(words.ingress ?? [])] } },
  }
}

/** `10.1.0.1 node=n1 zone=a !ready !serving terminating hint=za,zb nodehint=n1`, one endpoint. */
export function rawEndpoint(line: string): RawEndpoint {
  const [address = '', ...words] = line.split(' ')
  const value = (key: string): string | undefined =>
    words.find((word) => word.startsWith(`${key}=`))?.slice(key.length + 1)
  const names = (key: string): { name: string }[] | undefined =>
    value(key)
      ?.split(',')
      .map((name) => ({ name }))
  return {
    addresses: address === '-' ? [] : [address],
    conditions: {
      ready:
        words.includes('ready') || !(words.includes('!ready') || words.includes('terminating')),
      serving: !words.includes('!serving'),
      terminating: words.includes('terminating'),
    },
    nodeName: value('node'),
    zone: value('zone'),
    hints: { forZones: names('hint'), forNodes: names('nodehint') },
  }
}

export interface SliceWords {
  readonly name?: string
  readonly namespace?: string
  readonly service?: string
  readonly labels?: Record<string, string>
  readonly type?: string
  readonly ports?: RawEndpointSlice['ports']
}

/** A slice of `default/web` with port http 8080/TCP, one endpoint a line. */
export function rawSlice(lines: readonly string[], words: SliceWords = {}): RawEndpointSlice {
  const name = words.name ?? 'web-1'
  return {
    kind: 'EndpointSlice',
    apiVersion: 'discovery.k8s.io/v1',
    metadata: {
      name,
      namespace: words.namespace ?? 'default',
      uid: `uid-${name}`,
      labels: { 'kubernetes.io/service-name': words.service ?? 'web', ...words.labels },
    },
    addressType: words.type ?? 'IPv4',
    ports: words.ports ?? [{ name: 'http', protocol: 'TCP', port: 8080 }],
    endpoints: lines.map(rawEndpoint),
  }
}

function only<T>(projected: ReturnType<typeof project>): T {
  if (projected.problems.length > 0) throw new Error(JSON.stringify(projected.problems))
  if (projected.object === undefined) throw new Error('nothing was projected')
  return projected.object as T
}

/** Throws if there is any problem with it. */
export function service(words: ServiceWords = {}): Service {
  return only<Service>(project(rawService(words), ''))
}

/** Throws if there is any problem with it. */
export function slice(lines: readonly string[], words: SliceWords = {}): EndpointSlice {
  return only<EndpointSlice>(project(rawSlice(lines, words), ''))
}

/** Node n1 in zone za, with nothing special. */
export function facts(over: Partial<NodeFacts> = {}): NodeFacts {
  return {
    name: 'n1',
    zone: 'za',
    addresses: [],
    externalIpCidrs: [],
    backendsLimit: 65_536,
    packetPathExists: false,
    ...over,
  }
}

/** ClusterIPs whose other ports are refused (N5). */
export function refusingLines(desired: DesiredService): string[] {
  return desired.ports.flatMap((port) =>
    port.frontends.filter(({ port: number }) => number === 0).map((f) => formatAddress(f.address)),
  )
}

/**
 * One line a frontend: `ClusterIP 10.96.0.1:80/TCP`, with ` per-packet` where it is. Without those
 * that refuse other ports.
 */
export function frontendLines(desired: DesiredService): string[] {
  const frontends = desired.ports.flatMap((port) => port.frontends)
  return frontends
    .filter(({ port }) => port !== 0)
    .map(({ kind, address, port, protocol, isPerPacket }) => {
      const flag = isPerPacket ? ' per-packet' : ''
      return `${kind} ${formatEndpoint(address, port)}/${protocol}${flag}`
    })
}

/** One line a backend of one port: `10.1.0.1:8080 local+cluster terminating`. */
export function backendLines(desired: DesiredService, port = 0): string[] {
  const backends = desired.ports[port]?.backends
  if (backends === undefined) return []
  const { addresses, clusterOffset, clusterCount, localCount } = backends
  return Array.from({ length: backends.count }, (_, i) => {
    const isCluster = i >= clusterOffset && i < clusterOffset + clusterCount
    const sets = [...(i < localCount ? ['local'] : []), ...(isCluster ? ['cluster'] : [])]
    const address = formatAddress(addresses.subarray(i * 16, i * 16 + 16))
    const state = backends.terminating[i] === 1 ? ' terminating' : ''
    return `${address}:${backends.ports[i]} ${sets.join('+') || 'unused'}${state}`
  })
}
