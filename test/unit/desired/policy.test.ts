import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { desireService } from '../../../agent/desired/service.ts'
import { backendLines, facts, service, slice } from '../../support/objects.ts'

/** Backends of one slice seen from node n1 in zone za, one line each. */
function backends(lines: readonly string[], over: Parameters<typeof facts>[0] = {}): string[] {
  return backendLines(desireService(service(), [slice(lines)], facts(over)))
}

describe('C1: the Cluster set', () => {
  test('is every ready endpoint', () => {
    expect(backends(['10.1.0.1 node=n2', '10.1.0.2 node=n3', '10.1.0.3 !ready'])).toEqual([
      '10.1.0.1:8080 cluster',
      '10.1.0.2:8080 cluster',
      '10.1.0.3:8080 unused',
    ])
  })

  test('falls back to all that serve while they terminate', () => {
    expect(backends(['10.1.0.1 terminating', '10.1.0.2 terminating', '10.1.0.3 !ready'])).toEqual([
      '10.1.0.1:8080 cluster terminating',
      '10.1.0.2:8080 cluster terminating',
      '10.1.0.3:8080 unused',
    ])
  })

  test('leaves the terminating alone while anything is ready', () => {
    expect(backends(['10.1.0.1 terminating', '10.1.0.2'])).toEqual([
      '10.1.0.2:8080 cluster',
      '10.1.0.1:8080 unused terminating',
    ])
  })

  test('never has what terminates without serving, or is not ready without terminating', () => {
    expect(backends(['10.1.0.1 terminating !serving', '10.1.0.2 !ready !serving'])).toEqual([])
  })

  test('has what is ready although it terminates (publishNotReadyAddresses)', () => {
    expect(backends(['10.1.0.1 ready terminating'])).toEqual(['10.1.0.1:8080 cluster terminating'])
  })
})

describe('C2: hints', () => {
  test('of zones narrow to our zone', () => {
    expect(backends(['10.1.0.1 hint=za', '10.1.0.2 hint=zb', '10.1.0.3 hint=zb,za'])).toEqual([
      '10.1.0.1:8080 cluster',
      '10.1.0.3:8080 cluster',
      '10.1.0.2:8080 unused',
    ])
  })

  test('are void if one ready endpoint has none', () => {
    expect(backends(['10.1.0.1 hint=za', '10.1.0.2'])).toEqual([
      '10.1.0.1:8080 cluster',
      '10.1.0.2:8080 cluster',
    ])
  })

  test('are void if none means our zone', () => {
    expect(backends(['10.1.0.1 hint=zb', '10.1.0.2 hint=zc'])).toEqual([
      '10.1.0.1:8080 cluster',
      '10.1.0.2:8080 cluster',
    ])
  })

  test('are void on a node without zone', () => {
    expect(backends(['10.1.0.1 hint=za', '10.1.0.2 hint=zb'], { zone: '' })).toEqual([
      '10.1.0.1:8080 cluster',
      '10.1.0.2:8080 cluster',
    ])
  })

  test('of endpoints that are not ready do not matter, nor that they have none', () => {
    expect(backends(['10.1.0.1 hint=za', '10.1.0.2 hint=zb', '10.1.0.3 !ready'])).toEqual([
      '10.1.0.1:8080 cluster',
      '10.1.0.2:8080 unused',
      '10.1.0.3:8080 unused',
    ])
  })

  test('that mean us on an unready endpoint alone narrow nothing', () => {
    expect(backends(['10.1.0.1 hint=za !ready', '10.1.0.2 hint=zb'])).toEqual([
      '10.1.0.2:8080 cluster',
      '10.1.0.1:8080 unused',
    ])
  })

  test('of nodes narrow to our node and come before those of zones', () => {
    const lines = ['10.1.0.1 nodehint=n1 hint=zb', '10.1.0.2 nodehint=n2 hint=za']
    expect(backends(lines)).toEqual(['10.1.0.1:8080 cluster', '10.1.0.2:8080 unused'])
  })

  test('of nodes that name none of ours fall through to those of zones', () => {
    const lines = ['10.1.0.1 nodehint=n7 hint=za', '10.1.0.2 nodehint=n7 hint=zb']
    expect(backends(lines)).toEqual(['10.1.0.1:8080 cluster', '10.1.0.2:8080 unused'])
  })

  test('of nodes on some endpoints only leave the zones to decide', () => {
    const lines = ['10.1.0.1 nodehint=n1 hint=zb', '10.1.0.2 hint=za']
    expect(backends(lines)).toEqual(['10.1.0.2:8080 cluster', '10.1.0.1:8080 unused'])
  })

  test('do not narrow what serves while it terminates', () => {
    const lines = ['10.1.0.1 terminating hint=zb', '10.1.0.2 terminating hint=za']
    expect(backends(lines)).toEqual([
      '10.1.0.1:8080 cluster terminating',
      '10.1.0.2:8080 cluster terminating',
    ])
  })
})

describe('C3: the Local set', () => {
  test('is the ready endpoints of this node, which hints never narrow', () => {
    const lines = ['10.1.0.1 node=n1 hint=zb', '10.1.0.2 node=n2 hint=za']
    expect(backends(lines)).toEqual(['10.1.0.1:8080 local', '10.1.0.2:8080 cluster'])
  })

  test('falls back to what serves here while it terminates, though others are ready elsewhere', () => {
    const lines = ['10.1.0.1 node=n1 terminating', '10.1.0.2 node=n2']
    expect(backends(lines)).toEqual(['10.1.0.1:8080 local terminating', '10.1.0.2:8080 cluster'])
  })

  test('has no endpoint whose node is unknown (O7)', () => {
    expect(backends(['10.1.0.1'], { name: '' })).not.toEqual([])
    expect(backends(['10.1.0.1'])).toEqual(['10.1.0.1:8080 cluster'])
  })
})

describe('C5: there is an endpoint', () => {
  test.each([
    [['10.1.0.1 node=n2'], true],
    [['10.1.0.1 terminating'], true],
    [['10.1.0.1 !ready'], false],
    [['10.1.0.1 terminating !serving'], false],
    [[], false],
  ])('%j: %s', (lines, has) => {
    const desired = desireService(service(), [slice(lines)], facts())
    expect(desired.ports[0]?.hasEndpoints).toBe(has)
  })
})

describe('the order', () => {
  test('is local only, local and cluster, cluster only, serving but unused', () => {
    const lines = [
      '10.1.0.1 node=n2 hint=zb',
      '10.1.0.2 node=n2 hint=za',
      '10.1.0.3 node=n1 hint=za',
      '10.1.0.4 node=n1 hint=zb',
    ]
    expect(backends(lines)).toEqual([
      '10.1.0.4:8080 local',
      '10.1.0.3:8080 local+cluster',
      '10.1.0.2:8080 cluster',
      '10.1.0.1:8080 unused',
    ])
  })
})

describe('O3 to O6: which endpoints count', () => {
  const one = service()

  test('O3: a slice with the label headless counts as none', () => {
    const labels = { 'service.kubernetes.io/headless': '' }
    const desired = desireService(one, [slice(['10.1.0.1'], { labels })], facts())
    expect(desired.ports[0]?.hasEndpoints).toBe(false)
  })

  test('O4: slices of the other family do not count', () => {
    const slices = [slice(['fd00::1'], { type: 'IPv6' }), slice(['10.1.0.1'], { name: 'b' })]
    expect(backendLines(desireService(one, slices, facts()))).toEqual(['10.1.0.1:8080 cluster'])
  })

  test('O5: ports match by name and protocol, the number is that of each slice', () => {
    const slices = [
      slice(['10.1.0.1'], { name: 'a', ports: [{ name: 'http', port: 81 }] }),
      slice(['10.1.0.1'], { name: 'b', ports: [{ name: 'http', port: 82 }] }),
      slice(['10.1.0.9'], { name: 'c', ports: [{ name: 'http', port: 83, protocol: 'UDP' }] }),
      slice(['10.1.0.9'], { name: 'd', ports: [{ name: 'web', port: 84 }] }),
    ]
    expect(backendLines(desireService(one, slices, facts()))).toEqual([
      '10.1.0.1:81 cluster',
      '10.1.0.1:82 cluster',
    ])
  })

  test('O6: an address and port in two slices is one backend, the one not terminating wins', () => {
    const both = [slice(['10.1.0.1 terminating']), slice(['10.1.0.1'], { name: 'web-2' })]
    for (const slices of [both, [...both].reverse()]) {
      expect(backendLines(desireService(one, slices, facts()))).toEqual(['10.1.0.1:8080 cluster'])
    }
  })

  test('O6: holds among hundreds of endpoints as among two', () => {
    const lines = Array.from({ length: 300 }, (_, i) => `10.1.${i >> 7}.${(i & 127) + 1}`)
    const slices = [slice(lines), slice([...lines].reverse(), { name: 'web-2' })]
    const found = backendLines(desireService(one, slices, facts()))
    expect(found).toEqual(lines.map((line) => `${line}:8080 cluster`))
  })
})

interface Endpoint {
  readonly ip: string
  readonly node: string
  readonly ready: boolean
  readonly serving: boolean
  readonly terminating: boolean
  readonly zoneHints: readonly string[]
  readonly nodeHints: readonly string[]
}

/** The rules once more, as sets and filters, the way the API documentation tells them. */
function oracle(endpoints: readonly Endpoint[]): Record<'local' | 'cluster', string[]> {
  const ready = endpoints.filter((one) => one.ready)
  const leaving = endpoints.filter((one) => one.serving && one.terminating)
  const nodeWise =
    ready.every((one) => one.nodeHints.length > 0) &&
    ready.some((one) => one.nodeHints.includes('n1'))
  const zoneWise =
    ready.every((one) => one.zoneHints.length > 0) &&
    ready.some((one) => one.zoneHints.includes('za'))
  let near = ready
  if (nodeWise) near = ready.filter((one) => one.nodeHints.includes('n1'))
  else if (zoneWise) near = ready.filter((one) => one.zoneHints.includes('za'))
  const here = (list: readonly Endpoint[]): Endpoint[] => list.filter((one) => one.node === 'n1')
  const names = (list: readonly Endpoint[]): string[] => list.map((one) => `${one.ip}:8080`).sort()
  return {
    cluster: names(near.length > 0 ? near : leaving),
    local: names(here(ready).length > 0 ? here(ready) : here(leaving)),
  }
}

function lineOf(one: Endpoint): string {
  const words = [one.ip, `node=${one.node}`, one.ready ? 'ready' : '!ready']
  if (!one.serving) words.push('!serving')
  if (one.terminating) words.push('terminating')
  if (one.zoneHints.length > 0) words.push(`hint=${one.zoneHints.join(',')}`)
  if (one.nodeHints.length > 0) words.push(`nodehint=${one.nodeHints.join(',')}`)
  return words.join(' ')
}

test('C1 to C3 agree with an oracle on any endpoints', () => {
  const some = (names: string[]): fc.Arbitrary<string[]> => fc.subarray(names)
  const endpoint = fc.record({
    ip: fc.integer({ min: 1, max: 250 }).map((last) => `10.1.0.${last}`),
    node: fc.constantFrom('n1', 'n2', 'n3'),
    ready: fc.boolean(),
    serving: fc.boolean(),
    terminating: fc.boolean(),
    zoneHints: fc.oneof(some(['za', 'zb']), fc.constant(['za']), fc.constant(['zb'])),
    nodeHints: fc.oneof(fc.constant([]), fc.constant(['n1']), some(['n1', 'n2'])),
  })
  const endpoints = fc.uniqueArray(endpoint, { selector: ({ ip }) => ip, maxLength: 20 })
  fc.assert(
    fc.property(endpoints, fc.nat(20), (list, cut) => {
      const lines = list.map(lineOf)
      const slices = [slice(lines.slice(0, cut)), slice(lines.slice(cut), { name: 'web-2' })]
      const found = backendLines(desireService(service(), slices, facts()))
      const inSet = (name: string): string[] =>
        found
          .filter((line) => line.split(' ')[1]?.split('+').includes(name))
          .map((line) => line.split(' ')[0] ?? '')
          .sort()
      expect({ local: inSet('local'), cluster: inSet('cluster') }).toEqual(oracle(list))
      const kept = list.filter((one) => one.ready || one.serving)
      expect(found).toHaveLength(kept.length)
    }),
    { numRuns: 400 },
  )
})
