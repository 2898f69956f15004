/** What stands in a node's pinned maps, read from outside the agent and told in Kubernetes' words. */
import { createHash } from 'node:crypto'
import {
  flBackend,
  flFrontend,
  flFrontendFlag,
  flFrontendKey,
  flFrontendKind,
  flRegion,
  flRegionFlag,
  flService,
} from '../../agent/maps/abi.gen.ts'
import { pinsIn } from '../../agent/datapath/pins.ts'
import { formatAddress, formatEndpoint } from '../../agent/model/address.ts'
import { BpfMap } from '../../native/index.ts'
import type { Expected } from './oracle.ts'

/** An entry of `frontends` with all that hangs on it. */
export interface Found extends Expected {
  readonly serviceId: number
  /** Differs in any two values that were ever written. */
  readonly generation: number
  readonly regionGeneration: number
}

const protocols: Readonly<Record<number, string>> = { 6: 'TCP', 17: 'UDP', 132: 'SCTP' }

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Runs `read` on an opened pin, closed again afterwards. */
function withMap<T>(bpffs: string, name: string, read: (map: BpfMap) => T): T {
  const map = BpfMap.open(pinsIn(bpffs).map(name))
  try {
    return read(map)
  } finally {
    map.close()
  }
}

function nameOf(key: { addr: Uint8Array; port: number; proto: number; kind: number }): string {
  if (key.kind === flFrontendKind.anyPort) return `${formatAddress(key.addr)} any port`
  const protocol = protocols[key.proto] ?? String(key.proto)
  if (key.kind === flFrontendKind.exact) return `${formatEndpoint(key.addr, key.port)}/${protocol}`
  return `NodePort ${formatAddress(key.addr)}:${key.port}/${protocol}`
}

/** Endpoints of [offset, offset + count) behind a region's header, sorted. */
function endpoints(backends: DataView, region: number, offset: number, count: number): string[] {
  return Array.from({ length: count }, (_, i) => {
    const slot = (region + 1 + offset + i) * flBackend.size
    const { addr, port } = flBackend.read(backends, slot)
    return formatEndpoint(addr, port)
  }).sort()
}

/** Every frontend by its name, as `10.96.0.1:443/TCP`, `NodePort 0.0.0.0:30080/TCP`, `10.96.0.1 any port`. */
export function readFrontends(bpffs: string): Map<string, Found> {
  return withMap(bpffs, 'services', (services) =>
    withMap(bpffs, 'backends', (backends) =>
      withMap(bpffs, 'frontends', (frontends) => {
        const { keys, values, count } = frontends.entries()
        const memory = {
          services: new DataView(services.mmap()),
          backends: new DataView(backends.mmap()),
        }
        const found = new Map<string, Found>()
        for (let i = 0; i < count; i++) {
          const key = flFrontendKey.read(viewOf(keys), i * flFrontendKey.size)
          const value = flFrontend.read(viewOf(values), i * flFrontend.size)
          found.set(nameOf(key), follow(memory, value.serviceId, value))
        }
        return found
      }),
    ),
  )
}

function follow(
  memory: { services: DataView; backends: DataView },
  serviceId: number,
  value: { flags: number; sealFirst: { generation: number } },
): Found {
  const service = flService.read(memory.services, serviceId * flService.size)
  const region = flRegion.read(memory.backends, service.region * flBackend.size)
  const { region: at } = service
  return {
    serviceId,
    generation: value.sealFirst.generation,
    regionGeneration: service.generation,
    isExternal: (value.flags & flFrontendFlag.external) !== 0,
    cluster: endpoints(memory.backends, at, region.clusterOffset, region.clusterN),
    local: endpoints(memory.backends, at, 0, region.localN),
    isInternalLocal: (region.flags & flRegionFlag.internalLocal) !== 0,
    isExternalLocal: (region.flags & flRegionFlag.externalLocal) !== 0,
    affinityTimeout_s: region.affinityTimeoutS,
  }
}

/**
 * Hash over the bytes of everything the agent writes for Services. Values carry generations that
 * are never used twice, so it changes with every write, also of the same content.
 */
export function fingerprint(bpffs: string): string {
  const hash = createHash('sha256')
  for (const name of ['frontends', 'members', 'node_addresses']) {
    const rows = withMap(bpffs, name, (map) => {
      const { keys, values, count } = map.entries()
      const { keySize, valueSize } = map.info()
      return Array.from({ length: count }, (_, i) => {
        const key = keys.subarray(i * keySize, (i + 1) * keySize).toString('hex')
        return `${key} ${values.subarray(i * valueSize, (i + 1) * valueSize).toString('hex')}`
      }).sort()
    })
    hash.update(`${name}\n${rows.join('\n')}\n`)
  }
  for (const name of ['services', 'backends']) {
    withMap(bpffs, name, (map) => hash.update(name).update(Buffer.from(map.mmap())))
  }
  return hash.digest('hex')
}
