/**
 * Builds the addon: `node native/build.mjs [--asan]`. Quiet and quick when nothing changed.
 *
 * node-gyp gets the headers of the Node that runs this script (or of the node-linux-* package of
 * the same version), so nothing is ever downloaded for it.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { libbpf } from './libbpf.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const asan = process.argv.includes('--asan')
const started = Date.now()
const output = join(root, 'build', 'Release', asan ? 'fairlead_asan.node' : 'fairlead.node')
const stampPath = join(root, 'build', asan ? 'asan.stamp' : 'addon.stamp')

/** Directory that holds include/node of the running Node's version. */
function nodeHeaders() {
  const prefix = dirname(dirname(realpathSync(process.execPath)))
  const packaged = `node-linux-${process.arch}`
  const candidates = [prefix, join(prefix, '..', packaged), join(root, 'node_modules', packaged)]
  const [major, minor] = process.versions.node.split('.')
  for (const dir of candidates) {
    const header = join(dir, 'include', 'node', 'node_version.h')
    if (!existsSync(header)) continue
    const text = readFileSync(header, 'utf8')
    const has = (name, value) => new RegExp(`#define NODE_${name}_VERSION ${value}\\b`).test(text)
    if (has('MAJOR', major) && has('MINOR', minor)) return dir
  }
  throw new Error(
    `no headers of Node ${process.versions.node} in ${candidates.join(', ')}: ` +
      `npm install --no-save ${packaged}@${process.versions.node}`,
  )
}

/** Everything the addon is made of, as one hash. */
function contentHash(library, headers) {
  const hash = createHash('sha256')
  const files = readdirSync(join(root, 'native'))
    .filter((name) => /\.(cc|h|mjs)$/.test(name))
    .sort()
  for (const path of ['binding.gyp', ...files.map((name) => join('native', name))]) {
    hash.update(path).update(readFileSync(join(root, path)))
  }
  const napi = readFileSync(join(root, 'node_modules/node-addon-api/package.json'))
  return hash
    .update(napi)
    .update(JSON.stringify([library, headers, process.version]))
    .digest('hex')
}

function nodeGyp(headers, ...args) {
  const command = [join(root, 'node_modules/node-gyp/bin/node-gyp.js'), ...args]
  // npm hands its own settings down as npm_config_*: node-gyp would take a nodedir from there.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^npm_config_/i.test(name)),
  )
  command.splice(2, 0, `--nodedir=${headers}`)
  try {
    execFileSync(process.execPath, command, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    process.stderr.write(`${error.stdout ?? ''}${error.stderr ?? ''}`)
    throw new Error(`node-gyp ${args[0]} failed`)
  }
}

/**
 * Runs `work` while no other build of this checkout does: they share node-gyp's makefiles. A lock
 * left by a build that died is taken over.
 */
function alone(work) {
  const lock = join(root, 'build', '.lock')
  mkdirSync(dirname(lock), { recursive: true })
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' })
      break
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
      const pid = existsSync(lock) ? readFileSync(lock, 'utf8') : ''
      if (pid !== '' && !existsSync(`/proc/${pid}`)) rmSync(lock, { force: true })
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100)
    }
  }
  try {
    work()
  } finally {
    rmSync(lock, { force: true })
  }
}

function main() {
  const library = libbpf()
  if (library.kind === 'debian') {
    process.stderr.write(`addon: using Debian's dynamic libbpf: ${library.why}\n`)
  }
  const headers = nodeHeaders()
  const stamp = contentHash(library, headers)
  const last = existsSync(stampPath) ? readFileSync(stampPath, 'utf8') : ''
  if (last === stamp && existsSync(output)) return
  nodeGyp(
    headers,
    'configure',
    '--',
    `-Dis_sanitized=${asan ? 1 : 0}`,
    `-Dlibbpf_include=${library.include}`,
    `-Dlibbpf_link=${library.link}`,
  )
  nodeGyp(headers, 'build', `--jobs=${availableParallelism()}`)
  mkdirSync(dirname(stampPath), { recursive: true })
  writeFileSync(stampPath, stamp)
  const took_s = ((Date.now() - started) / 1000).toFixed(1)
  process.stdout.write(`addon: built with ${library.kind} libbpf in ${took_s} s\n`)
}

try {
  alone(main)
} catch (error) {
  process.stderr.write(`addon: ${error.message}\n`)
  process.exitCode = 1
}
