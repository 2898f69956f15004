/**
 * What must stand in the maps, computed from `kubectl get -o json` by kube-proxy's rules. Written
 * from reference text alone (numbers: kube-proxy-behaviour) and sharing no code with the agent:
 * slow, plain, over whole objects.
 */

/** What a frontend leads to. Endpoints as `10.0.0.1:80` or `[fd00::1]:80`, sorted. */
export interface Expected {
  readonly isExternal: boolean
  readonly cluster: readonly string[]
  readonly local: readonly string[]
  readonly isInternalLocal: boolean
  readonly isExternalLocal: boolean
  readonly affinityTimeout_s: number
}

interface Metadata {
  readonly name: string
  readonly namespace?: string
  readonly labels?: Readonly<Record<string, string>>
}

export interface KubeService {
  readonly kind: 'Service'
  readonly metadata: Metadata
  readonly spec: {
    readonly type?: string
    readonly clusterIP?: string
    readonly clusterIPs?: readonly string[]
    readonly ports?: readonly {
      readonly name?: string
      readonly port: number
      readonly protocol?: string
      readonly nodePort?: number
    }[]
    readonly internalTrafficPolicy?: string
    readonly externalTrafficPolicy?: string
    readonly sessionAffinity?: string
    readonly sessionAffinityConfig?: { readonly clientIP?: { readonly timeoutSeconds?: number } }
  }
  readonly status?: {
    readonly loadBalancer?: {
      readonly ingress?: readonly { readonly ip?: string; readonly ipMode?: string }[]
    }
  }
}

interface Endpoint {
  readonly addresses: readonly string[]
  readonly conditions?: {
    readonly ready?: boolean
    readonly serving?: boolean
    readonly terminating?: boolean
  }
  readonly nodeName?: string
  readonly hints?: {
    readonly forZones?: readonly { readonly name: string }[]
    readonly forNodes?: readonly { readonly name: string }[]
  }
}

export interface KubeSlice {
  readonly kind: 'EndpointSlice'
  readonly metadata: Metadata
  readonly addressType: string
  readonly ports?: readonly {
    readonly name?: string
    readonly port?: number
    readonly protocol?: string
  }[]
  readonly endpoints?: readonly Endpoint[]
}

export interface KubeNode {
  readonly kind: 'Node'
  readonly metadata: Metadata
}

export type KubeObject = KubeService | KubeSlice | KubeNode

const isV6 = (address: string) => address.includes(':')
const join = (address: string, port: number) =>
  isV6(address) ? `[${address}]:${port}` : `${address}:${port}`

interface Usable extends Endpoint {
  readonly at: string
  readonly isReady: boolean
  /** Serving while it terminates: used when nothing is ready (C1). */
  readonly isLast: boolean
}

/** Endpoints of one port and family, each `ip:port` once, a ready one before a terminating (O3-O7). */
function endpointsFor(
  slices: readonly KubeSlice[],
  service: KubeService,
  family: string,
  port: { name?: string; protocol?: string },
): Usable[] {
  const found = new Map<string, Usable>()
  for (const slice of slices) {
    const { labels = {}, namespace } = slice.metadata
    if (namespace !== service.metadata.namespace || slice.addressType !== family) continue
    if (labels['kubernetes.io/service-name'] !== service.metadata.name) continue
    if ('service.kubernetes.io/headless' in labels) continue
    const match = slice.ports?.find(
      ({ name = '', protocol = 'TCP', port: number }) =>
        name === (port.name ?? '') && protocol === (port.protocol ?? 'TCP') && number,
    )
    for (const endpoint of match === undefined ? [] : (slice.endpoints ?? [])) {
      const [address] = endpoint.addresses
      if (address === undefined) continue
      const { ready = true, serving = true, terminating = false } = endpoint.conditions ?? {}
      const at = join(address, match?.port ?? 0)
      const usable = { ...endpoint, at, isReady: ready, isLast: serving && terminating }
      if (found.get(at)?.isReady !== true) found.set(at, usable)
    }
  }
  return [...found.values()]
}

/** C2: hints count only if every ready endpoint has them and one names us. */
function byTopology(
  ready: readonly Usable[],
  node: { name: string; zone: string },
): readonly Usable[] {
  const nodes = (one: Usable) => one.hints?.forNodes?.map(({ name }) => name) ?? []
  const zones = (one: Usable) => one.hints?.forZones?.map(({ name }) => name) ?? []
  const toUs = ready.filter((one) => nodes(one).includes(node.name))
  if (toUs.length > 0 && ready.every((one) => nodes(one).length > 0)) return toUs
  const toZone = ready.filter((one) => node.zone !== '' && zones(one).includes(node.zone))
  if (toZone.length > 0 && ready.every((one) => zones(one).length > 0)) return toZone
  return ready
}

function sets(endpoints: readonly Usable[], node: { name: string; zone: string }) {
  const text = (some: readonly Usable[]) => some.map(({ at }) => at).sort()
  const ready = endpoints.filter(({ isReady }) => isReady)
  const last = endpoints.filter(({ isReady, isLast }) => !isReady && isLast)
  const isLocal = (one: Usable) => one.nodeName === node.name
  const localReady = ready.filter(isLocal)
  return {
    cluster: text(ready.length > 0 ? byTopology(ready, node) : last),
    local: text(localReady.length > 0 ? localReady : last.filter(isLocal)),
  }
}

/** O1, O2. */
function isServed(service: KubeService): boolean {
  const { type, clusterIP } = service.spec
  if (type === 'ExternalName' || clusterIP === undefined || clusterIP === '') return false
  if ('service.kubernetes.io/service-proxy-name' in (service.metadata.labels ?? {})) return false
  return clusterIP !== 'None'
}

/**
 * Frontends by name, as pins.ts names them, without the `any port` ones. External IPs are off by
 * default (reliability T1) and not expected.
 */
export function expectedFrontends(
  objects: readonly KubeObject[],
  nodeName: string,
): Map<string, Expected> {
  const ours = objects.find(({ kind, metadata }) => kind === 'Node' && metadata.name === nodeName)
  const zone = ours?.metadata.labels?.['topology.kubernetes.io/zone'] ?? ''
  const slices = objects.filter((one) => one.kind === 'EndpointSlice')
  const expected = new Map<string, Expected>()
  for (const service of objects) {
    if (service.kind !== 'Service' || !isServed(service)) continue
    for (const ip of service.spec.clusterIPs ?? []) {
      addFamily(expected, service, ip, slices, { name: nodeName, zone })
    }
  }
  return expected
}

function addFamily(
  expected: Map<string, Expected>,
  service: KubeService,
  clusterIp: string,
  slices: readonly KubeSlice[],
  node: { name: string; zone: string },
): void {
  const { spec, status } = service
  const v6 = isV6(clusterIp)
  const affinity = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10_800
  for (const port of spec.ports ?? []) {
    const protocol = port.protocol ?? 'TCP'
    const leadsTo = {
      ...sets(endpointsFor(slices, service, v6 ? 'IPv6' : 'IPv4', port), node),
      isInternalLocal: spec.internalTrafficPolicy === 'Local',
      isExternalLocal: spec.externalTrafficPolicy === 'Local',
      affinityTimeout_s: spec.sessionAffinity === 'ClientIP' ? affinity : 0,
    }
    const put = (name: string, isExternal: boolean) =>
      expected.set(`${name}/${protocol}`, { ...leadsTo, isExternal })
    put(join(clusterIp, port.port), false)
    if (port.nodePort) put(`NodePort ${v6 ? '::' : '0.0.0.0'}:${port.nodePort}`, true)
    for (const { ip, ipMode = 'VIP' } of status?.loadBalancer?.ingress ?? []) {
      if (ip !== undefined && ipMode === 'VIP' && isV6(ip) === v6) put(join(ip, port.port), true)
    }
  }
}

/**
 * How the maps differ from what is expected, a line each; none if they are equal. Without the
 * `any port` entries: those are `withoutAnyPort`'s.
 */
export function differences(
  expected: ReadonlyMap<string, Expected>,
  found: ReadonlyMap<string, Expected>,
): string[] {
  const lines: string[] = []
  for (const [name, wanted] of expected) {
    const actual = found.get(name)
    if (actual === undefined) lines.push(`${name}: missing`)
    else if (textOf(actual) !== textOf(wanted)) {
      lines.push(`${name}: ${textOf(actual)}, expected ${textOf(wanted)}`)
    }
  }
  for (const name of found.keys()) {
    if (!expected.has(name) && !name.endsWith(' any port')) lines.push(`${name}: not expected`)
  }
  return lines
}

/** One comparable line, whatever else the object carries. */
export function textOf(one: Expected): string {
  const { isExternal, cluster, local, isInternalLocal, isExternalLocal, affinityTimeout_s } = one
  const policies = `internal=${isInternalLocal ? 'Local' : 'Cluster'} external=${isExternalLocal ? 'Local' : 'Cluster'}`
  const kind = isExternal ? 'external' : 'internal'
  return `${kind} ${policies} affinity=${affinityTimeout_s} cluster=${cluster.join(',')} local=${local.join(',')}`
}

/** ClusterIPs that lack the entry which refuses ports that their Service doesn't have (N5). */
export function withoutAnyPort(
  expected: ReadonlyMap<string, Expected>,
  found: ReadonlyMap<string, Expected>,
): string[] {
  const addresses = [...expected]
    .filter(([, { isExternal }]) => !isExternal)
    .map(([name]) => name.slice(0, name.lastIndexOf(':')).replace(/^\[|\]$/g, ''))
  return [...new Set(addresses)].filter((address) => !found.has(`${address} any port`))
}
