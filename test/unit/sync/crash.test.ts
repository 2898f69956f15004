/** A kill at every single write, then a cold restart: what programs see in between and after. */
import { expect, test } from 'vitest'
import type { DesiredService } from '../../../agent/desired/desired.ts'
import { fakeMaps } from '../../../agent/maps/fake.ts'
import { listMembers } from '../../../agent/maps/members.ts'
import { readBackend, readRegion } from '../../../agent/maps/regions.ts'
import type { Maps } from '../../../agent/maps/table.ts'
import { dumpText } from '../../../agent/maps/text.ts'
import { formatEndpoint } from '../../../agent/model/address.ts'
import { Actual } from '../../../agent/sync/actual.ts'
import { adopt, orphans } from '../../../agent/sync/adopt.ts'
import { apply } from '../../../agent/sync/apply.ts'
import { readRestored } from '../../../agent/sync/restore.ts'
import { Stock, isShortage } from '../../../agent/sync/stock.ts'
import { service } from '../../support/wish.ts'
import { World, dial } from '../../support/world.ts'

class Killed extends Error {}

const frontends = [
  '10.96.0.1:80',
  '+198.51.100.9:80',
  '10.96.0.2:80',
  '10.96.0.3:80',
  '10.96.0.4:80',
]

const before: DesiredService[] = [
  service('changes', {
    p: {
      frontends: ['10.96.0.1:80', '+198.51.100.9:80'],
      backends: ['10.1.0.1:8080', '10.1.0.2:8080'],
    },
  }),
  service('goes', { p: { frontends: ['10.96.0.2:80'], backends: ['10.2.0.1:8080'] } }),
  service('stays', { p: { frontends: ['10.96.0.4:80'], backends: ['10.4.0.1:8080'] } }),
]

/** One of each: backends change, a frontend moves on, one goes, one comes, one header changes. */
const after: DesiredService[] = [
  service('changes', {
    p: {
      frontends: ['10.96.0.1:80'],
      backends: ['10.1.0.1:8080', '10.1.0.3:8080', '10.1.0.4:8080'],
    },
  }),
  service('comes', {
    p: { frontends: ['10.96.0.3:80', '+198.51.100.9:80'], backends: ['10.3.0.1:8080'] },
  }),
  service('stays', {
    p: { frontends: ['10.96.0.4:80'], backends: ['10.4.0.1:8080'], affinityTimeout_s: 600 },
  }),
]

async function settled(services: readonly DesiredService[], maps: Maps): Promise<World> {
  const world = new World(maps)
  world.set(...services)
  await world.begin()
  await world.settle()
  return world
}

async function textOf(services: readonly DesiredService[]): Promise<string> {
  const maps = fakeMaps()
  await settled(services, maps)
  return dumpText(maps)
}

function views(maps: Maps): string[] {
  return frontends.map((text) => dial(maps, text))
}

/** What `frontend` may read while one set replaces the other. */
function allowed(was: readonly string[], is: readonly string[]): Set<string>[] {
  return frontends.map((text, i) => {
    const both = new Set([was[i] ?? '', is[i] ?? ''])
    // It leaves a Service whose backends change as well: until it is moved it follows its old one.
    if (text === '+198.51.100.9:80') both.add(is[0] ?? '')
    return both
  })
}

/** Every member that a program would trust must lead to the very backend it stands for. */
function misleadingMembers(maps: Maps, known: Map<number, string>): string[] {
  const wrong: string[] = []
  for (const { serviceId, backendId, region, offset, isSealed } of listMembers(maps.members)) {
    if (!isSealed || readRegion(maps.backends, region).serviceId !== serviceId) continue
    const { id, addr, port } = readBackend(maps.backends, region, offset)
    if (id !== backendId) continue
    const text = formatEndpoint(addr, port)
    if ((known.get(backendId) ?? text) !== text) wrong.push(`${backendId} is ${text}`)
    known.set(backendId, text)
  }
  return wrong
}

/** Writes until the k-th write, which is not made; true if it got that far. */
async function change(
  maps: ReturnType<typeof fakeMaps>,
  k: number,
  look: () => void,
): Promise<boolean> {
  const restored = readRestored(maps)
  const actual = new Actual()
  for (const [key, ports] of adopt(restored, before)) actual.setPorts(key, ports)
  const stock = new Stock(maps, actual, restored.inventory)
  const keys = new Map([...before, ...after].map((one) => [one.key, service(one.ref.name, {})]))
  for (const one of after) keys.set(one.key, one)
  let writes = 0
  maps.onWrite = () => {
    look()
    if (++writes === k) throw new Killed()
  }
  try {
    const changes = [...keys.values()].map((wish) => stock.reserve(wish))
    expect(actual.portsOf(orphans)).toEqual([])
    const reserved = changes.flatMap((one) => (isShortage(one) ? [] : one))
    apply(reserved, maps, stock, actual)
    return false
  } catch (error) {
    if (!(error instanceof Killed)) throw error
    return true
  } finally {
    maps.onWrite = undefined
    look()
  }
}

test('killed at any write, no frontend ever reads anything but its old or its new set', async () => {
  const expected = await textOf(after)
  const was = fakeMaps()
  await settled(before, was)
  const is = fakeMaps()
  await settled(after, is)
  const sets = allowed(views(was), views(is))
  let k = 1
  for (let isKilled = true; isKilled; k++) {
    const maps = fakeMaps()
    await settled(before, maps)
    const known = new Map<number, string>()
    const look = (): void => {
      views(maps).forEach((view, i) => expect([...(sets[i] ?? [])]).toContain(view))
      expect(misleadingMembers(maps, known)).toEqual([])
    }
    isKilled = await change(maps, k, look)
    // The next agent, which may be killed as well before it is through.
    maps.onWrite = look
    await settled(after, maps)
    maps.onWrite = undefined
    expect(dumpText(maps)).toBe(expected)
  }
  expect(k).toBeGreaterThan(10)
})

test('killed twice, at any write and at any write of the repair, the third agent ends it', async () => {
  const expected = await textOf(after)
  for (let k = 1; k <= 18; k++) {
    for (let again = 1; again <= 12; again += 2) {
      const maps = fakeMaps()
      await settled(before, maps)
      await change(maps, k, () => {})
      let writes = 0
      maps.onWrite = () => {
        if (++writes === again) throw new Killed()
      }
      const second = new World(maps)
      second.set(...after)
      await second.begin().catch((error: unknown) => {
        if (!(error instanceof Killed)) throw error
      })
      second.sync.stop()
      maps.onWrite = undefined
      await settled(after, maps)
      expect(dumpText(maps)).toBe(expected)
    }
  }
})
