/** DNAT and its undoing, packet by packet. */
import { describe, expect, test } from 'vitest'
import { eth } from './build.ts'
import type { Frame } from './build.ts'
import { programNames } from './stage.ts'
import { judgeRows, packetSuite } from './suite.ts'
import type { Row } from './table.ts'
import { at } from './world.ts'
import type { Place } from './world.ts'

const port = 4000

interface Kind {
  readonly name: string
  readonly vipPort: number
  readonly backendPort: number
  readonly nodePort: number
  opens(from: string, to: string, vipPort: number): Frame
  answers(from: string, to: string, toPort?: number): Frame
  readonly opened: string
  readonly answered: string
}

const tcp: Kind = {
  name: 'TCP',
  vipPort: 80,
  backendPort: 8080,
  nodePort: 30080,
  opens: (from, to, vipPort) =>
    eth()
      .ip({ from, to })
      .tcp({ from: port, to: vipPort, flags: ['syn'] }),
  answers: (from, to, toPort = port) =>
    eth()
      .ip({ from, to })
      .tcp({ from: 8080, to: toPort, flags: ['syn', 'ack'] }),
  opened: 'tcp syn',
  answered: 'tcp syn ack',
}
const udp: Kind = {
  name: 'UDP',
  vipPort: 53,
  backendPort: 5353,
  nodePort: 30053,
  opens: (from, to, vipPort) => eth().ip({ from, to }).udp({ from: port, to: vipPort }).payload(33),
  answers: (from, to, toPort = port) =>
    eth().ip({ from, to }).udp({ from: 5353, to: toPort }).payload(200),
  opened: 'udp',
  answered: 'udp',
}

/** What holds for TCP and UDP alike. Long, because it is a table. */
function commonRows(kind: Kind, place: Place): Row[] {
  const { client, outside, node } = place
  const { vipPort, backendPort, nodePort, opened, answered } = kind
  const [vip, backend, far] = [place.vip('web'), place.pod(7), place.pod(9)]
  const opens = (from: string, to: string, vipPort: number) => kind.opens(from, to, vipPort)
  return [
    {
      says: 'a pod’s first packet to a ClusterIP goes to the backend, its source kept',
      in: opens(client, vip, vipPort),
      program: 'pod_ingress',
      verdict: 'rewritten',
      out: `${at(client, port)} > ${at(backend, backendPort)} ${opened}`,
      counts: 'translated',
    },
    {
      says: 'the reply comes from the ClusterIP again',
      after: [['pod_ingress', opens(client, vip, vipPort)]],
      in: kind.answers(backend, client),
      program: 'pod_egress',
      verdict: 'rewritten',
      out: `${at(vip, vipPort)} > ${at(client, port)} ${answered}`,
      counts: 'reversed',
    },
    {
      says: 'a pod’s flow is not undone at an uplink',
      after: [['pod_ingress', opens(client, vip, vipPort)]],
      in: kind.answers(backend, client),
      program: 'uplink_egress',
      verdict: 'pass',
    },
    {
      says: 'a reply is undone at egress alone',
      after: [['pod_ingress', opens(client, vip, vipPort)]],
      in: kind.answers(backend, client),
      program: 'pod_ingress',
      verdict: 'pass',
    },
    {
      says: 'a VIP is translated at ingress alone',
      in: opens(client, vip, vipPort),
      program: 'pod_egress',
      verdict: 'pass',
    },
    {
      says: 'a packet of somebody else’s from the backend’s port stays as it is',
      after: [['pod_ingress', opens(client, vip, vipPort)]],
      in: kind.answers(backend, client, port + 1),
      program: 'pod_egress',
      verdict: 'pass',
    },
    {
      says: 'a packet that is for no Service stays as it is',
      in: opens(client, backend, backendPort),
      program: 'pod_ingress',
      verdict: 'pass',
    },
    {
      says: 'a pod that reaches itself is masqueraded',
      in: opens(client, place.vip('self'), vipPort),
      program: 'pod_ingress',
      verdict: 'rewritten',
      out: `${at(client, port)} > ${at(client, backendPort)} ${opened}`,
      masquerade: true,
    },
    {
      says: 'the reply of a pod to itself comes from the ClusterIP again',
      after: [['pod_ingress', opens(client, place.vip('self'), vipPort)]],
      in: kind.answers(client, client),
      program: 'pod_egress',
      verdict: 'rewritten',
      out: `${at(place.vip('self'), vipPort)} > ${at(client, port)} ${answered}`,
    },
    {
      says: 'a NodePort from outside is translated and masqueraded',
      in: opens(outside, node, nodePort),
      program: 'uplink_ingress',
      verdict: 'rewritten',
      out: `${at(outside, port)} > ${at(backend, backendPort)} ${opened}`,
      masquerade: true,
    },
    {
      says: 'the reply to a NodePort’s client comes from the NodePort again, at any uplink',
      after: [['uplink_ingress', opens(outside, node, nodePort)]],
      in: kind.answers(backend, outside),
      program: 'uplink_egress',
      verdict: 'rewritten',
      out: `${at(node, nodePort)} > ${at(outside, port)} ${answered}`,
    },
    {
      says: 'an uplink’s flow is not undone at a pod’s device',
      after: [['uplink_ingress', opens(outside, node, nodePort)]],
      in: kind.answers(backend, outside),
      program: 'pod_egress',
      verdict: 'pass',
    },
    {
      says: 'a pod at a NodePort with policy Cluster is masqueraded',
      in: opens(client, node, nodePort),
      program: 'pod_ingress',
      verdict: 'rewritten',
      out: `${at(client, port)} > ${at(backend, backendPort)} ${opened}`,
      masquerade: true,
    },
    {
      says: 'a ClusterIP from outside is masqueraded',
      in: opens(outside, vip, vipPort),
      program: 'uplink_ingress',
      verdict: 'rewritten',
      out: `${at(outside, port)} > ${at(backend, backendPort)} ${opened}`,
      masquerade: true,
    },
    {
      says: 'policy Local with backends only elsewhere drops what comes from outside',
      in: opens(outside, node, nodePort === 30080 ? 30082 : 30054),
      program: 'uplink_ingress',
      verdict: 'drop',
      counts: 'no_local_endpoints',
    },
    {
      says: 'policy Local is short-circuited for a pod, without masquerade',
      in: opens(client, node, nodePort === 30080 ? 30082 : 30054),
      program: 'pod_ingress',
      verdict: 'rewritten',
      out: `${at(client, port)} > ${at(far, backendPort)} ${opened}`,
    },
    {
      says: 'internal policy Local with backends only elsewhere drops',
      in: opens(client, place.vip('far'), vipPort),
      program: 'pod_ingress',
      verdict: 'drop',
      counts: 'no_local_endpoints',
    },
    {
      says: 'a NodePort’s number at another address is nobody’s',
      in: opens(client, place.pod(8), nodePort),
      program: 'pod_ingress',
      verdict: 'pass',
    },
    {
      says: 'loopback as the destination does not come over a wire',
      in: opens(outside, place.loopback, nodePort),
      program: 'uplink_ingress',
      verdict: 'drop',
      counts: 'loopback_on_wire',
    },
    {
      says: 'loopback as the source does not come over a wire',
      in: opens(place.loopback, node, nodePort),
      program: 'uplink_ingress',
      verdict: 'drop',
      counts: 'loopback_on_wire',
    },
  ]
}

/** Traffic policy Local with a backend on each node. */
function localRows(place: Place): Row[] {
  const { client, outside, node } = place
  const out = (from: string) => `${at(from, port)} > ${at(place.pod(7), 8080)} tcp syn`
  return [
    {
      says: 'policy Local keeps what comes from outside here, with its own source',
      in: tcp.opens(outside, node, 30081),
      program: 'uplink_ingress',
      verdict: 'rewritten',
      out: out(outside),
    },
    {
      says: 'internal policy Local keeps a pod’s packets here',
      in: tcp.opens(client, place.vip('near'), 80),
      program: 'pod_ingress',
      verdict: 'rewritten',
      out: out(client),
    },
    {
      says: 'internal policy Local keeps what comes from outside here, masqueraded',
      in: tcp.opens(outside, place.vip('near'), 80),
      program: 'uplink_ingress',
      verdict: 'rewritten',
      out: out(outside),
      masquerade: true,
    },
  ]
}

packetSuite('flows', (stage) => {
  describe('policy Local', () => judgeRows(stage, localRows))

  for (const kind of [tcp, udp]) {
    describe(kind.name, () => judgeRows(stage, (place) => commonRows(kind, place)))
  }

  test('each program stays below 100,000 verified instructions', () => {
    for (const name of programNames) {
      expect(stage().program(name).info().verifiedInstructions, name).toBeLessThan(100_000)
    }
  })
})
