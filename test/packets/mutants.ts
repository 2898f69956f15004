/**
 * Packets with bytes turned, cut and grown, and what must hold of whatever a program makes of them:
 * a packet that is changed is changed in nothing but ends and checksums, each checksum is as right
 * or wrong as before, and the backend is one of the Service that was asked for.
 */
import { formatAddress } from '../../agent/model/address.ts'
import { bare, eth, ethernetBytes, fragmentsOf4, fragmentsOf6 } from './build.ts'
import { sumOf } from './checksum.ts'
import { readPacket } from './read.ts'
import type { Read } from './read.ts'
import type { Outcome, ProgramName } from './stage.ts'
import { places, services } from './world.ts'
import type { Place } from './world.ts'

/** Uniform in [0, 1) from a seed: mulberry32. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Packets that are worth turning bytes of: each makes some program do something. */
export function seedPackets(): Buffer[] {
  return Object.values(places).flatMap((place: Place) => {
    const { client, outside, node, router, family } = place
    const backend = place.pod(7)
    const error = (from: string, to: string, quote: Buffer) => {
      const ip = eth().ip({ from, to })
      return (family === 4 ? ip.icmp4(3, 4, 1400) : ip.icmp6(2, 0, 1400)).payload(quote)
    }
    const datagram = eth()
      .ip({ from: client, to: place.vip('web') })
      .udp({ from: 4000, to: 53 })
    const sent = bare().ip({ from: client, to: backend }).udp({ from: 4000, to: 5353 }).payload(20)
    const got = bare()
      .ip({ from: place.vip('web'), to: client })
      .tcp({ from: 80, to: 4000, flags: ['ack'] })
    const split = (packet: Buffer) =>
      family === 4 ? fragmentsOf4(packet, 64) : fragmentsOf6(packet, 64, 9)
    const vips = services.map(({ name }) => place.vip(name))
    return [
      ...vips.map((to) =>
        eth()
          .ip({ from: client, to })
          .tcp({ from: 4000, to: 80, flags: ['syn'] })
          .payload(3)
          .bytes(),
      ),
      ...vips.map((to) =>
        eth().ip({ from: client, to }).udp({ from: 4000, to: 53 }).payload(9).bytes(),
      ),
      eth()
        .ip({ from: outside, to: node })
        .tcp({ from: 4000, to: 30080, flags: ['syn'] })
        .bytes(),
      eth().ip({ from: outside, to: node }).udp({ from: 4000, to: 30053 }).payload(7).bytes(),
      eth()
        .ip({ from: client, to: place.vip('web') })
        .sctp({ from: 4000, to: 9000, chunk: 1 })
        .bytes(),
      eth()
        .ip({ from: backend, to: client })
        .tcp({ from: 8080, to: 4000, flags: ['syn', 'ack'] })
        .bytes(),
      eth().ip({ from: backend, to: client }).udp({ from: 5353, to: 4000 }).payload(50).bytes(),
      error(router, client, sent.bytes()).bytes(),
      error(backend, client, sent.bytes()).bytes(),
      error(client, place.vip('web'), got.bytes()).bytes(),
      ...split(datagram.payload(150).bytes()),
    ]
  })
}

/** IPv4 header checksum and transport's put right again, so that more than the first check is met. */
function mend(packet: Buffer): void {
  if (packet.length < ethernetBytes + 20 || packet.readUInt16BE(12) !== 0x0800) return
  const header = packet.subarray(
    ethernetBytes,
    ethernetBytes + ((packet[ethernetBytes] ?? 0) & 15) * 4,
  )
  if (header.length < 20) return
  header.writeUInt16BE(0, 10)
  header.writeUInt16BE(~sumOf(header) & 0xffff, 10)
}

/** Another packet made of `seed`. */
export function mutate(seed: Buffer, random: () => number): Buffer {
  const below = (n: number) => Math.floor(random() * n)
  let packet = Buffer.from(seed)
  const turns = below(4)
  for (let i = 0; i < turns; i++) {
    const at = 12 + below(Math.min(packet.length - 12, 110))
    const value = packet[at] ?? 0
    packet[at] = [value ^ (1 << below(8)), below(256), 0, 0xff][below(4)] ?? 0
  }
  const size = below(12)
  if (size === 0) packet = packet.subarray(0, ethernetBytes + 40 + below(packet.length - 53))
  if (size === 1) packet = Buffer.concat([packet, Buffer.alloc(below(60), 0xa5)])
  packet = Buffer.from(packet)
  if (below(2) === 0) mend(packet)
  return packet
}

const podsByVip = new Map<string, ReadonlySet<string>>()
const frontends = new Set<string>()
for (const place of Object.values(places)) {
  const podsOf = ({ local, remote }: (typeof services)[number]) =>
    [...local, ...remote].map((number) => place.pod(number))
  for (const service of services) podsByVip.set(place.vip(service.name), new Set(podsOf(service)))
  const withNodePorts = services.filter(({ ports }) => ports.some(({ nodePort }) => nodePort))
  podsByVip.set(place.node, new Set(withNodePorts.flatMap(podsOf)))
}
for (const vip of podsByVip.keys()) frontends.add(vip)

/** One's-complement sums: 0 and 0xffff are the same number. */
function sameSum(a: number | undefined, b: number | undefined): boolean {
  return a === b || ((a ?? 1) % 0xffff === 0 && (b ?? 1) % 0xffff === 0)
}

/** Offsets that a rewrite may change: ends and checksums of the packet, and of one that it quotes. */
function mayChange(packet: Buffer, { transport, proto }: Read): (at: number) => boolean {
  const spans: (readonly [number, number])[] = []
  const header = (at: number) => {
    if ((packet[at] ?? 0) >> 4 === 4) spans.push([at + 10, at + 20])
    else spans.push([at + 8, at + 40])
  }
  const ends = (at: number, kind: number) => {
    spans.push([at, at + 4])
    if (kind === 6) spans.push([at + 16, at + 18])
    if (kind === 17) spans.push([at + 6, at + 8])
  }
  header(ethernetBytes)
  if (proto === 1 || proto === 58) {
    spans.push([transport + 2, transport + 4])
    const quote = readQuote(packet, transport + 8)
    header(transport + 8)
    if (quote !== undefined) ends(quote.transport, quote.proto)
  } else {
    ends(transport, proto)
  }
  return (at) => spans.some(([from, to]) => at >= from && at < to)
}

/** Where the transport of a quoted packet begins. */
function readQuote(packet: Buffer, at: number): { transport: number; proto: number } | undefined {
  const quote = packet.subarray(at)
  const isV6 = (quote[0] ?? 0) >> 4 === 6
  // Read as if it were whole: the quote's own length is that of what was sent.
  const whole = Buffer.concat([Buffer.alloc(ethernetBytes), quote])
  whole.writeUInt16BE(isV6 ? 0x86dd : 0x0800, 12)
  if (whole.length >= ethernetBytes + 20) whole.writeUInt16BE(0, ethernetBytes + (isV6 ? 4 : 2))
  const read = readPacket(whole)
  if (read === undefined) return undefined
  return { transport: at + read.transport - ethernetBytes, proto: read.proto }
}

function judgeRewrite(program: ProgramName, packet: Buffer, bytes: Buffer): string {
  const [before, after] = [readPacket(packet), readPacket(bytes)]
  if (before === undefined || after === undefined) return 'changed, and cannot be read'
  if (bytes.length !== packet.length) return 'its length changed'
  const allowed = mayChange(packet, before)
  for (let at = 0; at < packet.length; at++) {
    if (packet[at] !== bytes[at] && !allowed(at)) return `byte ${at} changed`
  }
  for (const [name, sum] of before.sums) {
    if (!sameSum(sum, after.sums.get(name))) return `the ${name} checksum is not as right as before`
  }
  const [from, to] = [formatAddress(before.from), formatAddress(before.to)]
  const [newFrom, newTo] = [formatAddress(after.from), formatAddress(after.to)]
  if (program.endsWith('ingress')) {
    if (newFrom !== from) return 'ingress changed the source'
    return podsByVip.get(to)?.has(newTo) === true ? '' : `${to} went to ${newTo}`
  }
  if (newTo !== to) return 'egress changed the destination'
  return newFrom === from || frontends.has(newFrom) ? '' : `${from} became ${newFrom}`
}

function judgeAnswer(packet: Buffer, bytes: Buffer): string {
  const [before, after] = [readPacket(packet), readPacket(bytes)]
  if (before === undefined || after === undefined) return 'answered, and cannot be read'
  if (!Buffer.from(after.to).equals(before.from)) return 'the answer goes to somebody else'
  if (!Buffer.from(after.from).equals(before.to)) return 'the answer comes from somebody else'
  for (const [name, sum] of after.sums) {
    // A reset is made of its SYN, wrong checksums and all; an ICMP error is new.
    const was = before.proto === after.proto || name.startsWith('quoted')
    if (!was && sum !== 0xffff) return `the answer’s ${name} checksum is wrong`
    if (before.proto === after.proto && !sameSum(sum, before.sums.get(name))) {
      return `the reset’s ${name} checksum is not as right as the SYN’s`
    }
  }
  return ''
}

/** '' or what is wrong with what a program made of `packet`. */
export function faultOf(program: ProgramName, packet: Buffer, outcome: Outcome): string {
  const { verdict, bytes } = outcome
  if (verdict === 'rewritten') return judgeRewrite(program, packet, bytes)
  if (verdict === 'answered') return judgeAnswer(packet, bytes)
  if (verdict === 'drop' && program.endsWith('egress')) return 'egress dropped it'
  return ''
}
