/** The datapath outlives the agent, and a change of backends is never seen half done. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Agent, runFairlead, startAgent } from '../support/agent.ts'
import { eventually } from '../support/eventually.ts'
import { type Era, misled, parseConnects } from '../support/history.ts'
import { type Manifests, makeManifests, nodeObject, service, slice } from '../support/manifests.ts'
import { type Node, type Pod, makeNode } from '../support/netns.ts'
import { fingerprint } from '../support/pins.ts'
import { type Answer, type Dialer, startLoad } from '../support/place.ts'
import { isLong, requires } from '../support/requires.ts'

const kills = isLong ? 100 : 10
const swaps = isLong ? 1000 : 100
const vip = '10.96.0.10:80'

requires(
  'root',
  'bpf',
  'cgroup2',
  'netns',
  'gcc',
  'curl',
  'agent',
)('restart', () => {
  let node: Node
  let agent: Agent
  let manifests: Manifests
  let client: Pod
  let backends: Pod[]
  let pod: Dialer
  /** In the node's namespace: unlike a pod it has no route to a VIP and fails without a packet. */
  let host: Dialer

  const restart = async (options: { isImpatient?: boolean } = {}) => {
    agent = await startAgent(node, { manifests: manifests.directory, ...options })
  }
  /** Service number `s` leads to port `port` on both backend pods. */
  const put = (s: number, port: number) =>
    manifests.put(
      `web${s}`,
      service({ name: `web${s}`, clusterIps: [`10.96.0.${10 + s}`], ports: [{ port: 80 }] }),
      slice({
        service: `web${s}`,
        ports: [{ port }],
        addresses: backends.map(({ ipv4 }) => ipv4),
        node: node.name,
      }),
    )

  beforeAll(async () => {
    node = await makeNode({ pods: 3 })
    const [first, ...rest] = node.pods as [Pod, Pod, Pod]
    client = first
    backends = rest
    manifests = makeManifests(node)
    manifests.put('node', nodeObject(node))
    put(0, 8080)
    for (const each of backends) await each.echo({ name: `web-${each.name}` })
    await restart()
    pod = await client.dialer()
    host = await node.dialer()
    await eventually('the Service to answer', async () => (await pod.tcp(vip)).name)
  })

  afterAll(async () => {
    await node?.close()
  })

  test(`200 connects a second, ${kills} SIGKILLs and restarts: none fails`, async () => {
    const load = await startLoad(client, [vip], { perSecond: 200 })
    for (let i = 0; i < kills; i++) {
      await agent.kill()
      // Every other time it is killed again on its way up, each time a little later.
      if (i % 2 === 1) {
        await restart({ isImpatient: true })
        await delay((i * 37) % 700)
        await agent.kill()
      }
      await restart()
    }
    const { n, failed, failures } = await load.finish()
    expect(failures).toEqual([])
    expect(failed).toBe(0)
    expect(n).toBeGreaterThan(kills * 20)
  })

  test('a restart without changes writes no map entry', async () => {
    const before = fingerprint(node.bpffs)
    await agent.kill()
    await restart()
    expect(fingerprint(node.bpffs)).toBe(before)
    const metrics = await agent.get('10249/metrics')
    const writes = metrics.match(/^fairlead_map_writes_total\{.*\} .*$/gm) ?? []
    expect(writes.filter((line) => !line.endsWith(' 0'))).toEqual([])
  })

  test('a change while the agent was down is there after its restart', async () => {
    await agent.kill()
    put(5, 8080)
    expect((await host.tcp('10.96.0.15:80')).error).toBe('ENETUNREACH')
    await restart()
    await eventually('the new Service to answer', async () => (await pod.tcp('10.96.0.15:80')).name)
    await agent.kill()
    manifests.remove('web5')
    expect((await pod.tcp('10.96.0.15:80')).error).toBe('')
    await restart()
    await eventually('the old Service to be gone', async () => {
      return (await host.tcp('10.96.0.15:80')).error === 'ENETUNREACH'
    })
  })

  test('an established connection and its VIP outlive the agent', async () => {
    await pod.ask<Answer>(`open 1 tcp ${vip}`)
    await agent.kill()
    expect(await pod.ask<Answer>('say 1')).toMatchObject({ error: '', getpeername: vip })
    await restart()
    expect(await pod.ask<Answer>('say 1')).toMatchObject({ error: '', getpeername: vip })
  })

  test('bypass works without an agent, both ways, within a second', async () => {
    await agent.kill()
    const failsAs = async (command: 'on' | 'off', error: string) => {
      expect(await runFairlead(node, 'bypass', command)).toMatchObject({ status: 0 })
      await eventually(
        `connects after bypass ${command}`,
        async () => (await host.tcp(vip)).error === error,
        { timeout_ms: 1000, pause_ms: 10 },
      )
    }
    try {
      await failsAs('on', 'ENETUNREACH')
      // Once on, it stays on: an agent that comes back must not undo it.
      await restart()
      expect((await host.tcp(vip)).error).toBe('ENETUNREACH')
      expect((await pod.tcp(vip, '-w 5000')).error).toBe('ENETUNREACH')
      await agent.kill()
    } finally {
      await failsAs('off', '')
    }
    expect((await pod.tcp(vip)).error).toBe('')
    await restart()
  })

  test(`${swaps} swaps of backends under load on every core mislead and fail no connect`, async () => {
    const ports = [8081, 8082, 8083]
    const names = (s: number, k: number) =>
      new Set(backends.map((each) => `s${s}-${ports[k] ?? 0}-${each.name}`))
    // Two Services swap at once, so that one takes up the slots that the other gives back.
    for (const each of backends) {
      for (const port of ports) {
        for (const s of [1, 2])
          await each.echo({ name: `s${s}-${port}-${each.name}`, port: port + 10 * s })
      }
    }
    const put2 = (s: number, k: number) => put(s, (ports[k] ?? 0) + 10 * s)
    const vips = ['10.96.0.11:80', '10.96.0.12:80']
    const eras: Era[][] = [[], []]
    const swapTo = async (k: number) => {
      for (const s of [1, 2]) {
        eras[s - 1]?.push({
          names: names(s, k),
          from_ns: process.hrtime.bigint(),
          until_ns: undefined,
        })
        put2(s, k)
      }
      for (const s of [1, 2]) {
        await eventually(
          `the new backends of Service ${s}`,
          async () => names(s, k).has((await pod.tcp(vips[s - 1] ?? '')).name),
          { pause_ms: 1 },
        )
        const before = eras[s - 1]?.at(-2)
        if (before !== undefined) Object.assign(before, { until_ns: process.hrtime.bigint() })
      }
    }
    await swapTo(0)
    const logs = [0, 1].map((cpu) => join(node.directory, `load${cpu}.log`))
    const cpus = logs.length
    const loads = await Promise.all(
      logs.map((log, i) =>
        startLoad(client, vips, { cpu: i % cpus, log, perSecond: isLong ? 0 : 2000 }),
      ),
    )
    for (let i = 1; i <= swaps; i++) await swapTo(i % 3)
    const results = await Promise.all(loads.map((load) => load.finish()))
    expect(results.flatMap(({ failures }) => failures)).toEqual([])
    for (const log of logs) {
      const connects = parseConnects(readFileSync(log, 'utf8'))
      expect(connects.length).toBeGreaterThan(swaps)
      expect(misled(connects, eras).slice(0, 5)).toEqual([])
    }
  })
})
