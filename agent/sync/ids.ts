/** Ids that are given away: service ids come back, backend ids and generations never do. */

/** Indexes of `services`: 1 to capacity − 1. An id that comes back is given away as late as possible. */
export class ServiceIds {
  readonly #capacity: number
  /** The first id never given away. */
  #next = 1
  /** First in, first out; `#head` is its start, so that taking is O(1). */
  #free: number[] = []
  #head = 0

  /** @param used ids that are in force; those below the largest of them count as free. */
  constructor(capacity: number, used: ReadonlySet<number> = new Set()) {
    this.#capacity = capacity
    for (const id of used) this.#next = Math.max(this.#next, id + 1)
    for (let id = 1; id < this.#next; id++) if (!used.has(id)) this.#free.push(id)
  }

  /** Undefined: none left. */
  take(): number | undefined {
    if (this.#next < this.#capacity) return this.#next++
    const id = this.#free[this.#head]
    if (id === undefined) return undefined
    if (++this.#head > 1024 && this.#head * 2 > this.#free.length) {
      this.#free = this.#free.slice(this.#head)
      this.#head = 0
    }
    return id
  }

  /** To be called only when no program can hold the id any more. */
  give(id: number): void {
    this.#free.push(id)
  }

  get available(): number {
    return this.#capacity - this.#next + this.#free.length - this.#head
  }
}

/** Where a counter survives the agent: a field of `meta`. */
export interface Saved {
  read(): number
  write(value: number): void
}

const limit = 2 ** 32

/**
 * Numbers that are not given away twice, over restarts and kills: what is saved lies a block ahead
 * of what is in use. Zero is never given away. After 4 billion it begins again; what was remembered
 * under an id of then is long gone.
 */
export class Counter {
  readonly #saved: Saved
  readonly #block: number
  #next: number
  #left = 0

  /** @param floor larger than any number found in use, should the saved one be lost. */
  constructor(saved: Saved, block: number, floor = 1) {
    this.#saved = saved
    this.#block = block
    this.#next = Math.max(saved.read(), floor, 1)
  }

  take(): number {
    if (this.#left === 0) {
      if (this.#next + this.#block > limit) this.#next = 1
      this.#left = this.#block
      this.#saved.write((this.#next + this.#block) % limit)
    }
    this.#left--
    return this.#next++
  }
}
