/** Whose connections are translated: the agent's cgroup, and the namespaces of --socket-lb. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { runFairlead, startAgent } from '../support/agent.ts'
import { eventually } from '../support/eventually.ts'
import { type Manifests, makeManifests, nodeObject, service, slice } from '../support/manifests.ts'
import { type Node, makeNode } from '../support/netns.ts'
import { clientProgram } from '../support/clients.ts'
import type { Answer, Dialer } from '../support/place.ts'
import { run } from '../support/process.ts'
import { requires } from '../support/requires.ts'

const vip = '10.96.0.10:80'

requires(
  'root',
  'bpf',
  'cgroup2',
  'netns',
  'gcc',
  'curl',
  'agent',
)('scope', () => {
  let node: Node
  let manifests: Manifests
  let pod: Dialer
  let host: Dialer

  beforeEach(async () => {
    node = await makeNode({ pods: 2 })
    const [client, backend] = node.pods
    await backend?.echo({ name: 'web' })
    manifests = makeManifests(node)
    const addresses = [backend?.ipv4 ?? '']
    manifests.put(
      'web',
      nodeObject(node),
      service({ name: 'web', clusterIps: ['10.96.0.10'], ports: [{ port: 80 }] }),
      slice({ service: 'web', ports: [{ port: 8080 }], addresses, node: node.name }),
    )
    pod = (await client?.dialer()) as Dialer
    host = await node.dialer()
  })

  afterEach(async () => {
    await node.close()
  })

  test('all: pods and the node are served', async () => {
    await startAgent(node, { manifests: manifests.directory })
    await eventually('the Service to answer', async () => (await pod.tcp(vip)).name)
    expect((await host.tcp(vip)).name).toBe('web')
  })

  test('host: only the node is served', async () => {
    await startAgent(node, { manifests: manifests.directory, flags: ['--socket-lb', 'host'] })
    await eventually('the Service to answer', async () => (await host.tcp(vip)).name)
    expect((await pod.tcp(vip, '-w 5000')).error).toBe('ENETUNREACH')
  })

  test('off: nobody is served by the socket hooks', async () => {
    await startAgent(node, { manifests: manifests.directory, flags: ['--socket-lb', 'off'] })
    expect((await host.tcp(vip)).error).toBe('ENETUNREACH')
    expect((await pod.tcp(vip, '-w 5000')).error).toBe('ENETUNREACH')
  })

  test('a process outside the cgroup is left alone', async () => {
    await startAgent(node, { manifests: manifests.directory })
    await eventually('the Service to answer', async () => (await host.tcp(vip)).name)
    const dial = [await clientProgram('dial'), 'tcp', vip]
    const { stdout } = await run(dial, { netns: node.netns })
    expect((JSON.parse(stdout) as Answer).error).toBe('ENETUNREACH')
  })

  test('a second agent on the same pins is refused and told who holds them', async () => {
    const first = await startAgent(node, { manifests: manifests.directory })
    const second = await startAgent(node, { manifests: manifests.directory, isImpatient: true })
    expect(await second.child.ended).not.toBe(0)
    expect(second.log()).toContain(`pid ${first.child.pid}`)
    expect(first.child.hasEnded()).toBe(false)
  })

  test('cleanup removes everything of ours and only then do connects fail', async () => {
    const agent = await startAgent(node, { manifests: manifests.directory })
    await eventually('the Service to answer', async () => (await pod.tcp(vip)).name)
    expect(await agent.stop()).toBe(0)
    expect((await pod.tcp(vip)).name).toBe('web')
    expect(await runFairlead(node, 'cleanup', '--yes')).toMatchObject({ status: 0 })
    expect((await pod.tcp(vip, '-w 5000')).error).toBe('ENETUNREACH')
    // The kernel itself may put iterators there: maps.debug, progs.debug.
    const pins = await run(['find', node.bpffs, '-mindepth', '1', '-not', '-name', '*.debug'])
    expect(pins.stdout).toBe('')
  })
})
