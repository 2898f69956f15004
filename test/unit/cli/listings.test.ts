import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { serveControl } from '../../../agent/api/grpc.ts'
import type { View } from '../../../agent/api/view.ts'
import { FairleadError } from '../../../agent/errors.ts'
import { systemClock } from '../../../agent/clock.ts'
import { say } from '../../support/io.ts'
import { dns, fakeView, healthy, rejected, silentLog, web } from '../../support/view.ts'

let directory = ''
let closers: (() => unknown)[] = []

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'fl-cli-'))
})
afterEach(async () => {
  for (const close of closers.reverse()) await close()
  closers = []
  rmSync(directory, { recursive: true, force: true })
})

async function agent(view: View = fakeView()): Promise<string[]> {
  const server = await serveControl({
    view,
    path: join(directory, 'control.sock'),
    isServing: () => true,
    clock: systemClock,
    log: silentLog,
  })
  closers.push(() => server.close())
  return here()
}

const here = (): string[] => ['--run-dir', directory]

describe('tables', () => {
  test('service list shows a row for each service port, headers aligned over it', async () => {
    const said = await say(['service', 'list', ...(await agent())])
    expect(said).toEqual({
      code: 0,
      err: '',
      out: [
        'NAMESPACE    NAME      PORT  PROTOCOL  FAMILY  FRONTENDS              ACTIVE  LOCAL  TERMINATING  POLICY         AFFINITY  ID    CONNECTIONS  REJECTS  SYNC',
        'kube-system  kube-dns  dns   UDP       IPv6    [fd00::a]:53           0/0         0            0  Cluster        -          2              0        7  Error',
        'shop         web       http  TCP       IPv4    10.96.0.20:80,*:30080  2/3         1            1  Cluster/Local  3h         1  1099511627776        0  Done',
        '',
      ].join('\n'),
    })
  })

  test('--no-headers leaves the first line away', async () => {
    const said = await say(['map', 'list', '--no-headers', ...(await agent())])
    expect(said.out).toBe('frontends  hash  20  24  2  131072  0%  8.0Gi\n')
  })

  test('service get shows all frontends, the error of the sync and the backends', async () => {
    const flags = await agent()
    const one = await say(['service', 'get', 'shop/web', ...flags])
    expect(one.out).toContain('10.96.0.20:80 ClusterIP, *:30080 NodePort')
    expect(one.out).toMatch(/10\.244\.1\.9:8080 +terminating +no +no +- +9\n/)
    const other = await say(['service', 'get', 'kube-dns', ...flags])
    expect(other.out).toContain('Error: write backends: E2BIG: raise --max-backends')
    expect(other.out).toMatch(/Backends: +none\n/)
  })

  test('backend and affinity lists narrow to one Service', async () => {
    const flags = await agent()
    const backends = await say(['backend', 'list', '10.96.0.20:80', ...flags])
    expect(backends.out.split('\n')).toHaveLength(5)
    const clients = await say(['affinity', 'list', '-n', 'shop', ...flags])
    expect(clients.out).toMatch(/netns:4026531840 +10\.244\.1\.7:8080 +5s +2h59m/)
    const nobody = await say(['affinity', 'list', 'kube-dns', ...flags])
    expect(nobody).toEqual({ code: 0, out: '', err: 'no affinity here\n' })
  })

  test('a name with terminal escapes is shown without them', async () => {
    const evil = { ...web, portName: 'a\u001b[2J\u0007b' }
    const said = await say(['service', 'list', ...(await agent(fakeView({ services: [evil] })))])
    expect(said.out).toContain('a?[2J?b')
  })
})

describe('JSON', () => {
  test('is the message of the API, with apiVersion and kind before it', async () => {
    const flags = await agent()
    const json = async (...words: string[]): Promise<unknown> =>
      JSON.parse((await say([...words, '-o', 'json', ...flags])).out)
    const apiVersion = 'fairlead.v1'
    expect(await json('service', 'list')).toEqual({
      apiVersion,
      kind: 'ServiceList',
      services: [dns, web],
    })
    expect(await json('status')).toEqual({ apiVersion, kind: 'Status', ...healthy })
    expect(await json('map', 'dump', 'frontends')).toEqual({
      apiVersion,
      kind: 'Map',
      name: 'frontends',
      lines: ['fe 10.96.0.20:80/TCP id=1', 'fe [fd00::a]:53/UDP id=2'],
    })
    expect(await json('service', 'get', 'web')).toMatchObject({ kind: 'Service', services: [web] })
    expect(await json('affinity', 'list', 'kube-dns')).toEqual({
      apiVersion,
      kind: 'AffinityList',
      affinity: [],
    })
  })

  test('of events is one document a line', async () => {
    const flags = await agent(fakeView({ events: [rejected, rejected, rejected] }))
    const said = await say(['events', '-o', 'json', '--count', '2', ...flags])
    const lines = said.out.trim().split('\n')
    expect(lines).toHaveLength(2)
    expect(JSON.parse(lines[1] ?? '')).toEqual({
      apiVersion: 'fairlead.v1',
      kind: 'Event',
      ...rejected,
    })
  })
})

describe('exit codes', () => {
  test('0 when all is well, 5 when status names a reason', async () => {
    const flags = await agent()
    expect((await say(['status', ...flags])).code).toBe(0)
    await closers.pop()?.()
    const degraded = ['the map backends is 95 % full']
    const ill = await say([
      'status',
      ...(await agent(fakeView({ status: { ...healthy, degraded } }))),
    ])
    expect(ill.code).toBe(5)
    expect(ill.out).toContain('degraded (1)')
    expect(ill.out).toContain('  the map backends is 95 % full\n')
  })

  test('3 when a Service or a map is not there', async () => {
    const flags = await agent()
    const service = await say(['service', 'get', 'shop/nobody', ...flags])
    expect(service).toMatchObject({ code: 3, out: '' })
    expect(service.err).toMatch(/^fairlead: get Service: none on this node matches/)
    expect(await say(['map', 'dump', 'nonsense', ...flags])).toMatchObject({ code: 3, out: '' })
  })

  test('4 for events without an agent, naming the socket', async () => {
    const said = await say(['events', ...here()])
    expect(said).toEqual({
      code: 4,
      out: '',
      err: `fairlead: connect to ${directory}/control.sock: there is no such socket\ntry: start the agent, or name its directory with --run-dir\n`,
    })
  })

  test('1 when the agent answers with an error, whose text is shown', async () => {
    const view = { ...fakeView(), mapList: () => Promise.reject(new Error('EBADF')) }
    const said = await say(['map', 'list', ...(await agent(view))])
    expect(said.code).toBe(1)
    expect(said.err).toContain('EBADF')
  })
})

describe('without an agent', () => {
  test('every listing reads the pins, says so on stderr, and gives them back', async () => {
    const listings = [
      ['service', 'list'],
      ['service', 'get', '1'],
      ['backend', 'list'],
      ['affinity', 'list'],
      ['map', 'list'],
      ['map', 'dump', 'frontends'],
    ]
    for (const words of listings) {
      const pins = fakeView()
      const said = await say([...words, ...here()], { pins })
      expect(said.code, words.join(' ')).toBe(0)
      expect(said.out).not.toBe('')
      expect(said.err).toContain('reading the pins under /sys/fs/bpf/fairlead')
      expect(pins.closed()).toBe(1)
    }
  })

  test('names that nobody knows are shown as -', async () => {
    const bare = { ...web, namespace: '', name: '', portName: '', sync: { state: '', message: '' } }
    const said = await say(['service', 'list', '--no-headers', ...here()], {
      pins: fakeView({ services: [bare] }),
    })
    expect(said.out).toMatch(/^- +- +- +TCP .* -\n$/)
  })

  test('status is degraded, because nothing is updated', async () => {
    const pins = fakeView({ status: { ...healthy, isAgentRunning: false } })
    const said = await say(['status', ...here()], { pins })
    expect(said.code).toBe(5)
    expect(said.out).toContain('not running')
  })

  test('an agent that hangs is passed by after --timeout', async () => {
    const hanging = { ...fakeView(), services: () => new Promise<never>(() => undefined) }
    const flags = await agent(hanging)
    const said = await say(['service', 'list', '--timeout', '100ms', ...flags], {
      pins: fakeView(),
    })
    expect(said.code).toBe(0)
    expect(said.out).toContain('kube-dns')
  })

  test('nothing pinned either is said with its remedy', async () => {
    const none = new FairleadError('NO_PINS', 'open /x/v1: nothing is pinned there', 'name --bpffs')
    const said = await say(['map', 'list', ...here()], {
      doors: { offline: () => Promise.resolve({ openPinned: () => Promise.reject(none) }) },
    })
    expect(said.code).toBe(1)
    expect(said.err).toContain('fairlead: open /x/v1: nothing is pinned there\ntry: name --bpffs\n')
  })
})

describe('events', () => {
  test('are a line each, and only those of the Service asked for', async () => {
    const other = { ...rejected, serviceId: 1, namespace: 'shop', name: 'web' }
    const flags = await agent(fakeView({ events: [other, rejected] }))
    const said = await say(['events', 'kube-dns', '--count', '1', ...flags])
    expect(said.out).toMatch(/^TIME +VERDICT +HOOK +REASON/)
    expect(said.out).toMatch(
      /reject +connect6 +no_endpoints +UDP +\[fd00::a\]:53 +- .*kube-dns +dig\(4242\)\n$/,
    )
    expect(said.out).not.toContain('shop/web')
  })

  test('end with 0 on Ctrl-C', async () => {
    const flags = await agent()
    const leaving = new AbortController()
    const said = await say(['events', ...flags], {
      io: {
        signal: leaving.signal,
        out: (text) => {
          if (text.includes('reject')) leaving.abort()
          return Promise.resolve()
        },
      },
    })
    expect(said.code).toBe(0)
  })
})

describe('colour', () => {
  const paint = async (io: object): Promise<boolean> =>
    (await say(['status', ...here()], { pins: fakeView(), io })).out.includes('\u001b[')

  test('only on a terminal, never with NO_COLOR or a dumb one', async () => {
    expect(await paint({})).toBe(false)
    expect(await paint({ outIsTty: true })).toBe(true)
    expect(await paint({ outIsTty: true, env: { NO_COLOR: '1' } })).toBe(false)
    expect(await paint({ outIsTty: true, env: { TERM: 'dumb' } })).toBe(false)
  })
})
