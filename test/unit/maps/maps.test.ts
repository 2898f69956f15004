import { describe, expect, test } from 'vitest'
import { flClientKind, flAffinity, flAffinityKey, flHook } from '../../../agent/maps/abi.gen.ts'
import { listAffinity } from '../../../agent/maps/affinity.ts'
import { fakeMaps, writesOf } from '../../../agent/maps/fake.ts'
import { faultyMaps } from '../../../agent/maps/faulty.ts'
import {
  frontendBuffer,
  frontendRow,
  getFrontend,
  listFrontends,
  pushFrontend,
  readRow,
} from '../../../agent/maps/frontends.ts'
import {
  listMembers,
  memberBuffer,
  pushMemberKey,
  pushMembers,
} from '../../../agent/maps/members.ts'
import { metaOf } from '../../../agent/maps/meta.ts'
import { RegionDraft, backendIds, readBackend, readRegion } from '../../../agent/maps/regions.ts'
import { viewOf } from '../../../agent/maps/rows.ts'
import { keyHash, zoneHash } from '../../../agent/maps/seal.ts'
import { listServices, storeService } from '../../../agent/maps/services.ts'
import { MapError } from '../../../agent/maps/table.ts'
import { dumpMap, rowText } from '../../../agent/maps/text.ts'
import { address, backends } from '../../support/wish.ts'

const header = {
  serviceId: 3,
  flags: 0,
  affinityTimeoutS: 0,
  maglevBase: 0,
  localN: 0,
  clusterOffset: 0,
  clusterN: 0,
  totalN: 0,
}

function row(text: string, port: number): string {
  return frontendRow({ addr: address(text), port, proto: 6, kind: 0 }, 1)
}

describe('frontends', () => {
  test('a row goes into the map and comes back, whatever bytes its address has', () => {
    const maps = fakeMaps()
    const rows = frontendBuffer()
    const texts = ['10.96.0.1', '255.254.128.127', 'ffff:ff80::9f', '::']
    texts.forEach((text, i) => pushFrontend(rows, row(text, 65535 - i), i + 1, i + 100))
    const { keys, values } = rows.slice(0, rows.count)
    maps.frontends.setBatch(keys, values)
    const entries = listFrontends(maps.frontends)
    expect(entries.map(({ row }) => row)).toEqual(texts.map((text, i) => row(text, 65535 - i)))
    expect(entries.map(({ serviceId }) => serviceId)).toEqual([1, 2, 3, 4])
    expect(entries.every(({ isSealed }) => isSealed)).toBe(true)
    expect(readRow(row('10.96.0.1', 80))).toEqual({
      key: { addr: address('10.96.0.1'), port: 80, proto: 6, kind: 0 },
      flags: 1,
    })
  })

  test('a value of another key, or half of one, is not sealed', () => {
    const maps = fakeMaps()
    const rows = frontendBuffer()
    pushFrontend(rows, row('10.96.0.1', 80), 1, 100)
    pushFrontend(rows, row('10.96.0.2', 80), 2, 101)
    const { keys, values } = rows.slice(0, 2)
    const swapped = { bytes: new Uint8Array(values.bytes), count: 2 }
    swapped.bytes.set(values.bytes.subarray(24, 48), 0)
    swapped.bytes.set(values.bytes.subarray(0, 8), 24)
    maps.frontends.setBatch(keys, swapped)
    expect(listFrontends(maps.frontends).map(({ isSealed }) => isSealed)).toEqual([false, false])
  })

  test('read as text', () => {
    expect(rowText(row('10.96.0.1', 80))).toBe('10.96.0.1:80/TCP')
    const nodePort = { addr: address('::'), port: 30080, proto: 17, kind: 1 }
    expect(rowText(frontendRow(nodePort, 0))).toBe('node-port-6:30080/UDP')
    const anyPort = { addr: address('fd00::1'), port: 0, proto: 0, kind: 2 }
    expect(rowText(frontendRow(anyPort, 0))).toBe('[fd00::1]:any')
  })

  test('one entry is found by its key alone, whatever its flags', () => {
    const maps = fakeMaps()
    const rows = frontendBuffer()
    pushFrontend(rows, row('10.96.0.1', 80), 7, 100)
    const { keys, values } = rows.slice(0, 1)
    maps.frontends.setBatch(keys, values)
    const other = frontendRow({ addr: address('10.96.0.1'), port: 80, proto: 6, kind: 0 }, 2)
    expect(getFrontend(maps.frontends, other)?.serviceId).toBe(7)
    expect(getFrontend(maps.frontends, row('10.96.0.1', 81))).toBeUndefined()
  })
})

describe('regions', () => {
  test('keep ids of backends that stay, also where their order changes', () => {
    const { backends: memory } = fakeMaps()
    const draft = new RegionDraft()
    const many = Array.from({ length: 100 }, (_, i) => `10.0.0.${i}:80`)
    draft.write({ ...header, totalN: 100 }, backends(many))
    for (let i = 0; i < 100; i++) draft.setId(i, 1000 + i)
    draft.copyTo(memory, 10)
    draft.write({ ...header, totalN: 99 }, backends([...many].reverse().slice(1)))
    expect(draft.matchIds(memory, 10, 100)).toEqual([99])
    expect(draft.idAt(0)).toBe(1098)
    expect(draft.idAt(98)).toBe(1000)
  })

  test('the same address with another port is another backend', () => {
    const { backends: memory } = fakeMaps()
    const draft = new RegionDraft()
    draft.write({ ...header, totalN: 1 }, backends(['10.0.0.1:80']))
    draft.setId(0, 5)
    draft.copyTo(memory, 1)
    draft.write({ ...header, totalN: 1 }, backends(['10.0.0.1:81']))
    expect(draft.matchIds(memory, 1, 1)).toEqual([0])
    expect(draft.idAt(0)).toBe(0)
  })

  test('a backend that is listed twice has two ids', () => {
    const { backends: memory } = fakeMaps()
    const draft = new RegionDraft()
    draft.write({ ...header, totalN: 1 }, backends(['10.0.0.1:80']))
    draft.setId(0, 5)
    draft.copyTo(memory, 1)
    draft.write({ ...header, totalN: 2 }, backends(['10.0.0.1:80', '10.0.0.1:80']))
    expect(draft.matchIds(memory, 1, 1)).toEqual([])
    expect([draft.idAt(0), draft.idAt(1)]).toEqual([5, 0])
  })

  test('are compared whole: header, states and zones included', () => {
    const { backends: memory } = fakeMaps()
    const draft = new RegionDraft()
    const columns = { ...backends(['10.0.0.1:80']), zones: ['a'] }
    draft.write({ ...header, totalN: 1 }, columns)
    draft.copyTo(memory, 1)
    expect(draft.isIn(memory, 1)).toBe(true)
    draft.write({ ...header, totalN: 1, flags: 1 }, columns)
    expect(draft.isIn(memory, 1)).toBe(false)
    draft.write({ ...header, totalN: 1 }, { ...columns, zones: ['b'] })
    expect(draft.isIn(memory, 1)).toBe(false)
    expect(readRegion(memory, 1).totalN).toBe(1)
    expect(readBackend(memory, 1, 0).zone).toBe(zoneHash('a'))
    expect([...backendIds(memory, 1, 1)]).toEqual([0])
  })
})

test('members say where they are, and carry the seal of their key', () => {
  const maps = fakeMaps()
  const draft = new RegionDraft()
  draft.write(
    { ...header, totalN: 200 },
    backends(Array.from({ length: 200 }, () => '10.0.0.1:80')),
  )
  for (let i = 0; i < 200; i++) draft.setId(i, 1000 + i)
  draft.copyTo(maps.backends, 17)
  const rows = memberBuffer()
  let generation = 0
  pushMembers(rows, maps.backends, 3, 17, 200, () => ++generation)
  const { keys, values } = rows.slice(0, 200)
  maps.members.setBatch(keys, values)
  const entries = [...listMembers(maps.members)]
  expect(entries).toHaveLength(200)
  expect(entries[199]).toEqual({
    serviceId: 3,
    backendId: 1199,
    region: 17,
    offset: 199,
    generation: 200,
    isSealed: true,
  })
  expect(viewOf(values.bytes).getUint32(0, true)).toBe(keyHash(keys.bytes, 0, 8))
})

test('services are listed by id, those without region left out', () => {
  const { services } = fakeMaps()
  storeService(services, 9, 100, 1)
  storeService(services, 2, 50, 2)
  storeService(services, 9, 0, 0)
  expect([...listServices(services)]).toEqual([{ id: 2, region: 50, generation: 2 }])
})

test('each field of meta is written alone', () => {
  const meta = metaOf(fakeMaps().meta)
  meta.setHeartbeat(2n ** 60n)
  meta.setLease(5n)
  meta.setBypass(true)
  meta.setCanaryMark(0xffffffff)
  meta.setNextBackendId(7)
  meta.setNextGeneration(8)
  meta.setEventSample(100)
  meta.setHostNetnsCookie(9n)
  expect(meta.heartbeat_ns()).toBe(2n ** 60n)
  expect(meta.lease_ns()).toBe(5n)
  expect(meta.isBypassed()).toBe(true)
  expect(meta.canaryMark()).toBe(0xffffffff)
  expect(meta.nextBackendId()).toBe(7)
  expect(meta.nextGeneration()).toBe(8)
  expect(meta.eventSample()).toBe(100)
  expect(meta.hostNetnsCookie()).toBe(9n)
  expect(meta.canaryCount(flHook.sendmsg6)).toBe(0n)
  expect(() => meta.canaryCount(flHook.n)).toThrow(RangeError)
})

test('affinity tells clients by address from clients by network namespace', () => {
  const maps = fakeMaps()
  const add = (client: Uint8Array, kind: number): void => {
    const key = new Uint8Array(flAffinityKey.size)
    const value = new Uint8Array(flAffinity.size)
    flAffinityKey.write(new DataView(key.buffer), 0, { client, serviceId: 1, kind })
    flAffinity.write(new DataView(value.buffer), 0, { lastUsedNs: 5n, backendId: 2 })
    maps.affinity.set(key, value)
  }
  add(address('10.0.0.1'), flClientKind.address)
  add(Uint8Array.of(1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), flClientKind.netnsCookie)
  expect(listAffinity(maps.affinity).map(({ client }) => client)).toEqual([
    { kind: 'address', address: address('10.0.0.1') },
    { kind: 'netns', cookie: 0x201n },
  ])
  expect(dumpMap(maps, 'affinity')).toEqual([
    'affinity 10.0.0.1 service=1 backend=2 last-used=5ns',
    'affinity netns:513 service=1 backend=2 last-used=5ns',
  ])
})

describe('fakes', () => {
  test('a full table says E2BIG and how far it got', () => {
    const maps = fakeMaps({ members: 2 })
    const rows = memberBuffer()
    for (let i = 1; i <= 3; i++) pushMemberKey(rows, 1, i)
    const { keys, values } = rows.slice(0, 3)
    expect(() => maps.members.setBatch(keys, values)).toThrow(
      expect.objectContaining({ code: 'E2BIG', map: 'members', done: 2 }),
    )
    expect(maps.members.entries().keys.count).toBe(2)
    expect(writesOf(maps)).toBe(3)
  })

  test('the same seed fails the same operations', () => {
    const outcomes = (seed: number): string => {
      const { members } = faultyMaps(fakeMaps(), { rate: 0.5, seed })
      return Array.from({ length: 50 }, (_, i) => {
        try {
          members.delete(Uint8Array.of(i, 0, 0, 0, 0, 0, 0, 0))
          return '.'
        } catch (error) {
          return error instanceof MapError ? error.code : 'other'
        }
      }).join(' ')
    }
    expect(outcomes(1)).toBe(outcomes(1))
    expect(outcomes(1)).not.toBe(outcomes(2))
    expect(outcomes(1)).toMatch(/EAGAIN|ENOMEM|E2BIG/)
    expect(outcomes(1)).not.toContain('other')
  })
})
