/** The life of a flow: handshake, lost halves, removed backends, standing down. */
import { describe, expect, test } from 'vitest'
import { flFlow, flFlowFlag } from '../../agent/maps/abi.gen.ts'
import { metaOf } from '../../agent/maps/meta.ts'
import { eth } from './build.ts'
import { age, both, chosen, entries, flowTexts, handshake, port, run } from './play.ts'
import { tcpFrom, tcpTo, udpTo } from './play.ts'
import { packetSuite } from './suite.ts'
import { at, places, serviceObject, sliceObject } from './world.ts'

// Long, because it is a list of tests.
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

  test('datagrams follow an external IP to the Service that has it now', async () => {
    const { client, pod } = places[4]
    const shared = '198.51.100.7'
    const give = async (owner: string) => {
      for (const name of ['first', 'many']) {
        const more = name === owner ? { externalIPs: [shared] } : {}
        await stage().change(JSON.stringify(serviceObject(name, more)))
      }
    }
    const ask = () =>
      chosen(
        run(
          stage(),
          'pod_ingress',
          eth().ip({ from: client, to: shared }).udp({ from: port, to: 53 }),
        ),
      ).backend
    stage().reset()
    try {
      await give('first')
      expect(ask()).toBe(at(pod(30), 5353))
      await give('many')
      expect([31, 32, 33, 34].map((number) => at(pod(number), 5353))).toContain(ask())
      await give('nobody')
      expect(
        run(
          stage(),
          'pod_ingress',
          eth().ip({ from: client, to: shared }).udp({ from: port, to: 53 }),
        ),
      ).toBe('pass')
    } finally {
      await give('nobody')
    }
  })
})
