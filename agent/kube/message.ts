/** Reading protobuf messages within their limits: nothing here reads past the message it is in. */
import protobuf from 'protobufjs/minimal.js'
import { reasonOf } from '../errors.ts'
import { intern } from './intern.ts'
import { DecodeError } from './wire.ts'

export type Reader = protobuf.Reader

/** Tags: field number × 8 + wire type; 2 is length-delimited, 0 a varint. */
export const bytes = (field: number): number => field * 8 + 2

/** The end of the length-delimited field that begins here. */
export function endOf(r: Reader, limit: number): number {
  const length = r.uint32()
  const end = r.pos + length
  if (end > limit)
    throw new DecodeError(`a field of ${length} bytes where ${limit - r.pos} are left`)
  return end
}

export function skip(r: Reader, tag: number, limit: number): void {
  if (tag < 8) throw new DecodeError('field number 0')
  const wire = tag & 7
  if (wire === 2) r.pos = endOf(r, limit)
  else if (wire === 0)
    r.uint32() // reads over all of its bytes
  else if (wire === 5) r.pos += 4
  else if (wire === 1) r.pos += 8
  else throw new DecodeError(`wire type ${wire}, which Kubernetes never sends`)
  if (r.pos > limit) throw new DecodeError('a field longer than the message that holds it')
}

/** At the end of the fields of a message that ends at `end`. */
export function mustBeAt(r: Reader, end: number): void {
  if (r.pos !== end) throw new DecodeError('a field longer than the message that holds it')
}

/** Calls `read` for each field of the message that begins here with its length. */
export function message(
  r: Reader,
  limit: number,
  read: (tag: number, end: number) => boolean,
): void {
  const end = endOf(r, limit)
  while (r.pos < end) {
    const tag = r.uint32()
    if (!read(tag, end)) skip(r, tag, end)
  }
  mustBeAt(r, end)
}

export function text(r: Reader, limit: number): string {
  const end = endOf(r, limit)
  const value = (r.buf as Buffer).toString('utf8', r.pos, end)
  r.pos = end
  return value
}

/** For texts that come again and again: names of nodes, zones, ports, namespaces. */
export function commonText(r: Reader, limit: number): string {
  const end = endOf(r, limit)
  const value = intern(r.buf as Buffer, r.pos, end)
  r.pos = end
  return value
}

/** Of a map<string, string>; undefined if its key is not wanted, and then hardly looked at. */
export function entry(
  r: Reader,
  limit: number,
  isKept: (key: string) => boolean,
): [string, string] | undefined {
  let key = ''
  let value = ''
  const end = endOf(r, limit)
  while (r.pos < end) {
    const tag = r.uint32()
    if (tag === 10) key = commonText(r, end)
    else if (tag === 18 && isKept(key)) value = text(r, end)
    else skip(r, tag, end)
  }
  mustBeAt(r, end)
  return isKept(key) ? [key, value] : undefined
}

/** Runs `read` and turns what the reader throws at broken bytes into a DecodeError. */
export function guarded<T>(what: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw new DecodeError(`${what}: ${reasonOf(error)}`, { cause: error })
  }
}

/** At the first field of a bare message. */
export function readerOf(raw: Buffer): Reader {
  return protobuf.Reader.create(raw)
}
