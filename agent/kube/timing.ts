/** The times a reflector lives by, in one place so that tests can shorten them. */
import { reflectorBackoff } from './backoff.ts'
import type { BackoffOptions } from './backoff.ts'

export interface ReflectorTiming {
  readonly backoff: BackoffOptions
  /** One list in this time, after a burst of three (F08). */
  readonly listEvery_ms: number
  /** The server is asked to end a watch after once to twice this time. */
  readonly watchFor_s: number
  /**
   * A watch without a byte for so long is opened anew: twice the minute in which API servers send
   * bookmarks, and some. Over HTTP/2 an unanswered ping is faster.
   */
  readonly staleAfter_ms: number
  /** Longest wait for the next bytes of a list. */
  readonly listSilence_ms: number
  /** Wait before the list that must confirm a mass removal. */
  readonly confirmAfter_ms: number
}

export const defaultTiming: ReflectorTiming = {
  backoff: reflectorBackoff,
  listEvery_ms: 30_000,
  watchFor_s: 300,
  staleAfter_ms: 130_000,
  listSilence_ms: 30_000,
  confirmAfter_ms: 2_000,
}
