/** Services that failed: when each is tried again. */
import type { Clock } from '../clock.ts'
import type { ObjectKey } from '../model/objects.ts'

const first_ms = 100
const longest_ms = 30_000

interface Failure {
  readonly message: string
  readonly attempts: number
  readonly due_ms: number
}

/** 100 ms, doubled each time, up to 30 s; one timer for all. */
export class Retries {
  readonly #clock: Clock
  readonly #onDue: (keys: readonly ObjectKey[]) => void
  readonly #failures = new Map<ObjectKey, Failure>()
  #timer: (() => void) | undefined
  #timerDue_ms = Infinity

  constructor(clock: Clock, onDue: (keys: readonly ObjectKey[]) => void) {
    this.#clock = clock
    this.#onDue = onDue
  }

  get size(): number {
    return this.#failures.size
  }

  fail(key: ObjectKey, message: string): void {
    const attempts = this.attemptsOf(key) + 1
    const delay_ms = Math.min(longest_ms, first_ms * 2 ** Math.min(attempts - 1, 16))
    const due_ms = this.#clock.monotonic_ms() + delay_ms
    this.#failures.set(key, { message, attempts, due_ms })
    this.#arm(due_ms)
  }

  succeed(key: ObjectKey): void {
    this.#failures.delete(key)
  }

  attemptsOf(key: ObjectKey): number {
    return this.#failures.get(key)?.attempts ?? 0
  }

  /** Undefined: the last attempt did not fail. */
  messageOf(key: ObjectKey): string | undefined {
    return this.#failures.get(key)?.message
  }

  failed(): { key: ObjectKey; message: string; attempts: number }[] {
    return [...this.#failures].map(([key, { message, attempts }]) => ({ key, message, attempts }))
  }

  stop(): void {
    this.#timer?.()
    this.#timer = undefined
    this.#failures.clear()
  }

  #arm(due_ms: number): void {
    if (due_ms >= this.#timerDue_ms) return
    this.#timer?.()
    this.#timerDue_ms = due_ms
    this.#timer = this.#clock.after(Math.max(0, due_ms - this.#clock.monotonic_ms()), () => {
      this.#timerDue_ms = Infinity
      this.#fire()
    })
  }

  #fire(): void {
    const now_ms = this.#clock.monotonic_ms()
    const due = [...this.#failures].filter(([, { due_ms }]) => due_ms <= now_ms)
    let next_ms = Infinity
    for (const { due_ms } of this.#failures.values()) {
      if (due_ms > now_ms) next_ms = Math.min(next_ms, due_ms)
    }
    if (next_ms < Infinity) this.#arm(next_ms)
    if (due.length > 0) this.#onDue(due.map(([key]) => key))
  }
}
