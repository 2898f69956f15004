/** The ring buffer: records in order, in pieces, without loss that nobody counts. */
import { execFileSync } from 'node:child_process'
import { setImmediate as turn } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { RingBuffer } from '../../native/index.ts'
import type { BpfMap, BpfObject, BpfProgram } from '../../native/index.ts'
import { eventually } from '../support/eventually.ts'
import { requires } from '../support/requires.ts'
import { loadFixture, thrown } from './fixture.ts'

requires('root', 'bpf')('a ring buffer', () => {
  let object: BpfObject
  let events: BpfMap
  let emit: BpfProgram
  beforeEach(async () => {
    object = await loadFixture(['emit'], (fresh) => fresh.setMaxEntries('events', 65536))
    events = object.map('events')
    emit = object.program('emit')
  })
  afterEach(() => {
    for (const handle of [emit, events, object]) handle.close()
  })
  /** Lets the program write `n` records with that mark; the last one's verdict. */
  const write = (n: number, mark = 1) => {
    const context = Buffer.alloc(192)
    context.writeUInt32LE(mark, 8)
    return emit.testRun({ data: new Uint8Array(64), context, repeat: n }).returnValue
  }

  test('brings every record once and in order', async () => {
    const numbers: bigint[] = []
    const ring = new RingBuffer(events, 16, (records) => {
      expect(records.length % 16).toBe(0)
      for (let at = 0; at < records.length; at += 16) numbers.push(records.readBigUInt64LE(at))
    })
    let written = 0
    for (let i = 0; i < 20; i++) {
      write(100)
      written += 100
      const wanted = written
      await eventually('the records', () => numbers.length === wanted, { pause_ms: 1 })
    }
    expect(numbers).toEqual(Array.from({ length: 2000 }, (_, i) => BigInt(i)))
    expect(ring.lost()).toBe(0)
    ring.close()
  })

  test('brings what lay in it before', async () => {
    write(3)
    let bytes = 0
    const ring = new RingBuffer(events, 16, (records) => (bytes += records.length))
    await eventually('the records', () => bytes === 48, { pause_ms: 1 })
    ring.close()
  })

  test('counts records of another size as lost and leaves them out', async () => {
    let bytes = 0
    const ring = new RingBuffer(events, 16, (records) => (bytes += records.length))
    write(5, 1000)
    write(2)
    await eventually('the records', () => bytes === 32, { pause_ms: 1 })
    expect(ring.lost()).toBe(5)
    ring.close()
  })

  test('holds the kernel’s writers up by fullness when nobody reads, and goes on after it', async () => {
    let bytes = 0
    const ring = new RingBuffer(events, 16, (records) => (bytes += records.length))
    // This loop keeps JavaScript from reading: the ring must fill and its writers be told.
    let verdict = 0
    for (let i = 0; i < 1000 && verdict === 0; i++) verdict = write(1000)
    expect(verdict | 0).toBe(-11)
    await eventually('what fitted', () => bytes >= 65536 / 2, { pause_ms: 1 })
    const before = bytes
    await eventually('a new record', () => write(1) === 0 && bytes > before, { pause_ms: 1 })
    ring.close()
  })

  test('can be closed from within its callback; no callback comes after', async () => {
    let calls = 0
    const ring = new RingBuffer(events, 16, () => {
      calls++
      ring.close()
    })
    write(10)
    await eventually('the callback', () => calls === 1, { pause_ms: 1 })
    write(10)
    for (let i = 0; i < 20; i++) await turn()
    expect(calls).toBe(1)
    expect(thrown(() => ring.lost()).code).toBe('ERR_CLOSED')
  })

  test('goes on although its map’s handle is closed and nobody holds it', async () => {
    let bytes = 0
    const open = (): WeakRef<RingBuffer> =>
      new WeakRef(new RingBuffer(events, 16, (records) => (bytes += records.length)))
    const ring = open()
    events.close()
    ;(globalThis as { gc?: () => void }).gc?.()
    write(1)
    await eventually('the record', () => bytes === 16, { pause_ms: 1 })
    ring.deref()?.close()
  })

  test('many open and close without harm', () => {
    for (let i = 0; i < 100; i++) {
      const ring = new RingBuffer(events, 16, () => {})
      write(10)
      ring.close()
      ring.close()
    }
  })

  test('takes only a RINGBUF map', () => {
    const pairs = object.map('pairs')
    expect(thrown(() => new RingBuffer(pairs, 16, () => {})).message).toContain('no RINGBUF')
    pairs.close()
  })

  test('does not keep the process alive, open or not', () => {
    const script = fileURLToPath(new URL('left-open.ts', import.meta.url))
    const options = { timeout: 25_000, encoding: 'utf8' } as const
    expect(execFileSync(process.execPath, ['--import', 'tsx', script], options)).toBe('done\n')
  })
})
