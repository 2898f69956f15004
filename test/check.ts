/**
 * `npm run check`: all that can be said of the sources without running them. One line per check, the
 * tool's own words where it fails, and `N passed, N failed` at the end.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
process.chdir(root)

/** Files below `folder` that end like one of `endings`. */
function filesIn(folder: string, endings: readonly string[]): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => endings.some((ending) => file.endsWith(ending)))
    .map((file) => `${folder}/${file}`)
    .sort()
}

/** The layouts in a file differ between releases of clang-format: 19 decides, where it is there. */
function clangFormat(): string[] {
  const isThere = spawnSync('clang-format-19', ['--version']).status === 0
  const files = ['bpf', 'native', 'test/clients', 'test/bench'].flatMap((folder) => {
    return filesIn(folder, ['.c', '.cc', '.h'])
  })
  return [isThere ? 'clang-format-19' : 'clang-format', '--dry-run', '--Werror', ...files]
}

const checks: readonly { title: string; command: readonly string[] }[] = [
  { title: 'types', command: ['node_modules/.bin/tsc', '--noEmit', '-p', '.'] },
  {
    title: 'lint',
    command: ['node_modules/.bin/eslint', '--config', 'test/eslint.config.mjs', '.'],
  },
  {
    title: 'format of TypeScript, JSON and YAML',
    command: ['node_modules/.bin/prettier', '--check', '--log-level', 'warn', '.'],
  },
  { title: 'format of C and C++', command: clangFormat() },
  { title: 'generated layouts are fresh', command: ['node', 'bpf/gen.mjs', '--check'] },
  { title: 'generated messages are fresh', command: ['node', 'proto/gen.mjs', '--check'] },
  {
    title: 'tidy',
    command: [
      'node_modules/.bin/vitest',
      'run',
      '--config',
      'test/vitest.config.ts',
      '--project',
      'tidy',
    ],
  },
]

/** `npm test` has the tidy tests as a layer of their own. */
const isPartOfTests = process.argv.includes('--without-tidy')

let failed = 0
let passed = 0
for (const { title, command } of checks) {
  if (isPartOfTests && title === 'tidy') continue
  const started = performance.now()
  const [program = '', ...rest] = command
  const result = spawnSync(program, rest, { encoding: 'utf8' })
  const isFine = result.status === 0
  if (isFine) passed++
  else failed++
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  console.log(`${isFine ? 'ok    ' : 'FAILED'} ${title} (${seconds} s)`)
  if (isFine) continue
  console.log(result.error?.message ?? `${result.stdout}${result.stderr}`.trimEnd())
}
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
