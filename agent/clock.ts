/** Time, as something that is passed in: the only file that reads a clock or starts a timer. */

export interface Clock {
  /** Wall clock, ms since the epoch. */
  now_ms(): number
  /** CLOCK_MONOTONIC, ms; fractions allowed. */
  monotonic_ms(): number
  /** Calls once after `delay_ms`. Never keeps the process alive. Returns how to call it off. */
  after(delay_ms: number, run: () => void): () => void
  /** Resolves after `delay_ms`, or at once when `signal` aborts: callers look at the signal. */
  sleep(delay_ms: number, signal?: AbortSignal): Promise<void>
}

/** setTimeout's longest; longer waits are cut to it. */
const longest_ms = 2 ** 31 - 1

function sleep(delay_ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve()
    const done = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, Math.min(delay_ms, longest_ms))
    signal?.addEventListener('abort', done, { once: true })
  })
}

export const systemClock: Clock = {
  now_ms: () => Date.now(),
  monotonic_ms: () => performance.now(),
  after(delay_ms, run) {
    const timer = setTimeout(run, Math.min(delay_ms, longest_ms))
    timer.unref()
    return () => clearTimeout(timer)
  },
  sleep,
}
