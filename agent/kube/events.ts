/**
 * Events on the objects that have problems. The name is made of the object and the reason alone,
 * so that a fleet of nodes that all see one bad Service make one Event of it and not thousands.
 */
import { createHash } from 'node:crypto'
import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import type { Problem } from '../model/objects.ts'
import type { ApiClient } from './client.ts'
import { resources } from './wire.ts'

export interface EventOptions {
  readonly client: ApiClient
  readonly nodeName: string
  readonly log: Log
  readonly clock: Clock
  readonly signal: AbortSignal
  /** From [0, 1). */
  readonly random?: () => number
  /** Each Event waits a random part of this, so that a fleet does not post as one; default 5 s. */
  readonly spread_ms?: number
}

export interface Events {
  /** Returns at once, never throws. What can't be posted is dropped: the log has it too. */
  post(problem: Problem): void
  counters(): Readonly<{ posted: number; known: number; dropped: number }>
}

/** Events of one reason: a burst, then one in that time. */
const burst = 25
const refill_ms = 12_000
/** The same of one object is not told again for so long. */
const silence_ms = 300_000
const queueLimit = 100
const rememberAtMost = 2000

interface Bucket {
  left: number
  at_ms: number
}

/** Decides which Events are worth a request. */
class Throttle {
  readonly #buckets = new Map<string, Bucket>()
  readonly #last = new Map<string, number>()

  allows(name: string, reason: string, now_ms: number): boolean {
    const last_ms = this.#last.get(name)
    if (last_ms !== undefined && now_ms - last_ms < silence_ms) return false
    const bucket = this.#buckets.get(reason) ?? { left: burst, at_ms: now_ms }
    this.#buckets.set(reason, bucket)
    bucket.left = Math.min(burst, bucket.left + (now_ms - bucket.at_ms) / refill_ms)
    bucket.at_ms = now_ms
    if (bucket.left < 1) return false
    bucket.left--
    this.#last.delete(name)
    this.#last.set(name, now_ms)
    const oldest = this.#last.keys().next()
    if (this.#last.size > rememberAtMost && oldest.done !== true) this.#last.delete(oldest.value)
    return true
  }
}

/** `<object>.<16 hex digits of (uid, reason)>`: the same on every node. */
export function eventName(problem: Pick<Problem, 'ref' | 'reason'>): string {
  const { uid, kind, namespace, name } = problem.ref
  const identity = uid === '' ? `${kind}/${namespace}/${name}` : uid
  const hash = createHash('sha256').update(`${identity}\0${problem.reason}`).digest('hex')
  return `${name.slice(0, 200).replace(/[^a-z0-9]+$/, '')}.${hash.slice(0, 16)}`
}

function eventOf(problem: Problem, nodeName: string, now_ms: number): object {
  const { ref, reason } = problem
  const { group, version } =
    ref.kind === 'File' ? { group: '', version: 'v1' } : resources[ref.kind]
  const time = new Date(now_ms).toISOString().replace(/\.\d+Z$/, 'Z')
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: eventName(problem), namespace: ref.namespace || 'default' },
    involvedObject: {
      apiVersion: group === '' ? version : `${group}/${version}`,
      kind: ref.kind,
      name: ref.name,
      ...(ref.namespace === '' ? {} : { namespace: ref.namespace }),
      ...(ref.uid === '' ? {} : { uid: ref.uid }),
    },
    type: 'Warning',
    reason,
    // The API refuses messages above 1,024 bytes.
    message: Buffer.from(`${problem.message}; ${problem.remedy}`)
      .toString('utf8', 0, 1000)
      .replace(/�+$/, ''),
    source: { component: 'fairlead', host: nodeName },
    reportingComponent: 'fairlead',
    reportingInstance: nodeName,
    firstTimestamp: time,
    lastTimestamp: time,
    count: 1,
  }
}

export function eventPoster(options: EventOptions): Events {
  const { client, clock, log, signal } = options
  const random = options.random ?? Math.random
  const counters = { posted: 0, known: 0, dropped: 0 }
  const throttle = new Throttle()
  const queue: Problem[] = []
  let isRunning = false
  let wasForbidden = false

  const send = async (problem: Problem): Promise<void> => {
    const namespace = problem.ref.namespace || 'default'
    const result = await client.open({
      what: `create an Event in ${namespace}`,
      method: 'POST',
      path: `/api/v1/namespaces/${namespace}/events`,
      accept: 'application/json',
      body: JSON.stringify(eventOf(problem, options.nodeName, clock.now_ms())),
      signal,
    })
    if (result.ok) {
      counters.posted++
      for await (const _ of result.value.body) break
      return
    }
    const { failure } = result
    if (failure.status === 409) {
      counters.known++
      return
    }
    counters.dropped++
    // Said once: without the right, every Event would say it.
    const isNews = failure.status !== 403 || !wasForbidden
    wasForbidden ||= failure.status === 403
    if (isNews && failure.kind !== 'aborted') log.warn({ why: failure.message }, 'Event not posted')
  }

  const drain = async (): Promise<void> => {
    await clock.sleep((options.spread_ms ?? 5000) * random(), signal)
    for (let problem = queue.shift(); problem !== undefined; problem = queue.shift()) {
      if (signal.aborted) return
      try {
        await send(problem)
      } catch {
        // The answer broke off after its status: posted or not, it is not worth a retry.
      }
    }
  }

  return {
    post(problem) {
      const { ref, reason } = problem
      // Files and nameless things have no object in the API to carry an Event.
      if (ref.kind === 'File' || ref.where !== '' || ref.name === '' || signal.aborted) return
      const isAllowed = throttle.allows(eventName(problem), reason, clock.monotonic_ms())
      if (!isAllowed || queue.length >= queueLimit) {
        counters.dropped++
        return
      }
      queue.push(problem)
      if (isRunning) return
      isRunning = true
      void drain().finally(() => {
        isRunning = false
      })
    },
    counters: () => counters,
  }
}
