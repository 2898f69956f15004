/**
 * Writes agent/maps/abi.gen.ts from abi.h: layouts from its BTF, texts from its comments, names of
 * maps and programs from maps.h, packet_maps.h and *.bpf.c. `--check` writes nothing and exits 1 if it is stale.
 * Needs clang (19, or the clang of CLANG).
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { readBtf } from './btf.mjs'
import { emitEnum, emitHead, emitNames, emitStruct } from './emit.mjs'

const here = import.meta.dirname
const target = join(here, '..', 'agent', 'maps', 'abi.gen.ts')

function compile() {
  const machine = { x64: 'x86_64', arm64: 'aarch64' }[process.arch]
  const folder = mkdtempSync(join(tmpdir(), 'fairlead-gen-'))
  const object = join(folder, 'abi.o')
  const flags = ['-target', 'bpf', '-g', '-O2', '-Wall', '-Werror', '-Wpadded', '-c']
  const system = ['-idirafter', `/usr/include/${machine}-linux-gnu`]
  try {
    for (const clang of process.env.CLANG ? [process.env.CLANG] : ['clang-19', 'clang']) {
      try {
        execFileSync(clang, [...flags, ...system, join(here, 'abi.c'), '-o', object])
        return readFileSync(object)
      } catch (error) {
        if (error.code !== 'ENOENT') throw error
      }
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
  throw new Error('compile bpf/abi.c: no clang-19 and no clang: run `npm run setup`, or set CLANG')
}

/** Comment behind each enumerator, and behind each field as `struct.field`. */
function readComments(header) {
  const comments = new Map()
  let owner = ''
  for (const line of header.split('\n')) {
    owner = /^struct (\w+) \{/.exec(line)?.[1] ?? owner
    const field = /^\t[\w ]+?\b(\w+)(?:\[\w+\])?;\t*\/\* (.*) \*\/$/.exec(line)
    if (field) comments.set(`${owner}.${field[1]}`, field[2])
    const enumerator = /^\t(\w+) = \w+,\t*\/\* (.*) \*\/$/.exec(line)
    if (enumerator) comments.set(enumerator[1], enumerator[2])
  }
  return comments
}

/** Map name → its key's and value's C type. */
function readMaps(file) {
  const maps = new Map()
  const source = readFileSync(join(here, file), 'utf8')
  for (const [, body, name] of source.matchAll(/^struct \{$(.*?)^\} (\w+) SEC\("\.maps"\);$/gms)) {
    const type = (what) => new RegExp(`__type\\(${what}, (.+)\\);`).exec(body)?.[1] ?? ''
    maps.set(name, { key: type('key'), value: type('value') })
  }
  return maps
}

/** Program name → its section. */
function readPrograms() {
  const programs = new Map()
  for (const file of readdirSync(here).filter((name) => name.endsWith('.bpf.c'))) {
    const text = readFileSync(join(here, file), 'utf8')
    for (const [, section, name] of text.matchAll(/^SEC\("([^"]+)"\)\s+int (\w+)\(/gm)) {
      programs.set(name, section)
    }
  }
  return programs
}

function generate() {
  const header = readFileSync(join(here, 'abi.h'), 'utf8')
  const types = readBtf(compile())
  const comments = readComments(header)
  const parts = [emitHead]
  for (const [, kind, name] of header.matchAll(/^(struct|enum) (\w+) \{$/gm)) {
    const type = types.find((type) => type.kind === kind && type.name === name)
    if (!type) throw new Error(`generate ${name}: no BTF of it: mention it in bpf/abi.c`)
    parts.push(kind === 'enum' ? emitEnum(type, comments) : emitStruct(type, types, comments))
  }
  parts.push(emitNames(readMaps('maps.h'), readMaps('packet_maps.h'), readPrograms()))
  return parts.join('\n')
}

const text = generate()
let old = ''
try {
  old = readFileSync(target, 'utf8')
} catch (error) {
  if (error.code !== 'ENOENT') throw error
}
if (text === old) process.exit(0)
if (process.argv.includes('--check')) {
  const [now, was] = [text.split('\n'), old.split('\n')]
  const at = now.findIndex((line, i) => line !== was[i])
  const name = relative(process.cwd(), target)
  console.error(`${name}:${at + 1}: stale: has "${was[at] ?? ''}", bpf/ says "${now[at] ?? ''}"`)
  console.error('try: npm run gen')
  process.exit(1)
}
writeFileSync(target, text)
