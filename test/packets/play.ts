/** What the stories of flows are told with: packets to and from the world, and a look at entries. */
import { flFlow, flFlowKey } from '../../agent/maps/abi.gen.ts'
import type { FlFlow, FlFlowKey } from '../../agent/maps/abi.gen.ts'
import { viewOf } from '../../agent/maps/rows.ts'
import { formatEndpoint } from '../../agent/model/address.ts'
import { bootTimeNs } from '../../native/index.ts'
import { eth } from './build.ts'
import type { Frame, TcpFlag } from './build.ts'
import { readPacket } from './read.ts'
import type { ProgramName, Stage } from './stage.ts'
import { places } from './world.ts'
import type { Place } from './world.ts'

export const port = 4000
export const both = [places[4], places[6]]

export interface Entry {
  readonly key: Buffer
  readonly value: Buffer
  readonly flow: FlFlow
  readonly id: FlFlowKey
}

export function entries(stage: Stage, map: 'flows' | 'flows_new'): Entry[] {
  const { keys, values, count } = stage.packetMap(map).entries()
  return Array.from({ length: count }, (_, i) => {
    const key = keys.subarray(i * flFlowKey.size, (i + 1) * flFlowKey.size)
    const value = values.subarray(i * flFlow.size, (i + 1) * flFlow.size)
    return { key, value, flow: flFlow.read(viewOf(value), 0), id: flFlowKey.read(viewOf(key), 0) }
  })
}

/** `10.0.0.1:1 > 10.0.0.2:2 is 10.0.0.3:3 / 1`, sorted: what each entry makes of whose packets. */
export function flowTexts(stage: Stage, map: 'flows' | 'flows_new'): string[] {
  return entries(stage, map)
    .map(({ id, flow }) => {
      const from = formatEndpoint(id.source, id.sourcePort)
      const to = formatEndpoint(id.destination, id.destinationPort)
      return `${from} > ${to} is ${formatEndpoint(flow.address, flow.port)} / ${flow.clientPort}`
    })
    .sort()
}

export function run(stage: Stage, program: ProgramName, packet: Frame | Buffer): string {
  const { verdict, bytes } = stage.run(program, Buffer.isBuffer(packet) ? packet : packet.bytes())
  return verdict === 'rewritten' ? (readPacket(bytes)?.text ?? 'unreadable') : verdict
}

export const tcpTo = (place: Place, name: string, ...flags: TcpFlag[]): Frame =>
  eth()
    .ip({ from: place.client, to: place.vip(name) })
    .tcp({ from: port, to: 80, flags })
export const tcpFrom = (place: Place, pod: number, ...flags: TcpFlag[]): Frame =>
  eth()
    .ip({ from: place.pod(pod), to: place.client })
    .tcp({ from: 8080, to: port, flags })
export const udpTo = (place: Place, name: string, from = port): Frame =>
  eth()
    .ip({ from: place.client, to: place.vip(name) })
    .udp({ from, to: 53 })
    .payload(9)

/** Source port and backend that a text of `run` names. */
export function chosen(text: string): { port: number; backend: string } {
  const [from = '', , to = ''] = text.split(' ')
  return { port: Number(from.slice(from.lastIndexOf(':') + 1)), backend: to }
}

/** The entry looks as if its twin was last seen 11 s ago. */
export function age(stage: Stage, map: 'flows' | 'flows_new', { key, value }: Entry): void {
  const old = Buffer.from(value)
  old.writeBigUInt64LE(bootTimeNs() - 11_000_000_000n, flFlow.at.checkedNs)
  stage.packetMap(map).update(key, old)
}

/** The only flow is forgotten, and the key of its reply belongs to another frontend's. */
export function giveAway(stage: Stage): void {
  for (const { key, value, id } of entries(stage, 'flows_new')) {
    if (id.direction === 0) {
      stage.packetMap('flows_new').delete(key)
      continue
    }
    const foreign = Buffer.from(value)
    foreign.writeUInt16BE(999, flFlow.at.port)
    stage.packetMap('flows_new').update(key, foreign)
  }
}

export function handshake(stage: Stage, place: Place): void {
  run(stage, 'pod_ingress', tcpTo(place, 'web', 'syn'))
  run(stage, 'pod_egress', tcpFrom(place, 7, 'syn', 'ack'))
  run(stage, 'pod_ingress', tcpTo(place, 'web', 'ack'))
}
