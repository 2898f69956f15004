/** The JSON twin of the protobuf decoders: fallback, and oracle of the tests. */
import { reasonOf } from '../errors.ts'
import type { Kind } from '../model/source.ts'
import { LineFrames } from './frames.ts'
import type { RawObject } from './raw.ts'
import { type ApiStatus, DecodeError, initialEventsEnd } from './wire.ts'
import type { ListDecoder, ListMeta, WatchDecoder, WatchEvent } from './wire.ts'

type Fields = Readonly<Record<string, unknown>>

function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {}
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function count(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0
}

function parse(body: string): Fields {
  try {
    return fields(JSON.parse(body))
  } catch (error) {
    throw new DecodeError(`not JSON: ${reasonOf(error)}`, { cause: error })
  }
}

function toStatus(value: unknown): ApiStatus {
  const status = fields(value)
  return {
    code: count(status['code']),
    reason: text(status['reason']),
    message: text(status['message']),
    retryAfter_s: count(fields(status['details'])['retryAfterSeconds']),
  }
}

/** A meta/v1 Status as error answers carry it. Throws DecodeError. */
export function readJsonStatus(body: string): ApiStatus {
  return toStatus(parse(body))
}

/** One line of a JSON watch of `kind`. Throws DecodeError. */
export function readJsonEvent(kind: Kind, line: string): WatchEvent {
  const event = parse(line)
  const type = text(event['type'])
  const object = event['object']
  if (typeof object !== 'object' || object === null) {
    throw new DecodeError(`watch event of ${kind}: type ${type || 'none'} without object`)
  }
  if (type === 'ERROR') return { type: 'error', status: toStatus(object) }
  const found = object as RawObject
  if (found.kind !== kind) {
    throw new DecodeError(`watch event of ${kind}: holds a ${text(found.kind) || 'nameless kind'}`)
  }
  const metadata = fields(found.metadata)
  const version = text(metadata['resourceVersion'])
  if (type === 'ADDED' || type === 'MODIFIED') return { type: 'put', object: found, version }
  if (type === 'DELETED') return { type: 'remove', object: found, version }
  if (type !== 'BOOKMARK') return { type: 'unknown', name: type }
  const isInitialEnd = fields(metadata['annotations'])[initialEventsEnd] === 'true'
  return { type: 'bookmark', version, isInitialEnd }
}

export class JsonWatch implements WatchDecoder {
  readonly #kind: Kind
  readonly #lines = new LineFrames()

  constructor(kind: Kind) {
    this.#kind = kind
  }

  push(chunk: Buffer, each: (event: WatchEvent) => void): void {
    this.#lines.push(chunk, (line) => each(readJsonEvent(this.#kind, line)))
  }

  end(): void {
    this.#lines.end()
  }
}

/** A page is parsed whole: JSON has no cheap way to cut a list (hence pages, where it is used). */
export class JsonList implements ListDecoder {
  readonly #kind: Kind
  readonly #chunks: Buffer[] = []

  constructor(kind: Kind) {
    this.#kind = kind
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk)
  }

  end(each: (object: RawObject) => void): ListMeta {
    const list = parse(Buffer.concat(this.#chunks).toString('utf8'))
    this.#chunks.length = 0
    if (list['kind'] !== `${this.#kind}List`) {
      throw new DecodeError(`list of ${this.#kind}: is a ${text(list['kind']) || 'nameless kind'}`)
    }
    // An empty list may be null.
    const items = list['items'] ?? []
    if (!Array.isArray(items)) throw new DecodeError(`list of ${this.#kind}: items is no list`)
    for (const item of items) {
      // Items of a list carry no kind of their own.
      each({ ...fields(item), kind: this.#kind })
    }
    const metadata = fields(list['metadata'])
    return {
      resourceVersion: text(metadata['resourceVersion']),
      next: text(metadata['continue']),
    }
  }
}
