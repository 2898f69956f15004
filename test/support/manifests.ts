/** Kubernetes objects for tests, and a directory of them as `--manifests` reads it. */
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import type { Node } from './netns.ts'

export interface PortOptions {
  readonly name?: string
  readonly port: number
  readonly protocol?: 'TCP' | 'UDP'
  readonly nodePort?: number
}

export interface ServiceOptions {
  readonly name: string
  readonly namespace?: string
  readonly clusterIps: readonly string[]
  readonly ports: readonly PortOptions[]
  /** Other fields of the spec. */
  readonly spec?: Readonly<Record<string, unknown>>
}

const familyOf = (address: string) => (address.includes(':') ? 'IPv6' : 'IPv4')

export function service(options: ServiceOptions): object {
  const { name, namespace = 'default', clusterIps, ports, spec = {} } = options
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: {
      type: ports.some(({ nodePort }) => nodePort !== undefined) ? 'NodePort' : 'ClusterIP',
      clusterIP: clusterIps[0],
      clusterIPs: clusterIps,
      ipFamilies: clusterIps.map(familyOf),
      ports: ports.map((port) => ({ protocol: 'TCP', ...port })),
      ...spec,
    },
  }
}

export interface SliceOptions {
  /** Of the Service. */
  readonly service: string
  readonly namespace?: string
  /** Tells slices of one Service apart; default: the family. */
  readonly suffix?: string
  readonly ports: readonly PortOptions[]
  /** All of one family. */
  readonly addresses: readonly string[]
  /** Default: no node. */
  readonly node?: string
  readonly conditions?: Readonly<Record<string, boolean>>
  /** What `addresses` of none can't tell. */
  readonly family?: 'IPv4' | 'IPv6'
}

export function slice(options: SliceOptions): object {
  const { addresses, ports, namespace = 'default', node, conditions = { ready: true } } = options
  const family = options.family ?? familyOf(addresses[0] ?? '')
  const name = `${options.service}-${(options.suffix ?? family).toLowerCase()}`
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, namespace, labels: { 'kubernetes.io/service-name': options.service } },
    addressType: family,
    ports: ports.map((port) => ({ name: '', protocol: 'TCP', ...port })),
    endpoints: addresses.map((address) => ({
      addresses: [address],
      conditions,
      ...(node === undefined ? {} : { nodeName: node }),
    })),
  }
}

export function nodeObject(node: Node, zone = ''): object {
  const addresses = [node.ipv4, node.ipv6].filter((address) => address !== '')
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: node.name,
      labels: zone === '' ? {} : { 'topology.kubernetes.io/zone': zone },
    },
    status: { addresses: addresses.map((address) => ({ type: 'InternalIP', address })) },
  }
}

export interface Manifests {
  readonly directory: string
  /** Writes a file of these objects, or replaces it whole: a reader sees the old or the new one. */
  put(file: string, ...objects: object[]): void
  remove(file: string): void
}

export function makeManifests(node: Node): Manifests {
  const directory = join(node.directory, 'manifests')
  mkdirSync(directory, { recursive: true })
  return {
    directory,
    put: (file, ...objects) => {
      const temporary = join(node.directory, `${file}.new`)
      writeFileSync(temporary, objects.map((object) => `---\n${stringify(object)}`).join(''))
      renameSync(temporary, join(directory, `${file}.yaml`))
    },
    remove: (file) => rmSync(join(directory, `${file}.yaml`)),
  }
}
