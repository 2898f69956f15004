/** `meta`: what agent and programs tell each other. Each field is written alone, aligned. */
import { flHook, flMeta } from './abi.gen.ts'
import type { Memory } from './table.ts'

/** Times are CLOCK_BOOTTIME. */
export interface Meta {
  heartbeat_ns(): bigint
  setHeartbeat(now_ns: bigint): void
  /** Programs stand down this long after the last heartbeat; 0: never. */
  lease_ns(): bigint
  setLease(lease_ns: bigint): void
  isBypassed(): boolean
  setBypass(isOn: boolean): void
  /** Cookie of the node's own network namespace, learned by a canary; 0n: unknown. */
  hostNetnsCookie(): bigint
  setHostNetnsCookie(cookie: bigint): void
  /** Canaries that a hook (`flHook`) has seen. */
  canaryCount(hook: number): bigint
  /** SO_MARK of the canary under way; 0: none. */
  canaryMark(): number
  setCanaryMark(mark: number): void
  /** One of so many translations is an event; 0: none. */
  eventSample(): number
  setEventSample(sample: number): void
  /** First backend id never given away. */
  nextBackendId(): number
  setNextBackendId(id: number): void
  /** First generation never written. */
  nextGeneration(): number
  setNextGeneration(generation: number): void
}

export function metaOf(memory: Memory): Meta {
  const { at } = flMeta
  // Not kept: the memory may be taken away by close(), and reads then throw instead of crash.
  const word = (offset: number): Uint32Array =>
    new Uint32Array(memory.bytes.buffer, memory.bytes.byteOffset + offset, 1)
  const read32 = (offset: number): number => word(offset)[0] ?? 0
  const write32 = (offset: number, value: number): void => {
    word(offset)[0] = value
  }
  return {
    heartbeat_ns: () => memory.load64(at.heartbeatNs),
    setHeartbeat: (now_ns) => memory.store64(at.heartbeatNs, now_ns),
    lease_ns: () => memory.load64(at.leaseNs),
    setLease: (lease_ns) => memory.store64(at.leaseNs, lease_ns),
    isBypassed: () => memory.load64(at.bypass) !== 0n,
    setBypass: (isOn) => memory.store64(at.bypass, isOn ? 1n : 0n),
    hostNetnsCookie: () => memory.load64(at.hostNetnsCookie),
    setHostNetnsCookie: (cookie) => memory.store64(at.hostNetnsCookie, cookie),
    canaryCount(hook) {
      if (hook >= flHook.n) throw new RangeError(`read the canary of hook ${hook}: no such hook`)
      return memory.load64(at.canary + hook * 8)
    },
    canaryMark: () => read32(at.canaryMark),
    setCanaryMark: (mark) => write32(at.canaryMark, mark),
    eventSample: () => Number(memory.load64(at.eventSample)),
    setEventSample: (sample) => memory.store64(at.eventSample, BigInt(sample)),
    nextBackendId: () => read32(at.nextBackendId),
    setNextBackendId: (id) => write32(at.nextBackendId, id),
    nextGeneration: () => read32(at.nextGeneration),
    setNextGeneration: (generation) => write32(at.nextGeneration, generation),
  }
}
