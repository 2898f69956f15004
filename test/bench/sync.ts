/**
 * 10,000 Services of 10 endpoints from bytes of the API to maps, wall and CPU, and one changed slice
 * at that size. The agent has one CPU of its own; the replayed API server and the watcher of the
 * maps have the other.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { repository } from '../support/parts.ts'
import { mustRun, start } from '../support/process.ts'
import { getLocal, type Instance, lacksAgent, startInstance } from './instance.ts'
import { linesOf, nextLine } from './lines.ts'
import { machineFacts } from './machine.ts'
import { progress, type Result, row, type Row } from './report.ts'
import { type Replay, startReplay } from './source.ts'
import { quantile } from './stats.ts'
import { benchTool } from './tools.ts'

export const servicesN = 10_000
export const endpointsN = 100_000
export const agentCpu = 0
export const otherCpu = 1
const repeats = 5
const changesN = 200

/** Times since the first byte was written, and CPU since then. */
interface Sync {
  /** Until every Service's region was switched on in the maps, as another process sees it. */
  readonly maps_ms: number
  /** Until the agent says that it is synced (asked every 5 ms). */
  readonly ready_ms: number
  readonly cpu_ms: number
  readonly bytes: number
}

export interface Watcher {
  /** When so many values were not zero, ns. */
  full(): Promise<number>
  /** When the next value changed, ns. */
  change(): Promise<number>
  close(): Promise<void>
}

/** `watch.c` on a pinned map. */
export async function startWatcher(pin: string, wanted: number): Promise<Watcher> {
  const program = await benchTool('watch')
  const child = start(['taskset', '-c', String(otherCpu), program, pin, String(wanted)])
  const lines = linesOf(child)
  const next = () => nextLine(child, lines, 'watch the maps')
  await next()
  const last = async () => Number((await next()).split(' ').at(-1))
  return { full: last, change: last, close: () => child.stop() }
}

/** Start-up is over when the agent needs less than 2 ms of CPU in 300 ms. */
export async function quiet(instance: Instance): Promise<void> {
  for (let before = -Infinity, i = 0; i < 40; i++) {
    const now = instance.cpu_ms()
    if (now - before < 2) return
    before = now
    await delay(300)
  }
}

async function checkMaps(instance: Instance): Promise<void> {
  const { body } = await getLocal(instance.metricsPort, '/metrics')
  const entries = (map: string) =>
    Number(new RegExp(`^fairlead_map_entries\\{map="${map}"\\} (\\S+)`, 'm').exec(body)?.[1] ?? NaN)
  const [frontends, members] = [entries('frontends'), entries('members')]
  if (frontends >= servicesN && members >= endpointsN) return
  throw new Error(
    `the agent says it is synced with ${frontends} frontends and ${members} members: want ` +
      `${servicesN} and ${endpointsN}`,
  )
}

/** One agent from its start to a full sync; it goes on running. */
export async function fullSync(
  name: string,
  replay: Replay,
  options: { node?: string; nodeFlags?: readonly string[] } = {},
): Promise<{ instance: Instance; sync: Sync; watcher: Watcher }> {
  const flags = ['--kubeconfig', replay.kubeconfig]
  const instance = await startInstance({ name, flags, cpu: agentCpu, ...options })
  try {
    const died = instance.ended.then((): never => {
      throw new Error('it ended')
    })
    await Promise.race([replay.held(), died])
  } catch (error) {
    throw new Error(`agent ${name}: ${String(error)}:\n${instance.log().slice(-3000)}`)
  }
  await quiet(instance)
  const watcher = await startWatcher(`${instance.maps}/services`, servicesN)
  const cpuBefore_ms = instance.cpu_ms()
  const { sent_ns, bytes } = await replay.go()
  const full = watcher.full()
  full.catch(() => {}) // looked at below, unless something else fails first
  const ready_ms = await untilReady(instance, sent_ns)
  const cpu_ms = instance.cpu_ms() - cpuBefore_ms
  const maps_ms = ((await full) - sent_ns) / 1e6
  await checkMaps(instance)
  return { instance, watcher, sync: { maps_ms, ready_ms, cpu_ms, bytes } }
}

/** Every answer costs the agent 0.2 ms or so, which is in its CPU time. */
async function untilReady(instance: Instance, sent_ns: number): Promise<number> {
  const deadline_ms = performance.now() + 60_000
  for (;;) {
    const why = await instance.notReady()
    if (why === undefined) return (Number(process.hrtime.bigint()) - sent_ns) / 1e6
    if (performance.now() > deadline_ms) {
      throw new Error(`not synced after 60 s: ${why}\n${instance.log().slice(-3000)}`)
    }
    await delay(5)
  }
}

/** The same bytes to a process that does nothing with them. */
async function floor(replay: Replay): Promise<{ cpu_ms: number; wall_ms: number }> {
  const program = [process.execPath, '--import', 'tsx', 'test/bench/receive.ts']
  const child = start(
    ['taskset', '-c', String(agentCpu), ...program, String(replay.port), replay.ca],
    { cwd: repository },
  )
  try {
    const lines = linesOf(child)
    await replay.held()
    await delay(500)
    const { sent_ns, bytes } = await replay.go()
    child.process.stdin?.write(`${bytes}\n`)
    const line = await nextLine(child, lines, 'receive')
    const { cpu_ms, end_ns } = JSON.parse(line) as { cpu_ms: number; end_ns: number }
    return { cpu_ms, wall_ms: (end_ns - sent_ns) / 1e6 }
  } finally {
    await child.stop()
  }
}

/** The same number of map entries, written in batches by `fill.c`. CPU, ms. */
async function fill(): Promise<number> {
  const sizes = [servicesN, endpointsN, servicesN + endpointsN].map(String)
  const program = await benchTool('fill')
  const text = await mustRun(['taskset', '-c', String(agentCpu), program, ...sizes])
  return (JSON.parse(text) as { cpu_ms: number }).cpu_ms
}

/** Event sent to map changed, ms. Each Service once forth, later back. */
async function changes(replay: Replay, watcher: Watcher): Promise<number[]> {
  const found: number[] = []
  for (let k = 0; k < changesN; k++) {
    const half = changesN / 2
    const service = ((k % half) * 97) % servicesN
    const seen = watcher.change()
    const sent_ns = await replay.change(service, k >= half)
    const seen_ns = await Promise.race([
      seen,
      delay(10_000, undefined, { ref: false }).then(() => {
        throw new Error(`change ${k} of slice ${service}: not in the maps after 10 s`)
      }),
    ])
    found.push((seen_ns - sent_ns) / 1e6)
    await delay(10)
  }
  return found
}

function rowsOf(
  syncs: readonly Sync[],
  floors: readonly Floor[],
  fills: readonly number[],
  single: readonly number[],
): Row[] {
  const some = (values: readonly number[], make: (values: readonly number[]) => Row[]): Row[] =>
    values.length === 0 ? [] : make(values)
  const cpu = syncs.map(({ cpu_ms }) => cpu_ms)
  return [
    ...some(cpu, (values) => [
      row('full sync: CPU of the agent', 'ms', values, {
        goal: { sense: 'at most', goal: 520, redLine: 1000 },
      }),
      row(
        'full sync: first byte to every Service switched on',
        'ms',
        syncs.map((s) => s.maps_ms),
      ),
      row(
        'full sync: first byte to /readyz',
        'ms',
        syncs.map((s) => s.ready_ms),
      ),
    ]),
    row(
      'floor: CPU to receive the same bytes',
      'ms',
      floors.map((f) => f.cpu_ms),
    ),
    row('floor: CPU to write as many map entries from C', 'ms', fills),
    row(
      'floor: wall to receive them',
      'ms',
      floors.map((f) => f.wall_ms),
    ),
    ...some(single, (values) => [
      row('one slice changed, event to map: p50', 'ms', [quantile(values, 0.5)], {
        goal: { sense: 'at most', goal: 0.5 },
        note: `of ${values.length} changes`,
      }),
      row('one slice changed, event to map: p99', 'ms', [quantile(values, 0.99)], {
        goal: { sense: 'at most', goal: 5, redLine: 50 },
      }),
    ]),
  ]
}

interface Floor {
  readonly cpu_ms: number
  readonly wall_ms: number
}

const method = [
  'Frames of a real kube-apiserver (50 Services and slices, recorded once), copied to 10,000 with',
  'names, uids and addresses overwritten in place; TLS, HTTP/2, WatchList, protobuf.',
  `Agent pinned to CPU ${agentCpu}, server and map watcher to CPU ${otherCpu}; CPU time from cpu.stat of the`,
  "agent's cgroup, from the first byte until /readyz says 200. 10 ms between two changes.",
  'Floor: a bare Node that receives the same two streams and drops them; and batched writes from C.',
  'Peer, not run here: kube-proxy 1.37.2 (nftables) took 25-40 s of CPU for a cold start with these',
  '10,000 x 10, and 348 ms for one slice change.',
]

export async function benchSync(): Promise<Result> {
  const machine = machineFacts()
  const replay = await startReplay(servicesN, otherCpu)
  const missing = lacksAgent()
  const syncs: Sync[] = []
  const floors: Floor[] = []
  const fills: number[] = []
  let single: number[] = []
  for (let i = 0; i < repeats; i++) {
    floors.push(await floor(replay))
    fills.push(await fill())
    if (missing !== undefined) continue
    const { instance, sync, watcher } = await fullSync(`sync${i}`, replay)
    syncs.push(sync)
    if (i === repeats - 1) {
      await quiet(instance)
      single = await changes(replay, watcher)
    }
    await watcher.close()
    await instance.close()
    progress(`sync ${i + 1} of ${repeats}: ${sync.cpu_ms.toFixed(0)} ms CPU`)
  }
  return {
    bench: 'sync',
    machine,
    method,
    rows: rowsOf(syncs, floors, fills, single),
    notRun: missing === undefined ? [] : [`product: ${missing}`],
    raw: {
      'sync cpu ms': syncs.map(({ cpu_ms }) => cpu_ms),
      'sync maps ms': syncs.map(({ maps_ms }) => maps_ms),
      'sync ready ms': syncs.map(({ ready_ms }) => ready_ms),
      bytes: syncs.map(({ bytes }) => bytes),
      'floor cpu ms': floors.map(({ cpu_ms }) => cpu_ms),
      'fill cpu ms': fills,
      'floor wall ms': floors.map(({ wall_ms }) => wall_ms),
      'change ms': single,
    },
  }
}
