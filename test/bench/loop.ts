/** Clients and servers of `crr.c`, alive through the whole benchmark, and the slices they run. */
import { start } from '../support/process.ts'
import { defer } from './belongings.ts'
import { linesOf, nextLine } from './lines.ts'
import { benchTool } from './tools.ts'

export interface Slice {
  readonly n: number
  readonly failed: number
  readonly seconds: number
  readonly p50_ns: number
  readonly p99_ns: number
  readonly connect_p50_ns: number
  readonly connect_p99_ns: number
}

export interface Client {
  /** Throws when a transaction failed: a rate with failures in it means nothing. */
  run(mode: 'crr' | 'rr', ms: number, targets: readonly string[]): Promise<Slice>
}

export async function startServer(netns: string, cpu: number, port: number): Promise<void> {
  const program = await benchTool('crr')
  const child = start([program, 'server', String(cpu), String(port)], { netns })
  child.ended.catch(() => {})
  defer('crr server', () => child.stop())
  await nextLine(child, linesOf(child), 'start crr server')
}

/** In `cgroup` if one is given; it stays where it is. */
export async function startClient(
  netns: string,
  cpu: number,
  cgroup: string | undefined,
): Promise<Client> {
  const program = await benchTool('crr')
  const place = cgroup === undefined ? { netns } : { netns, cgroup }
  const child = start([program, 'client', String(cpu)], place)
  defer('crr client', () => child.stop())
  const lines = linesOf(child)
  return {
    async run(mode, ms, targets) {
      child.process.stdin?.write(`${mode} ${ms} ${targets.join(' ')}\n`)
      const slice = JSON.parse(await nextLine(child, lines, `${mode} to ${targets[0]}`)) as Slice
      if (slice.failed > 0 || slice.n === 0) {
        throw new Error(
          `${mode} to ${targets.join(' ')}: ${slice.failed} failed, ${slice.n} did not`,
        )
      }
      return slice
    },
  }
}
