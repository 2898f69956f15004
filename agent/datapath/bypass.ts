/** The way out at 3 a.m.: one flag in `meta`, agent or no agent (DESIGN 2.9). */
import { existsSync } from 'node:fs'
import { BpfMap } from '../../native/index.ts'
import { FairleadError } from '../errors.ts'
import { kernelMeta } from '../maps/kernel.ts'
import type { Meta } from '../maps/meta.ts'
import { pinsIn } from './pins.ts'

/** Runs `use` on the pinned `meta` of `bpffs`. Throws NO_PINS where nothing is pinned. */
export function withPinnedMeta<T>(bpffs: string, use: (meta: Meta) => T): T {
  const pin = pinsIn(bpffs).map('meta')
  if (!existsSync(pin)) {
    throw new FairleadError(
      'NO_PINS',
      `open ${pin}: nothing is pinned there`,
      'name the directory that the agent was given with --bpffs',
    )
  }
  const map = BpfMap.open(pin)
  try {
    return use(kernelMeta(map))
  } finally {
    map.close()
  }
}

/** On: hooks translate nothing new; what exists is still undone. Acts on the next connect. */
export function setBypass(bpffs: string, isOn: boolean): void {
  withPinnedMeta(bpffs, (meta) => meta.setBypass(isOn))
}

export function getBypass(bpffs: string): boolean {
  return withPinnedMeta(bpffs, (meta) => meta.isBypassed())
}
