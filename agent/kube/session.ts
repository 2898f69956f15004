/** One HTTP/2 connection that is proven alive by pings and takes requests until it is replaced. */
import { connect, constants } from 'node:http2'
import type { ClientHttp2Session } from 'node:http2'
import type { OutgoingHttpHeaders } from 'node:http'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import type { Clock } from '../clock.ts'

/** The beginning of an answer, of either protocol. */
export interface Head {
  readonly status: number
  readonly contentType: string
  readonly retryAfter: string
  readonly body: Readable
  /** Monotonic ms of the last byte or answered ping. */
  lastProof_ms(): number
  /** Told by the reader of `body` at each chunk. */
  heard(): void
}

export interface SessionOptions {
  /** Of the TLS material it was dialled with. */
  readonly tlsVersion: number
  readonly pingAfter_ms: number
  readonly pingTimeout_ms: number
  readonly clock: Clock
}

/** Windows that don't make a list of tens of MB wait for round trips. */
const streamWindowBytes = 1024 * 1024
const sessionWindowBytes = 4 * 1024 * 1024

export class Session {
  readonly #session: ClientHttp2Session
  readonly #options: SessionOptions
  #callOff: () => void = () => undefined
  #proof_ms: number
  /** Undefined unless a ping is under way. */
  #waitingSince_ms: number | undefined
  #isRetired = false
  #why: Error | undefined

  constructor(url: URL, socket: Socket, options: SessionOptions) {
    this.#options = options
    this.#proof_ms = options.clock.monotonic_ms()
    this.#session = connect(url.origin, {
      createConnection: () => socket,
      settings: { enablePush: false, initialWindowSize: streamWindowBytes },
    })
    this.#session.on('connect', () => this.#session.setLocalWindowSize(sessionWindowBytes))
    this.#session.on('error', (error: Error) => {
      this.#why ??= error
    })
    // A server that shuts down says so first: new requests go to a new connection.
    this.#session.on('goaway', () => this.retire())
    this.#session.on('close', () => this.#callOff())
    this.#nextPing()
  }

  /** False if it is closing, or was made with other TLS material than the current. */
  isUsable(tlsVersion: number): boolean {
    const isOpen = !this.#session.closed && !this.#session.destroyed
    return isOpen && !this.#isRetired && tlsVersion === this.#options.tlsVersion
  }

  /** Takes no more requests; ends when its streams have. */
  retire(): void {
    this.#isRetired = true
    if (!this.#session.destroyed) this.#session.close()
  }

  destroy(): void {
    this.#session.destroy()
  }

  /** Rejects when the connection fails or `wait` aborts before there is an answer. */
  request(
    request: { readonly method: string; readonly path: string; readonly body?: string },
    headers: OutgoingHttpHeaders,
    wait: AbortSignal,
  ): Promise<Head> {
    return new Promise((resolve, reject) => {
      if (wait.aborted) return reject(new Error('given up'))
      const stream = this.#session.request(
        { ':method': request.method, ':path': request.path, ...headers },
        { endStream: request.body === undefined },
      )
      const onAbort = (): void => {
        stream.close(constants.NGHTTP2_CANCEL)
        reject(new Error('given up'))
      }
      wait.addEventListener('abort', onAbort)
      stream.on('error', (error: Error) => reject(this.#why ?? error))
      stream.on('close', () => {
        wait.removeEventListener('abort', onAbort)
        reject(this.#why ?? new Error('the server closed the connection without an answer'))
      })
      stream.on('response', (answer) => {
        wait.removeEventListener('abort', onAbort)
        this.#heard()
        resolve({
          status: answer[':status'] ?? 0,
          contentType: answer['content-type'] ?? '',
          retryAfter: String(answer['retry-after'] ?? ''),
          body: stream,
          lastProof_ms: () => this.#proof_ms,
          heard: () => this.#heard(),
        })
      })
      if (request.body !== undefined) stream.end(request.body)
    })
  }

  #heard(): void {
    this.#proof_ms = this.#options.clock.monotonic_ms()
  }

  #nextPing(): void {
    const { pingAfter_ms, pingTimeout_ms, clock } = this.#options
    this.#callOff = clock.after(Math.min(pingAfter_ms / 2, pingTimeout_ms), () => {
      this.#ping()
      if (!this.#session.destroyed) this.#nextPing()
    })
  }

  #ping(): void {
    const { pingAfter_ms, pingTimeout_ms, clock } = this.#options
    const now_ms = clock.monotonic_ms()
    if (this.#waitingSince_ms !== undefined) {
      if (now_ms - this.#waitingSince_ms < pingTimeout_ms) return
      this.#why = new Error(
        `no answer to an HTTP/2 ping in ${Math.round(pingTimeout_ms / 1000)} s: the connection is dead`,
      )
      this.#session.destroy(this.#why)
      return
    }
    if (now_ms - this.#proof_ms < pingAfter_ms || this.#session.destroyed) return
    this.#waitingSince_ms = now_ms
    const wasSent = this.#session.ping((error) => {
      this.#waitingSince_ms = undefined
      if (!error) this.#heard()
    })
    if (!wasSent) this.#waitingSince_ms = undefined
  }
}
