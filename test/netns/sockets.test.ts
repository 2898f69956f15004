/**
 * Sockets of real programs in a pod's cgroup and in the node's own, both families, TCP and UDP:
 * what they dial, whom they reach, and what they are told about it.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Agent, startAgent } from '../support/agent.ts'
import { eventually } from '../support/eventually.ts'
import { type Manifests, makeManifests, nodeObject, service, slice } from '../support/manifests.ts'
import { type Node, type Pod, makeNode } from '../support/netns.ts'
import type { Answer, Datagrams, Dialer } from '../support/place.ts'
import { missing, requires } from '../support/requires.ts'

const families = [
  {
    family: 'IPv4',
    web: '10.96.0.10',
    names: '10.96.0.20',
    twin: '10.96.0.60',
    empty: '10.96.0.40',
    local: '10.96.0.50',
    at: (address: string, port: number) => `${address}:${port}`,
    ip: (place: Pod | Node) => place.ipv4,
  },
  {
    family: 'IPv6',
    web: 'fd00:96::10',
    names: 'fd00:96::20',
    twin: 'fd00:96::60',
    empty: 'fd00:96::40',
    local: 'fd00:96::50',
    at: (address: string, port: number) => `[${address}]:${port}`,
    ip: (place: Pod | Node) => place.ipv6,
  },
]

const webPorts = [
  { name: 'tcp', port: 80, nodePort: 30080 },
  { name: 'udp', port: 80, protocol: 'UDP', nodePort: 30080 },
] as const
const webTargets = [
  { name: 'tcp', port: 8080 },
  { name: 'udp', port: 8080, protocol: 'UDP' },
] as const

requires(
  'root',
  'bpf',
  'cgroup2',
  'netns',
  'gcc',
  'curl',
  'agent',
)('sockets', () => {
  let node: Node
  let agent: Agent
  let manifests: Manifests
  let client: Pod
  let second: Pod
  let third: Pod
  /** In the client pod, and in the node's own namespace. */
  let pod: Dialer
  let host: Dialer

  /** A Service of both families whose ports lead to `targets` on the pods. */
  const putService = (
    name: string,
    number: number,
    pods: readonly Pod[],
    ports: readonly { name: string; port: number; protocol?: 'TCP' | 'UDP'; nodePort?: number }[],
    targets: readonly { name: string; port: number; protocol?: 'TCP' | 'UDP' }[],
    more: { spec?: Record<string, unknown>; node?: string } = {},
  ) => {
    const clusterIps = [`10.96.0.${number}`, `fd00:96::${number}`]
    const place = { node: more.node ?? node.name }
    manifests.put(
      name,
      service({ name, clusterIps, ports, ...(more.spec === undefined ? {} : { spec: more.spec }) }),
      slice({
        service: name,
        ports: targets,
        addresses: pods.map((p) => p.ipv4),
        family: 'IPv4',
        ...place,
      }),
      slice({
        service: name,
        ports: targets,
        addresses: pods.map((p) => p.ipv6),
        family: 'IPv6',
        ...place,
      }),
    )
  }

  beforeAll(async () => {
    node = await makeNode({ pods: 3 })
    ;[client, second, third] = node.pods as [Pod, Pod, Pod]
    for (const each of [second, third]) {
      await each.echo({ name: `web-${each.name}` })
      await each.echo({ name: `names-${each.name}`, port: 8053 })
    }
    await second.echo({ name: 'plain', port: 9000 })
    manifests = makeManifests(node)
    manifests.put('node', nodeObject(node))
    const both = [second, third]
    putService('web', 10, both, webPorts, webTargets)
    const twinPort = { name: 'udp', port: 80, protocol: 'UDP' } as const
    putService('twin', 60, both, [twinPort], [{ ...twinPort, port: 8080 }])
    const udp = { name: 'dns', protocol: 'UDP' } as const
    putService('names', 20, both, [{ ...udp, port: 53 }], [{ ...udp, port: 8053 }])
    putService(
      'empty',
      40,
      [],
      webPorts.map(({ nodePort: _, ...port }) => port),
      webTargets,
    )
    const local = { internalTrafficPolicy: 'Local' }
    const tcp = [{ name: 'tcp', port: 80 }]
    putService('local', 50, both, tcp, [{ name: 'tcp', port: 8080 }], {
      spec: local,
      node: 'other',
    })
    agent = await startAgent(node, { manifests: manifests.directory })
    pod = await client.dialer()
    host = await node.dialer()
    await eventually(
      'the first Service to answer',
      async () => (await pod.tcp('10.96.0.10:80')).name,
    )
  })

  afterAll(async () => {
    await node?.close()
  })

  for (const { family, web, names, twin, empty, local, at, ip } of families) {
    test(`${family}: connects through a VIP spread over all backends and keep the pod's address`, async () => {
      const tally = await pod.tally(200, at(web, 80))
      expect(tally.errors).toEqual({})
      expect(Object.keys(tally.names).sort()).toEqual(['web-p2', 'web-p3'])
      // 200 fair coins leave [60, 140] once in 70 million runs.
      for (const count of Object.values(tally.names)) expect(count).toBeGreaterThan(60)
      const answer = await pod.tcp(at(web, 80))
      expect(answer.peer).toContain(ip(client))
    })

    test(`${family}: getpeername tells the VIP that was dialled, over TCP and UDP`, async () => {
      for (const dialer of [pod, host]) {
        expect(await dialer.tcp(at(web, 80))).toMatchObject({ getpeername: at(web, 80), error: '' })
        expect(await dialer.udp(at(web, 80))).toMatchObject({ getpeername: at(web, 80), error: '' })
      }
    })

    test(`${family}: the node's own programs reach backends from a node address`, async () => {
      expect((await host.tcp(at(web, 80))).peer).toContain(ip(node))
    })

    test(`${family}: one UDP socket talks to several VIPs and hears each from its own address`, async () => {
      const command = `many ${at(web, 80)} ${at(names, 53)} ${at(ip(second), 9000)}`
      for (const dialer of [pod, host]) {
        const { sends, answers } = await dialer.ask<Datagrams>(command)
        expect(sends).toEqual(['', '', ''])
        const heard = answers.map(({ from, name }) => `${from} ${name.replace(/-p[23]$/, '')}`)
        const expected = [
          `${at(web, 80)} web`,
          `${at(names, 53)} names`,
          `${at(ip(second), 9000)} plain`,
        ]
        expect(heard.sort()).toEqual(expected.sort())
      }
    })

    test(`${family}: two VIPs of one UDP socket never share a backend while there is another`, async () => {
      for (let round = 0; round < 16; round++) {
        const command = `many ${at(web, 80)} ${at(twin, 80)}`
        const { answers } = await pod.ask<Datagrams>(command)
        expect(answers.map(({ from }) => from).sort()).toEqual([at(web, 80), at(twin, 80)].sort())
        expect(new Set(answers.map(({ name }) => name)).size).toBe(2)
      }
    })

    test(`${family}: a UDP socket freed by AF_UNSPEC dials another VIP, then a plain address`, async () => {
      const command = `again ${at(web, 80)} ${at(names, 53)} ${at(ip(third), 8080)}`
      const [first, then, plain] = await pod.ask<[Answer, Answer, Answer]>(command)
      expect(first).toMatchObject({ error: '', getpeername: at(web, 80) })
      expect(first.name).toMatch(/^web-/)
      expect(then).toMatchObject({ error: '', getpeername: at(names, 53) })
      expect(then.name).toMatch(/^names-/)
      expect(plain).toMatchObject({ name: 'web-p3', getpeername: at(ip(third), 8080) })
    })

    test(`${family}: a Service without endpoints refuses at once, TCP and UDP`, async () => {
      for (const dialer of [pod, host]) {
        const started = performance.now()
        expect(await dialer.tcp(at(empty, 80))).toMatchObject({ error: 'ECONNREFUSED' })
        expect(await dialer.udp(at(empty, 80))).toMatchObject({ error: 'ECONNREFUSED' })
        const { sends } = await dialer.ask<Datagrams>(`many ${at(empty, 80)}`)
        expect(sends).toEqual(['ECONNREFUSED'])
        expect(performance.now() - started).toBeLessThan(900)
      }
    })

    test(`${family}: a port that the Service doesn't have is refused`, async () => {
      expect(await pod.tcp(at(web, 81))).toMatchObject({ error: 'ECONNREFUSED', step: 'connect' })
    })

    // Temporary until the packet path drops it.
    test(`${family}: internal policy Local without a local endpoint is unreachable`, async () => {
      expect(await pod.tcp(at(local, 80))).toMatchObject({ error: 'EHOSTUNREACH', step: 'connect' })
    })

    test(`${family}: a connect to a pod's own address is left alone`, async () => {
      const plain = at(ip(second), 8080)
      expect(await pod.tcp(plain)).toMatchObject({ name: 'web-p2', getpeername: plain })
    })

    test(`${family}: a NodePort answers on the node's address from pods and from the node`, async () => {
      for (const dialer of [pod, host]) {
        const frontend = at(ip(node), 30080)
        expect((await dialer.tcp(frontend)).name).toMatch(/^web-/)
        expect(await dialer.udp(frontend)).toMatchObject({ error: '', getpeername: frontend })
      }
    })

    test(`${family}: a NodePort answers the node's own programs on loopback`, async () => {
      const loopback = family === 'IPv4' ? '127.0.0.1:30080' : '[::1]:30080'
      expect((await host.tcp(loopback)).name).toMatch(/^web-/)
      expect((await host.udp(loopback)).name).toMatch(/^web-/)
    })

    test(`${family}: a pod's own listener on the loopback NodePort is left alone`, async () => {
      const address = family === 'IPv4' ? '127.0.0.1' : '[::1]'
      const own = await client.echo({ name: 'own', port: 30080, address })
      const destination = `${address}:30080`
      expect(await pod.tcp(destination)).toMatchObject({ name: 'own', getpeername: destination })
      expect(await pod.udp(destination)).toMatchObject({ name: 'own', getpeername: destination })
      await own.stop()
    })

    test(`${family}: an unconnected UDP socket keeps its backend and leaves it when it is gone`, async () => {
      const name = `moving-${family.toLowerCase()}`
      const number = family === 'IPv4' ? 70 : 71
      const vip = at(family === 'IPv4' ? `10.96.0.${number}` : `fd00:96::${number}`, 80)
      const port = { name: 'udp', protocol: 'UDP' } as const
      const put = (pods: readonly Pod[]) =>
        putService(name, number, pods, [{ ...port, port: 80 }], [{ ...port, port: 8080 }])
      put([second, third])
      const open = await eventually('the Service to answer', async () => {
        const answer = await pod.ask<Answer>(`open 1 loose -w 500 ${vip}`)
        return answer.name.startsWith('web-') && answer
      })
      for (let i = 0; i < 20; i++) {
        expect(await pod.ask<Answer>('say 1')).toMatchObject({ name: open.name, getpeername: vip })
      }
      const other = open.name === 'web-p2' ? third : second
      put([other])
      await eventually('the datagrams to move', async () => {
        return (await pod.ask<Answer>('say 1')).name === `web-${other.name}`
      })
      put([])
      await eventually('the datagrams to be refused', async () => {
        return (await pod.ask<Answer>('say 1')).error === 'ECONNREFUSED'
      })
    })

    test(`${family}: a connected UDP socket of the node never hears a removed backend for long`, async () => {
      const name = `fixed-${family.toLowerCase()}`
      const number = family === 'IPv4' ? 80 : 81
      const vip = at(family === 'IPv4' ? `10.96.0.${number}` : `fd00:96::${number}`, 80)
      const port = { name: 'udp', protocol: 'UDP' } as const
      const put = (pods: readonly Pod[]) =>
        putService(name, number, pods, [{ ...port, port: 80 }], [{ ...port, port: 8080 }])
      put([second])
      await eventually('the Service to answer', async () => {
        return (await host.ask<Answer>(`open 2 udp -w 500 ${vip}`)).name === 'web-p2'
      })
      put([third])
      // The kernel has the old backend as the socket's peer: it must be ended, then dials anew.
      // Sockets in pods can't be reached from here; the packet path will serve those.
      await eventually('the socket to be ended', async () => {
        return (await host.ask<Answer>('say 2')).name !== 'web-p2'
      })
      expect(await host.udp(vip)).toMatchObject({ name: 'web-p3', getpeername: vip })
    })
  }

  test('an IPv6 socket that dials v4-mapped VIPs is translated and told mapped addresses', async () => {
    for (const dialer of [pod, host]) {
      const mapped = '[::ffff:10.96.0.10]:80'
      expect(await dialer.tcp('10.96.0.10:80', '-6')).toMatchObject({
        getpeername: mapped,
        error: '',
      })
      expect(await dialer.udp('10.96.0.10:80', '-6')).toMatchObject({
        getpeername: mapped,
        error: '',
      })
      const command = 'many -6 10.96.0.10:80 10.96.0.20:53'
      const { answers } = await dialer.ask<Datagrams>(command)
      const from = answers.map((answer) => answer.from).sort()
      expect(from).toEqual([mapped, '[::ffff:10.96.0.20]:53'].sort())
      expect(await dialer.tcp('10.96.0.40:80', '-6')).toMatchObject({ error: 'ECONNREFUSED' })
    }
  })

  test('affinity holds while connections come, and is forgotten after its time-out', async () => {
    const timeout_s = 2
    const affinity = {
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds: timeout_s } },
    }
    const tcp = [{ name: 'tcp', port: 80 }]
    putService('sticky', 30, [second, third], tcp, [{ name: 'tcp', port: 8080 }], {
      spec: affinity,
    })
    const vip = '10.96.0.30:80'
    const first = await eventually('the Service to answer', async () => (await pod.tcp(vip)).name)
    // One connect every 1.2 s for longer than the time-out: each restarts the timer.
    const paced = await pod.tally(4, vip, '-p 1200000')
    expect(paced.names).toEqual({ [first]: 4 })
    expect((await pod.tally(50, vip)).names).toEqual({ [first]: 50 })
    // Forgotten, a new choice is the other backend every second time.
    await eventually(
      'a new choice after the time-out',
      async () => (await pod.tcp(vip)).name !== first,
      { pause_ms: timeout_s * 1000 + 200, timeout_ms: 60_000 },
    )
  })

  test('curl and Node reach an HTTP backend through the VIP and see the VIP as their peer', async () => {
    const server = `require('node:http').createServer((q, r) => r.end('hello from p2')).listen(8000, '::', () => console.log('READY'))`
    const backend = second.start([process.execPath, '-e', server])
    await eventually('the backend to listen', () => backend.log().includes('READY'))
    putService('http', 60, [second], [{ name: 'http', port: 80 }], [{ name: 'http', port: 8000 }])
    const write = '%{remote_ip} %{http_code}'
    for (const [place, url] of [
      [client, 'http://10.96.0.60/'],
      [client, 'http://[fd00:96::60]/'],
      [node, 'http://10.96.0.60/'],
    ] as const) {
      const answer = await eventually('curl to be answered', async () =>
        place.mustRun(['curl', '-sS', '-g', '--max-time', '2', '-w', write, url]),
      )
      expect(answer).toBe(`hello from p2${/\[?([0-9a-f.:]+)\]?\/$/.exec(url)?.[1]} 200`)
    }
    const program = `const s = require('node:net').connect(80, '10.96.0.60', () => { console.log(s.remoteAddress, s.remotePort); s.destroy() })`
    expect(await client.mustRun([process.execPath, '-e', program])).toBe('10.96.0.60 80\n')
    const datagram = `const s = require('node:dgram').createSocket('udp4')
      s.on('message', (m, from) => { console.log(from.address, from.port); s.close() })
      s.send('?', 53, '10.96.0.20')`
    expect(await client.mustRun([process.execPath, '-e', datagram])).toBe('10.96.0.20 53\n')
  })

  test.skipIf(missing('musl-gcc').length > 0)(
    'a program of another C library sees the same',
    async () => {
      const musl = await client.dialer('musl-gcc')
      expect(await musl.tcp('10.96.0.10:80')).toMatchObject({
        getpeername: '10.96.0.10:80',
        error: '',
      })
      expect(await musl.udp('[fd00:96::10]:80')).toMatchObject({ getpeername: '[fd00:96::10]:80' })
      await musl.close()
    },
  )

  test('a connection outlives the removal of its backend', async () => {
    const tcp = [{ name: 'tcp', port: 80 }]
    const target = [{ name: 'tcp', port: 8080 }]
    putService('leaving', 90, [second], tcp, target)
    await eventually('the Service to answer', async () => {
      return (await pod.ask<Answer>('open 3 tcp 10.96.0.90:80')).name === 'web-p2'
    })
    putService('leaving', 90, [], tcp, target)
    await eventually('new connects to be refused', async () => {
      return (await pod.tcp('10.96.0.90:80')).error === 'ECONNREFUSED'
    })
    expect(await pod.ask<Answer>('say 3')).toMatchObject({ name: 'web-p2', error: '' })
  })

  test('broken manifests are told with their place and stop nobody else', async () => {
    manifests.put('broken', {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'broken', namespace: 'default' },
      spec: { clusterIP: '10.96.0.999', clusterIPs: ['10.96.0.999'], ports: [{ port: 80 }] },
    })
    const problem = await eventually('the problem to be told', async () =>
      (await agent.status()).problems?.find(({ name }) => name === 'broken'),
    )
    expect(problem.message).toContain('10.96.0.999')
    expect(problem.where).toMatch(/broken\.yaml:\d+$/)
    expect((await pod.tcp('10.96.0.10:80')).error).toBe('')
    manifests.remove('broken')
  })
})
