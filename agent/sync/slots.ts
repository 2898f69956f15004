/** Which slots of `backends` are free. Slot 0 is never used: region 0 means none. */

export interface Extent {
  readonly region: number
  readonly slots: number
}

/**
 * Free extents by exact size, over a part that was never used. Regions of one Service keep their
 * size more often than not, so most are cut and freed without any search.
 */
export class Slots {
  readonly #capacity: number
  /** First slot of the part never used. */
  #top = 1
  #bins = new Map<number, number[]>()
  #freed = 0
  /** Something was freed since the bins were merged last. */
  #canMerge = false

  /** @param used extents in force; they may touch, and overlap where a map was damaged. */
  constructor(capacity: number, used: readonly Extent[] = []) {
    this.#capacity = capacity
    for (const { region, slots } of [...used].sort((a, b) => a.region - b.region)) {
      if (region > this.#top) this.#bin(this.#top, region - this.#top)
      this.#top = Math.max(this.#top, region + slots)
    }
    this.#canMerge = true
  }

  /** Free slots, not necessarily in one piece. */
  get available(): number {
    return this.#capacity - this.#top + this.#freed
  }

  /** First slot of `n` free ones behind each other; undefined: no such piece. */
  take(n: number): number | undefined {
    return this.#cut(n) ?? (this.#merge() ? this.#cut(n) : undefined)
  }

  /** To be called only when no program can read the region any more. */
  give(region: number, slots: number): void {
    this.#bin(region, slots)
    this.#canMerge = true
  }

  #bin(region: number, slots: number): void {
    const bin = this.#bins.get(slots)
    if (bin === undefined) this.#bins.set(slots, [region])
    else bin.push(region)
    this.#freed += slots
  }

  #pop(slots: number): number | undefined {
    const bin = this.#bins.get(slots)
    const region = bin?.pop()
    if (bin?.length === 0) this.#bins.delete(slots)
    if (region !== undefined) this.#freed -= slots
    return region
  }

  #cut(n: number): number | undefined {
    const exact = this.#pop(n)
    if (exact !== undefined) return exact
    if (this.#top + n <= this.#capacity) {
      this.#top += n
      return this.#top - n
    }
    let best = Infinity
    for (const size of this.#bins.keys()) if (size > n && size < best) best = size
    const region = this.#pop(best)
    if (region !== undefined) this.#bin(region + n, best - n)
    return region
  }

  /** Joins neighbours, and gives what touches the unused part back to it. False: nothing to join. */
  #merge(): boolean {
    if (!this.#canMerge) return false
    this.#canMerge = false
    const extents = [...this.#bins].flatMap(([slots, bin]) =>
      bin.map((region) => ({ region, slots })),
    )
    extents.sort((a, b) => a.region - b.region)
    this.#bins = new Map()
    this.#freed = 0
    let start = 0
    let end = 0
    for (const { region, slots } of extents) {
      if (region !== end) {
        if (end > start) this.#bin(start, end - start)
        start = region
      }
      end = region + slots
    }
    if (end === this.#top && end > start) this.#top = start
    else if (end > start) this.#bin(start, end - start)
    return true
  }
}
