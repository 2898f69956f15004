/** Packets of odd shapes: answered exactly or left alone. */
import { expect, test } from 'vitest'
import { flFragmentPorts } from '../../agent/maps/abi.gen.ts'
import { NativeError } from '../../native/index.ts'
import { bare, eth, ethernetBytes, fragmentsOf4, fragmentsOf6 } from './build.ts'
import type { Frame } from './build.ts'
import { sumOf } from './checksum.ts'
import { programNames } from './stage.ts'
import type { Stage } from './stage.ts'
import { judgeRows, packetSuite } from './suite.ts'
import type { Row } from './table.ts'
import { at, places } from './world.ts'
import type { Place } from './world.ts'

const port = 4000
const [hopByHop, routing, fragment, destinationOptions] = [0, 43, 44, 60]

function question({ client }: Place, to: string, length = 30): Frame {
  return eth().ip({ from: client, to }).udp({ from: port, to: 53 }).payload(length)
}

/** Fragments of one datagram between these ends. */
function split(place: Place, packet: Frame): [Buffer, Buffer] {
  if (place.family === 6) return fragmentsOf6(packet.bytes(), 512, 77)
  return fragmentsOf4(packet.bytes(), 512)
}

function fragmentRows(place: Place): Row[] {
  const { client } = place
  const [vip, backend] = [place.vip('web'), place.pod(7)]
  const [first, later] = split(place, question(place, vip, 1000))
  const reply = eth().ip({ from: backend, to: client }).udp({ from: 5353, to: port }).payload(1000)
  const [firstReply, laterReply] = split(place, reply)
  const asked = ['pod_ingress', question(place, vip)] as const
  return [
    {
      says: 'the first fragment of a datagram opens a flow',
      in: first,
      program: 'pod_ingress',
      verdict: 'rewritten',
      out: `${at(client, port)} > ${at(backend, 5353)} udp first fragment`,
    },
    {
      says: 'a later fragment follows the first',
      after: [['pod_ingress', first]],
      in: later,
      program: 'pod_ingress',
      verdict: 'rewritten',
      out: `${client} > ${backend} udp later fragment`,
    },
    {
      says: 'a later fragment without the first stays as it is',
      after: [asked],
      in: later,
      program: 'pod_ingress',
      verdict: 'pass',
    },
    {
      says: 'the first fragment of a reply is undone',
      after: [asked],
      in: firstReply,
      program: 'pod_egress',
      verdict: 'rewritten',
      out: `${at(vip, 53)} > ${at(client, port)} udp first fragment`,
    },
    {
      says: 'a later fragment of a reply is undone',
      after: [asked, ['pod_egress', firstReply]],
      in: laterReply,
      program: 'pod_egress',
      verdict: 'rewritten',
      out: `${vip} > ${client} udp later fragment`,
    },
    {
      says: 'fragments of what is refused are dropped, not answered',
      in: split(place, question(place, place.vip('none'), 1000))[0],
      program: 'pod_ingress',
      verdict: 'drop',
    },
  ]
}

function sctpRows(place: Place): Row[] {
  const { client } = place
  const [vip, backend] = [place.vip('web'), place.pod(7)]
  const ends = { from: client, to: vip }
  const init = eth().ip(ends).sctp({ from: port, to: 9000, chunk: 1 }).payload(16)
  return [
    {
      says: 'an INIT to a backend with the VIP’s port goes there',
      in: init,
      program: 'pod_ingress',
      verdict: 'rewritten',
      out: `${at(client, port)} > ${at(backend, 9000)} sctp`,
    },
    {
      says: 'SCTP’s reply comes from the VIP again',
      after: [['pod_ingress', init]],
      in: eth()
        .ip({ from: backend, to: client })
        .sctp({ from: 9000, to: port, chunk: 2 })
        .payload(8),
      program: 'pod_egress',
      verdict: 'rewritten',
      out: `${at(vip, 9000)} > ${at(client, port)} sctp`,
    },
    {
      says: 'data of an association goes where its INIT went',
      after: [['pod_ingress', init]],
      in: eth().ip(ends).sctp({ from: port, to: 9000, chunk: 0 }).payload(40),
      program: 'pod_ingress',
      verdict: 'rewritten',
      out: `${at(client, port)} > ${at(backend, 9000)} sctp`,
    },
    {
      says: 'data of an association that we have not seen begin stays as it is',
      in: eth().ip(ends).sctp({ from: port, to: 9000, chunk: 0 }).payload(40),
      program: 'pod_ingress',
      verdict: 'pass',
    },
    {
      says: 'a backend with another port than the VIP’s is out of reach: its checksum covers ports',
      in: eth().ip(ends).sctp({ from: port, to: 9001, chunk: 1 }).payload(16),
      program: 'pod_ingress',
      verdict: 'drop',
      counts: 'sctp_port_differs',
    },
  ]
}

/** Long, because it is a table. */
function shapeRows(place: Place): Row[] {
  const { client, family } = place
  const vip = place.vip('web')
  const out = `${at(client, port)} > ${at(place.pod(7), 5353)} udp`
  const ends = { from: client, to: vip }
  const ports = { from: port, to: 53 }
  const program = 'pod_ingress' as const
  const common: Row[] = [
    {
      says: 'a tag inside the packet is not looked behind',
      in: eth().vlan(7).ip(ends).udp(ports),
      program,
      verdict: 'pass',
    },
    {
      says: 'bytes behind the IP packet stay',
      in: Buffer.concat([question(place, vip, 2).bytes(), Buffer.alloc(14, 0xee)]),
      program,
      verdict: 'rewritten',
      out,
    },
    {
      says: 'a datagram without content',
      in: eth().ip(ends).udp(ports),
      program,
      verdict: 'rewritten',
      out,
    },
    {
      says: 'every TCP flag at once opens nothing',
      in: eth()
        .ip(ends)
        .tcp({ from: port, to: 80, flags: ['fin', 'syn', 'rst', 'psh', 'ack'] }),
      program,
      verdict: 'pass',
    },
    {
      says: 'no TCP flag at all opens nothing',
      in: eth().ip(ends).tcp({ from: port, to: 80, flags: [] }),
      program,
      verdict: 'pass',
    },
    {
      says: 'options of TCP stay',
      in: eth()
        .ip(ends)
        .tcp({ from: port, to: 80, flags: ['syn'], options: [2, 4, 5, 180, 1, 3, 3, 7] }),
      program,
      verdict: 'rewritten',
      out: `${at(client, port)} > ${at(place.pod(7), 8080)} tcp syn`,
    },
  ]
  return [...common, ...(family === 4 ? fourRows(place, out) : sixRows(place, out))]
}

function fourRows({ client, vip }: Place, out: string): Row[] {
  const ends = { from: client, to: vip('web') }
  const ports = { from: port, to: 53 }
  const program = 'pod_ingress' as const
  const of = (says: string, fields: object, rest: Partial<Row>): Row => ({
    says,
    in: eth()
      .ipv4({ ...ends, ...fields })
      .udp(ports)
      .payload(20),
    program,
    verdict: 'pass',
    ...rest,
  })
  const fits: Partial<Row> = { verdict: 'rewritten', out }
  return [
    of('IP options are walked over', { options: [1, 1, 1, 0] }, fits),
    of('the most IP options there can be', { options: Array<number>(40).fill(1) }, fits),
    of('a header that says it is longer than the packet', { headerWords: 15, length: 48 }, {}),
    of('a header of less than 20 bytes', { headerWords: 4 }, {}),
    of('another version than its Ethernet type says', { version: 6 }, {}),
    of('a length beyond the packet’s end', { length: 49 }, {}),
    of('a length that ends before the ports do', { length: 23 }, {}),
    of('a length that ends in the transport’s header', { length: 27 }, {}),
    of('ICMPv6 in IPv4', { proto: 58 }, {}),
    of('a protocol without ports', { proto: 47 }, {}),
    {
      says: 'a datagram without checksum stays without',
      in: eth()
        .ipv4(ends)
        .udp({ ...ports, checksum: 0 })
        .payload(20),
      program,
      ...fits,
      verdict: 'rewritten',
    },
    {
      says: 'a refused packet with IP options is dropped, not answered',
      in: eth()
        .ipv4({ from: client, to: vip('none'), options: [1, 1, 1, 0] })
        .tcp({ from: port, to: 80, flags: ['syn'] }),
      program,
      verdict: 'drop',
      counts: 'no_endpoints',
    },
  ]
}

function sixRows({ client, vip }: Place, out: string): Row[] {
  const ends = { from: client, to: vip('web') }
  const ports = { from: port, to: 53 }
  const program = 'pod_ingress' as const
  const of = (says: string, fields: object, rest: Partial<Row>): Row => ({
    says,
    in: eth()
      .ipv6({ ...ends, ...fields })
      .udp(ports)
      .payload(20),
    program,
    verdict: 'pass',
    ...rest,
  })
  const fits: Partial<Row> = { verdict: 'rewritten', out }
  return [
    of('hop-by-hop options are walked over', { extensions: [hopByHop] }, fits),
    of('destination options are walked over', { extensions: [hopByHop, destinationOptions] }, fits),
    of('a fragment that is all of its packet', { extensions: [fragment] }, fits),
    of('four extension headers', { extensions: [0, 60, 60, 60] }, fits),
    of(
      'five extension headers are a shape we do not know',
      { extensions: [0, 60, 60, 60, 60] },
      {},
    ),
    of('options behind a fragment header', { extensions: [fragment, destinationOptions] }, {}),
    of('a routing header: the VIP may not be where it ends', { extensions: [routing] }, {}),
    of('another version than its Ethernet type says', { version: 4 }, {}),
    of('a length beyond the packet’s end', { length: 29 }, {}),
    of('a length that ends in the transport’s header', { length: 7 }, {}),
    of('ICMP of IPv4 in IPv6', { next: 1 }, {}),
    {
      says: 'an IPv4 address written as IPv6 is not the IPv4 address',
      in: mappedPacket(),
      program,
      verdict: 'pass',
    },
    {
      says: 'a refused packet with extension headers is dropped, not answered',
      in: eth()
        .ipv6({ from: client, to: vip('none'), extensions: [hopByHop] })
        .tcp({ from: port, to: 80, flags: ['syn'] }),
      program,
      verdict: 'drop',
      counts: 'no_endpoints',
    },
  ]
}

/** IPv6 from and to v4-mapped addresses, the second an IPv4 VIP: our way to write that one. */
function mappedPacket(): Buffer {
  return eth()
    .ipv6({ from: `::ffff:${places[4].client}`, to: `::ffff:${places[4].vip('web')}` })
    .udp({ from: port, to: 53 })
    .bytes()
}

/**
 * Every packet cut to every length from Ethernet's up to 64 bytes more: never changed. Newer kernels
 * do not run a program on less than an IP header; how many lengths were run is given back.
 */
function cutAll(stage: Stage, packet: Buffer, header: number): number {
  let runs = 0
  for (let length = 0; length <= 64 && ethernetBytes + length < packet.length; length++) {
    const cut = Buffer.from(packet.subarray(0, ethernetBytes + length))
    for (const program of programNames) {
      try {
        expect(stage.run(program, cut).verdict, `${program}, ${length} bytes`).toBe('pass')
        runs++
      } catch (error) {
        if (length >= header || !(error instanceof NativeError) || error.code !== 'EINVAL')
          throw error
      }
    }
  }
  return runs
}

// Long, because it is a list of tests.
packetSuite('shapes', (stage) => {
  judgeRows(stage, shapeRows)
  judgeRows(stage, fragmentRows)
  judgeRows(stage, sctpRows)

  test.each([places[4], places[6]])(
    'IPv$family: packets cut to each length up to 64 pass unchanged',
    (place) => {
      const ends = { from: place.client, to: place.vip('web') }
      stage().reset()
      stage().run('pod_ingress', question(place, ends.to).bytes())
      const quote = bare()
        .ip(ends)
        .tcp({ from: 1, to: 2, flags: ['ack'] })
        .payload(40)
        .bytes()
      const packet = eth().ip(ends)
      const packets = [
        packet.tcp({ from: port, to: 80, flags: ['syn'] }).payload(80),
        packet.udp({ from: port, to: 53 }).payload(80),
        packet.sctp({ from: port, to: 9000, chunk: 1 }).payload(80),
        packet.icmp4(3, 4).payload(quote),
        packet.icmp6(2, 0).payload(quote),
      ]
      const header = place.family === 4 ? 20 : 40
      for (const one of packets) {
        const runs = cutAll(stage(), one.bytes(), header)
        expect(runs).toBeGreaterThanOrEqual((64 - header) * programNames.length)
      }
    },
  )

  test.each([places[4], places[6]])(
    'IPv$family: fragments put together again have the right checksum',
    (place) => {
      const [vip, backend] = [place.vip('web'), place.pod(7)]
      const packet = question(place, vip, 1000)
      stage().reset()
      const parts = split(place, packet).map((part) => stage().run('pod_ingress', part).bytes)
      const skip = ethernetBytes + (place.family === 4 ? 20 : 48)
      const whole = Buffer.concat(parts.map((part) => part.subarray(skip)))
      const expected = eth()
        .ip({ from: place.client, to: backend })
        .udp({ from: port, to: 5353 })
        .payload(1000)
        .bytes()
      expect(whole).toEqual(expected.subarray(ethernetBytes + (place.family === 4 ? 20 : 40)))
    },
  )

  test('ports of a fragment that another’s value was mixed into are not trusted', () => {
    const [first, later] = split(places[4], question(places[4], places[4].vip('web'), 1000))
    stage().reset()
    stage().run('pod_ingress', first)
    const { keys, values } = stage().packetMap('fragments').entries()
    values.writeUInt32LE(1, flFragmentPorts.at.keyHash)
    stage().packetMap('fragments').update(keys, values)
    expect(stage().run('pod_ingress', later).verdict).toBe('pass')
  })

  test('a datagram whose checksum would become 0 is sent with 0xffff, not without one', () => {
    // One 16-bit word of content is chosen so that the sum after the rewrite is 0xffff.
    const { client } = places[4]
    const build = (to: string, toPort: number, word: number) =>
      eth()
        .ipv4({ from: client, to })
        .udp({ from: port, to: toPort })
        .payload(Buffer.from([word >> 8, word & 0xff]))
        .bytes()
    const after = build(places[4].pod(7), 5353, 0)
    const word = sumOf(after.subarray(40, 42))
    const { bytes } = stage().run('pod_ingress', build(places[4].vip('web'), 53, word))
    expect(bytes.readUInt16BE(40)).toBe(0xffff)
  })
})
