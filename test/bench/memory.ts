/** What the agent holds: resident memory idle and after a full sync, on two Nodes; kernel memory. */
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { node24Directory } from '../node24.ts'
import { type Instance, lacksAgent, startInstance } from './instance.ts'
import { machineFacts } from './machine.ts'
import { progress, type Result, row, type Row } from './report.ts'
import { type Replay, startReplay } from './source.ts'
import { agentCpu, endpointsN, fullSync, otherCpu, servicesN } from './sync.ts'

/** As deploy/daemonset.yaml runs it. */
const nodeFlags = ['--max-semi-space-size=2']
const repeats = 3
/** After the last work: what is freed late is freed by then, and no collection is forced. */
const settle_ms = 5000

interface Memory {
  readonly rss_MB: number
  readonly anon_MB: number
  readonly peak_MB: number
  /** Memory of the BPF maps, MB. */
  readonly maps_MB: number
}

/** Megabytes of 10^6 bytes, as the budgets mean them. */
function fieldOf(status: string, name: string): number {
  const kB = Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? NaN)
  return (kB * 1024) / 1e6
}

/** Sum of memlock over the maps that the process has open, each map once. */
function mapMemory(pid: number): number {
  const maps = new Map<string, number>()
  for (const fd of readdirSync(`/proc/${pid}/fdinfo`)) {
    let text = ''
    try {
      text = readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8')
    } catch {
      continue // closed meanwhile
    }
    const id = /^map_id:\s+(\d+)/m.exec(text)?.[1]
    const bytes = /^memlock:\s+(\d+)/m.exec(text)?.[1]
    if (id !== undefined && bytes !== undefined) maps.set(id, Number(bytes))
  }
  return [...maps.values()].reduce((sum, bytes) => sum + bytes, 0) / 1e6
}

async function look(instance: Instance): Promise<Memory> {
  await delay(settle_ms)
  const status = readFileSync(`/proc/${instance.pid}/status`, 'utf8')
  return {
    rss_MB: fieldOf(status, 'VmRSS'),
    anon_MB: fieldOf(status, 'RssAnon'),
    peak_MB: fieldOf(status, 'VmHWM'),
    maps_MB: mapMemory(instance.pid),
  }
}

async function idle(name: string, node: string, replay: Replay): Promise<Memory> {
  const flags = ['--kubeconfig', replay.kubeconfig]
  const instance = await startInstance({ name, flags, node, nodeFlags, cpu: agentCpu })
  await replay.held()
  await replay.go()
  await instance.ready(30_000)
  const found = await look(instance)
  await instance.close()
  return found
}

async function synced(name: string, node: string, replay: Replay): Promise<Memory> {
  const { instance, watcher } = await fullSync(name, replay, { node, nodeFlags })
  await watcher.close()
  const found = await look(instance)
  await instance.close()
  return found
}

interface Runtime {
  readonly name: string
  readonly node: string
  readonly goals: { readonly idle: number; readonly synced: number; readonly anon?: number }
}

function runtimes(): { found: Runtime[]; notRun: string[] } {
  const found: Runtime[] = []
  const notRun: string[] = []
  try {
    const node = `${node24Directory()}/bin/node`
    found.push({ name: 'Node 24', node, goals: { idle: 75, synced: 115, anon: 70 } })
  } catch (error) {
    notRun.push(`Node 24: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (process.version.startsWith('v20.')) {
    found.push({ name: 'Node 20', node: process.execPath, goals: { idle: 65, synced: 90 } })
  } else {
    notRun.push(`Node 20: this benchmark runs on Node ${process.version}`)
  }
  return { found, notRun }
}

function most(value: number | undefined) {
  return value === undefined ? {} : { goal: { sense: 'at most' as const, goal: value } }
}

function rowsOf(
  { name, goals }: Runtime,
  idles: readonly Memory[],
  syncs: readonly Memory[],
): Row[] {
  const of = (list: readonly Memory[], key: keyof Memory) => list.map((memory) => memory[key])
  return [
    row(`${name}: RSS idle`, 'MB', of(idles, 'rss_MB'), most(goals.idle)),
    row(`${name}: RssAnon idle`, 'MB', of(idles, 'anon_MB')),
    row(`${name}: RSS at 100,000 endpoints`, 'MB', of(syncs, 'rss_MB'), most(goals.synced)),
    row(`${name}: RssAnon there`, 'MB', of(syncs, 'anon_MB'), most(goals.anon)),
    row(`${name}: peak RSS there`, 'MB', of(syncs, 'peak_MB')),
  ]
}

export async function benchMemory(): Promise<Result> {
  const machine = machineFacts()
  const { found, notRun } = runtimes()
  const missing = lacksAgent()
  if (missing !== undefined) notRun.push(`product: ${missing}`)
  const empty = await startReplay(0, otherCpu)
  const full = await startReplay(servicesN, otherCpu)
  const rows: Row[] = []
  const raw: Record<string, number[]> = {}
  const kernel: number[] = []
  for (const runtime of missing === undefined ? found : []) {
    const [idles, syncs]: [Memory[], Memory[]] = [[], []]
    const id = runtime.name.replace(' ', '').toLowerCase()
    for (let i = 0; i < repeats; i++) {
      idles.push(await idle(`${id}-idle${i}`, runtime.node, empty))
      syncs.push(await synced(`${id}-full${i}`, runtime.node, full))
      progress(`${runtime.name}: ${i + 1} of ${repeats}`)
    }
    rows.push(...rowsOf(runtime, idles, syncs))
    for (const [state, list] of [
      ['idle', idles],
      ['synced', syncs],
    ] as const) {
      raw[`${id} ${state} RSS MB`] = list.map(({ rss_MB }) => rss_MB)
      raw[`${id} ${state} RssAnon MB`] = list.map(({ anon_MB }) => anon_MB)
    }
    kernel.push(...syncs.map(({ maps_MB }) => maps_MB))
  }
  if (kernel.length > 0) {
    rows.push(row(`BPF maps at ${endpointsN} endpoints (memlock)`, 'MB', kernel, most(64)))
  }
  return {
    bench: 'memory',
    machine,
    method: [
      `The agent as shipped (${nodeFlags.join(' ')}), ${settle_ms / 1000} s after its last work, ` +
        `nothing collected by force.`,
      `Idle: no Services. Then ${servicesN} Services x 10 endpoints from the replayed API server.`,
      'RSS counts shared pages of the node binary; RssAnon is what this process alone has.',
    ],
    rows,
    notRun,
    raw,
  }
}
