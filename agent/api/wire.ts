/** Between protobufjs' message instances and the plain data that the rest of us speaks. */
import type { Codec } from '../../proto/control.gen.js'

/** A 64-bit integer as protobufjs hands it over. */
interface Long {
  readonly low: number
  readonly high: number
  toNumber(): number
}

function isLong(value: object): value is Long {
  return 'low' in value && 'high' in value && 'toNumber' in value
}

function plainValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plainValue)
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  return isLong(value) ? value.toNumber() : plain(value)
}

/** Defaults stand in the prototype, so this walks inherited fields, too. */
function plain(message: object): Record<string, unknown> {
  const fields: Record<string, unknown> = {}
  for (const name in message) {
    const value = (message as Record<string, unknown>)[name]
    if (value === null || typeof value === 'function') continue
    fields[name] = plainValue(value)
  }
  return fields
}

/**
 * Bytes → plain data with every field there but absent messages and unset optional fields.
 * 64-bit integers become numbers (exact up to 2^53). Throws on bytes that are not the message.
 */
export function decode<T>(codec: Codec<T>, bytes: Uint8Array): T {
  return plain(codec.decode(bytes)) as T
}

export function encode<T>(codec: Codec<T>, message: T): Buffer {
  return Buffer.from(codec.encode(message).finish())
}
