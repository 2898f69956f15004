/**
 * What a reflector has read, on its way to the sink: projected at once, with the names kept that
 * are needed to know what a list leaves out.
 */
import { keyOf } from '../model/key.ts'
import type { ObjectKey, ObjectRef } from '../model/objects.ts'
import type { Kind, Sink } from '../model/source.ts'
import { project } from './project.ts'
import type { RawObject } from './raw.ts'

/** F07: a list that lacks more than half of at least so many objects is asked for once more. */
const massRemoval = { atLeast: 20, share: 0.5 }

export class Intake {
  readonly #sink: Sink
  readonly #kind: Kind
  /** Names of what the sink holds. */
  #known = new Set<ObjectKey>()
  /** Names of the list that is being read; undefined between lists. */
  #seen: Set<ObjectKey> | undefined
  readonly #faulty = new Map<ObjectKey, ObjectRef>()
  #isSynced = false
  #mustConfirm = false

  constructor(sink: Sink, kind: Kind) {
    this.#sink = sink
    this.#kind = kind
  }

  get isSynced(): boolean {
    return this.#isSynced
  }

  /** The last list lacked most objects: only a second one that says the same is believed. */
  get mustConfirm(): boolean {
    return this.#mustConfirm
  }

  /** A list begins. What an unfinished one has put before stays known. */
  begin(): void {
    for (const key of this.#seen ?? []) this.#known.add(key)
    this.#seen = new Set()
    this.#sink.relisting(this.#kind)
  }

  put(raw: RawObject): void {
    const { ref, object, problems } = project(raw, '', this.#kind)
    const key = keyOf(ref)
    if (problems.length > 0) {
      this.#faulty.set(key, ref)
      this.#sink.problems(ref, problems)
    } else this.#forgive(key)
    if (object === undefined) {
      // In a list, what is not put is gone.
      if (this.#seen === undefined) this.#drop(key)
      return
    }
    ;(this.#seen ?? this.#known).add(key)
    this.#sink.put(object)
  }

  remove(raw: RawObject): void {
    const { name, namespace } = raw.metadata ?? {}
    const key = keyOf({ name: name ?? '', namespace: namespace ?? '' })
    this.#forgive(key)
    this.#drop(key)
  }

  /**
   * The list is whole. 0: it counts, and the sink was told. Else it lacks so many objects that it
   * needs a second one to confirm, and the sink still holds them.
   */
  complete(): number {
    const seen = this.#seen ?? new Set<ObjectKey>()
    let lacking = 0
    for (const key of this.#known) if (!seen.has(key)) lacking++
    const { atLeast, share } = massRemoval
    const isMass = this.#known.size >= atLeast && lacking > share * this.#known.size
    if (isMass && this.#isSynced && !this.#mustConfirm) {
      this.#mustConfirm = true
      return lacking
    }
    for (const key of this.#faulty.keys()) {
      if (!seen.has(key) && this.#known.has(key)) this.#forgive(key)
    }
    this.#mustConfirm = false
    this.#isSynced = true
    this.#known = seen
    this.#seen = undefined
    this.#sink.relisted(this.#kind)
    return 0
  }

  #drop(key: ObjectKey): void {
    this.#seen?.delete(key)
    if (this.#known.delete(key) || this.#seen !== undefined) this.#sink.remove(this.#kind, key)
  }

  #forgive(key: ObjectKey): void {
    const ref = this.#faulty.get(key)
    if (ref === undefined) return
    this.#faulty.delete(key)
    this.#sink.problems(ref, [])
  }
}
