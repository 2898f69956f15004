/** A clock that stands still until a test moves it. */
import type { Clock } from '../../agent/clock.ts'

export interface ManualClock extends Clock {
  /** Moves time on, running what falls due, in order. */
  advance(ms: number): void
  /** How many timers wait. */
  pending(): number
}

export function manualClock(start_ms = Date.UTC(2026, 0, 1)): ManualClock {
  let now = start_ms
  let timers: { due: number; run: () => void }[] = []
  const after = (delay_ms: number, run: () => void): (() => void) => {
    const timer = { due: now + delay_ms, run }
    timers.push(timer)
    return () => {
      timers = timers.filter((other) => other !== timer)
    }
  }
  return {
    now_ms: () => now,
    monotonic_ms: () => now - start_ms,
    after,
    sleep: (delay_ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted === true) return resolve()
        const stop = after(delay_ms, resolve)
        signal?.addEventListener('abort', () => (stop(), resolve()), { once: true })
      }),
    pending: () => timers.length,
    advance(ms) {
      const end = now + ms
      for (;;) {
        const next = timers.filter((t) => t.due <= end).sort((a, b) => a.due - b.due)[0]
        if (next === undefined) break
        timers = timers.filter((other) => other !== next)
        now = next.due
        next.run()
      }
      now = end
    },
  }
}
