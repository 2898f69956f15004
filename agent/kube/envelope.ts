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
  readerOf,
  skip,
  text,
} from './message.ts'
import { readObject } from './protobuf.ts'
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

/** Opens `k8s\0` + runtime.Unknown. */
function readUnknown(raw: Buffer): { kind: string; raw: Buffer } {
  if (raw.length < 4 || !raw.subarray(0, 4).equals(magic)) {
    throw new DecodeError(`begins with ${raw.toString('hex', 0, 4) || 'nothing'}, not with k8s\\0`)
  }
  const r = readerOf(raw)
  r.pos = 4
  let kind = ''
  let inner: Buffer | undefined
  while (r.pos < r.len) {
    const tag = r.uint32()
    if (tag === bytes(1)) {
      const end = endOf(r, r.len)
      kind = readTypeMeta(raw.subarray(r.pos, end)).kind
      r.pos = end
    } else if (tag === bytes(2)) {
      const end = endOf(r, r.len)
      inner = raw.subarray(r.pos, end)
      r.pos = end
    } else if (tag === bytes(3)) {
      const encoding = text(r, r.len)
      if (encoding !== '') throw new DecodeError(`content encoding ${encoding}`)
    } else skip(r, tag, r.len)
  }
  // A message without any set field may be left out.
  return { kind, raw: inner ?? Buffer.alloc(0) }
}

/** A meta/v1 Status as error answers carry it: `k8s\0` + Unknown. Throws DecodeError. */
export function readStatusBody(raw: Buffer): ApiStatus {
  return guarded('Status', () => readStatus(readUnknown(raw).raw))
}

function splitEvent(frame: Buffer): { type: string; object: Buffer | undefined } {
  const r = readerOf(frame)
  let type = ''
  let object: Buffer | undefined
  while (r.pos < r.len) {
    const tag = r.uint32()
    if (tag === bytes(1)) type = commonText(r, r.len)
    else if (tag === bytes(2)) {
      message(r, r.len, (inner, end) => {
        if (inner !== bytes(1)) return false
        const stop = endOf(r, end)
        object = frame.subarray(r.pos, stop)
        r.pos = stop
        return true
      })
    } else skip(r, tag, r.len)
  }
  return { type, object }
}

/** One frame of a protobuf watch of `kind`. Throws DecodeError. */
export function readWatchEvent(kind: Kind, frame: Buffer): WatchEvent {
  return guarded(`watch event of ${kind}`, () => {
    const { type, object } = splitEvent(frame)
    if (object === undefined)
      throw new DecodeError(`an event of type ${type || 'none'} without object`)
    const unknown = readUnknown(object)
    if (type === 'ERROR') return { type: 'error', status: readStatus(unknown.raw) }
    if (unknown.kind !== kind) throw new DecodeError(`holds a ${unknown.kind || 'nameless kind'}`)
    if (type === 'BOOKMARK') return readBookmark(unknown.raw)
    if (type !== 'ADDED' && type !== 'MODIFIED' && type !== 'DELETED') {
      return { type: 'unknown', name: type }
    }
    const found = readObject(kind, unknown.raw)
    const version = found.metadata?.resourceVersion ?? ''
    return { type: type === 'DELETED' ? 'remove' : 'put', object: found, version }
  })
}
