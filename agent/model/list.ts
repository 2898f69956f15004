/** Lists that live as long as their object, of which there are tens of thousands. */

const none: readonly never[] = Object.freeze([])

/** The same items without spare room: a list that grew by `push` holds room for 17 from the first. */
export function exact<T>(list: readonly T[]): readonly T[] {
  return list.length === 0 ? none : list.slice()
}
