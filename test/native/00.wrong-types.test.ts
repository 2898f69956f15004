/** Every entry refuses what is not of its type, and says so; nothing crashes. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import * as native from '../../native/index.ts'
import { requires } from '../support/requires.ts'
import { fixtureElf, loadFixture, thrown, u32 } from './fixture.ts'

const wrong: readonly unknown[] = [
  undefined,
  null,
  true,
  -1,
  1.5,
  NaN,
  2 ** 32,
  '',
  'a\0b',
  'text',
  10n,
  Symbol('s'),
  {},
  [],
  () => {},
  new ArrayBuffer(8),
  new DataView(new ArrayBuffer(8)),
  new Uint16Array(4),
  new Uint8Array(0),
  new Uint8Array(3),
]

/** Calls with every wrong value in each place; the other places hold what fits. */
function feed(fits: readonly unknown[], call: (...values: unknown[]) => unknown): void {
  for (let place = 0; place < fits.length; place++) {
    for (const value of wrong) {
      const values = fits.map((fit, i) => (i === place ? value : fit))
      try {
        call(...values)
      } catch (error) {
        expect(error).toBeInstanceOf(native.NativeError)
        expect((error as native.NativeError).message).not.toBe('')
      }
    }
  }
}

// The types say what is right; here is what they cannot stop at run time.
const loose = native as unknown as Record<string, (...values: unknown[]) => unknown>

test('functions without a kernel object refuse every wrong type', () => {
  feed([new ArrayBuffer(8), 0, 1n], (...values) => loose['store64']?.(...values))
  feed([new ArrayBuffer(8), 0], (...values) => loose['load64']?.(...values))
  feed([new ArrayBuffer(8), 0, 1, 2], (...values) => loose['store32x2']?.(...values))
  feed(['/nowhere'], (...values) => loose['isBpffs']?.(...values))
  feed(['/nowhere'], (...values) => loose['isCgroup2']?.(...values))
  feed(['/nowhere'], (...values) => loose['mountBpffs']?.(...values))
  feed([6, new Uint8Array(15), 80], (...values) => loose['destroySockets']?.(...values))
  for (const value of [...wrong, 0]) {
    if (value !== 2 ** 32 - 1) expect(() => loose['canary']?.(value)).toThrow(native.NativeError)
  }
})

test('a wrong argument is named with what it must be', () => {
  const text = (action: () => unknown) => thrown(action).message
  expect(text(() => loose['store64']?.(new ArrayBuffer(8), 0, 1))).toBe(
    'store64: ERR_INVALID_ARG: value must be a bigint',
  )
  expect(text(() => loose['destroySockets']?.(6, 'a', 80))).toBe(
    'destroy sockets: ERR_INVALID_ARG: address must be a Uint8Array, got a string',
  )
  expect(text(() => native.destroySockets(6, new Uint8Array(16), 65536))).toBe(
    'destroy sockets: ERR_INVALID_ARG: port must be an integer from 1 to 65535, got 65536',
  )
})

test('classes with a kernel object behind them have no public constructor', () => {
  for (const name of ['BpfMap', 'BpfProgram', 'BpfLink', 'FileLock'] as const) {
    const constructor = native[name] as unknown as new (...values: unknown[]) => unknown
    for (const value of wrong) {
      expect(thrown(() => new constructor(value)).code).toBe('ERR_INVALID_ARG')
    }
    expect(thrown(() => new constructor()).code).toBe('ERR_INVALID_ARG')
  }
})

requires('root', 'bpf')('kernel objects', () => {
  let object: native.BpfObject
  let map: native.BpfMap
  let program: native.BpfProgram
  beforeAll(async () => {
    object = await loadFixture(['classify'])
    map = object.map('pairs')
    program = object.program('classify')
  })
  afterAll(() => {
    for (const handle of [map, program, object]) handle.close()
  })

  test('their methods refuse every wrong type', async () => {
    const key = new Uint8Array(12)
    const value = new Uint8Array(16)
    const call = (target: object, name: string) => {
      const method = (target as Record<string, (...values: unknown[]) => unknown>)[name]
      return (...values: unknown[]) => method?.apply(target, values)
    }
    feed([key], call(map, 'lookup'))
    feed([key, value, 0], call(map, 'update'))
    feed([key], call(map, 'delete'))
    feed([key, value, 1], call(map, 'updateBatch'))
    feed([key, 1], call(map, 'deleteBatch'))
    feed(['/nowhere/pin'], call(map, 'pin'))
    feed(['/nowhere/pin'], call(program, 'pin'))
    feed([{ data: new Uint8Array(64) }], call(program, 'testRun'))
    feed([program, '/nowhere', 'connect4'], call(native.BpfLink, 'attachCgroup'))
    feed([program, 2 ** 31 - 1, 'ingress', true], call(native.BpfLink, 'attachTcx'))
    for (const kind of [native.BpfMap, native.BpfProgram, native.BpfLink]) {
      feed(['/nowhere'], call(kind, 'open'))
    }
    const elf = await fixtureElf()
    const fresh = new native.BpfObject(elf, 'wrong')
    feed(['verdict', u32(1)], call(fresh, 'setKnob'))
    feed(['pairs', 10], call(fresh, 'setMaxEntries'))
    feed(['pairs', map], call(fresh, 'reuseMap'))
    feed(['classify', true], call(fresh, 'setAutoload'))
    fresh.close()
    feed([elf, 'name'], (...values) => {
      const made = new native.BpfObject(...(values as [Uint8Array, string]))
      made.close()
    })
  })

  test('a handle of one kind is no handle of another, nor is what pretends to be one', () => {
    const fakes = [object, program, Object.create(native.BpfMap.prototype) as object]
    for (const fake of fakes) {
      const ring = () => new native.RingBuffer(fake as native.BpfMap, 16, () => {})
      expect(thrown(ring).message).toContain('the map must be a BpfMap')
    }
    const lookup = native.BpfMap.prototype.lookup as (this: unknown, key: Uint8Array) => unknown
    expect(() => lookup.call(program, new Uint8Array(12))).toThrow('Illegal invocation')
  })

  test('a getter that takes the packet away in the middle of the call harms nobody', () => {
    const data = new Uint8Array(64)
    const options = {
      data,
      get context(): Uint8Array {
        structuredClone(data, { transfer: [data.buffer] })
        return new Uint8Array(0)
      },
    }
    expect(thrown(() => program.testRun(options)).code).toBe('EINVAL')
  })
})
