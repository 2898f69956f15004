/** A store, its rules and sync over any maps, with a clock of its own: the agent without its edges. */
import { parseAllDocuments } from 'yaml'
import { Compiler } from '../../agent/desired/compile.ts'
import { nodeFacts } from '../../agent/desired/facts.ts'
import { project } from '../../agent/kube/project.ts'
import type { RawObject } from '../../agent/kube/raw.ts'
import { flLimit } from '../../agent/maps/abi.gen.ts'
import type { Maps } from '../../agent/maps/table.ts'
import { parseCidr } from '../../agent/model/cidr.ts'
import { keyOf } from '../../agent/model/key.ts'
import type { Problem } from '../../agent/model/objects.ts'
import type { Kind } from '../../agent/model/source.ts'
import { Store } from '../../agent/model/store.ts'
import { Sync } from '../../agent/sync/loop.ts'
import type { RemovedBackend } from '../../agent/sync/plan.ts'
import { manualClock } from './clock.ts'
import type { ManualClock } from './clock.ts'

export const nodeName = 'node-a'
const externalIps = parseCidr('198.51.100.0/24')
const settings = {
  nodeName,
  externalIpCidrs: externalIps === undefined ? [] : [externalIps],
  backendsLimit: flLimit.regionMax,
}
/** Reasons with which a Service stays failed for good. */
const lasting = new Set(['MapFull', 'TooManyBackends'])

export class Rig {
  readonly maps: Maps
  readonly clock: ManualClock = manualClock()
  readonly store = new Store({ nodeName })
  readonly removed: RemovedBackend[] = []
  readonly told: Problem[] = []
  #sync: Sync | undefined
  #compiler: Compiler | undefined

  constructor(maps: Maps) {
    this.maps = maps
  }

  get sync(): Sync {
    if (this.#sync === undefined) throw new Error('the agent of this rig is not running')
    return this.#sync
  }

  put(yaml: string, where: string): void {
    this.#each(yaml, where, (kind, projected) => {
      this.store.problems(projected.ref, projected.problems)
      if (projected.object !== undefined) this.store.put(projected.object)
      else this.store.remove(kind, keyOf(projected.ref))
    })
    this.#changed()
  }

  remove(yaml: string, where: string): void {
    this.#each(yaml, where, (kind, { ref }) => this.store.remove(kind, keyOf(ref)))
    this.#changed()
  }

  /** A cold agent over what is in the maps. */
  start(): void {
    this.store.drainDirty()
    const facts = nodeFacts(settings, this.store.node(), [])
    this.#compiler = new Compiler(this.store, facts)
    this.#sync = new Sync({
      maps: this.maps,
      wishes: this.#compiler,
      clock: this.clock,
      onProblems: (problems) => this.told.push(...problems),
      onRemoved: (removed) => this.removed.push(...removed),
    })
    void this.#sync.begin(this.#keys())
  }

  stop(): void {
    this.#sync?.stop()
    this.#sync = undefined
  }

  /** Until nothing is left to do, but for what lasts. Time flies meanwhile. */
  async settle(): Promise<void> {
    for (let i = 0; i < 100_000; i++) {
      await new Promise((resolve) => setImmediate(resolve))
      if (this.#isSettled()) return
      this.clock.advance(50)
    }
    throw new Error(`sync does not settle: ${JSON.stringify(this.sync.status())}`)
  }

  #isSettled(): boolean {
    if (this.sync.isIdle) return true
    const { isInitialDone, pending_n, failed, problems } = this.sync.status()
    if (!isInitialDone || pending_n > 0 || failed.length === 0) return false
    const isLasting = (key: string): boolean =>
      problems.some(({ ref, reason }) => keyOf(ref) === key && lasting.has(reason))
    return failed.every(({ key }) => isLasting(key)) && !this.sync.isReclaiming
  }

  #keys(): string[] {
    return [...this.store.services()].map(({ ref }) => keyOf(ref))
  }

  #each(
    yaml: string,
    where: string,
    use: (kind: Kind, projected: ReturnType<typeof project>) => void,
  ): void {
    for (const document of parseAllDocuments(yaml)) {
      if (document.errors[0] !== undefined) throw document.errors[0]
      const projected = project(document.toJS() as RawObject, where)
      if (projected.ref.kind !== 'File') use(projected.ref.kind, projected)
    }
  }

  #changed(): void {
    if (this.#sync === undefined) return
    const { services, node } = this.store.drainDirty()
    if (node) this.#compiler?.setFacts(nodeFacts(settings, this.store.node(), []))
    this.#sync.mark(node ? this.#keys() : services)
  }
}
