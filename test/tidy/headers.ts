/** Compiles headers of bpf/ alone, and their size assertions with wrong numbers. */
import { spawnSync } from 'node:child_process'

import { libbpf } from '../../native/libbpf.mjs'
import { root } from './sources.ts'

function findClang(): string {
  for (const name of ['clang-19', 'clang']) {
    if (spawnSync(name, ['--version']).status === 0) return name
  }
  throw new Error('no clang found: run `npm run setup`')
}

/** Syntax check of C text as if it lay in bpf/; what the compiler says, '' if it is content. */
export function compile(text: string): string {
  const machine = process.arch === 'arm64' ? 'aarch64' : 'x86_64'
  const flags = ['-target', 'bpf', '-fsyntax-only', '-ferror-limit=0', '-Wall', '-Werror']
  const paths = [
    '-Ibpf',
    `-I${libbpf().include}`,
    '-idirafter',
    `/usr/include/${machine}-linux-gnu`,
  ]
  const result = spawnSync(findClang(), [...flags, ...paths, '-x', 'c', '-'], {
    cwd: root,
    encoding: 'utf8',
    input: text,
  })
  if (result.status === 0) return ''
  return result.stderr === '' ? `clang ended with ${result.status ?? result.signal}` : result.stderr
}

const assertion = /^ABI_SIZE\((struct \w+), (\d+)\);/gm

export function assertionsIn(text: string): string[] {
  return [...text.matchAll(assertion)].map((found) => found[1] ?? '')
}

/** The same header, every asserted number off by one. */
export function withWrongSizes(text: string): string {
  return text.replace(assertion, (_all, type: string, size: string) => {
    return `ABI_SIZE(${type}, ${Number(size) + 1});`
  })
}
