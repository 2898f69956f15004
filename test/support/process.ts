/**
 * Child processes of tests: output captured, ended with the test process even when that is killed
 * by SIGKILL (the kernel's parent-death signal), and written down for the next run's sweep.
 */
import { type ChildProcess, spawn as nodeSpawn } from 'node:child_process'
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runDirectory, startTimeOf } from './run.ts'

export interface RunOptions {
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
  readonly stdin?: string
  /** SIGKILL after so long; default 20,000. */
  readonly timeout_ms?: number
  /** Enter these before the program starts. */
  readonly cgroup?: string
  readonly netns?: string
}

export interface RunResult {
  /** Exit status; 128 + signal number of a killed one. */
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** A long-lived child. */
export interface Child {
  readonly pid: number
  readonly process: ChildProcess
  /** Resolves with the exit status (null: by signal) when it has ended. */
  readonly ended: Promise<number | null>
  hasEnded(): boolean
  /** What it wrote so far, both streams. */
  log(): string
  kill(signal: NodeJS.Signals): void
  /** SIGTERM, SIGKILL after `grace_ms` (default 3,000); resolves when it is gone. */
  stop(grace_ms?: number): Promise<void>
}

/**
 * The command line that runs `argv` in a network namespace (name below /run/netns) and a cgroup.
 * nsenter and not `ip netns exec`, which hides bpffs and cgroups under a fresh /sys. The cgroup
 * is joined before exec, so the program never makes a socket outside it.
 */
export function placed(
  argv: readonly string[],
  place: { cgroup?: string | undefined; netns?: string | undefined },
): string[] {
  const inside =
    place.netns === undefined ? argv : ['nsenter', `--net=/run/netns/${place.netns}`, ...argv]
  if (place.cgroup === undefined) return [...inside]
  const join_ = 'echo $$ > "$0/cgroup.procs" && exec "$@"'
  return ['sh', '-c', join_, place.cgroup, ...inside]
}

/** Runs to the end and captures. Never rejects for what the program does: look at `status`. */
export function run(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const [program, ...rest] = placed(argv, options)
  const child = nodeSpawn('setpriv', ['--pdeathsig', 'KILL', '--', program ?? '', ...rest], {
    env: { ...process.env, ...options.env },
    cwd: options.cwd,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const out: Buffer[] = []
  const err: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
  child.stdin.on('error', () => {}) // the program may end without reading
  child.stdin.end(options.stdin ?? '')
  const timer = setTimeout(() => child.kill('SIGKILL'), options.timeout_ms ?? 20_000)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      const status = code ?? (signal === 'SIGKILL' ? 137 : 143)
      resolve({
        status,
        stdout: Buffer.concat(out).toString(),
        stderr: Buffer.concat(err).toString(),
      })
    })
  })
}

/** As `run`, but throws with what the program said unless it ends with 0; resolves to its stdout. */
export async function mustRun(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const result = await run(argv, options)
  if (result.status !== 0) {
    throw new Error(`${argv.join(' ')}: status ${result.status}: ${result.stderr || result.stdout}`)
  }
  return result.stdout
}

export interface StartOptions extends Omit<RunOptions, 'stdin' | 'timeout_ms'> {
  /** File below the run's directory that takes both streams; default: a pipe kept in memory. */
  readonly logFile?: string
}

/** Starts a long-lived child. Its stdin and (without `logFile`) stdout are pipes. */
export function start(argv: readonly string[], options: StartOptions = {}): Child {
  const pids = join(runDirectory(), 'pids')
  const [program, ...rest] = placed(argv, options)
  const file = options.logFile === undefined ? undefined : openSync(options.logFile, 'a')
  const child = nodeSpawn('setpriv', ['--pdeathsig', 'KILL', '--', program ?? '', ...rest], {
    env: { ...process.env, ...options.env },
    cwd: options.cwd,
    stdio: ['pipe', file ?? 'pipe', file ?? 'pipe'],
  })
  if (file !== undefined) closeSync(file)
  if (child.pid === undefined) throw new Error(`start ${argv.join(' ')}: no process was made`)
  const pidFile = join(pids, `${child.pid}x${startTimeOf(child.pid) ?? '0'}`)
  writeFileSync(pidFile, argv.join(' '))
  const chunks: string[] = []
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => chunks.push(chunk))
  }
  child.stdin?.on('error', () => {})
  const ended = new Promise<number | null>((resolve) => {
    child.once('error', () => resolve(null))
    child.once('exit', () => rmSync(pidFile, { force: true }))
    // 'close', not 'exit': what it wrote last has arrived by then.
    child.once('close', (code) => resolve(code))
  })
  return {
    pid: child.pid,
    process: child,
    ended,
    hasEnded: () => child.exitCode !== null || child.signalCode !== null,
    log: () => (options.logFile === undefined ? chunks.join('') : readText(options.logFile)),
    kill: (signal) => void child.kill(signal),
    stop: (grace_ms) => stopChild(child, ended, grace_ms ?? 3000),
  }
}

async function stopChild(child: ChildProcess, ended: Promise<unknown>, grace_ms: number) {
  if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), grace_ms)
  await ended
  clearTimeout(timer)
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
