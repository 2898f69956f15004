/** ICMP errors through a VIP: each end reads of the packet that it sent itself. */
import { bare, eth } from './build.ts'
import type { Frame } from './build.ts'
import { judgeRows, packetSuite } from './suite.ts'
import type { Row } from './table.ts'
import { at } from './world.ts'
import type { Place } from './world.ts'

interface Error {
  readonly name: string
  /** Type and code of each family. */
  readonly four: readonly [number, number]
  readonly six: readonly [number, number]
}

const tooBig: Error = { name: 'packet too big', four: [3, 4], six: [2, 0] }
const errors: readonly Error[] = [
  tooBig,
  { name: 'port unreachable', four: [3, 3], six: [1, 4] },
  { name: 'time exceeded', four: [11, 0], six: [3, 0] },
  { name: 'parameter problem', four: [12, 0], six: [4, 0] },
]

/** `about`: an IP packet without Ethernet, of which `quoted` bytes are repeated. */
function error(
  { family }: Place,
  { four, six }: Error,
  from: string,
  to: string,
  about: Frame,
  quoted?: number,
): Frame {
  const packet = eth().ip({ from, to })
  const quote = about.bytes().subarray(0, quoted)
  return (family === 4 ? packet.icmp4(...four, 1400) : packet.icmp6(...six, 1400)).payload(quote)
}

function nameOf({ family }: Place, { four, six }: Error): string {
  return family === 4 ? `icmp ${four.join('/')}` : `icmp6 ${six.join('/')}`
}

const port = 4000
const headers = { 4: 20, 6: 40 } as const

/** Long, because it is a table. */
function rows(place: Place): Row[] {
  const { client, outside, router, family } = place
  const [vip, backend] = [place.vip('web'), place.pod(7)]
  const name = nameOf(place, tooBig)
  const opened = eth()
    .ip({ from: client, to: vip })
    .tcp({ from: port, to: 80, flags: ['syn'] })
  const asked = eth().ip({ from: client, to: vip }).udp({ from: port, to: 53 }).payload(5)
  const request = bare()
    .ip({ from: client, to: backend })
    .tcp({ from: port, to: 8080, flags: ['ack'] })
    .payload(100)
  const question = bare()
    .ip({ from: client, to: backend })
    .udp({ from: port, to: 5353 })
    .payload(100)
  const reply = bare()
    .ip({ from: vip, to: client })
    .tcp({ from: 80, to: port, flags: ['ack'] })
    .payload(100)
  const answer = bare().ip({ from: vip, to: client }).udp({ from: 53, to: port }).payload(100)
  const [opens, asks] = [['pod_ingress', opened] as const, ['pod_ingress', asked] as const]
  const undone = (from: string, error: string, ends = 'tcp ack') =>
    `${from} > ${client} ${error} about ${at(client, port)} > ${ends === 'udp' ? at(vip, 53) : at(vip, 80)} ${ends}`
  return [
    ...errors.map((kind): Row => ({
      says: `${kind.name} from a router tells the client of the VIP, by the router’s address`,
      after: [opens],
      in: error(place, kind, router, client, request),
      program: 'pod_egress',
      verdict: 'rewritten',
      out: undone(router, nameOf(place, kind)),
    })),
    {
      says: 'an error from the backend itself comes from the VIP',
      after: [asks],
      in: error(place, tooBig, backend, client, question),
      program: 'pod_egress',
      verdict: 'rewritten',
      out: undone(vip, name, 'udp'),
    },
    {
      says: 'a quoted datagram without checksum stays without',
      after: [asks],
      in: error(
        place,
        tooBig,
        router,
        client,
        bare()
          .ip({ from: client, to: backend })
          .udp({ from: port, to: 5353, checksum: 0 })
          .payload(100),
      ),
      program: 'pod_egress',
      verdict: 'rewritten',
      out: undone(router, name, 'udp'),
    },
    {
      says: 'only eight bytes of the transport are quoted',
      after: [opens],
      in: error(place, tooBig, router, client, request, headers[family] + 8),
      program: 'pod_egress',
      verdict: 'rewritten',
      out: undone(router, name, 'tcp'),
    },
    {
      says: 'only the ports are quoted',
      after: [asks],
      in: error(place, tooBig, router, client, question, headers[family] + 4),
      program: 'pod_egress',
      verdict: 'rewritten',
      out: undone(router, name, 'udp'),
    },
    {
      says: 'not even the ports are quoted',
      after: [asks],
      in: error(place, tooBig, router, client, question, headers[family] + 3),
      program: 'pod_egress',
      verdict: 'pass',
    },
    {
      says: 'a client’s error about a reply goes to the backend and tells it of its own packet',
      after: [opens],
      in: error(place, tooBig, client, vip, reply),
      program: 'pod_ingress',
      verdict: 'rewritten',
      out: `${client} > ${backend} ${name} about ${at(backend, 8080)} > ${at(client, port)} tcp ack`,
    },
    {
      says: 'a router’s error about a reply goes to the backend too',
      after: [['uplink_ingress', eth().ip({ from: outside, to: vip }).udp({ from: port, to: 53 })]],
      in: error(
        place,
        tooBig,
        router,
        vip,
        bare().ip({ from: vip, to: outside }).udp({ from: 53, to: port }).payload(100),
      ),
      program: 'uplink_ingress',
      verdict: 'rewritten',
      out: `${router} > ${backend} ${name} about ${at(backend, 5353)} > ${at(outside, port)} udp`,
      masquerade: true,
    },
    {
      says: 'an error about a datagram reply goes to the backend',
      after: [asks],
      in: error(place, tooBig, client, vip, answer),
      program: 'pod_ingress',
      verdict: 'rewritten',
      out: `${client} > ${backend} ${name} about ${at(backend, 5353)} > ${at(client, port)} udp`,
    },
    {
      says: 'an error about nobody’s flow stays as it is',
      in: error(place, tooBig, router, client, request),
      program: 'pod_egress',
      verdict: 'pass',
    },
    {
      says: 'an error for another than who sent the quoted packet stays as it is',
      after: [opens],
      in: error(place, tooBig, router, place.pod(8), request),
      program: 'pod_egress',
      verdict: 'pass',
    },
    {
      says: 'an echo request to a VIP stays as it is',
      after: [opens],
      in:
        family === 4
          ? eth().ip({ from: client, to: vip }).icmp4(8, 0, 7).payload(56)
          : eth().ip({ from: client, to: vip }).icmp6(128, 0, 7).payload(56),
      program: 'pod_ingress',
      verdict: 'pass',
    },
    {
      says: 'an error that quotes an error stays as it is',
      after: [opens],
      in: error(
        place,
        tooBig,
        router,
        client,
        bare().ip({ from: client, to: backend }).icmp4(3, 4),
      ),
      program: 'pod_egress',
      verdict: 'pass',
    },
  ]
}

packetSuite('ICMP errors', (stage) => judgeRows(stage, rows))
