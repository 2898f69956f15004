import { describe, expect, test } from 'vitest'
import { fakeMaps, writesOf } from '../../../agent/maps/fake.ts'
import { listFrontends, rowKeyBytes } from '../../../agent/maps/frontends.ts'
import { listMembers } from '../../../agent/maps/members.ts'
import { listServices, readService, storeService } from '../../../agent/maps/services.ts'
import { MapError } from '../../../agent/maps/table.ts'
import type { Maps } from '../../../agent/maps/table.ts'
import { dumpMap, dumpText } from '../../../agent/maps/text.ts'
import { formatEndpoint } from '../../../agent/model/address.ts'
import { readRestored } from '../../../agent/sync/restore.ts'
import { service } from '../../support/wish.ts'
import { World, dial, turn } from '../../support/world.ts'

const web = (...backends: string[]) =>
  service('web', { p: { frontends: ['10.96.0.1:80'], backends } })
const dns = (...backends: string[]) =>
  service('dns', { p: { frontends: ['10.96.0.10:53/UDP'], backends } })

async function running(maps: Maps, ...services: ReturnType<typeof web>[]): Promise<World> {
  const world = new World(maps)
  world.set(...services)
  await world.begin()
  await world.settle()
  return world
}

/** The first `n` writes to `map` fail. */
function failing(maps: Maps, map: 'frontends' | 'members', n: number): Maps {
  const table = maps[map]
  const fail = (): void => {
    if (n-- > 0) throw new MapError(`write ${map}: ENOMEM`, { code: 'ENOMEM', map })
  }
  return {
    ...maps,
    [map]: {
      ...table,
      setBatch: (...args: Parameters<typeof table.setBatch>) => (fail(), table.setBatch(...args)),
    },
  }
}

describe('before everything is listed', () => {
  test('nothing is written', async () => {
    const maps = fakeMaps()
    const world = new World(maps)
    world.set(web('10.1.0.1:80'))
    await turn()
    expect(writesOf(maps)).toBe(0)
    expect(world.sync.stateOf('default/web').state).toBe('Pending')
  })

  test('nothing is removed that an earlier agent left', async () => {
    const maps = fakeMaps()
    await running(maps, web('10.1.0.1:80'))
    const world = new World(maps)
    world.sync.mark(['default/web'])
    await turn()
    expect(dial(maps, '10.96.0.1:80')).toBe('10.1.0.1:80')
  })
})

describe('one change', () => {
  test('writes entries of that Service only, however many there are', async () => {
    const maps = fakeMaps()
    const others = Array.from({ length: 100 }, (_, i) =>
      service(`s${i}`, { p: { frontends: [`10.97.0.${i}:80`], backends: ['10.2.0.1:80'] } }),
    )
    const world = await running(maps, web('10.1.0.1:80', '10.1.0.2:80'), ...others)
    world.reports.length = 0
    world.set(web('10.1.0.1:80', '10.1.0.3:80'))
    await world.settle()
    const writes = { frontends: 0, members: 3, services: 1, backends: 3 }
    expect(world.reports.map((report) => report.writes)).toEqual([writes])
  })

  test('that changes nothing writes nothing', async () => {
    const maps = fakeMaps()
    const world = await running(maps, web('10.1.0.1:80'))
    const before = writesOf(maps)
    world.set(web('10.1.0.1:80'))
    await world.settle()
    expect(writesOf(maps)).toBe(before)
  })

  test('names the backends that went, with their protocol', async () => {
    const world = await running(fakeMaps(), dns('10.1.0.1:53', '10.1.0.2:53'))
    world.set(dns('10.1.0.2:53'))
    await world.settle()
    world.delete('dns')
    await world.settle()
    const texts = world.removed.map(
      ({ protocol, address, port }) => `${protocol} ${formatEndpoint(address, port)}`,
    )
    expect(texts).toEqual(['17 10.1.0.1:53', '17 10.1.0.2:53'])
  })

  test('many marks in one turn make one batch', async () => {
    const world = await running(fakeMaps())
    world.reports.length = 0
    world.set(web('10.1.0.1:80'))
    world.set(web('10.1.0.2:80'))
    world.set(dns('10.1.0.3:53'))
    await world.settle()
    expect(world.reports.map(({ services_n }) => services_n)).toEqual([2])
  })
})

describe('a write that fails', () => {
  test('holds up no other Service, shows in status, and is tried again', async () => {
    const fake = fakeMaps()
    // The batch of both, then the one of web alone.
    const world = new World(failing(fake, 'members', 2))
    await world.begin()
    world.set(web('10.1.0.1:80'), dns('10.1.0.2:53'))
    await turn()
    expect([dial(fake, '10.96.0.1:80'), dial(fake, '10.96.0.10:53/UDP')]).toEqual([
      'pass',
      '10.1.0.2:53',
    ])
    expect(world.sync.status().failed).toEqual([
      { key: 'default/web', message: 'write members: ENOMEM', attempts: 1 },
    ])
    expect(world.sync.stateOf('default/web').state).toBe('Error')
    expect(world.sync.stateOf('default/dns').state).toBe('Done')
    world.clock.advance(100)
    await turn()
    expect(dial(fake, '10.96.0.1:80')).toBe('10.1.0.1:80')
    expect(world.sync.status().failed).toEqual([])
  })

  test('becomes a problem of the Service when it lasts, and none when it is over', async () => {
    const fake = fakeMaps()
    const world = new World(failing(fake, 'frontends', 4))
    await world.begin()
    world.set(web('10.1.0.1:80'))
    await turn()
    expect(world.sync.status().problems).toEqual([])
    world.clock.advance(300)
    await turn()
    world.clock.advance(200)
    await turn()
    expect(world.sync.status().problems.map(({ reason }) => reason)).toEqual(['MapWriteFailed'])
    expect(await world.settle()).toBe(true)
    expect(world.sync.status().problems).toEqual([])
    expect(world.problems.map(({ reason }) => reason)).toEqual(['MapWriteFailed'])
  })

  test('a mistake in the rules of one Service does not cost the others theirs', async () => {
    const maps = fakeMaps()
    const world = await running(maps)
    const get = world.wishes.get.bind(world.wishes)
    world.wishes.get = (key) => {
      if (key === 'default/web') throw new Error('mistake')
      return get(key)
    }
    world.set(web('10.1.0.1:80'), dns('10.1.0.2:53'))
    await turn()
    expect(dial(maps, '10.96.0.10:53/UDP')).toBe('10.1.0.2:53')
    expect(world.sync.stateOf('default/web').message).toContain('mistake')
  })

  test('a removal that failed half-way is wanted again, and is whole', async () => {
    const fake = fakeMaps()
    let isFailing = false
    const maps = {
      ...fake,
      members: {
        ...fake.members,
        deleteBatch: (keys: Parameters<typeof fake.members.deleteBatch>[0]) => {
          if (isFailing) throw new MapError('no', { code: 'EAGAIN', map: 'members' })
          return fake.members.deleteBatch(keys)
        },
      },
    }
    const world = await running(maps, web('10.1.0.1:80', '10.1.0.2:80'))
    const before = dumpText(fake)
    isFailing = true
    world.delete('web')
    await turn()
    expect(dial(fake, '10.96.0.1:80')).toBe('pass')
    isFailing = false
    world.set(web('10.1.0.1:80', '10.1.0.2:80'))
    expect(await world.settle()).toBe(true)
    expect(dumpText(fake)).toBe(before)
    expect(world.sync.available().members).toBe(fake.members.capacity - 2)
    expect(world.sync.available().frontends).toBe(fake.frontends.capacity - 1)
  })
})

describe('a map that is too small', () => {
  test('says which, for whom, and what to do, and counts slots in quarantine as used', async () => {
    const maps = fakeMaps({ backends: 6 })
    const world = await running(maps, web('10.1.0.1:80', '10.1.0.2:80'))
    world.set(web('10.1.0.1:80', '10.1.0.2:80', '10.1.0.3:80'))
    await turn()
    expect(dial(maps, '10.96.0.1:80')).toBe('10.1.0.1:80 10.1.0.2:80')
    const [problem] = world.sync.status().problems
    expect(problem).toMatchObject({ reason: 'MapFull', ref: { name: 'web' } })
    expect(problem?.message).toContain('map backends holds 6 entries and has 2 left where 4')
    expect(problem?.remedy).toContain('backends')
  })

  test('is waited for as long as a barrier may free enough', async () => {
    const maps = fakeMaps({ backends: 5 })
    let pass = (): void => {}
    const barrier = () => new Promise<void>((resolve) => (pass = resolve))
    const world = await running({ ...maps, barrier }, web('10.1.0.1:80'))
    world.set(web('10.1.0.2:80'))
    await turn()
    world.set(web('10.1.0.3:80'))
    await turn()
    expect(dial(maps, '10.96.0.1:80')).toBe('10.1.0.2:80')
    expect(world.sync.stateOf('default/web').state).toBe('Pending')
    pass()
    await turn()
    expect(dial(maps, '10.96.0.1:80')).toBe('10.1.0.3:80')
    expect(world.problems).toEqual([])
  })

  test('no ids, no members, no frontends: nothing of the Service is written', async () => {
    for (const size of ['services', 'members', 'frontends'] as const) {
      const maps = fakeMaps({ [size]: size === 'services' ? 2 : 1 })
      const world = await running(maps, web('10.1.0.1:80'))
      const before = writesOf(maps)
      world.set(dns('10.1.0.2:53'))
      await turn()
      expect(writesOf(maps)).toBe(before)
      expect(world.sync.status().problems[0]?.message).toContain(`map ${size}`)
      world.delete('web')
      expect(await world.settle()).toBe(true)
      expect(dial(maps, '10.96.0.10:53/UDP')).toBe('10.1.0.2:53')
    }
  })
})

describe('a restart', () => {
  test('goes on with the ids of before, and writes nothing', async () => {
    const maps = fakeMaps()
    const world = await running(maps, web('10.1.0.1:80'), dns('10.1.0.2:53'))
    const numbers = (['services', 'backends', 'members', 'meta'] as const).flatMap((name) =>
      dumpMap(maps, name),
    )
    const before = writesOf(maps)
    world.kill()
    await world.begin()
    await world.settle()
    expect(writesOf(maps)).toBe(before)
    const now = (['services', 'backends', 'members', 'meta'] as const).flatMap((name) =>
      dumpMap(maps, name),
    )
    expect(now).toEqual(numbers)
  })

  test('removes what belongs to none any more, and gives its ids and slots back', async () => {
    const maps = fakeMaps()
    const world = await running(maps, web('10.1.0.1:80'), dns('10.1.0.2:53'))
    world.kill()
    world.wishes.delete('default/dns')
    await world.begin()
    await world.settle()
    expect(dial(maps, '10.96.0.10:53/UDP')).toBe('pass')
    expect(dumpText(maps)).not.toContain('BAD')
    expect(world.sync.available()).toMatchObject({ backends: 4095 - 2, services: 254 })
  })

  test('torn and alien entries are written anew or removed', async () => {
    const maps = fakeMaps()
    const world = await running(maps, web('10.1.0.1:80'))
    const good = dumpText(maps)
    world.kill()
    const [entry] = listFrontends(maps.frontends)
    const key = rowKeyBytes(entry?.row ?? '')
    maps.frontends.set(key, new Uint8Array(24).fill(0xff))
    maps.frontends.set(new Uint8Array(20).fill(7), new Uint8Array(24).fill(9))
    maps.members.set(new Uint8Array(8).fill(0xff), new Uint8Array(24))
    storeService(maps.services, 77, 4000, 1)
    storeService(maps.services, 78, 0xffffffff, 1)
    await world.begin()
    await world.settle()
    expect(dumpText(maps)).toBe(good)
    expect([...listServices(maps.services)]).toHaveLength(1)
  })

  test('an id that two ports claim is adopted by neither', async () => {
    const maps = fakeMaps()
    const both = service('web', {
      p: { frontends: ['10.96.0.1:80', '10.96.0.10:53/UDP'], backends: ['10.1.0.9:80'] },
    })
    const world = await running(maps, both)
    const [old] = [...listServices(maps.services)]
    world.kill()
    world.wishes.clear()
    for (const one of [web('10.1.0.1:80'), dns('10.1.0.2:53')]) world.wishes.set(one.key, one)
    maps.onWrite = () => {
      expect(['10.1.0.9:80', '10.1.0.1:80']).toContain(dial(maps, '10.96.0.1:80'))
      expect(['10.1.0.9:80', '10.1.0.2:53']).toContain(dial(maps, '10.96.0.10:53/UDP'))
    }
    await world.begin()
    await world.settle()
    expect(readService(maps.services, old?.id ?? 0).region).toBe(0)
    expect(dial(maps, '10.96.0.1:80')).toBe('10.1.0.1:80')
  })

  test('a region that members still point to is not free before they are mended', async () => {
    const maps = fakeMaps()
    const world = await running(maps, web('10.1.0.1:80'))
    const [service] = [...listServices(maps.services)]
    // As after a kill between the switch of the service and its members.
    maps.backends.bytes.copyWithin(50 * 32, (service?.region ?? 0) * 32, 4 * 32)
    storeService(maps.services, service?.id ?? 0, 50, 9)
    const { inventory } = readRestored(maps)
    expect(inventory.regions).toContainEqual({ region: service?.region, slots: 2 })
    world.kill()
    await world.begin()
    await world.settle()
    expect([...listMembers(maps.members)].map(({ region }) => region)).toEqual([50])
    expect(dumpText(maps)).not.toContain('BAD')
  })

  test('waits for a map that cannot be read, and writes nothing until it can', async () => {
    const maps = fakeMaps()
    await running(maps, web('10.1.0.1:80'))
    let n = 3
    const world = new World({
      ...maps,
      members: {
        ...maps.members,
        entries: () => {
          if (n-- > 0) throw new MapError('no', { code: 'ENOMEM', map: 'members' })
          return maps.members.entries()
        },
      },
    })
    world.wishes.set('default/web', web('10.1.0.2:80'))
    void world.begin()
    await turn()
    expect(dial(maps, '10.96.0.1:80')).toBe('10.1.0.1:80')
    expect(await world.settle()).toBe(true)
    expect(dial(maps, '10.96.0.1:80')).toBe('10.1.0.2:80')
  })
})

test('an agent that was stopped writes nothing more', async () => {
  const maps = fakeMaps()
  const world = await running(maps, web('10.1.0.1:80'))
  const before = writesOf(maps)
  world.set(web('10.1.0.2:80'))
  world.sync.stop()
  await turn()
  world.clock.advance(60_000)
  await turn()
  expect(writesOf(maps)).toBe(before)
})
