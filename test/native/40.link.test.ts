/** Links: attached in a namespace and a cgroup of the test's own. */
import { mkdirSync, rmdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { BpfLink, isCgroup2 } from '../../native/index.ts'
import type { BpfMap, BpfObject, BpfProgram } from '../../native/index.ts'
import { type Node, makeNode } from '../support/netns.ts'
import { requires } from '../support/requires.ts'
import { loadFixture, thrown, u32 } from './fixture.ts'

const inside = [
  process.execPath,
  '--import',
  'tsx',
  fileURLToPath(new URL('inside.ts', import.meta.url)),
]

requires(
  'root',
  'bpf',
  'cgroup2',
  'netns',
  'gcc',
)('a link', () => {
  let node: Node
  let object: BpfObject
  let cells: BpfMap
  let programs: Record<'allow4' | 'allow4_too' | 'refuse4', BpfProgram>
  const count = (cell: number) => Number(cells.lookup(u32(cell))?.readBigUInt64LE())
  beforeAll(async () => {
    node = await makeNode()
    await node.echo({ name: 'here' })
  })
  afterAll(() => node.close())
  beforeEach(async () => {
    object = await loadFixture(['allow4', 'allow4_too', 'refuse4'])
    cells = object.map('cells')
    programs = {
      allow4: object.program('allow4'),
      allow4_too: object.program('allow4_too'),
      refuse4: object.program('refuse4'),
    }
  })
  afterEach(() => {
    for (const handle of [...Object.values(programs), cells, object]) handle.close()
  })

  test('to a cgroup acts on its processes alone, and ends with its handle', async () => {
    const dialer = await node.dialer()
    expect(isCgroup2(node.cgroupRoot)).toBe(true)
    const link = BpfLink.attachCgroup(programs.refuse4, node.cgroupRoot, 'connect4')
    expect(link.info()).toMatchObject({
      kind: 'cgroup',
      attachType: 10,
      programId: programs.refuse4.info().id,
      cgroupId: statSync(node.cgroupRoot, { bigint: true }).ino,
      ifindex: 0,
    })
    expect((await dialer.tcp('127.0.0.1:8080')).error).toBe('EPERM')
    link.close()
    expect((await dialer.tcp('127.0.0.1:8080')).name).toBe('here')
    await dialer.close()
  })

  test('swaps its program in place: not one connect fails, not one passes without', async () => {
    const dialer = await node.dialer()
    const link = BpfLink.attachCgroup(programs.allow4, node.cgroupRoot, 'connect4')
    let isDone = false
    const load = dialer.tally(2000, '127.0.0.1:8080').finally(() => (isDone = true))
    let swaps = 0
    while (!isDone) {
      for (let i = 0; i < 20; i++) {
        link.update(swaps++ % 2 === 0 ? programs.allow4_too : programs.allow4)
      }
      await new Promise((resolve) => setImmediate(resolve))
    }
    const tally = await load
    expect(tally.names).toEqual({ here: 2000 })
    expect(tally.errors).toEqual({})
    expect(count(4) + count(5)).toBe(2000)
    expect(Math.min(count(4), count(5))).toBeGreaterThan(0)
    expect(swaps).toBeGreaterThan(100)
    link.close()
    await dialer.close()
  })

  test('that is pinned outlives its handle until it is detached', async () => {
    const pin = join(node.bpffs, 'link')
    const dialer = await node.dialer()
    const link = BpfLink.attachCgroup(programs.refuse4, node.cgroupRoot, 'connect4')
    link.pin(pin)
    link.close()
    expect((await dialer.tcp('127.0.0.1:8080')).error).toBe('EPERM')
    const again = BpfLink.open(pin)
    again.update(programs.allow4)
    expect(again.info().programId).toBe(programs.allow4.info().id)
    expect((await dialer.tcp('127.0.0.1:8080')).name).toBe('here')
    again.update(programs.refuse4)
    again.detach()
    expect((await dialer.tcp('127.0.0.1:8080')).name).toBe('here')
    expect(again.info().cgroupId).toBe(0n)
    again.close()
    await dialer.close()
  })

  test('whose cgroup is gone says so by cgroupId 0', () => {
    const cgroup = join(node.cgroupRoot, 'short-lived')
    mkdirSync(cgroup)
    const link = BpfLink.attachCgroup(programs.allow4, cgroup, 'connect4')
    rmdirSync(cgroup)
    expect(link.info().kind).toBe('cgroup')
    link.close()
  })

  test('is refused with what was tried: another hook, no cgroup, no device', async () => {
    const { allow4 } = programs
    expect(thrown(() => BpfLink.attachCgroup(allow4, node.cgroupRoot, 'connect6'))).toMatchObject({
      code: 'EINVAL',
      op: `attach allow4 to ${node.cgroupRoot}`,
    })
    expect(thrown(() => BpfLink.attachCgroup(allow4, '/proc', 'connect4')).code).toBe('EBADF')
    expect(thrown(() => BpfLink.attachCgroup(allow4, '/nowhere', 'connect4')).code).toBe('ENOENT')
    const tc = await loadFixture(['classify'])
    const classify = tc.program('classify')
    expect(thrown(() => BpfLink.attachTcx(classify, 2 ** 31 - 1, 'ingress', true))).toMatchObject({
      code: 'ENODEV',
    })
    classify.close()
    tc.close()
  })

  test('to a device by tcx goes first or last, is updated in place and detached', async () => {
    const seen = JSON.parse(await node.mustRun([...inside, 'tcx'])) as Record<string, unknown>
    // How often classify, emit and observe ran for one packet. Only observe lets the next decide;
    // emit lets none, so that classify behind it does not run.
    expect(seen).toMatchObject({
      none: [0, 0, 0],
      both: [1, 0, 1],
      swapped: [0, 1, 0],
      info: { kind: 'tcx', attachType: 47, ifindex: 1, cgroupId: '0' },
      detached: { ifindex: 0, sent: [1, 0, 0] },
      closed: [0, 0, 0],
    })
  })
})
