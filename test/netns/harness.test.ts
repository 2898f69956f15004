/** The namespaces that other tests stand on: they connect, and nothing of them is left behind. */
import { existsSync, readdirSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { type Node, type Pod, makeNode } from '../support/netns.ts'
import { type Dialer, startLoad } from '../support/place.ts'
import { repository } from '../support/parts.ts'
import { run, start } from '../support/process.ts'
import { requires } from '../support/requires.ts'
import { mountedCgroupRoot, runId, startTimeOf, sweep } from '../support/run.ts'

const mine = (id: string) =>
  readdirSync('/run/netns').filter((name) => name.startsWith(`fl-${id}-`))

requires(
  'root',
  'cgroup2',
  'netns',
  'gcc',
)('harness', () => {
  let node: Node
  let first: Pod
  let second: Pod
  let pod: Dialer

  beforeAll(async () => {
    node = await makeNode({ pods: 2 })
    ;[first, second] = node.pods as [Pod, Pod]
    await second.echo({ name: 'second' })
    pod = await first.dialer()
  })

  afterAll(async () => {
    await node?.close()
  })

  test('pods reach each other in both families and protocols', async () => {
    for (const destination of [`${second.ipv4}:8080`, `[${second.ipv6}]:8080`]) {
      expect(await pod.tcp(destination)).toMatchObject({ name: 'second', getpeername: destination })
      expect(await pod.udp(destination)).toMatchObject({ name: 'second', getpeername: destination })
    }
  })

  test('what nobody translates is unreachable at once', async () => {
    expect(await pod.tcp('10.96.0.1:80')).toMatchObject({ error: 'ENETUNREACH' })
  })

  test("a pod's programs run in its namespace and its cgroup", async () => {
    const cgroup = await first.mustRun(['cat', '/proc/self/cgroup'])
    expect(cgroup).toContain(`${node.netns}/pods/p1`)
    expect(await first.mustRun(['ip', '-o', 'address'])).toContain(first.ipv4)
  })

  test('load accounts for every connect', async () => {
    const load = await startLoad(first, [`${second.ipv4}:8080`], { perSecond: 500 })
    await eventually(
      'some connects',
      async () => (await pod.tally(50, `${second.ipv4}:8080`)).n === 50,
    )
    expect(await load.finish()).toMatchObject({ failed: 0, failures: [] })
  })

  test('close leaves no namespace, cgroup or mount', async () => {
    const other = await makeNode({ name: 'short', pods: 1 })
    await other.close()
    expect(mine(runId).filter((name) => name.includes('short'))).toEqual([])
    expect(existsSync(other.cgroupRoot)).toBe(false)
    expect((await run(['cat', '/proc/mounts'])).stdout).not.toContain(other.bpffs)
  })

  test('a run that was killed leaves no process, and the next sweep removes the rest', async () => {
    const program = `import { makeNode } from '${repository}test/support/netns.ts'
      const node = await makeNode({ pods: 1 })
      const echo = await node.pods[0].echo({ name: 'orphan' })
      console.log('MADE', process.pid, echo.pid)
      setInterval(() => {}, 1000)`
    const tsx = ['--import', 'tsx', '--input-type=module', '-e', program]
    const child = start([process.execPath, ...tsx], { cwd: repository })
    const [, pid, echo] = await eventually('the other run', () =>
      /MADE (\d+) (\d+)/.exec(child.log()),
    )
    const id = `${pid}x${startTimeOf(Number(pid)) ?? ''}`
    expect(mine(id)).toHaveLength(2)
    child.kill('SIGKILL')
    await child.ended
    await eventually('the orphan to end', () => startTimeOf(Number(echo)) === undefined)
    sweep()
    expect(mine(id)).toEqual([])
    const cgroups = readdirSync(mountedCgroupRoot() ?? '/')
    expect(cgroups.filter((name) => name.includes(id))).toEqual([])
  })
})
