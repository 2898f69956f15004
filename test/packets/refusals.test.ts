/** Refused at once: a reset for TCP, port unreachable for the rest, in both families. */
import { expect, test } from 'vitest'
import { eth, ethernetBytes } from './build.ts'
import { readPacket } from './read.ts'
import type { Stage } from './stage.ts'
import { judgeRows, packetSuite } from './suite.ts'
import type { Row } from './table.ts'
import { at, places } from './world.ts'
import type { Place } from './world.ts'

const port = 4000

/** Long, because it is a table. */
function rows(place: Place): Row[] {
  const { client, outside, node, family } = place
  const none = place.vip('none')
  const unreachable = family === 4 ? 'icmp 3/3' : 'icmp6 1/4'
  const ends = { from: client, to: none }
  return [
    {
      says: 'a SYN to a Service without endpoints is reset',
      in: eth()
        .ip(ends)
        .tcp({ from: port, to: 80, flags: ['syn'] }),
      program: 'pod_ingress',
      verdict: 'answered',
      out: `${at(none, 80)} > ${at(client, port)} tcp rst ack`,
      counts: 'no_endpoints',
    },
    {
      says: 'a SYN with options is reset',
      in: eth()
        .ip(ends)
        .tcp({ from: port, to: 80, flags: ['syn'], options: [2, 4, 5, 180, 1, 3, 3, 7] }),
      program: 'pod_ingress',
      verdict: 'answered',
      out: `${at(none, 80)} > ${at(client, port)} tcp rst ack`,
    },
    {
      says: 'a SYN that carries data is reset',
      in: eth()
        .ip(ends)
        .tcp({ from: port, to: 80, flags: ['syn'] })
        .payload(33),
      program: 'pod_ingress',
      verdict: 'answered',
      out: `${at(none, 80)} > ${at(client, port)} tcp rst ack`,
    },
    {
      says: 'a SYN from outside is reset through the uplink',
      in: eth()
        .ip({ from: outside, to: none })
        .tcp({ from: port, to: 80, flags: ['syn'] }),
      program: 'uplink_ingress',
      verdict: 'answered',
      out: `${at(none, 80)} > ${at(outside, port)} tcp rst ack`,
    },
    ...[0, 1, 33, 1200].map((length): Row => ({
      says: `a datagram of ${length} bytes is answered by port unreachable`,
      in: eth().ip(ends).udp({ from: port, to: 53 }).payload(length),
      program: 'pod_ingress',
      verdict: 'answered',
      out: `${none} > ${client} ${unreachable} about ${at(client, port)} > ${at(none, 53)} udp`,
      counts: 'no_endpoints',
    })),
    {
      says: 'an INIT of SCTP is answered by port unreachable',
      in: eth().ip(ends).sctp({ from: port, to: 9000, chunk: 1 }).payload(16),
      program: 'pod_ingress',
      verdict: 'answered',
      out: `${none} > ${client} ${unreachable} about ${at(client, port)} > ${at(none, 9000)} sctp`,
    },
    {
      says: 'a port that the VIP has not is refused',
      in: eth()
        .ip({ from: client, to: place.vip('web') })
        .tcp({ from: port, to: 81, flags: ['syn'] }),
      program: 'pod_ingress',
      verdict: 'answered',
      out: `${at(place.vip('web'), 81)} > ${at(client, port)} tcp rst ack`,
      counts: 'no_such_port',
    },
    {
      says: 'a protocol that the VIP’s port has not is refused',
      in: eth()
        .ip({ from: client, to: place.vip('web') })
        .udp({ from: port, to: 80 })
        .payload(9),
      program: 'pod_ingress',
      verdict: 'answered',
      out: `${place.vip('web')} > ${client} ${unreachable} about ${at(client, port)} > ${at(place.vip('web'), 80)} udp`,
    },
    {
      says: 'a packet in the middle of a connection to a Service without endpoints stays as it is',
      in: eth()
        .ip(ends)
        .tcp({ from: port, to: 80, flags: ['ack'] })
        .payload(10),
      program: 'pod_ingress',
      verdict: 'pass',
    },
    {
      says: 'a NodePort that nobody has is left to who listens there',
      in: eth()
        .ip({ from: outside, to: node })
        .tcp({ from: port, to: 31999, flags: ['syn'] }),
      program: 'uplink_ingress',
      verdict: 'pass',
    },
  ]
}

function answerTo(stage: Stage, packet: Buffer): Buffer {
  stage.reset()
  const { verdict, bytes } = stage.run('pod_ingress', packet)
  expect(verdict).toBe('answered')
  return bytes
}

packetSuite('refusals', (stage) => {
  judgeRows(stage, rows)

  test.each([places[4], places[6]])('IPv$family: a reset acknowledges the SYN', (place) => {
    const packet = eth()
      .ip({ from: place.client, to: place.vip('none') })
      .tcp({ from: port, to: 80, flags: ['syn'], sequence: 0xffff_ffff })
      .bytes()
    const transport = ethernetBytes + (place.family === 4 ? 20 : 40)
    const answer = answerTo(stage(), packet).subarray(transport)
    expect([answer.readUInt32BE(4), answer.readUInt32BE(8)]).toEqual([0, 0])
  })

  test.each([places[4], places[6]])('IPv$family: an answer goes to who asked', (place) => {
    for (const datagram of [true, false]) {
      const ip = eth().ip({ from: place.client, to: place.vip('none') })
      const packet = (
        datagram
          ? ip.udp({ from: port, to: 53 }).payload(4)
          : ip.tcp({ from: port, to: 80, flags: ['syn'] })
      ).bytes()
      const answer = answerTo(stage(), packet)
      expect(answer.subarray(0, 6)).toEqual(packet.subarray(6, 12))
      expect(answer.subarray(6, 12)).toEqual(packet.subarray(0, 6))
      expect(answer[ethernetBytes + (place.family === 4 ? 8 : 7)]).toBe(64)
    }
  })

  test.each([places[4], places[6]])('IPv$family: the quote is what was sent', (place) => {
    const packet = eth()
      .ip({ from: place.client, to: place.vip('none') })
      .udp({ from: port, to: 53 })
      .payload(99)
      .bytes()
    const header = place.family === 4 ? 20 : 40
    const answer = answerTo(stage(), packet)
    const quote = answer.subarray(ethernetBytes + header + 8)
    expect(quote).toEqual(packet.subarray(ethernetBytes, ethernetBytes + header + 8))
    expect(readPacket(answer)?.end).toBe(answer.length)
  })
})
