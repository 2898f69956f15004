/**
 * One test process's belongings: a directory, a prefix for names, and the sweep of what dead runs
 * left behind. A run that is killed cleans nothing up; the next one does, by what the dead run
 * wrote down (process ids with their start times, names with its prefix), never by a program's name.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const base = join(tmpdir(), 'fairlead-test')

/** Clock ticks since boot at which a process began; undefined if there is none of that id. */
export function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is the program's name in brackets and may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? undefined : fields[19]
  } catch {
    return undefined
  }
}

/** `<pid>x<start time>`: names this process among all that ever ran since boot. */
export const runId = `${process.pid}x${startTimeOf(process.pid) ?? '0'}`

/** Begins the name of every namespace and cgroup of this run. */
export const namePrefix = `fl-${runId}-`

export function isAlive(id: string): boolean {
  const [pid, start] = id.split('x')
  return start !== undefined && startTimeOf(Number(pid)) === start
}

let prepared = false

/** The run's own directory; made, and leftovers of dead runs swept, at the first call. */
export function runDirectory(): string {
  const directory = join(base, runId)
  if (!prepared) {
    prepared = true
    sweep()
    mkdirSync(join(directory, 'pids'), { recursive: true, mode: 0o700 })
    process.once('exit', () => {
      if (isEmptyRun(directory)) rmSync(directory, { recursive: true, force: true })
    })
  }
  return directory
}

/** Nothing but empty directories: every part was closed. Logs of failures are kept for reading. */
function isEmptyRun(directory: string): boolean {
  return readdirSync(directory, { withFileTypes: true }).every(
    (entry) => entry.isDirectory() && isEmptyRun(join(directory, entry.name)),
  )
}

/** Removes what runs that are no more left: processes, namespaces, cgroups, mounts, files. */
export function sweep(): void {
  for (const id of existsSync(base) ? readdirSync(base) : []) {
    if (!isAlive(id)) sweepRun(id)
  }
  // A run may have died between its directory's removal and the rest, so names are looked at too.
  for (const name of namespaceNames()) {
    const id = /^fl-([0-9]+x[0-9]+)-/.exec(name)?.[1]
    if (id !== undefined && !isAlive(id)) removeNamespace(name)
  }
  const root = mountedCgroupRoot()
  if (root !== undefined) sweepCgroups(root)
}

function sweepRun(id: string): void {
  const directory = join(base, id)
  const pids = join(directory, 'pids')
  for (const entry of existsSync(pids) ? readdirSync(pids) : []) {
    const [pid, start] = entry.split('x')
    if (start !== undefined && startTimeOf(Number(pid)) === start) killQuietly(Number(pid))
  }
  for (const name of namespaceNames()) {
    if (name.startsWith(`fl-${id}-`)) removeNamespace(name)
  }
  unmountBelow(directory)
  rmSync(directory, { recursive: true, force: true })
}

function sweepCgroups(root: string): void {
  for (const name of readdirSync(root)) {
    const id = /^fl-([0-9]+x[0-9]+)-/.exec(name)?.[1]
    if (id !== undefined && !isAlive(id)) removeCgroup(join(root, name))
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended by itself meanwhile.
  }
}

function namespaceNames(): string[] {
  return existsSync('/run/netns') ? readdirSync('/run/netns') : []
}

export function removeNamespace(name: string): void {
  if (!namespaceNames().includes(name)) return
  execFileSync('ip', ['netns', 'delete', name], { stdio: 'ignore' })
}

/** Kills whoever is still in the tree and removes it, innermost first. */
export function removeCgroup(directory: string): void {
  if (!existsSync(directory)) return
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (entry.isDirectory()) removeCgroup(join(directory, entry.name))
  }
  const deadline = Date.now() + 3000
  for (;;) {
    for (const pid of readFileSync(join(directory, 'cgroup.procs'), 'utf8').split('\n')) {
      if (pid !== '') killQuietly(Number(pid))
    }
    try {
      rmdirSync(directory)
      return
    } catch (error) {
      // EBUSY until the last process is reaped.
      if (Date.now() > deadline) throw error
      execFileSync('sleep', ['0.02'])
    }
  }
}

/** Unmounts every mount at or below a directory, the newest first. */
export function unmountBelow(directory: string): void {
  const points = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((point) => point === directory || point.startsWith(`${directory}/`))
  for (const point of points.reverse()) execFileSync('umount', [point], { stdio: 'ignore' })
}

/** Where cgroup v2 is mounted; undefined if it is not. */
export function mountedCgroupRoot(): string | undefined {
  for (const line of readFileSync('/proc/mounts', 'utf8').split('\n')) {
    const [, point, type] = line.split(' ')
    if (type === 'cgroup2' && point !== undefined) return point
  }
  return undefined
}
