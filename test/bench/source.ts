/** The replayed API server (`replay.ts`) as a child: start it, let it go, have it send a change. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { repository } from '../support/parts.ts'
import { mustRun, start } from '../support/process.ts'
import { eventually } from '../support/eventually.ts'
import { runDirectory } from '../support/run.ts'
import { defer } from './belongings.ts'
import { linesOf, nextLine } from './lines.ts'

/** Of `go`: when the first byte was written (CLOCK_MONOTONIC), and how many there are. */
export interface Sent {
  readonly sent_ns: number
  readonly bytes: number
}

export interface Replay {
  readonly port: number
  readonly kubeconfig: string
  /** File of the server's certificate. */
  readonly ca: string
  /** Resolves when both streams are asked for; rejects after 30 s. */
  held(): Promise<void>
  go(): Promise<Sent>
  /** Resolves to the time just before the frame was written, ns. */
  change(i: number, isBack: boolean): Promise<number>
  close(): Promise<void>
}

let replays = 0

/** For 127.0.0.1, valid for a day. */
async function writeCertificate(directory: string): Promise<string> {
  const ca = join(directory, 'cert.pem')
  const words =
    'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=replay'
  const names = ['-addext', 'subjectAltName=IP:127.0.0.1']
  await mustRun([
    'openssl',
    ...words.split(' '),
    ...names,
    ...['-keyout', join(directory, 'key.pem'), '-out', ca],
  ])
  return ca
}

function writeKubeconfig(directory: string, port: number): string {
  const path = join(directory, 'kubeconfig')
  writeFileSync(
    path,
    `apiVersion: v1
kind: Config
clusters:
  - name: replay
    cluster: { server: 'https://127.0.0.1:${port}', certificate-authority: cert.pem }
users:
  - name: bench
    user: { token: none }
contexts:
  - name: replay
    context: { cluster: replay, user: bench }
current-context: replay
`,
  )
  return path
}

/** `n` Services of 10 endpoints; the server is pinned to `cpu`. */
export async function startReplay(n: number, cpu: number): Promise<Replay> {
  const directory = join(runDirectory(), `replay${++replays}`)
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const ca = await writeCertificate(directory)
  const program = [
    process.execPath,
    '--import',
    'tsx',
    'test/bench/replay.ts',
    directory,
    String(n),
  ]
  const child = start(['taskset', '-c', String(cpu), ...program], { cwd: repository })
  const lines = linesOf(child)
  const next = async <T>(): Promise<T> =>
    JSON.parse(await nextLine(child, lines, 'replayed API server')) as T
  let isClosed = false
  const close = async () => {
    if (isClosed) return
    isClosed = true
    await child.stop()
    rmSync(directory, { recursive: true, force: true })
  }
  defer('replayed API server', close)
  const { port } = await next<{ port: number }>()
  const tell = <T>(line: string): Promise<T> => {
    child.process.stdin?.write(`${line}\n`)
    return next<T>()
  }
  return {
    port,
    kubeconfig: writeKubeconfig(directory, port),
    ca,
    held: async () => {
      const isHeld = async () => (await tell<{ held: number }>('held')).held === 2
      await eventually('services and slices are asked for', isHeld, { timeout_ms: 30_000 })
    },
    go: () => tell<Sent>('go'),
    change: async (i, isBack) =>
      (await tell<{ sent_ns: number }>(`change ${i} ${isBack ? 1 : 0}`)).sent_ns,
    close,
  }
}
