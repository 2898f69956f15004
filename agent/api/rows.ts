/** Rows of the listings, read from the maps: what the kernel has, with names where they are known. */
import { flBackendState, flFrontendFlag, flFrontendKind, flRegionFlag } from '../maps/abi.gen.ts'
import { listAffinity } from '../maps/affinity.ts'
import { listFrontends, readRow } from '../maps/frontends.ts'
import { readBackend, readRegion } from '../maps/regions.ts'
import type { Backend as MapBackend, RegionHeader } from '../maps/regions.ts'
import { listServices } from '../maps/services.ts'
import type { Maps } from '../maps/table.ts'
import { familyOf, formatAddress, formatEndpoint } from '../model/address.ts'
import type { Affinity, Backend, Frontend, ServicePort, SyncState } from './view.ts'

/** What the agent knows of a service id and the maps don't. */
export interface Naming {
  readonly namespace: string
  readonly name: string
  readonly portName: string
  readonly sync: SyncState
  /** Kind by `address:port`, `*:port` for NodePort. */
  kindOf(frontend: Frontend): string
}

export type NamingOf = (serviceId: number) => Naming | undefined

const nameless: Naming = {
  namespace: '',
  name: '',
  portName: '',
  sync: { state: '', message: '' },
  kindOf: () => '',
}

const protocolNames: Readonly<Record<number, string>> = { 6: 'TCP', 17: 'UDP', 132: 'SCTP' }

export const protocolName = (protocol: number): string =>
  protocolNames[protocol] ?? String(protocol)

interface Found {
  readonly frontends: Frontend[]
  protocol: string
  family: string
  isExternal: boolean
}

/** Frontends of every service id; those whose value is torn right now are left out. */
function frontendsById(maps: Maps): Map<number, Found> {
  const found = new Map<number, Found>()
  for (const { row, serviceId, isSealed } of listFrontends(maps.frontends)) {
    if (!isSealed) continue
    const { key, flags } = readRow(row)
    if (key.kind === flFrontendKind.anyPort) continue
    const one = found.get(serviceId) ?? {
      frontends: [],
      protocol: protocolName(key.proto),
      family: `IPv${familyOf(key.addr)}`,
      isExternal: false,
    }
    const address = key.kind === flFrontendKind.nodePort ? '*' : formatAddress(key.addr)
    one.frontends.push({ kind: '', address, port: key.port })
    one.isExternal ||= (flags & flFrontendFlag.external) !== 0
    found.set(serviceId, one)
  }
  return found
}

interface Region {
  readonly id: number
  readonly header: RegionHeader
  readonly backends: readonly MapBackend[]
}

function regionsOf(maps: Maps): Region[] {
  return [...listServices(maps.services)].flatMap(({ id, region }) => {
    const header = readRegion(maps.backends, region)
    // Changed under us, or half written by an agent that was killed: not a row.
    if (header.serviceId !== id || region + header.totalN >= maps.backends.capacity) return []
    const backends = Array.from({ length: header.totalN }, (_, i) =>
      readBackend(maps.backends, region, i),
    )
    return [{ id, header, backends }]
  })
}

const isUsed = ({ localN, clusterOffset, clusterN }: RegionHeader, offset: number): boolean =>
  offset < localN || (offset >= clusterOffset && offset < clusterOffset + clusterN)

const stateText = (state: number): string =>
  state === flBackendState.terminating ? 'terminating' : 'active'

function servicePort(
  region: Region,
  found: Found | undefined,
  naming: Naming,
  maps: Stats,
): ServicePort {
  const { id, header, backends } = region
  const policy = (flag: number): string => ((header.flags & flag) !== 0 ? 'Local' : 'Cluster')
  const count = (test: (backend: MapBackend) => boolean): number => backends.filter(test).length
  return {
    id,
    namespace: naming.namespace,
    name: naming.name,
    portName: naming.portName,
    protocol: found?.protocol ?? '',
    family: found?.family ?? '',
    frontends: (found?.frontends ?? []).map((one) => ({ ...one, kind: naming.kindOf(one) })),
    backends: {
      total: backends.length,
      active: count(({ state }) => state === flBackendState.active),
      local: count(({ isLocal }) => isLocal !== 0),
      terminating: count(({ state }) => state === flBackendState.terminating),
    },
    internalTrafficPolicy: policy(flRegionFlag.internalLocal),
    externalTrafficPolicy: policy(flRegionFlag.externalLocal),
    affinityTimeoutSeconds: header.affinityTimeoutS,
    connections: Number(maps.connections(id)),
    rejects: Number(maps.rejects(id)),
    sync: naming.sync,
  }
}

type Stats = ReturnType<Maps['serviceStats']>

function compareServices(a: ServicePort, b: ServicePort): number {
  const text = ({ namespace, name, portName, protocol, family }: ServicePort): string =>
    [namespace, name, portName, protocol, family].join('\0')
  const [x, y] = [text(a), text(b)]
  return x < y ? -1 : x > y ? 1 : a.id - b.id
}

/** In the order namespace, name, port name, protocol, family, id. */
export function serviceRows(maps: Maps, namingOf: NamingOf): ServicePort[] {
  const found = frontendsById(maps)
  const stats = maps.serviceStats()
  return regionsOf(maps)
    .map((region) =>
      servicePort(region, found.get(region.id), namingOf(region.id) ?? nameless, stats),
    )
    .sort(compareServices)
}

/** Backends of `services`, in the order of their regions. */
export function backendRows(maps: Maps, services: readonly ServicePort[]): Backend[] {
  const regions = new Map(regionsOf(maps).map((region) => [region.id, region]))
  return services.flatMap((service) => {
    const region = regions.get(service.id)
    return (region?.backends ?? []).map((backend, offset) => ({
      id: backend.id,
      serviceId: service.id,
      namespace: service.namespace,
      name: service.name,
      portName: service.portName,
      protocol: service.protocol,
      family: service.family,
      address: formatAddress(backend.addr),
      port: backend.port,
      state: stateText(backend.state),
      isLocal: backend.isLocal !== 0,
      zone: '',
      isUsed: region !== undefined && isUsed(region.header, offset),
    }))
  })
}

/** Affinity of `services`; `now_ns` is CLOCK_BOOTTIME. */
export function affinityRows(
  maps: Maps,
  services: readonly ServicePort[],
  now_ns: bigint,
): Affinity[] {
  const byId = new Map(services.map((service) => [service.id, service]))
  const backends = new Map(
    backendRows(maps, services).map(({ id, address, port }) => [id, { address, port }]),
  )
  return listAffinity(maps.affinity).flatMap(({ serviceId, backendId, lastUsed_ns, client }) => {
    const service = byId.get(serviceId)
    if (service === undefined) return []
    const idle_s = Math.max(0, Number((now_ns - lastUsed_ns) / 1_000_000_000n))
    const backend = backends.get(backendId)
    return {
      serviceId,
      namespace: service.namespace,
      name: service.name,
      portName: service.portName,
      clientKind: client.kind,
      client: client.kind === 'address' ? formatAddress(client.address) : String(client.cookie),
      backendId,
      backend: backend ? `${bracketed(backend.address)}:${backend.port}` : '',
      idleSeconds: idle_s,
      remainingSeconds: Math.max(0, service.affinityTimeoutSeconds - idle_s),
    }
  })
}

const bracketed = (address: string): string => (address.includes(':') ? `[${address}]` : address)

export const endpointText = (address: Uint8Array, port: number): string =>
  formatEndpoint(address, port)
