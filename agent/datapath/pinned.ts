/** The pinned maps, opened to be looked at: no programs are loaded, nothing is written. */
import { existsSync } from 'node:fs'
import { BpfMap } from '../../native/index.ts'
import { FairleadError } from '../errors.ts'
import type { MapName } from '../maps/abi.gen.ts'
import { kernelMaps } from '../maps/kernel.ts'
import { checkLayout } from '../maps/layout.ts'
import type { Maps } from '../maps/table.ts'
import { pinsIn } from './pins.ts'
import type { Pins } from './pins.ts'

export interface PinnedMaps {
  readonly pins: Pins
  readonly maps: Maps
  /** Any pinned map by name; closed with the rest. */
  open(name: MapName): BpfMap
  close(): void
}

/** Throws NO_PINS where nothing is pinned, LAYOUT_MISMATCH where another version pinned it. */
export function openPinnedMaps(bpffs: string): PinnedMaps {
  const pins = pinsIn(bpffs)
  if (!existsSync(pins.map('meta'))) {
    throw new FairleadError(
      'NO_PINS',
      `open ${pins.root}: nothing is pinned there`,
      'name the directory that the agent was given with --bpffs',
    )
  }
  const opened = new Map<MapName, BpfMap>()
  const open = (name: MapName): BpfMap => {
    const map = opened.get(name) ?? BpfMap.open(pins.map(name))
    opened.set(name, map)
    checkLayout(name, map.layouts())
    return map
  }
  const close = (): void => {
    for (const map of opened.values()) map.close()
  }
  try {
    return { pins, maps: kernelMaps(open), open, close }
  } catch (error) {
    close()
    throw error
  }
}
