/**
 * What a connection through a ClusterIP costs: product (the agent's hooks), floor (the same sockets
 * outside its cgroup), peer (nftables rules of kube-proxy's shape), in turns on one CPU.
 */
import { join } from 'node:path'
import { run } from '../support/process.ts'
import { runDirectory } from '../support/run.ts'
import { mkdirSync, rmSync } from 'node:fs'
import {
  backendPort,
  benchServices,
  frontendPort,
  nftRules,
  targetsOf,
  writeManifests,
} from './content.ts'
import { type Instance, lacksAgent, startInstance } from './instance.ts'
import { type Client, type Slice, startClient, startServer } from './loop.ts'
import { machineFacts } from './machine.ts'
import { makePath, type Path } from './path.ts'
import { defer } from './belongings.ts'
import { progress, type Result, row, type Row } from './report.ts'
import { pairedDifferences, pairedRatios } from './stats.ts'

const cpu = 1
/** Short slices: the two of a pair stand at most a second apart, whatever else the machine does. */
const rounds = 61
const slice_ms = 125
const sizes = { few: 100, many: 10_000 }

interface Variant {
  readonly name: string
  readonly client: Client
  readonly targets: readonly string[]
  readonly mode: 'crr' | 'rr'
}

type Series = Map<string, Slice[]>

/** Pins share a CPU with nothing of ours that is awake: agents are idle by then. */
async function measure(variants: readonly Variant[], series: Series): Promise<void> {
  for (const { name } of variants) series.set(name, [])
  // Round -1 fills caches and is not kept. The order turns, so that none always follows the same.
  for (let round = -1; round < rounds; round++) {
    for (let i = 0; i < variants.length; i++) {
      const variant = variants[(i + round + 1) % variants.length] as Variant
      const slice = await variant.client.run(variant.mode, slice_ms, variant.targets)
      if (round >= 0) series.get(variant.name)?.push(slice)
    }
    if (round % 20 === 0) progress(`round ${round} of ${rounds}`)
  }
}

async function startAgent(
  name: string,
  n: number,
  backends: readonly string[],
  flags: readonly string[],
): Promise<{ instance: Instance; targets: readonly string[] }> {
  const services = benchServices(n, backends)
  const directory = join(runDirectory(), `bench-manifests-${n}`)
  mkdirSync(directory, { recursive: true })
  defer('manifests', async () => rmSync(directory, { recursive: true, force: true }))
  writeManifests(directory, services)
  const instance = await startInstance({ name, flags: ['--manifests', directory, ...flags] })
  return { instance, targets: targetsOf(services, backends) }
}

/** Seconds that `nft -f` took. */
async function loadRules(path: Path): Promise<{ targets: readonly string[]; seconds: number }> {
  const services = benchServices(sizes.many, path.backends)
  const began = performance.now()
  const result = await run(['nft', '-f', '-'], {
    netns: path.node,
    stdin: nftRules(services),
    timeout_ms: 150_000,
  })
  if (result.status !== 0) throw new Error(`nft -f: ${result.stderr.slice(0, 2000)}`)
  const seconds = (performance.now() - began) / 1000
  progress(`nft -f of ${sizes.many} Services: ${seconds.toFixed(1)} s`)
  return { targets: targetsOf(services, path.backends), seconds }
}

interface Product {
  readonly variants: readonly Variant[]
  readonly notRun: readonly string[]
}

async function productVariants(path: Path): Promise<Product> {
  const missing = lacksAgent()
  if (missing !== undefined) return { variants: [], notRun: [`product: ${missing}`] }
  const kinds = [
    { name: 'many', n: sizes.many, flags: [] },
    { name: 'few', n: sizes.few, flags: [] },
    { name: 'nameless', n: sizes.many, flags: ['--getpeername', 'off'] },
  ]
  const started = await Promise.all(
    kinds.map(async ({ name, n, flags }) => ({
      name,
      ...(await startAgent(name, n, path.backends, flags)),
    })),
  )
  const began = performance.now()
  const variants: Variant[] = []
  for (const { name, instance, targets } of started) {
    await instance.ready(120_000)
    const client = await startClient(path.client, cpu, instance.cgroup)
    variants.push({ name, client, targets, mode: 'crr' })
    if (name !== 'many') continue
    variants.push({ name: 'miss', client, targets: directTargets(path), mode: 'crr' })
    variants.push({ name: 'many-rr', client, targets: targets.slice(0, 1), mode: 'rr' })
  }
  progress(`agents ready after ${((performance.now() - began) / 1000).toFixed(1)} s`)
  return { variants, notRun: [] }
}

function directTargets(path: Path): string[] {
  return path.backends.map((address) => `${address}:${backendPort}`)
}

function rate(slices: readonly Slice[]): number[] {
  return slices.map(({ n, seconds }) => n / seconds)
}

function connect_us(slices: readonly Slice[]): number[] {
  return slices.map(({ connect_p50_ns }) => connect_p50_ns / 1000)
}

const pairs = { atLeastPairs: 30 }

function ratioRow(
  series: Series,
  names: readonly [string, string],
  what: string,
  goal?: { goal: number; redLine: number },
): Row[] {
  const [product, floor] = names.map((name) => rate(series.get(name) ?? []))
  if (!product?.length || !floor?.length) return []
  const extra =
    goal === undefined ? {} : { goal: { sense: 'at least' as const, ...goal, ...pairs } }
  return [row(what, 'ratio', pairedRatios(product, floor), extra)]
}

function addedRow(
  series: Series,
  name: string,
  what: string,
  goal?: { goal: number; redLine: number },
): Row[] {
  const [product, floor] = [name, 'direct'].map((each) => connect_us(series.get(each) ?? []))
  if (!product?.length || !floor?.length) return []
  const note = 'goal of limits.md, G1b'
  const extra =
    goal === undefined ? {} : { goal: { sense: 'at most' as const, ...goal, ...pairs }, note }
  return [row(what, 'us', pairedDifferences(product, floor), extra)]
}

function rowsOf(series: Series): Row[] {
  const direct = series.get('direct') ?? []
  const vip = { goal: 0.97, redLine: 0.94 }
  return [
    row('direct: transactions', '/s', rate(direct)),
    row(
      'direct: p50',
      'us',
      direct.map(({ p50_ns }) => p50_ns / 1000),
    ),
    row(
      'direct: p99',
      'us',
      direct.map(({ p99_ns }) => p99_ns / 1000),
    ),
    row('direct: connect() p50', 'us', connect_us(direct)),
    ...ratioRow(series, ['many', 'direct'], 'ClusterIP, 10,000 Services / direct', vip),
    ...ratioRow(series, ['few', 'direct'], 'ClusterIP, 100 Services / direct', vip),
    ...ratioRow(series, ['many', 'few'], '10,000 Services / 100 Services', {
      goal: 0.98,
      redLine: 0.95,
    }),
    ...ratioRow(series, ['nameless', 'direct'], '--getpeername off, 10,000 Services / direct', vip),
    ...ratioRow(series, ['miss', 'direct'], 'no Service, through the hooks / direct'),
    ...addedRow(series, 'many', 'added to connect(), 10,000 Services', { goal: 0.7, redLine: 1.5 }),
    ...addedRow(series, 'nameless', 'added to connect(), --getpeername off', {
      goal: 0.7,
      redLine: 1.5,
    }),
    ...addedRow(series, 'miss', 'added to connect(), no Service'),
    ...ratioRow(series, ['many-rr', 'direct-rr'], 'established, 1 byte each way / direct', {
      goal: 0.99,
      redLine: 0.98,
    }),
    ...ratioRow(series, ['nft', 'direct'], 'peer: nftables VIP, 10,000 Services / direct'),
    ...ratioRow(series, ['nft-pod', 'direct'], 'peer: pod IP through that node / direct'),
    ...addedRow(series, 'nft', 'peer: added to connect(), nftables VIP'),
    ...ratioRow(series, ['many', 'nft-pod'], 'ClusterIP / pod IP through the nftables node', {
      goal: 1,
      redLine: 1,
    }),
    ...ratioRow(series, ['nft-rr', 'direct-rr'], 'peer: established, nftables VIP / direct'),
  ]
}

function rawOf(series: Series): Record<string, number[]> {
  const raw: Record<string, number[]> = {}
  for (const [name, slices] of series) {
    raw[`${name} rate /s`] = rate(slices)
    raw[`${name} connect p50 us`] = connect_us(slices)
    raw[`${name} p50 us`] = slices.map(({ p50_ns }) => p50_ns / 1000)
    raw[`${name} p99 us`] = slices.map(({ p99_ns }) => p99_ns / 1000)
  }
  return raw
}

export async function benchConnect(): Promise<Result> {
  const machine = machineFacts()
  const plain = await makePath('plain', 1)
  const ruled = await makePath('nft', 2)
  for (const path of [plain, ruled]) await startServer(path.server, cpu, backendPort)

  progress('loading: agents and nftables rules')
  const loading = loadRules(ruled)
  loading.catch(() => {})
  const product = await productVariants(plain)
  const peer = await loading

  const outside = await startClient(plain.client, cpu, undefined)
  const behind = await startClient(ruled.client, cpu, undefined)
  const direct = { name: 'direct', client: outside, targets: directTargets(plain) }
  const nft = { client: behind, targets: peer.targets }
  const variants: Variant[] = [
    { ...direct, mode: 'crr' },
    ...product.variants,
    { ...nft, name: 'nft', mode: 'crr' },
    { ...nft, name: 'nft-pod', targets: directTargets(ruled), mode: 'crr' },
    { ...direct, name: 'direct-rr', targets: directTargets(plain).slice(0, 1), mode: 'rr' },
    { ...nft, name: 'nft-rr', targets: peer.targets.slice(0, 1), mode: 'rr' },
  ]
  const series: Series = new Map()
  await measure(variants, series)
  return {
    bench: 'connect',
    machine,
    method: [
      `connect, 1 byte each way, close by RST; client and server on CPU ${cpu}, nice -20.`,
      `${rounds} rounds of ${slice_ms} ms slices in turning order; a pair is one round.`,
      `client - veth - node - veth - server; product and floor share one path without netfilter,`,
      `the peer has a path of its own. 16 targets of 2 backends, port ${frontendPort}, in turn.`,
      `The peer's other ${sizes.many - 16} Services have 1 endpoint each; nft -f took ` +
        `${peer.seconds.toFixed(1)} s.`,
    ],
    rows: rowsOf(series),
    notRun: product.notRun,
    raw: rawOf(series),
  }
}
