/**
 * /healthz, /livez and /readyz. The first two answer as kube-proxy's (kube-proxy-behaviour H1-H3):
 * load balancers of clouds probe them and must see no difference.
 */
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { Clock } from '../clock.ts'

export interface FamilyHealth {
  readonly family: 'IPv4' | 'IPv6'
  /** Wall clock, ms, of the last finished sync. */
  readonly lastUpdated_ms: number
  /** No queued change is older than 60 s without a finished sync (H2). */
  readonly isHealthy: boolean
}

/** What probes ask; main.ts answers from sync, model and datapath. */
export interface Health {
  families(): readonly FamilyHealth[]
  /** The Node is known, is not being deleted, and is not about to be (H1). */
  isNodeEligible(): boolean
  /** Why this agent is not ready, one sentence each; empty: ready. */
  notReady(): readonly string[]
}

const rfc3339 = (time_ms: number): string => new Date(time_ms).toISOString()

/** kube-proxy's JSON; `nodeEligible` only on /healthz. */
export function healthBody(health: Health, now_ms: number, withNode: boolean) {
  const families = health.families()
  const isHealthy = families.every((one) => one.isHealthy)
  const isNodeEligible = health.isNodeEligible()
  const isOk = isHealthy && (!withNode || isNodeEligible)
  const oldest_ms = Math.min(now_ms, ...families.map((one) => one.lastUpdated_ms))
  const status = Object.fromEntries(
    families.map((one) => [
      one.family,
      { lastUpdated: rfc3339(one.lastUpdated_ms), healthy: one.isHealthy },
    ]),
  )
  return {
    isOk,
    body: {
      lastUpdated: rfc3339(isOk ? now_ms : oldest_ms),
      currentTime: rfc3339(now_ms),
      healthy: isHealthy,
      ...(withNode ? { nodeEligible: isNodeEligible } : {}),
      status,
    },
  }
}

export interface ProbeOptions {
  readonly health: Health
  readonly clock: Clock
  /** Counts an answer: kubeproxy_proxy_{healthz,livez}_total. */
  readonly count: (probe: 'healthz' | 'livez', code: number) => void
}

function answer(reply: FastifyReply, options: ProbeOptions, probe: 'healthz' | 'livez') {
  const { health, clock, count } = options
  const { isOk, body } = healthBody(health, clock.now_ms(), probe === 'healthz')
  const code = isOk ? 200 : 503
  count(probe, code)
  return reply.code(code).header('X-Content-Type-Options', 'nosniff').send(body)
}

export function addHealthz(app: FastifyInstance, options: ProbeOptions): void {
  app.get('/healthz', (_request, reply) => answer(reply, options, 'healthz'))
}

export function addLivez(app: FastifyInstance, options: ProbeOptions): void {
  app.get('/livez', (_request, reply) => answer(reply, options, 'livez'))
}

/** Of the pod's own probe: not kube-proxy's, so it says in words what is missing. */
export function addReadyz(app: FastifyInstance, { health }: ProbeOptions): void {
  app.get('/readyz', (_request, reply) => {
    const reasons = health.notReady()
    return reply.code(reasons.length === 0 ? 200 : 503).send({
      ready: reasons.length === 0,
      reasons,
    })
  })
}
