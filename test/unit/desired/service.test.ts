import { describe, expect, test } from 'vitest'

import { nodeFacts } from '../../../agent/desired/facts.ts'
import { desireNothing, desireService } from '../../../agent/desired/service.ts'
import { parseAddress } from '../../../agent/model/address.ts'
import type { Address } from '../../../agent/model/address.ts'
import { parseCidr } from '../../../agent/model/cidr.ts'
import type { Cidr } from '../../../agent/model/cidr.ts'
import { facts, frontendLines, refusingLines, service, slice } from '../../support/objects.ts'
import type { ServiceWords } from '../../support/objects.ts'

type Facts = Parameters<typeof facts>[0]

function frontends(words: ServiceWords, over: Facts = {}): string[] {
  return frontendLines(desireService(service(words), [], facts(over)))
}

function ports(count: number): { name: string; port: number; nodePort: number }[] {
  return Array.from({ length: count }, (_, i) => ({
    name: `p${i}`,
    port: 80 + i,
    nodePort: 30_000 + i,
  }))
}

const allowed = { externalIpCidrs: [parseCidr('203.0.113.0/24') as Cidr] }

describe('frontends', () => {
  test('of a ClusterIP Service are its addresses and ports, a nodePort has no meaning there', () => {
    expect(frontends({ spec: { ports: ports(2) } })).toEqual([
      'ClusterIP 10.96.0.1:80/TCP',
      'ClusterIP 10.96.0.1:81/TCP',
    ])
  })

  test('N5: other ports of a ClusterIP are refused, once an address, and of no other kind', () => {
    const words: ServiceWords = {
      spec: {
        type: 'NodePort',
        clusterIPs: ['10.96.0.1', 'fd00::1'],
        ipFamilies: ['IPv4', 'IPv6'],
        ports: ports(2),
      },
    }
    const desired = desireService(service(words), [], facts())
    expect(refusingLines(desired)).toEqual(['10.96.0.1', 'fd00::1'])
  })

  test('of a NodePort are one entry for all node addresses', () => {
    expect(frontends({ spec: { type: 'NodePort', ports: ports(1) } })).toEqual([
      'ClusterIP 10.96.0.1:80/TCP',
      'NodePort 0.0.0.0:30000/TCP',
    ])
  })

  test('O9: a LoadBalancer without node ports has none', () => {
    const spec = { type: 'LoadBalancer', ports: [{ name: 'a', port: 80, nodePort: 0 }] }
    expect(frontends({ spec, ingress: [{ ip: '203.0.113.1' }] })).toEqual([
      'ClusterIP 10.96.0.1:80/TCP',
      'LoadBalancer 203.0.113.1:80/TCP',
    ])
  })

  test('L1: ipMode Proxy gives no entry, and a balancer address counts for that type only', () => {
    const ingress = [{ ip: '203.0.113.1', ipMode: 'Proxy' }]
    expect(frontends({ spec: { type: 'LoadBalancer' }, ingress })).toEqual([
      'ClusterIP 10.96.0.1:80/TCP',
    ])
    expect(frontends({ ingress: [{ ip: '203.0.113.1' }] })).toEqual(['ClusterIP 10.96.0.1:80/TCP'])
  })

  test('O11: each family has its own, and one without clusterIP has nothing at all', () => {
    const ingress = [{ ip: '203.0.113.1' }, { ip: '2001:db8::1' }]
    const spec = { type: 'LoadBalancer', ports: ports(1) }
    expect(frontends({ ips: ['fd00::1', '10.96.0.1'], spec, ingress })).toEqual([
      'ClusterIP [fd00::1]:80/TCP',
      'LoadBalancer [2001:db8::1]:80/TCP',
      'NodePort [::]:30000/TCP',
      'ClusterIP 10.96.0.1:80/TCP',
      'LoadBalancer 203.0.113.1:80/TCP',
      'NodePort 0.0.0.0:30000/TCP',
    ])
    expect(frontends({ ips: ['fd00::1'], spec, ingress })).toEqual([
      'ClusterIP [fd00::1]:80/TCP',
      'LoadBalancer [2001:db8::1]:80/TCP',
      'NodePort [::]:30000/TCP',
    ])
  })

  test('O10: one number under three protocols is three ports with keys of their own', () => {
    const three = ['TCP', 'UDP', 'SCTP'].map((protocol) => ({ name: 'a', port: 53, protocol }))
    const desired = desireService(service({ spec: { ports: three } }), [], facts())
    expect(desired.ports.map(({ key }) => key)).toEqual([
      'default/web/a/TCP/4',
      'default/web/a/UDP/4',
      'default/web/a/SCTP/4',
    ])
  })

  test('an address named twice is one frontend, of the first kind', () => {
    const spec = { type: 'LoadBalancer', externalIPs: ['203.0.113.1'] }
    expect(frontends({ spec, ingress: [{ ip: '203.0.113.1' }] }, allowed)).toEqual([
      'ClusterIP 10.96.0.1:80/TCP',
      'LoadBalancer 203.0.113.1:80/TCP',
    ])
  })

  test('C4: only those that come from outside follow externalTrafficPolicy', () => {
    const spec = { type: 'LoadBalancer', ports: ports(1), externalIPs: ['203.0.113.9'] }
    const desired = desireService(
      service({ spec, ingress: [{ ip: '203.0.113.1' }] }),
      [],
      facts(allowed),
    )
    const external = desired.ports[0]?.frontends.map(({ kind, isExternal }) => [kind, isExternal])
    expect(external).toEqual([
      ['ClusterIP', false],
      ['LoadBalancer', true],
      ['ExternalIP', true],
      ['NodePort', true],
      ['ClusterIP', false], // the one that refuses other ports
    ])
  })

  test('policies and affinity are those of the Service', () => {
    const spec = {
      internalTrafficPolicy: 'Local',
      externalTrafficPolicy: 'Cluster',
      sessionAffinity: 'ClientIP',
    }
    expect(desireService(service({ spec }), [], facts()).ports[0]).toMatchObject({
      isInternalLocal: true,
      isExternalLocal: false,
      affinityTimeout_s: 10_800,
    })
  })
})

describe('nothing is programmed', () => {
  test.each([
    ['O1: with another proxy', { labels: { 'service.kubernetes.io/service-proxy-name': 'x' } }],
    ['O2: headless', { ips: ['None'] }],
    ['O2: ExternalName', { spec: { type: 'ExternalName' } }],
  ] as [string, ServiceWords][])('%s', (_, words) => {
    expect(desireService(service(words), [slice(['10.1.0.1'])], facts()).ports).toEqual([])
  })

  test('for a Service that does not exist', () => {
    expect(desireNothing('kube-system/dns')).toMatchObject({
      key: 'kube-system/dns',
      ref: { namespace: 'kube-system', name: 'dns' },
      ports: [],
    })
  })
})

describe('T1: addresses that are not the Service’s to take', () => {
  test('externalIPs are off unless ranges are allowed, and the Service is told', () => {
    const words = { spec: { externalIPs: ['203.0.113.1', '198.51.100.1'] } }
    const off = desireService(service(words), [], facts())
    expect(frontendLines(off)).toEqual(['ClusterIP 10.96.0.1:80/TCP'])
    expect(off.problems.map(({ reason }) => reason)).toEqual([
      'ExternalIpRefused',
      'ExternalIpRefused',
    ])
    expect(off.problems[0]?.message).toContain('externalIPs are off')
    const some = desireService(service(words), [], facts(allowed))
    expect(frontendLines(some)).toEqual([
      'ClusterIP 10.96.0.1:80/TCP',
      'ExternalIP 203.0.113.1:80/TCP',
    ])
    expect(some.problems.map(({ message }) => message)).toEqual([
      'ExternalIP address 198.51.100.1 is not served: it lies outside the allowed ranges',
    ])
  })

  test('no VIP may be an address of this node, of whatever kind', () => {
    const addresses = [parseAddress('203.0.113.1') as Address]
    const words = {
      spec: { type: 'LoadBalancer', externalIPs: ['203.0.113.1'] },
      ingress: [{ ip: '203.0.113.1' }],
    }
    const desired = desireService(service(words), [], facts({ ...allowed, addresses }))
    expect(frontendLines(desired)).toEqual(['ClusterIP 10.96.0.1:80/TCP'])
    expect(new Set(desired.problems.map(({ reason }) => reason))).toEqual(
      new Set(['VipIsNodeAddress']),
    )
  })
})

describe('per-packet frontends (DESIGN 4.1)', () => {
  const packets = { packetPathExists: true }
  const balancer: ServiceWords = {
    spec: { type: 'LoadBalancer', ports: ports(1), externalTrafficPolicy: 'Local' },
    ingress: [{ ip: '203.0.113.1' }],
  }
  const withSpec = (spec: NonNullable<ServiceWords['spec']>): ServiceWords => ({
    ...balancer,
    spec: { ...balancer.spec, ...spec },
  })
  const marked = (words: ServiceWords): string[] =>
    frontends(words, packets)
      .filter((line) => line.endsWith('per-packet'))
      .map((line) => line.split(' ')[0] ?? '')

  test('do not exist before the packet path does', () => {
    const facts_ = nodeFacts(
      { nodeName: 'n1', externalIpCidrs: [], backendsLimit: 9 },
      undefined,
      [],
    )
    expect(facts_.packetPathExists).toBe(false)
    expect(frontends(withSpec({ sessionAffinity: 'ClientIP' })).join()).not.toContain('per-packet')
  })

  test('are all of a Service with affinity', () => {
    expect(marked(withSpec({ sessionAffinity: 'ClientIP' }))).toEqual([
      'ClusterIP',
      'LoadBalancer',
      'NodePort',
    ])
  })

  test('are the external ones under policy Cluster, which are masqueraded', () => {
    expect(marked(withSpec({ externalTrafficPolicy: 'Cluster' }))).toEqual([
      'LoadBalancer',
      'NodePort',
    ])
    expect(marked(balancer)).toEqual([])
  })

  test('L2: are balancer addresses alone where source ranges filter', () => {
    expect(marked(withSpec({ loadBalancerSourceRanges: ['10.0.0.0/8'] }))).toEqual(['LoadBalancer'])
  })

  test('L3: a /0, or ranges of the other family alone, filter nothing; garbage filters', () => {
    const ranges = (...list: string[]) => marked(withSpec({ loadBalancerSourceRanges: list }))
    expect(ranges('10.0.0.0/8', '0.0.0.0/0')).toEqual([])
    expect(ranges('fd00::/8')).toEqual([])
    expect(ranges('::/0', '10.0.0.0/8')).toEqual(['LoadBalancer'])
  })

  test('N2: are ClusterIPs under policy Local with endpoints elsewhere only: those drop', () => {
    const one = service({ spec: { internalTrafficPolicy: 'Local' } })
    const line = (lines: string[]) =>
      frontendLines(desireService(one, [slice(lines)], facts(packets)))[0]
    expect(line(['10.1.0.1 node=n2'])).toBe('ClusterIP 10.96.0.1:80/TCP per-packet')
    expect(line(['10.1.0.1 node=n1'])).toBe('ClusterIP 10.96.0.1:80/TCP')
    expect(line([])).toBe('ClusterIP 10.96.0.1:80/TCP')
  })
})

test('more backends than fit are told and not cut: sync keeps the last good set', () => {
  const lines = ['10.1.0.1', '10.1.0.2', '10.1.0.3']
  const desired = desireService(service(), [slice(lines)], facts({ backendsLimit: 2 }))
  expect(desired.ports[0]?.backends.count).toBe(3)
  expect(desired.problems.map(({ reason, message }) => `${reason}: ${message}`)).toEqual([
    'TooManyBackends: port default/web/http/TCP/4 has 3 backends, more than the 2 that fit one ' +
      'service port: its last good set stays in force',
  ])
})

test('default/kubernetes is known as the API server', () => {
  const is = (words: ServiceWords): boolean =>
    desireService(service(words), [], facts()).isApiServer
  expect(is({ name: 'kubernetes' })).toBe(true)
  expect(is({ name: 'kubernetes', namespace: 'other' })).toBe(false)
})

test('unchanged input gives equal output', () => {
  const make = () =>
    desireService(service(), [slice(['10.1.0.1 node=n1', '10.1.0.2 hint=za'])], facts())
  expect(make()).toEqual(make())
})
