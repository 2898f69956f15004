/** Whatever happened before, the maps are a pure function of the wishes. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { DesiredService } from '../../../agent/desired/desired.ts'
import { fakeMaps } from '../../../agent/maps/fake.ts'
import type { FakeMaps } from '../../../agent/maps/fake.ts'
import { faultyMaps } from '../../../agent/maps/faulty.ts'
import { listMembers } from '../../../agent/maps/members.ts'
import { dumpText } from '../../../agent/maps/text.ts'
import { service } from '../../support/wish.ts'
import { World } from '../../support/world.ts'

class Killed extends Error {}

type Step =
  | {
      readonly do: 'set'
      readonly service: number
      readonly frontends: number[]
      readonly backends: number[]
    }
  | { readonly do: 'delete'; readonly service: number }
  | { readonly do: 'settle' }
  /** The agent dies after `writes` more writes, or while idle; changes go on meanwhile. */
  | { readonly do: 'kill'; readonly writes: number }
  | { readonly do: 'start' }

const few = fc.uniqueArray(fc.nat(5), { maxLength: 4 })
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('set' as const),
      service: fc.nat(3),
      frontends: few,
      backends: few,
    }),
  },
  fc.record({ do: fc.constant('delete' as const), service: fc.nat(3) }),
  { weight: 2, arbitrary: fc.constant({ do: 'settle' as const }) },
  fc.record({ do: fc.constant('kill' as const), writes: fc.nat(12) }),
  { weight: 2, arbitrary: fc.constant({ do: 'start' as const }) },
)

/** Who has what; a frontend belongs to one Service at a time, the last that asked for it. */
class Owners {
  readonly #wishes = new Map<number, { frontends: Set<number>; backends: number[] }>()

  set(one: number, frontends: readonly number[], backends: number[]): number[] {
    const changed = [one]
    for (const [other, wish] of this.#wishes) {
      if (other === one) continue
      const before = wish.frontends.size
      for (const frontend of frontends) wish.frontends.delete(frontend)
      // The winner comes first, as `Compiler.claim` has it.
      if (wish.frontends.size < before) changed.push(other)
    }
    this.#wishes.set(one, { frontends: new Set(frontends), backends })
    return changed
  }

  delete(one: number): void {
    this.#wishes.delete(one)
  }

  wish(one: number): DesiredService {
    const { frontends, backends } = this.#wishes.get(one) ?? { frontends: new Set(), backends: [] }
    if (frontends.size === 0) return service(`s${one}`, {})
    const texts = [...frontends].sort().map((n) => `10.96.0.${n}:80`)
    const endpoints = [...backends].sort().map((n) => `10.244.${one}.${n}:8080`)
    return service(`s${one}`, { p: { frontends: texts, backends: endpoints } })
  }

  all(): DesiredService[] {
    return [...this.#wishes.keys()]
      .map((one) => this.wish(one))
      .filter(({ ports }) => ports.length > 0)
  }
}

async function fresh(services: readonly DesiredService[]): Promise<string> {
  const maps = fakeMaps()
  const world = new World(maps)
  world.set(...services)
  await world.begin()
  return dumpText(maps)
}

/** Runs steps; the agent of `world` may be dead at the end. */
class Play {
  readonly owners = new Owners()
  readonly #world: World
  readonly #fake: FakeMaps
  #isAlive = false

  constructor(world: World, fake: FakeMaps) {
    this.#world = world
    this.#fake = fake
  }

  async run(step: Step): Promise<void> {
    const world = this.#world
    switch (step.do) {
      case 'set': {
        const changed = this.owners.set(step.service, step.frontends, step.backends)
        world.set(...changed.map((one) => this.owners.wish(one)))
        return
      }
      case 'delete':
        this.owners.delete(step.service)
        return world.delete(`s${step.service}`)
      case 'settle':
        if (this.#isAlive) await world.settle()
        return
      case 'kill':
        return this.#kill(step.writes)
      case 'start':
        return this.start()
    }
  }

  async start(): Promise<void> {
    if (this.#isAlive) return
    this.#isAlive = true
    await this.#world.begin()
  }

  /** Not in the middle of a batch of the loop, whose error would end the test: at the next begin. */
  async #kill(writes: number): Promise<void> {
    const world = this.#world
    world.kill()
    this.#isAlive = false
    let left = writes
    this.#fake.onWrite = () => {
      if (left-- === 0) throw new Killed()
    }
    try {
      await world.begin()
    } catch (error) {
      if (!(error instanceof Killed)) throw error
    }
    this.#fake.onWrite = undefined
    world.kill()
  }
}

test('changes, kills and restarts in any order come to the maps of a fresh start', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { maxLength: 25 }), async (steps) => {
      const maps = fakeMaps()
      const world = new World(maps)
      const play = new Play(world, maps)
      for (const step of steps) await play.run(step)
      await play.start()
      expect(await world.settle()).toBe(true)
      expect(dumpText(maps)).toBe(await fresh(play.owners.all()))
    }),
    { numRuns: 150 },
  )
})

test('the same holds when every tenth map operation fails', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { maxLength: 20 }), fc.integer(), async (steps, seed) => {
      const maps = fakeMaps()
      const options = { rate: 0.1, seed }
      const world = new World(faultyMaps(maps, options))
      const play = new Play(world, maps)
      const isKill = ({ do: what }: Step): boolean => what === 'kill' || what === 'start'
      // A start that fails waits for the clock: the steps here run under one agent.
      options.rate = 0
      await play.start()
      options.rate = 0.1
      for (const step of steps) if (!isKill(step)) await play.run(step)
      expect(await world.settle(600_000)).toBe(true)
      expect(dumpText(maps)).toBe(await fresh(play.owners.all()))
    }),
    { numRuns: 100 },
  )
})

test('a backend keeps its id while its address and port stay, and no id is given twice', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { maxLength: 25 }), async (steps) => {
      const maps = fakeMaps()
      const world = new World(maps)
      const play = new Play(world, maps)
      await play.start()
      const seen = new Map<number, number>()
      for (const step of steps) {
        await play.run(step)
        await play.start()
        await world.settle()
        for (const { backendId, serviceId } of listMembers(maps.members)) {
          expect(seen.get(backendId) ?? serviceId).toBe(serviceId)
          seen.set(backendId, serviceId)
        }
      }
    }),
    { numRuns: 60 },
  )
})
