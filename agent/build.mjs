/**
 * Bundles dist/agent.mjs and dist/cli.mjs and lays the compiled parts beside them:
 * dist/fairlead.node, dist/bpf/*.o. Run native/build.mjs and bpf/build.mjs before.
 */
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const dist = join(root, 'dist')

/** CommonJS packages inside an ES module still call require() of Node's own modules. */
const banner = `import { createRequire as fairleadRequire } from 'node:module'
const require = fairleadRequire(import.meta.url)`

/** The agent is a bundle of its own; the CLI loads it from beside itself. */
const agentBeside = {
  name: 'agent-beside',
  setup({ onResolve }) {
    onResolve({ filter: /\/agent\.ts$/ }, ({ kind }) =>
      kind === 'dynamic-import' ? { path: './agent.mjs', external: true } : undefined,
    )
  },
}

/** One file each, without splitting: that lost the named exports of CommonJS packages. */
function bundle(entry, name, plugins) {
  return build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile: join(dist, name),
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    external: ['*.node'],
    banner: { js: banner },
    legalComments: 'none',
    minify: true,
    keepNames: true,
    sourcemap: false,
    logLevel: 'warning',
    plugins,
  })
}

/**
 * V8 keeps the source as long as the process lives, and one letter beyond ASCII makes it two bytes
 * for each character. esbuild escapes such letters in strings, but not in regular expressions.
 */
function escapeLetters(name) {
  const file = join(dist, name)
  const text = readFileSync(file, 'utf8')
  const escape = (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
  writeFileSync(file, text.replace(/[^\x00-\x7f]/g, escape))
}

function copyParts() {
  const addon = join(root, 'build/Release/fairlead.node')
  if (existsSync(addon)) cpSync(addon, join(dist, 'fairlead.node'))
  else console.error('agent/build.mjs: no build/Release/fairlead.node: run node native/build.mjs')
  const objects = join(root, 'build/bpf')
  const names = existsSync(objects) ? readdirSync(objects).filter((one) => one.endsWith('.o')) : []
  if (names.length === 0) {
    console.error('agent/build.mjs: no build/bpf/*.o: run node bpf/build.mjs')
  }
  rmSync(join(dist, 'bpf'), { recursive: true, force: true })
  mkdirSync(join(dist, 'bpf'), { recursive: true })
  for (const name of names) cpSync(join(objects, name), join(dist, 'bpf', name))
  if (!existsSync(addon) || names.length === 0) process.exitCode = 1
}

mkdirSync(dist, { recursive: true })
await Promise.all([
  bundle('agent/agent.ts', 'agent.mjs', []),
  bundle('agent/cli/main.ts', 'cli.mjs', [agentBeside]),
])
for (const name of ['agent.mjs', 'cli.mjs']) escapeLetters(name)
chmodSync(join(dist, 'cli.mjs'), 0o755)
copyParts()
