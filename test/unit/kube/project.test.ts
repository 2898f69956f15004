import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { project } from '../../../agent/kube/project.ts'
import type { RawObject } from '../../../agent/kube/raw.ts'
import { formatAddress } from '../../../agent/model/address.ts'
import { formatProblem } from '../../../agent/model/key.ts'
import { endpointState } from '../../../agent/model/objects.ts'
import type { EndpointSlice, Node, Service } from '../../../agent/model/objects.ts'
import { specialUse } from '../../../agent/model/validate.ts'
import { rawEndpoint, rawService, rawSlice, service, slice } from '../../support/objects.ts'
import type { ServiceWords } from '../../support/objects.ts'

const { ready, serving, terminating } = endpointState

function addressesOf(found: EndpointSlice): string[] {
  return Array.from({ length: found.count }, (_, i) =>
    formatAddress(found.addresses.subarray(i * 16, i * 16 + 16)),
  )
}

/** The Service and one line a problem. */
function serviceWith(words: ServiceWords): { found: Service | undefined; told: string[] } {
  const { object, problems } = project(rawService(words), 'web.yaml:1')
  return { found: object as Service | undefined, told: problems.map(formatProblem) }
}

function sliceWith(raw: RawObject): { found: EndpointSlice | undefined; told: string[] } {
  const { object, problems } = project(raw, '')
  return { found: object as EndpointSlice | undefined, told: problems.map(formatProblem) }
}

describe('Services', () => {
  test('O1: the label service-proxy-name is kept, whatever its value', () => {
    const labels = { 'service.kubernetes.io/service-proxy-name': '' }
    expect(service({ labels }).proxyName).toBe('')
    expect(service().proxyName).toBeUndefined()
  })

  test('O2: clusterIP None is headless, without a VIP and without a problem', () => {
    const found = service({ ips: ['None'], spec: { ipFamilies: ['IPv4'] } })
    expect([found.isHeadless, found.clusterIps]).toEqual([true, []])
  })

  test('O2: an ExternalName has no VIP even if a clusterIP remains set', () => {
    expect(service({ spec: { type: 'ExternalName' } }).clusterIps).toEqual([])
  })

  test('O11: both families come from ipFamilies and clusterIPs', () => {
    const found = service({ ips: ['fd00::1', '10.96.0.1'] })
    expect(found.clusterIps.map(formatAddress)).toEqual(['fd00::1', '10.96.0.1'])
  })

  test('O11: without ipFamilies the clusterIP speaks for its own family', () => {
    const found = service({ ips: ['fd00::1'], spec: { ipFamilies: [] } })
    expect(found.clusterIps.map(formatAddress)).toEqual(['fd00::1'])
  })

  test('O12: zeros in front are decimal, padding of source ranges is cut', () => {
    const loadBalancerSourceRanges = [' 10.0.0.0/8 ', '\t010.0.0.0/8']
    const found = service({ ips: ['010.096.0.1'], spec: { loadBalancerSourceRanges } })
    expect(found.clusterIps.map(formatAddress)).toEqual(['10.96.0.1'])
    expect(found.loadBalancerSourceRanges).toEqual(['10.0.0.0/8', '010.0.0.0/8'])
  })

  test('O12: a bad externalIP is told and skipped, the others stay', () => {
    const { found, told } = serviceWith({ spec: { externalIPs: ['1.2.3', '203.0.113.1'] } })
    expect(found?.externalIps.map(formatAddress)).toEqual(['203.0.113.1'])
    expect(told).toEqual([
      'Service default/web (web.yaml:1): spec.externalIPs[0] is "1.2.3", no IP address; ' +
        'correct spec.externalIPs[0]',
    ])
  })

  test('L1: ingress entries without ip are nothing, ipMode nil is VIP, Proxy is kept as such', () => {
    const ingress = [
      { hostname: 'lb.example' },
      { ip: '203.0.113.1' },
      { ip: '203.0.113.2', ipMode: 'Proxy' },
      { ip: '203.0.113.3', ipMode: 'VIP' },
      { ip: '' },
    ]
    const found = service({ ingress })
    const lines = found.loadBalancerIps.map(({ address, mode }) => formatAddress(address) + mode)
    expect(lines).toEqual(['203.0.113.1VIP', '203.0.113.2Proxy', '203.0.113.3VIP'])
  })

  test('S1: affinity has a timeout of 10800 s unless it is given', () => {
    const clientIP = (timeoutSeconds: number | null): number =>
      service({
        spec: {
          sessionAffinity: 'ClientIP',
          sessionAffinityConfig: { clientIP: { timeoutSeconds } },
        },
      }).affinityTimeout_s
    expect([clientIP(null), clientIP(60), service().affinityTimeout_s]).toEqual([10_800, 60, 0])
  })

  test('the time of creation is kept in seconds, from text and from a number', () => {
    expect(service({ created: '2026-01-01T00:00:00Z' }).createdAt_s).toBe(1_767_225_600)
    const raw = rawService()
    raw.metadata = { ...raw.metadata, creationTimestamp: 1_767_225_600 }
    expect(project(raw, '').object).toMatchObject({ createdAt_s: 1_767_225_600 })
  })

  test.each([
    ['port 0', { port: 0 }, 'spec.ports[1].port is 0'],
    ['a port that is text', { port: '80' }, 'spec.ports[1].port is "80"'],
    ['a port above 65535', { port: 65_536 }, 'spec.ports[1].port is 65536'],
    ['an unknown protocol', { port: 81, protocol: 'QUIC' }, 'spec.ports[1].protocol is "QUIC"'],
    ['a number used before', { port: 80 }, 'spec.ports[1] repeats port 80/TCP'],
    ['a name used before', { name: 'http', port: 81 }, 'spec.ports[1] repeats name http/TCP'],
    ['a name with a slash', { name: 'a/b', port: 81 }, 'spec.ports[1].name is "a/b"'],
  ])('%s is told and skipped, the other ports are served', (_, port, message) => {
    const ports = [
      { name: 'http', port: 80 },
      { name: 'bad', ...port },
      { name: 'last', port: 90 },
    ]
    const { found, told } = serviceWith({ spec: { ports } as NonNullable<ServiceWords['spec']> })
    expect(found?.ports.map(({ name }) => name)).toEqual(['http', 'last'])
    expect(told.join()).toContain(message)
  })

  test('O10: one number under TCP and UDP is two ports', () => {
    const ports = [
      { name: 'dns', port: 53, protocol: 'UDP' },
      { name: 'dns', port: 53, protocol: 'TCP' },
    ]
    expect(service({ spec: { ports } }).ports).toHaveLength(2)
  })

  test('one nodePort under one protocol serves one port', () => {
    const ports = [
      { name: 'a', port: 1, nodePort: 30_000 },
      { name: 'b', port: 2, nodePort: 30_000 },
      { name: 'c', port: 3, nodePort: 30_000, protocol: 'UDP' },
    ]
    const { found, told } = serviceWith({ spec: { type: 'NodePort', ports } })
    expect(found?.ports.map(({ nodePort }) => nodePort)).toEqual([30_000, 0, 30_000])
    expect(told).toHaveLength(1)
  })

  test('T1: no VIP may be loopback, link-local, multicast or unspecified', () => {
    const forbidden = ['127.0.0.1', '::ffff:127.0.0.1', '169.254.169.254', '224.0.0.1', '0.0.0.0']
    for (const text of forbidden) {
      const { found, told } = serviceWith({
        spec: { externalIPs: [text] },
        ingress: [{ ip: text }],
      })
      expect(found?.externalIps, text).toEqual([])
      expect(found?.loadBalancerIps, text).toEqual([])
      expect(told, text).toHaveLength(2)
    }
  })

  test.each(['127.0.0.1', 'web.example', '10.0.0.256', '', '::'])(
    'a Service whose only clusterIP is %j is not used at all, and told',
    (ip) => {
      const { found, told } = serviceWith({ ips: [ip], spec: { ipFamilies: [] } })
      expect(found).toBeUndefined()
      expect(told).toHaveLength(1)
    },
  )

  test('a policy that is none is told and taken as the default', () => {
    const { found, told } = serviceWith({ spec: { externalTrafficPolicy: 'local' } })
    expect(found?.externalTrafficPolicy).toBe('Cluster')
    expect(told.join()).toContain('use Cluster or Local')
  })

  test('a source range that is none is told, but stays: a filter never opens by it', () => {
    const { found, told } = serviceWith({ spec: { loadBalancerSourceRanges: ['10.0.0.0/99'] } })
    expect(found?.loadBalancerSourceRanges).toEqual(['10.0.0.0/99'])
    expect(told).toHaveLength(1)
  })

  test('a hundred bad values make three lines and a count', () => {
    const { told } = serviceWith({ spec: { externalIPs: Array.from({ length: 100 }, () => 'x') } })
    expect(told).toHaveLength(3)
    expect(told[2]).toContain('and 97 more')
  })

  test('a message never spans lines or shows a giant value', () => {
    const { told } = serviceWith({ spec: { externalIPs: [`a\nb${'x'.repeat(9999)}`] } })
    expect(told[0]).not.toContain('\n')
    expect(told[0]?.length).toBeLessThan(250)
  })
})

describe('EndpointSlices', () => {
  test('O3: the label headless is kept, whatever its value', () => {
    const labels = { 'service.kubernetes.io/headless': '' }
    expect(slice([], { labels }).isHeadless).toBe(true)
    expect(slice([]).isHeadless).toBe(false)
  })

  test('O4: FQDN slices are nothing, without a problem; an unknown type is a problem', () => {
    expect(project(rawSlice([], { type: 'FQDN' }), '')).toMatchObject({
      object: undefined,
      problems: [],
    })
    expect(project(rawSlice([], { type: 'IPX' }), '').problems).toHaveLength(1)
  })

  test('O5: only the first address counts, endpoints without one are skipped', () => {
    const raw = rawSlice(['10.1.0.1', '-'])
    raw.endpoints?.push({ addresses: ['10.1.0.2', '10.1.0.3'] }, {})
    const { found, told } = sliceWith(raw)
    expect(found && addressesOf(found)).toEqual(['10.1.0.1', '10.1.0.2'])
    expect(told).toEqual([])
  })

  test('O5: ports without name or number are skipped, port 0 is told', () => {
    const ports = [{ port: 1 }, { name: 'a' }, { name: '', port: 2 }, { name: 'c', port: 0 }]
    const { found, told } = sliceWith(rawSlice([], { ports }))
    expect(found?.ports).toEqual([{ name: '', protocol: 'TCP', port: 2 }])
    expect(told).toEqual([
      'EndpointSlice default/web-1: ports[3].port is 0; give ports[3].port a number from 1 to 65535',
    ])
  })

  test('O7: nil ready is true, nil serving is true, nil terminating is false', () => {
    const raw = rawSlice([])
    raw.endpoints = [
      { addresses: ['10.1.0.1'] },
      { addresses: ['10.1.0.2'], conditions: { ready: null, serving: null, terminating: null } },
      { addresses: ['10.1.0.3'], conditions: { ready: false, terminating: true } },
      { addresses: ['10.1.0.4'], conditions: { ready: true, serving: false } },
    ]
    const { found } = sliceWith(raw)
    expect([...(found?.states ?? [])]).toEqual([
      ready | serving,
      ready | serving,
      serving | terminating,
      ready,
    ])
  })

  test('names, zones, hints and host names stand in the row of their endpoint', () => {
    const raw = rawSlice(['10.1.0.1', '1.2.3 node=bad', '10.1.0.3 node=n3 zone=zc hint=za,zb'])
    raw.endpoints?.push({ ...rawEndpoint('10.1.0.4 nodehint=n1'), hostname: 'db-0' })
    const { found } = sliceWith(raw)
    expect(found?.nodes).toEqual(['', 'n3', ''])
    expect(found?.zones).toEqual(['', 'zc', ''])
    expect(found?.hostnames).toEqual(['', '', 'db-0'])
    expect(found?.hints).toEqual([
      undefined,
      { zones: ['za', 'zb'], nodes: [] },
      { zones: [], nodes: ['n1'] },
    ])
  })

  test.each(['127.0.0.1', '0.0.0.0', '169.254.169.254', '224.0.0.1', '010.0.0', 'pod'])(
    'T2: an endpoint at %s is told and skipped, the others stay',
    (bad) => {
      const { found, told } = sliceWith(rawSlice(['10.1.0.1', bad, '10.1.0.2']))
      expect(found && addressesOf(found)).toEqual(['10.1.0.1', '10.1.0.2'])
      expect(told.join()).toContain(`endpoints[1].addresses[0]`)
      expect(told.join()).toContain(`"${bad}"`)
    },
  )

  test.each(['::1', 'fe80::1', 'ff02::1', '::', '::ffff:127.0.0.1', '::ffff:10.0.0.1'])(
    'T2: an endpoint at %s of an IPv6 slice is told and skipped',
    (bad) => {
      const { found, told } = sliceWith(rawSlice([bad, 'fd00::1'], { type: 'IPv6' }))
      expect(found && addressesOf(found)).toEqual(['fd00::1'])
      expect(told).toHaveLength(1)
    },
  )

  test('T2: no slice, whatever is in it, gives a backend at a forbidden address', () => {
    const part = fc.oneof(fc.constantFrom(0, 127, 169, 254, 224, 255), fc.nat(255))
    const v4 = fc.tuple(part, part, part, part).map((quad) => quad.join('.'))
    const text = fc.oneof(
      v4,
      v4.map((quad) => `::ffff:${quad}`),
      fc.ipV6(),
      fc.string(),
    )
    fc.assert(
      fc.property(fc.array(text), fc.constantFrom('IPv4', 'IPv6'), (texts, type) => {
        const raw = rawSlice([], { type })
        raw.endpoints = texts.map((one) => ({ addresses: [one] }))
        const { found } = sliceWith(raw)
        for (let i = 0; i < (found?.count ?? 0); i++) {
          expect(specialUse(found?.addresses ?? new Uint8Array(), i * 16)).toBeUndefined()
        }
      }),
    )
  })
})

describe('Nodes', () => {
  test('InternalIPs come before ExternalIPs, other types are nothing', () => {
    const raw = {
      kind: 'Node',
      metadata: { name: 'n1', labels: { 'topology.kubernetes.io/zone': 'za' } },
      spec: { podCIDRs: ['10.1.0.0/24'], taints: [{ key: 'k' }] },
      status: {
        addresses: [
          { type: 'Hostname', address: 'n1' },
          { type: 'ExternalIP', address: '203.0.113.1' },
          { type: 'InternalIP', address: '192.0.2.1' },
          { type: 'constructor', address: '192.0.2.9' },
        ],
      },
    }
    const found = project(raw, '').object as Node
    expect(found.addresses.map(formatAddress)).toEqual(['192.0.2.1', '203.0.113.1'])
    expect(found).toMatchObject({ zone: 'za', podCidrs: ['10.1.0.0/24'], taintKeys: ['k'] })
    expect(found.isDeleting).toBe(false)
  })
})

describe('anything', () => {
  test('items of a JSON list have no kind of their own: it is passed', () => {
    const { kind: _, ...raw } = rawService()
    expect(project(raw, '', 'Service').object).toBeDefined()
    expect(project(raw, '').problems[0]?.reason).toBe('UnknownKind')
  })

  test.each(['', 'a/b', 'a\nb', 'A', '../x', 'a'.repeat(254)])(
    'an object named %j is refused',
    (name) => {
      const { object, problems } = project(rawService({ name }), '')
      expect(object).toBeUndefined()
      expect(problems[0]?.reason).toBe('BadName')
    },
  )

  test('no value whatsoever makes it throw, and what is wrong is told', () => {
    const kinds = fc.constantFrom('Service', 'EndpointSlice', 'Node', 'Namespace', 'ConfigMap')
    const odd = fc.jsonValue()
    const fields = fc.constantFrom(
      ...['spec', 'status', 'ports', 'endpoints', 'addressType', 'data', 'metadata'],
    )
    const shape = fc.dictionary(fields, fc.oneof(odd, fc.dictionary(fields, odd)))
    fc.assert(
      fc.property(kinds, shape, odd, (kind, raw, metadata) => {
        const named = { metadata: { name: 'a', namespace: 'b', labels: metadata }, ...raw, kind }
        project(named as RawObject, '')
        project(raw, '')
        project(metadata as RawObject, '')
      }),
      { numRuns: 500 },
    )
  })

  test('no field of a sound object can be replaced so that it throws', () => {
    const places: [RawObject, string[]][] = []
    const walk = (raw: RawObject, value: unknown, path: string[]): void => {
      places.push([raw, path])
      if (typeof value !== 'object' || value === null) return
      for (const [key, inner] of Object.entries(value)) walk(raw, inner, [...path, key])
    }
    for (const raw of [
      rawService({ spec: { externalIPs: ['1.1.1.1'] }, ingress: [{ ip: '1.1.1.2' }] }),
      rawSlice(['10.1.0.1 node=n zone=z hint=z nodehint=n']),
    ]) {
      walk(raw, raw, [])
    }
    const junk = [null, 0, -1, 1e300, true, '', 'x', [], [null], [[]], {}, { name: {} }]
    for (const [raw, path] of places) {
      for (const value of junk) {
        const copy = { root: structuredClone(raw) as unknown }
        let at = copy as Record<string, unknown>
        let key = 'root'
        for (const next of path) [at, key] = [at[key] as Record<string, unknown>, next]
        at[key] = value
        expect(() => project(copy.root as RawObject, ''), path.join('.')).not.toThrow()
      }
    }
  })
})
