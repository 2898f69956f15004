/** What status says of the datapath: measured from the pins, so it holds without the agent. */
import type { BpfMap, FeatureProbe } from '../../native/index.ts'

export type { BpfMap, FeatureProbe } from '../../native/index.ts'
import { mapLayouts } from '../maps/abi.gen.ts'
import type { MapName } from '../maps/abi.gen.ts'
import { attachedLinks, cgroupHooks, programOf } from './attach.ts'
import type { Pins } from './pins.ts'

export interface HookReport {
  readonly name: string
  readonly isAttached: boolean
  readonly programId: number
  readonly linkId: number
  /** Inode number of the cgroup. */
  readonly target: string
}

/** One row for each hook there should be; a link whose cgroup is gone is not attached. */
export function reportHooks(pins: Pins): HookReport[] {
  const links = new Map(attachedLinks(pins).map((link) => [link.name, link]))
  return cgroupHooks.map((hook) => {
    const name = programOf(hook)
    const link = links.get(name)
    const isAttached = link !== undefined && link.cgroupId !== 0n
    return {
      name,
      isAttached,
      programId: link?.programId ?? 0,
      linkId: link?.id ?? 0,
      target: isAttached ? `cgroup ${link.cgroupId}` : '',
    }
  })
}

export interface MapReport {
  readonly name: MapName
  readonly type: string
  readonly keyBytes: number
  readonly valueBytes: number
  readonly used: number
  readonly capacity: number
  readonly memoryBytes: number
}

/** BPF_MAP_TYPE_* of the maps there are. */
const typeNames: Readonly<Record<number, string>> = {
  1: 'hash',
  2: 'array',
  6: 'percpu_array',
  9: 'lru_hash',
  24: 'sk_storage',
  27: 'ringbuf',
}

const hashTypes = new Set(['hash', 'lru_hash'])

/**
 * `used` tells what is known without counting; a hash map is counted by reading all of it. Arrays
 * of fixed size are never full: 0.
 */
export function reportMaps(
  open: (name: MapName) => BpfMap,
  used: (name: MapName) => number | undefined = () => undefined,
): MapReport[] {
  return (Object.keys(mapLayouts) as MapName[]).map((name) => {
    const map = open(name)
    const info = map.info()
    const type = typeNames[info.type] ?? String(info.type)
    const counted = hashTypes.has(type) ? () => map.entries().count : () => 0
    return {
      name,
      type,
      keyBytes: info.keySize,
      valueBytes: info.valueSize,
      used: used(name) ?? counted(),
      capacity: info.maxEntries,
      memoryBytes: info.memoryBytes,
    }
  })
}

export interface FeatureReport {
  readonly name: string
  readonly isAvailable: boolean
  readonly since: string
  readonly why: string
}

export function reportFeatures(features: readonly FeatureProbe[]): FeatureReport[] {
  return features.map(({ name, available, since, why }) => ({
    name,
    isAvailable: available,
    since,
    why,
  }))
}
