/** After close every method says so, closing again is fine, and nothing stays open. */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { BpfMap, BpfProgram, BpfLink, BpfObject, FileLock, NetWatch } from '../../native/index.ts'
import { RingBuffer } from '../../native/index.ts'
import { mountedCgroupRoot } from '../support/run.ts'
import { requires } from '../support/requires.ts'
import {
  descriptors,
  fixtureElf,
  loadFixture,
  makeBpffs,
  pairKey,
  pairValue,
  thrown,
} from './fixture.ts'

requires(
  'root',
  'bpf',
  'cgroup2',
)('what is closed', () => {
  test('throws ERR_CLOSED from each of its methods', async () => {
    const object = await loadFixture(['classify', 'allow4'])
    const map = object.map('pairs')
    const program = object.program('classify')
    const fresh = new BpfObject(await fixtureElf(), 'fresh')
    for (const handle of [map, program, object, fresh]) {
      handle.close()
      handle.close()
    }
    const calls: (() => unknown)[] = [
      () => map.info(),
      () => map.layouts(),
      () => map.lookup(pairKey(1)),
      () => map.update(pairKey(1), pairValue(1)),
      () => map.delete(pairKey(1)),
      () => map.updateBatch(pairKey(1), pairValue(1), 1),
      () => map.deleteBatch(pairKey(1), 1),
      () => map.entries(),
      () => map.mmap(),
      () => map.pin('/nowhere'),
      () => new RingBuffer(map, 16, () => {}),
      () => program.info(),
      () => program.pin('/nowhere'),
      () => program.testRun({ data: new Uint8Array(64) }),
      () => BpfLink.attachCgroup(program, '/', 'connect4'),
      () => BpfLink.attachTcx(program, 1, 'ingress', true),
      () => object.mapNames(),
      () => object.programNames(),
      () => object.map('pairs'),
      () => object.program('classify'),
      () => fresh.setKnob('verdict', new Uint8Array(4)),
      () => fresh.setMaxEntries('pairs', 1),
      () => fresh.setAutoload('classify', true),
      () => fresh.reuseMap('pairs', map),
      () => fresh.load(),
    ]
    for (const call of calls) expect(thrown(call).code).toBe('ERR_CLOSED')
  })

  test('leaves no descriptor behind, nor do calls that fail', async () => {
    const elf = await fixtureElf()
    const bpffs = makeBpffs()
    const cgroup = mountedCgroupRoot() ?? '/sys/fs/cgroup'
    const life = async (round: number) => {
      const object = await loadFixture(['classify', 'allow4', 'emit'])
      const [pairs, cells, events] = [
        object.map('pairs'),
        object.map('cells'),
        object.map('events'),
      ]
      const [classify, allow4] = [object.program('classify'), object.program('allow4')]
      cells.mmap()
      pairs.layouts()
      pairs.pin(join(bpffs.path, `pairs${round}`))
      classify.pin(join(bpffs.path, `classify${round}`))
      const handles = [
        BpfMap.open(join(bpffs.path, `pairs${round}`)),
        BpfProgram.open(join(bpffs.path, `classify${round}`)),
        new RingBuffer(events, 16, () => {}),
        new NetWatch(() => {}),
        FileLock.take(bpffs.path),
      ]
      for (const fails of [
        () => BpfMap.open(join(bpffs.path, `classify${round}`)),
        () => BpfLink.attachCgroup(allow4, cgroup, 'connect6'),
        () => BpfLink.attachCgroup(allow4, '/proc', 'connect4'),
        () => BpfLink.attachTcx(classify, 2 ** 31 - 1, 'ingress', true),
        () => new RingBuffer(pairs, 16, () => {}),
        () => new BpfObject(elf.subarray(0, 500), 'cut'),
        () => object.load(),
      ]) {
        thrown(fails)
      }
      expect(FileLock.take(bpffs.path)).toBeNull()
      const all = [...handles, pairs, cells, events, classify, allow4, object]
      for (const handle of all) handle?.close()
      await loadFixture(['unsound']).catch(() => {})
    }
    try {
      await life(0)
      const before = descriptors()
      for (let round = 1; round <= 5; round++) await life(round)
      expect(descriptors()).toEqual(before)
    } finally {
      bpffs.close()
    }
  })
})
