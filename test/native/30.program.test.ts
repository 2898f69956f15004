/** Programs: what the kernel says of them, test runs, pins. */
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { BpfLink, BpfMap, BpfProgram, isBpffs } from '../../native/index.ts'
import type { BpfObject } from '../../native/index.ts'
import { requires } from '../support/requires.ts'
import { loadFixture, makeBpffs, thrown } from './fixture.ts'

/** struct __sk_buff of Linux 5.10 is 192 bytes; `mark` is its third word. */
function skBuff(mark: number): Buffer {
  const context = Buffer.alloc(192)
  context.writeUInt32LE(mark, 8)
  return context
}

requires('root', 'bpf')('a program', () => {
  let object: BpfObject
  let program: BpfProgram
  beforeEach(async () => {
    object = await loadFixture(['classify'])
    program = object.program('classify')
  })
  afterEach(() => {
    program.close()
    object.close()
  })

  test('tells its id, name, type and how much of it was verified', () => {
    const info = program.info()
    expect(info).toMatchObject({ name: 'classify', type: 3 })
    expect(info.id).toBeGreaterThan(0)
    expect(info.verifiedInstructions).toBeGreaterThan(5)
    expect([typeof info.runTimeNs, typeof info.runCount]).toEqual(['bigint', 'bigint'])
  })

  test('is run on a packet and gives back verdict, packet and context', () => {
    const data = Buffer.alloc(100, 3)
    const run = program.testRun({ data, context: skBuff(1), repeat: 10 })
    expect(run.returnValue).toBe(7)
    expect(run.data).toEqual(data)
    expect(run.context.readUInt32LE(8)).toBe(42)
    expect(run.durationNs).toBeGreaterThan(0)
    expect(program.testRun({ data }).context.length).toBe(0)
  })

  test('a packet too short for Ethernet is the kernel’s EINVAL, named', () => {
    expect(thrown(() => program.testRun({ data: new Uint8Array(3) }))).toMatchObject({
      code: 'EINVAL',
      op: 'program test run classify',
    })
  })

  test('pins outlive their handles, and each kind opens only as what it is', () => {
    const bpffs = makeBpffs()
    try {
      expect([isBpffs(bpffs.path), isBpffs('/')]).toEqual([true, false])
      const [programPin, mapPin] = [join(bpffs.path, 'program'), join(bpffs.path, 'map')]
      const map = object.map('pairs')
      program.pin(programPin)
      map.pin(mapPin)
      const id = program.info().id
      for (const handle of [map, program, object]) handle.close()
      program = BpfProgram.open(programPin)
      expect(program.info().id).toBe(id)
      const reopened = BpfMap.open(mapPin)
      expect(reopened.info().name).toBe('pairs')
      expect(thrown(() => reopened.pin(mapPin))).toMatchObject({ code: 'EEXIST' })
      reopened.close()

      expect(thrown(() => BpfMap.open(programPin)).code).toBe('EINVAL')
      expect(thrown(() => BpfProgram.open(mapPin)).code).toBe('EINVAL')
      expect(thrown(() => BpfLink.open(mapPin)).code).toBe('EINVAL')
      expect(thrown(() => BpfMap.open(join(bpffs.path, 'none')))).toMatchObject({
        code: 'ENOENT',
        op: `map open ${join(bpffs.path, 'none')}`,
      })
    } finally {
      bpffs.close()
    }
  })

  test('cannot be pinned outside a bpffs', () => {
    expect(thrown(() => program.pin('/proc/self/nothing')).code).toMatch(/^E(PERM|INVAL|NOENT)$/)
  })
})
