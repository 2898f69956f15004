/**
 * Many Services with endpoints for a real API server, and one namespace that answers for all of
 * those endpoints: every address of 10.128.0.0/10 is local there, and the server tells at which one
 * it was reached.
 */
import type { Cluster } from './cluster.ts'
import { ApiError } from './rest.ts'
import type { Node, Pod } from './netns.ts'
import { mustRun } from './process.ts'

const range = '10.128.0.0/10'

/** Address of endpoint `e` of Service `s`: unique, inside the range. */
export function endpointAddress(s: number, e: number): string {
  const number = s * 100 + e + 1
  return `10.${128 + (number >> 16)}.${(number >> 8) & 255}.${number & 255}`
}

/** Makes a pod of `node` answer on port 8080 of every address in the range. */
export async function makeFarm(node: Node): Promise<Pod> {
  const farm = await node.addPod('farm')
  await mustRun(['ip', '-n', farm.netns, 'route', 'add', 'local', range, 'dev', 'lo'])
  const device = `veth${node.pods.length}`
  const route = ['route', 'add', range, 'via', farm.ipv4, 'dev', device, 'onlink']
  await mustRun(['ip', '-n', node.netns, ...route])
  await farm.echo({ name: '@', only: 'tcp' })
  return farm
}

export interface FleetOptions {
  readonly services: number
  readonly endpoints: number
  /** Every tenth endpoint is on it, the rest on `elsewhere`. */
  readonly node: string
}

/** Kinds of Services that a cluster has, by the number's last digit; most are plain. */
function specOf(s: number): object {
  switch (s % 20) {
    case 1:
      return { type: 'NodePort' }
    case 2:
      return { sessionAffinity: 'ClientIP' }
    case 3:
      return { internalTrafficPolicy: 'Local' }
    case 4:
      return { type: 'LoadBalancer', externalTrafficPolicy: 'Local' }
    case 5:
      return { clusterIP: 'None' }
    default:
      return {}
  }
}

function fleetService(s: number): object {
  const labels = s % 20 === 6 ? { 'service.kubernetes.io/service-proxy-name': 'other' } : {}
  const more = s % 20 === 7 ? [{ name: 'more', port: 8443, targetPort: 8080 }] : []
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: `service-${s}`, namespace: 'default', labels },
    spec: { ports: [{ name: 'http', port: 80, targetPort: 8080 }, ...more], ...specOf(s) },
  }
}

/** Conditions of one endpoint: most ready, some Services all terminating, some half unready. */
function conditionsOf(s: number, e: number): object {
  if (s % 20 === 8) return { ready: false, serving: true, terminating: true }
  if (s % 20 === 9 && e % 2 === 1) return { ready: false, serving: false, terminating: false }
  if (s % 20 === 10 && e === 0) return { ready: false, serving: true, terminating: true }
  return { ready: true, serving: true, terminating: false }
}

/** `shift` replaces the addresses by other ones of the same Service. */
function fleetSlice(s: number, options: FleetOptions, shift = 0): object {
  const endpoints = Array.from({ length: options.endpoints }, (_, e) => ({
    addresses: [endpointAddress(s, e + shift)],
    conditions: conditionsOf(s, e),
    nodeName: e % 10 === 0 ? options.node : 'elsewhere',
    zone: e % 2 === 0 ? 'a' : 'b',
    ...(s % 20 === 11 ? { hints: { forZones: [{ name: e % 2 === 0 ? 'a' : 'b' }] } } : {}),
  }))
  const ports = ['http', ...(s % 20 === 7 ? ['more'] : [])]
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `service-${s}-a`,
      namespace: 'default',
      labels: { 'kubernetes.io/service-name': `service-${s}` },
    },
    addressType: 'IPv4',
    ports: ports.map((name) => ({ name, port: 8080, protocol: 'TCP' })),
    endpoints,
  }
}

const services = '/api/v1/namespaces/default/services'
const slices = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices'

/** Makes Service `s` and its slice; the API server chooses addresses and node ports. */
export async function makeService(cluster: Cluster, s: number, options: FleetOptions) {
  await cluster.api('POST', services, fleetService(s))
  // Every twentieth has no slice at all.
  if (s % 20 !== 12) await cluster.api('POST', slices, fleetSlice(s, options))
  if (s % 20 === 4) {
    const ingress = [{ ip: `192.0.2.${(s / 20) | 0}` }]
    const status = { loadBalancer: { ingress } }
    await cluster.api('PATCH', `${services}/service-${s}/status`, { status })
  }
}

/** Makes Services [0, n), 16 at a time. */
export async function makeFleet(cluster: Cluster, options: FleetOptions): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < options.services) await makeService(cluster, next++, options)
  }
  await Promise.all(Array.from({ length: 16 }, worker))
}

/** Other endpoints for Service `s`. */
export async function changeSlice(
  cluster: Cluster,
  s: number,
  options: FleetOptions,
  shift: number,
) {
  await cluster.api('PUT', `${slices}/service-${s}-a`, fleetSlice(s, options, shift))
}

/** Deletes Service `s` and its slice. */
export async function deleteService(cluster: Cluster, s: number): Promise<void> {
  for (const path of [`${services}/service-${s}`, `${slices}/service-${s}-a`]) {
    try {
      await cluster.api('DELETE', path)
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 404) throw error
    }
  }
}

/** The Node object as a kubelet would register it. */
export async function registerNode(cluster: Cluster, node: Node, zone: string): Promise<void> {
  await cluster.api('POST', '/api/v1/nodes', {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: node.name, labels: { 'topology.kubernetes.io/zone': zone } },
  })
  const addresses = [node.ipv4, node.ipv6].map((address) => ({ type: 'InternalIP', address }))
  await cluster.api('PATCH', `/api/v1/nodes/${node.name}/status`, { status: { addresses } })
}
