/** Seals of hash map values (struct fl_seal of bpf/abi.h); the C twin is bpf/lib/seal.h. */

/**
 * FNV-1a's step over the 32-bit little-endian words of `bytes[offset, offset + length)`; length is
 * a multiple of 4.
 */
export function keyHash(bytes: Uint8Array, offset: number, length: number): number {
  let hash = 0x811c9dc5
  for (let at = offset; at < offset + length; at += 4) {
    const word =
      (bytes[at] ?? 0) |
      ((bytes[at + 1] ?? 0) << 8) |
      ((bytes[at + 2] ?? 0) << 16) |
      ((bytes[at + 3] ?? 0) << 24)
    hash = Math.imul(hash ^ word, 0x01000193)
  }
  return hash >>> 0
}

/** `keyHash` of a key of two words. */
export function pairHash(first: number, second: number): number {
  const hash = Math.imul(0x811c9dc5 ^ first, 0x01000193)
  return Math.imul(hash ^ second, 0x01000193) >>> 0
}

/** FNV-1a over the UTF-16 units of a zone's name; 0 stands for an unknown zone only. */
export function zoneHash(zone: string): number {
  if (zone === '') return 0
  let hash = 0x811c9dc5
  for (let i = 0; i < zone.length; i++) {
    hash = Math.imul(hash ^ zone.charCodeAt(i), 0x01000193)
  }
  return hash >>> 0 || 1
}
