/**
 * Frames of a real kube-apiserver, recorded once: 50 Services with an EndpointSlice of 10 endpoints
 * each, as a WatchList in protobuf sends them, with managedFields, labels and all. `frames.ts` makes
 * 10,000 of them; making so many through the API takes minutes, and etcd adds nothing to the bytes.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { built, cacheDirectory, contentHash, repository } from '../support/parts.ts'

/** Names and addresses of a fixed length, so that copies differ in nothing but these bytes. */
export const templatesN = 50
export const endpointsN = 10

export const serviceName = (i: number): string => `svc-${String(i).padStart(5, '0')}`

/** 10.110.100.100 and on: 10,000 of them. */
export const vipOf = (i: number): string => `10.110.${100 + Math.floor(i / 100)}.${100 + (i % 100)}`

/** 10.200.100.100 and on: 100,000 of them; `shift` < 40 gives each Service others. */
export function endpointOf(i: number, j: number, shift = 0): string {
  const n = i * endpointsN + j
  const high = Math.floor(n / 10_000)
  return `10.${200 + high + shift}.${100 + (Math.floor(n / 100) % 100)}.${100 + (n % 100)}`
}

export type RecordedKind = 'services' | 'endpointslices' | 'nodes' | 'namespaces' | 'configmaps'

export interface Recording {
  readonly version: string
  readonly contentType: string
  /** Frames in base64, each with its length before it. The last one is the initial-events-end. */
  readonly initial: Readonly<Record<RecordedKind, readonly string[]>>
  /** What the server sent when each slice's first address was changed to `changedAddress`. */
  readonly changed: readonly string[]
}

export const changedAddress = (i: number): string => endpointOf(i, 0, 20)

const paths: Readonly<Record<RecordedKind, string>> = {
  services: '/api/v1/services',
  endpointslices: '/apis/discovery.k8s.io/v1/endpointslices',
  nodes: '/api/v1/nodes',
  namespaces: '/api/v1/namespaces',
  configmaps: '/api/v1/configmaps',
}

export const watchType = 'application/vnd.kubernetes.protobuf;stream=watch'

function serviceOf(i: number) {
  const name = serviceName(i)
  const labels = {
    app: name,
    'app.kubernetes.io/name': name,
    'app.kubernetes.io/instance': name,
    'app.kubernetes.io/managed-by': 'Helm',
    'helm.sh/chart': 'bench-1.2.3',
  }
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'bench', labels, annotations: { 'meta.helm.sh/release': name } },
    spec: {
      clusterIP: vipOf(i),
      selector: { app: name },
      ports: [{ name: 'http', port: 80, targetPort: 8080 }],
    },
  }
}

/** As the endpointslice controller writes them. */
function sliceOf(i: number) {
  const name = serviceName(i)
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${name}-x7k2p`,
      namespace: 'bench',
      labels: {
        app: name,
        'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
        'kubernetes.io/service-name': name,
      },
      annotations: {
        'endpoints.kubernetes.io/last-change-trigger-time': '2026-11-23T12:00:00Z',
      },
      ownerReferences: [
        { apiVersion: 'v1', kind: 'Service', name, uid: uidOf(i), controller: true },
      ],
    },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: Array.from({ length: endpointsN }, (_, j) => ({
      addresses: [endpointOf(i, j)],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: `node-${String((i + j) % 100).padStart(3, '0')}`,
      zone: `zone-${'abc'[j % 3]}`,
      targetRef: {
        kind: 'Pod',
        namespace: 'bench',
        name: `${name}-7d9f8c6b5-${String(j).padStart(5, 'x')}`,
        uid: uidOf(i * endpointsN + j),
      },
    })),
  }
}

const uidOf = (n: number): string => `0badcafe-0000-4000-8000-${String(n).padStart(12, '0')}`

/** Opens a watch and gives its frames until `isLast`. */
function watch(
  cluster: Cluster,
  path: string,
  isLast: (frame: Buffer) => boolean,
  begun: () => void = () => {},
): Promise<Buffer[]> {
  const kubeconfig = readFileSync(cluster.kubeconfig('admin'), 'utf8')
  const token = /token: (\S+)/.exec(kubeconfig)?.[1] ?? ''
  const ca = readFileSync(/certificate-authority: (\S+)/.exec(kubeconfig)?.[1] ?? '')
  const headers = { authorization: `Bearer ${token}`, accept: watchType }
  const options = { headers, ca, checkServerIdentity: () => undefined }
  return new Promise((resolve, reject) => {
    const asked = request(cluster.server + path, options, (answer) => {
      if (answer.headers['content-type'] !== watchType) {
        const found = `${answer.statusCode} ${answer.headers['content-type']}`
        asked.destroy(new Error(`record ${path}: the API server answers ${found}`))
        return
      }
      begun()
      const frames: Buffer[] = []
      let rest = Buffer.alloc(0)
      answer.on('data', (chunk: Buffer) => {
        rest = Buffer.concat([rest, chunk])
        while (rest.length >= 4 && rest.length >= 4 + rest.readUInt32BE(0)) {
          const end = 4 + rest.readUInt32BE(0)
          const frame = Buffer.from(rest.subarray(0, end))
          rest = rest.subarray(end)
          frames.push(frame)
          if (!isLast(frame)) continue
          resolve(frames)
          answer.destroy()
          return
        }
      })
      answer.on('error', reject)
    })
    asked.setTimeout(30_000, () => asked.destroy(new Error(`record ${path}: silent for 30 s`)))
    asked.on('error', reject)
    asked.end()
  })
}

const isInitialEnd = (frame: Buffer): boolean => frame.includes('k8s.io/initial-events-end')
const watchList = '?watch=true&sendInitialEvents=true&allowWatchBookmarks=true'

async function makeObjects(cluster: Cluster): Promise<void> {
  await cluster.api('POST', '/api/v1/namespaces', { metadata: { name: 'bench' } })
  await cluster.api('POST', '/api/v1/nodes', {
    metadata: { name: 'bench', labels: { 'topology.kubernetes.io/zone': 'zone-a' } },
  })
  await cluster.api('PATCH', '/api/v1/nodes/bench/status', {
    status: { addresses: [{ type: 'InternalIP', address: '10.9.9.9' }] },
  })
  const all = Array.from({ length: templatesN }, (_, i) => i)
  const slices = '/apis/discovery.k8s.io/v1/namespaces/bench/endpointslices'
  await Promise.all(
    all.flatMap((i) => [
      cluster.api('POST', '/api/v1/namespaces/bench/services', serviceOf(i)),
      cluster.api('POST', slices, sliceOf(i)),
    ]),
  )
}

async function recordChanges(cluster: Cluster): Promise<Buffer[]> {
  let isWatching = () => {}
  const begun = new Promise<void>((resolve) => (isWatching = resolve))
  const { metadata } = await cluster.api<{ metadata: { resourceVersion: string } }>(
    'GET',
    paths.endpointslices,
  )
  let seen = 0
  const path = `${paths.endpointslices}?watch=true&resourceVersion=${metadata.resourceVersion}`
  const frames = watch(cluster, path, () => ++seen === templatesN, isWatching)
  await Promise.race([begun, frames])
  const slices = '/apis/discovery.k8s.io/v1/namespaces/bench/endpointslices'
  for (let i = 0; i < templatesN; i++) {
    const slice = sliceOf(i)
    const [first, ...others] = slice.endpoints
    const endpoints = [{ ...first, addresses: [changedAddress(i)] }, ...others]
    await cluster.api('PUT', `${slices}/${slice.metadata.name}`, { ...slice, endpoints })
  }
  return frames
}

async function record(file: string): Promise<void> {
  const cluster = await startCluster({ rbac: false, serviceCidr: '10.96.0.0/12,fd00:96::/112' })
  try {
    await makeObjects(cluster)
    const initial: Partial<Record<RecordedKind, string[]>> = {}
    for (const [kind, path] of Object.entries(paths) as [RecordedKind, string][]) {
      const frames = await watch(
        cluster,
        `${path}${watchList}&resourceVersionMatch=NotOlderThan`,
        isInitialEnd,
      )
      initial[kind] = frames.map((frame) => frame.toString('base64'))
    }
    const changed = (await recordChanges(cluster)).map((frame) => frame.toString('base64'))
    const { gitVersion } = await cluster.api<{ gitVersion: string }>('GET', '/version')
    writeFileSync(
      file,
      JSON.stringify({ version: gitVersion, contentType: watchType, initial, changed }),
    )
  } finally {
    await cluster.close()
  }
}

/** From the cache, or recorded now (needs Go, or the built test/cluster program). */
export async function recording(): Promise<Recording> {
  const files = ['test/bench/record.ts', 'test/cluster/go.sum'].map((name) =>
    join(repository, name),
  )
  const path = join(cacheDirectory(), `frames-${contentHash(files, [])}.json`)
  await built(path, 'frames of a real API server', record)
  return JSON.parse(readFileSync(path, 'utf8')) as Recording
}
