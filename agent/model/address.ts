/**
 * Addresses are 16 bytes, IPv4 as v4-mapped: one key, one path for both families.
 *
 * Parsing is our own because the libraries read `010.0.0.1` as octal; Kubernetes reads legacy
 * leading zeros as decimal (kube-proxy-behaviour O12).
 */

/** 16 bytes in network byte order. Never changed after it was made. */
export type Address = Uint8Array

export type Family = 4 | 6

export const addressBytes = 16

const decimalByte = /^[0-9]{1,3}$/

/** The four bytes of dotted decimal text, leading zeros allowed and decimal; undefined if it is none. */
function parseQuad(text: string): [number, number, number, number] | undefined {
  const parts = text.split('.')
  if (parts.length !== 4) return undefined
  const bytes: number[] = []
  for (const part of parts) {
    const value = decimalByte.test(part) ? Number.parseInt(part, 10) : 256
    if (value > 255) return undefined
    bytes.push(value)
  }
  return bytes as [number, number, number, number]
}

function parseGroups(text: string): number[] | undefined {
  if (text === '') return []
  const groups: number[] = []
  for (const group of text.split(':')) {
    if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return undefined
    groups.push(Number.parseInt(group, 16))
  }
  return groups
}

/** `::ffff:10.0.0.1` → the same with two hex groups; undefined if the dotted tail is none. */
function withoutDottedTail(text: string): string | undefined {
  const at = text.lastIndexOf(':')
  if (!text.includes('.')) return text
  const quad = parseQuad(text.slice(at + 1))
  if (quad === undefined) return undefined
  const high = ((quad[0] << 8) | quad[1]).toString(16)
  const low = ((quad[2] << 8) | quad[3]).toString(16)
  return `${text.slice(0, at + 1)}${high}:${low}`
}

function parseV6(text: string): Address | undefined {
  const plain = withoutDottedTail(text)
  if (plain === undefined) return undefined
  const halves = plain.split('::')
  if (halves.length > 2) return undefined
  const head = parseGroups(halves[0] ?? '')
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? '') : []
  if (head === undefined || tail === undefined) return undefined
  const missing = 8 - head.length - tail.length
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined
  const address = new Uint8Array(addressBytes)
  const groups = [...head, ...new Array<number>(missing).fill(0), ...tail]
  groups.forEach((group, i) => {
    address[2 * i] = group >> 8
    address[2 * i + 1] = group & 0xff
  })
  return address
}

/** Undefined if `text` is no address. No zones, no prefixes, no white space. */
export function parseAddress(text: string): Address | undefined {
  if (text.includes(':')) return parseV6(text)
  const quad = parseQuad(text)
  if (quad === undefined) return undefined
  const address = new Uint8Array(addressBytes)
  address[10] = address[11] = 0xff
  address.set(quad, 12)
  return address
}

export function familyOf(address: Address): Family {
  for (let i = 0; i < 10; i++) if (address[i] !== 0) return 6
  return address[10] === 0xff && address[11] === 0xff ? 4 : 6
}

export function isZero(address: Address): boolean {
  return address.every((byte) => byte === 0)
}

/** Dotted decimal, or RFC 5952 text. */
export function formatAddress(address: Address): string {
  if (familyOf(address) === 4) return address.subarray(12).join('.')
  const groups: string[] = []
  for (let i = 0; i < 16; i += 2) {
    groups.push((((address[i] ?? 0) << 8) | (address[i + 1] ?? 0)).toString(16))
  }
  // The longest run of two or more zero groups, the first of equals, becomes `::` (RFC 5952 4.2).
  let start = -1
  let length = 1
  for (let i = 0; i < 8; i++) {
    let end = i
    while (end < 8 && groups[end] === '0') end++
    if (end - i > length) [start, length] = [i, end - i]
  }
  if (start < 0) return groups.join(':')
  return `${groups.slice(0, start).join(':')}::${groups.slice(start + length).join(':')}`
}

/** `10.0.0.1:80` or `[fd00::1]:80`. */
export function formatEndpoint(address: Address, port: number): string {
  const text = formatAddress(address)
  return text.includes(':') ? `[${text}]:${port}` : `${text}:${port}`
}
