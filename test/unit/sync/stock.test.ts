import { describe, expect, test } from 'vitest'
import { Counter, ServiceIds } from '../../../agent/sync/ids.ts'
import { Quarantine } from '../../../agent/sync/quarantine.ts'
import type { Freed } from '../../../agent/sync/quarantine.ts'
import { Retries } from '../../../agent/sync/retries.ts'
import { Slots } from '../../../agent/sync/slots.ts'
import { manualClock } from '../../support/clock.ts'
import { turn } from '../../support/world.ts'

describe('service ids', () => {
  test('an id that came back is given away last', () => {
    const ids = new ServiceIds(5)
    expect([ids.take(), ids.take()]).toEqual([1, 2])
    ids.give(1)
    expect([ids.take(), ids.take(), ids.take()]).toEqual([3, 4, 1])
    expect(ids.take()).toBeUndefined()
  })

  test('ids found in force are not given away, gaps between them are, after fresh ones', () => {
    const ids = new ServiceIds(6, new Set([1, 3]))
    expect(ids.available).toBe(3)
    expect([ids.take(), ids.take(), ids.take(), ids.take()]).toEqual([4, 5, 2, undefined])
  })
})

describe('backend ids and generations', () => {
  function saved(value = 0) {
    return { value, read: () => saved_.value, write: (next: number) => (saved_.value = next) }
  }
  let saved_ = { value: 0 }

  test('what is saved lies ahead of what is in use, so a kill gives none away twice', () => {
    const cell = (saved_ = saved())
    const first = new Counter(cell, 10)
    expect(cell.value).toBe(0)
    expect([first.take(), first.take()]).toEqual([1, 2])
    expect(cell.value).toBe(11)
    expect(new Counter(cell, 10).take()).toBe(11)
  })

  test('a lost save is made up for by what was found in the maps', () => {
    const cell = (saved_ = saved())
    expect(new Counter(cell, 10, 500).take()).toBe(500)
  })

  test('after four billion they begin again at one, never at zero', () => {
    const cell = (saved_ = saved(2 ** 32 - 10))
    const counter = new Counter(cell, 10)
    const taken = Array.from({ length: 11 }, () => counter.take())
    expect(taken.slice(-2)).toEqual([2 ** 32 - 1, 1])
    expect(cell.value).toBe(11)
  })
})

describe('slots', () => {
  test('slot 0 is never given away', () => {
    const slots = new Slots(4)
    expect([slots.take(3), slots.take(1)]).toEqual([1, undefined])
  })

  test('a region that came back is used again for the same size', () => {
    const slots = new Slots(100)
    const region = slots.take(5) ?? 0
    slots.take(5)
    slots.give(region, 5)
    expect(slots.take(5)).toBe(region)
  })

  test('neighbours that came back are joined when nothing else fits', () => {
    const slots = new Slots(13)
    const regions = [slots.take(3), slots.take(3), slots.take(3), slots.take(3)]
    expect(regions).toEqual([1, 4, 7, 10])
    slots.give(4, 3)
    slots.give(7, 3)
    expect(slots.available).toBe(6)
    expect(slots.take(6)).toBe(4)
    expect(slots.available).toBe(0)
  })

  test('regions found in force are left alone, also where a damaged map has them overlap', () => {
    const slots = new Slots(20, [
      { region: 12, slots: 4 },
      { region: 2, slots: 4 },
      { region: 3, slots: 5 },
    ])
    expect(slots.available).toBe(1 + 4 + 4)
    const taken = [slots.take(4), slots.take(4), slots.take(1), slots.take(1)]
    expect(taken).toEqual([8, 16, 1, undefined])
  })

  test('random takes and gives never hand out a slot twice', () => {
    const capacity = 200
    const slots = new Slots(capacity)
    const owner = new Uint8Array(capacity)
    const held: { region: number; n: number }[] = []
    let seed = 1
    const random = (n: number): number => (seed = (seed * 48271) % 2147483647) % n
    for (let i = 0; i < 5000; i++) {
      const n = 1 + random(12)
      const region = random(3) > 0 ? slots.take(n) : undefined
      if (region !== undefined) {
        for (let slot = region; slot < region + n; slot++) expect(++owner[slot]!).toBe(1)
        held.push({ region, n })
      } else if (held.length > 0) {
        const [gone] = held.splice(random(held.length), 1)
        if (gone === undefined) continue
        owner.fill(0, gone.region, gone.region + gone.n)
        slots.give(gone.region, gone.n)
      }
      expect(slots.available).toBe(capacity - 1 - held.reduce((sum, { n }) => sum + n, 0))
    }
  })
})

describe('quarantine', () => {
  function make(barriers: (() => void)[], fails: () => boolean = () => false) {
    const freed: Freed[] = []
    const clock = manualClock()
    const quarantine = new Quarantine({
      barrier: () =>
        new Promise((resolve, reject) =>
          barriers.push(() => (fails() ? reject(new Error('no')) : resolve())),
        ),
      after: (delay_ms, run) => clock.after(delay_ms, run),
      onFree: (one) => freed.push(one),
    })
    return { quarantine, freed, clock }
  }
  const region = (n: number): Freed => ({ regions: [{ region: n, slots: 1 }], ids: [n] })

  test('nothing comes free before a barrier that began after it was replaced', async () => {
    const barriers: (() => void)[] = []
    const { quarantine, freed } = make(barriers)
    quarantine.add(region(1))
    quarantine.add(region(2))
    expect(barriers).toHaveLength(1)
    barriers[0]?.()
    await turn()
    expect(freed).toEqual([region(1)])
    barriers[1]?.()
    await turn()
    expect(freed).toEqual([region(1), region(2)])
    expect(quarantine.isBusy).toBe(false)
  })

  test('a barrier that fails frees nothing and is tried again', async () => {
    const barriers: (() => void)[] = []
    let isFailing = true
    const { quarantine, freed, clock } = make(barriers, () => isFailing)
    quarantine.add(region(1))
    barriers[0]?.()
    await turn()
    expect([freed, quarantine.isHopeful]).toEqual([[], false])
    isFailing = false
    clock.advance(100)
    barriers[1]?.()
    await turn()
    expect(freed).toEqual([region(1)])
  })
})

describe('retries', () => {
  test('wait 100 ms, then twice as long each time, up to 30 s', () => {
    const clock = manualClock()
    const times: number[] = []
    const retries = new Retries(clock, (keys) => {
      times.push(clock.monotonic_ms())
      for (const key of keys) retries.fail(key, 'again')
    })
    retries.fail('default/web', 'first')
    clock.advance(120_000)
    const waits = times.map((time, i) => time - (times[i - 1] ?? 0))
    expect(waits.slice(0, 4)).toEqual([100, 200, 400, 800])
    expect(waits.slice(-2)).toEqual([30_000, 30_000])
  })

  test('one that succeeds begins anew; each has its own pace', () => {
    const clock = manualClock()
    const due: string[] = []
    const retries = new Retries(clock, (keys) => void due.push(...keys))
    retries.fail('a', 'x')
    retries.fail('a', 'x')
    retries.fail('b', 'x')
    clock.advance(100)
    expect(due).toEqual(['b'])
    retries.succeed('b')
    clock.advance(100)
    expect(due).toEqual(['b', 'a'])
    expect(retries.failed()).toEqual([{ key: 'a', message: 'x', attempts: 2 }])
    retries.stop()
    expect(clock.pending()).toBe(0)
  })
})
