import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { manifestsSource } from '../../../agent/kube/manifests.ts'
import { readManifest } from '../../../agent/kube/yaml.ts'
import { formatProblem } from '../../../agent/model/key.ts'
import type { Source } from '../../../agent/model/source.ts'
import { Store } from '../../../agent/model/store.ts'
import { eventually } from '../../support/eventually.ts'

let top: string
let directory: string
let store: Store
let source: Source
let stop: AbortController
let running: Promise<void>

beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'fairlead-manifests-'))
  directory = join(top, 'manifests')
  mkdirSync(directory)
  store = new Store({ nodeName: 'n1' })
  stop = new AbortController()
  running = Promise.resolve()
})

afterEach(async () => {
  stop.abort()
  await running
  rmSync(top, { recursive: true })
})

/** Starts the source; resolves when it is synced unless told otherwise. */
async function start(options: { synced?: boolean; rescan_ms?: number } = {}): Promise<void> {
  const { synced = true, ...rest } = options
  source = manifestsSource({ directory, ...rest })
  running = source.run(store, stop.signal)
  if (synced) await eventually('the source is synced', () => source.status()[0]?.isSynced === true)
}

function service(name: string, ip: string): string {
  return `apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec:
  clusterIP: ${ip}
  ports: [{ port: 80 }]
`
}

/** As careful writers do: a whole file renamed over the old one. */
function replace(name: string, text: string): void {
  const half = join(top, 'half')
  writeFileSync(half, text)
  renameSync(half, join(directory, name))
}

function names(): string[] {
  return [...store.services()].map(({ ref }) => ref.name).sort()
}

function told(): string[] {
  return store.allProblems().map(formatProblem)
}

/** Waits until the Services are exactly these. */
async function services(...wanted: string[]): Promise<void> {
  await eventually(`Services are ${wanted.join()}`, () => names().join() === wanted.join())
}

async function problem(text: string): Promise<string> {
  return eventually(`a problem says ${text}`, () => told().find((line) => line.includes(text)))
}

describe('a directory of manifests', () => {
  test('gives the objects of *.yaml, *.yml and *.json, each kind complete', async () => {
    replace('a.yaml', `${service('a', '10.96.0.1')}---\n${service('b', '10.96.0.2')}---\n`)
    replace('c.yml', 'kind: Node\nmetadata: { name: n1 }')
    replace('d.json', JSON.stringify({ kind: 'Namespace', metadata: { name: 'x' } }))
    await start()
    expect(names()).toEqual(['a', 'b'])
    expect([store.count('Node'), store.count('Namespace')]).toEqual([1, 1])
    expect(store.isComplete('EndpointSlice')).toBe(true)
    expect(store.service('default/b')?.ref.where).toBe('a.yaml:8')
    expect(told()).toEqual([])
  })

  test('lists of objects count as their objects', async () => {
    const list = {
      kind: 'List',
      items: [
        { kind: 'Service', metadata: { name: 'a' }, spec: { clusterIP: '10.96.0.1' } },
        { kind: 'ConfigMap', metadata: { name: 'c' }, data: { k: 'v' } },
      ],
    }
    replace('all.json', JSON.stringify(list, null, 1))
    await start()
    expect(names()).toEqual(['a'])
    expect(store.configMap('default/c')?.data['k']).toBe('v')
    expect(store.service('default/a')?.ref.where).toBe('all.json:4')
  })

  test('a slice port without a name is the unnamed port, as the API server would fill in', async () => {
    replace(
      's.yaml',
      `apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: a-1, labels: { kubernetes.io/service-name: a } }
addressType: IPv4
ports: [{ port: 8080 }]
endpoints: [{ addresses: [10.1.0.1] }]
`,
    )
    await start()
    expect(store.slicesOf('default/a')[0]?.ports).toEqual([
      { name: '', protocol: 'TCP', port: 8080 },
    ])
  })

  test('objects without uid have one that is the same after every start', async () => {
    replace('a.yaml', service('a', '10.96.0.1'))
    await start()
    const uid = store.service('default/a')?.ref.uid
    expect(uid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/)
    stop.abort()
    await running
    stop = new AbortController()
    store = new Store({ nodeName: 'n1' })
    await start()
    expect(store.service('default/a')?.ref.uid).toBe(uid)
  })

  test('does not exist yet: it is waited for, and status says so', async () => {
    rmSync(directory, { recursive: true })
    await start({ synced: false, rescan_ms: 20 })
    await eventually('status says what is wrong', () =>
      source.status()[0]?.trouble.includes('ENOENT'),
    )
    expect(store.isComplete('Service')).toBe(false)
    mkdirSync(directory)
    replace('a.yaml', service('a', '10.96.0.1'))
    await services('a')
    expect(source.status()[0]).toMatchObject({ isSynced: true, trouble: '' })
  })

  test('that vanishes takes nothing with it', async () => {
    replace('a.yaml', service('a', '10.96.0.1'))
    await start({ rescan_ms: 20 })
    rmSync(directory, { recursive: true })
    await eventually('status says so', () => source.status()[0]?.trouble.includes('objects stay'))
    expect(names()).toEqual(['a'])
    mkdirSync(directory)
    await services()
  })
})

describe('a change', () => {
  test('is seen without waiting for the slow look, and marks what changed alone', async () => {
    replace('a.yaml', service('a', '10.96.0.1'))
    replace('b.yaml', service('b', '10.96.0.2'))
    await start({ rescan_ms: 3_600_000 })
    store.drainDirty()
    replace('b.yaml', service('b', '10.96.0.3'))
    replace('c.yaml', service('c', '10.96.0.4'))
    await services('a', 'b', 'c')
    expect([...store.drainDirty().services].sort()).toEqual(['default/b', 'default/c'])
    rmSync(join(directory, 'b.yaml'))
    await services('a', 'c')
  })

  test('by writing in place is seen as well', async () => {
    replace('a.yaml', service('a', '10.96.0.1'))
    await start({ rescan_ms: 3_600_000 })
    writeFileSync(join(directory, 'a.yaml'), service('b', '10.96.0.1'))
    await services('b')
  })

  test('of a ConfigMap mount, which swaps one link, is seen as one', async () => {
    for (const [version, name] of [
      ['..v1', 'a'],
      ['..v2', 'b'],
    ] as const) {
      mkdirSync(join(directory, version))
      writeFileSync(join(directory, version, 'web.yaml'), service(name, '10.96.0.1'))
    }
    symlinkSync('..v1', join(directory, '..data'))
    symlinkSync('..data/web.yaml', join(directory, 'web.yaml'))
    await start({ rescan_ms: 3_600_000 })
    expect(names()).toEqual(['a'])
    symlinkSync('..v2', join(directory, '..data_tmp'))
    renameSync(join(directory, '..data_tmp'), join(directory, '..data'))
    await services('b')
  })

  test('is seen where the directory is a link that now leads elsewhere', async () => {
    const [real, link] = [directory, join(top, 'link')]
    symlinkSync(real, link)
    replace('a.yaml', service('a', '10.96.0.1'))
    directory = link
    await start({ rescan_ms: 20 })
    mkdirSync(join(top, 'next'))
    writeFileSync(join(top, 'next', 'b.yaml'), service('b', '10.96.0.2'))
    symlinkSync(join(top, 'next'), join(top, 'link2'))
    renameSync(join(top, 'link2'), link)
    await services('b')
  })

  test("of editors' temporary files is nothing", async () => {
    for (const name of ['.a.yaml.swp', 'a.yaml~', '#a.yaml#', '.#a.yaml', '4913', 'a.yaml.bak']) {
      writeFileSync(join(directory, name), service('bad', '10.96.0.9'))
    }
    mkdirSync(join(directory, 'below.yaml'))
    replace('z.yaml', service('z', '10.96.0.1'))
    await start()
    expect(names()).toEqual(['z'])
    expect(told()).toEqual([])
  })
})

describe('bad input', () => {
  test('broken YAML is told with line and column; the last good objects of the file stay', async () => {
    replace('a.yaml', service('a', '10.96.0.1'))
    replace('b.yaml', service('b', '10.96.0.2'))
    await start()
    replace('a.yaml', `${service('new', '10.96.0.9')}---\nkind: [Service\nmetadata: x\n`)
    replace('b.yaml', service('b2', '10.96.0.2'))
    await services('a', 'b2')
    expect(await problem('last good')).toMatch(/^a\.yaml:9:1: .+; correct the file/)
    expect(source.status()[0]?.trouble).toContain('a.yaml:9:1')
    replace('a.yaml', service('a3', '10.96.0.1'))
    await services('a3', 'b2')
    await eventually('nothing is wrong', () => told().length === 0)
  })

  test('a half-written file keeps its last good objects, also an empty one', async () => {
    replace('a.yaml', `${service('a', '10.96.0.1')}---\n${service('b', '10.96.0.2')}`)
    await start()
    writeFileSync(join(directory, 'a.yaml'), '')
    await problem('a.yaml is empty')
    expect(names()).toEqual(['a', 'b'])
    writeFileSync(join(directory, 'a.yaml'), service('a', '10.96.0.1').slice(0, 60))
    await problem('a.yaml:')
    expect(names()).toEqual(['a', 'b'])
    rmSync(join(directory, 'a.yaml'))
    await services()
    expect(told()).toEqual([])
  })

  test('duplicate keys are told where the second one stands', async () => {
    replace('a.yaml', 'kind: Service\nmetadata: { name: a }\nkind: Node\n')
    await start()
    expect(told()).toEqual([
      'a.yaml:3:1: Map keys must be unique: the last good objects of the file stay; keep one of the two',
    ])
  })

  test('unknown kinds and versions are told, the rest of the file is used', async () => {
    const deployment = 'apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: x }\n'
    const old = 'apiVersion: discovery.k8s.io/v1beta1\nkind: EndpointSlice\nmetadata: { name: y }\n'
    replace('a.yaml', `${deployment}---\n${service('a', '10.96.0.1')}---\n${old}---\njust text\n`)
    await start()
    expect(names()).toEqual(['a'])
    expect(told().map((line) => line.split(';')[0])).toEqual([
      'a.yaml:1: kind "Deployment" of "apps/v1" is not read',
      'a.yaml:12: kind "EndpointSlice" of "discovery.k8s.io/v1beta1" is not read',
      'a.yaml:16: "just text" is no object',
    ])
  })

  test('an object in two files is taken from the first by name; the other is told', async () => {
    replace('b.yaml', service('web', '10.96.0.2'))
    await start()
    replace('a.yaml', service('web', '10.96.0.1'))
    await problem('Service default/web (b.yaml:1): stands twice: the one in a.yaml:1 is served')
    expect(store.service('default/web')?.clusterIps[0]?.at(-1)).toBe(1)
    rmSync(join(directory, 'a.yaml'))
    await eventually('the other one is served', () => told().length === 0)
    expect(store.service('default/web')?.clusterIps[0]?.at(-1)).toBe(2)
  })

  test('a Service whose clusterIP became none keeps its last good self, a new one is missing', async () => {
    replace('a.yaml', service('a', '10.96.0.1'))
    await start()
    replace('a.yaml', service('a', '10.96.0.x'))
    replace('b.yaml', service('b', ''))
    await problem('Service default/a (a.yaml:1): spec.clusterIP is "10.96.0.x", no IP address')
    await problem('Service default/b (b.yaml:1): spec.clusterIP is missing')
    expect(names()).toEqual(['a'])
  })

  test('a link to nothing is told; what it led to before stays', async () => {
    writeFileSync(join(top, 'real'), service('a', '10.96.0.1'))
    symlinkSync(join(top, 'real'), join(directory, 'a.yaml'))
    await start({ rescan_ms: 20 })
    rmSync(join(top, 'real'))
    await problem('ENOENT')
    expect(names()).toEqual(['a'])
  })
})

describe('reading one file', () => {
  test.each(['[', '- ', '? ', '{a: ', '[{'])('%j twenty thousand times is refused', (text) => {
    const { objects, problems } = readManifest('deep.yaml', text.repeat(20_000))
    expect(objects).toBeUndefined()
    expect(problems[0]?.message).toContain('nested too deep')
  })

  test('aliases that multiply are refused', () => {
    const lines = ['a: &a [x, x]']
    for (let i = 0; i < 20; i++) {
      const [name, last] = [`a${i + 1}`, i === 0 ? 'a' : `a${i}`]
      lines.push(`${name}: &${name} [*${last}, *${last}]`)
    }
    expect(readManifest('bomb.yaml', lines.join('\n')).objects).toBeUndefined()
  })

  test.each(['', '\n', '---\n---\n', '# nothing\n', '...'])('%j has no objects', (text) => {
    expect(readManifest('a.yaml', text)).toMatchObject({ objects: [], problems: [] })
  })

  test('__proto__ is a key like any other', () => {
    const text = 'kind: ConfigMap\nmetadata: { name: a }\ndata: { __proto__: x, constructor: y }\n'
    expect(readManifest('a.yaml', text).objects).toHaveLength(1)
    expect(({} as Record<string, unknown>)['x']).toBeUndefined()
  })
})
