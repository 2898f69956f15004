/**
 * What a suite needs of the machine. Outside CI a suite that can't run is skipped and says why;
 * with CI=true the missing thing is a failure, so that nothing is skipped silently for ever.
 */
import { execFileSync } from 'node:child_process'
import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { describe, test } from 'vitest'
import { agentEntry } from './agent.ts'
import { mountedCgroupRoot } from './run.ts'

export type Need =
  'root' | 'bpf' | 'cgroup2' | 'netns' | 'go' | 'gcc' | 'musl-gcc' | 'curl' | 'bpftool' | 'agent'

/** Undefined if the machine has it, else what is missing. */
const checks: Readonly<Record<Need, () => string | undefined>> = {
  root: () => (process.getuid?.() === 0 ? undefined : 'root'),
  bpf: () => {
    const has = existsSync('/proc/sys/kernel/unprivileged_bpf_disabled') || hasFilesystem('bpf')
    return has ? undefined : 'a kernel with bpf(2)'
  },
  cgroup2: () =>
    mountedCgroupRoot() !== undefined || hasFilesystem('cgroup2') ? undefined : 'cgroup v2',
  netns: () =>
    missingPrograms('ip', 'nsenter', 'setpriv') ??
    (existsSync('/proc/self/ns/net') ? undefined : 'network namespaces'),
  go: missingGo,
  gcc: () => missingPrograms('gcc'),
  'musl-gcc': () => missingPrograms('musl-gcc'),
  curl: () => missingPrograms('curl'),
  bpftool: () => missingPrograms('bpftool'),
  agent: () => (existsSync(agentEntry()) ? undefined : `${agentEntry()} (npm run build)`),
}

function hasFilesystem(name: string): boolean {
  return readFileSync('/proc/filesystems', 'utf8').split(/\s+/).includes(name)
}

function missingPrograms(...names: string[]): string | undefined {
  const places = (process.env['PATH'] ?? '').split(delimiter)
  const missing = names.filter((name) => !places.some((place) => isProgram(join(place, name))))
  return missing.length === 0 ? undefined : `the program ${missing.join(', ')}`
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function missingGo(): string | undefined {
  const wanted = 'Go >= 1.26 (https://go.dev/dl)'
  if (missingPrograms('go') !== undefined) return wanted
  const text = execFileSync('go', ['env', 'GOVERSION'], { encoding: 'utf8' }).trim()
  const [, major, minor] = /^go([0-9]+)\.([0-9]+)/.exec(text) ?? []
  const isEnough = Number(major) > 1 || (Number(major) === 1 && Number(minor) >= 26)
  return isEnough ? undefined : `${wanted}, found ${text}`
}

/** What of `needs` this machine lacks, in words; empty when it has everything. */
export function missing(...needs: readonly Need[]): string[] {
  return needs.map((need) => checks[need]()).filter((reason) => reason !== undefined)
}

/**
 * `describe` for suites with needs: `requires('root', 'go')('title', () => {…})`. Lacking one, it
 * prints a line and skips; with CI=true it becomes one failing test that says what is missing.
 */
export function requires(...needs: readonly Need[]): (title: string, body: () => void) => void {
  const lacking = missing(...needs)
  if (lacking.length === 0) return (title, body) => void describe(title, body)
  if (process.env['CI'] === 'true') {
    return (title) =>
      void test(title, () => {
        throw new Error(`CI must run this, and it lacks ${lacking.join('; ')}`)
      })
  }
  return (title, body) => {
    process.stderr.write(`skipped: ${title}: needs ${lacking.join('; ')}\n`)
    describe.skip(title, body)
  }
}

/** FAIRLEAD_LONG=1: the acceptance's full counts instead of the everyday ones. */
export const isLong = process.env['FAIRLEAD_LONG'] === '1'
