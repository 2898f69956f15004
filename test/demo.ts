/**
 * `npm run demo`: one node and three pods as network namespaces, an agent on a directory of
 * manifests, and real connects through a Service: spread, scaled away and back, and going on after
 * the agent was killed. Every line that claims something is checked; exit code 1 if one is wrong.
 *
 * `--count` adds a last line `N passed, N failed`.
 */
import { mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { styleText } from 'node:util'

import { type Agent, runFairlead, startAgent } from './support/agent.ts'
import { makeNode, type Node, type Pod } from './support/netns.ts'
import { rememberNetnsMount } from './support/netns-mount.ts'
import type { Answer, Dialer, Tally } from './support/place.ts'
import { mountedCgroupRoot, runDirectory, runId } from './support/run.ts'

const vip = '10.96.0.80:80'
const started = performance.now()
let passed = 0
let failed = 0

const hasColour = process.stdout.isTTY && process.env['NO_COLOR'] === undefined

function paint(style: Parameters<typeof styleText>[0], text: string): string {
  return hasColour ? styleText(style, text) : text
}

function step(number: number, title: string): void {
  console.log(`\n${paint('bold', `${number} ${title}`)}`)
}

/** One line with a mark: what we say about what just happened, and whether it is so. */
function claim(isTrue: boolean, text: string): void {
  if (isTrue) passed++
  else failed++
  console.log(`  ${isTrue ? paint('green', '✓') : paint('red', '✗ not so:')} ${text}`)
}

/** Output of a command of ours, as the operator would see it. */
function show(command: string, output: string): void {
  console.log(paint('cyan', `  $ fairlead ${command}`))
  const lines = output.trimEnd().split('\n')
  for (const line of lines.slice(0, 9)) console.log(`    ${line.slice(0, 110)}`)
  if (lines.length > 9) console.log(paint('dim', `    … ${lines.length - 9} more`))
}

const service = `# The Service and its node, as kubectl would print them.
apiVersion: v1
kind: Service
metadata: { name: web, namespace: default }
spec:
  clusterIP: 10.96.0.80
  clusterIPs: [10.96.0.80]
  ipFamilies: [IPv4]
  type: ClusterIP
  ports: [{ name: http, port: 80, protocol: TCP, targetPort: 8080 }]
`

function nodeManifest(node: Node): string {
  return `apiVersion: v1
kind: Node
metadata: { name: ${node.name} }
status: { addresses: [{ type: InternalIP, address: ${node.ipv4} }] }
`
}

function slice(node: Node, backends: readonly Pod[]): string {
  const endpoints = backends.map(({ ipv4 }) => {
    return `  - { addresses: [${ipv4}], conditions: { ready: true }, nodeName: ${node.name} }\n`
  })
  return `apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: web-1
  namespace: default
  labels: { kubernetes.io/service-name: web }
addressType: IPv4
ports: [{ name: http, port: 8080, protocol: TCP }]
endpoints:
${endpoints.join('')}`
}

/** Replaces a manifest as a careful editor does: whole, or not at all. */
function replaceManifest(directory: string, name: string, text: string): void {
  writeFileSync(join(directory, `.${name}.new`), text)
  renameSync(join(directory, `.${name}.new`), join(directory, name))
}

function bars(tally: Tally, pods: readonly Pod[]): void {
  for (const { name, ipv4 } of pods) {
    const n = tally.names[name] ?? 0
    const bar = '█'.repeat(Math.round((n / tally.n) * 40))
    console.log(`    ${name} ${ipv4}:8080 ${paint('blue', bar)} ${n}`)
  }
}

/** Asks the VIP until `isNew` held 60 times in a row; ms until the last answer of the old kind. */
async function settle(dialer: Dialer, isNew: (answers: readonly Answer[]) => boolean) {
  const begun = performance.now()
  let answers: Answer[] = []
  let last_ms = 0
  while (performance.now() - begun < 5000) {
    answers = [...answers.slice(-59), await dialer.tcp(vip)]
    if (answers.length === 60 && isNew(answers)) return last_ms
    if (!isNew(answers)) last_ms = performance.now() - begun
  }
  return undefined
}

/** Medians of 20 interleaved pairs, each of 100 connects: through the VIP, and to a pod directly. */
async function latencies(dialer: Dialer, direct: string) {
  const pairs: { vip: number; direct: number }[] = []
  for (let i = 0; i < 20; i++) {
    const through = await dialer.tally(100, vip)
    const beside = await dialer.tally(100, direct)
    pairs.push({ vip: through.p50_us, direct: beside.p50_us })
  }
  const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1] ?? 0
  return {
    vip: median(pairs.map((pair) => pair.vip)),
    direct: median(pairs.map((pair) => pair.direct)),
    ratio: median(pairs.map((pair) => pair.vip / pair.direct)),
  }
}

/** What a machine shows of us: namespaces, mounts, cgroups; other runs' own parts left out. */
function traces(): string[] {
  const list = (directory: string) => {
    try {
      return readdirSync(directory)
    } catch {
      return []
    }
  }
  const mounts = readFileSync('/proc/mounts', 'utf8').trimEnd().split('\n')
  const points = mounts.map((line) => `mount ${line.split(' ').slice(0, 3).join(' ')}`)
  const cgroups = list(mountedCgroupRoot() ?? '').map((name) => `cgroup ${name}`)
  const namespaces = list('/run/netns').map((name) => `namespace ${name}`)
  const isForeign = /fl-\d+x\d+-|fairlead-test\//
  return [...points, ...cgroups, ...namespaces]
    .filter((line) => !isForeign.test(line) || line.includes(runId))
    .sort()
}

async function spread(dialer: Dialer, pods: readonly Pod[]): Promise<void> {
  const tally = await dialer.tally(1000, vip)
  bars(tally, pods)
  const shares = pods.map((pod) => tally.names[pod.name] ?? 0)
  const all = shares.reduce((sum, n) => sum + n, 0)
  // Five standard deviations of a fair coin are 79.
  const isFair = shares.every((n) => Math.abs(n - 1000 / pods.length) < 80)
  claim(all === 1000 && isFair, `1,000 of 1,000 connects answered, ${pods.length} backend(s)`)
}

async function scale(node: Node, manifests: string, dialer: Dialer): Promise<void> {
  const [, second, third] = node.pods
  if (second === undefined || third === undefined) throw new Error('the demo needs three pods')
  replaceManifest(manifests, 'slice.yaml', slice(node, [second]))
  const away = await settle(dialer, (all) => all.every(({ name }) => name === second.name))
  claim(
    away !== undefined,
    `${third.name} away: its last connect came ${Math.ceil(away ?? 0)} ms later`,
  )
  const alone = await dialer.tally(1000, vip)
  const isAlone = alone.names[second.name] === 1000
  claim(isAlone, `1,000 of 1,000 connects answered by ${second.name} alone`)

  replaceManifest(manifests, 'slice.yaml', slice(node, [second, third]))
  const back = await settle(dialer, (all) => {
    return all.some(({ name }) => name === third.name) && all.every(({ error }) => error === '')
  })
  claim(back !== undefined, `${third.name} back: serving again ${Math.ceil(back ?? 0)} ms later`)
}

async function play(node: Node, onAgent: (agent: Agent) => void): Promise<void> {
  const [client, ...backends] = node.pods
  if (client === undefined) throw new Error('the demo needs three pods')
  const manifests = join(node.directory, 'manifests')
  mkdirSync(manifests, { recursive: true })
  replaceManifest(manifests, 'service.yaml', `${service}---\n${nodeManifest(node)}`)
  replaceManifest(manifests, 'slice.yaml', slice(node, backends))
  await Promise.all(backends.map((pod) => pod.echo({ name: pod.name, only: 'tcp' })))
  const dialer = await client.dialer()

  step(1, 'An agent turns a directory of manifests into entries of BPF maps')
  const begun = performance.now()
  const agent = await startAgent(node, { manifests })
  onAgent(agent)
  claim(true, `ready after ${((performance.now() - begun) / 1000).toFixed(1)} s`)
  for (const words of [
    ['service', 'list'],
    ['map', 'dump'],
  ]) {
    const result = await agent.fairlead(...words)
    show(words.join(' '), result.stdout + result.stderr)
    if (result.status !== 0) claim(false, `exit code ${result.status}`)
  }

  step(2, `1,000 real connects from ${client.name} to ${vip}`)
  await spread(dialer, backends)

  step(3, 'Scaled down and up again by replacing one file')
  await scale(node, manifests, dialer)

  step(4, 'The agent is killed with SIGKILL; the kernel goes on')
  await agent.kill()
  await spread(dialer, backends)

  step(5, 'What a connect costs')
  const cost = await latencies(dialer, `${backends[0]?.ipv4}:8080`)
  const figures = `through the VIP ${cost.vip.toFixed(1)} µs, direct ${cost.direct.toFixed(1)} µs`
  claim(cost.vip > 0, `median ${figures}: direct / VIP ${(1 / cost.ratio).toFixed(2)}`)
  const cleanup = await runFairlead(node, 'cleanup', '--yes')
  claim(cleanup.status === 0, `fairlead cleanup --yes ${cleanup.stderr.trim()}`)
}

async function main(): Promise<void> {
  if (process.getuid?.() !== 0) {
    throw new Error('the demo makes network namespaces and loads BPF programs: run it as root')
  }
  runDirectory() // also sweeps what a killed run left, so it comes before the first look
  const before = traces()
  const undoNetnsMount = rememberNetnsMount()
  const node = await makeNode({ name: 'n1', pods: 3, v6: false })
  const close = async () => {
    await node.close()
    undoNetnsMount()
  }
  process.once('SIGINT', () => void close().finally(() => process.exit(130)))
  try {
    console.log(
      paint('bold', 'Fairlead: Services from the kernel, on one node of network namespaces'),
    )
    const pods = node.pods.map((pod) => `${pod.name} ${pod.ipv4}`).join(', ')
    console.log(`  node ${node.name} ${node.ipv4}; pods ${pods}; Service default/web ${vip}`)
    let log = () => ''
    await play(node, (agent) => {
      log = () => agent.log()
    }).catch((error: unknown) => {
      console.log(log())
      throw error
    })
  } finally {
    await close()
  }
  const left = traces().filter((line) => !before.includes(line))
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  console.log('')
  const what =
    left.length === 0 ? 'no namespace, mount, cgroup or pin left behind' : left.join('; ')
  claim(left.length === 0, `${what}; all of it took ${seconds} s`)
}

try {
  await main()
} catch (error) {
  failed++
  console.error(`demo: ${error instanceof Error ? error.message : String(error)}`)
}
if (process.argv.includes('--count')) console.log(`${passed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
