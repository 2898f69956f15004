/**
 * A real control plane: etcd, kube-apiserver and, if asked, kube-controller-manager, on free
 * loopback ports or in a hub's namespace where nodes reach it. Everything lies in a private
 * directory; the processes die with the test process.
 */
import { createHash, generateKeyPairSync } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { clientProgram } from './clients.ts'
import { eventually } from './eventually.ts'
import { freePorts, makeRest } from './rest.ts'
import type { Hub } from './netns.ts'
import { clusterProgram } from './parts.ts'
import { type Child, mustRun, start } from './process.ts'
import { firstLine } from './place.ts'
import { runDirectory } from './run.ts'

export interface ClusterOptions {
  /** RBAC (default) or everybody may everything. */
  readonly rbac?: boolean
  /** kube-controller-manager with the controllers for slices, namespaces, service accounts. */
  readonly controllers?: boolean
  readonly featureGates?: Readonly<Record<string, boolean>>
  /** Default 10.96.0.0/16,fd00:96::/112. */
  readonly serviceCidr?: string
  /** Runs there, at 172.30.0.1:6443; default: loopback of the machine, free ports. */
  readonly hub?: Hub
  /** More flags of kube-apiserver. */
  readonly apiFlags?: readonly string[]
}

/** Users with a static token each; RBAC knows `admin` as system:masters and nothing of the others. */
export type User = 'admin' | 'controllers' | 'agent' | 'nobody'

export interface Cluster {
  /** `https://host:port`, as nodes and kubeconfigs use it. */
  readonly server: string
  /** Path of a kubeconfig. `agent` is the ServiceAccount kube-system/fairlead by name and groups. */
  kubeconfig(user: User): string
  /** A kubeconfig with a token that the API server issued for a ServiceAccount (TokenRequest). */
  serviceAccountKubeconfig(namespace: string, name: string): Promise<string>
  /** kubectl as admin; rejects with its stderr unless it ends with 0. Resolves to its stdout. */
  kubectl(args: readonly string[], stdin?: string): Promise<string>
  /** One JSON request as admin. Rejects with an ApiError for a status of 400 or more. */
  api<T>(method: string, path: string, body?: unknown): Promise<T>
  /** SIGKILL after the grace (default 3,000 ms; 0: a crash). */
  stopApiServer(grace_ms?: number): Promise<void>
  /** Again on the same port and etcd, with other feature gates if given; resolves when it is ready. */
  startApiServer(featureGates?: Readonly<Record<string, boolean>>): Promise<void>
  /** Forgets every old revision in etcd: a watch from one of them gets 410. */
  compact(): Promise<void>
  /** What a part wrote. */
  log(part: 'etcd' | 'kube-apiserver' | 'kube-controller-manager'): string
  close(): Promise<void>
}

const userRows: Readonly<Record<User, { name: string; groups: readonly string[] }>> = {
  admin: { name: 'admin', groups: ['system:masters'] },
  controllers: { name: 'system:kube-controller-manager', groups: ['system:masters'] },
  agent: {
    name: 'system:serviceaccount:kube-system:fairlead',
    groups: ['system:serviceaccounts', 'system:serviceaccounts:kube-system'],
  },
  nobody: { name: 'nobody', groups: [] },
}

const controllerNames = [
  'endpointslice-controller',
  'endpoints-controller',
  'namespace-controller',
  'serviceaccount-controller',
  'service-cidr-controller',
  'deployment-controller',
  'replicaset-controller',
]

interface Layout {
  readonly directory: string
  readonly host: string
  readonly ports: { readonly etcd: number; readonly peer: number; readonly api: number }
  readonly netns: string | undefined
}

function tokenOf(user: User): string {
  return createHash('sha256').update(`fairlead test ${user}`).digest('hex').slice(0, 24)
}

/** Files that the parts read: the key of service accounts, the table of tokens. */
function writeSecrets(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  writeFileSync(join(directory, 'sa.key'), privateKey.export({ type: 'pkcs1', format: 'pem' }))
  const rows = Object.entries(userRows).map(([user, { name, groups }]) => {
    return `${tokenOf(user as User)},${name},${user},"${groups.join(',')}"`
  })
  writeFileSync(join(directory, 'tokens.csv'), `${rows.join('\n')}\n`)
}

function etcdFlags({ directory, ports }: Layout): string[] {
  const client = `http://127.0.0.1:${ports.etcd}`
  const peer = `http://127.0.0.1:${ports.peer}`
  return [
    ...['--data-dir', join(directory, 'etcd'), '--unsafe-no-fsync', '--log-level', 'warn'],
    ...['--listen-client-urls', client, '--advertise-client-urls', client],
    ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
    ...['--initial-cluster', `default=${peer}`],
  ]
}

function apiFlags(layout: Layout, options: ClusterOptions): string[] {
  const { directory, host, ports } = layout
  const key = join(directory, 'sa.key')
  const gates = Object.entries(options.featureGates ?? {}).map(([name, on]) => `${name}=${on}`)
  return [
    `--etcd-servers=http://127.0.0.1:${ports.etcd}`,
    `--cert-dir=${join(directory, 'certs')}`,
    `--secure-port=${ports.api}`,
    `--bind-address=${layout.netns === undefined ? host : '0.0.0.0'}`,
    // On loopback it would publish the machine's own address as the endpoint of default/kubernetes.
    ...(layout.netns === undefined
      ? ['--endpoint-reconciler-type=none']
      : [`--advertise-address=${host}`]),
    `--service-account-key-file=${key}`,
    `--service-account-signing-key-file=${key}`,
    '--service-account-issuer=https://kubernetes.default.svc',
    `--authorization-mode=${options.rbac === false ? 'AlwaysAllow' : 'RBAC'}`,
    `--token-auth-file=${join(directory, 'tokens.csv')}`,
    `--service-cluster-ip-range=${options.serviceCidr ?? '10.96.0.0/16,fd00:96::/112'}`,
    '--disable-admission-plugins=ServiceAccount',
    ...(gates.length === 0 ? [] : [`--feature-gates=${gates.join(',')}`]),
    ...(options.apiFlags ?? []),
  ]
}

function writeKubeconfig(layout: Layout, name: string, token: string, server: string): string {
  const path = join(layout.directory, `${name}.kubeconfig`)
  const text = `apiVersion: v1
kind: Config
clusters:
  - name: test
    cluster:
      server: ${server}
      certificate-authority: ${join(layout.directory, 'certs', 'apiserver.crt')}
users:
  - name: ${name}
    user:
      token: ${token}
contexts:
  - name: test
    context: {cluster: test, user: ${name}}
current-context: test
`
  writeFileSync(path, text, { mode: 0o600 })
  return path
}

let clusters = 0

async function plan(options: ClusterOptions): Promise<Layout> {
  const directory = join(runDirectory(), `cluster${++clusters}`)
  if (options.hub !== undefined) {
    const ports = { etcd: 2379, peer: 2380, api: 6443 }
    return { directory, host: options.hub.ipv4, ports, netns: options.hub.netns }
  }
  const [etcd, peer, api] = await freePorts(3)
  const ports = { etcd: etcd ?? 0, peer: peer ?? 0, api: api ?? 0 }
  return { directory, host: '127.0.0.1', ports, netns: undefined }
}

/** Resolves when the API server is ready and has made its own namespaces: about 5 s. */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const program = await clusterProgram()
  const layout = await plan(options)
  const { directory, netns } = layout
  writeSecrets(directory)
  const server = `https://${layout.host}:${layout.ports.api}`
  const configs = new Map<User, string>()
  for (const user of Object.keys(userRows) as User[]) {
    configs.set(user, writeKubeconfig(layout, user, tokenOf(user), server))
  }
  const kubeconfig = (user: User) => configs.get(user) ?? ''
  const parts = new Map<string, Child>()
  const logFile = (part: string) => join(directory, `${part}.log`)
  const startPart = (part: string, flags: readonly string[]) => {
    const place = netns === undefined ? {} : { netns }
    parts.set(part, start([program, part, ...flags], { logFile: logFile(part), ...place }))
  }
  const { rest, closeRest } = await restFor(layout)
  const waitReady = () => waitForApi(parts, rest.request)
  const close = async () => {
    closeRest()
    for (const part of ['kube-controller-manager', 'kube-apiserver', 'etcd', 'relay']) {
      await parts.get(part)?.stop(0)
    }
    rmSync(directory, { recursive: true, force: true })
  }
  const startApiServer: Cluster['startApiServer'] = async (featureGates) => {
    const gates = featureGates === undefined ? {} : { featureGates }
    startPart('kube-apiserver', apiFlags(layout, { ...options, ...gates }))
    await waitReady()
  }
  const kubectl = (args: readonly string[], stdin?: string) =>
    mustRun([program, 'kubectl', '--kubeconfig', kubeconfig('admin'), ...args], {
      env: { HOME: directory },
      timeout_ms: 60_000,
      ...(stdin === undefined ? {} : { stdin }),
      ...(netns === undefined ? {} : { netns }),
    })
  try {
    startPart('etcd', etcdFlags(layout))
    await startApiServer()
    if (options.controllers === true) {
      startPart('kube-controller-manager', controllerFlags(kubeconfig('controllers')))
    }
  } catch (error) {
    await close()
    throw error
  }
  return {
    server,
    kubeconfig,
    serviceAccountKubeconfig: async (namespace, name) => {
      const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`
      const answer = await rest.request<{ status: { token: string } }>('POST', path, {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: { expirationSeconds: 3600 },
      })
      return writeKubeconfig(layout, `${namespace}-${name}`, answer.status.token, server)
    },
    kubectl,
    api: rest.request,
    stopApiServer: async (grace_ms = 3000) => parts.get('kube-apiserver')?.stop(grace_ms),
    startApiServer,
    compact: () => compact(layout),
    log: (part) => readFileSync(logFile(part), 'utf8'),
    close,
  }
}

function controllerFlags(kubeconfig: string): string[] {
  return [
    ...['--kubeconfig', kubeconfig, '--leader-elect=false', '--secure-port=0'],
    `--controllers=${controllerNames.join(',')}`,
  ]
}

/** The test process stands outside the hub's namespace: it gets a relay into it. */
async function restFor(layout: Layout) {
  const ca = join(layout.directory, 'certs', 'apiserver.crt')
  const token = tokenOf('admin')
  if (layout.netns === undefined) {
    const rest = makeRest({ host: layout.host, port: layout.ports.api, ca, token })
    return { rest, closeRest: rest.close }
  }
  const target = `${layout.host}:${layout.ports.api}`
  const relay = start([await clientProgram('relay'), '0', `/run/netns/${layout.netns}`, target])
  const port = Number(await firstLine(relay))
  const rest = makeRest({ host: '127.0.0.1', port, ca, token })
  const closeRest = () => {
    rest.close()
    relay.kill('SIGKILL')
  }
  return { rest, closeRest }
}

type Request = <T>(method: string, path: string, body?: unknown) => Promise<T>

async function waitForApi(parts: ReadonlyMap<string, Child>, request: Request): Promise<void> {
  const isReady = async () => {
    for (const [name, child] of parts) {
      if (name !== 'kube-controller-manager' && child.hasEnded()) {
        throw new Error(`${name} ended: ${child.log().slice(-2000)}`)
      }
    }
    await request('GET', '/readyz')
    await request('GET', '/api/v1/namespaces/kube-system')
    await request('GET', '/api/v1/namespaces/default')
    return true
  }
  await eventually('the API server to be ready', isReady, { timeout_ms: 60_000, pause_ms: 100 })
}

/** etcd speaks JSON beside gRPC. */
async function compact({ ports, netns }: Layout): Promise<void> {
  const post = async (path: string, body: object) => {
    const url = `http://127.0.0.1:${ports.etcd}/v3/kv/${path}`
    const words = ['-sS', '--fail-with-body', '-d', JSON.stringify(body), url]
    return mustRun(['curl', ...words], netns === undefined ? {} : { netns })
  }
  const key = Buffer.from('x').toString('base64')
  const { header } = JSON.parse(await post('range', { key })) as { header: { revision: string } }
  await post('compaction', { revision: header.revision, physical: true })
}
