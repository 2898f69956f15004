/** The reflector against a real API server: each way of listing comes to the same objects. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../agent/clock.ts'
import { ApiClient } from '../../agent/kube/client.ts'
import { kubeconfigCredentials } from '../../agent/kube/credentials.ts'
import { eventName, eventPoster } from '../../agent/kube/events.ts'
import { apiServerSource } from '../../agent/kube/source.ts'
import type { ApiServerOptions, ApiServerSource } from '../../agent/kube/source.ts'
import { defaultTiming } from '../../agent/kube/timing.ts'
import { startCluster } from '../support/cluster.ts'
import type { Cluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { recordingLog, recordingSink } from '../support/sink.ts'
import type { RecordingSink } from '../support/sink.ts'
import { variedObjects } from '../support/varied.ts'

const objects = variedObjects(50)
const node = 'node-1'

let cluster: Cluster
let client: ApiClient

/** Short waits: what is tested is the way, not the patience. */
const timing = {
  ...defaultTiming,
  backoff: { first_ms: 50, most_ms: 500, healthyAfter_ms: 120_000 },
  listEvery_ms: 0,
  confirmAfter_ms: 50,
}

interface Running {
  readonly source: ApiServerSource
  readonly sink: RecordingSink
  readonly log: ReturnType<typeof recordingLog>
  stop(): Promise<void>
}

async function synced(options: Partial<ApiServerOptions> = {}): Promise<Running> {
  const controller = new AbortController()
  const sink = recordingSink()
  const log = recordingLog()
  const source = apiServerSource({ client, nodeName: node, log, timing, ...options })
  const running = source.run(sink, controller.signal)
  const stop = async (): Promise<void> => {
    controller.abort()
    await running
  }
  try {
    await eventually('all kinds are listed', () => source.status().every((kind) => kind.isSynced))
  } catch (error) {
    await stop()
    throw error
  }
  return { source, sink, log, stop }
}

beforeAll(async () => {
  cluster = await startCluster({ rbac: false })
  const paths = {
    Service: '/api/v1/namespaces/default/services',
    EndpointSlice: '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices',
    Node: '/api/v1/nodes',
  }
  for (const object of objects) {
    const made = await cluster.api<{ metadata: { name: string } }>(
      'POST',
      paths[object.kind],
      object,
    )
    if (object.status === undefined) continue
    const path = `${paths[object.kind]}/${made.metadata.name}/status`
    await cluster.api('PUT', path, { ...made, status: object.status })
  }
  await eventually('the API server has made its own Service', () =>
    cluster.api('GET', '/api/v1/namespaces/default/services/kubernetes'),
  )
  client = new ApiClient({
    credentials: kubeconfigCredentials(cluster.kubeconfig('agent')),
    env: {},
  })
})

afterAll(async () => {
  client?.close()
  await cluster?.close()
})

describe('every way of listing comes to the same objects', () => {
  const ways: readonly (readonly [string, Partial<ApiServerOptions>])[] = [
    ['LIST in protobuf', { watchList: false }],
    ['LIST in JSON', { watchList: false, protobuf: false }],
    ['WatchList in JSON', { protobuf: false }],
    ['LIST in pages of 7, protobuf', { watchList: false, pageLimit: 7 }],
    ['LIST in pages of 7, JSON', { watchList: false, pageLimit: 7, protobuf: false }],
  ]
  test.for(ways)('%s equals WatchList in protobuf', async ([, options]) => {
    const usual = await synced()
    const other = await synced(options)
    try {
      for (const { sink } of [usual, other]) {
        // The server's cache, which both list from, may be a moment behind.
        await eventually('every object is there', () => {
          expect(sink.count('Service')).toBe(50 + 1)
          // Of 50, three are of names (FQDN).
          expect(sink.count('EndpointSlice')).toBe(47)
          expect(sink.count('Node')).toBe(1)
          return true
        })
      }
      expect(other.sink.tables()).toEqual(usual.sink.tables())
      expect(other.sink.allProblems()).toEqual(usual.sink.allProblems())
      expect([...usual.log.lines, ...other.log.lines]).toEqual([])
    } finally {
      await usual.stop()
      await other.stop()
    }
  })

  test('all that goes over one HTTP/2 session', () => {
    expect(client.protocol).toBe('h2')
  })

  test('nothing was unreadable, and one list each was enough', async () => {
    const running = await synced()
    const { Service, EndpointSlice, Node } = running.source.counters()
    await running.stop()
    for (const counters of [Service, EndpointSlice, Node]) {
      expect(counters).toMatchObject({ lists: 1, watches: 1, relists: 0, decodeErrors: 0 })
    }
  })
})

describe('changes are heard', () => {
  test.for([
    ['protobuf', true],
    ['JSON', false],
  ] as const)('a Service made, changed and deleted, in %s', async ([, protobuf]) => {
    const running = await synced({ protobuf })
    const key = 'default/changing'
    const path = '/api/v1/namespaces/default/services'
    const service = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'changing' },
      spec: { ports: [{ port: 80 }] },
    }
    try {
      const made = await cluster.api<typeof service>('POST', path, service)
      await eventually(
        'the Service is there',
        () => running.sink.service(key)?.ports[0]?.port === 80,
      )
      const changed = { ...made, spec: { ...made.spec, ports: [{ port: 81, protocol: 'TCP' }] } }
      await cluster.api('PUT', `${path}/changing`, changed)
      await eventually('its port is new', () => running.sink.service(key)?.ports[0]?.port === 81)
      await cluster.api('DELETE', `${path}/changing`)
      await eventually('it is gone', () => running.sink.service(key) === undefined)
      expect(running.source.counters().Service.lastEvent_ms).toBeGreaterThan(0)
      expect(running.log.lines).toEqual([])
    } finally {
      await running.stop()
    }
  })

  test('a label service-proxy-name takes a Service away, its removal brings it back', async () => {
    const running = await synced()
    const path = '/api/v1/namespaces/default/services'
    const label = 'service.kubernetes.io/service-proxy-name'
    const made = await cluster.api<{ metadata: object }>('POST', path, {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'labelled' },
      spec: { ports: [{ port: 80 }] },
    })
    try {
      const isThere = (): boolean => running.sink.service('default/labelled') !== undefined
      await eventually('the Service is there', isThere)
      const other = { ...made, metadata: { ...made.metadata, labels: { [label]: 'other' } } }
      const labelled = await cluster.api<typeof made>('PUT', `${path}/labelled`, other)
      await eventually('it is gone', () => !isThere())
      const plain = { ...labelled, metadata: { ...labelled.metadata, labels: {} } }
      await cluster.api('PUT', `${path}/labelled`, plain)
      await eventually('it is back', isThere)
    } finally {
      await cluster.api('DELETE', `${path}/labelled`)
      await running.stop()
    }
  })

  test('an object of nearly a megabyte comes through, in both encodings', async () => {
    const path = '/api/v1/namespaces/default/services'
    const notes = Object.fromEntries(
      Array.from({ length: 25 }, (_, i) => [`fairlead.test/${i}`, 'x'.repeat(10_000)]),
    )
    await cluster.api('POST', path, {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'large', annotations: notes },
      spec: { ports: [{ port: 80 }] },
    })
    // Annotations end at 256 KiB; addresses of a slice make up the rest.
    const slices = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices'
    const endpoints = Array.from({ length: 1000 }, (_, i) => ({
      addresses: Array.from({ length: 50 }, (_, j) => `10.${100 + (i >> 8)}.${i & 255}.${j + 1}`),
    }))
    await cluster.api('POST', slices, {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: 'large', labels: { 'kubernetes.io/service-name': 'large' } },
      addressType: 'IPv4',
      ports: [{ name: '', port: 80 }],
      endpoints,
    })
    for (const protobuf of [true, false]) {
      const running = await synced({ protobuf })
      const { sink } = running
      await eventually('the Service is there', () => sink.service('default/large'))
      await eventually('the slice is', () => sink.slice('default/large')?.count === 1000)
      expect(running.log.lines).toEqual([])
      await running.stop()
    }
    await cluster.api('DELETE', `${path}/large`)
    await cluster.api('DELETE', `${slices}/large`)
  })
})

describe('Events', () => {
  test('two agents that see the same problem make one Event of it', async () => {
    const running = await synced()
    const service = running.sink.firstService()
    await running.stop()
    const problem = { ref: service.ref, reason: 'BadAddress', message: 'm', remedy: 'r' }
    const controller = new AbortController()
    const poster = (nodeName: string) =>
      eventPoster({
        client,
        nodeName,
        log: recordingLog(),
        clock: systemClock,
        signal: controller.signal,
        spread_ms: 0,
      })
    const [one, two] = [poster('node-1'), poster('node-2')]
    one.post(problem)
    await eventually('it is posted', () => one.counters().posted === 1)
    two.post(problem)
    await eventually('it is known', () => two.counters().known === 1)
    const name = eventName(problem)
    const event = await cluster.api<{ involvedObject: unknown; message: string }>(
      'GET',
      `/api/v1/namespaces/default/events/${name}`,
    )
    expect(event.involvedObject).toMatchObject({ kind: 'Service', uid: service.ref.uid })
    expect(event.message).toBe('m; r')
    controller.abort()
  })
})

describe('the API server goes away', () => {
  test('killed, compacted and back: what changed meanwhile is known, nothing else was lost', async () => {
    const running = await synced()
    const before = running.sink.count('Service')
    await cluster.stopApiServer(0)
    await eventually('the outage shows', () =>
      running.source.status().every((k) => k.trouble !== ''),
    )
    expect(running.sink.count('Service')).toBe(before)
    await cluster.startApiServer()
    await cluster.api('POST', '/api/v1/namespaces/default/services', {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'made-later' },
      spec: { ports: [{ port: 80 }] },
    })
    await cluster.compact()
    await eventually(
      'the new Service is known',
      () => running.sink.service('default/made-later') !== undefined,
      { timeout_ms: 60_000 },
    )
    await eventually('no trouble is left', () => running.source.status().every((k) => !k.trouble))
    expect(running.sink.count('Service')).toBe(before + 1)
    await running.stop()
  })
})

describe('an API server without WatchList', () => {
  test('is listed instead, and said so once a kind', async () => {
    const old = await startCluster({ rbac: false, featureGates: { WatchList: false } })
    const oldClient = new ApiClient({ credentials: kubeconfigCredentials(old.kubeconfig('agent')) })
    let running: Running | undefined
    try {
      running = await synced({ client: oldClient })
      const said = running.log.lines.filter((line) => line.includes('no WatchList'))
      expect(said).toHaveLength(3)
      const { sink } = running
      await eventually('a Service is there', () => sink.service('default/kubernetes'))
    } finally {
      await running?.stop()
      oldClient.close()
      await old.close()
    }
  })
})
