/**
 * The whole surface of the addon. `native/index.ts` is the only loader of the .node file; only
 * `agent/maps` and `agent/datapath` may import it.
 *
 * Every entry throws NativeError. Every entry checks argument types, Buffer lengths against the
 * kernel's own key and value sizes, and closed state (`ERR_CLOSED`); closing twice is fine.
 * Buffers are flat: n keys one behind the other, no padding.
 */

/** What went wrong in the kernel or in libbpf. */
export class NativeError extends Error {
  /** Errno name ('EPERM', 'E2BIG', …) or 'ERR_INVALID_ARG' | 'ERR_CLOSED' | 'ERR_NOT_FOUND'. */
  readonly code: string
  /** Positive errno, 0 where no system call failed. */
  readonly errno: number
  /** What was tried, on what: 'map update frontends'. */
  readonly op: string
  /** libbpf's and the verifier's text of this call, '' if none. Not enumerable. */
  readonly log: string
  /** Of batches: entries that were written before it stopped. */
  readonly done?: number
}

/** One member of a struct, from BTF. `size` and `offset` in bytes. */
export interface LayoutField {
  readonly name: string
  readonly type: string
  readonly offset: number
  readonly size: number
}
export interface Layout {
  readonly name: string
  readonly size: number
  readonly fields: readonly LayoutField[]
}

export interface MapInfo {
  readonly id: number
  readonly name: string
  /** BPF_MAP_TYPE_* */
  readonly type: number
  readonly keySize: number
  readonly valueSize: number
  readonly maxEntries: number
  readonly flags: number
  /** Kernel memory of the map in bytes (fdinfo memlock), 0 if unknown. */
  readonly memoryBytes: number
}

/** A compiled object: open, tune, load, take maps and programs out. */
export class BpfObject {
  constructor(elf: Uint8Array, name: string)
  mapNames(): string[]
  programNames(): string[]
  /** Value of a `const volatile` global in .rodata; length must equal the variable's size. Before load. */
  setKnob(name: string, value: Uint8Array): void
  /** Before load. */
  setMaxEntries(map: string, maxEntries: number): void
  /** Use an existing map instead of creating one. Before load; throws EINVAL if types or sizes differ. */
  reuseMap(map: string, existing: BpfMap): void
  /** Before load. */
  setAutoload(program: string, load: boolean): void
  /** Throws with the verifier's log in `log`. */
  load(): void
  /** Handles of their own: they live on after close(). */
  map(name: string): BpfMap
  program(name: string): BpfProgram
  close(): void
}

export class BpfMap {
  /** A pinned map. ENOENT if there is none. */
  static open(pin: string): BpfMap
  info(): MapInfo
  /**
   * The kernel's BTF of key and value; null for types without struct (u32, u64) or without BTF.
   * Asking the kernel needs CAP_SYS_ADMIN: without it, of a map that this process's BpfObject made
   * the BTF given to the kernel stands in, and a pinned map answers null.
   */
  layouts(): { key: Layout | null; value: Layout | null }
  lookup(key: Uint8Array): Buffer | null
  /** flags: 0 any, 1 BPF_NOEXIST, 2 BPF_EXIST. */
  update(key: Uint8Array, value: Uint8Array, flags?: number): void
  /** False if the key was absent. */
  delete(key: Uint8Array): boolean
  /** Writes all `count` entries or throws with `done` (entries written) on the error. */
  updateBatch(keys: Uint8Array, values: Uint8Array, count: number): void
  /** Deletes what exists of `count` keys; returns how many existed. */
  deleteBatch(keys: Uint8Array, count: number): number
  /** Every entry; per-CPU values stand one CPU behind the other, each rounded up to 8 bytes. */
  entries(): { keys: Buffer; values: Buffer; count: number }
  /**
   * A BPF_F_MMAPABLE array's memory, shared with the kernel. Detached (length 0) by close(), so
   * use after close reads nothing instead of crashing.
   */
  mmap(): ArrayBuffer
  pin(path: string): void
  close(): void
}

export interface ProgramInfo {
  readonly id: number
  readonly name: string
  /** BPF_PROG_TYPE_* */
  readonly type: number
  readonly verifiedInstructions: number
  /** From bpf_stats when enabled. */
  readonly runTimeNs: bigint
  readonly runCount: bigint
}

export class BpfProgram {
  static open(pin: string): BpfProgram
  info(): ProgramInfo
  pin(path: string): void
  /** BPF_PROG_TEST_RUN. `context` is a struct __sk_buff for tc programs. */
  testRun(options: { data: Uint8Array; context?: Uint8Array; repeat?: number }): {
    returnValue: number
    data: Buffer
    context: Buffer
    durationNs: number
  }
  close(): void
}

export type CgroupHook =
  | 'connect4'
  | 'connect6'
  | 'sendmsg4'
  | 'sendmsg6'
  | 'recvmsg4'
  | 'recvmsg6'
  | 'getpeername4'
  | 'getpeername6'

export interface LinkInfo {
  readonly id: number
  readonly programId: number
  readonly kind: 'cgroup' | 'tcx' | 'other'
  /** BPF_CGROUP_* or BPF_TCX_* attach type. */
  readonly attachType: number
  /** Inode number of the cgroup; 0 for others, and when the cgroup is gone. */
  readonly cgroupId: bigint
  /** 0 for others, and when the device is gone. */
  readonly ifindex: number
}

export class BpfLink {
  static attachCgroup(program: BpfProgram, cgroup: string, hook: CgroupHook): BpfLink
  /** `first`: before all programs there are (BPF_F_BEFORE), else behind them. */
  static attachTcx(
    program: BpfProgram,
    ifindex: number,
    side: 'ingress' | 'egress',
    first: boolean,
  ): BpfLink
  static open(pin: string): BpfLink
  info(): LinkInfo
  /** Swaps the program in place: no moment without one. */
  update(program: BpfProgram): void
  pin(path: string): void
  /** Ends the attachment at once, pinned or not. */
  detach(): void
  close(): void
}

export class RingBuffer {
  /**
   * `onRecords` gets the records of one wake-up as one Buffer, each of `recordSize` bytes; records
   * of another size are counted in `lost()`. Does not keep the process alive.
   */
  constructor(map: BpfMap, recordSize: number, onRecords: (records: Buffer) => void)
  lost(): number
  close(): void
}

/** One aligned 8-byte store; `offset` in bytes. Throws ERR_CLOSED on a detached buffer. */
export function store64(memory: ArrayBuffer, offset: number, value: bigint): void
export function load64(memory: ArrayBuffer, offset: number): bigint
/** One aligned 8-byte store of {low, high} as two u32, without a BigInt. */
export function store32x2(memory: ArrayBuffer, offset: number, low: number, high: number): void

/** membarrier(MEMBARRIER_CMD_GLOBAL) in a worker thread: no program still runs that ran before. */
export function membarrier(): Promise<void>
/** CLOCK_BOOTTIME in ns. */
export function bootTimeNs(): bigint

export interface FeatureProbe {
  readonly name: string
  readonly available: boolean
  /** First kernel that has it. */
  readonly since: string
  /** '' if available; else what the kernel said. */
  readonly why: string
}
/**
 * Tried, not derived from a version. Names: mmapable batch cgroup_link netns_cookie getpeername
 * ringbuf sk_storage membarrier sock_destroy so_netns_cookie set_retval tcx.
 */
export function probeFeatures(): FeatureProbe[]

export interface NetLink {
  readonly ifindex: number
  readonly name: string
  /** 'veth', 'bridge', 'vlan', 'bond', 'tun', … ; '' for physical devices. */
  readonly kind: string
  readonly up: boolean
  /** ifindex of the bridge or bond it is a port of; 0: none. */
  readonly master: number
  readonly loopback: boolean
  /** ifindex of the peer or lower device (IFLA_LINK), 0: none. */
  readonly link: number
  /** nsid of the peer's namespace (IFLA_LINK_NETNSID), -1: this one. */
  readonly linkNetnsId: number
}
export interface NetAddress {
  readonly ifindex: number
  /** 16 bytes, v4-mapped. */
  readonly address: Buffer
  readonly prefixLength: number
  /** RT_SCOPE_*: 0 global, 253 link, 254 host. */
  readonly scope: number
}
export interface NetRoute {
  readonly family: 4 | 6
  /** 16 bytes, v4-mapped; zero for a default route. */
  readonly destination: Buffer
  readonly prefixLength: number
  readonly ifindex: number
  readonly table: number
  /** RTN_*: 1 unicast, 2 local, … */
  readonly type: number
}
export function netLinks(): NetLink[]
export function netAddresses(): NetAddress[]
export function netRoutes(): NetRoute[]
/** Calls back (coalesced) when links, addresses or routes of the caller's namespace change. */
export class NetWatch {
  constructor(onChange: (what: { links: boolean; addresses: boolean; routes: boolean }) => void)
  close(): void
}

/**
 * Destroys the caller's namespace's sockets of `protocol` (6 | 17) connected to address:port
 * (sock_diag SOCK_DESTROY); returns how many. EOPNOTSUPP where the kernel cannot.
 */
export function destroySockets(protocol: number, address: Uint8Array, port: number): number

/**
 * Makes marked sockets of both families run each socket hook once: the programs count it in
 * `meta.canary` and learn the namespace's cookie. Destinations are the dummy addresses 192.0.0.8
 * (RFC 7600) and 100::1 (RFC 6666); no packet leaves.
 */
export function canary(mark: number): void
/** SO_NETNS_COOKIE of the caller's namespace; 0n where the kernel has none (before 5.14). */
export function netnsCookie(): bigint

/** flock(2) on a directory or file, without waiting. Null if somebody else holds it. */
export class FileLock {
  static take(path: string): FileLock | null
  /** Pid that holds it (from /proc/locks), 0 if unknown. */
  static holder(path: string): number
  close(): void
}
/** True if `path` lies on a bpffs (statfs magic). */
export function isBpffs(path: string): boolean
/** True if `path` lies on a cgroup v2 file system. */
export function isCgroup2(path: string): boolean
/** Mounts a bpffs at `path`. EPERM without CAP_SYS_ADMIN. */
export function mountBpffs(path: string): void
