/** The life of a flow: handshake, port clashes, lost halves, removed backends, standing down. */
import { describe, expect, test } from 'vitest'
import { flFlow, flFlowFlag, flFlowKey } from '../../agent/maps/abi.gen.ts'
import type { FlFlow, FlFlowKey } from '../../agent/maps/abi.gen.ts'
import { metaOf } from '../../agent/maps/meta.ts'
import { viewOf } from '../../agent/maps/rows.ts'
import { formatEndpoint } from '../../agent/model/address.ts'
import { bootTimeNs } from '../../native/index.ts'
import { eth } from './build.ts'
import type { Frame, TcpFlag } from './build.ts'
import { readPacket } from './read.ts'
import type { ProgramName, Stage } from './stage.ts'
import { packetSuite } from './suite.ts'
import { at, places, sliceObject } from './world.ts'
import type { Place } from './world.ts'

const port = 4000
const both = [places[4], places[6]]

interface Entry {
  readonly key: Buffer
  readonly value: Buffer
  readonly flow: FlFlow
  readonly id: FlFlowKey
}

function entries(stage: Stage, map: 'flows' | 'flows_new'): Entry[] {
  const { keys, values, count } = stage.packetMap(map).entries()
  return Array.from({ length: count }, (_, i) => {
    const key = keys.subarray(i * flFlowKey.size, (i + 1) * flFlowKey.size)
    const value = values.subarray(i * flFlow.size, (i + 1) * flFlow.size)
    return { key, value, flow: flFlow.read(viewOf(value), 0), id: flFlowKey.read(viewOf(key), 0) }
  })
}

/** `10.0.0.1:1 > 10.0.0.2:2 is 10.0.0.3:3 / 1`, sorted: what each entry makes of whose packets. */
function flowTexts(stage: Stage, map: 'flows' | 'flows_new'): string[] {
  return entries(stage, map)
    .map(({ id, flow }) => {
      const from = formatEndpoint(id.source, id.sourcePort)
      const to = formatEndpoint(id.destination, id.destinationPort)
      return `${from} > ${to} is ${formatEndpoint(flow.address, flow.port)} / ${flow.clientPort}`
    })
    .sort()
}

function run(stage: Stage, program: ProgramName, packet: Frame | Buffer): string {
  const { verdict, bytes } = stage.run(program, Buffer.isBuffer(packet) ? packet : packet.bytes())
  return verdict === 'rewritten' ? (readPacket(bytes)?.text ?? 'unreadable') : verdict
}

const tcpTo = (place: Place, name: string, ...flags: TcpFlag[]): Frame =>
  eth()
    .ip({ from: place.client, to: place.vip(name) })
    .tcp({ from: port, to: 80, flags })
const tcpFrom = (place: Place, pod: number, ...flags: TcpFlag[]): Frame =>
  eth()
    .ip({ from: place.pod(pod), to: place.client })
    .tcp({ from: 8080, to: port, flags })
const udpTo = (place: Place, name: string, from = port): Frame =>
  eth()
    .ip({ from: place.client, to: place.vip(name) })
    .udp({ from, to: 53 })
    .payload(9)

/** Source port and backend that a text of `run` names. */
function chosen(text: string): { port: number; backend: string } {
  const [from = '', , to = ''] = text.split(' ')
  return { port: Number(from.slice(from.lastIndexOf(':') + 1)), backend: to }
}

/** The entry looks as if its twin was last seen 11 s ago. */
function age(stage: Stage, map: 'flows' | 'flows_new', { key, value }: Entry): void {
  const old = Buffer.from(value)
  old.writeBigUInt64LE(bootTimeNs() - 11_000_000_000n, flFlow.at.checkedNs)
  stage.packetMap(map).update(key, old)
}

/** The only flow is forgotten, and the key of its reply belongs to another frontend's. */
function giveAway(stage: Stage): void {
  for (const { key, value, id } of entries(stage, 'flows_new')) {
    if (id.direction === 0) {
      stage.packetMap('flows_new').delete(key)
      continue
    }
    const foreign = Buffer.from(value)
    foreign.writeUInt16BE(999, flFlow.at.port)
    stage.packetMap('flows_new').update(key, foreign)
  }
}

function handshake(stage: Stage, place: Place): void {
  run(stage, 'pod_ingress', tcpTo(place, 'web', 'syn'))
  run(stage, 'pod_egress', tcpFrom(place, 7, 'syn', 'ack'))
  run(stage, 'pod_ingress', tcpTo(place, 'web', 'ack'))
}

packetSuite('the life of a flow', (stage) => {
  describe.each(both)('IPv$family', (place) => {
    const pair = (name: string, vipPort: number, pod: number, podPort: number) => [
      `${at(place.client, port)} > ${at(place.vip(name), vipPort)} is ${at(place.pod(pod), podPort)} / ${port}`,
      `${at(place.pod(pod), podPort)} > ${at(place.client, port)} is ${at(place.vip(name), vipPort)} / ${port}`,
    ]
    const web = pair('web', 80, 7, 8080).sort()

    test('a connection is new until both ends were heard', () => {
      stage().reset()
      run(stage(), 'pod_ingress', tcpTo(place, 'web', 'syn'))
      expect(flowTexts(stage(), 'flows_new')).toEqual(web)
      run(stage(), 'pod_ingress', tcpTo(place, 'web', 'ack'))
      expect(flowTexts(stage(), 'flows')).toEqual([])
      run(stage(), 'pod_egress', tcpFrom(place, 7, 'syn', 'ack'))
      expect(flowTexts(stage(), 'flows')).toEqual([])
      run(stage(), 'pod_ingress', tcpTo(place, 'web', 'ack'))
      expect([flowTexts(stage(), 'flows'), flowTexts(stage(), 'flows_new')]).toEqual([web, []])
    })

    test('an established connection goes on both ways', () => {
      stage().reset()
      handshake(stage(), place)
      expect(run(stage(), 'pod_ingress', tcpTo(place, 'web', 'psh', 'ack').payload(99))).toBe(
        `${at(place.client, port)} > ${at(place.pod(7), 8080)} tcp psh ack`,
      )
      expect(run(stage(), 'pod_egress', tcpFrom(place, 7, 'psh', 'ack').payload(99))).toBe(
        `${at(place.vip('web'), 80)} > ${at(place.client, port)} tcp psh ack`,
      )
    })

    test('datagrams stay among the new flows', () => {
      stage().reset()
      for (let i = 0; i < 3; i++) run(stage(), 'pod_ingress', udpTo(place, 'web'))
      expect(flowTexts(stage(), 'flows_new')).toEqual(pair('web', 53, 7, 5353).sort())
      expect(flowTexts(stage(), 'flows')).toEqual([])
    })

    test('FIN and RST mark the direction that they came in', () => {
      for (const end of ['fin', 'rst'] as const) {
        stage().reset()
        handshake(stage(), place)
        run(stage(), 'pod_ingress', tcpTo(place, 'web', end, 'ack'))
        const flags = entries(stage(), 'flows').map(({ id, flow }) => [
          id.direction,
          (flow.flags & flFlowFlag.closing) !== 0,
        ])
        expect(flags.sort()).toEqual([
          [0, true],
          [1, false],
        ])
        expect(run(stage(), 'pod_egress', tcpFrom(place, 7, 'fin', 'ack'))).toContain('tcp fin ack')
      }
    })

    test('a closed connection’s ports can be used again', () => {
      stage().reset()
      handshake(stage(), place)
      run(stage(), 'pod_ingress', tcpTo(place, 'web', 'fin', 'ack'))
      run(stage(), 'pod_egress', tcpFrom(place, 7, 'fin', 'ack'))
      handshake(stage(), place)
      expect([flowTexts(stage(), 'flows'), flowTexts(stage(), 'flows_new')]).toEqual([web, []])
      expect(entries(stage(), 'flows').some(({ flow }) => flow.flags & flFlowFlag.closing)).toBe(
        false,
      )
    })

    test('a connection that was begun before us is left alone', () => {
      stage().reset()
      for (const flags of [['ack'], ['psh', 'ack'], ['fin', 'ack'], ['syn', 'ack']] as const) {
        expect(run(stage(), 'pod_ingress', tcpTo(place, 'web', ...flags))).toBe('pass')
      }
    })

    test.each(['original', 'reply'] as const)('a lost half is rebuilt by the %s', (kept) => {
      stage().reset()
      handshake(stage(), place)
      const direction = kept === 'original' ? 0 : 1
      for (const entry of entries(stage(), 'flows')) {
        if (entry.id.direction === direction) age(stage(), 'flows', entry)
        else stage().packetMap('flows').delete(entry.key)
      }
      expect(flowTexts(stage(), 'flows')).toHaveLength(1)
      const counts = stage().counted(() => {
        if (kept === 'original') run(stage(), 'pod_ingress', tcpTo(place, 'web', 'ack'))
        else run(stage(), 'pod_egress', tcpFrom(place, 7, 'ack'))
      })
      expect(flowTexts(stage(), 'flows')).toEqual(web)
      expect(counts.get('twin_rebuilt')).toBe(1)
      expect(run(stage(), 'pod_ingress', tcpTo(place, 'web', 'ack'))).toContain(
        at(place.pod(7), 8080),
      )
      expect(run(stage(), 'pod_egress', tcpFrom(place, 7, 'ack'))).toContain(
        at(place.vip('web'), 80),
      )
    })

    test('the twin is looked for every 10 s and no more often', () => {
      stage().reset()
      handshake(stage(), place)
      for (const { key, id } of entries(stage(), 'flows')) {
        if (id.direction === 1) stage().packetMap('flows').delete(key)
      }
      run(stage(), 'pod_ingress', tcpTo(place, 'web', 'ack'))
      expect(flowTexts(stage(), 'flows')).toHaveLength(1)
    })

    test('two VIPs, one backend, one source port: each reply finds its VIP', () => {
      for (const kind of ['tcp', 'udp'] as const) {
        stage().reset()
        const open = (name: string) =>
          run(
            stage(),
            'pod_ingress',
            kind === 'tcp' ? tcpTo(place, name, 'syn') : udpTo(place, name),
          )
        const [first, second] = [chosen(open('first')), chosen(open('second'))]
        expect(first.port).toBe(port)
        expect(second.backend).toBe(first.backend)
        expect(second.port).toBeGreaterThanOrEqual(32768)
        const ends = { from: place.pod(30), to: place.client }
        const reply = (to: number) =>
          kind === 'tcp'
            ? eth()
                .ip(ends)
                .tcp({ from: 8080, to, flags: ['syn', 'ack'] })
            : eth().ip(ends).udp({ from: 5353, to }).payload(40)
        const vipPort = kind === 'tcp' ? 80 : 53
        const flags = kind === 'tcp' ? 'tcp syn ack' : 'udp'
        const text = (name: string) =>
          `${at(place.vip(name), vipPort)} > ${at(place.client, port)} ${flags}`
        expect(run(stage(), 'pod_egress', reply(first.port))).toBe(text('first'))
        expect(run(stage(), 'pod_egress', reply(second.port))).toBe(text('second'))
        expect(chosen(open('second'))).toEqual(second)
      }
    })

    test('an error about a packet whose port was changed names the client’s own', () => {
      stage().reset()
      run(stage(), 'pod_ingress', udpTo(place, 'first'))
      const second = chosen(run(stage(), 'pod_ingress', udpTo(place, 'second')))
      const quote = eth()
        .ip({ from: place.client, to: place.pod(30) })
        .udp({ from: second.port, to: 5353 })
        .payload(9)
        .bytes()
        .subarray(14)
      const ip = eth().ip({ from: place.router, to: place.client })
      const error = place.family === 4 ? ip.icmp4(3, 4) : ip.icmp6(2, 0)
      expect(run(stage(), 'pod_egress', error.payload(quote))).toMatch(
        `about ${at(place.client, port)} > ${at(place.vip('second'), 53)} udp`,
      )
    })

    test('an established connection’s reply key is not taken over by another VIP’s', () => {
      stage().reset()
      run(stage(), 'pod_ingress', tcpTo(place, 'first', 'syn'))
      run(stage(), 'pod_egress', tcpFrom(place, 30, 'syn', 'ack'))
      run(stage(), 'pod_ingress', tcpTo(place, 'first', 'ack'))
      expect(flowTexts(stage(), 'flows')).toHaveLength(2)
      const second = chosen(run(stage(), 'pod_ingress', tcpTo(place, 'second', 'syn')))
      expect(second.port).toBeGreaterThanOrEqual(32768)
      expect(run(stage(), 'pod_egress', tcpFrom(place, 30, 'ack'))).toContain(
        at(place.vip('first'), 80),
      )
    })

    test('another backend is taken before another port', () => {
      for (let from = 5000; from < 5020; from++) {
        stage().reset()
        const first = chosen(run(stage(), 'pod_ingress', udpTo(place, 'many', from)))
        giveAway(stage())
        const second = chosen(run(stage(), 'pod_ingress', udpTo(place, 'many', from)))
        expect(second.port).toBe(from)
        expect(second.backend).not.toBe(first.backend)
      }
    })

    test('with affinity another port is taken, never another backend', () => {
      for (let from = 5000; from < 5005; from++) {
        stage().reset()
        const first = chosen(run(stage(), 'pod_ingress', udpTo(place, 'sticky', from)))
        giveAway(stage())
        const second = chosen(run(stage(), 'pod_ingress', udpTo(place, 'sticky', from)))
        expect(second.port).not.toBe(from)
        expect(second.backend).toBe(first.backend)
      }
    })

    test('SCTP has no other port to go to: what clashes is dropped', () => {
      stage().reset()
      const init = (name: string) =>
        eth()
          .ip({ from: place.client, to: place.vip(name) })
          .sctp({ from: port, to: 9000, chunk: 1 })
      run(stage(), 'pod_ingress', init('first'))
      const counts = stage().counted(() => {
        expect(run(stage(), 'pod_ingress', init('second'))).toBe('drop')
      })
      expect(counts.get('ports_taken')).toBe(1)
    })

    test('one client keeps its backend with affinity, whatever port it comes from', () => {
      stage().reset()
      const backends = new Set<string>()
      for (let from = 6000; from < 6030; from++) {
        backends.add(chosen(run(stage(), 'pod_ingress', udpTo(place, 'sticky', from))).backend)
      }
      expect(backends.size).toBe(1)
    })

    test('without affinity new flows go to every backend, and each keeps its own', () => {
      stage().reset()
      const backends = new Map<number, string>()
      for (let from = 6000; from < 6100; from++) {
        backends.set(from, chosen(run(stage(), 'pod_ingress', udpTo(place, 'many', from))).backend)
      }
      expect(new Set(backends.values()).size).toBe(4)
      for (const [from, backend] of backends) {
        expect(chosen(run(stage(), 'pod_ingress', udpTo(place, 'many', from))).backend).toBe(
          backend,
        )
      }
    })

    test('datagrams leave a backend that is gone; an established connection does not', async () => {
      stage().reset()
      handshake(stage(), place)
      run(stage(), 'pod_ingress', udpTo(place, 'web'))
      try {
        await stage().change(JSON.stringify(sliceObject('web', place.family, [7])))
        expect(run(stage(), 'pod_ingress', udpTo(place, 'web'))).toBe('answered')
        expect(run(stage(), 'pod_ingress', tcpTo(place, 'web', 'ack'))).toContain(
          at(place.pod(7), 8080),
        )
        expect(run(stage(), 'pod_ingress', tcpTo(place, 'web', 'syn'))).toBe('answered')
      } finally {
        await stage().change(JSON.stringify(sliceObject('web', place.family)))
      }
      expect(run(stage(), 'pod_ingress', udpTo(place, 'web'))).toContain(at(place.pod(7), 5353))
    })

    test('only the flows of a removed backend move', async () => {
      stage().reset()
      const before = new Map<number, string>()
      for (let from = 6000; from < 6040; from++) {
        before.set(from, chosen(run(stage(), 'pod_ingress', udpTo(place, 'many', from))).backend)
      }
      const gone = at(place.pod(31), 5353)
      try {
        await stage().change(JSON.stringify(sliceObject('many', place.family, [31])))
        for (const [from, backend] of before) {
          const now = chosen(run(stage(), 'pod_ingress', udpTo(place, 'many', from))).backend
          if (backend === gone) expect(now).not.toBe(gone)
          else expect(now).toBe(backend)
        }
      } finally {
        await stage().change(JSON.stringify(sliceObject('many', place.family)))
      }
    })

    test('bypass and an expired lease: nothing new, what is established goes on', () => {
      const standDown = [
        ['bypassed', () => metaOf(stage().maps.meta).setBypass(true)],
        [
          'lease_expired',
          () => {
            metaOf(stage().maps.meta).setLease(1n)
            metaOf(stage().maps.meta).setHeartbeat(1n)
          },
        ],
      ] as const
      for (const [reason, begin] of standDown) {
        stage().reset()
        handshake(stage(), place)
        run(stage(), 'pod_ingress', udpTo(place, 'web'))
        begin()
        const counts = stage().counted(() => {
          expect(run(stage(), 'pod_ingress', tcpTo(place, 'near', 'syn'))).toBe('pass')
          expect(run(stage(), 'pod_ingress', udpTo(place, 'web'))).toBe('pass')
          expect(run(stage(), 'pod_ingress', tcpTo(place, 'none', 'syn'))).toBe('pass')
        })
        expect(counts.get(reason)).toBe(3)
        expect(run(stage(), 'pod_ingress', tcpTo(place, 'web', 'ack'))).toContain('8080')
        expect(run(stage(), 'pod_egress', tcpFrom(place, 7, 'ack'))).toContain(
          at(place.vip('web'), 80),
        )
      }
    })

    test('a value that another key’s was mixed into is not trusted', () => {
      stage().reset()
      run(stage(), 'pod_ingress', tcpTo(place, 'web', 'syn'))
      for (const { key, value } of entries(stage(), 'flows_new')) {
        const torn = Buffer.from(value)
        torn.writeUInt32LE(1, flFlow.at.sealLast)
        stage().packetMap('flows_new').update(key, torn)
      }
      expect(run(stage(), 'pod_ingress', tcpTo(place, 'web', 'ack'))).toBe('pass')
      expect(run(stage(), 'pod_egress', tcpFrom(place, 7, 'ack'))).toBe('pass')
    })
  })
})
