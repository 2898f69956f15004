/**
 * What is in the maps, as far as it must be remembered: the maps themselves hold the backends, so
 * 100,000 endpoints cost the JavaScript heap nothing.
 */
import type { ServicePortKey } from '../desired/desired.ts'
import type { FrontendRow } from '../maps/frontends.ts'
import { exact } from '../model/list.ts'
import type { ObjectKey } from '../model/objects.ts'
import type { Extent } from './slots.ts'

/** What a failed or interrupted write may have left behind. */
export interface Unsettled {
  /** Replaced regions that members may still point to. */
  readonly oldRegions: readonly Extent[]
  /** Backend ids that may still be in `members`, and don't belong there. */
  readonly staleIds: readonly number[]
  /** Rows that may still be in `frontends`, and don't belong there. */
  readonly staleRows: readonly FrontendRow[]
  /** Some of the region's members may be missing or wrong. */
  readonly areMembersDue: boolean
  /** Some of the rows may be missing or wrong. */
  readonly areRowsDue: boolean
}

export interface PortState {
  readonly key: ServicePortKey
  /** Index of `services`. */
  readonly id: number
  /** Current region; 0 while a new port was not stored yet. */
  region: number
  /** Of the region, with its header. */
  slots: number
  /** Sorted rows, 24 characters each: one string a port costs less than an array. */
  rows: string
  unsettled: Unsettled | undefined
}

const rowChars = 24

export function splitRows(rows: string): FrontendRow[] {
  const split: FrontendRow[] = []
  for (let at = 0; at < rows.length; at += rowChars) split.push(rows.slice(at, at + rowChars))
  return split
}

export function joinRows(rows: readonly FrontendRow[]): string {
  return [...rows].sort().join('')
}

export function countRows(rows: string): number {
  return rows.length / rowChars
}

const noPorts: readonly PortState[] = Object.freeze([])

export class Actual {
  readonly #services = new Map<ObjectKey, readonly PortState[]>()
  /** Entries that `frontends` holds at most. */
  frontends_n = 0
  /** Entries that `members` holds at most. */
  members_n = 0

  portsOf(key: ObjectKey): readonly PortState[] {
    return this.#services.get(key) ?? noPorts
  }

  setPorts(key: ObjectKey, ports: readonly PortState[]): void {
    if (ports.length === 0) this.#services.delete(key)
    else this.#services.set(key, exact(ports))
  }

  keys(): IterableIterator<ObjectKey> {
    return this.#services.keys()
  }

  entries(): IterableIterator<[ObjectKey, readonly PortState[]]> {
    return this.#services.entries()
  }
}
