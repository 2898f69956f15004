/**
 * Acceptance 2: the maps of an agent on a real API server against an oracle over
 * `kubectl get -o json`, through changes, outages, compaction and a server without WatchList.
 */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type Agent, runFairlead, startAgent } from '../support/agent.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import {
  type FleetOptions,
  changeSlice,
  deleteService,
  makeFarm,
  makeFleet,
  makeService,
  registerNode,
} from '../support/fleet.ts'
import { type Hub, type Node, makeHub, makeNode } from '../support/netns.ts'
import {
  type Expected,
  type KubeObject,
  differences,
  expectedFrontends,
  textOf,
  withoutAnyPort,
} from '../support/oracle.ts'
import { readFrontends } from '../support/pins.ts'
import type { Dialer } from '../support/place.ts'
import { isLong, requires } from '../support/requires.ts'

const serviceCount = isLong ? 1000 : 200
interface Events {
  readonly items: readonly { readonly involvedObject: { name: string }; readonly message: string }[]
}

const outage_ms = isLong ? 60_000 : 10_000

requires(
  'root',
  'bpf',
  'cgroup2',
  'netns',
  'go',
  'gcc',
  'curl',
  'agent',
)('services', () => {
  let hub: Hub
  let node: Node
  let cluster: Cluster
  let agent: Agent
  let pod: Dialer
  let fleet: FleetOptions

  const expectedNow = async (): Promise<Map<string, Expected>> => {
    const words = ['get', 'services,endpointslices,nodes', '-A', '-o', 'json']
    const { items } = JSON.parse(await cluster.kubectl(words)) as { items: KubeObject[] }
    return expectedFrontends(items, node.name)
  }
  /** Resolves when the maps are what the API server's objects say. */
  const settled = async (timeout_ms = 30_000): Promise<Map<string, Expected>> => {
    const expected = await expectedNow()
    const isEqual = () => {
      const lines = differences(expected, readFrontends(node.bpffs))
      if (lines.length > 0) throw new Error(lines.slice(0, 5).join('\n'))
      return true
    }
    await eventually('the maps to equal the oracle', isEqual, { timeout_ms, pause_ms: 200 })
    return expected
  }

  beforeAll(async () => {
    hub = await makeHub()
    node = await makeNode({ hub, pods: 1, v6: true })
    cluster = await startCluster({ hub })
    await makeFarm(node)
    await registerNode(cluster, node, 'a')
    await cluster.kubectl(['apply', '-f', 'deploy/rbac.yaml'])
    fleet = { services: serviceCount, endpoints: 10, node: node.name }
    await makeFleet(cluster, fleet)
    const kubeconfig = await cluster.serviceAccountKubeconfig('kube-system', 'fairlead')
    agent = await startAgent(node, { kubeconfig })
    pod = (await node.pods[0]?.dialer()) as Dialer
  })

  afterEach(({ task }) => {
    if (task.result?.state === 'fail') process.stderr.write(`${agent?.log().slice(-4000)}\n`)
  })

  afterAll(async () => {
    await node?.close()
    await cluster?.close()
    await hub?.close()
  })

  test(`the maps of ${serviceCount} Services x 10 endpoints equal the oracle`, async () => {
    const expected = await settled()
    expect(expected.size).toBeGreaterThan(serviceCount * 0.8)
  })

  test('every ClusterIP refuses the ports that its Service does not have', async () => {
    expect(withoutAnyPort(await settled(), readFrontends(node.bpffs))).toEqual([])
  })

  test('connects to a sample of 50 frontends reach the right backends', async () => {
    const expected = [...(await settled())].filter(
      ([name, { cluster: backends, isInternalLocal }]) => {
        const isDialable = name.startsWith('10.96.') && name.endsWith('/TCP')
        return (
          isDialable && backends.length > 0 && !isInternalLocal && !name.startsWith('10.96.0.1:')
        )
      },
    )
    const step = Math.max(1, Math.floor(expected.length / 50))
    for (let i = 0; i < expected.length; i += step) {
      const [name, { cluster: backends }] = expected[i] ?? ['', { cluster: [] }]
      const tally = await pod.tally(20, name.replace('/TCP', ''))
      expect({ name, errors: tally.errors }).toEqual({ name, errors: {} })
      for (const backend of Object.keys(tally.names)) expect(backends).toContain(backend)
    }
  })

  test('a changed slice writes the entries of its Service alone', async () => {
    await settled()
    const before = readFrontends(node.bpffs)
    await changeSlice(cluster, 0, fleet, 20)
    await settled()
    const after = readFrontends(node.bpffs)
    const touched = new Set<number>()
    for (const [name, one] of after) {
      const old = before.get(name)
      const isSame =
        old?.generation === one.generation && old.regionGeneration === one.regionGeneration
      if (!isSame) touched.add(one.serviceId)
    }
    expect(touched.size).toBe(1)
  })

  test('a Service that asks for what it may not have gets an Event, by the rights of the shipped role', async () => {
    await cluster.api('PATCH', '/api/v1/namespaces/default/services/service-13', {
      spec: { externalIPs: ['198.51.100.7'] },
    })
    const event = await eventually('the Event', async () => {
      const { items } = await cluster.api<Events>('GET', '/api/v1/namespaces/default/events')
      return items.find(({ involvedObject }) => involvedObject.name === 'service-13')
    })
    expect(event.message).toContain('198.51.100.7')
    await settled()
  })

  test('a Service that is deleted and made again is gone and back', async () => {
    await deleteService(cluster, 14)
    const without = await settled()
    await makeService(cluster, 14, fleet)
    expect((await settled()).size).toBe(without.size + 1)
  })

  test(`nothing changes while the API server is dead for ${outage_ms / 1000} s, then changes arrive`, async () => {
    const before = await settled()
    await cluster.stopApiServer(0)
    const deadline = performance.now() + outage_ms
    while (performance.now() < deadline) {
      expect(differences(before, readFrontends(node.bpffs))).toEqual([])
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
    await cluster.startApiServer()
    await changeSlice(cluster, 15, fleet, 30)
    await settled(isLong ? 120_000 : 60_000)
  })

  test('after an outage with compaction the maps get there without a wrong entry on the way', async () => {
    const before = await settled()
    await cluster.stopApiServer(0)
    // The agent sleeps through all of it, so that what it knows is a revision that is no more.
    agent.child.kill('SIGSTOP')
    await cluster.startApiServer()
    for (const s of [0, 16, 17]) await changeSlice(cluster, s, fleet, 40)
    await deleteService(cluster, 18)
    await cluster.compact()
    await cluster.stopApiServer(0)
    await cluster.startApiServer()
    const after = await expectedNow()
    agent.child.kill('SIGCONT')
    await eventually(
      'the maps to equal the oracle',
      () => {
        const found = readFrontends(node.bpffs)
        const wrong = neither(before, after, found)
        if (wrong.length > 0) expect.fail(`neither old nor new: ${wrong.slice(0, 5).join('\n')}`)
        return differences(after, found).length === 0
      },
      { timeout_ms: 200_000, pause_ms: 20 },
    )
  })

  test.each([
    ['in JSON', ['--protobuf=off']],
    ['in pages', ['--watch-list=off', '--page-limit=50']],
    ['in pages of JSON', ['--watch-list=off', '--protobuf=off', '--page-limit=50']],
  ])('lists %s give the same maps from a cold start', async (_how, flags) => {
    await agent.stop()
    expect(await runFairlead(node, 'cleanup', '--yes')).toMatchObject({ status: 0 })
    const kubeconfig = await cluster.serviceAccountKubeconfig('kube-system', 'fairlead')
    agent = await startAgent(node, { kubeconfig, flags })
    await settled()
  })

  test('a server without WatchList gives the same maps from a cold start', async () => {
    await cluster.stopApiServer(0)
    await cluster.startApiServer({ WatchList: false })
    await agent.stop()
    expect(await runFairlead(node, 'cleanup', '--yes')).toMatchObject({ status: 0 })
    const kubeconfig = await cluster.serviceAccountKubeconfig('kube-system', 'fairlead')
    agent = await startAgent(node, { kubeconfig })
    await settled()
    await changeSlice(cluster, 19, fleet, 50)
    await settled()
  })
})

/** Entries that are as neither of two states has them; absent counts as a state. */
function neither(
  before: ReadonlyMap<string, Expected>,
  after: ReadonlyMap<string, Expected>,
  found: ReadonlyMap<string, Expected>,
): string[] {
  const text = (map: ReadonlyMap<string, Expected>, name: string) => {
    const one = map.get(name)
    return one === undefined ? 'absent' : textOf(one)
  }
  const names = new Set([...before.keys(), ...after.keys(), ...found.keys()])
  return [...names]
    .filter((name) => !name.endsWith(' any port'))
    .filter((name) => ![text(before, name), text(after, name)].includes(text(found, name)))
    .map((name) => `${name}: ${text(found, name)}`)
}
