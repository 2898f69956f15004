/** This node's facts, put together from its object, its devices and the agent's settings. */
import type { Address } from '../model/address.ts'
import type { Node } from '../model/objects.ts'
import type { FactSettings, NodeFacts } from './facts.ts'
import { nodeFacts } from './facts.ts'
import { servesNodePorts } from './node-ports.ts'
import type { NodePortRule } from './node-ports.ts'

export interface NodeSettings extends FactSettings {
  readonly nodePortRule: NodePortRule
}

export interface NodeState {
  readonly facts: NodeFacts
  readonly addresses: readonly { readonly address: Address; readonly hasNodePorts: boolean }[]
}

/** @param devices addresses of this node's devices */
export function nodeState(
  settings: NodeSettings,
  node: Node | undefined,
  devices: readonly Address[],
): NodeState {
  const serves = servesNodePorts(settings.nodePortRule, node?.addresses ?? [], devices)
  return {
    facts: nodeFacts(settings, node, devices),
    addresses: devices.map((address) => ({ address, hasNodePorts: serves(address) })),
  }
}
