/**
 * Reads a packet back, apart from how it was built and from how the programs see it: ends,
 * protocol, and whether each checksum is right. An error's text also tells the packet it quotes.
 */
import { formatAddress, formatEndpoint } from '../../agent/model/address.ts'
import { ethernetBytes } from './build.ts'
import { pseudoSum, sumOf } from './checksum.ts'

export interface Read {
  /** `10.0.0.1:4000 > 10.0.0.2:80 tcp syn`; what is wrong stands behind it. */
  readonly text: string
  readonly from: Uint8Array
  readonly to: Uint8Array
  /** Offset of the transport's header. */
  readonly transport: number
  readonly proto: number
  /** Sums over everything that a checksum covers: 0xffff if it is right. By name. */
  readonly sums: ReadonlyMap<string, number>
  /** Last byte of the IP packet in `bytes`. */
  readonly end: number
}

const names: ReadonlyMap<number, string> = new Map([
  [1, 'icmp'],
  [6, 'tcp'],
  [17, 'udp'],
  [58, 'icmp6'],
  [132, 'sctp'],
])
const flagNames = ['fin', 'syn', 'rst', 'psh', 'ack']
const mapped = Buffer.from('00000000000000000000ffff', 'hex')

interface Header {
  readonly from: Uint8Array
  readonly to: Uint8Array
  readonly proto: number
  /** Offsets in the bytes given. */
  readonly transport: number
  readonly end: number
  readonly fragment: '' | 'first' | 'later'
  readonly sum: number | undefined
}

function readHeader4(bytes: Buffer): Header | undefined {
  const words = (bytes[0] ?? 0) & 15
  if (bytes.length < 20 || words < 5 || bytes.length < words * 4) return undefined
  const fragment = bytes.readUInt16BE(6)
  const isLater = (fragment & 0x1fff) !== 0
  return {
    from: Buffer.concat([mapped, bytes.subarray(12, 16)]),
    to: Buffer.concat([mapped, bytes.subarray(16, 20)]),
    proto: bytes[9] ?? 0,
    transport: words * 4,
    // 0: a super-packet above 64 KB.
    end: bytes.readUInt16BE(2) || bytes.length,
    fragment: isLater ? 'later' : fragment & 0x2000 ? 'first' : '',
    sum: sumOf(bytes.subarray(0, words * 4)),
  }
}

function readHeader6(bytes: Buffer): Header | undefined {
  if (bytes.length < 40) return undefined
  let [next, at, fragment] = [bytes[6] ?? 0, 40, '' as Header['fragment']]
  while ((next === 0 || next === 60 || next === 44) && at + 8 <= bytes.length) {
    const word = bytes.readUInt16BE(at + 2)
    const isFragment = next === 44
    if (isFragment) fragment = word & 0xfff8 ? 'later' : word & 1 ? 'first' : ''
    next = bytes[at] ?? 0
    at += isFragment ? 8 : ((bytes[at + 1] ?? 0) + 1) * 8
    if (fragment === 'later') break
  }
  return {
    from: bytes.subarray(8, 24),
    to: bytes.subarray(24, 40),
    proto: next,
    transport: at,
    end: bytes.readUInt16BE(4) === 0 ? bytes.length : 40 + bytes.readUInt16BE(4),
    fragment,
    sum: undefined,
  }
}

/** Sum over a transport and its pseudo header; undefined where there is none to be right. */
function transportSum(header: Header, transport: Buffer): number | undefined {
  const { from, to, proto } = header
  const isWhole = transport.length >= (proto === 6 ? 20 : 8)
  if (!isWhole || (proto === 17 && transport.readUInt16BE(6) === 0)) return undefined
  if (proto === 1) return sumOf(transport)
  if (proto !== 6 && proto !== 17 && proto !== 58) return undefined
  return sumOf(transport, pseudoSum(from, to, proto, transport.length))
}

function endsText(header: Header, transport: Buffer): string {
  const name = names.get(header.proto) ?? `protocol ${header.proto}`
  const isShort = header.fragment === 'later' || transport.length < 4
  const hasPorts = !isShort && [6, 17, 132].includes(header.proto)
  const port = (at: number) => (hasPorts ? transport.readUInt16BE(at) : 0)
  const end = (address: Uint8Array, at: number) =>
    hasPorts ? formatEndpoint(address, port(at)) : formatAddress(address)
  const words = [end(header.from, 0), '>', end(header.to, 2), name]
  if (header.proto === 6 && hasPorts && transport.length >= 20) {
    words.push(...flagNames.filter((_, i) => (transport[13] ?? 0) & (1 << i)))
  }
  if (header.fragment !== '') words.push(header.fragment, 'fragment')
  return words.join(' ')
}

/** An IP packet without Ethernet. `isQuote`: only its start is there. */
function readIp(bytes: Buffer, isQuote: boolean): Read | undefined {
  const header = (bytes[0] ?? 0) >> 4 === 6 ? readHeader6(bytes) : readHeader4(bytes)
  if (header === undefined || header.transport + 4 > bytes.length) return undefined
  if (!isQuote && (header.end > bytes.length || header.end < header.transport)) return undefined
  const transport = bytes.subarray(header.transport, header.end)
  const sums = new Map<string, number>()
  if (header.sum !== undefined) sums.set('header', header.sum)
  const isComplete = header.fragment === '' && header.end <= bytes.length
  const sum = isComplete ? transportSum(header, transport) : undefined
  if (sum !== undefined) sums.set('transport', sum)
  // A quote's own length is that of what was sent, or of nothing at all.
  let text = endsText(header, isQuote ? bytes.subarray(header.transport) : transport)
  const isError =
    (header.proto === 1 && [3, 4, 11, 12].includes(transport[0] ?? 0)) ||
    (header.proto === 58 && [1, 2, 3, 4].includes(transport[0] ?? 0))
  if (isError && !isQuote) {
    const quote = readIp(transport.subarray(8), true)
    text += ` ${transport[0]}/${transport[1]} about ${quote?.text ?? 'nothing that can be read'}`
    for (const [name, value] of quote?.sums ?? []) sums.set(`quoted ${name}`, value)
  }
  const { from, to, transport: at, proto, end } = header
  return { text, from, to, transport: at, proto, sums, end }
}

/** Undefined if it is no IP packet that can be read. Checksums of the whole are judged in `text`. */
export function readPacket(bytes: Buffer): Read | undefined {
  const type = bytes.length < ethernetBytes ? 0 : bytes.readUInt16BE(12)
  if (type !== 0x0800 && type !== 0x86dd) return undefined
  const read = readIp(bytes.subarray(ethernetBytes), false)
  if (read === undefined) return undefined
  const wrong = [...read.sums].filter(([, sum]) => sum !== 0xffff).map(([name]) => name)
  const text = wrong.length === 0 ? read.text : `${read.text}, wrong checksum: ${wrong.join(', ')}`
  const transport = ethernetBytes + read.transport
  return { ...read, text, transport, end: ethernetBytes + read.end }
}
