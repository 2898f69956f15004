/** The shape of the house: directions between rooms, sizes, names, and that assertions can fail. */
import { readdirSync } from 'node:fs'
import { basename } from 'node:path'

import { describe, expect, test } from 'vitest'

import { findBrokenEdges, findCycles, forbiddenEdges, importsOf } from './tidy/edges.ts'
import { assertionsIn, compile, withWrongSizes } from './tidy/headers.ts'
import {
  findTwice,
  functionsOfC,
  functionsOfScript,
  hasReason,
  hasReasonInHead,
} from './tidy/shape.ts'
import { isGenerated, readSources, root, type SourceFile, withoutComments } from './tidy/sources.ts'

const sources = readSources()
const ours = sources.filter((file) => !isGenerated(file.path))
const scripts = ours.filter((file) => /\.(ts|mjs|js)$/.test(file.path))
const cFiles = ours.filter((file) => /\.(c|h|cc)$/.test(file.path))
const imports = scripts.flatMap(importsOf)

function sample(path: string, text: string): SourceFile {
  return { path, text }
}

/** Every folder above a file: `a/b/c.ts` gives `a/b` and `a`. */
function foldersOf(path: string): string[] {
  const parts = path.split('/').slice(0, -1)
  return parts.map((_part, i) => parts.slice(0, i + 1).join('/'))
}

describe('directions between rooms', () => {
  test('no file imports what its room may not', () => {
    expect(findBrokenEdges(imports)).toEqual([])
  })

  test('nothing imports in a ring', () => {
    expect(findCycles(imports)).toEqual([])
  })

  test('each forbidden edge carries its reason, and one that is broken is named with it', () => {
    for (const [from, specifier] of [
      ['agent/model/service.ts', 'node:fs'],
      ['agent/model/service.ts', '../kube/raw.ts'],
      ['agent/desired/policy.ts', '../maps/table.ts'],
      ['agent/kube/watch.ts', '../maps/table.ts'],
      ['agent/maps/kernel.ts', '../model/objects.ts'],
      ['agent/datapath/load.ts', '../sync/loop.ts'],
      ['agent/sync/apply.ts', '../../native/index.ts'],
      ['agent/sync/apply.ts', '../api/http.ts'],
      ['agent/sync/apply.ts', '../cli/table.ts'],
      ['agent/cli/service.ts', '../sync/apply.ts'],
      ['agent/api/grpc.ts', '../kube/watch.ts'],
      ['agent/api/grpc.ts', '../main.ts'],
      ['agent/maps/kernel.ts', '../../test/support/netns.ts'],
      ['agent/maps/kernel.ts', 'typescript'],
      ['agent/sync/loop.ts', 'fastify'],
      ['agent/kube/manifests.ts', 'commander'],
      ['agent/api/http.ts', 'yaml'],
      ['agent/kube/watch.ts', 'pino'],
    ] as const) {
      const found = findBrokenEdges(importsOf(sample(from, `import { x } from '${specifier}'`)))
      expect(found, `${from} → ${specifier}`).not.toEqual([])
      expect(found[0]).toMatch(/: .{20}/)
    }
    for (const edge of forbiddenEdges) expect(edge.why.length).toBeGreaterThan(20)
  })

  test('what the rooms exist for stays allowed', () => {
    const allowed = [
      sample('agent/maps/kernel.ts', `import { BpfMap } from '../../native/index.ts'`),
      sample('agent/desired/policy.ts', `import type { Service } from '../model/objects.ts'`),
      sample(
        'agent/main.ts',
        `import { a } from './cli/main.ts'; import { b } from './api/http.ts'`,
      ),
    ]
    expect(findBrokenEdges(allowed.flatMap(importsOf))).toEqual([])
  })

  test('a ring is found, also one that is closed by a type or a dynamic import', () => {
    const ring = [
      sample('agent/sync/a.ts', `import type { B } from './b.ts'`),
      sample('agent/sync/b.ts', `const c = await import('./c.ts')`),
      sample('agent/sync/c.ts', `export { a } from './a.ts'`),
    ]
    expect(findCycles(ring.flatMap(importsOf))).toEqual([
      'agent/sync/a.ts → agent/sync/b.ts → agent/sync/c.ts → agent/sync/a.ts',
    ])
  })

  test('only maps takes layouts from the generated file; others take enums and names', () => {
    const header = sources.find((file) => file.path === 'bpf/abi.h')?.text ?? ''
    const layouts = new Set(
      [...header.matchAll(/^struct (\w+) \{/gm)].map(([, name = '']) => {
        return name.replace(/_(\w)/g, (_all, letter: string) => letter.toUpperCase())
      }),
    )
    expect(layouts.size).toBeGreaterThan(10)
    const broken = imports.filter(({ from, to, names }) => {
      if (to !== 'agent/maps/abi.gen.ts' || !/^agent\/(?!maps\/)/.test(from)) return false
      return names.some((name) => name === '*' || layouts.has(name))
    })
    expect(broken).toEqual([])
  })

  test('pure rooms have no clock, no timer and no process', () => {
    const impure =
      /\b(Date\.now|new Date\(\)|performance\.now|setTimeout|setInterval|setImmediate|process\.|Math\.random)/
    const found = scripts.filter((file) => /^agent\/(model|desired)\//.test(file.path))
    expect(found.filter((file) => impure.test(withoutComments(file.text)))).toEqual([])
  })

  test('kube speaks no BPF and maps speaks no Kubernetes', () => {
    const words = [
      [/^agent\/kube\//, /\b(bpf|ebpf|cgroup|bpffs|DataView)\b/i],
      [/^agent\/maps\//, /\b(kubernetes|EndpointSlice|ConfigMap|kubeconfig|clusterIP)\b/i],
    ] as const
    for (const [room, foreign] of words) {
      const found = scripts.filter((file) => room.test(file.path))
      const guilty = found.filter((file) => foreign.test(withoutComments(file.text)))
      expect(guilty.map((file) => file.path)).toEqual([])
    }
  })
})

describe('the C side', () => {
  const bpf = cFiles.filter((file) => file.path.startsWith('bpf/'))

  test('every file of bpf/ names its licence in the first line', () => {
    const licence = /^\/[*/] SPDX-License-Identifier: \(?GPL-2\.0-only OR BSD-2-Clause\)?/
    expect(bpf.filter((file) => !licence.test(file.text)).map((file) => file.path)).toEqual([])
  })

  test('programs include lib, lib includes maps and config, and those include abi', () => {
    const rank = (path: string) => {
      if (path.endsWith('.bpf.c')) return 3
      if (path.startsWith('bpf/lib/')) return 2
      return path === 'bpf/abi.h' ? 0 : 1
    }
    for (const file of bpf.filter((file) => file.path !== 'bpf/abi.c')) {
      for (const [, name = ''] of file.text.matchAll(/^#include "(?:\.\.\/|lib\/)*([^"]+)"/gm)) {
        const target = bpf.find((other) => basename(other.path) === name)
        if (target === undefined) throw new Error(`${file.path} includes ${name}: no such file`)
        const isSibling = rank(file.path) === 2 && rank(target.path) === 2
        const isDown = rank(target.path) < rank(file.path) || isSibling
        expect(isDown, `${file.path} includes ${target.path}: against the direction`).toBe(true)
      }
    }
  })

  test.each(bpf.filter((file) => file.path.endsWith('.h')).map((file) => file.path))(
    '%s compiles alone',
    (path) => {
      expect(compile(`#include "${path.slice('bpf/'.length)}"\n`)).toBe('')
    },
  )

  test.each(
    bpf.filter((file) => assertionsIn(file.text).length > 0).map((file) => [file.path, file]),
  )('every size assertion in %s can fail', (_path, file) => {
    const said = compile(withWrongSizes(file.text))
    for (const type of assertionsIn(file.text)) {
      expect(said).toMatch(new RegExp(`static assertion failed.*${type} is not`))
    }
  })
})

describe('sizes and repetition', () => {
  test('no file of ours is longer than 400 lines without a reason in it', () => {
    const long = ours.filter((file) => file.text.split('\n').length > 401)
    const found = long.filter((file) => !/\.md$/.test(file.path) && !hasReasonInHead(file, 'Long'))
    expect(found.map((file) => file.path)).toEqual([])
  })

  test('no function is longer than 70 lines without a reason above it', () => {
    const all = [...scripts.flatMap(functionsOfScript), ...cFiles.flatMap(functionsOfC)]
    expect(all.length).toBeGreaterThan(50)
    const long = all.filter((stretch) => stretch.lines > 70)
    const found = long.filter((stretch) => {
      const file = ours.find((file) => file.path === stretch.path)
      return file !== undefined && !hasReason(file, 'Long', stretch.line)
    })
    expect(found).toEqual([])
  })

  test('a long function is seen in TypeScript and in C', () => {
    const body = '\tx();\n'.repeat(80)
    const script = sample('agent/sync/a.ts', `function a() {\n${body}}\n`)
    expect(functionsOfScript(script)).toMatchObject([{ name: 'a', lines: 82 }])
    const c = sample('bpf/a.h', `static int\nfl_a(int x,\n     int y)\n{\n${body}}\n`)
    expect(functionsOfC(c)).toMatchObject([{ name: 'fl_a', lines: 84 }])
  })

  test('no stretch of six telling lines stands twice without a reason', () => {
    const code = [...scripts, ...cFiles, ...ours.filter((file) => file.path.endsWith('.sh'))]
    expect(findTwice(code)).toEqual([])
  })

  test('a stretch that stands twice is found, and one with a reason is not', () => {
    const stretch = ['one', 'two', 'three', 'four', 'five', 'sixth'].map((w) => `call_${w}()`)
    const a = sample('agent/sync/a.ts', `first()\n${stretch.join('\n')}\nlast()\n`)
    const b = sample('agent/sync/b.ts', stretch.join('\n}\n  '))
    expect(findTwice([a, b])).toEqual(['agent/sync/b.ts:1 repeats 6 lines of agent/sync/a.ts:2'])
    const reason = '// Twice, because the other one must not depend on us.\n'
    expect(findTwice([a, sample(b.path, reason + b.text)])).toEqual([])
  })
})

describe('names and files', () => {
  test('the top level holds what it may and nothing else', () => {
    const allowed = new Set(
      `agent native bpf proto deploy test package.json tsconfig.json binding.gyp README.md
       package-lock.json ARCHITECTURE.md CHANGELOG.md LICENSE node_modules dist build`.split(/\s+/),
    )
    const found = readdirSync(root).filter((name) => !name.startsWith('.') && !allowed.has(name))
    expect(found).toEqual([])
  })

  test('every source file begins with a comment that says what it is for', () => {
    const head = /^(#![^\n]*\n)?(\/\/|\/\*|#|")/
    const files = ours.filter((file) => /\.(ts|mjs|c|h|cc|sh|go|proto)$/.test(file.path))
    // The titles of a test are its comment.
    expect(
      files
        .filter((file) => !head.test(file.text) && !/\.test\.ts$/.test(file.path))
        .map((file) => file.path),
    ).toEqual([])
  })

  test('no file and no name is a drawer for odds and ends', () => {
    const drawer = /(^|[/_.-])(utils?|helpers?|misc|common)([/_.-]|$)/i
    expect(ours.map((file) => file.path).filter((path) => drawer.test(path))).toEqual([])
  })

  test('no path of one machine and no registry is written into the house', () => {
    const machine = ['work', 'root', 'home'].map((name) => `["'\` =:]/${name}/`).join('|')
    const hosts = [
      'npmjs.org',
      'gcr.io',
      'ghcr.io',
      'quay.io',
      'docker.io',
      'pkg.dev',
      'k8s.io/pause',
    ]
    const banned = new RegExp(
      `${machine}|${hosts.map((host) => host.replace('.', '\\.')).join('|')}`,
    )
    const files = sources.filter((file) => file.path !== 'test/tidy.test.ts')
    const found = files.flatMap((file) => {
      const line = file.text.split('\n').find((text) => banned.test(text))
      return line === undefined ? [] : [`${file.path}: ${line.trim()}`]
    })
    expect(found).toEqual([])
  })

  test('every path that README and ARCHITECTURE name exists', () => {
    const paths = new Set(sources.flatMap(({ path }) => [path, ...foldersOf(path)]))
    const pages = sources.filter(({ path }) => /^(README|ARCHITECTURE)\.md$/.test(path))
    const named = pages.flatMap((page) => {
      return [...page.text.matchAll(/`((?:agent|native|bpf|proto|deploy|test)\/[\w./-]*)`/g)]
    })
    expect(named.length).toBeGreaterThan(10)
    const gone = named.map(([, path = '']) => path.replace(/\/$/, ''))
    expect(gone.filter((path) => !paths.has(path))).toEqual([])
  })

  test('every file is named by another one, a script or a runner', () => {
    const found = [
      /\.test\.ts$|^test\/scenarios\/|^test\/cluster\/.*\.go$/, // found by vitest and go
      /(^|\/)\.|^[^/]+$|buf\.yaml$|kustomization\.yaml$/, // found by their tools
      /\.bpf\.c$|\.gen\./, // found by the build, made by the generators
    ]
    const dead = ours.filter(({ path }) => {
      if (found.some((pattern) => pattern.test(path))) return false
      // Programs in C are named by what they compile to.
      const name = basename(path).replace(/\.d\.ts$/, '')
      const stem = path.startsWith('test/clients/') ? name.replace(/\.c$/, '') : name
      const pattern = new RegExp(`\\b${stem.replace(/[.]/g, '\\.')}\\b`)
      return !sources.some((other) => {
        return other.path !== path && !other.path.endsWith('.md') && pattern.test(other.text)
      })
    })
    expect(dead.map((file) => file.path)).toEqual([])
  })
})
