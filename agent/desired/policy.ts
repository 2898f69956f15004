/**
 * Which endpoints each traffic policy may use: kube-proxy-behaviour C1 to C5, the same rules as
 * kube-proxy's CategorizeEndpoints.
 */
import { endpointState } from '../model/objects.ts'
import { hintsOf, nodeOf, stateOf } from './candidates.ts'
import type { Candidates } from './candidates.ts'
import type { NodeFacts } from './facts.ts'

/** Bits of a row's class. */
export const endpointClass = {
  /** In the set of policy Local. */
  local: 1,
  /** In the set of policy Cluster. */
  cluster: 2,
  /** Ready or serving: flows to it that exist stay. */
  serving: 4,
} as const

export interface Policies {
  /** One `endpointClass` a row. */
  readonly classes: Uint8Array
  /** C5: some endpoint is ready, or serving and terminating, on any node. */
  readonly hasEndpoints: boolean
}

type Topology = 'node' | 'zone' | 'none'

function isReady(state: number): boolean {
  return (state & endpointState.ready) !== 0
}

/** The fallback when nothing is ready: still answers, but is on its way out. */
function isLeaving(state: number): boolean {
  return (state & endpointState.serving) !== 0 && (state & endpointState.terminating) !== 0
}

/**
 * C2: hints narrow only if every ready endpoint has them and one of them means us; those for nodes
 * come first. Hints of endpoints that are not ready don't count.
 */
function topologyOf(rows: Candidates, facts: NodeFacts): Topology {
  let allNodes = true
  let allZones = true
  let hasNode = false
  let hasZone = false
  for (let row = 0; row < rows.ports.length; row++) {
    if (!isReady(stateOf(rows, row))) continue
    const hints = hintsOf(rows, row)
    if (hints === undefined) return 'none'
    allNodes &&= hints.nodes.length > 0
    allZones &&= hints.zones.length > 0
    hasNode ||= hints.nodes.includes(facts.name)
    hasZone ||= hints.zones.includes(facts.zone)
  }
  if (allNodes && hasNode) return 'node'
  return allZones && hasZone ? 'zone' : 'none'
}

function passes(rows: Candidates, row: number, topology: Topology, facts: NodeFacts): boolean {
  if (topology === 'none') return true
  const hints = hintsOf(rows, row)
  return topology === 'node'
    ? (hints?.nodes.includes(facts.name) ?? false)
    : (hints?.zones.includes(facts.zone) ?? false)
}

export function classifyEndpoints(rows: Candidates, facts: NodeFacts): Policies {
  const count = rows.ports.length
  const topology = topologyOf(rows, facts)
  const classes = new Uint8Array(count)
  let hasReadyCluster = false
  let hasReadyLocal = false
  let hasEndpoints = false
  for (let row = 0; row < count; row++) {
    const state = stateOf(rows, row)
    if ((state & endpointState.serving) !== 0) classes[row] = endpointClass.serving
    hasEndpoints ||= isReady(state) || isLeaving(state)
    if (!isReady(state)) continue
    const isLocal = nodeOf(rows, row) === facts.name
    const isCluster = passes(rows, row, topology, facts)
    hasReadyLocal ||= isLocal
    hasReadyCluster ||= isCluster
    classes[row] =
      endpointClass.serving |
      (isLocal ? endpointClass.local : 0) |
      (isCluster ? endpointClass.cluster : 0)
  }
  // Hints never empty a set of ready endpoints, so with one here no set is empty.
  if (hasReadyLocal) return { classes, hasEndpoints }
  // C1, C3: a set with nothing ready falls back to what still serves, without topology.
  for (let row = 0; row < count; row++) {
    if (!isLeaving(stateOf(rows, row))) continue
    const isLocal = nodeOf(rows, row) === facts.name
    if (!hasReadyCluster) classes[row] = (classes[row] ?? 0) | endpointClass.cluster
    if (isLocal) classes[row] = (classes[row] ?? 0) | endpointClass.local
  }
  return { classes, hasEndpoints }
}
