/**
 * Packets in words: `eth().ipv4({ from, to }).udp({ from: 4000, to: 53 }).payload(20).bytes()`.
 * Lengths and checksums are filled in when bytes are asked for; a field that is named is taken as
 * it is, right or wrong.
 */
import { parseAddress } from '../../agent/model/address.ts'
import { pseudoSum, sumOf } from './checksum.ts'

export interface Ipv4Fields {
  readonly from: string
  readonly to: string
  readonly proto?: number
  readonly ttl?: number
  readonly id?: number
  /** Bytes behind the header's 20, a multiple of 4. */
  readonly options?: readonly number[]
  readonly version?: number
  readonly headerWords?: number
  readonly length?: number
}

export interface Ipv6Fields {
  readonly from: string
  readonly to: string
  readonly next?: number
  readonly hops?: number
  readonly version?: number
  readonly length?: number
  /** Extension headers by number, each of 8 bytes. */
  readonly extensions?: readonly number[]
}

export interface Ports {
  readonly from: number
  readonly to: number
}

export type TcpFlag = 'fin' | 'syn' | 'rst' | 'psh' | 'ack'
const tcpFlags: readonly TcpFlag[] = ['fin', 'syn', 'rst', 'psh', 'ack']

export interface TcpFields extends Ports {
  readonly flags: readonly TcpFlag[]
  readonly sequence?: number
  /** Bytes behind the header's 20, a multiple of 4. */
  readonly options?: readonly number[]
}

export interface UdpFields extends Ports {
  /** 0: none. */
  readonly checksum?: 0
}

export interface SctpFields extends Ports {
  /** 1: INIT, 0: DATA, 6: ABORT. */
  readonly chunk: number
}

interface Layer {
  /** Number in the layer below: Ethernet type or IP protocol. */
  readonly number: number
  /** The layer with what it carries. `ip` is the network layer around it. */
  build(payload: Buffer, next: number, ip: Network | undefined): Buffer
}

interface Network {
  readonly from: Uint8Array
  readonly to: Uint8Array
}

function addressOf(text: string): Uint8Array {
  const address = parseAddress(text)
  if (address === undefined) throw new Error(`${text} is no address`)
  return address
}

export const ethernetBytes = 14
const macs = Buffer.from('0200000000020200000000010000', 'hex')

class Ipv4 implements Layer, Network {
  readonly number = 0x0800
  readonly from: Uint8Array
  readonly to: Uint8Array
  readonly #fields: Ipv4Fields
  constructor(fields: Ipv4Fields) {
    this.#fields = fields
    this.from = addressOf(fields.from)
    this.to = addressOf(fields.to)
  }
  build(payload: Buffer, next: number): Buffer {
    const { options = [], ttl = 63, id = 0, version = 4 } = this.#fields
    const header = Buffer.alloc(20 + options.length)
    const words = this.#fields.headerWords ?? header.length / 4
    header[0] = (version << 4) | words
    header.writeUInt16BE(this.#fields.length ?? header.length + payload.length, 2)
    header.writeUInt16BE(id, 4)
    header[8] = ttl
    header[9] = this.#fields.proto ?? next
    header.set(this.from.subarray(12), 12)
    header.set(this.to.subarray(12), 16)
    header.set(options, 20)
    header.writeUInt16BE(~sumOf(header) & 0xffff, 10)
    return Buffer.concat([header, payload])
  }
}

class Ipv6 implements Layer, Network {
  readonly number = 0x86dd
  readonly from: Uint8Array
  readonly to: Uint8Array
  readonly #fields: Ipv6Fields
  constructor(fields: Ipv6Fields) {
    this.#fields = fields
    this.from = addressOf(fields.from)
    this.to = addressOf(fields.to)
  }
  build(payload: Buffer, next: number): Buffer {
    const { extensions = [], hops = 63, version = 6 } = this.#fields
    const header = Buffer.alloc(40 + 8 * extensions.length)
    header[0] = version << 4
    header.writeUInt16BE(this.#fields.length ?? header.length - 40 + payload.length, 4)
    const numbers = [...extensions, this.#fields.next ?? next]
    header[6] = numbers[0] ?? 0
    header[7] = hops
    header.set(this.from, 8)
    header.set(this.to, 24)
    extensions.forEach((_, i) => (header[40 + i * 8] = numbers[i + 1] ?? 0))
    return Buffer.concat([header, payload])
  }
}

function withChecksum(bytes: Buffer, at: number, ip: Network | undefined, proto: number): Buffer {
  const sum = ip === undefined ? 0 : pseudoSum(ip.from, ip.to, proto, bytes.length)
  const value = ~sumOf(bytes, sum) & 0xffff
  bytes.writeUInt16BE(value === 0 && proto === 17 ? 0xffff : value, at)
  return bytes
}

function tcpLayer({ from, to, flags, sequence = 1000, options = [] }: TcpFields): Layer {
  return {
    number: 6,
    build(payload, _next, ip) {
      const header = Buffer.alloc(20 + options.length)
      header.writeUInt16BE(from, 0)
      header.writeUInt16BE(to, 2)
      header.writeUInt32BE(sequence, 4)
      header.writeUInt32BE(flags.includes('ack') ? 7000 : 0, 8)
      header[12] = (header.length / 4) << 4
      header[13] = flags.reduce((bits, flag) => bits | (1 << tcpFlags.indexOf(flag)), 0)
      header.writeUInt16BE(64240, 14)
      header.set(options, 20)
      return withChecksum(Buffer.concat([header, payload]), 16, ip, 6)
    },
  }
}

function udpLayer({ from, to, checksum }: UdpFields): Layer {
  return {
    number: 17,
    build(payload, _next, ip) {
      const header = Buffer.alloc(8)
      header.writeUInt16BE(from, 0)
      header.writeUInt16BE(to, 2)
      header.writeUInt16BE(8 + payload.length, 4)
      const bytes = Buffer.concat([header, payload])
      return checksum === 0 ? bytes : withChecksum(bytes, 6, ip, 17)
    },
  }
}

/** Its CRC32c covers no address; a rewrite must leave it alone, so any number will do. */
function sctpLayer({ from, to, chunk }: SctpFields): Layer {
  return {
    number: 132,
    build(payload) {
      const header = Buffer.alloc(16)
      header.writeUInt16BE(from, 0)
      header.writeUInt16BE(to, 2)
      header.writeUInt32BE(0xc0ffee, 8)
      header[12] = chunk
      header.writeUInt16BE(4 + payload.length, 14)
      return Buffer.concat([header, payload])
    },
  }
}

/** ICMP of the family of the IP layer around it. `rest`: the second word, as MTU or echo id. */
function icmpLayer(number: 1 | 58, type: number, code: number, rest: number): Layer {
  return {
    number,
    build(payload, _next, ip) {
      const header = Buffer.alloc(8)
      header[0] = type
      header[1] = code
      header.writeUInt32BE(rest, 4)
      const bytes = Buffer.concat([header, payload])
      return withChecksum(bytes, 2, number === 58 ? ip : undefined, number)
    },
  }
}

/** A packet under construction; each call returns another one. */
export class Frame {
  readonly #layers: readonly Layer[]
  readonly #payload: Buffer
  readonly #hasEthernet: boolean
  constructor(layers: readonly Layer[], payload: Buffer, hasEthernet: boolean) {
    this.#layers = layers
    this.#payload = payload
    this.#hasEthernet = hasEthernet
  }
  #with(layer: Layer): Frame {
    return new Frame([...this.#layers, layer], this.#payload, this.#hasEthernet)
  }
  ipv4(fields: Ipv4Fields): Frame {
    return this.#with(new Ipv4(fields))
  }
  ipv6(fields: Ipv6Fields): Frame {
    return this.#with(new Ipv6(fields))
  }
  /** By the form of the addresses. */
  ip(fields: { readonly from: string; readonly to: string }): Frame {
    return fields.to.includes(':') ? this.ipv6(fields) : this.ipv4(fields)
  }
  tcp(fields: TcpFields): Frame {
    return this.#with(tcpLayer(fields))
  }
  udp(fields: UdpFields): Frame {
    return this.#with(udpLayer(fields))
  }
  sctp(fields: SctpFields): Frame {
    return this.#with(sctpLayer(fields))
  }
  icmp4(type: number, code: number, rest = 0): Frame {
    return this.#with(icmpLayer(1, type, code, rest))
  }
  icmp6(type: number, code: number, rest = 0): Frame {
    return this.#with(icmpLayer(58, type, code, rest))
  }
  /** An 802.1Q tag in the packet itself. */
  vlan(id: number): Frame {
    return this.#with({
      number: 0x8100,
      build(payload, next) {
        const tag = Buffer.alloc(4)
        tag.writeUInt16BE(id, 0)
        tag.writeUInt16BE(next, 2)
        return Buffer.concat([tag, payload])
      },
    })
  }
  /** `length` bytes that differ from each other, or these bytes. */
  payload(content: number | Uint8Array): Frame {
    const bytes =
      typeof content === 'number'
        ? Buffer.from(Array.from({ length: content }, (_, i) => (i * 7 + 1) & 0xff))
        : Buffer.from(content)
    return new Frame(this.#layers, bytes, this.#hasEthernet)
  }
  bytes(): Buffer {
    let bytes = this.#payload
    for (let i = this.#layers.length - 1; i >= 0; i--) {
      const below = this.#layers[i - 1]
      const ip = below instanceof Ipv4 || below instanceof Ipv6 ? below : undefined
      bytes = this.#layers[i]?.build(bytes, this.#layers[i + 1]?.number ?? 59, ip) ?? bytes
    }
    if (!this.#hasEthernet) return bytes
    const header = Buffer.from(macs)
    header.writeUInt16BE(this.#layers[0]?.number ?? 0x88b5, 12)
    return Buffer.concat([header, bytes])
  }
}

export function eth(): Frame {
  return new Frame([], Buffer.alloc(0), true)
}

/** Without Ethernet: what ICMP errors quote. */
export function bare(): Frame {
  return new Frame([], Buffer.alloc(0), false)
}

/** Splits an IPv4 packet without options into fragments, the first of `at` bytes (by 8). */
export function fragmentsOf4(packet: Buffer, at: number): [Buffer, Buffer] {
  const head = packet.subarray(0, ethernetBytes + 20)
  const content = packet.subarray(ethernetBytes + 20)
  const fragment = (part: Buffer, offset: number, more: boolean): Buffer => {
    const bytes = Buffer.concat([head, part])
    bytes.writeUInt16BE(20 + part.length, ethernetBytes + 2)
    bytes.writeUInt16BE((more ? 0x2000 : 0) | (offset / 8), ethernetBytes + 6)
    bytes.writeUInt16BE(0, ethernetBytes + 10)
    const sum = sumOf(bytes.subarray(ethernetBytes, ethernetBytes + 20))
    bytes.writeUInt16BE(~sum & 0xffff, ethernetBytes + 10)
    return bytes
  }
  return [fragment(content.subarray(0, at), 0, true), fragment(content.subarray(at), at, false)]
}

/** The same of an IPv6 packet without extensions: a fragment header comes in. */
export function fragmentsOf6(packet: Buffer, at: number, id: number): [Buffer, Buffer] {
  const head = packet.subarray(0, ethernetBytes + 40)
  const content = packet.subarray(ethernetBytes + 40)
  const fragment = (part: Buffer, offset: number, more: boolean): Buffer => {
    const extension = Buffer.alloc(8)
    extension[0] = head[ethernetBytes + 6] ?? 0
    extension.writeUInt16BE(offset | (more ? 1 : 0), 2)
    extension.writeUInt32BE(id, 4)
    const bytes = Buffer.concat([head, extension, part])
    bytes.writeUInt16BE(8 + part.length, ethernetBytes + 4)
    bytes[ethernetBytes + 6] = 44
    return bytes
  }
  return [fragment(content.subarray(0, at), 0, true), fragment(content.subarray(at), at, false)]
}
