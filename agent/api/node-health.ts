/** Is this node's proxying healthy, and is the agent ready? Answers for probes and status. */
import type { FamilyHealth, Health } from './probes.ts'
import type { Node } from '../model/objects.ts'

/** Taint that says the autoscaler is about to remove the node (kube-proxy-behaviour H1). */
const deletionTaint = 'ToBeDeletedByClusterAutoscaler'

/** A change that waits longer than this for a finished sync is unhealthy (H2). */
const healthyFor_ms = 60_000

export interface HealthParts {
  now_ms(): number
  /** Wall clock of the last finished sync, 0: none yet. */
  lastSync_ms(): number
  /** Wall clock since when the oldest change waits, 0: none waits. */
  waitingSince_ms(): number
  node(): Node | undefined
  /** Manifests need no Node object: a standalone node is always eligible. */
  readonly needsNode: boolean
  notReady(): readonly string[]
}

function isEligible(node: Node | undefined, needsNode: boolean): boolean {
  if (node === undefined) return !needsNode
  return !node.isDeleting && !node.taintKeys.includes(deletionTaint)
}

export function healthOf(parts: HealthParts): Health {
  const family = (name: 'IPv4' | 'IPv6'): FamilyHealth => {
    const since_ms = parts.waitingSince_ms()
    return {
      family: name,
      lastUpdated_ms: parts.lastSync_ms() || parts.now_ms(),
      isHealthy: since_ms === 0 || parts.now_ms() - since_ms <= healthyFor_ms,
    }
  }
  return {
    families: () => [family('IPv4'), family('IPv6')],
    isNodeEligible: () => isEligible(parts.node(), parts.needsNode),
    notReady: () => parts.notReady(),
  }
}
