/** How a source of objects (API server, directory of manifests) speaks to the store. */
import type { ModelObject, ObjectKey, ObjectRef, Problem } from './objects.ts'

/** Kinds of objects that a source puts. */
export type Kind = Exclude<ObjectRef['kind'], 'File'>

/**
 * A complete list of a kind is `relisting(kind)`, a `put` per object, `relisted(kind)`; what was
 * not put between the two is gone. Before the first `relisted` of a kind it is not complete.
 */
export interface Sink {
  relisting(kind: Kind): void
  put(object: ModelObject): void
  remove(kind: Kind, key: ObjectKey): void
  relisted(kind: Kind): void
  /** Problems found in one object while reading it; replaces those told before of that object. */
  problems(ref: ObjectRef, found: readonly Problem[]): void
}

export interface SourceStatus {
  readonly kind: Kind
  readonly isSynced: boolean
  /** CLOCK_MONOTONIC ms of the last sign of life of this watch, 0: never. */
  readonly lastAlive_ms: number
  /** '' while all is well. */
  readonly trouble: string
}

export interface Source {
  /** Runs until `signal` aborts; never rejects for what the other side does. */
  run(sink: Sink, signal: AbortSignal): Promise<void>
  status(): readonly SourceStatus[]
}
