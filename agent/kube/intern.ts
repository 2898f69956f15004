/**
 * One string for equal bytes: names of nodes and zones come with every endpoint, and a hundred
 * thousand copies of them would be most of the agent's memory. A direct-mapped cache: a clash
 * replaces, so it never grows.
 */
const slots = 4096
/** Longer texts are not worth the comparison. */
const maxBytes = 128

const keys: (Buffer | undefined)[] = new Array<Buffer | undefined>(slots).fill(undefined)
const texts: string[] = new Array<string>(slots).fill('')

function isSame(key: Buffer, from: Buffer, start: number): boolean {
  for (let i = 0; i < key.length; i++) if (key[i] !== from[start + i]) return false
  return true
}

/** UTF-8 text of the bytes [start, end) of `from`. */
export function intern(from: Buffer, start: number, end: number): string {
  const length = end - start
  if (length === 0) return ''
  if (length > maxBytes) return from.toString('utf8', start, end)
  let hash = 0x811c9dc5 ^ length
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (from[i] as number), 0x01000193)
  const slot = (hash ^ (hash >>> 13)) & (slots - 1)
  const key = keys[slot]
  if (key?.length === length && isSame(key, from, start)) return texts[slot] as string
  const text = from.toString('utf8', start, end)
  keys[slot] = Buffer.from(from.subarray(start, end))
  texts[slot] = text
  return text
}
