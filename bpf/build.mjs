/**
 * Compiles each bpf/*.bpf.c to build/bpf/<name>.o. Nothing is done when neither sources nor
 * compiler changed. The objects hold no path of the machine: same sources, same bytes.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { libbpf } from '../native/libbpf.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const outDir = `${root}build/bpf`
const stampFile = `${outDir}/stamp`

function run(command, args) {
  return execFileSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

/** Newest first: what the committed instruction counts were taken with. */
function findClang() {
  for (const name of [
    'clang-19',
    'clang-18',
    'clang-17',
    'clang-16',
    'clang-15',
    'clang-14',
    'clang',
  ]) {
    try {
      return { name, version: run(name, ['--version']).split('\n')[0] }
    } catch (error) {
      if (error.code !== 'ENOENT') throw error
    }
  }
  throw new Error('no clang found: run `npm run setup`, or install clang 14 or newer')
}

function sources() {
  const files = readdirSync(`${root}bpf`, { recursive: true })
  return files.filter((file) => /\.(c|h)$/.test(file)).sort()
}

function stampOf(clang) {
  const hash = createHash('sha256').update(clang.version)
  hash.update(readFileSync(fileURLToPath(import.meta.url)))
  for (const file of sources()) hash.update(file).update(readFileSync(`${root}bpf/${file}`))
  return hash.digest('hex')
}

function compile(clang, file) {
  const multiarch = `/usr/include/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`
  // bpf_helpers.h of the libbpf that the addon is built with, not of the machine's.
  const include = `-I${libbpf().include}`
  const warnings = ['-Wall', '-Wextra', '-Werror', '-Wno-unused-parameter']
  const target = ['-target', 'bpf', '-mcpu=v3', '-O2', '-g', '-ffile-prefix-map=' + root + '=']
  const out = `build/bpf/${file.replace(/\.bpf\.c$/, '.o')}`
  run(clang.name, [
    ...target,
    ...warnings,
    include,
    `-I${multiarch}`,
    '-c',
    `bpf/${file}`,
    '-o',
    out,
  ])
}

const clang = findClang()
const programs = sources().filter((file) => file.endsWith('.bpf.c'))
const stamp = stampOf(clang)
if (!existsSync(stampFile) || readFileSync(stampFile, 'utf8') !== stamp) {
  mkdirSync(outDir, { recursive: true })
  for (const file of programs) compile(clang, file)
  writeFileSync(stampFile, stamp)
  console.log(`bpf: ${programs.length} object(s) compiled by ${clang.version}`)
}
