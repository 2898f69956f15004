/** The protobuf decoders of streams: a watch frame by frame, a list item by item as it comes. */
import type { Kind } from '../model/source.ts'
import { ByteQueue, LengthFrames } from './frames.ts'
import { JsonList, JsonWatch } from './json.ts'
import { magic, readListMeta, readTypeMeta, readWatchEvent } from './envelope.ts'
import { readObject } from './protobuf.ts'
import type { RawObject } from './raw.ts'
import { DecodeError, maxObjectBytes } from './wire.ts'
import type { ListDecoder, ListMeta, WatchDecoder, WatchEvent } from './wire.ts'

export const protobufType = 'application/vnd.kubernetes.protobuf'

class ProtobufWatch implements WatchDecoder {
  readonly #kind: Kind
  readonly #frames = new LengthFrames()

  constructor(kind: Kind) {
    this.#kind = kind
  }

  push(chunk: Buffer, each: (event: WatchEvent) => void): void {
    this.#frames.push(chunk, (frame) => each(readWatchEvent(this.#kind, frame)))
  }

  end(): void {
    this.#frames.end()
  }
}

/** Where in the answer the reader stands: each level is nested in the one before. */
type Level = 'magic' | 'unknown' | 'list'

/**
 * `k8s\0` + runtime.Unknown{1: TypeMeta, 2: the list{1: ListMeta, 2: item …}}, read without ever
 * holding more than one item.
 */
export class ProtobufList implements ListDecoder {
  readonly #kind: Kind
  readonly #queue = new ByteQueue()
  #level: Level = 'magic'
  /** Bytes of the list message that are still to come. */
  #listLeft = 0
  #hasList = false
  /** Tag of the length-delimited field being waited for, -1 between fields. */
  #tag = -1
  /** Its length, -1 if that hasn't come yet. */
  #length = -1
  #meta: ListMeta = { resourceVersion: '', next: '' }

  constructor(kind: Kind) {
    this.#kind = kind
  }

  push(chunk: Buffer, each: (object: RawObject) => void): void {
    this.#queue.push(chunk)
    while (this.#step(each));
  }

  end(): ListMeta {
    const isWhole = this.#level === 'unknown' && this.#tag < 0 && this.#queue.length === 0
    if (!isWhole || !this.#hasList) {
      throw new DecodeError(`list of ${this.#kind}: the stream ended in the middle of it`)
    }
    return this.#meta
  }

  /** False if more bytes are needed. */
  #step(each: (object: RawObject) => void): boolean {
    if (this.#level === 'magic') return this.#readMagic()
    if (this.#level === 'list' && this.#listLeft === 0 && this.#tag < 0) {
      this.#level = 'unknown'
      return true
    }
    if (!this.#readHead()) return false
    if (this.#level === 'unknown' && this.#tag === 18) {
      if (this.#hasList) throw new DecodeError(`list of ${this.#kind}: two lists in one answer`)
      this.#hasList = true
      this.#listLeft = this.#length
      this.#level = 'list'
      this.#tag = this.#length = -1
      return true
    }
    if (this.#length > maxObjectBytes) {
      throw new DecodeError(`list of ${this.#kind}: an item of ${this.#length} bytes`)
    }
    const field = this.#queue.take(this.#length)
    if (field === undefined) return false
    this.#readField(this.#tag, field, each)
    this.#tag = this.#length = -1
    return true
  }

  #readMagic(): boolean {
    const head = this.#queue.take(4)
    if (head === undefined) return false
    if (!head.equals(magic)) {
      throw new DecodeError(
        `list of ${this.#kind}: begins with ${head.toString('hex')}, not k8s\\0`,
      )
    }
    this.#level = 'unknown'
    return true
  }

  /** Tag, and length or value, of the next field. */
  #readHead(): boolean {
    if (this.#tag < 0) {
      const tag = this.#varint()
      if (tag === undefined) return false
      if (tag < 8 || ((tag & 7) !== 2 && (tag & 7) !== 0)) {
        throw new DecodeError(`list of ${this.#kind}: field tag ${tag}, which no list has`)
      }
      this.#tag = tag
    }
    if (this.#length >= 0) return true
    const value = this.#varint()
    if (value === undefined) return false
    // A varint field is nothing we read: it counts as one of no bytes.
    this.#length = (this.#tag & 7) === 2 ? value : 0
    this.#consume(this.#length)
    return true
  }

  #varint(): number | undefined {
    const before = this.#queue.length
    const value = this.#queue.takeVarint()
    if (value !== undefined) this.#consume(before - this.#queue.length)
    return value
  }

  #consume(count: number): void {
    if (this.#level !== 'list') return
    this.#listLeft -= count
    if (this.#listLeft < 0) throw new DecodeError(`list of ${this.#kind}: a field beyond its end`)
  }

  #readField(tag: number, field: Buffer, each: (object: RawObject) => void): void {
    if (this.#level === 'list') {
      if (tag === 18) each(readObject(this.#kind, field))
      else if (tag === 10) this.#meta = readListMeta(field)
    } else if (tag === 10) {
      const { kind } = readTypeMeta(field)
      if (kind !== `${this.#kind}List`) {
        throw new DecodeError(`list of ${this.#kind}: is a ${kind || 'nameless kind'}`)
      }
    } else if (tag === 26 && field.length > 0) {
      throw new DecodeError(`list of ${this.#kind}: content encoding ${field.toString('latin1')}`)
    }
  }
}

/** The decoder for a watch answered with `contentType`; undefined if that is neither encoding. */
export function watchDecoder(kind: Kind, contentType: string): WatchDecoder | undefined {
  if (contentType.startsWith(protobufType)) return new ProtobufWatch(kind)
  if (contentType.startsWith('application/json')) return new JsonWatch(kind)
  return undefined
}

/** The decoder for a list answered with `contentType`; undefined if that is neither encoding. */
export function listDecoder(kind: Kind, contentType: string): ListDecoder | undefined {
  if (contentType.startsWith(protobufType)) return new ProtobufList(kind)
  if (contentType.startsWith('application/json')) return new JsonList(kind)
  return undefined
}
