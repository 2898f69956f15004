import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { request } from 'node:http'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { makeApps, serveHttp, type HttpOptions } from '../../../agent/api/http.ts'
import { retry_ms } from '../../../agent/api/listeners.ts'
import type { FamilyHealth, Health } from '../../../agent/api/probes.ts'
import type { View } from '../../../agent/api/view.ts'
import { parseConfig } from '../../../agent/config.ts'
import { FairleadError } from '../../../agent/errors.ts'
import { createMetrics, metricTable, observeStatus } from '../../../agent/metrics.ts'
import { manualClock } from '../../support/clock.ts'
import { dns, fakeView, healthy, silentLog, web } from '../../support/view.ts'

interface State {
  families: FamilyHealth[]
  isNodeEligible: boolean
  notReady: string[]
}

function setup(words: string[] = [], view: View = fakeView()) {
  const clock = manualClock()
  const state: State = {
    families: [
      { family: 'IPv4', lastUpdated_ms: clock.now_ms() - 1000, isHealthy: true },
      { family: 'IPv6', lastUpdated_ms: clock.now_ms() - 9000, isHealthy: true },
    ],
    isNodeEligible: true,
    notReady: [],
  }
  const health: Health = {
    families: () => state.families,
    isNodeEligible: () => state.isNodeEligible,
    notReady: () => state.notReady,
  }
  const metrics = createMetrics(async (made) => observeStatus(made, await view.status()))
  const config = parseConfig(words, { hostname: () => 'node-1' })
  const options: HttpOptions = {
    config,
    view,
    health,
    metrics,
    socketPath: '',
    clock,
    log: silentLog,
  }
  return { options, state, clock, metrics, apps: makeApps(options) }
}

describe('/healthz and /livez', () => {
  test('answer as kube-proxy: the time of the answer while all is well', async () => {
    const { apps } = setup()
    const healthz = await apps.healthz.inject('/healthz')
    expect(healthz.statusCode).toBe(200)
    expect(healthz.headers['content-type']).toMatch(/^application\/json/)
    expect(healthz.headers['x-content-type-options']).toBe('nosniff')
    expect(healthz.json()).toEqual({
      lastUpdated: '2026-01-01T00:00:00.000Z',
      currentTime: '2026-01-01T00:00:00.000Z',
      healthy: true,
      nodeEligible: true,
      status: {
        IPv4: { lastUpdated: '2025-12-31T23:59:59.000Z', healthy: true },
        IPv6: { lastUpdated: '2025-12-31T23:59:51.000Z', healthy: true },
      },
    })
    const livez = (await apps.healthz.inject('/livez')).json<object>()
    expect(livez).not.toHaveProperty('nodeEligible')
  })

  test('a node that is going away fails /healthz alone', async () => {
    const { apps, state } = setup()
    state.isNodeEligible = false
    expect((await apps.healthz.inject('/healthz')).statusCode).toBe(503)
    expect((await apps.healthz.inject('/livez')).statusCode).toBe(200)
    expect((await apps.metrics.inject('/healthz')).statusCode).toBe(503)
  })

  test('a family that lags fails both, with the oldest time', async () => {
    const { apps, state, metrics } = setup()
    state.families = state.families.map((one) => ({ ...one, isHealthy: one.family === 'IPv4' }))
    const healthz = await apps.healthz.inject('/healthz')
    expect(healthz.statusCode).toBe(503)
    expect(healthz.json()).toMatchObject({
      healthy: false,
      lastUpdated: '2025-12-31T23:59:51.000Z',
      status: { IPv4: { healthy: true }, IPv6: { healthy: false } },
    })
    expect((await apps.probe.inject('/livez')).statusCode).toBe(503)
    const text = await metrics.text()
    expect(text).toContain('kubeproxy_proxy_healthz_total{code="503"} 1')
    expect(text).toContain('kubeproxy_proxy_livez_total{code="503"} 1')
  })
})

test('/readyz says in words what is missing', async () => {
  const { apps, state } = setup()
  expect((await apps.probe.inject('/readyz')).json()).toEqual({ ready: true, reasons: [] })
  state.notReady = ['no canary got through sock_connect4']
  const answer = await apps.probe.inject('/readyz')
  expect(answer.statusCode).toBe(503)
  expect(answer.json()).toEqual({ ready: false, reasons: state.notReady })
})

describe('the metrics listener', () => {
  test('/proxyMode is bare text without a newline', async () => {
    const answer = await setup().apps.metrics.inject('/proxyMode')
    expect(answer.body).toBe('ebpf')
    expect(answer.headers['content-type']).toMatch(/^text\/plain/)
  })

  test('/configz shows the configuration', async () => {
    const { apps, options } = setup(['--node-name', 'n9'])
    const answer = (await apps.metrics.inject('/configz')).json<object>()
    expect(answer).toEqual({ fairlead: JSON.parse(JSON.stringify(options.config)) as object })
  })

  test('/metrics has every metric of the table with its help', async () => {
    const answer = await setup().apps.metrics.inject('/metrics')
    expect(answer.headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/)
    for (const [name, { kind, help }] of Object.entries(metricTable)) {
      expect(answer.body).toContain(`# HELP ${name} ${help}\n# TYPE ${name} ${kind}\n`)
    }
  })

  test('/metrics says what status says, and counters never count twice', async () => {
    const { apps } = setup()
    await apps.metrics.inject('/metrics')
    const { body } = await apps.metrics.inject('/metrics')
    expect(body).toContain('fairlead_decisions_total{reason="translated"} 12\n')
    expect(body).toContain('fairlead_map_capacity{map="frontends"} 131072\n')
    expect(body).toContain('fairlead_lease_remaining_seconds 86399\n')
    expect(body).toContain('fairlead_hook_attached{hook="sock_connect4"} 1\n')
    expect(body).toContain('fairlead_source_last_alive_seconds{kind="Service"} 0.5\n')
  })

  test('has kube-proxy’s buckets of network programming', async () => {
    const { apps, metrics } = setup()
    const name = 'kubeproxy_network_programming_duration_seconds'
    metrics.metric[name].observe({ ip_family: 'IPv4' }, 0.1)
    const { body } = await apps.metrics.inject('/metrics')
    const buckets = body.split('\n').filter((line) => line.startsWith(`${name}_bucket`))
    // 80 finite ones and +Inf (kube-proxy-observed section 5).
    expect(buckets).toHaveLength(81)
  })
})

describe('the JSON twins', () => {
  const get = async (url: string, view?: View) => setup([], view).apps.twins.inject(url)

  test.each([
    ['/v1/status', { kind: 'Status', ...healthy }],
    ['/v1/services', { kind: 'ServiceList', services: [dns, web] }],
    ['/v1/services?namespace=shop', { kind: 'ServiceList', services: [web] }],
    ['/v1/services?id=2', { kind: 'ServiceList', services: [dns] }],
    ['/v1/backends?name=kube-dns', { kind: 'BackendList', backends: [] }],
    ['/v1/maps', { kind: 'MapList', maps: healthy.maps }],
    ['/v1/bypass', { kind: 'Bypass', isOn: false }],
  ])('%s', async (url, wanted) => {
    const answer = await get(url)
    expect(answer.statusCode).toBe(200)
    expect(answer.json()).toEqual({ apiVersion: 'fairlead.v1', ...wanted })
  })

  test('one Service comes with its backends', async () => {
    const answer = await get('/v1/services/shop/web')
    expect(answer.json()).toMatchObject({
      kind: 'Service',
      services: [web],
      backends: [{}, {}, {}],
    })
  })

  test.each(['/v1/services/shop/nobody', '/v1/maps/nonsense', '/v2'])('%s is 404', async (url) => {
    const answer = await get(url)
    expect(answer.statusCode).toBe(404)
    expect(answer.json()).toMatchObject({
      apiVersion: 'fairlead.v1',
      kind: 'Error',
      code: 'NOT_FOUND',
    })
  })

  test.each(['/v1/services?id=x', '/v1/services?id=0', '/v1/services?id=99999999999'])(
    '%s is 400',
    async (url) => {
      expect((await get(url)).statusCode).toBe(400)
    },
  )

  test('what the view throws is 500 with its text', async () => {
    const broken = { ...fakeView(), status: () => Promise.reject(new Error('lookup meta: EBADF')) }
    const answer = await get('/v1/status', broken)
    expect(answer.statusCode).toBe(500)
    expect(answer.json()).toMatchObject({ message: 'lookup meta: EBADF' })
  })
})

describe('listeners', () => {
  let directory = ''
  let closers: (() => unknown)[] = []
  afterEach(async () => {
    for (const close of closers.reverse()) await close()
    closers = []
    rmSync(directory, { recursive: true, force: true })
  })

  async function serve(words: string[]) {
    directory = mkdtempSync(join(tmpdir(), 'fl-http-'))
    const made = setup(words)
    const socketPath = join(directory, 'http.sock')
    const http = await serveHttp({ ...made.options, socketPath })
    closers.push(() => http.close())
    return { ...made, http, socketPath }
  }

  async function takePort(): Promise<{ server: Server; port: number }> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    return { server, port: (server.address() as AddressInfo).port }
  }

  const off = ['--metrics-bind-address', '0', '--probe-bind-address', '']

  function get(options: object): Promise<number | undefined> {
    return new Promise((resolve, reject) => {
      request({ ...options, agent: false }, (answer) => {
        answer.resume()
        resolve(answer.statusCode)
      })
        .on('error', reject)
        .end()
    })
  }

  test('a taken port is shown, tried again, and taken when it is free', async () => {
    const { server, port } = await takePort()
    const { http, clock } = await serve(['--healthz-bind-address', `127.0.0.1:${port}`, ...off])
    const row = () => http.listeners()[0]
    expect(row()).toEqual({
      name: 'healthz',
      address: `127.0.0.1:${port}`,
      isListening: false,
      trouble: `127.0.0.1:${port} is taken by another process`,
    })
    clock.advance(retry_ms)
    await vi.waitFor(() => expect(clock.pending()).toBe(1))
    expect(row()?.isListening).toBe(false)
    server.close()
    await once(server, 'close')
    clock.advance(retry_ms)
    await vi.waitFor(() => expect(row()).toMatchObject({ isListening: true, trouble: '' }))
    expect(await get({ port, host: '127.0.0.1', path: '/healthz' })).toBe(200)
  })

  test('0 and empty switch a listener off', async () => {
    const { http, clock } = await serve(['--healthz-bind-address', '0', ...off])
    for (const row of http.listeners().slice(0, 3)) {
      expect(row).toMatchObject({ address: 'off', isListening: false, trouble: '' })
    }
    expect(clock.pending()).toBe(0)
  })

  test('the unix socket is 0600 and serves the twins, and a second agent is refused', async () => {
    const { socketPath, options } = await serve(['--healthz-bind-address', '0', ...off])
    expect(statSync(socketPath).mode & 0o777).toBe(0o600)
    expect(await get({ socketPath, path: '/v1/status' })).toBe(200)
    await expect(serveHttp({ ...options, socketPath })).rejects.toBeInstanceOf(FairleadError)
    expect(await get({ socketPath, path: '/v1/status' })).toBe(200)
  })
})
