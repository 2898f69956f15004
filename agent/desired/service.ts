/** The wish for one Service, as a pure function of it, its slices and this node's facts. */
import type { Family } from '../model/address.ts'
import { keyOf } from '../model/key.ts'
import type { EndpointSlice, ObjectKey, Problem, Service, ServicePort } from '../model/objects.ts'
import { orderBackends } from './backends.ts'
import { collectCandidates } from './candidates.ts'
import type { DesiredPort, DesiredService, Frontend } from './desired.ts'
import type { NodeFacts } from './facts.ts'
import { familiesOf, frontendsOf, vipsOf } from './frontends.ts'
import type { Vip } from './frontends.ts'
import { classifyEndpoints } from './policy.ts'

const apiServer: ObjectKey = 'default/kubernetes'

function tooMany(service: Service, key: string, count: number, facts: NodeFacts): Problem {
  return {
    ref: service.ref,
    reason: 'TooManyBackends',
    message:
      `port ${key} has ${count} backends, more than the ${facts.backendsLimit} that fit one ` +
      'service port: its last good set stays in force',
    remedy: 'spread the endpoints over several Services',
  }
}

function desirePort(
  service: Service,
  port: ServicePort,
  family: Family,
  vips: readonly Vip[],
  slices: readonly EndpointSlice[],
  facts: NodeFacts,
): DesiredPort {
  const rows = collectCandidates(port, family, slices)
  const policies = classifyEndpoints(rows, facts)
  const backends = orderBackends(rows, policies, facts)
  const { hasEndpoints } = policies
  const found = { localCount: backends.localCount, hasEndpoints }
  return {
    // Not a template: V8 would keep it as a tree of its parts, at seven times the size.
    key: [keyOf(service.ref), port.name, port.protocol, family].join('/'),
    family,
    frontends: frontendsOf(service, port, family, vips, found, facts),
    backends,
    isInternalLocal: service.internalTrafficPolicy === 'Local',
    isExternalLocal: service.externalTrafficPolicy === 'Local',
    hasEndpoints,
    affinityTimeout_s: service.affinityTimeout_s,
  }
}

/**
 * Ports that a ClusterIP does not have are refused, as kube-proxy's nftables mode does
 * (kube-proxy-behaviour N5): one frontend with port 0 per ClusterIP, carried by the Service's first
 * port of the family.
 */
function withAnyPort(first: DesiredPort, vips: readonly Vip[]): DesiredPort {
  const [{ protocol }] = first.frontends as [Frontend]
  const refusing = vips
    .filter(({ kind }) => kind === 'ClusterIP')
    .map(({ kind, address }): Frontend => {
      return { kind, address, port: 0, protocol, isExternal: false, isPerPacket: false }
    })
  return { ...first, frontends: [...first.frontends, ...refusing] }
}

/**
 * No ports for what is not programmed (O1, O2, O11). Backends beyond the limit are neither cut nor
 * spread: the port is given whole with a problem, and `sync`, which can't fit it, keeps the last
 * good set.
 *
 * @param slices those bound to the Service, sorted by name; any family.
 */
export function desireService(
  service: Service,
  slices: readonly EndpointSlice[],
  facts: NodeFacts,
): DesiredService {
  const key = keyOf(service.ref)
  const problems: Problem[] = []
  const ports: DesiredPort[] = []
  for (const family of familiesOf(service)) {
    const vips = vipsOf(service, family, facts, problems)
    let isFirst = true
    for (const port of service.ports) {
      const desired = desirePort(service, port, family, vips, slices, facts)
      if (desired.frontends.length === 0) continue
      if (desired.backends.count > facts.backendsLimit) {
        problems.push(tooMany(service, desired.key, desired.backends.count, facts))
      }
      ports.push(isFirst ? withAnyPort(desired, vips) : desired)
      isFirst = false
    }
  }
  return {
    key,
    ref: service.ref,
    createdAt_s: service.createdAt_s,
    isApiServer: key === apiServer,
    ports,
    problems,
  }
}

/** The wish for a Service that does not exist: nothing. */
export function desireNothing(key: ObjectKey): DesiredService {
  const [namespace = '', name = ''] = key.split('/')
  return {
    key,
    ref: { kind: 'Service', namespace, name, uid: '', where: '' },
    createdAt_s: 0,
    isApiServer: key === apiServer,
    ports: [],
    problems: [],
  }
}
