/** Regions and service ids that a running program may still hold, until a barrier has passed. */
import type { Extent } from './slots.ts'

export interface Freed {
  readonly regions: readonly Extent[]
  readonly ids: readonly number[]
}

export interface QuarantineOptions {
  readonly barrier: () => Promise<void>
  /** Calls after `delay_ms`, for a barrier that failed. */
  readonly after: (delay_ms: number, run: () => void) => () => void
  /** Gets what no program can hold any more. */
  readonly onFree: (freed: Freed) => void
}

const retry_ms = 100

/** One barrier at a time serves all that was added before it began; nobody waits for it. */
export class Quarantine {
  readonly #options: QuarantineOptions
  #regions: Extent[] = []
  #ids: number[] = []
  #isRunning = false
  #isStopped = false
  /** The last barrier did not pass. */
  #hasFailed = false

  constructor(options: QuarantineOptions) {
    this.#options = options
  }

  /** True while something waits to be freed. */
  get isBusy(): boolean {
    return this.#isRunning || this.#regions.length + this.#ids.length > 0
  }

  /** True while room may come free soon. */
  get isHopeful(): boolean {
    return this.isBusy && !this.#hasFailed
  }

  add(freed: Freed): void {
    this.#regions.push(...freed.regions)
    this.#ids.push(...freed.ids)
    this.#start()
  }

  /** What waits stays where it is: the next agent finds it free. */
  stop(): void {
    this.#isStopped = true
  }

  #start(): void {
    if (this.#isRunning || this.#isStopped) return
    if (this.#regions.length + this.#ids.length === 0) return
    this.#isRunning = true
    void this.#run({ regions: this.#regions.splice(0), ids: this.#ids.splice(0) })
  }

  async #run(freed: Freed): Promise<void> {
    let isPassed = true
    try {
      await this.#options.barrier()
    } catch {
      // Never by time alone: it stays in quarantine, and status shows the memory as used.
      isPassed = false
    }
    if (this.#isStopped) return
    this.#isRunning = false
    this.#hasFailed = !isPassed
    if (isPassed) {
      this.#options.onFree(freed)
      this.#start()
      return
    }
    this.#regions.push(...freed.regions)
    this.#ids.push(...freed.ids)
    this.#isRunning = true
    this.#options.after(retry_ms, () => {
      this.#isRunning = false
      this.#start()
    })
  }
}
