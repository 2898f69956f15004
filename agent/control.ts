/**
 * The control loop's wiring: source → store → wishes → sync, and what status says of it. Part of
 * main.ts by its imports, a file of its own by its noun.
 */
import type { Naming } from './api/rows.ts'
import type { Sync as SyncRow } from './api/view.ts'
import type { Clock } from './clock.ts'
import type { Config } from './config.ts'
import type { Kernel } from './datapath/kernel.ts'
import { listNodeAddresses, watchNodeAddresses } from './datapath/node-addresses.ts'
import { destroyStaleSockets } from './datapath/stale-sockets.ts'
import type { StaleBackend } from './datapath/stale-sockets.ts'
import { Compiler } from './desired/compile.ts'
import { nodeState } from './desired/node.ts'
import type { NodeSettings } from './desired/node.ts'
import { reasonOf } from './errors.ts'
import { collectGarbage } from './heap.ts'
import type { Events } from './kube/events.ts'
import type { Log } from './log.ts'
import { flLimit } from './maps/abi.gen.ts'
import type { MapName } from './maps/abi.gen.ts'
import { metaOf } from './maps/meta.ts'
import { writeNodeAddresses } from './maps/node-addresses.ts'
import type { Metrics } from './metrics.ts'
import { formatAddress } from './model/address.ts'
import type { Address } from './model/address.ts'
import { parseCidr } from './model/cidr.ts'
import type { Cidr } from './model/cidr.ts'
import { isEqual } from './model/equal.ts'
import { wakingSink } from './model/feed.ts'
import { formatProblem, keyOf } from './model/key.ts'
import type { Node, ObjectKey, Problem } from './model/objects.ts'
import type { Source } from './model/source.ts'
import { Store } from './model/store.ts'
import { Sync } from './sync/loop.ts'
import type { SyncReport } from './sync/loop.ts'

export interface ControlParts {
  readonly config: Config
  readonly clock: Clock
  readonly log: Log
  readonly kernel: Kernel
  readonly source: Source
  readonly events: Events | undefined
  readonly metrics: Metrics
}

function cidrsOf(texts: readonly string[]): Cidr[] {
  return texts.flatMap((text) => parseCidr(text) ?? [])
}

function settingsOf(config: Config): NodeSettings {
  const { nodePortAddresses: rule } = config
  return {
    nodeName: config.nodeName,
    externalIpCidrs: cidrsOf(config.externalIpCidrs),
    backendsLimit: flLimit.regionMax,
    nodePortRule: typeof rule === 'string' ? rule : cidrsOf(rule),
  }
}

/** A silent source is told in status after so long. */
const silentAfter_ms = 60_000
/** After the first sync; until then probes have seen that it is done. */
const collectAfter_ms = 2_000

export class Control {
  readonly #parts: ControlParts
  readonly #settings: NodeSettings
  readonly #store: Store
  readonly #compiler: Compiler
  readonly #sync: Sync
  #devices: Uint8Array[]
  #isBegun = false
  #stopCollecting: () => void = () => undefined
  /** Wall clock since when changes wait; 0: none does. */
  #waitingSince_ms = 0
  #nodeTrouble = ''
  #names: Map<number, { readonly service: ObjectKey; readonly key: string }> | undefined

  constructor(parts: ControlParts) {
    const { config, clock, kernel } = parts
    this.#parts = parts
    this.#settings = settingsOf(config)
    this.#store = new Store({ nodeName: config.nodeName })
    this.#devices = listNodeAddresses()
    this.#compiler = new Compiler(this.#store, this.#nodeState().facts)
    this.#sync = new Sync({
      maps: kernel.maps,
      wishes: this.#compiler,
      clock,
      onProblems: (problems) => this.#tell(problems),
      onRemoved: (removed) => void this.#destroyStale(removed),
      onSync: (report) => this.#count(report),
    })
  }

  /** Until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const watch = watchNodeAddresses(() => {
      this.#devices = listNodeAddresses()
      this.#nodeChanged()
    })
    this.#writeNodeAddresses()
    const sink = wakingSink(this.#store, () => this.#wake())
    try {
      await this.#parts.source.run(sink, signal)
    } finally {
      watch.close()
      this.#stopCollecting()
      this.#sync.stop()
    }
  }

  async #destroyStale(removed: readonly StaleBackend[]): Promise<void> {
    const { log, clock } = this.#parts
    const { sockets_n, trouble } = await destroyStaleSockets(removed, () => clock.sleep(0))
    if (sockets_n > 0) log.info({ sockets: sockets_n }, 'stale UDP sockets destroyed')
    if (trouble !== '') log.warn({ trouble }, 'stale UDP sockets stay')
  }

  #nodeState() {
    return nodeState(this.#settings, this.#store.node(), this.#devices)
  }

  #writeNodeAddresses(): void {
    try {
      writeNodeAddresses(this.#parts.kernel.maps.nodeAddresses, this.#nodeState().addresses)
      this.#nodeTrouble = ''
    } catch (error) {
      this.#nodeTrouble = `the node's addresses are not in the maps: ${reasonOf(error)}`
      this.#parts.log.error({ error: reasonOf(error) }, 'cannot write node addresses')
    }
  }

  /** What depends on the node is all looked at again, and only if its facts changed. */
  #nodeChanged(): void {
    this.#writeNodeAddresses()
    const { facts } = this.#nodeState()
    if (isEqual(facts, this.#compiler.facts)) return
    this.#compiler.setFacts(facts)
    if (this.#isBegun) this.#mark([...this.#store.services()].map(({ ref }) => keyOf(ref)))
  }

  #mark(keys: readonly ObjectKey[]): void {
    if (keys.length === 0) return
    if (this.#waitingSince_ms === 0) this.#waitingSince_ms = this.#parts.clock.now_ms()
    this.#sync.mark(keys)
  }

  /** The store changed. Nothing is written before both kinds are complete (R1). */
  #wake(): void {
    this.#tell(this.#store.drainProblems())
    if (!this.#store.isComplete('Service') || !this.#store.isComplete('EndpointSlice')) return
    const dirty = this.#store.drainDirty()
    if (dirty.node) this.#nodeChanged()
    if (this.#isBegun) this.#mark(dirty.services)
    else void this.#begin()
  }

  async #begin(): Promise<void> {
    const { log, kernel, clock } = this.#parts
    this.#isBegun = true
    const start_ms = clock.monotonic_ms()
    const keys = [...this.#store.services()].map(({ ref }) => keyOf(ref))
    try {
      await this.#sync.begin(keys)
    } catch (error) {
      log.error({ error: reasonOf(error) }, 'the first sync failed')
      throw error
    }
    const duration_ms = Math.round(clock.monotonic_ms() - start_ms)
    log.info({ services: keys.length, duration_ms }, 'maps are in line with the cluster')
    kernel.guard.attach()
    this.#stopCollecting = clock.after(collectAfter_ms, collectGarbage)
  }

  /** A log line each, and an Event where the API server can take one. */
  #tell(problems: readonly Problem[]): void {
    for (const problem of problems) {
      const { ref, reason, remedy } = problem
      const object = { kind: ref.kind, namespace: ref.namespace, name: ref.name, where: ref.where }
      this.#parts.log.warn({ ...object, reason, remedy }, formatProblem(problem))
      this.#parts.events?.post(problem)
    }
  }

  #count({ duration_ms, writes }: SyncReport): void {
    const { metrics, clock } = this.#parts
    const { metric } = metrics
    this.#names = undefined
    for (const [map, n] of Object.entries({ ...writes })) {
      metric.fairlead_map_writes_total.inc({ map }, n)
    }
    for (const ip_family of ['IPv4', 'IPv6']) {
      metric.kubeproxy_sync_proxy_rules_duration_seconds.observe({ ip_family }, duration_ms / 1000)
      const now_s = clock.now_ms() / 1000
      metric.kubeproxy_sync_proxy_rules_last_timestamp_seconds.set({ ip_family }, now_s)
    }
    if (!this.#sync.hasPending) this.#waitingSince_ms = 0
  }

  readonly lastSync_ms = (): number => this.#sync.last_ms
  readonly waitingSince_ms = (): number => this.#waitingSince_ms
  readonly node = (): Node | undefined => this.#store.node()

  readonly problems = (): readonly Problem[] => [
    ...this.#store.allProblems(),
    ...this.#sync.status().problems,
  ]

  readonly syncRow = (): SyncRow => {
    const { isInitialDone, last_ms, pending_n, failed } = this.#sync.status()
    return {
      isInitialDone,
      lastAt: last_ms === 0 ? '' : new Date(last_ms).toISOString(),
      pending: pending_n,
      failed: failed.map(({ key, message, attempts }) => {
        const [namespace = '', name = ''] = key.split('/')
        return { namespace, name, message, attempts }
      }),
    }
  }

  readonly used = (name: MapName): number | undefined => {
    const available = this.#sync.available()
    const { maps } = this.#parts.kernel
    switch (name) {
      case 'frontends':
      case 'members':
      case 'services':
      case 'backends':
        return maps[name].capacity - available[name]
      default:
        return undefined
    }
  }

  /** Who stands behind a service id. The index is made when asked for, and again after a sync. */
  readonly namingOf = (id: number): Naming | undefined => {
    this.#names ??= new Map(
      [...this.#sync.ports()].map(({ service, port }) => [port.id, { service, key: port.key }]),
    )
    const found = this.#names.get(id)
    return found && this.#naming(found.service, found.key)
  }

  #naming(service: ObjectKey, portKey: string): Naming {
    const [namespace = '', name = '', portName = ''] = portKey.split('/')
    const object = this.#store.service(service)
    const isOneOf = (addresses: readonly Address[] | undefined, text: string): boolean =>
      addresses?.some((address) => formatAddress(address) === text) === true
    return {
      namespace,
      name,
      portName,
      sync: this.#sync.stateOf(service),
      kindOf({ address }) {
        if (address === '*') return 'NodePort'
        if (isOneOf(object?.clusterIps, address)) return 'ClusterIP'
        return isOneOf(object?.externalIps, address) ? 'ExternalIP' : 'LoadBalancer'
      },
    }
  }

  /** Why this agent is not ready, one sentence each. */
  readonly notReady = (): readonly string[] => {
    const { isInitialDone } = this.#sync
    const unlisted = (['Service', 'EndpointSlice'] as const).filter(
      (kind) => !this.#store.isComplete(kind),
    )
    const full = this.#sync.problemCount('MapFull')
    return [
      ...(unlisted.length > 0 ? [`not listed yet: ${unlisted.join(', ')}`] : []),
      ...(isInitialDone ? [] : ['the maps are not in line with the cluster yet']),
      ...this.#parts.kernel.guard.troubles(),
      ...(full > 0 ? [`${full} Services do not fit in the maps`] : []),
    ]
  }

  readonly degraded = (): readonly string[] => {
    const { kernel, source, clock } = this.#parts
    const meta = metaOf(kernel.maps.meta)
    const failed_n = this.#sync.status().failed.length
    const troubles = source.status().flatMap(({ kind, trouble, lastAlive_ms }) => {
      const silent_ms = clock.monotonic_ms() - lastAlive_ms
      if (trouble !== '') return [`${kind}: ${trouble}`]
      const isSilent = lastAlive_ms > 0 && silent_ms > silentAfter_ms
      return isSilent ? [`${kind}: no sign of life for ${Math.round(silent_ms / 1000)} s`] : []
    })
    return [
      ...this.notReady(),
      ...troubles,
      ...(failed_n > 0 ? [`${failed_n} Services could not be brought in line`] : []),
      ...(this.#nodeTrouble === '' ? [] : [this.#nodeTrouble]),
      ...kernel.datapath.resized,
      ...(meta.isBypassed() ? ['bypass is on: nothing new is translated'] : []),
    ]
  }
}
