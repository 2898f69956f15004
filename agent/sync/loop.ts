/**
 * The one loop that decides: events mark Services dirty, it brings the maps in line with the
 * wishes, batch by batch, and tries again what failed. Other Services are never held up.
 */
import type { Clock } from '../clock.ts'
import type { DesiredService } from '../desired/desired.ts'
import { reasonOf } from '../errors.ts'
import { MapError } from '../maps/table.ts'
import type { Maps } from '../maps/table.ts'
import type { ObjectKey, Problem } from '../model/objects.ts'
import { Actual } from './actual.ts'
import type { PortState } from './actual.ts'
import { adopt, orphans } from './adopt.ts'
import { apply } from './apply.ts'
import type { Applied, Writes } from './apply.ts'
import type { RemovedBackend } from './plan.ts'
import { keptAliveProblem, shortageProblem, writeProblem } from './problem.ts'
import { Quarantine } from './quarantine.ts'
import { readRestored } from './restore.ts'
import { Retries } from './retries.ts'
import { Stock, isShortage } from './stock.ts'
import type { ServiceChange } from './stock.ts'

/** Where wishes come from: `Compiler` of agent/desired/compile.ts. */
export interface Wishes {
  /** Services whose wish may have changed because those did. */
  claim(changed: Iterable<ObjectKey>): ObjectKey[]
  /** The wish for one Service; without ports if it is gone. */
  desire(key: ObjectKey): DesiredService
}

/** What one batch did. */
export interface SyncReport {
  readonly services_n: number
  readonly failed_n: number
  readonly duration_ms: number
  readonly writes: Writes
}

export interface SyncOptions {
  readonly maps: Maps
  readonly wishes: Wishes
  readonly clock: Clock
  /** Problems of a Service that it did not have before; for log and Events. */
  readonly onProblems?: (problems: readonly Problem[]) => void
  /** UDP sockets of these are to be destroyed. */
  readonly onRemoved?: (removed: readonly RemovedBackend[]) => void
  readonly onSync?: (report: SyncReport) => void
}

export interface SyncStatus {
  /** Every Service was brought in line once, and what belongs to none was removed. */
  readonly isInitialDone: boolean
  /** Wall clock ms of the last batch; 0: none. */
  readonly last_ms: number
  /** Services whose change is not in the maps yet, without failed ones. */
  readonly pending_n: number
  readonly failed: readonly { key: ObjectKey; message: string; attempts: number }[]
  readonly problems: readonly Problem[]
}

/** Services of one batch: bounds the memory of a cold start, and how long the loop is busy. */
const batchServices = 1024
/** With their back-off about a minute and a half. */
const pruneAttempts = 10

export class Sync {
  readonly #options: SyncOptions
  readonly #actual = new Actual()
  readonly #quarantine: Quarantine
  readonly #retries: Retries
  readonly #pending = new Set<ObjectKey>()
  /** Short of room that may come free: woken up when something does. */
  readonly #starved = new Set<ObjectKey>()
  readonly #problems = new Map<ObjectKey, readonly Problem[]>()
  /** Undefined until begin() has read the maps: nothing is written before. */
  #stock: Stock | undefined
  #isInitialDone = false
  #isScheduled = false
  #isStopped = false
  #last_ms = 0

  constructor(options: SyncOptions) {
    this.#options = options
    const { maps, clock } = options
    this.#quarantine = new Quarantine({
      barrier: () => maps.barrier(),
      after: (delay_ms, run) => clock.after(delay_ms, run),
      onFree: ({ regions, ids }) => {
        this.#stock?.free(regions, ids)
        this.#wakeStarved()
      },
    })
    this.#retries = new Retries(clock, (keys) => this.#add(keys))
  }

  /**
   * To be called once, when Services and EndpointSlices are completely listed: reads the maps,
   * adopts what is in them, brings all of `keys` in line, and removes what belongs to none.
   * A map that can't be read is tried again; resolves when done or stopped.
   */
  async begin(keys: readonly ObjectKey[]): Promise<void> {
    const { maps, wishes, clock } = this.#options
    const all = wishes.claim(keys)
    for (let delay_ms = 100; this.#stock === undefined; delay_ms = Math.min(2 * delay_ms, 30_000)) {
      if (this.#isStopped) return
      try {
        this.#stock = await this.#restore(maps, all)
      } catch (error) {
        if (!(error instanceof MapError)) throw error
        await clock.sleep(delay_ms)
      }
    }
    for (const key of all) this.#pending.add(key)
    while (this.#pending.size > 0 && !this.#isStopped) {
      this.#runBatch()
      // Between batches signals, health checks and the heartbeat get their turn.
      if (this.#pending.size > 0) await clock.sleep(0)
    }
    this.#pending.add(orphans)
    this.#runBatch()
    this.#isInitialDone = true
    this.#schedule()
  }

  /** These Services, their slices or the node changed. May be called before begin(). */
  mark(keys: Iterable<ObjectKey>): void {
    this.#add(this.#options.wishes.claim(keys))
  }

  /** Nothing is written any more. The maps stay as they are. */
  stop(): void {
    this.#isStopped = true
    this.#quarantine.stop()
    this.#retries.stop()
  }

  /** As in `status()`, at no cost: probes and every batch ask for these. */
  get isInitialDone(): boolean {
    return this.#isInitialDone
  }

  get last_ms(): number {
    return this.#last_ms
  }

  /** Some Service's change is not in the maps yet, without failed ones. */
  get hasPending(): boolean {
    for (const keys of [this.#pending, this.#starved]) {
      for (const key of keys) if (this.#retries.messageOf(key) === undefined) return true
    }
    return false
  }

  /** Problems that stand for this reason. */
  problemCount(reason: string): number {
    let count = 0
    for (const found of this.#problems.values()) {
      for (const problem of found) if (problem.reason === reason) count++
    }
    return count
  }

  status(): SyncStatus {
    return {
      isInitialDone: this.#isInitialDone,
      last_ms: this.#last_ms,
      pending_n: this.#pendingCount(),
      failed: this.#retries.failed(),
      problems: [...this.#problems.values()].flat(),
    }
  }

  #pendingCount(): number {
    const keys = new Set([...this.#pending, ...this.#starved])
    for (const { key } of this.#retries.failed()) keys.delete(key)
    return keys.size
  }

  /** True when nothing is pending, failed or in quarantine. */
  get isIdle(): boolean {
    const waiting_n = this.#pending.size + this.#starved.size + this.#retries.size
    return this.#isInitialDone && waiting_n === 0 && !this.#quarantine.isBusy
  }

  /** True while regions or ids wait for a barrier. */
  get isReclaiming(): boolean {
    return this.#quarantine.isBusy
  }

  stateOf(key: ObjectKey): { state: 'Pending' | 'Done' | 'Error'; message: string } {
    const message = this.#retries.messageOf(key)
    if (message !== undefined) return { state: 'Error', message }
    const isPending = this.#pending.has(key) || this.#starved.has(key) || !this.#isInitialDone
    return { state: isPending ? 'Pending' : 'Done', message: '' }
  }

  /** What stands for what in the maps, for listings. */
  *ports(): Generator<{ readonly service: ObjectKey; readonly port: Readonly<PortState> }> {
    for (const [service, ports] of this.#actual.entries()) {
      if (service !== orphans) for (const port of ports) yield { service, port }
    }
  }

  /** Entries and slots still free, by map. */
  available(): Readonly<Record<'frontends' | 'members' | 'services' | 'backends', number>> {
    const { frontends, members } = this.#options.maps
    const { services, backends } = this.#stock?.available() ?? { services: 0, backends: 0 }
    return {
      frontends: Math.max(0, frontends.capacity - this.#actual.frontends_n),
      members: Math.max(0, members.capacity - this.#actual.members_n),
      services,
      backends,
    }
  }

  async #restore(maps: Maps, keys: readonly ObjectKey[]): Promise<Stock> {
    const restored = readRestored(maps)
    if (restored.byId.size + restored.unsealed.length > 0) {
      // A program may still run that began under the last agent, in what is about to count as free.
      await maps.barrier()
      const { wishes } = this.#options
      const desired = function* (): Generator<DesiredService> {
        for (const key of keys) yield wishes.desire(key)
      }
      for (const [key, ports] of adopt(restored, desired())) this.#actual.setPorts(key, ports)
    }
    this.#actual.frontends_n = restored.frontends_n
    this.#actual.members_n = restored.members_n
    return new Stock(maps, this.#actual, restored.inventory)
  }

  #add(keys: Iterable<ObjectKey>): void {
    for (const key of keys) {
      this.#starved.delete(key)
      this.#pending.add(key)
    }
    this.#schedule()
  }

  /** At once, but after whatever else this turn of the event loop has to tell. */
  #schedule(): void {
    if (this.#isScheduled || this.#isStopped || !this.#isInitialDone) return
    if (this.#pending.size === 0) return
    this.#isScheduled = true
    queueMicrotask(() => {
      this.#isScheduled = false
      if (this.#isStopped) return
      this.#runBatch()
      this.#schedule()
    })
  }

  #runBatch(): void {
    const { maps, clock, onSync } = this.#options
    if (this.#stock === undefined) return
    const start_ms = clock.monotonic_ms()
    const changes: ServiceChange[] = []
    const desired = new Map<ObjectKey, DesiredService>()
    for (const key of this.#take()) {
      const change = this.#reserve(key, desired)
      if (change !== undefined) changes.push(change)
    }
    const applied = apply(changes, maps, this.#stock, this.#actual)
    this.#finish(changes, desired, applied)
    this.#last_ms = clock.now_ms()
    onSync?.({
      services_n: changes.length,
      failed_n: applied.failed.size,
      duration_ms: clock.monotonic_ms() - start_ms,
      writes: applied.writes,
    })
  }

  #take(): ObjectKey[] {
    const keys: ObjectKey[] = []
    for (const key of this.#pending) {
      if (keys.length === batchServices) break
      keys.push(key)
      this.#pending.delete(key)
    }
    return keys
  }

  /**
   * Entries of old may be what still serves a Service that could not be written yet: they go when
   * all are written, or when it is clear that one never will be.
   */
  #mustPruneWait(): boolean {
    const attempts = this.#retries.attemptsOf(orphans)
    const others = this.#retries.failed().filter(({ key }) => key !== orphans)
    return attempts < pruneAttempts && others.some(({ key }) => !this.#starved.has(key))
  }

  /** Undefined: nothing can be done now. */
  #reserve(key: ObjectKey, desired: Map<ObjectKey, DesiredService>): ServiceChange | undefined {
    if (key === orphans && this.#mustPruneWait()) {
      this.#retries.fail(key, 'prune: waits for Services that could not be written yet')
      return undefined
    }
    let wish: DesiredService
    try {
      wish = key === orphans ? nothing : this.#options.wishes.desire(key)
    } catch (error) {
      // A mistake of ours in one Service's rules must not cost the others theirs.
      this.#retries.fail(key, `compile Service ${key}: ${reasonOf(error)}`)
      return undefined
    }
    desired.set(key, wish)
    const result = (this.#stock as Stock).reserve(wish)
    if (!isShortage(result)) return result
    this.#starved.add(key)
    if (this.#quarantine.isHopeful) return undefined
    const problem = shortageProblem(wish, result)
    const isTold = wish.problems.some(({ reason }) => reason === problem.reason)
    this.#tell(key, wish.problems, isTold ? [] : [problem])
    this.#retries.fail(key, problem.message)
    return undefined
  }

  #finish(
    changes: readonly ServiceChange[],
    desired: ReadonlyMap<ObjectKey, DesiredService>,
    applied: Applied,
  ): void {
    for (const { key, isKeptAlive } of changes) {
      const error = applied.failed.get(key)
      const wish = desired.get(key) ?? nothing
      const found = isKeptAlive ? [keptAliveProblem(wish)] : []
      if (error === undefined) this.#retries.succeed(key)
      else this.#retries.fail(key, error.message)
      // One failure is common under memory pressure and gone at the next attempt.
      if (error !== undefined && this.#retries.attemptsOf(key) > 2) {
        found.push(writeProblem(wish, error.message))
      }
      this.#tell(key, wish.problems, found)
    }
    this.#quarantine.add(applied.freed)
    if (applied.hasMadeRoom) this.#wakeStarved()
    if (applied.removed.length > 0) this.#options.onRemoved?.(applied.removed)
  }

  #wakeStarved(): void {
    if (this.#starved.size > 0) this.#add([...this.#starved])
  }

  #tell(key: ObjectKey, ofWish: readonly Problem[], ofSync: readonly Problem[]): void {
    const known = this.#problems.get(key) ?? []
    if (ofWish.length + ofSync.length === 0) {
      if (known.length > 0) this.#problems.delete(key)
      return
    }
    const all = key === orphans ? [] : [...ofWish, ...ofSync]
    this.#problems.set(key, all)
    const isNew = ({ reason, message }: Problem): boolean =>
      !known.some((other) => other.reason === reason && other.message === message)
    const added = all.filter(isNew)
    if (added.length > 0) this.#options.onProblems?.(added)
  }
}

/** The wish for what no Service claims. */
const nothing: DesiredService = {
  key: orphans,
  ref: { kind: 'Service', namespace: '', name: '', uid: '', where: '' },
  createdAt_s: 0,
  isApiServer: false,
  ports: [],
  problems: [],
}
