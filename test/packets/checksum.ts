/** Internet checksums (RFC 1071), written apart from the programs' and by another way. */

/** Folded one's-complement sum of big-endian words, an odd byte padded; 0xffff over what is right. */
export function sumOf(bytes: Uint8Array, start = 0): number {
  let sum = start
  for (let i = 0; i < bytes.length; i++) sum += (bytes[i] ?? 0) << (i % 2 === 0 ? 8 : 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return sum
}

/** Sum of the pseudo header; addresses of 16 bytes, IPv4 as v4-mapped. `length` of the transport. */
export function pseudoSum(from: Uint8Array, to: Uint8Array, proto: number, length: number): number {
  const words = Buffer.alloc(8)
  words.writeUInt32BE(length, 0)
  words.writeUInt32BE(proto, 4)
  const isV4 = from.subarray(0, 12).every((byte, i) => byte === (i < 10 ? 0 : 0xff))
  const part = (address: Uint8Array) => (isV4 ? address.subarray(12) : address)
  return sumOf(Buffer.concat([part(from), part(to), words]))
}
