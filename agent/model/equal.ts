/** Deep equality of model objects: an update that changes no field we keep is no change. */

function isSameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

function isSameList(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (!isEqual(a[i], b[i])) return false
  return true
}

function isSameRecord(a: object, b: object): boolean {
  const keys = Object.keys(a)
  if (keys.length !== Object.keys(b).length) return false
  for (const key of keys) {
    // Where an object stands in a manifest may move without the object changing.
    if (key === 'where') continue
    if (!Object.hasOwn(b, key)) return false
    if (!isEqual(a[key as keyof typeof a], b[key as keyof typeof b])) return false
  }
  return true
}

/** Of plain data: primitives, arrays, Uint8Arrays and records of them. `where` does not count. */
export function isEqual(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (a instanceof Uint8Array) return b instanceof Uint8Array && isSameBytes(a, b)
  if (Array.isArray(a)) return Array.isArray(b) && isSameList(a, b)
  return !Array.isArray(b) && !(b instanceof Uint8Array) && isSameRecord(a, b)
}
