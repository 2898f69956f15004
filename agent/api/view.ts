/**
 * Everything the control API and the listings may ask. Three things answer: the running agent
 * (wired in main.ts), an agent over its socket (api/client.ts), and the pinned maps alone
 * (api/offline.ts). Rows are the messages of proto/control.proto as plain data.
 */
import type {
  Affinity,
  Backend,
  Bypass,
  Event,
  MapInfo,
  ServiceFilter,
  ServicePort,
  Status,
} from '../../proto/control.gen.js'

export type {
  Affinity,
  Backend,
  Bypass,
  Datapath,
  Decision,
  Event,
  FailedSync,
  Feature,
  Frontend,
  Hook,
  Lease,
  Listener,
  MapInfo,
  Problem,
  ServiceFilter,
  ServicePort,
  Source,
  Status,
  Sync,
  SyncState,
} from '../../proto/control.gen.js'

export type Awaitable<T> = T | Promise<T>

/** The lines of one map, in the order of their text. */
export interface MapLines {
  readonly name: string
  readonly lines: readonly string[]
}

/** Every method may throw FairleadError; names unknown to it are ''. */
export interface View {
  status(): Awaitable<Status>
  /** In the order namespace, name, port name, protocol, family, id. */
  services(filter: ServiceFilter): Awaitable<readonly ServicePort[]>
  /** Those of the services that match, in the order of their regions. */
  backends(filter: ServiceFilter): Awaitable<readonly Backend[]>
  affinity(filter: ServiceFilter): Awaitable<readonly Affinity[]>
  mapList(): Awaitable<readonly MapInfo[]>
  /** Undefined: no such map. */
  mapDump(name: string): Awaitable<MapLines | undefined>
  bypass(): Awaitable<Bypass>
  /** From now on until `signal` aborts; then it ends, without an error. */
  events(signal: AbortSignal): AsyncIterable<Event>
  /** Gives back what it holds; twice is fine. */
  close(): void
}

/** Narrows nothing. */
export const everything: ServiceFilter = { namespace: '', name: '', id: 0, frontend: '' }

/** `10.96.0.1:443`, `[fd00::1]:443`, `*:30080`. */
export function frontendText(frontend: { address: string; port: number }): string {
  const { address, port } = frontend
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

/** Is `row` one that `filter` asks for? */
export function matches(row: ServicePort, filter: ServiceFilter): boolean {
  if (filter.namespace !== '' && row.namespace !== filter.namespace) return false
  if (filter.name !== '' && row.name !== filter.name) return false
  if (filter.id !== 0 && row.id !== filter.id) return false
  return (
    filter.frontend === '' || row.frontends.some((one) => frontendText(one) === filter.frontend)
  )
}

/** What api/offline.ts exports. Throws FairleadError NO_PINS where nothing is pinned. */
export interface OfflineModule {
  openPinned(bpffs: string): Awaitable<View>
}

/** What datapath/bypass.ts exports; works with and without an agent. */
export interface BypassModule {
  setBypass(bpffs: string, isOn: boolean): Awaitable<void>
  getBypass(bpffs: string): Awaitable<boolean>
}

/** What datapath/cleanup.ts exports: removes links, pins and filters of ours, and names them. */
export interface CleanupModule {
  cleanup(options: { bpffs: string; cgroup: string | undefined }): Promise<string[]>
}
