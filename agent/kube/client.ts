/**
 * HTTP to the API server: one HTTP/2 session for all requests, or, where ALPN gives none, a
 * connection of HTTP/1.1 for each. Nothing here throws for what the other side does: results say it.
 */
import { setMaxListeners } from 'node:events'
import { request as requestHttp1 } from 'node:http'
import type { OutgoingHttpHeaders } from 'node:http'
import type { Socket } from 'node:net'
import { systemClock } from '../clock.ts'
import type { Clock } from '../clock.ts'
import { FairleadError } from '../errors.ts'
import type { Credentials } from './credentials.ts'
import { dial, proxyFor } from './dial.ts'
import { aborted, alien, badCredentials, httpFailure, silent, unreachable } from './failure.ts'
import { TransportError } from './failure.ts'
import type { Attempt, Failure, Result } from './failure.ts'
import { linked } from './linked.ts'
import { Session } from './session.ts'
import type { Head } from './session.ts'

export interface ClientOptions {
  readonly credentials: Credentials
  /** Until connected, and until the headers of an answer; default 10 s. */
  readonly answerTimeout_ms?: number
  /** Quiet time after which a session is pinged; default 30 s. */
  readonly pingAfter_ms?: number
  /** Time for the answer to a ping; default 15 s. */
  readonly pingTimeout_ms?: number
  readonly userAgent?: string
  readonly clock?: Clock
  readonly env?: Readonly<Record<string, string | undefined>>
}

export interface Request {
  /** For messages: `list services`. */
  readonly what: string
  readonly method: 'GET' | 'POST'
  /** Absolute, with its query. */
  readonly path: string
  readonly accept: string
  /** JSON. */
  readonly body?: string
  readonly signal: AbortSignal
  /** Instead of the client's `answerTimeout_ms`. */
  readonly answerTimeout_ms?: number
}

export interface Answer {
  readonly status: number
  readonly contentType: string
  /** Ends or throws TransportError. Leaving the loop closes the stream. */
  readonly body: AsyncIterable<Buffer>
  /** Instead of reading `body`: what to say of an answer that is no Kubernetes API. */
  alien(): Promise<Failure>
  /** Monotonic ms when the connection was last proven alive by bytes or an answered ping. */
  lastProof_ms(): number
}

/** Of an error answer no more is read. */
const errorBodyBytes = 16 * 1024

export class ApiClient {
  readonly credentials: Credentials
  readonly #options: ClientOptions
  readonly #answerTimeout_ms: number
  readonly #clock: Clock
  readonly #stop = new AbortController()
  #session: Session | undefined
  #dialing: Promise<Session | Socket> | undefined
  /** Which of the servers is in use, modulo their number. */
  #turn = 0

  constructor(options: ClientOptions) {
    this.#options = options
    this.credentials = options.credentials
    // Each open stream listens to it: many are no leak.
    setMaxListeners(0, this.#stop.signal)
    this.#answerTimeout_ms = options.answerTimeout_ms ?? 10_000
    this.#clock = options.clock ?? systemClock
  }

  /** '' until the first connection; 'h2' or 'http/1.1'. */
  protocol: '' | 'h2' | 'http/1.1' = ''

  /** Never rejects. A success is any 2xx; what its body is the caller must look at. */
  async open(request: Request): Promise<Result<Answer>> {
    const before = this.#tokenOrNone()
    const result = await this.#try(request)
    // A token replaced within the last minute: what the file says now may be right.
    const isStale = !result.ok && result.failure.status === 401 && this.#tokenOrNone() !== before
    return isStale ? this.#try(request) : result
  }

  #tokenOrNone(): string {
    try {
      return this.credentials.token()
    } catch {
      return ''
    }
  }

  async #try(request: Request): Promise<Result<Answer>> {
    const attempt = this.#attempt(request.what)
    const timer = new AbortController()
    const waits_ms = request.answerTimeout_ms ?? this.#answerTimeout_ms
    const callOff = this.#clock.after(waits_ms, () => timer.abort())
    // The signal of the wait alone; the stream that comes of it lives by the request's own.
    const wait = linked(request.signal, this.#stop.signal, timer.signal)
    try {
      const head = await this.#send(request, attempt, wait.signal)
      callOff()
      if (head.status >= 200 && head.status < 300) {
        return { ok: true, value: this.#answer(head, attempt, request.signal) }
      }
      const failure = await this.#refusal(head, attempt, request.signal)
      return { ok: false, failure }
    } catch (error) {
      return { ok: false, failure: this.#explain(error, attempt, request, timer.signal, waits_ms) }
    } finally {
      callOff()
      wait.unlink()
    }
  }

  /** Ends every request. */
  close(): void {
    this.#stop.abort()
    this.#session?.destroy()
    this.#session = undefined
  }

  #attempt(what: string): Attempt {
    const { credentials } = this
    const servers = credentials.servers()
    const server = servers[this.#turn % servers.length]
    return { what, server: server?.origin ?? 'no server', origin: credentials.origin }
  }

  async #send(request: Request, attempt: Attempt, wait: AbortSignal): Promise<Head> {
    const { credentials } = this
    const { userAgent } = this.#options
    const token = credentials.token()
    const headers: OutgoingHttpHeaders = {
      accept: request.accept,
      'user-agent': userAgent ?? 'fairlead',
      ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
      ...(request.body === undefined ? {} : { 'content-type': 'application/json' }),
    }
    // A server URL may carry a path of its own (a gateway in front of many clusters).
    const servers = credentials.servers()
    const base = servers[this.#turn % servers.length]?.pathname.replace(/\/$/, '') ?? ''
    const path = base + request.path
    const link = await this.#connect(wait)
    if (link instanceof Session) {
      return link.request({ ...request, path }, headers, wait)
    }
    headers['host'] = new URL(attempt.server).host
    return sendHttp1(link, { ...request, path }, headers, wait, this.#clock)
  }

  /** A session, or a socket of HTTP/1.1 for the caller alone. */
  async #connect(wait: AbortSignal): Promise<Session | Socket> {
    const { version } = this.credentials.tls()
    if (this.#session?.isUsable(version)) return this.#session
    if (this.protocol === 'http/1.1') return mine(this.#dial(), wait)
    if (this.#dialing === undefined) {
      this.#dialing = this.#dial().finally(() => {
        this.#dialing = undefined
      })
      return mine(this.#dialing, wait)
    }
    const link = await raced(this.#dialing, wait)
    return link instanceof Session ? link : mine(this.#dial(), wait)
  }

  async #dial(): Promise<Session | Socket> {
    const { credentials } = this
    const { env } = this.#options
    const tls = credentials.tls()
    const servers = credentials.servers()
    const url = servers[this.#turn % servers.length] as URL
    const proxy = proxyFor(url, credentials.proxyUrl, env ?? process.env)
    const timer = new AbortController()
    const callOff = this.#clock.after(this.#answerTimeout_ms, () => timer.abort(new DialTimeout()))
    const either = linked(this.#stop.signal, timer.signal)
    try {
      const { socket, isHttp2 } = await dial(url, tls, proxy, either.signal)
      this.protocol = isHttp2 ? 'h2' : 'http/1.1'
      if (!isHttp2) return socket
      // An older session serves its streams to their end, with the certificate it was made with.
      this.#session?.retire()
      this.#session = new Session(url, socket, {
        tlsVersion: tls.version,
        pingAfter_ms: this.#options.pingAfter_ms ?? 30_000,
        pingTimeout_ms: this.#options.pingTimeout_ms ?? 15_000,
        clock: this.#clock,
      })
      return this.#session
    } catch (error) {
      this.#turn++
      throw error
    } finally {
      callOff()
      either.unlink()
    }
  }

  #answer(head: Head, attempt: Attempt, signal: AbortSignal): Answer {
    return {
      status: head.status,
      contentType: head.contentType,
      body: chunksOf(head, attempt, signal, this.#stop.signal),
      alien: async () => {
        const body = await this.#beginning(head, attempt, signal)
        return alien(attempt, head.status, head.contentType, body)
      },
      lastProof_ms: head.lastProof_ms,
    }
  }

  async #refusal(head: Head, attempt: Attempt, signal: AbortSignal): Promise<Failure> {
    const body = await this.#beginning(head, attempt, signal)
    if (head.status === 401) this.credentials.refused()
    // Another server of the list may be better.
    if (head.status >= 500) this.#leaveServer()
    return httpFailure(attempt, { ...head, body })
  }

  /** What an error answer says: its first bytes, whatever became of the rest. */
  async #beginning(head: Head, attempt: Attempt, signal: AbortSignal): Promise<Buffer> {
    const chunks: Buffer[] = []
    let length = 0
    const timer = new AbortController()
    const callOff = this.#clock.after(this.#answerTimeout_ms, () => timer.abort())
    try {
      for await (const chunk of chunksOf(head, attempt, signal, this.#stop.signal, timer.signal)) {
        chunks.push(chunk)
        length += chunk.length
        if (length > errorBodyBytes) break
      }
    } catch {
      // The status line has been heard; a cut explanation is no news.
    } finally {
      callOff()
    }
    return Buffer.concat(chunks)
  }

  #leaveServer(): void {
    if (this.credentials.servers().length < 2) return
    this.#turn++
    this.#session?.retire()
    this.#session = undefined
  }

  #explain(
    error: unknown,
    attempt: Attempt,
    request: Request,
    timer: AbortSignal,
    waited_ms: number,
  ): Failure {
    if (request.signal.aborted || this.#stop.signal.aborted) return aborted(attempt)
    if (error instanceof FairleadError) {
      return badCredentials(attempt, `${error.message}: ${error.remedy}`)
    }
    if (timer.aborted || error instanceof DialTimeout) {
      // A session that does not answer takes every later request down with it.
      this.#session?.destroy()
      this.#session = undefined
      this.#leaveServer()
      return silent(attempt, waited_ms)
    }
    return unreachable(attempt, error)
  }
}

class DialTimeout extends Error {}

/** `promise`, or the abort of the signal, whichever is first. */
async function raced<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) throw signal.reason
  let onAbort: () => void = () => undefined
  const abort = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason as Error)
    signal.addEventListener('abort', onAbort)
  })
  try {
    return await Promise.race([promise, abort])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/** As `raced`; a socket that comes too late is closed, since nobody else has it. */
async function mine(
  dialing: Promise<Session | Socket>,
  wait: AbortSignal,
): Promise<Session | Socket> {
  try {
    return await raced(dialing, wait)
  } catch (error) {
    const close = (link: Session | Socket): void => {
      if (!(link instanceof Session)) link.destroy()
    }
    void dialing.then(close, () => undefined)
    throw error
  }
}

function sendHttp1(
  socket: Socket,
  request: Request,
  headers: OutgoingHttpHeaders,
  wait: AbortSignal,
  clock: Clock,
): Promise<Head> {
  return new Promise((resolve, reject) => {
    let proof_ms = clock.monotonic_ms()
    const sent = requestHttp1({
      createConnection: () => socket,
      method: request.method,
      path: request.path,
      headers,
    })
    const onAbort = (): void => void sent.destroy(new Error('given up'))
    wait.addEventListener('abort', onAbort)
    sent.on('error', reject)
    sent.on('response', (answer) => {
      wait.removeEventListener('abort', onAbort)
      resolve({
        status: answer.statusCode ?? 0,
        contentType: answer.headers['content-type'] ?? '',
        retryAfter: answer.headers['retry-after'] ?? '',
        body: answer,
        lastProof_ms: () => proof_ms,
        heard: () => {
          proof_ms = clock.monotonic_ms()
        },
      })
    })
    if (wait.aborted) onAbort()
    sent.end(request.body)
  })
}

async function* chunksOf(
  head: Head,
  attempt: Attempt,
  ...signals: readonly AbortSignal[]
): AsyncGenerator<Buffer, void, undefined> {
  const { body } = head
  const { signal, unlink } = linked(...signals)
  const onAbort = (): void => void body.destroy()
  signal.addEventListener('abort', onAbort)
  if (signal.aborted) onAbort()
  try {
    for await (const chunk of body) {
      head.heard()
      yield chunk as Buffer
    }
  } catch (error) {
    throw new TransportError(signal.aborted ? aborted(attempt) : unreachable(attempt, error))
  } finally {
    unlink()
    body.destroy()
  }
}
