/** Opening, tuning and loading a compiled object. */
import { expect, test } from 'vitest'
import { BpfObject } from '../../native/index.ts'
import { requires } from '../support/requires.ts'
import { fixtureElf, loadFixture, thrown, u32 } from './fixture.ts'

const packet = { data: new Uint8Array(64) }

requires('root', 'bpf')('an object', () => {
  test('names its maps and programs before anything is loaded', async () => {
    const object = new BpfObject(await fixtureElf(), 'fixture')
    expect(object.mapNames()).toEqual(
      expect.arrayContaining(['pairs', 'cells', 'counters', 'prefixes', 'stored', 'events']),
    )
    expect(object.programNames()).toEqual(expect.arrayContaining(['classify', 'allow4']))
    expect(thrown(() => object.map('pairs')).message).toContain('only after load()')
    object.close()
  })

  test('runs with the knob that was set before load, and with its default without', async () => {
    for (const [value, expected] of [
      [undefined, 7],
      [99, 99],
    ] as const) {
      const object = await loadFixture(['classify'], (fresh) => {
        if (value !== undefined) fresh.setKnob('verdict', u32(value))
      })
      const program = object.program('classify')
      expect(program.testRun(packet).returnValue).toBe(expected)
      program.close()
      object.close()
    }
  })

  test('refuses a knob of another width, an unknown one, and any tuning after load', async () => {
    const object = new BpfObject(await fixtureElf(), 'fixture')
    expect(thrown(() => object.setKnob('verdict', new Uint8Array(3))).message).toBe(
      'set knob verdict in object fixture: ERR_INVALID_ARG: value must be 4 bytes, got 3',
    )
    expect(thrown(() => object.setKnob('nothing', u32(1))).code).toBe('ERR_NOT_FOUND')
    expect(thrown(() => object.setMaxEntries('nothing', 1)).code).toBe('ERR_NOT_FOUND')
    expect(thrown(() => object.setAutoload('nothing', true)).code).toBe('ERR_NOT_FOUND')
    object.close()
    const loaded = await loadFixture()
    expect(thrown(() => loaded.setKnob('verdict', u32(1))).message).toContain('only before load()')
    expect(thrown(() => loaded.setMaxEntries('pairs', 1)).message).toContain('only before load()')
    expect(thrown(() => loaded.load()).message).toContain('only before load()')
    expect(thrown(() => loaded.program('classify')).message).toContain('left it out')
    loaded.close()
  })

  test('makes maps of the size that was set', async () => {
    const object = await loadFixture([], (fresh) => fresh.setMaxEntries('pairs', 33))
    const map = object.map('pairs')
    expect(map.info()).toMatchObject({ name: 'pairs', type: 1, keySize: 12, valueSize: 16 })
    expect(map.info().maxEntries).toBe(33)
    expect(map.info().memoryBytes).toBeGreaterThan(0)
    map.close()
    object.close()
  })

  test('a program that the verifier refuses fails with its words in the message and its log', async () => {
    const error = await loadFixture(['unsound']).then(
      () => undefined,
      (reason: unknown) => reason,
    )
    const failure = thrown(() => {
      throw error
    })
    expect(failure).toMatchObject({ code: 'EACCES', op: 'load object fixture' })
    expect(failure.message).toMatch(/R\d invalid mem access 'map_value_or_null'/)
    expect(failure.log).toContain('BEGIN PROG LOAD LOG')
    expect(failure.log).toContain('unsound')
  })

  test('takes an existing map, and refuses one of another type or size', async () => {
    const first = await loadFixture()
    const [cells, pairs] = [first.map('cells'), first.map('pairs')]
    cells.update(u32(0), new Uint8Array(8).fill(1))
    const second = await loadFixture(['classify'], (fresh) => {
      fresh.reuseMap('cells', cells)
      expect(thrown(() => fresh.reuseMap('pairs', cells)).message).toMatch(
        /^reuse map pairs .*EINVAL.*type is 2/,
      )
      expect(thrown(() => fresh.reuseMap('cells', pairs)).code).toBe('EINVAL')
    })
    const shared = second.map('cells')
    expect(shared.info().id).toBe(cells.info().id)
    const program = second.program('classify')
    program.testRun(packet)
    expect(cells.lookup(u32(0))).toEqual(Buffer.from([2, 1, 1, 1, 1, 1, 1, 1]))
    for (const handle of [cells, pairs, shared, program, first, second]) handle.close()
  })

  test('maps and programs live on after the object is closed', async () => {
    const object = await loadFixture(['classify'])
    const [map, program] = [object.map('cells'), object.program('classify')]
    object.close()
    object.close()
    expect(program.testRun(packet).returnValue).toBe(7)
    expect(map.lookup(u32(0))?.readBigUInt64LE()).toBe(1n)
    map.close()
    program.close()
  })

  test('a file that is no BPF object is refused before libbpf sees it', async () => {
    const elf = await fixtureElf()
    const why = (bytes: Uint8Array) => thrown(() => new BpfObject(bytes, 'bad')).message
    expect(why(new Uint8Array(0))).toContain('it is only 0 bytes')
    expect(why(new Uint8Array(100))).toContain('it is no ELF file')
    expect(why(elf.subarray(0, elf.length / 2))).toContain('cut off')
    const machine = Buffer.from(elf)
    machine.writeUInt16LE(62, 18)
    expect(why(machine)).toContain('it is no BPF object (machine 62)')
    const section = Buffer.from(elf)
    section.writeBigUInt64LE(1n << 40n, Number(elf.readBigUInt64LE(40)) + 64 + 32)
    expect(why(section)).toContain('its section 1 is cut off')
  })

  test('a cut or damaged file never crashes, wherever the damage is', async () => {
    const elf = await fixtureElf()
    for (let at = 0; at < elf.length; at += 61) {
      const damaged = Buffer.from(elf)
      damaged[at] = (damaged[at] ?? 0) ^ 0xff
      for (const bytes of [damaged, elf.subarray(0, at)]) {
        try {
          new BpfObject(bytes, 'damaged').close()
        } catch (error) {
          thrown(() => {
            throw error
          })
        }
      }
    }
  })
})
