/** Flows of two frontends that want the same reply key, and what affinity makes of it. */
import { describe, expect, test } from 'vitest'
import { eth } from './build.ts'
import { both, chosen, flowTexts, giveAway, port, run } from './play.ts'
import { tcpFrom, tcpTo, udpTo } from './play.ts'
import { packetSuite } from './suite.ts'
import { at } from './world.ts'

// Long, because it is a list of tests.
packetSuite('port clashes', (stage) => {
  describe.each(both)('IPv$family', (place) => {
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
  })
})
