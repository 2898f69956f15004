/** Memory shared with the kernel. */
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { load64, store32x2, store64 } from '../../native/index.ts'
import type { BpfMap, BpfObject } from '../../native/index.ts'
import { requires } from '../support/requires.ts'
import { loadFixture, thrown, u32 } from './fixture.ts'

const packet = { data: new Uint8Array(64) }

requires('root', 'bpf')('the memory of a mmapable array', () => {
  let object: BpfObject
  let cells: BpfMap
  beforeEach(async () => {
    object = await loadFixture(['classify'])
    cells = object.map('cells')
  })
  afterEach(() => {
    cells.close()
    object.close()
  })

  test('is the map itself: both sides see each other’s writes', () => {
    const memory = cells.mmap()
    expect(memory.byteLength).toBe(8000)
    store64(memory, 0, 41n)
    const program = object.program('classify')
    program.testRun(packet)
    program.close()
    expect(load64(memory, 0)).toBe(42n)
    expect(cells.lookup(u32(0))?.readBigUInt64LE()).toBe(42n)
    cells.update(u32(999), Buffer.alloc(8, 1))
    expect(new Uint8Array(memory)[7999]).toBe(1)
  })

  test('takes two u32 as one store, low half first', () => {
    const memory = cells.mmap()
    store32x2(memory, 8, 0xffffffff, 1)
    expect(load64(memory, 8)).toBe(0x1ffffffffn)
    store64(memory, 8, 2n ** 64n - 1n)
    expect(load64(memory, 8)).toBe(2n ** 64n - 1n)
    expect(thrown(() => store64(memory, 8, 2n ** 64n)).code).toBe('ERR_INVALID_ARG')
    expect(thrown(() => store64(memory, 8, -1n)).code).toBe('ERR_INVALID_ARG')
    expect(thrown(() => store32x2(memory, 8, 2 ** 32, 0)).code).toBe('ERR_INVALID_ARG')
    expect(load64(memory, 8)).toBe(2n ** 64n - 1n)
  })

  test('refuses offsets that are not aligned or not within it', () => {
    const memory = cells.mmap()
    for (const offset of [4, 7996, 7993, 8000, 2 ** 31]) {
      expect(thrown(() => load64(memory, offset)).code).toBe('ERR_INVALID_ARG')
      expect(thrown(() => store64(memory, offset, 1n)).code).toBe('ERR_INVALID_ARG')
      expect(thrown(() => store32x2(memory, offset, 1, 1)).code).toBe('ERR_INVALID_ARG')
    }
    expect(thrown(() => load64(new ArrayBuffer(4), 0)).code).toBe('ERR_INVALID_ARG')
  })

  test('is the same buffer however often it is asked for', () => {
    expect(cells.mmap()).toBe(cells.mmap())
  })

  test('is empty after close: reading it gives nothing, storing says closed', async () => {
    const memory = cells.mmap()
    const view = new Uint8Array(memory)
    view[0] = 9
    cells.close()
    expect([memory.byteLength, view.length, view[0]]).toEqual([0, 0, undefined])
    expect(thrown(() => store64(memory, 0, 1n)).code).toBe('ERR_CLOSED')
    expect(thrown(() => load64(memory, 0)).code).toBe('ERR_CLOSED')
    expect(thrown(() => store32x2(memory, 0, 1, 1)).code).toBe('ERR_CLOSED')
    await turn()
    expect(view.length).toBe(0)
  })

  test('stays while somebody holds it, even when the map’s handle is collected', async () => {
    const collect = (globalThis as { gc?: () => void }).gc
    const memory = ((): ArrayBuffer => object.map('cells').mmap())()
    for (let i = 0; i < 3; i++) {
      collect?.()
      await turn()
    }
    store64(memory, 16, 5n)
    expect(cells.lookup(u32(2))?.readBigUInt64LE()).toBe(5n)
  })

  test('cannot be moved to another thread under the kernel’s feet', () => {
    const memory = cells.mmap()
    try {
      structuredClone(memory, { transfer: [memory] }) // Node 20 copies, later ones throw
    } catch (error) {
      expect(error).toMatchObject({ name: 'DataCloneError' })
    }
    expect(memory.byteLength).toBe(8000)
  })

  test('exists only for mmapable arrays', () => {
    const pairs = object.map('pairs')
    expect(thrown(() => pairs.mmap()).message).toContain('only an ARRAY with BPF_F_MMAPABLE')
    pairs.close()
  })
})
