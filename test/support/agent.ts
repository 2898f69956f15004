/** The agent as operators run it: a process in a node's namespace, told everything by flags. */
import { existsSync, writeFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { eventually } from './eventually.ts'
import type { Node } from './netns.ts'
import { repository } from './parts.ts'
import type { Child, RunResult } from './process.ts'

export interface AgentOptions {
  /** Exactly one of the two. */
  readonly manifests?: string
  readonly kubeconfig?: string
  /** Default: the node's name. */
  readonly nodeName?: string
  readonly flags?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Do not wait until it is ready. */
  readonly isImpatient?: boolean
}

export interface Agent {
  readonly child: Child
  /** Waits until /readyz of the probe address says 200. */
  ready(timeout_ms?: number): Promise<void>
  /** SIGKILL, and waits until the process is gone. */
  kill(): Promise<void>
  /** SIGTERM. Resolves to the exit status. */
  stop(): Promise<number | null>
  /** One of ours, as `curl` would see it from the node: `get('10249/metrics')`. */
  get(portAndPath: string): Promise<string>
  /** `fairlead WORDS... -o json` with this agent's directories. */
  fairlead(...words: string[]): Promise<RunResult>
  status(): Promise<Status>
  log(): string
}

/** The part of `fairlead status -o json` that tests read (proto/control.proto). */
export interface Status {
  readonly isAgentRunning?: boolean
  readonly sync?: { isInitialDone?: boolean; pending?: number; failed?: readonly unknown[] }
  readonly problems?: readonly { reason: string; name: string; message: string; where?: string }[]
  readonly degraded?: readonly string[]
  readonly sources?: readonly { kind: string; isSynced?: boolean; trouble?: string }[]
}

const probePort = 9258

/** FAIRLEAD_AGENT (a .ts is run by tsx) or the bundle. */
export function agentEntry(): string {
  return process.env['FAIRLEAD_AGENT'] ?? join(repository, 'dist', 'agent.mjs')
}

function cliEntry(): string {
  return process.env['FAIRLEAD_CLI'] ?? join(repository, 'dist', 'cli.mjs')
}

/** Node with the flags of the shipped DaemonSet; TypeScript entries through tsx. */
function nodeCommand(entry: string): string[] {
  const loader = extname(entry) === '.ts' ? ['--import', 'tsx'] : []
  return [process.execPath, '--max-semi-space-size=2', ...loader, entry]
}

let started = 0

/** Starts an agent for `node` and waits until it is ready (60 s at most). */
export async function startAgent(node: Node, options: AgentOptions): Promise<Agent> {
  const source =
    options.kubeconfig === undefined
      ? ['--manifests', options.manifests ?? '']
      : ['--kubeconfig', options.kubeconfig]
  const logFile = join(node.directory, `agent-${++started}.log`)
  writeFileSync(logFile, '')
  const flags = [
    ...source,
    ...['--node-name', options.nodeName ?? node.name],
    ...['--bpffs', node.bpffs, '--cgroup', node.cgroupRoot, '--run-dir', node.runDir],
    ...['--healthz-bind-address', '127.0.0.1:10256', '--metrics-bind-address', '127.0.0.1:10249'],
    ...['--probe-bind-address', `127.0.0.1:${probePort}`],
    ...(options.flags ?? []),
  ]
  const child = node.start([...nodeCommand(agentEntry()), ...flags], {
    logFile,
    ...(options.env === undefined ? {} : { env: options.env }),
  })
  const agent = makeAgent(node, child)
  if (options.isImpatient !== true) await agent.ready()
  return agent
}

function makeAgent(node: Node, child: Child): Agent {
  const get = async (portAndPath: string) => {
    const words = ['-sS', '--max-time', '5', '--fail-with-body', `http://127.0.0.1:${portAndPath}`]
    return node.mustRun(['curl', ...words])
  }
  const fairlead = (...words: string[]) => runFairlead(node, ...words)
  return {
    child,
    ready: async (timeout_ms = 60_000) => {
      const isReady = async () => {
        if (child.hasEnded()) return 'ended'
        await get(`${probePort}/readyz`)
        return 'ready'
      }
      try {
        const what = 'the agent to be ready'
        const state = await eventually(what, isReady, { timeout_ms, pause_ms: 100 })
        if (state === 'ended') throw new Error('the agent ended instead of becoming ready')
      } catch (error) {
        throw new Error(`${String(error)}\n${tail(child.log())}`, { cause: error })
      }
    },
    kill: async () => {
      child.kill('SIGKILL')
      await child.ended
    },
    stop: async () => {
      child.kill('SIGTERM')
      return child.ended
    },
    get,
    fairlead,
    status: async () => JSON.parse((await fairlead('status', '-o', 'json')).stdout) as Status,
    log: () => child.log(),
  }
}

/** The last lines of a log: what a failed test prints. */
export function tail(text: string, lines = 30): string {
  return text.trimEnd().split('\n').slice(-lines).join('\n')
}

/** A command of ours about this node's agent or, when it is dead, about its pins. */
export function runFairlead(node: Node, ...words: string[]): Promise<RunResult> {
  // Only what may ask a running agent takes its sockets.
  const isOffline = words[0] === 'cleanup' || words[0] === 'bypass'
  const places = ['--bpffs', node.bpffs, ...(isOffline ? [] : ['--run-dir', node.runDir])]
  const cgroup = words[0] === 'cleanup' ? ['--cgroup', node.cgroupRoot] : []
  return node.run([...nodeCommand(cliEntry()), ...words, ...places, ...cgroup])
}

/** The bundle of the commands is there. */
export function hasCommands(): boolean {
  return existsSync(cliEntry())
}
