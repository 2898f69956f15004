/** What one can see of a node, with the agent and without; and what keeps its word without it. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Agent, runFairlead, startAgent } from '../support/agent.ts'
import { eventually } from '../support/eventually.ts'
import { type Manifests, makeManifests, nodeObject, service, slice } from '../support/manifests.ts'
import { type Node, makeNode } from '../support/netns.ts'
import type { Dialer } from '../support/place.ts'
import { mustRun } from '../support/process.ts'
import { requires } from '../support/requires.ts'

const vip = '10.96.0.10:80'
const empty = '10.96.0.11:80'

interface Row {
  readonly name?: string
  readonly namespace?: string
  readonly frontends: readonly { address: string; port: number; kind?: string }[]
  readonly backends: { total: number; local?: number }
  readonly connections?: number
}

interface EventRow {
  readonly verdict: string
  readonly reason: string
  readonly hook: string
  readonly destination: string
  readonly name?: string
  readonly command: string
}

requires(
  'root',
  'bpf',
  'cgroup2',
  'netns',
  'gcc',
  'curl',
  'agent',
  'bpftool',
)('looking', () => {
  let node: Node
  let manifests: Manifests
  let pod: Dialer

  const start = async (...flags: string[]): Promise<Agent> => {
    const agent = await startAgent(node, { manifests: manifests.directory, flags })
    await eventually('the Service to answer', async () => (await pod.tcp(vip)).name === 'web')
    return agent
  }
  const services = async (): Promise<Row[]> => {
    const { stdout } = await runFairlead(node, 'service', 'list', '-o', 'json')
    return (JSON.parse(stdout) as { services: Row[] }).services
  }

  beforeEach(async () => {
    node = await makeNode({ pods: 2 })
    const [client, backend] = node.pods
    await backend?.echo({ name: 'web' })
    manifests = makeManifests(node)
    manifests.put(
      'web',
      nodeObject(node),
      service({ name: 'web', clusterIps: ['10.96.0.10'], ports: [{ port: 80 }] }),
      slice({
        service: 'web',
        ports: [{ port: 8080 }],
        addresses: [backend?.ipv4 ?? ''],
        node: node.name,
      }),
      service({ name: 'empty', clusterIps: ['10.96.0.11'], ports: [{ port: 80 }] }),
    )
    pod = (await client?.dialer()) as Dialer
  })

  afterEach(async () => {
    await node.close()
  })

  test('a listing tells Services by name, and from the pins alone all but the names', async () => {
    const agent = await start()
    const [, web] = await services()
    expect(web).toMatchObject({
      namespace: 'default',
      name: 'web',
      frontends: [{ kind: 'ClusterIP', address: '10.96.0.10', port: 80 }],
      backends: { total: 1, local: 1 },
    })
    expect(web?.connections).toBeGreaterThan(0)
    await agent.kill()
    const offline = (await services()).find(({ backends }) => backends.total === 1)
    expect(offline?.name ?? '').toBe('')
    expect(offline?.frontends).toMatchObject([{ address: '10.96.0.10', port: 80 }])
    expect(offline?.connections).toBe(web?.connections)
    expect((await runFairlead(node, 'status')).status).toBe(5)
  })

  test('an event tells the Service that was dialled, the program and why it was refused', async () => {
    await start('--event-sample', '1')
    const watching = runFairlead(node, 'events', '-o', 'json', '--count', '6')
    // The stream begins some time after its process: dial until it has what it counts.
    let isOver = false
    void watching.then(() => (isOver = true))
    await eventually('six events', async () => {
      await pod.tcp(vip)
      await pod.tcp(empty)
      return isOver
    })
    const events = (await watching).stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as EventRow)
    expect(events.find(({ destination }) => destination === vip)).toMatchObject({
      verdict: 'translate',
      reason: 'translated',
      hook: 'connect4',
      name: 'web',
      command: expect.stringMatching(/^dial/) as unknown,
    })
    expect(events.find(({ destination }) => destination === empty)).toMatchObject({
      verdict: 'reject',
      reason: 'no_endpoints',
      name: 'empty',
    })
  })

  test('hooks that a stranger detaches are back within seconds', async () => {
    await start()
    const links = JSON.parse(await mustRun(['bpftool', '-j', 'link', 'list'])) as {
      id: number
      prog_id: number
    }[]
    const { stdout } = await runFairlead(node, 'status', '-o', 'json')
    const { datapath } = JSON.parse(stdout) as {
      datapath: { hooks: { name: string; linkId: number; programId: number }[] }
    }
    const hook = datapath.hooks.find(({ name }) => name === 'sock_connect4')
    expect(links.find(({ id }) => id === hook?.linkId)?.prog_id).toBe(hook?.programId)
    await mustRun(['bpftool', 'link', 'detach', 'id', String(hook?.linkId)])
    expect((await pod.tcp(vip, '-w 5000')).error).toBe('ENETUNREACH')
    const isBack = async () => (await pod.tcp(vip, '-w 5000')).name === 'web'
    await eventually('the hook to be back', isBack, { timeout_ms: 15_000 })
  })

  test('the programs stand down when no agent was seen for the lease, and come back with one', async () => {
    const agent = await start('--datapath-lease', '10s')
    await agent.kill()
    expect((await pod.tcp(vip)).name).toBe('web')
    const standsDown = async () => (await pod.tcp(vip, '-w 5000')).error === 'ENETUNREACH'
    await eventually('the lease to end', standsDown, { timeout_ms: 20_000, pause_ms: 250 })
    const { stdout } = await runFairlead(node, 'status')
    expect(stdout).toContain('the lease ran out')
    await start('--datapath-lease', '10s')
  })
})
