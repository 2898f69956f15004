/** The layers of `npm test`, the cheap before the dear, what each needs and how long it may take. */
import { execFileSync } from 'node:child_process'
import { resolve } from 'node:path'

import { node24Directory } from './node24.ts'

export interface Layer {
  readonly name: string
  readonly budget_s: number
  /** Undefined: met; else what is missing. */
  readonly lacks?: () => string | undefined
  /** vitest projects, */
  readonly projects?: readonly string[]
  /** or a program of ours that ends with a line `N passed, N failed`, */
  readonly program?: readonly string[]
  /** run by this Node instead of the running one. */
  readonly node?: () => string
  readonly environment?: () => Readonly<Record<string, string>>
  /** Only `--long` runs it. */
  readonly isLong?: boolean
}

function lacksRoot(): string | undefined {
  return process.getuid?.() === 0 ? undefined : 'root'
}

function lacksGo(): string | undefined {
  try {
    const text = execFileSync('go', ['version'], { encoding: 'utf8' })
    const found = /go1\.(\d+)/.exec(text)
    return Number(found?.[1] ?? 0) >= 26 ? undefined : `Go 1.26 (found ${found?.[0] ?? text})`
  } catch {
    return 'Go 1.26'
  }
}

function lacksNode24(): string | undefined {
  try {
    node24Directory()
    return undefined
  } catch (error) {
    return `Node 24 (${error instanceof Error ? error.message : String(error)})`
  }
}

/** The addon's sanitized build, made here, beside the usual one. */
function sanitized(): Record<string, string> {
  execFileSync(process.execPath, ['native/build.mjs', '--asan'], { stdio: 'inherit' })
  const runtime = execFileSync('g++', ['-print-file-name=libasan.so'], { encoding: 'utf8' }).trim()
  return {
    FAIRLEAD_ADDON: resolve('build/Release/fairlead_asan.node'),
    LD_PRELOAD: runtime,
    // Node itself keeps memory to its end; what we lose per call shows in the tests of native.
    ASAN_OPTIONS: 'detect_leaks=0:halt_on_error=1',
    UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
  }
}

export const layers: readonly Layer[] = [
  { name: 'unit', budget_s: 120, projects: ['unit'] },
  { name: 'tidy', budget_s: 180, projects: ['tidy'] },
  { name: 'check', budget_s: 180, program: ['test/check.ts', '--without-tidy'] },
  { name: 'native', budget_s: 120, lacks: lacksRoot, projects: ['native'] },
  {
    name: 'asan',
    budget_s: 300,
    lacks: lacksRoot,
    projects: ['native'],
    environment: sanitized,
  },
  {
    name: 'node24',
    budget_s: 240,
    lacks: () => lacksRoot() ?? lacksNode24(),
    projects: ['unit', 'native'],
    node: () => `${node24Directory()}/bin/node`,
  },
  { name: 'scenarios', budget_s: 180, projects: ['scenarios'] },
  { name: 'packets', budget_s: 120, lacks: lacksRoot, projects: ['packets'] },
  { name: 'netns', budget_s: 300, lacks: lacksRoot, projects: ['netns'] },
  { name: 'demo', budget_s: 60, lacks: lacksRoot, program: ['test/demo.ts', '--count'] },
  { name: 'cluster', budget_s: 900, lacks: () => lacksRoot() ?? lacksGo(), projects: ['cluster'] },
  { name: 'deploy', budget_s: 300, lacks: () => lacksRoot() ?? lacksGo(), projects: ['deploy'] },
  {
    name: 'bare',
    budget_s: 3600,
    lacks: lacksRoot,
    program: ['test/bare/run.ts'],
    isLong: true,
  },
]
