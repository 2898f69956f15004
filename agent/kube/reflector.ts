/**
 * Keeps one kind of objects equal to what the API server has: list, watch, and what to do when
 * either goes wrong (ecosystem section 3; rules from client-go's reflector). One loop, which never
 * ends before its signal and never rejects.
 */
import type { Clock } from '../clock.ts'
import { reasonOf } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Kind, Sink, SourceStatus } from '../model/source.ts'
import { Backoff, ListBudget } from './backoff.ts'
import type { Answer, ApiClient } from './client.ts'
import { TransportError } from './failure.ts'
import type { Failure } from './failure.ts'
import { Intake } from './intake.ts'
import { acceptFor, listPath, watchPath } from './requests.ts'
import type { Selection } from './requests.ts'
import { listenFor } from './silence.ts'
import type { Silence } from './silence.ts'
import { listDecoder, watchDecoder } from './stream.ts'
import type { ReflectorTiming } from './timing.ts'
import { DecodeError } from './wire.ts'
import type { ApiStatus, ListMeta, WatchEvent } from './wire.ts'

export interface ReflectorOptions {
  readonly client: ApiClient
  readonly selection: Selection
  readonly sink: Sink
  readonly log: Log
  readonly clock: Clock
  /** From [0, 1). */
  readonly random: () => number
  /** False: never ask for sendInitialEvents. */
  readonly watchList: boolean
  /** False: JSON only. */
  readonly protobuf: boolean
  /** Items of a page; 0: lists in one piece from the server's cache. */
  readonly pageLimit: number
  readonly timing: ReflectorTiming
}

export interface Counters {
  /** Complete lists asked for, as LIST or as the first part of a WatchList. */
  lists: number
  watches: number
  /** Lists after the first complete one. */
  relists: number
  decodeErrors: number
  /** Monotonic ms of the last change heard of, 0: none. */
  lastEvent_ms: number
}

/** How to go on after a list or a watch. */
type Outcome =
  | { readonly then: 'go on' }
  /** List again after a back-off; `isExpired`: the server forgot the version. */
  | { readonly then: 'list'; readonly isExpired: boolean; readonly why: string }
  /** The same again after a back-off, or after what the server asked for if that is longer. */
  | { readonly then: 'retry'; readonly why: string; readonly atLeast_s: number }

const goOn: Outcome = { then: 'go on' }

function retry(why: string, atLeast_s = 0): Outcome {
  return { then: 'retry', why, atLeast_s }
}

/** Watches in a row that end at once before the version is taken for too old (F05). */
const shortWatchesBeforeList = 3
/** A watch that ended sooner, without an event, is none. */
const shortWatch_ms = 1000
/** Streams in a row that can't be decoded before protobuf is given up, and again before a list. */
const decodeErrorsInRow = 3

/** What API servers say of a version from the future. */
const tooLarge = /Too large resource version/

export class Reflector {
  readonly counters: Counters = {
    lists: 0,
    watches: 0,
    relists: 0,
    decodeErrors: 0,
    lastEvent_ms: 0,
  }
  readonly #options: ReflectorOptions
  readonly #kind: Kind
  readonly #intake: Intake
  readonly #backoff: Backoff
  readonly #budget: ListBudget
  /** Version to go on from; '' before the first list. */
  #version = ''
  #needsList = true
  /** The server no longer knows `#version`, or another list must confirm the last one. */
  #isExpired = false
  #hasWatchList: boolean
  /** The last WatchList broke off: a plain list is next. */
  #skipsWatchList = false
  #isProtobuf: boolean
  #shortWatches = 0
  #decodeErrors = 0
  #trouble = ''
  #lastAlive_ms = 0
  #answer: Answer | undefined

  constructor(options: ReflectorOptions) {
    this.#options = options
    this.#kind = options.selection.kind
    this.#intake = new Intake(options.sink, this.#kind)
    this.#backoff = new Backoff(options.timing.backoff, options.random)
    this.#budget = new ListBudget(options.timing.listEvery_ms, 3)
    this.#hasWatchList = options.watchList
    this.#isProtobuf = options.protobuf
  }

  status(): SourceStatus {
    return {
      kind: this.#kind,
      isSynced: this.#intake.isSynced,
      lastAlive_ms: Math.max(this.#lastAlive_ms, this.#answer?.lastProof_ms() ?? 0),
      trouble: this.#trouble,
    }
  }

  /** Until `signal` aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options
    while (!signal.aborted) {
      const outcome = await this.#round(signal)
      if (signal.aborted) return
      if (outcome.then === 'go on') continue
      this.#trouble = outcome.why
      log.warn({ kind: this.#kind, why: outcome.why }, 'watch of the API server interrupted')
      if (outcome.then === 'list') {
        this.#needsList = true
        this.#isExpired ||= outcome.isExpired
      }
      const atLeast_ms = outcome.then === 'retry' ? outcome.atLeast_s * 1000 : 0
      const delay_ms = this.#backoff.delay_ms(clock.monotonic_ms())
      await clock.sleep(Math.max(delay_ms, atLeast_ms), signal)
    }
  }

  /** One list, or one watch from beginning to end, or both as a WatchList. */
  async #round(signal: AbortSignal): Promise<Outcome> {
    const { clock, log, timing } = this.#options
    try {
      if (!this.#needsList) return await this.#watch(signal, false)
      if (this.#intake.mustConfirm) {
        log.warn({ kind: this.#kind }, 'a list lacks most objects: asking once more')
        await clock.sleep(timing.confirmAfter_ms, signal)
      }
      await clock.sleep(this.#budget.take(clock.monotonic_ms()), signal)
      if (signal.aborted) return goOn
      this.counters.lists++
      if (this.#intake.isSynced) this.counters.relists++
      const isWatchList = this.#hasWatchList && !this.#skipsWatchList && !this.#intake.mustConfirm
      return isWatchList ? await this.#watch(signal, true) : await this.#list(signal)
    } catch (error) {
      return this.#caught(error)
    } finally {
      this.#lastAlive_ms = this.status().lastAlive_ms
      this.#answer = undefined
    }
  }

  #caught(error: unknown): Outcome {
    const { log } = this.#options
    if (error instanceof TransportError) return this.#failed(error.failure)
    if (!(error instanceof DecodeError)) {
      // A mistake of ours must not end the watch of a whole kind.
      log.error({ kind: this.#kind, error }, 'an object of the API server could not be taken in')
      return { then: 'list', isExpired: false, why: `${this.#kind}: ${reasonOf(error)}` }
    }
    this.counters.decodeErrors++
    this.#decodeErrors++
    const why = `${this.#kind}: ${error.message}: the stream is dropped, what was known is kept`
    if (this.#decodeErrors < decodeErrorsInRow) return retry(why)
    this.#decodeErrors = 0
    if (!this.#isProtobuf) return { then: 'list', isExpired: false, why }
    this.#isProtobuf = false
    log.warn({ kind: this.#kind }, 'protobuf of the API server is not readable: JSON from now on')
    return retry(why)
  }

  /** Of a request that was refused, or a stream that broke. */
  #failed(failure: Failure): Outcome {
    // The second: etcd was restored from a backup and counts from further back than we do.
    const isLost = failure.status === 410 || tooLarge.test(failure.message)
    if (isLost) return { then: 'list', isExpired: true, why: failure.message }
    if (failure.status === 406) this.#isProtobuf = false
    return retry(failure.message, failure.retryAfter_s)
  }

  /** '0' takes the server's cache as it is; '' is consistent, but may cost etcd a full read. */
  #listVersion(): string {
    if (this.#isExpired || this.#intake.mustConfirm) return ''
    return this.#version === '' ? '0' : this.#version
  }

  async #list(signal: AbortSignal): Promise<Outcome> {
    const { pageLimit, selection } = this.#options
    // Servers ignore a limit where they may answer from the cache.
    const version = pageLimit > 0 ? '' : this.#listVersion()
    this.#intake.begin()
    let meta: ListMeta = { resourceVersion: '', next: '' }
    do {
      const path = listPath(selection, { version, limit: pageLimit, next: meta.next })
      const page = await this.#page(path, signal)
      if ('then' in page) return page
      meta = page
    } while (meta.next !== '')
    this.#completed(meta.resourceVersion)
    return goOn
  }

  async #page(path: string, signal: AbortSignal): Promise<ListMeta | Outcome> {
    const { client, clock, timing } = this.#options
    const silence = listenFor(timing.listSilence_ms, signal, clock)
    try {
      const opened = await client.open({
        what: `list ${this.#kind}s`,
        method: 'GET',
        path,
        accept: acceptFor('list', this.#isProtobuf),
        // A server begins to answer only when it has the whole list.
        answerTimeout_ms: timing.listSilence_ms,
        signal: silence.signal,
      })
      if (!opened.ok) return this.#refused(opened.failure)
      const answer = (this.#answer = opened.value)
      const decoder = listDecoder(this.#kind, answer.contentType)
      if (decoder === undefined) return retry((await answer.alien()).message)
      for await (const chunk of answer.body) {
        silence.heard()
        decoder.push(chunk, (object) => this.#intake.put(object))
      }
      return decoder.end((object) => this.#intake.put(object))
    } catch (error) {
      if (silence.isOver()) return this.#stalled('list', timing.listSilence_ms)
      throw error
    } finally {
      silence.end()
    }
  }

  /** A whole list is in. False if it needs another one to confirm it (F07). */
  #completed(version: string): boolean {
    const lacking = this.#intake.complete()
    if (lacking > 0) {
      this.#trouble = `${this.#kind}: a list lacks ${lacking} of the objects known: not yet believed`
      return false
    }
    this.#version = version
    this.#needsList = false
    this.#isExpired = false
    this.#skipsWatchList = false
    this.#trouble = ''
    this.#decodeErrors = 0
    this.#shortWatches = 0
    return true
  }

  /** No list came of it, so none is spent. */
  #refused(failure: Failure): Outcome {
    this.#budget.refund()
    return this.#failed(failure)
  }

  #stalled(what: string, limit_ms: number): Outcome {
    const limit_s = Math.round(limit_ms / 1000)
    return retry(`${what} ${this.#kind}s: nothing heard for ${limit_s} s: it is opened anew`)
  }

  async #watch(signal: AbortSignal, isList: boolean): Promise<Outcome> {
    const { client, clock, random, selection, timing } = this.#options
    const version = isList ? this.#listVersion() : this.#version
    const limit_ms = isList ? timing.listSilence_ms : timing.staleAfter_ms
    const silence = listenFor(limit_ms, signal, clock)
    const began_ms = clock.monotonic_ms()
    try {
      this.counters.watches++
      const opened = await client.open({
        what: `watch ${this.#kind}s`,
        method: 'GET',
        path: watchPath(selection, version, timing.watchFor_s * (1 + random()), isList),
        accept: acceptFor('watch', this.#isProtobuf),
        signal: silence.signal,
      })
      if (!opened.ok) {
        return isList ? this.#noWatchList(opened.failure) : this.#failed(opened.failure)
      }
      this.#answer = opened.value
      const outcome = await this.#follow(opened.value, silence, isList)
      return outcome ?? this.#ended(clock.monotonic_ms() - began_ms)
    } catch (error) {
      // Of a WatchList that did not come to its end a plain list is the cure.
      this.#skipsWatchList = this.#needsList
      if (silence.isOver()) return this.#stalled('watch', limit_ms)
      throw error
    } finally {
      silence.end()
    }
  }

  /** Reads a watch to its end; undefined if that came without a word. */
  async #follow(answer: Answer, silence: Silence, isList: boolean): Promise<Outcome | undefined> {
    const decoder = watchDecoder(this.#kind, answer.contentType)
    if (decoder === undefined) return retry((await answer.alien()).message)
    if (isList) this.#intake.begin()
    else this.#trouble = ''
    let outcome: Outcome | undefined
    for await (const chunk of answer.body) {
      silence.heard()
      decoder.push(chunk, (event) => {
        outcome ??= this.#take(event)
      })
      if (outcome !== undefined) return outcome
      if (isList && !this.#needsList) silence.become(this.#options.timing.staleAfter_ms)
    }
    decoder.end()
    return undefined
  }

  /** Undefined: read on. */
  #take(event: WatchEvent): Outcome | undefined {
    if (event.type === 'error') return this.#errorEvent(event.status)
    if (event.type === 'unknown') {
      const why = `watch ${this.#kind}s: an event of type ${JSON.stringify(event.name)}`
      return { then: 'list', isExpired: false, why: `${why}, which we don't know: listing anew` }
    }
    if (event.type === 'bookmark') {
      this.#shortWatches = 0
      if (event.isInitialEnd && this.#needsList) {
        return this.#completed(event.version) ? undefined : goOn
      }
    } else {
      this.counters.lastEvent_ms = this.#options.clock.monotonic_ms()
      if (event.type === 'put') this.#intake.put(event.object)
      else this.#intake.remove(event.object)
      this.#shortWatches = 0
    }
    // Before its end a WatchList has no version to go on from.
    if (!this.#needsList && event.version !== '') this.#version = event.version
    return undefined
  }

  #errorEvent(status: ApiStatus): Outcome {
    const why =
      `watch ${this.#kind}s: the server ended it: ${status.code} ${status.reason}: ` +
      `${status.message}: it is opened anew`
    if (status.code === 410 || status.reason === 'Expired' || status.reason === 'Gone') {
      return { then: 'list', isExpired: true, why }
    }
    this.#skipsWatchList = this.#needsList
    if (status.code === 429) return retry(why, status.retryAfter_s)
    return this.#short(why)
  }

  /** The stream ended. A watch that lasted is simply opened again. */
  #ended(lasted_ms: number): Outcome {
    if (this.#needsList) {
      this.#skipsWatchList = true
      return retry(`watch ${this.#kind}s: ended before its initial events did: listing instead`)
    }
    this.#decodeErrors = 0
    if (lasted_ms >= shortWatch_ms) {
      this.#shortWatches = 0
      return goOn
    }
    return this.#short(`watch ${this.#kind}s: ended after ${Math.round(lasted_ms)} ms`)
  }

  /** F05: some servers close instead of saying that the version is too old. */
  #short(why: string): Outcome {
    this.#shortWatches++
    if (this.#shortWatches < shortWatchesBeforeList) return retry(why)
    this.#shortWatches = 0
    return { then: 'list', isExpired: true, why: `${why}, again and again: listing anew` }
  }

  /** WatchList came in 1.32 and is off in some versions since: then a plain list does. */
  #noWatchList(failure: Failure): Outcome {
    this.#budget.refund()
    if (failure.status === 400 || failure.status === 422) {
      this.#hasWatchList = false
      this.#options.log.info({ kind: this.#kind }, 'the API server has no WatchList: LIST instead')
      return goOn
    }
    if (failure.status >= 500) this.#skipsWatchList = true
    return this.#failed(failure)
  }
}
