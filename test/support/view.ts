/** A View made of plain data: one node with two Services, as a running agent would tell it. */
import type {
  Affinity,
  Backend,
  Event,
  MapInfo,
  ServicePort,
  Status,
  View,
} from '../../agent/api/view.ts'
import { matches } from '../../agent/api/view.ts'

export const web: ServicePort = {
  id: 1,
  namespace: 'shop',
  name: 'web',
  portName: 'http',
  protocol: 'TCP',
  family: 'IPv4',
  frontends: [
    { kind: 'ClusterIP', address: '10.96.0.20', port: 80 },
    { kind: 'NodePort', address: '*', port: 30080 },
  ],
  backends: { total: 3, active: 2, local: 1, terminating: 1 },
  internalTrafficPolicy: 'Cluster',
  externalTrafficPolicy: 'Local',
  affinityTimeoutSeconds: 10800,
  connections: 2 ** 40,
  rejects: 0,
  sync: { state: 'Done', message: '' },
}

export const dns: ServicePort = {
  ...web,
  id: 2,
  namespace: 'kube-system',
  name: 'kube-dns',
  portName: 'dns',
  protocol: 'UDP',
  family: 'IPv6',
  frontends: [{ kind: 'ClusterIP', address: 'fd00::a', port: 53 }],
  backends: { total: 0, active: 0, local: 0, terminating: 0 },
  externalTrafficPolicy: 'Cluster',
  affinityTimeoutSeconds: 0,
  connections: 0,
  rejects: 7,
  sync: { state: 'Error', message: 'write backends: E2BIG: raise --max-backends' },
}

export function backend(id: number, changes: Partial<Backend> = {}): Backend {
  return {
    id,
    serviceId: 1,
    namespace: 'shop',
    name: 'web',
    portName: 'http',
    protocol: 'TCP',
    family: 'IPv4',
    address: `10.244.1.${id}`,
    port: 8080,
    state: 'active',
    isLocal: false,
    zone: 'a',
    isUsed: true,
    ...changes,
  }
}

export const client: Affinity = {
  serviceId: 1,
  namespace: 'shop',
  name: 'web',
  portName: 'http',
  clientKind: 'netns',
  client: '4026531840',
  backendId: 7,
  backend: '10.244.1.7:8080',
  idleSeconds: 5,
  remainingSeconds: 10795,
}

export const frontendsMap: MapInfo = {
  name: 'frontends',
  type: 'hash',
  keyBytes: 20,
  valueBytes: 24,
  used: 2,
  capacity: 131072,
  memoryBytes: 2 ** 33,
}

export const rejected: Event = {
  time: '2026-01-01T00:00:00.000001Z',
  verdict: 'reject',
  hook: 'connect6',
  reason: 'no_endpoints',
  protocol: 'UDP',
  destination: '[fd00::a]:53',
  backend: '',
  serviceId: 2,
  backendId: 0,
  namespace: 'kube-system',
  name: 'kube-dns',
  portName: 'dns',
  pid: 4242,
  command: 'dig',
  netnsCookie: 12,
  cgroupId: 2 ** 34,
}

export const healthy: Status = {
  version: '0.1.0',
  nodeName: 'node-1',
  isAgentRunning: true,
  pid: 77,
  startedAt: '2026-01-01T00:00:00.000Z',
  uptimeSeconds: 3700,
  datapath: {
    schema: 1,
    bpffs: '/sys/fs/bpf/fairlead',
    cgroup: '/sys/fs/cgroup',
    socketLb: 'all',
    hooks: [
      {
        name: 'sock_connect4',
        isAttached: true,
        programId: 5,
        linkId: 6,
        target: '/sys/fs/cgroup',
      },
    ],
    features: [{ name: 'set_retval', isAvailable: false, since: '6.1', why: 'EINVAL' }],
  },
  maps: [frontendsMap],
  sync: { isInitialDone: true, lastAt: '2026-01-01T01:00:00.000Z', pending: 0, failed: [] },
  sources: [{ kind: 'Service', isSynced: true, lastAliveSeconds: 0.5, trouble: '' }],
  listeners: [{ name: 'healthz', address: '0.0.0.0:10256', isListening: true, trouble: '' }],
  bypass: { isOn: false },
  lease: { durationSeconds: 86400, remainingSeconds: 86399 },
  decisions: [{ reason: 'translated', count: 12 }],
  problems: [],
  degraded: [],
}

export interface FakeData {
  readonly status: Status
  readonly services: readonly ServicePort[]
  readonly backends: readonly Backend[]
  readonly affinity: readonly Affinity[]
  readonly maps: ReadonlyMap<string, readonly string[]>
  /** Told at once to whoever listens; then the stream stays open until aborted. */
  readonly events: readonly Event[]
}

export const fakeData: FakeData = {
  status: healthy,
  services: [dns, web],
  backends: [
    backend(7, { isLocal: true }),
    backend(8),
    backend(9, { state: 'terminating', isUsed: false, zone: '' }),
  ],
  affinity: [client],
  maps: new Map([['frontends', ['fe 10.96.0.20:80/TCP id=1', 'fe [fd00::a]:53/UDP id=2']]]),
  events: [rejected],
}

export interface FakeView extends View {
  /** Readers of events at this moment. */
  listening(): number
  closed(): number
}

export function fakeView(changes: Partial<FakeData> = {}): FakeView {
  const data = { ...fakeData, ...changes }
  let listening = 0
  let closed = 0
  const services = (filter: Parameters<View['services']>[0]): ServicePort[] =>
    data.services.filter((row) => matches(row, filter))
  const of = <T extends { serviceId: number }>(
    rows: readonly T[],
    filter: Parameters<View['services']>[0],
  ): T[] => {
    const ids = new Set(services(filter).map((row) => row.id))
    return rows.filter((row) => ids.has(row.serviceId))
  }
  return {
    status: () => data.status,
    services,
    backends: (filter) => of(data.backends, filter),
    affinity: (filter) => of(data.affinity, filter),
    mapList: () => data.status.maps,
    mapDump: (name) => {
      const lines = data.maps.get(name)
      return lines === undefined ? undefined : { name, lines }
    },
    bypass: () => data.status.bypass,
    async *events(signal) {
      listening++
      try {
        yield* data.events
        if (signal.aborted) return
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
      } finally {
        listening--
      }
    },
    close: () => void closed++,
    listening: () => listening,
    closed: () => closed,
  }
}

/** No line goes anywhere. */
export const silentLog = {
  trace: () => undefined,
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLog,
}
