/** Notices that a stream went quiet, and ends it: a watchdog fed by every chunk. */
import type { Clock } from '../clock.ts'
import { linked } from './linked.ts'

export interface Silence {
  /** Aborts when nothing was heard for too long, or with the outer signal. */
  readonly signal: AbortSignal
  /** True after an end by silence. */
  isOver(): boolean
  heard(): void
  /** From now on waits so long. */
  become(limit_ms: number): void
  /** Must be called when the stream is done. */
  end(): void
}

export function listenFor(limit_ms: number, outer: AbortSignal, clock: Clock): Silence {
  const controller = new AbortController()
  let limit = limit_ms
  let last_ms = clock.monotonic_ms()
  let isOver = false
  const both = linked(outer, controller.signal)
  // One timer for the whole stream: a timer per chunk would be the busiest thing in a full sync.
  const check = (): void => {
    const left_ms = last_ms + limit - clock.monotonic_ms()
    if (left_ms > 0) {
      callOff = clock.after(left_ms, check)
      return
    }
    isOver = true
    controller.abort()
  }
  let callOff = clock.after(limit, check)
  return {
    signal: both.signal,
    isOver: () => isOver,
    heard: () => {
      last_ms = clock.monotonic_ms()
    },
    become: (next_ms) => {
      limit = next_ms
      callOff()
      if (!isOver) callOff = clock.after(limit, check)
    },
    end: () => {
      callOff()
      both.unlink()
    },
  }
}
