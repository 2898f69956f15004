/** HTTP: health, metrics and probes on TCP, the JSON twins of the control API on a unix socket. */
import fastify, { type FastifyInstance } from 'fastify'
import { createServer, type Server } from 'node:http'
import type { Clock } from '../clock.ts'
import type { Config } from '../config.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import { keepListening } from './listeners.ts'
import { addHealthz, addLivez, addReadyz, type Health, type ProbeOptions } from './probes.ts'
import { bindPrivately } from './socket.ts'
import { addTwins } from './twins.ts'
import type { Listener, View } from './view.ts'

export interface HttpOptions {
  readonly config: Config
  readonly view: View
  readonly health: Health
  readonly metrics: Metrics
  /** `<run-dir>/http.sock`; made with mode 0600. */
  readonly socketPath: string
  readonly clock: Clock
  readonly log: Log
}

/** What /proxyMode says; kube-proxy's own are iptables, ipvs, nftables. */
const proxyMode = 'ebpf'

/** The four apps, without sockets: what tests inject requests into. */
export function makeApps(options: HttpOptions) {
  const { metrics, view, config } = options
  const probes: ProbeOptions = {
    health: options.health,
    clock: options.clock,
    count: (probe, code) => metrics.metric[`kubeproxy_proxy_${probe}_total`].inc({ code }),
  }
  const app = (): FastifyInstance => fastify({ logger: false })
  const [healthz, metricsApp, probe, twins] = [app(), app(), app(), app()]
  addHealthz(healthz, probes)
  addLivez(healthz, probes)
  addLivez(probe, probes)
  addReadyz(probe, probes)
  addHealthz(metricsApp, probes)
  metricsApp.get('/metrics', async (_request, reply) =>
    reply.type(metrics.contentType).send(await metrics.text()),
  )
  metricsApp.get('/proxyMode', (_request, reply) => reply.type('text/plain').send(proxyMode))
  metricsApp.get('/configz', () => ({ fairlead: config }))
  addTwins(twins, view)
  return { healthz, metrics: metricsApp, probe, twins }
}

/** Slow or silent clients lose their connection; a node has few who may ask. */
async function serverOf(app: FastifyInstance): Promise<Server> {
  await app.ready()
  const server = createServer(
    { requestTimeout: 10_000, headersTimeout: 5_000, keepAliveTimeout: 30_000 },
    (request, response) => app.routing(request, response),
  )
  server.maxConnections = 256
  return server
}

function listenAt(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => {
      server.off('error', reject)
      server.on('error', () => undefined)
      resolve()
    })
  })
}

export interface Http {
  /** Rows of status, one a listener. */
  listeners(): readonly Listener[]
  close(): Promise<void>
}

/** Listens. Only the unix socket can throw (FairleadError AGENT_RUNNING, SOCKET_PATH). */
export async function serveHttp(options: HttpOptions): Promise<Http> {
  const { config, clock, log, socketPath } = options
  const apps = makeApps(options)
  const twins = await serverOf(apps.twins)
  const remove = await bindPrivately(socketPath, (path) => listenAt(twins, path))
  const names = ['healthz', 'metrics', 'probe'] as const
  const kept = await Promise.all(
    names.map(async (name) => {
      const server = await serverOf(apps[name])
      return keepListening({ name, at: config[name], server, clock, log })
    }),
  )
  return {
    listeners: () => [
      ...kept.map((one) => one.row()),
      { name: 'http', address: socketPath, isListening: twins.listening, trouble: '' },
    ],
    async close() {
      remove()
      twins.close()
      twins.closeAllConnections()
      await Promise.all(kept.map((one) => one.close()))
      await Promise.all(Object.values(apps).map((app) => app.close()))
    },
  }
}
