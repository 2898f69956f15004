/**
 * Proof that the hooks run: marked sockets of the agent's own pass through them, and the programs
 * count each in `meta`. They also learn the cookie of the namespace the agent lives in, which is
 * the node's (test nodes are not init_net). Status is measured, not configured.
 */
import { randomBytes } from 'node:crypto'
import { canary } from '../../native/index.ts'
import type { Meta } from '../maps/meta.ts'
import { flHook } from '../maps/abi.gen.ts'

export interface CanaryResult {
  /** Hooks through which the canary was seen to pass. */
  readonly passed: readonly string[]
  readonly missed: readonly string[]
  /** 0n: not learned. */
  readonly hostNetnsCookie: bigint
}

const hooks = [
  ['connect4', flHook.connect4],
  ['connect6', flHook.connect6],
  ['sendmsg4', flHook.sendmsg4],
  ['sendmsg6', flHook.sendmsg6],
] as const

/** A mark nobody can guess: a pod that sets marks must not pass for the agent. */
function randomMark(): number {
  return (randomBytes(4).readUInt32LE() | 1) >>> 0
}

export function sendCanary(meta: Meta): CanaryResult {
  const before = hooks.map(([, hook]) => meta.canaryCount(hook))
  const mark = randomMark()
  meta.setCanaryMark(mark)
  try {
    canary(mark)
  } finally {
    meta.setCanaryMark(0)
  }
  const isPassed = hooks.map(([, hook], i) => meta.canaryCount(hook) > (before[i] ?? 0n))
  return {
    passed: hooks.filter((_, i) => isPassed[i]).map(([name]) => name),
    missed: hooks.filter((_, i) => !isPassed[i]).map(([name]) => name),
    hostNetnsCookie: meta.hostNetnsCookie(),
  }
}
