/** Waiting for a condition instead of sleeping. */
import { setTimeout as delay } from 'node:timers/promises'

export interface Patience {
  /** Default 10,000. */
  readonly timeout_ms?: number
  /** Pause between two tries; default 50. */
  readonly pause_ms?: number
}

type Falsy = false | '' | 0 | null | undefined

/**
 * Calls `attempt` until it returns something truthy, and resolves to that. A throw counts as not
 * yet; when time is up its message is in the error.
 */
export async function eventually<T>(
  what: string,
  attempt: () => T | Promise<T>,
  patience: Patience = {},
): Promise<Exclude<T, Falsy>> {
  const timeout_ms = patience.timeout_ms ?? 10_000
  const deadline = performance.now() + timeout_ms
  let last = 'it never held'
  for (;;) {
    try {
      const result = await attempt()
      if (result) return result as Exclude<T, Falsy>
    } catch (error) {
      last = error instanceof Error ? error.message : String(error)
    }
    if (performance.now() > deadline) {
      throw new Error(`waited ${timeout_ms} ms for: ${what}; at the end: ${last}`)
    }
    await delay(patience.pause_ms ?? 50)
  }
}
