/**
 * Programs that tests need and that are built here: each lies in a cache under the hash of
 * everything that goes into it, so a present one is right and an absent one is built once.
 */
import { createHash } from 'node:crypto'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { mustRun } from './process.ts'
import { isAlive, runId } from './run.ts'

export const repository = fileURLToPath(new URL('../../', import.meta.url))

/** `${XDG_CACHE_HOME:-~/.cache}/fairlead`. */
export function cacheDirectory(): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'fairlead')
}

/** 16 hex digits over the flags and the bytes of the files. */
export function contentHash(files: readonly string[], flags: readonly string[]): string {
  const hash = createHash('sha256').update(JSON.stringify(flags))
  for (const file of files) hash.update('\0').update(readFileSync(file))
  return hash.digest('hex').slice(0, 16)
}

/**
 * The path of a built file: `path` if it exists, else `build(temporary)` makes it beside and it is
 * renamed into place, so nobody ever sees half of it. One builder at a time; the others wait. A
 * lock whose holder is dead is taken over.
 */
export async function built(
  path: string,
  what: string,
  build: (temporary: string) => Promise<void>,
): Promise<string> {
  if (existsSync(path)) return path
  mkdirSync(dirname(path), { recursive: true })
  const lock = `${path}.lock`
  while (!takeLock(lock)) {
    await delay(200)
    if (existsSync(path)) return path
  }
  try {
    if (existsSync(path)) return path
    process.stderr.write(`building ${what}\n`)
    const temporary = `${path}.${runId}`
    await build(temporary)
    renameSync(temporary, path)
    return path
  } finally {
    rmSync(lock, { force: true })
  }
}

function takeLock(lock: string): boolean {
  try {
    const file = openSync(lock, 'wx')
    writeSync(file, runId)
    closeSync(file)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  let holder = ''
  try {
    holder = readFileSync(lock, 'utf8')
  } catch {
    // Given back between the two calls.
  }
  // An empty one is a holder between open and write, or one that died there: the id tells later.
  if (holder !== '' && !isAlive(holder)) rmSync(lock, { force: true })
  return false
}

const version = 'k8s.io/component-base/version'

/** The same for every Go program of ours, for ever: each other flag would be a cold build of minutes. */
export const goFlags = [
  '-trimpath',
  '-ldflags',
  `-s -w -X ${version}.gitVersion=v1.37.2 -X ${version}.gitMajor=1 -X ${version}.gitMinor=37`,
]

/** Builds the Go module in `test/<room>` unless the cache has it; returns the program's path. */
export function goProgram(room: string): Promise<string> {
  const directory = join(repository, 'test', room)
  const files = ['main.go', 'go.mod', 'go.sum'].map((name) => join(directory, name))
  const path = join(cacheDirectory(), `${room}-${contentHash(files, goFlags)}`, room)
  const what = `test/${room} (a cold build takes minutes, it is kept in ${cacheDirectory()})`
  return built(path, what, async (temporary) => {
    await mustRun(['go', 'build', ...goFlags, '-o', temporary, '.'], {
      cwd: directory,
      env: { CGO_ENABLED: '0' },
      timeout_ms: 30 * 60_000,
    })
  })
}

/** kube-apiserver, etcd, kube-controller-manager, kube-proxy and kubectl by their first argument. */
export function clusterProgram(): Promise<string> {
  return goProgram('cluster')
}
