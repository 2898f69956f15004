/**
 * What the API server wraps around objects in protobuf: `k8s\0`, runtime.Unknown, WatchEvent,
 * Status, list metadata (real-parts section 3).
 */
import type { Kind } from '../model/source.ts'
import {
  bytes,
  commonText,
  endOf,
  entry,
  guarded,
  message,
  mustBeAt,
  readerOf,
  skip,
  text,
} from './message.ts'
import type { Reader } from './message.ts'
import { readObjectTo } from './protobuf.ts'
import { type ApiStatus, DecodeError, type ListMeta, type WatchEvent } from './wire.ts'
import { initialEventsEnd } from './wire.ts'

/** ListMeta, the bare message. Throws DecodeError. */
export function readListMeta(raw: Buffer): ListMeta {
  return guarded('list metadata', () => {
    const r = readerOf(raw)
    let resourceVersion = ''
    let next = ''
    while (r.pos < r.len) {
      const tag = r.uint32()
      if (tag === bytes(2)) resourceVersion = text(r, r.len)
      else if (tag === bytes(3)) next = text(r, r.len)
      else skip(r, tag, r.len)
    }
    return { resourceVersion, next }
  })
}

/** `apiVersion` and `kind` of runtime.TypeMeta, the bare message. Throws DecodeError. */
export function readTypeMeta(raw: Buffer): { apiVersion: string; kind: string } {
  return guarded('type of the object', () => {
    const r = readerOf(raw)
    const found = { apiVersion: '', kind: '' }
    while (r.pos < r.len) {
      const tag = r.uint32()
      if (tag === bytes(1)) found.apiVersion = commonText(r, r.len)
      else if (tag === bytes(2)) found.kind = commonText(r, r.len)
      else skip(r, tag, r.len)
    }
    return found
  })
}

function readStatus(raw: Buffer): ApiStatus {
  const r = readerOf(raw)
  const found = { code: 0, reason: '', message: '', retryAfter_s: 0 }
  while (r.pos < r.len) {
    const tag = r.uint32()
    if (tag === bytes(3)) found.message = text(r, r.len)
    else if (tag === bytes(4)) found.reason = text(r, r.len)
    else if (tag === 48) found.code = r.int32()
    else if (tag === bytes(5)) {
      message(r, r.len, (inner) => {
        if (inner !== 40) return false
        found.retryAfter_s = r.int32()
        return true
      })
    } else skip(r, tag, r.len)
  }
  return found
}

/** Any object with metadata: a bookmark has its kind but hardly a field. */
function readBookmark(raw: Buffer): WatchEvent {
  const r = readerOf(raw)
  let version = ''
  let isInitialEnd = false
  while (r.pos < r.len) {
    const tag = r.uint32()
    if (tag !== bytes(1)) {
      skip(r, tag, r.len)
      continue
    }
    message(r, r.len, (inner, end) => {
      if (inner === bytes(6)) version = text(r, end)
      else if (inner === bytes(12)) {
        const pair = entry(r, end, (key) => key === initialEventsEnd)
        if (pair?.[1] === 'true') isInitialEnd = true
      } else return false
      return true
    })
  }
  return { type: 'bookmark', version, isInitialEnd }
}

/** The four bytes `k8s\0` before every runtime.Unknown. */
export const magic = Buffer.from([0x6b, 0x38, 0x73, 0x00])

/** Where the message of a runtime.Unknown lies, and of what kind it is. */
interface Unknown {
  readonly kind: string
  readonly start: number
  readonly end: number
}

function readKind(r: Reader, limit: number): string {
  const end = endOf(r, limit)
  let kind = ''
  while (r.pos < end) {
    const tag = r.uint32()
    if (tag === 18) kind = commonText(r, end)
    else skip(r, tag, end)
  }
  mustBeAt(r, end)
  return kind
}

/** Opens `k8s\0` + runtime.Unknown, from where the reader stands to `limit`. */
function readUnknown(r: Reader, limit: number): Unknown {
  const raw = r.buf
  const at = r.pos
  if (limit - at < 4 || !magic.every((byte, i) => raw[at + i] === byte)) {
    const found = Buffer.from(raw.subarray(at, Math.min(at + 4, limit))).toString('hex')
    throw new DecodeError(`begins with ${found || 'nothing'}, not with k8s\\0`)
  }
  r.pos = at + 4
  // A message without any set field may be left out.
  let [kind, start, end] = ['', limit, limit]
  while (r.pos < limit) {
    const tag = r.uint32()
    if (tag === 10) kind = readKind(r, limit)
    else if (tag === 18) {
      end = endOf(r, limit)
      start = r.pos
      r.pos = end
    } else if (tag === 26) {
      const encoding = text(r, limit)
      if (encoding !== '') throw new DecodeError(`content encoding ${encoding}`)
    } else skip(r, tag, limit)
  }
  mustBeAt(r, limit)
  return { kind, start, end }
}

/** A meta/v1 Status as error answers carry it: `k8s\0` + Unknown. Throws DecodeError. */
export function readStatusBody(raw: Buffer): ApiStatus {
  return guarded('Status', () => {
    const { start, end } = readUnknown(readerOf(raw), raw.length)
    return readStatus(raw.subarray(start, end))
  })
}

interface Split {
  readonly type: string
  /** Where the object's bytes lie; -1 if there are none. */
  readonly start: number
  readonly end: number
}

function splitEvent(r: Reader): Split {
  let [type, start, stop] = ['', -1, -1]
  while (r.pos < r.len) {
    const tag = r.uint32()
    if (tag === 10) type = commonText(r, r.len)
    else if (tag === 18) {
      const end = endOf(r, r.len)
      while (r.pos < end) {
        const inner = r.uint32()
        if (inner === 10) {
          stop = endOf(r, end)
          start = r.pos
          r.pos = stop
        } else skip(r, inner, end)
      }
      mustBeAt(r, end)
    } else skip(r, tag, r.len)
  }
  return { type, start, end: stop }
}

/** One frame of a protobuf watch of `kind`. Throws DecodeError. */
export function readWatchEvent(kind: Kind, frame: Buffer): WatchEvent {
  return guarded(`watch event of ${kind}`, () => {
    // One reader and no views for the three shells: two of them would cost more than the object.
    const r = readerOf(frame)
    const { type, start, end } = splitEvent(r)
    if (start < 0) throw new DecodeError(`an event of type ${type || 'none'} without object`)
    r.pos = start
    const unknown = readUnknown(r, end)
    const bare = (): Buffer => frame.subarray(unknown.start, unknown.end)
    if (type === 'ERROR') return { type: 'error', status: readStatus(bare()) }
    if (unknown.kind !== kind) throw new DecodeError(`holds a ${unknown.kind || 'nameless kind'}`)
    if (type === 'BOOKMARK') return readBookmark(bare())
    if (type !== 'ADDED' && type !== 'MODIFIED' && type !== 'DELETED') {
      return { type: 'unknown', name: type }
    }
    r.pos = unknown.start
    const found = readObjectTo(kind, r, unknown.end)
    const version = found.metadata?.resourceVersion ?? ''
    return { type: type === 'DELETED' ? 'remove' : 'put', object: found, version }
  })
}
