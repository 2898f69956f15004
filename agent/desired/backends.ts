/** From classified endpoints to the ordered columns that become a region. */
import { addressBytes } from '../model/address.ts'
import { endpointState } from '../model/objects.ts'
import { nodeOf, stateOf } from './candidates.ts'
import type { Candidates } from './candidates.ts'
import type { Backends } from './desired.ts'
import type { NodeFacts } from './facts.ts'
import { endpointClass } from './policy.ts'
import type { Policies } from './policy.ts'

/** Parts of a region in their order: local only, local and cluster, cluster only, unused. */
const parts_n = 4

/** The part a row belongs to; `parts_n` if it is no backend at all. */
function partOf(class_: number): number {
  const isLocal = (class_ & endpointClass.local) !== 0
  const isCluster = (class_ & endpointClass.cluster) !== 0
  if (isLocal) return isCluster ? 1 : 0
  if (isCluster) return 2
  return (class_ & endpointClass.serving) === 0 ? parts_n : 3
}

/** Within a part rows keep their order: unchanged input gives unchanged output. */
export function orderBackends(rows: Candidates, policies: Policies, facts: NodeFacts): Backends {
  const { classes } = policies
  const sizes: [number, number, number, number, number] = [0, 0, 0, 0, 0]
  for (const class_ of classes) sizes[partOf(class_) as 0]++
  const [localOnly, both, clusterOnly, unused] = sizes
  const count = localOnly + both + clusterOnly + unused
  const next = [0, localOnly, localOnly + both, localOnly + both + clusterOnly, 0]
  // One allocation: small ArrayBuffers cost more than what is in them.
  const memory = new ArrayBuffer(count * (addressBytes + 4))
  const addresses = new Uint8Array(memory, 0, count * addressBytes)
  const ports = new Uint16Array(memory, count * addressBytes, count)
  const terminating = new Uint8Array(memory, count * (addressBytes + 2), count)
  const local = new Uint8Array(memory, count * (addressBytes + 3), count)
  const zones = new Array<string>(count)
  for (let row = 0; row < classes.length; row++) {
    const part = partOf(classes[row] ?? 0)
    const slice = rows.slices[row]
    if (part === parts_n || slice === undefined) continue
    const at = next[part] ?? 0
    next[part] = at + 1
    const index = rows.index[row] ?? 0
    for (let i = 0; i < addressBytes; i++) {
      addresses[at * addressBytes + i] = slice.addresses[index * addressBytes + i] ?? 0
    }
    ports[at] = rows.ports[row] ?? 0
    terminating[at] = (stateOf(rows, row) & endpointState.terminating) === 0 ? 0 : 1
    local[at] = nodeOf(rows, row) === facts.name ? 1 : 0
    zones[at] = slice.zones[index] ?? ''
  }
  return {
    count,
    addresses,
    ports,
    terminating,
    local,
    zones,
    localCount: localOnly + both,
    clusterOffset: localOnly,
    clusterCount: both + clusterOnly,
  }
}
