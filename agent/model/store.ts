/**
 * The tables of what sources told us, and what changed since the last look. A change costs O(1);
 * nothing here decides what a Service comes to (that is `desired`).
 */
import { isEqual } from './equal.ts'
import { compareText, keyOf } from './key.ts'
import type {
  ConfigMap,
  EndpointSlice,
  ModelObject,
  Namespace,
  Node,
  ObjectKey,
  ObjectRef,
  Problem,
  Service,
} from './objects.ts'
import type { Kind, Sink } from './source.ts'

export interface Dirty {
  /** Services to look at again, also those that are gone. Each once. */
  readonly services: readonly ObjectKey[]
  /** This node's own object changed, came or went. */
  readonly node: boolean
}

export interface StoreOptions {
  /** Only this Node makes `node` dirty. */
  readonly nodeName: string
}

interface Tables {
  readonly Service: Map<ObjectKey, Service>
  readonly EndpointSlice: Map<ObjectKey, EndpointSlice>
  readonly Node: Map<ObjectKey, Node>
  readonly Namespace: Map<ObjectKey, Namespace>
  readonly ConfigMap: Map<ObjectKey, ConfigMap>
}

/** What a list under way has not confirmed yet. */
interface Unconfirmed {
  readonly objects: Set<ObjectKey>
  readonly problems: Set<ObjectKey>
}

/** Nobody reads ten thousand lines of log about one flood of bad objects; `allProblems` has them. */
const newProblemsLimit = 10_000

const noSlices: readonly EndpointSlice[] = Object.freeze([])

function serviceOf(slice: EndpointSlice): ObjectKey | undefined {
  return slice.service === '' ? undefined : `${slice.ref.namespace}/${slice.service}`
}

export class Store implements Sink {
  readonly #nodeName: string
  readonly #tables: Tables = {
    Service: new Map(),
    EndpointSlice: new Map(),
    Node: new Map(),
    Namespace: new Map(),
    ConfigMap: new Map(),
  }
  /** Slices by Service, sorted by name; also of Services that don't exist (yet). */
  readonly #slices = new Map<ObjectKey, EndpointSlice[]>()
  readonly #complete = new Set<Kind>()
  readonly #unconfirmed = new Map<Kind, Unconfirmed>()
  readonly #problems = new Map<ObjectRef['kind'], Map<ObjectKey, readonly Problem[]>>()
  #dirtyServices = new Set<ObjectKey>()
  #isNodeDirty = false
  #newProblems: Problem[] = []

  constructor(options: StoreOptions) {
    this.#nodeName = options.nodeName
  }

  relisting(kind: Kind): void {
    this.#unconfirmed.set(kind, {
      objects: new Set(this.#tables[kind].keys()),
      problems: new Set(this.#problems.get(kind)?.keys()),
    })
  }

  put(object: ModelObject): void {
    const { kind } = object.ref
    if (kind === 'File') return
    const table = this.#tables[kind] as Map<ObjectKey, ModelObject>
    const key = keyOf(object.ref)
    this.#unconfirmed.get(kind)?.objects.delete(key)
    const previous = table.get(key)
    table.set(key, object)
    if (kind === 'EndpointSlice') this.#index(previous as EndpointSlice, object as EndpointSlice)
    if (previous === undefined || !isEqual(previous, object)) this.#mark(kind, previous, object)
  }

  remove(kind: Kind, key: ObjectKey): void {
    this.#unconfirmed.get(kind)?.objects.delete(key)
    this.#problems.get(kind)?.delete(key)
    const table = this.#tables[kind]
    const previous = table.get(key)
    if (previous === undefined) return
    table.delete(key)
    if (kind === 'EndpointSlice') this.#index(previous as EndpointSlice, undefined)
    this.#mark(kind, previous, undefined)
  }

  relisted(kind: Kind): void {
    const unconfirmed = this.#unconfirmed.get(kind)
    this.#unconfirmed.delete(kind)
    for (const key of unconfirmed?.problems ?? []) this.#problems.get(kind)?.delete(key)
    for (const key of unconfirmed?.objects ?? []) this.remove(kind, key)
    this.#complete.add(kind)
  }

  problems(ref: ObjectRef, found: readonly Problem[]): void {
    const key = keyOf(ref)
    if (ref.kind !== 'File') this.#unconfirmed.get(ref.kind)?.problems.delete(key)
    const byKey = this.#problems.get(ref.kind) ?? new Map<ObjectKey, readonly Problem[]>()
    this.#problems.set(ref.kind, byKey)
    const previous = byKey.get(key) ?? []
    if (found.length === 0) byKey.delete(key)
    else byKey.set(key, found)
    for (const problem of found) {
      if (previous.some((known) => isEqual(known, problem))) continue
      if (this.#newProblems.length < newProblemsLimit) this.#newProblems.push(problem)
    }
  }

  /** True once a whole list of the kind was put; stays so. */
  isComplete(kind: Kind): boolean {
    return this.#complete.has(kind)
  }

  /** What changed since the last call, in the order of change. */
  drainDirty(): Dirty {
    const dirty = { services: [...this.#dirtyServices], node: this.#isNodeDirty }
    this.#dirtyServices = new Set()
    this.#isNodeDirty = false
    return dirty
  }

  isDirty(): boolean {
    return this.#isNodeDirty || this.#dirtyServices.size > 0
  }

  /** Problems told since the last call that were not there before: what to log and to report. */
  drainProblems(): readonly Problem[] {
    const problems = this.#newProblems
    this.#newProblems = []
    return problems
  }

  /** Every problem that stands. */
  allProblems(): readonly Problem[] {
    return [...this.#problems.values()].flatMap((byKey) => [...byKey.values()].flat())
  }

  service(key: ObjectKey): Service | undefined {
    return this.#tables.Service.get(key)
  }

  services(): IterableIterator<Service> {
    return this.#tables.Service.values()
  }

  /** The slices bound to a Service (O4), sorted by name. Not to be kept: changes with the store. */
  slicesOf(key: ObjectKey): readonly EndpointSlice[] {
    return this.#slices.get(key) ?? noSlices
  }

  /** The Node named in the options. */
  node(): Node | undefined {
    return this.#tables.Node.get(this.#nodeName)
  }

  configMap(key: ObjectKey): ConfigMap | undefined {
    return this.#tables.ConfigMap.get(key)
  }

  /** Objects in the table of a kind. */
  count(kind: Kind): number {
    return this.#tables[kind].size
  }

  #mark(kind: Kind, previous: ModelObject | undefined, next: ModelObject | undefined): void {
    for (const object of [previous, next]) {
      if (object === undefined) continue
      if (kind === 'Service') this.#dirtyServices.add(keyOf(object.ref))
      if (kind === 'Node' && object.ref.name === this.#nodeName) this.#isNodeDirty = true
      if (kind !== 'EndpointSlice') continue
      const service = serviceOf(object as EndpointSlice)
      if (service !== undefined) this.#dirtyServices.add(service)
    }
  }

  /** Puts `next` in the place of `previous`; each may be absent, and they may name two Services. */
  #index(previous: EndpointSlice | undefined, next: EndpointSlice | undefined): void {
    const from = previous === undefined ? undefined : serviceOf(previous)
    const to = next === undefined ? undefined : serviceOf(next)
    if (from !== undefined) {
      const slices = this.#slices.get(from) ?? []
      const at = slices.indexOf(previous as EndpointSlice)
      if (from === to) {
        slices[at] = next as EndpointSlice
        return
      }
      slices.splice(at, 1)
      if (slices.length === 0) this.#slices.delete(from)
    }
    if (to === undefined) return
    const slices = this.#slices.get(to)
    if (slices === undefined) {
      // Nearly all have one slice: a literal holds no spare room.
      this.#slices.set(to, [next as EndpointSlice])
      return
    }
    let at = slices.length
    const name = (next as EndpointSlice).ref.name
    while (at > 0 && compareText(slices[at - 1]?.ref.name ?? '', name) > 0) at--
    slices.splice(at, 0, next as EndpointSlice)
  }
}
