/** What can go wrong between us and the API server, each as one line with its remedy. */
import { codeOf, reasonOf } from '../errors.ts'
import { readStatusBody } from './envelope.ts'
import { readJsonStatus } from './json.ts'
import type { ApiStatus } from './wire.ts'

export type FailureKind =
  /** An HTTP status that is no success. */
  | 'http'
  /** No connection: refused, no route, name or certificate wrong. */
  | 'unreachable'
  /** Connected, but no answer in time. */
  | 'silent'
  /** Something answered that is no API server. */
  | 'alien'
  /** Our own credentials can't be read. */
  | 'credentials'
  /** The caller's signal, or shutdown. */
  | 'aborted'

export interface Failure {
  readonly kind: FailureKind
  /** HTTP status, 0 if there was none. */
  readonly status: number
  /** Kubernetes reason (`Expired`, `Forbidden`, …) or errno name; '' if none. */
  readonly reason: string
  /** 0: not said. */
  readonly retryAfter_s: number
  /** What was tried, on what, what went wrong, what to do. */
  readonly message: string
  /** The first bytes of an answer, on one line. */
  readonly excerpt: string
}

export type Result<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly failure: Failure }

/** A failure on its way through an async iterator. */
export class TransportError extends Error {
  readonly failure: Failure
  constructor(failure: Failure) {
    super(failure.message)
    this.name = 'TransportError'
    this.failure = failure
  }
}

/** `what` was tried on `server`, with the credentials of `origin`. */
export interface Attempt {
  readonly what: string
  readonly server: string
  readonly origin: string
}

const remedies: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'check that the API server runs and that the address and port are right',
  ENOTFOUND: 'check the host name and the resolver of this node',
  EHOSTUNREACH: 'check the route to it',
  ENETUNREACH: 'check the route to it',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it speaks no TLS on this port: check scheme and port',
  EPROTO: 'it speaks no TLS that we understand on this port: check scheme and port',
  ERR_TLS_CERT_ALTNAME_INVALID: 'use a name that the certificate holds, or set tls-server-name',
  CERT_HAS_EXPIRED: "renew the server's certificate, or correct the clock of this node",
  CERT_NOT_YET_VALID: 'correct the clock of this node',
}

function remedyFor(code: string): string {
  const known = remedies[code]
  if (known !== undefined) return known
  if (/CERT|SIGNATURE|ISSUER|SELF_SIGNED/.test(code)) {
    return 'it is not signed by the CA that the credentials name: check the CA file'
  }
  return 'it is tried again'
}

export function unreachable(attempt: Attempt, error: unknown): Failure {
  // Happy-eyeballs connects fail with one AggregateError that says nothing itself.
  const inner = error instanceof AggregateError ? (error.errors[0] as unknown) : error
  const reason = codeOf(inner)
  const message = `${attempt.what} at ${attempt.server}: ${reasonOf(inner)}: ${remedyFor(reason)}`
  return { kind: 'unreachable', status: 0, reason, retryAfter_s: 0, message, excerpt: '' }
}

export function silent(attempt: Attempt, waited_ms: number): Failure {
  const message =
    `${attempt.what} at ${attempt.server}: no answer in ${Math.round(waited_ms / 1000)} s: ` +
    'check firewalls and load; if this address is a ClusterIP, nothing may be serving it yet: ' +
    "give the API server's own address with --server"
  return { kind: 'silent', status: 0, reason: 'Timeout', retryAfter_s: 0, message, excerpt: '' }
}

export function aborted(attempt: Attempt): Failure {
  const message = `${attempt.what} at ${attempt.server}: given up: the client was closed or the caller left`
  return { kind: 'aborted', status: 0, reason: '', retryAfter_s: 0, message, excerpt: '' }
}

export function badCredentials(attempt: Attempt, why: string): Failure {
  const message = `${attempt.what} at ${attempt.server}: ${why}`
  return { kind: 'credentials', status: 0, reason: '', retryAfter_s: 0, message, excerpt: '' }
}

/** At most 120 characters of it, on one line, printable. */
export function excerptOf(body: Buffer): string {
  const text = body.toString('utf8', 0, 400).replace(/[^\x20-\x7e]+/g, ' ')
  return text.trim().slice(0, 120)
}

export function alien(
  attempt: Attempt,
  status: number,
  contentType: string,
  body: Buffer,
): Failure {
  const excerpt = excerptOf(body)
  const message =
    `${attempt.what} at ${attempt.server}: answered ${contentType || 'no content type'} ` +
    `(status ${status}: ${JSON.stringify(excerpt)}), which is no Kubernetes API: ` +
    'something else listens there, or a proxy answers for it: check the server address'
  return { kind: 'alien', status, reason: '', retryAfter_s: 0, message, excerpt }
}

function statusOf(contentType: string, body: Buffer): ApiStatus | undefined {
  try {
    if (contentType.startsWith('application/json')) return readJsonStatus(body.toString('utf8'))
    if (contentType.startsWith('application/vnd.kubernetes.protobuf')) return readStatusBody(body)
  } catch {
    // Cut or garbled: the HTTP status has to do.
  }
  return undefined
}

/** Seconds of a Retry-After header; an HTTP date or nonsense counts as not said. */
function retryAfter(header: string): number {
  return /^\d{1,5}$/.test(header) ? Number(header) : 0
}

function httpRemedy(status: number, origin: string): string {
  if (status === 401) {
    return `the token or certificate of ${origin} is not accepted: check that it is current`
  }
  if (status === 403) return `apply the ClusterRole and binding of deploy/rbac.yaml (${origin})`
  if (status === 404) return 'the API server does not serve this: check its version and address'
  if (status === 429) return 'it is overloaded: we wait and try again'
  return 'it is tried again'
}

/** Of an answer whose status is no success. */
export function httpFailure(
  attempt: Attempt,
  answer: { status: number; contentType: string; retryAfter: string; body: Buffer },
): Failure {
  const { status, contentType, body } = answer
  // Proxies and login pages answer HTML with every status.
  if (contentType.startsWith('text/html')) return alien(attempt, status, contentType, body)
  const said = statusOf(contentType, body)
  const reason = said?.reason ?? ''
  const excerpt = excerptOf(body)
  const why = said?.message || excerpt || 'no explanation'
  return {
    kind: 'http',
    status,
    reason,
    retryAfter_s: retryAfter(answer.retryAfter) || (said?.retryAfter_s ?? 0),
    message:
      `${attempt.what} at ${attempt.server}: ${status}${reason === '' ? '' : ` ${reason}`}: ` +
      `${why}: ${httpRemedy(status, attempt.origin)}`,
    excerpt,
  }
}
