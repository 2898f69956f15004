/** Maps: one entry, many entries, what the kernel knows of them. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { BpfMap, BpfObject } from '../../native/index.ts'
import { requires } from '../support/requires.ts'
import { loadFixture, pairKey, pairValue, thrown, u32 } from './fixture.ts'

requires('root', 'bpf')('a map', () => {
  let object: BpfObject
  let pairs: BpfMap
  beforeEach(async () => {
    object = await loadFixture()
    pairs = object.map('pairs')
  })
  afterEach(() => {
    pairs.close()
    object.close()
  })
  const rows = (n: number, from = 0) => ({
    keys: Buffer.concat(Array.from({ length: n }, (_, i) => pairKey(from + i))),
    values: Buffer.concat(Array.from({ length: n }, (_, i) => pairValue(from + i))),
  })

  test('gives back what was written, null for what was not, and deletes', () => {
    expect(pairs.lookup(pairKey(1))).toBeNull()
    pairs.update(pairKey(1), pairValue(10))
    expect(pairs.lookup(pairKey(1))).toEqual(pairValue(10))
    expect(pairs.delete(pairKey(1))).toBe(true)
    expect(pairs.delete(pairKey(1))).toBe(false)
  })

  test('honours NOEXIST and EXIST', () => {
    expect(thrown(() => pairs.update(pairKey(1), pairValue(1), 2)).code).toBe('ENOENT')
    pairs.update(pairKey(1), pairValue(1), 1)
    expect(thrown(() => pairs.update(pairKey(1), pairValue(2), 1)).code).toBe('EEXIST')
    expect(pairs.lookup(pairKey(1))).toEqual(pairValue(1))
    expect(thrown(() => pairs.update(pairKey(1), pairValue(1), 3)).code).toBe('ERR_INVALID_ARG')
  })

  test('checks the length of keys and values against the kernel’s own sizes', () => {
    expect(thrown(() => pairs.lookup(new Uint8Array(11))).message).toBe(
      'map lookup pairs: ERR_INVALID_ARG: key must be 12 bytes, got 11',
    )
    expect(thrown(() => pairs.update(pairKey(1), new Uint8Array(17))).code).toBe('ERR_INVALID_ARG')
    const { keys, values } = rows(3)
    expect(thrown(() => pairs.updateBatch(keys, values, 4)).code).toBe('ERR_INVALID_ARG')
    expect(thrown(() => pairs.updateBatch(keys, values.subarray(1), 3)).code).toBe(
      'ERR_INVALID_ARG',
    )
    expect(thrown(() => pairs.deleteBatch(keys, 2 ** 32 - 1)).code).toBe('ERR_INVALID_ARG')
  })

  test('writes, lists and deletes many at once, and counts only what was there', () => {
    const { keys, values } = rows(1000)
    pairs.updateBatch(keys, values, 1000)
    const all = pairs.entries()
    expect(all.count).toBe(1000)
    expect([all.keys.length, all.values.length]).toEqual([12_000, 16_000])
    const found = new Map<number, bigint>()
    for (let i = 0; i < all.count; i++) {
      found.set(all.keys.readUInt32BE(i * 12), all.values.readBigUInt64LE(i * 16 + 8))
    }
    expect([...found].every(([key, value]) => BigInt(key) === value)).toBe(true)
    expect(found.size).toBe(1000)

    const mixed = Buffer.concat([
      pairKey(5000),
      pairKey(3),
      pairKey(5001),
      pairKey(4),
      pairKey(5002),
    ])
    expect(pairs.deleteBatch(mixed, 5)).toBe(2)
    expect(pairs.entries().count).toBe(998)
    expect(pairs.deleteBatch(keys, 1000)).toBe(998)
    expect(pairs.entries()).toMatchObject({ count: 0 })
  })

  test('takes a batch of nothing', () => {
    pairs.updateBatch(new Uint8Array(0), new Uint8Array(0), 0)
    expect(pairs.deleteBatch(new Uint8Array(0), 0)).toBe(0)
  })

  test('a batch beyond its size writes what fits and says how many that were', () => {
    const { keys, values } = rows(1100)
    const error = thrown(() => pairs.updateBatch(keys, values, 1100))
    expect(error).toMatchObject({ code: 'E2BIG', errno: 7, done: 1024, op: 'map update pairs' })
    expect(error.message).toContain('the map is full: raise its size')
    expect(pairs.entries().count).toBe(1024)
    expect(thrown(() => pairs.update(pairKey(9999), pairValue(1))).code).toBe('E2BIG')
    pairs.update(pairKey(5), pairValue(6))
  })

  test('where the kernel has no batch for its type, entries go one by one', () => {
    const waiting = object.map('waiting')
    waiting.updateBatch(new Uint8Array(0), u32(1, 2, 3), 3)
    expect(waiting.lookup(new Uint8Array(0))).toEqual(u32(1))
    const error = thrown(() => waiting.updateBatch(new Uint8Array(0), u32(4, 5, 6), 3))
    expect(error).toMatchObject({ code: 'E2BIG', done: 1 })
    waiting.close()
  })

  test('prefix tries list, update and delete like the others', () => {
    const prefixes = object.map('prefixes')
    const key = (length: number, last: number) =>
      Buffer.concat([u32(length), Buffer.from([10, 0, 0, last])])
    prefixes.updateBatch(Buffer.concat([key(24, 0), key(32, 7)]), u32(1, 2), 2)
    expect(prefixes.lookup(key(32, 9))).toEqual(u32(1))
    expect(prefixes.lookup(key(32, 7))).toEqual(u32(2))
    expect(prefixes.entries().count).toBe(2)
    expect(prefixes.deleteBatch(Buffer.concat([key(32, 7), key(31, 0)]), 2)).toBe(1)
    prefixes.close()
  })

  test('per-CPU values stand one CPU behind the other, rounded up to 8 bytes', () => {
    const counters = object.map('counters')
    const value = counters.lookup(u32(0))
    expect(value?.length).toBeGreaterThanOrEqual(8)
    expect((value?.length ?? 1) % 8).toBe(0)
    expect(counters.entries()).toMatchObject({ count: 4 })
    expect(counters.entries().values.length).toBe(4 * (value?.length ?? 0))
    expect(thrown(() => counters.update(u32(0), u32(1))).code).toBe('ERR_INVALID_ARG')
    counters.update(u32(0), Buffer.alloc(value?.length ?? 0, 1))
    counters.close()
  })

  test('a map that has no list says so by name', () => {
    const stored = object.map('stored')
    const error = thrown(() => stored.entries())
    expect(error.op).toBe('map list stored')
    expect(error.code).toMatch(/^E/)
    stored.close()
  })

  test('tells the kernel’s layout of key and value, names and typedefs included', () => {
    const { key, value } = pairs.layouts()
    expect(key).toEqual({
      name: 'pair_key',
      size: 12,
      fields: [
        { name: 'word', type: '__be32[2]', offset: 0, size: 8 },
        { name: 'port', type: '__be16', offset: 8, size: 2 },
        { name: 'proto', type: '__u8', offset: 10, size: 1 },
        { name: 'pad', type: '__u8', offset: 11, size: 1 },
      ],
    })
    expect(value?.fields.map((field) => `${field.offset} ${field.type}`)).toEqual([
      '0 struct pair_inner',
      '8 __u64',
    ])
    const cells = object.map('cells')
    expect(cells.layouts()).toEqual({ key: null, value: null })
    cells.close()
  })
})
