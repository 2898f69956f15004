/** What the figures were taken on: without it they say nothing. Nothing that names the machine. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { repository } from '../support/parts.ts'

export interface Machine {
  readonly cpu: string
  readonly cpus: number
  readonly memory_GB: number
  readonly kernel: string
  readonly preempt: string
  readonly isVirtual: boolean
  readonly bpfJit: string
  readonly node: string
  /** Short commit, `+` behind it when the tree differs from it. */
  readonly commit: string
  readonly load: readonly number[]
}

function text(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return 'unknown'
  }
}

function commitOf(): string {
  const git = (...words: string[]) =>
    execFileSync('git', words, { cwd: repository, encoding: 'utf8', stdio: 'pipe' }).trim()
  try {
    const isClean = git('status', '--porcelain', '--untracked-files=no') === ''
    return `${git('rev-parse', '--short', 'HEAD')}${isClean ? '' : '+'}`
  } catch {
    return 'unknown'
  }
}

export function machineFacts(): Machine {
  const version = text('/proc/version')
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cpus: cpus().length,
    memory_GB: Math.round(totalmem() / 1e9),
    kernel: release(),
    preempt: /PREEMPT\w*/.exec(version)?.[0] ?? 'no PREEMPT',
    isVirtual: / hypervisor( |$)/m.test(text('/proc/cpuinfo')),
    bpfJit: text('/proc/sys/net/core/bpf_jit_enable'),
    node: process.version,
    commit: commitOf(),
    load: loadavg().map((value) => Math.round(value * 100) / 100),
  }
}

export function machineLine(machine: Machine): string {
  const { cpu, cpus: n, memory_GB, kernel, preempt, isVirtual, node, commit, load } = machine
  const kind = isVirtual ? 'virtual' : 'bare'
  return (
    `${cpu} (${kind}), ${n} CPUs, ${memory_GB} GB, Linux ${kernel} ${preempt}, ` +
    `Node ${node}, commit ${commit}, load ${load.join(' ')}`
  )
}
