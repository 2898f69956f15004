/** A network namespace with a cgroup: where a pod's or the node's own programs run in tests. */
import { createInterface } from 'node:readline'
import { type ClientName, type Compiler, clientProgram } from './clients.ts'
import {
  type Child,
  type RunOptions,
  type RunResult,
  type StartOptions,
  mustRun,
  run,
  start,
} from './process.ts'

export interface Place {
  readonly name: string
  /** Below /run/netns. */
  readonly netns: string
  readonly cgroup: string
  /** Runs to the end inside. */
  run(argv: readonly string[], options?: RunOptions): Promise<RunResult>
  /** As `run`, but rejects unless it ends with 0; resolves to its stdout. */
  mustRun(argv: readonly string[], options?: RunOptions): Promise<string>
  /** Starts a long-lived program inside; ended by the place's close(). */
  start(argv: readonly string[], options?: Omit<StartOptions, 'cgroup' | 'netns'>): Child
  /** A server on TCP and UDP of both families that answers with its name and whom it saw. */
  echo(options: EchoOptions): Promise<Child>
  /** Asks of test/clients/dial.c, without a process for each. */
  dialer(compiler?: Compiler): Promise<Dialer>
  /** Ends what was started here. */
  stopAll(): Promise<void>
}

export interface EchoOptions {
  readonly name: string
  /** Default 8080. */
  readonly port?: number
  /** Default: every address of both families; IPv6 in brackets. */
  readonly address?: string
  readonly only?: 'tcp' | 'udp'
}

/** One exchange. All texts, '' where there is none; addresses as `10.0.0.1:80` or `[fd00::1]:80`. */
export interface Answer {
  /** Who answered, '' if nobody did. */
  readonly name: string
  /** The client's address as the server saw it. */
  readonly peer: string
  readonly getpeername: string
  readonly local: string
  /** Errno name of the step that failed, '' if none did. */
  readonly error: string
  readonly step: '' | 'socket' | 'connect' | 'send' | 'receive' | 'unspec'
  readonly connect_us: number
}

/** `-c N`: many exchanges, counted by who answered and by errno. */
export interface Tally {
  readonly n: number
  readonly names: Readonly<Record<string, number>>
  readonly errors: Readonly<Record<string, number>>
  readonly p50_us: number
  readonly p99_us: number
  readonly longest_us: number
  readonly took_ms: number
}

/** `many`: one unconnected socket, several destinations. */
export interface Datagrams {
  /** Errno name each, '' if sent. */
  readonly sends: readonly string[]
  readonly answers: readonly { from: string; name: string; peer: string }[]
}

export interface Dialer {
  /** One command of dial.c, its answer parsed: `ask<Answer>('tcp 10.96.0.1:80')`. */
  ask<T>(command: string): Promise<T>
  tcp(destination: string, options?: string): Promise<Answer>
  udp(destination: string, options?: string): Promise<Answer>
  /** `n` connects one after the other. */
  tally(n: number, destination: string, options?: string): Promise<Tally>
  close(): Promise<void>
}

export interface Load {
  readonly n: number
  readonly failed: number
  readonly longest_us: number
  readonly took_ms: number
  readonly failures: readonly { error: string; at_ms: number; destination: number }[]
}

export function makePlace(name: string, netns: string, cgroup: string): Place {
  const children = new Set<Child>()
  const at = { netns, cgroup }
  const startHere: Place['start'] = (argv, options = {}) => {
    const child = start(argv, { ...options, ...at })
    children.add(child)
    void child.ended.then(() => children.delete(child))
    return child
  }
  return {
    name,
    netns,
    cgroup,
    run: (argv, options = {}) => run(argv, { ...options, ...at }),
    mustRun: (argv, options = {}) => mustRun(argv, { ...options, ...at }),
    start: startHere,
    echo: async (options) => {
      const only = options.only === undefined ? [] : [options.only === 'tcp' ? '-t' : '-u']
      const address = options.address === undefined ? [] : ['-b', options.address]
      const words = ['-n', options.name, '-p', String(options.port ?? 8080), ...address, ...only]
      const child = startHere([await clientProgram('echo'), ...words])
      await firstLine(child)
      return child
    },
    dialer: async (compiler) => makeDialer(startHere([await clientProgram('dial', compiler)])),
    stopAll: async () => {
      await Promise.all([...children].map((child) => child.stop(0)))
    },
  }
}

/** Resolves to the first line that a child writes; rejects if it ends before. */
export function firstLine(child: Child): Promise<string> {
  return new Promise((resolve, reject) => {
    const look = () => {
      const end = child.log().indexOf('\n')
      if (end >= 0) resolve(child.log().slice(0, end))
    }
    child.process.stdout?.on('data', look)
    look()
    void child.ended.then(() => reject(new Error(`ended at once: ${child.log()}`)))
  })
}

function makeDialer(child: Child): Dialer {
  const waiting: { resolve: (line: string) => void; reject: (error: Error) => void }[] = []
  const { stdin, stdout } = child.process
  if (stdin === null || stdout === null) throw new Error('a dialer needs pipes')
  createInterface({ input: stdout }).on('line', (line) => waiting.shift()?.resolve(line))
  void child.ended.then(() => {
    for (const { reject } of waiting.splice(0)) reject(new Error(`dial ended: ${child.log()}`))
  })
  const ask = async <T>(command: string): Promise<T> => {
    if (child.hasEnded()) throw new Error(`dial ended: ${child.log()}`)
    const line = await new Promise<string>((resolve, reject) => {
      waiting.push({ resolve, reject })
      stdin.write(`${command}\n`)
    })
    return JSON.parse(line) as T
  }
  return {
    ask,
    tcp: (destination, options = '') => ask<Answer>(`tcp ${options} ${destination}`),
    udp: (destination, options = '') => ask<Answer>(`udp ${options} ${destination}`),
    tally: (n, destination, options = '') => ask<Tally>(`tcp -c ${n} ${options} ${destination}`),
    close: () => child.stop(0),
  }
}

/**
 * Starts load.c; `finish` ends it and resolves to its sum. `log` takes a line per connect:
 * begin and end in ns of CLOCK_MONOTONIC, index of the destination, who answered or the errno.
 */
export async function startLoad(
  place: Place,
  destinations: readonly string[],
  options: { cpu?: number; perSecond?: number; patience_ms?: number; log?: string } = {},
): Promise<{ finish(): Promise<Load> }> {
  const words: string[] = []
  if (options.cpu !== undefined) words.push('-C', String(options.cpu))
  if (options.perSecond !== undefined) words.push('-r', String(options.perSecond))
  if (options.patience_ms !== undefined) words.push('-w', String(options.patience_ms))
  if (options.log !== undefined) words.push('-l', options.log)
  const name: ClientName = 'load'
  const child = place.start([await clientProgram(name), ...words, ...destinations])
  return {
    finish: async () => {
      child.process.stdin?.end()
      await child.ended
      return JSON.parse(child.log()) as Load
    },
  }
}
