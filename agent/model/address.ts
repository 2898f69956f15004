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

/**
 * Writes the four bytes of dotted decimal text, leading zeros allowed and decimal. False if it is
 * none; the bytes are then undefined. Without split and RegExp: it runs 100,000 times in a sync.
 */
function writeQuad(text: string, into: Uint8Array, offset: number): boolean {
  let value = 0
  let digits = 0
  let part = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code >= 48 && code <= 57) {
      value = value * 10 + code - 48
      if (++digits > 3 || value > 255) return false
    } else if (code === 46 && digits > 0 && part < 3) {
      into[offset + part++] = value
      value = digits = 0
    } else {
      return false
    }
  }
  into[offset + part] = value
  return part === 3 && digits > 0
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
  const quad = new Uint8Array(4)
  if (!writeQuad(text.slice(at + 1), quad, 0)) return undefined
  const [a = 0, b = 0, c = 0, d = 0] = quad
  const high = ((a << 8) | b).toString(16)
  const low = ((c << 8) | d).toString(16)
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
  const address = new Uint8Array(addressBytes)
  return writeAddress(text, address, 0) ? address : undefined
}

/** As `parseAddress`, into 16 bytes of a column. False if `text` is no address. */
export function writeAddress(text: string, into: Uint8Array, offset: number): boolean {
  if (text.includes(':')) {
    const address = parseV6(text)
    if (address !== undefined) into.set(address, offset)
    return address !== undefined
  }
  into.fill(0, offset, offset + 10)
  into[offset + 10] = into[offset + 11] = 0xff
  return writeQuad(text, into, offset + 12)
}

/** Of the 16 bytes at `offset`. */
export function familyOf(address: Address, offset = 0): Family {
  for (let i = offset; i < offset + 10; i++) if (address[i] !== 0) return 6
  return address[offset + 10] === 0xff && address[offset + 11] === 0xff ? 4 : 6
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
