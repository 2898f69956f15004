/** When to try again, and how often lists may be asked for. Pure: time and chance are passed in. */

export interface BackoffOptions {
  readonly first_ms: number
  readonly most_ms: number
  /** Begins anew when there was no failure for so long. */
  readonly healthyAfter_ms: number
}

/** client-go's reflector: 0.8 s, doubling to 30 s, jitter 1.0, reset after two healthy minutes. */
export const reflectorBackoff: BackoffOptions = {
  first_ms: 800,
  most_ms: 30_000,
  healthyAfter_ms: 120_000,
}

export class Backoff {
  readonly #options: BackoffOptions
  readonly #random: () => number
  #next_ms: number
  #last_ms = Number.NEGATIVE_INFINITY

  /** @param random from [0, 1). */
  constructor(options: BackoffOptions, random: () => number) {
    this.#options = options
    this.#random = random
    this.#next_ms = options.first_ms
  }

  /** How long to wait after a failure at `now_ms`: once to twice the step. */
  delay_ms(now_ms: number): number {
    const { first_ms, most_ms, healthyAfter_ms } = this.#options
    if (now_ms - this.#last_ms > healthyAfter_ms + this.#next_ms) this.#next_ms = first_ms
    this.#last_ms = now_ms
    const step_ms = this.#next_ms
    this.#next_ms = Math.min(2 * step_ms, most_ms)
    return step_ms * (1 + this.#random())
  }
}

/**
 * A bucket of lists: a full list costs the API server more than anything else we ask for, and a
 * fleet that relists in a loop is how clusters die (reliability F08: at most one per 30 s each).
 */
export class ListBudget {
  readonly #every_ms: number
  readonly #burst: number
  #left: number
  #at_ms = 0

  constructor(every_ms: number, burst: number) {
    this.#every_ms = every_ms
    this.#burst = burst
    this.#left = burst
  }

  /** Takes one list and returns how long to wait before it. */
  take(now_ms: number): number {
    const refilled = this.#every_ms > 0 ? (now_ms - this.#at_ms) / this.#every_ms : this.#burst
    this.#left = Math.min(this.#burst, this.#left + refilled) - 1
    this.#at_ms = now_ms
    return this.#left >= 0 ? 0 : -this.#left * this.#every_ms
  }

  /** A list that was refused cost nothing. */
  refund(): void {
    this.#left = Math.min(this.#burst, this.#left + 1)
  }
}
