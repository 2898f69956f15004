/** Maps as text: one readable line per entry, in an order that does not depend on chance. */
import { familyOf, formatAddress, formatEndpoint } from '../model/address.ts'
import {
  flBackendState,
  flFrontendFlag,
  flFrontendKind,
  flRegionFlag,
  reasonTexts,
} from './abi.gen.ts'
import type { MapName } from './abi.gen.ts'
import { listAffinity } from './affinity.ts'
import { listFrontends, readRow } from './frontends.ts'
import type { FrontendEntry, FrontendRow } from './frontends.ts'
import { listMembers } from './members.ts'
import { metaOf } from './meta.ts'
import { readNodeAddresses } from './node-addresses.ts'
import { backendIds, readBackend, readRegion } from './regions.ts'
import type { Backend, RegionHeader } from './regions.ts'
import { listServices } from './services.ts'
import type { Maps } from './table.ts'

const protocols: Readonly<Record<number, string>> = { 6: 'TCP', 17: 'UDP', 132: 'SCTP' }

function flagsText(flags: number, names: Readonly<Record<string, number>>): string {
  const set = Object.entries(names).filter(([, bit]) => (flags & bit) !== 0)
  const words = set.map(([name]) => name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`))
  return words.length === 0 ? '' : ` flags=${words.join(',')}`
}

/** `10.96.0.10:53/UDP`, `node-port-4:30080/TCP`, `10.96.0.10:any`. */
export function rowText(row: FrontendRow): string {
  const { key } = readRow(row)
  const protocol = protocols[key.proto] ?? String(key.proto)
  if (key.kind === flFrontendKind.nodePort) {
    return `node-port-${familyOf(key.addr)}:${key.port}/${protocol}`
  }
  if (key.kind === flFrontendKind.anyPort) {
    const text = formatAddress(key.addr)
    return text.includes(':') ? `[${text}]:any` : `${text}:any`
  }
  return `${formatEndpoint(key.addr, key.port)}/${protocol}`
}

function frontendText(
  { row, serviceId, isSealed }: FrontendEntry,
  name = String(serviceId),
): string {
  const flags = flagsText(readRow(row).flags, flFrontendFlag)
  return `fe ${rowText(row)} service=${name}${flags}${isSealed ? '' : ' TORN'}`
}

function headerText(header: RegionHeader): string {
  const { totalN, localN, clusterOffset, clusterN, affinityTimeoutS } = header
  const affinity = affinityTimeoutS === 0 ? '' : ` affinity=${affinityTimeoutS}s`
  const intervals = `backends=${totalN} local=${localN} cluster=${clusterOffset}+${clusterN}`
  return `${intervals}${affinity}${flagsText(header.flags, flRegionFlag)}`
}

function backendText({ addr, port, state, isLocal }: Backend): string {
  const word = state === flBackendState.terminating ? 'terminating' : 'active'
  return `${formatEndpoint(addr, port)} ${word}${isLocal === 0 ? '' : ' local'}`
}

/** Rows compare by address, port, protocol, kind: their characters are their bytes. */
const byRow = (a: FrontendEntry, b: FrontendEntry): number =>
  a.row < b.row ? -1 : Number(a.row > b.row)

/**
 * The whole of what serves, without numbers that depend on history: services are numbered by their
 * first frontend. Two maps with one text serve the same. What programs would not trust, or could
 * never reach, is a line with BAD: a sound map has none.
 */
export function dumpText(maps: Maps): string {
  const frontends = listFrontends(maps.frontends).sort(byRow)
  const names = new Map<number, number>()
  for (const { serviceId } of frontends) {
    if (!names.has(serviceId)) names.set(serviceId, names.size + 1)
  }
  const lines = frontends.map((entry) => frontendText(entry, String(names.get(entry.serviceId))))
  const services = new Map([...listServices(maps.services)].map(({ id, region }) => [id, region]))
  for (const [id, name] of names) {
    const region = services.get(id)
    if (region === undefined) lines.push(`BAD service ${name} has frontends and no region`)
    else lines.push(...regionLines(maps, id, region, name))
  }
  for (const id of services.keys()) if (!names.has(id)) lines.push('BAD service without frontend')
  lines.push(...memberLines(maps, services, names))
  return lines.map((line) => `${line}\n`).join('')
}

function regionLines(maps: Maps, id: number, region: number, name: number): string[] {
  const header = readRegion(maps.backends, region)
  if (header.serviceId !== id) return [`BAD service ${name} points to another's region`]
  const lines = [`svc ${name} ${headerText(header)}`]
  for (let i = 0; i < header.totalN; i++) {
    lines.push(`be ${name} ${backendText(readBackend(maps.backends, region, i))}`)
  }
  return lines
}

/** Lines only for what is wrong. */
function memberLines(
  maps: Maps,
  services: ReadonlyMap<number, number>,
  names: ReadonlyMap<number, number>,
): string[] {
  const right = new Map<number, number>()
  const bad: string[] = []
  for (const { serviceId, backendId, region, offset, isSealed } of listMembers(maps.members)) {
    const isRight =
      isSealed &&
      services.get(serviceId) === region &&
      offset < readRegion(maps.backends, region).totalN &&
      readBackend(maps.backends, region, offset).id === backendId
    if (isRight) right.set(serviceId, (right.get(serviceId) ?? 0) + 1)
    else bad.push(`BAD member of service ${names.get(serviceId) ?? 'unknown'}`)
  }
  for (const [id, region] of services) {
    const { totalN } = readRegion(maps.backends, region)
    const n = right.get(id) ?? 0
    if (n !== totalN) bad.push(`BAD service ${names.get(id)} has ${n} of ${totalN} members`)
  }
  return bad
}

function serviceLines(maps: Maps): string[] {
  return [...listServices(maps.services)].map(
    ({ id, region, generation }) => `svc ${id} region=${region} generation=${generation}`,
  )
}

function backendLines(maps: Maps): string[] {
  return [...listServices(maps.services)].flatMap(({ id, region }) => {
    const header = readRegion(maps.backends, region)
    if (header.serviceId !== id) return [`BAD region ${region} of service ${id}`]
    const ids = backendIds(maps.backends, region, header.totalN)
    return [
      `region ${region} service=${id} ${headerText(header)}`,
      ...Array.from(ids, (backendId, i) => {
        const backend = readBackend(maps.backends, region, i)
        const zone = backend.zone === 0 ? '' : ` zone=${backend.zone.toString(16)}`
        return `be ${region + 1 + i} id=${backendId} ${backendText(backend)}${zone}`
      }),
    ]
  })
}

function metaLines(maps: Maps): string[] {
  const meta = metaOf(maps.meta)
  return [
    `heartbeat ${meta.heartbeat_ns()} ns`,
    `lease ${meta.lease_ns()} ns`,
    `bypass ${meta.isBypassed() ? 'on' : 'off'}`,
    `host-netns-cookie ${meta.hostNetnsCookie()}`,
    `event-sample ${meta.eventSample()}`,
    `next-backend-id ${meta.nextBackendId()}`,
    `next-generation ${meta.nextGeneration()}`,
  ]
}

function affinityLines(maps: Maps): string[] {
  return listAffinity(maps.affinity)
    .map(({ client, serviceId, backendId, lastUsed_ns }) => {
      const who = client.kind === 'netns' ? `netns:${client.cookie}` : formatAddress(client.address)
      return `affinity ${who} service=${serviceId} backend=${backendId} last-used=${lastUsed_ns}ns`
    })
    .sort()
}

function memberDump(maps: Maps): string[] {
  return [...listMembers(maps.members)]
    .sort((a, b) => a.serviceId - b.serviceId || a.backendId - b.backendId)
    .map(
      ({ serviceId, backendId, region, offset, isSealed }) =>
        `member service=${serviceId} backend=${backendId} region=${region} offset=${offset}` +
        (isSealed ? '' : ' TORN'),
    )
}

/** One map, with the numbers that it really has; maps that cannot be listed say so. */
export function dumpMap(maps: Maps, name: MapName): string[] {
  switch (name) {
    case 'frontends':
      return listFrontends(maps.frontends)
        .sort(byRow)
        .map((entry) => frontendText(entry))
    case 'services':
      return serviceLines(maps)
    case 'backends':
      return backendLines(maps)
    case 'members':
      return memberDump(maps)
    case 'affinity':
      return affinityLines(maps)
    case 'node_addresses':
      return readNodeAddresses(maps.nodeAddresses)
        .map(
          ({ address, hasNodePorts }) =>
            `${formatAddress(address)}${hasNodePorts ? ' node-ports' : ''}`,
        )
        .sort()
    case 'reasons':
      return maps.reasons().map((n, i) => `${reasonTexts[i]?.name ?? i} ${n}`)
    case 'service_stats': {
      const stats = maps.serviceStats()
      return [...listServices(maps.services)].map(
        ({ id }) => `svc ${id} connections=${stats.connections(id)} rejects=${stats.rejects(id)}`,
      )
    }
    case 'meta':
      return metaLines(maps)
    case 'sockets':
    case 'datagrams':
      return ['lies in the sockets themselves and cannot be listed']
    case 'events':
      return ['is a ring buffer: see `fairlead events`']
  }
}
