import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { compileAll, Compiler } from '../../../agent/desired/compile.ts'
import { Store } from '../../../agent/model/store.ts'
import { parseCidr } from '../../../agent/model/cidr.ts'
import type { Cidr } from '../../../agent/model/cidr.ts'
import { facts, frontendLines, service } from '../../support/objects.ts'
import type { ServiceWords } from '../../support/objects.ts'

const node = facts({ externalIpCidrs: [parseCidr('0.0.0.0/0') as Cidr] })

/** A store with a compiler over it, which notes whom each change makes it look at. */
class House {
  readonly store = new Store({ nodeName: 'n1' })
  readonly compiler = new Compiler(this.store, node)

  /** Puts Services and returns the names to look at again. */
  put(...all: ServiceWords[]): string[] {
    for (const words of all) this.store.put(service(words))
    return this.#claim()
  }

  remove(name: string): string[] {
    this.store.remove('Service', `default/${name}`)
    return this.#claim()
  }

  lines(name: string): string[] {
    return frontendLines(this.compiler.desire(`default/${name}`))
  }

  told(name: string): string[] {
    return this.compiler.desire(`default/${name}`).problems.map(({ message }) => message)
  }

  #claim(): string[] {
    const { services } = this.store.drainDirty()
    return this.compiler.claim(services).map((key) => key.split('/')[1] ?? '')
  }
}

/** A balancer at 203.0.113.1 with its own ClusterIP 10.96.0.<last>. */
function balancer(name: string, last: number, more: Partial<ServiceWords> = {}): ServiceWords {
  return {
    name,
    ips: [`10.96.0.${last}`],
    ingress: [{ ip: '203.0.113.1' }],
    ...more,
    spec: { type: 'LoadBalancer', ...more.spec },
  }
}

const older = '2026-01-01T00:00:00Z'
const younger = '2026-01-02T00:00:00Z'

describe('a frontend that two Services claim', () => {
  test('belongs to the older one, whichever came first, and the other is told', () => {
    for (const names of [
      ['a', 'b'],
      ['b', 'a'],
    ]) {
      const house = new House()
      for (const name of names) {
        house.put(balancer(name, name === 'a' ? 1 : 2, { created: name === 'a' ? older : younger }))
      }
      expect(house.lines('a')).toContain('LoadBalancer 203.0.113.1:80/TCP')
      expect(house.lines('b')).toEqual(['ClusterIP 10.96.0.2:80/TCP'])
      expect(house.told('a')).toEqual([])
      expect(house.told('b')).toEqual([
        'LoadBalancer 203.0.113.1:80/TCP is not served: it belongs to Service default/a, which is older',
      ])
    }
  })

  test('belongs to the smaller uid among those of one age', () => {
    const house = new House()
    house.put(balancer('a', 1, { uid: 'z' }), balancer('b', 2, { uid: 'y' }))
    expect(house.lines('a')).toEqual(['ClusterIP 10.96.0.1:80/TCP'])
    expect(house.told('a')[0]).toContain('which goes first')
  })

  test('goes to the next when its owner goes, who is looked at again', () => {
    const house = new House()
    house.put(balancer('a', 1, { created: older }), balancer('b', 2, { created: younger }))
    expect(house.remove('a')).toEqual(['a', 'b'])
    expect(house.lines('b')).toContain('LoadBalancer 203.0.113.1:80/TCP')
    expect(house.told('b')).toEqual([])
  })

  test('goes to the next when its owner asks for another port', () => {
    const house = new House()
    house.put(balancer('a', 1, { created: older }), balancer('b', 2, { created: younger }))
    const moved = balancer('a', 1, { created: older, spec: { ports: [{ name: 'x', port: 81 }] } })
    expect(house.put(moved)).toEqual(['a', 'b'])
    expect(house.lines('b')).toContain('LoadBalancer 203.0.113.1:80/TCP')
  })

  test('changes its owner when one made anew is younger than the rival', () => {
    const house = new House()
    house.put(balancer('a', 1, { created: older }), balancer('b', 2, { created: older, uid: 'zz' }))
    house.put(balancer('a', 1, { created: younger, uid: 'a2' }))
    expect(house.lines('b')).toContain('LoadBalancer 203.0.113.1:80/TCP')
    expect(house.lines('a')).toEqual(['ClusterIP 10.96.0.1:80/TCP'])
  })

  test('is not contested by other ports and protocols of a shared balancer address', () => {
    const house = new House()
    const udp = [{ name: 'x', port: 80, protocol: 'UDP' }]
    house.put(balancer('a', 1))
    expect(house.put(balancer('b', 2, { spec: { ports: udp } }))).toEqual(['b'])
    expect(house.told('b')).toEqual([])
    expect(house.remove('a')).toEqual(['a'])
  })

  test('may be a NodePort', () => {
    const house = new House()
    const spec = { type: 'NodePort', ports: [{ name: 'x', port: 80, nodePort: 30_000 }] }
    house.put({ name: 'a', ips: ['10.96.0.1'], created: younger, spec })
    house.put({ name: 'b', ips: ['10.96.0.2'], created: older, spec })
    expect(house.lines('b')).toContain('NodePort 0.0.0.0:30000/TCP')
    expect(house.told('a')[0]).toContain('NodePort 30000/TCP is not served')
  })
})

describe('T1: a ClusterIP belongs to its Service', () => {
  const dns = { name: 'dns', ips: ['10.96.0.10'], created: younger }

  test('on ports that it does not serve too, and against an older taker', () => {
    const house = new House()
    const ports = [{ name: 'x', port: 443 }]
    const thief = balancer('thief', 1, { ingress: [{ ip: '10.96.0.10' }], spec: { ports } })
    house.put({ ...thief, created: older })
    expect(house.lines('thief')).toContain('LoadBalancer 10.96.0.10:443/TCP')
    expect(house.put(dns)).toEqual(['dns', 'thief'])
    expect(house.lines('thief')).toEqual(['ClusterIP 10.96.0.1:443/TCP'])
    expect(house.lines('dns')).toEqual(['ClusterIP 10.96.0.10:80/TCP'])
    expect(house.told('thief')).toEqual([
      'LoadBalancer 10.96.0.10:443/TCP is not served: 10.96.0.10 is the ClusterIP of Service default/dns',
    ])
    expect(house.remove('dns')).toEqual(['dns', 'thief'])
    expect(house.told('thief')).toEqual([])
  })

  test('and to the older of two that have the same one', () => {
    const house = new House()
    house.put({ ...dns, name: 'b', created: younger }, { ...dns, name: 'a', created: older })
    expect(house.lines('a')).toEqual(['ClusterIP 10.96.0.10:80/TCP'])
    expect(house.lines('b')).toEqual([])
    expect(house.told('b')).toHaveLength(1)
  })
})

test('any order of changes comes to the same owners as a cold start', () => {
  const change = fc.record({
    name: fc.constantFrom('a', 'b', 'c', 'd'),
    gone: fc.boolean(),
    created: fc.constantFrom(older, younger),
    ip: fc.constantFrom('10.96.0.1', '10.96.0.2'),
    ingress: fc.constantFrom('203.0.113.1', '203.0.113.2', '10.96.0.1'),
    ports: fc.constantFrom([80], [81], [80, 81]),
  })
  fc.assert(
    fc.property(fc.array(change, { maxLength: 12 }), (changes) => {
      const house = new House()
      // What a consumer holds that only looks at what it is told to look at.
      const held = new Map<string, string[]>()
      for (const { name, gone, created, ip, ingress, ports } of changes) {
        const spec = { ports: ports.map((port) => ({ name: `p${port}`, port })) }
        const words = { created, ips: [ip], ingress: [{ ip: ingress }], spec }
        const looked = gone ? house.remove(name) : house.put(balancer(name, 0, words))
        for (const other of looked) held.set(other, [...house.lines(other), ...house.told(other)])
      }
      for (const desired of compileAll(house.store, node)) {
        const cold = [...frontendLines(desired), ...desired.problems.map(({ message }) => message)]
        expect(held.get(desired.ref.name)).toEqual(cold)
      }
    }),
    { numRuns: 300 },
  )
})

test('no two Services hold one frontend, and each that is asked for has an owner', () => {
  const words = fc.record({
    ip: fc.constantFrom('10.96.0.1', '10.96.0.2', '10.96.0.3'),
    ingress: fc.constantFrom('203.0.113.1', '10.96.0.1'),
  })
  fc.assert(
    fc.property(fc.array(words, { maxLength: 6 }), (all) => {
      const house = new House()
      house.put(
        ...all.map(({ ip, ingress }, i) =>
          balancer(`s${i}`, 0, { ips: [ip], ingress: [{ ip: ingress }] }),
        ),
      )
      const places = all.flatMap((_, i) =>
        house.lines(`s${i}`).map((line) => line.split(' ').slice(1).join()),
      )
      const asked = new Set(all.flatMap(({ ip, ingress }) => [`${ip}:80/TCP`, `${ingress}:80/TCP`]))
      expect(new Set(places)).toEqual(asked)
      expect(new Set(places).size).toBe(places.length)
    }),
  )
})
