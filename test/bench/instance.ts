/** A real agent of a benchmark's own: its bpffs, cgroup, sockets and ports; gone without trace. */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { get } from 'node:http'
import { join } from 'node:path'
import { agentEntry } from '../support/agent.ts'
import { type Child, mustRun, start } from '../support/process.ts'
import { eventually } from '../support/eventually.ts'
import {
  mountedCgroupRoot,
  namePrefix,
  removeCgroup,
  runDirectory,
  unmountBelow,
} from '../support/run.ts'
import { defer } from './belongings.ts'

export interface InstanceOptions {
  readonly name: string
  /** Source of objects and whatever else: `--manifests DIR`. */
  readonly flags: readonly string[]
  /** Default: the running Node. */
  readonly node?: string
  readonly nodeFlags?: readonly string[]
  /** Pin it here. */
  readonly cpu?: number
}

export interface Instance {
  readonly pid: number
  /** Join a process to it and the hooks take its sockets. The agent has another one below. */
  readonly cgroup: string
  /** Directory of the pinned maps. */
  readonly maps: string
  readonly metricsPort: number
  /** CPU time of the agent so far, all its threads, ms. */
  cpu_ms(): number
  log(): string
  /** Resolves when the agent has ended, however it did. */
  readonly ended: Promise<unknown>
  /** Undefined: ready; else why not. */
  notReady(): Promise<string | undefined>
  /** Resolves when /readyz says so; throws with the agent's log. */
  ready(timeout_ms: number): Promise<void>
  /** Ends the agent and removes what it attached and pinned. */
  close(): Promise<void>
}

/** Undefined: the agent can be run; else what is missing. */
export function lacksAgent(): string | undefined {
  if (!existsSync(agentEntry())) return `${agentEntry()} is missing (npm run build)`
  return mountedCgroupRoot() === undefined ? 'no cgroup v2 is mounted' : undefined
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' ? (address?.port ?? 0) : 0))
    })
  })
}

/** GET http://127.0.0.1:`port``path`: status and body; rejects when nobody answers. */
export function getLocal(port: number, path: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const request = get(
      { host: '127.0.0.1', port, path, agent: false, timeout: 5000 },
      (answer) => {
        let body = ''
        answer.setEncoding('utf8').on('data', (text: string) => (body += text))
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body }))
        answer.on('error', reject)
      },
    )
    request.on('timeout', () => request.destroy(new Error('no answer in 5 s')))
    request.on('error', reject)
  })
}

async function notReady(port: number, child: Child): Promise<string | undefined> {
  if (child.hasEnded()) return 'the agent has ended'
  try {
    const { status, body } = await getLocal(port, '/readyz')
    return status === 200 ? undefined : body
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** cgroup v2 counts to the microsecond, without any controller. */
function cpuOf(cgroup: string): number {
  const found = /^usage_usec (\d+)/m.exec(readFileSync(join(cgroup, 'cpu.stat'), 'utf8'))
  return Number(found?.[1] ?? 0) / 1000
}

export async function startInstance(options: InstanceOptions): Promise<Instance> {
  const { name, node = process.execPath, nodeFlags = [], cpu } = options
  const own = join(runDirectory(), `bench-${name}`)
  const [bpffs, run] = [join(own, 'bpffs'), join(own, 'run')]
  for (const directory of [bpffs, run]) mkdirSync(directory, { recursive: true, mode: 0o700 })
  await mustRun(['mount', '-t', 'bpf', 'bpf', bpffs])
  const cgroup = join(mountedCgroupRoot() ?? '', `${namePrefix}${name}`)
  for (const part of ['agent', 'pod']) mkdirSync(join(cgroup, part), { recursive: true })
  const [healthz, metrics, probe] = [await freePort(), await freePort(), await freePort()]
  const pins = ['--bpffs', join(bpffs, 'fairlead'), '--cgroup', cgroup, '--run-dir', run]
  const loader = agentEntry().endsWith('.ts') ? ['--import', 'tsx'] : []
  const child = start(
    [
      ...(cpu === undefined ? [] : ['taskset', '-c', String(cpu)]),
      ...[node, ...nodeFlags, ...loader, agentEntry()],
      ...pins,
      ...['--node-name', 'bench'],
      ...['--healthz-bind-address', `127.0.0.1:${healthz}`],
      ...['--metrics-bind-address', `127.0.0.1:${metrics}`],
      ...['--probe-bind-address', `127.0.0.1:${probe}`],
      ...options.flags,
    ],
    { logFile: join(own, 'log'), cgroup: join(cgroup, 'agent') },
  )
  let isClosed = false
  const close = async () => {
    if (isClosed) return
    isClosed = true
    await child.stop(10_000)
    // The pins go with the mount; a cgroup that goes takes its links along.
    unmountBelow(own)
    removeCgroup(cgroup)
    rmSync(own, { recursive: true, force: true })
  }
  defer(`agent ${name}`, close)
  const instance: Instance = {
    pid: child.pid,
    cgroup: join(cgroup, 'pod'),
    maps: join(bpffs, 'fairlead', 'v1', 'maps'),
    metricsPort: metrics,
    cpu_ms: () => cpuOf(join(cgroup, 'agent')),
    log: () => child.log(),
    ended: child.ended,
    notReady: () => notReady(probe, child),
    ready: (timeout_ms) => waitReady(name, instance, child, timeout_ms),
    close,
  }
  return instance
}

async function waitReady(
  name: string,
  instance: Instance,
  child: Child,
  timeout_ms: number,
): Promise<void> {
  let why: string | undefined = 'not asked'
  try {
    await eventually(
      `agent ${name} is ready`,
      async () => {
        why = await instance.notReady()
        return why === undefined || child.hasEnded()
      },
      { timeout_ms, pause_ms: 100 },
    )
  } catch (error) {
    throw new Error(`${(error as Error).message}: ${why}\n${instance.log().slice(-3000)}`)
  }
  if (child.hasEnded()) throw new Error(`agent ${name} ended:\n${instance.log().slice(-3000)}`)
}
