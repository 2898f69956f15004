/** Sync over wishes that a test sets directly, and a reader that follows the programs' rules. */
import type { DesiredService } from '../../agent/desired/desired.ts'
import type { FrontendRow } from '../../agent/maps/frontends.ts'
import { getFrontend } from '../../agent/maps/frontends.ts'
import { readBackend, readRegion } from '../../agent/maps/regions.ts'
import { readService } from '../../agent/maps/services.ts'
import type { Maps } from '../../agent/maps/table.ts'
import { formatEndpoint } from '../../agent/model/address.ts'
import { keyOf } from '../../agent/model/key.ts'
import type { Problem } from '../../agent/model/objects.ts'
import { Sync } from '../../agent/sync/loop.ts'
import type { SyncReport } from '../../agent/sync/loop.ts'
import type { RemovedBackend } from '../../agent/sync/plan.ts'
import { rowOf } from '../../agent/sync/rows.ts'
import { manualClock } from './clock.ts'
import { frontend } from './wish.ts'

/** Lets microtasks, barriers and immediates run. */
export async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}

export class World {
  readonly maps: Maps
  readonly clock = manualClock()
  readonly wishes = new Map<string, DesiredService>()
  readonly problems: Problem[] = []
  readonly removed: RemovedBackend[] = []
  readonly reports: SyncReport[] = []
  #sync: Sync

  constructor(maps: Maps) {
    this.maps = maps
    this.#sync = this.#make()
  }

  get sync(): Sync {
    return this.#sync
  }

  /** Sets wishes, and tells the agent. */
  set(...services: readonly DesiredService[]): void {
    for (const service of services) this.wishes.set(service.key, service)
    this.#sync.mark(services.map(({ key }) => key))
  }

  delete(...names: readonly string[]): void {
    const keys = names.map((name) => `default/${name}`)
    for (const key of keys) this.wishes.delete(key)
    this.#sync.mark(keys)
  }

  /** What the first list of everything brings. */
  async begin(): Promise<void> {
    await this.#sync.begin([...this.wishes.keys()])
  }

  /** As after SIGKILL: a cold agent, not yet begun. */
  kill(): void {
    this.#sync.stop()
    this.#sync = this.#make()
  }

  /** Until nothing is due; false if something stays undone for `limit_ms` of its own time. */
  async settle(limit_ms = 60_000): Promise<boolean> {
    for (let passed_ms = 0; passed_ms <= limit_ms; passed_ms += 50) {
      await turn()
      if (this.#sync.isIdle) return true
      this.clock.advance(50)
    }
    return false
  }

  #make(): Sync {
    const { maps, clock, wishes } = this
    return new Sync({
      maps,
      clock,
      wishes: {
        claim: (keys) => [...new Set(keys)],
        desire: (key) => wishes.get(key) ?? gone(key),
      },
      onProblems: (problems) => this.problems.push(...problems),
      onRemoved: (removed) => this.removed.push(...removed),
      onSync: (report) => this.reports.push(report),
    })
  }
}

function gone(key: string): DesiredService {
  const [namespace = '', name = ''] = key.split('/')
  const ref = { kind: 'Service', namespace, name, uid: '', where: '' } as const
  return { key: keyOf(ref), ref, createdAt_s: 0, isApiServer: false, ports: [], problems: [] }
}

/**
 * What a program that dials `text` comes to: its possible backends, sorted; 'pass' if it is no
 * frontend. Reads in the order and with the checks of bpf/lib.
 */
export function dial(maps: Maps, text: string): string {
  return dialRow(maps, rowOf(frontend(text)))
}

function dialRow(maps: Maps, row: FrontendRow): string {
  const entry = getFrontend(maps.frontends, row)
  if (entry === undefined) return 'pass'
  if (!entry.isSealed) return 'torn'
  const { region } = readService(maps.services, entry.serviceId)
  const header = readRegion(maps.backends, region)
  if (region === 0 || header.serviceId !== entry.serviceId) return 'bad region'
  const found = Array.from({ length: header.clusterN }, (_, i) => {
    const { addr, port } = readBackend(maps.backends, region, header.clusterOffset + i)
    return formatEndpoint(addr, port)
  })
  return found.sort().join(' ') || 'none'
}
