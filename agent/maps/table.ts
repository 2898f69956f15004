/** What the agent needs of BPF maps, without Kubernetes and without the kernel. */

/** Keys or values of one width, one behind the other. */
export interface Rows {
  readonly bytes: Uint8Array
  readonly count: number
}

/** A hash map of flat bytes. Calls throw MapError. */
export interface Table {
  readonly name: string
  readonly keyBytes: number
  readonly valueBytes: number
  readonly capacity: number
  get(key: Uint8Array): Uint8Array | undefined
  set(key: Uint8Array, value: Uint8Array): void
  /** False if it was absent. */
  delete(key: Uint8Array): boolean
  /** All or a MapError whose `done` says how many were written. */
  setBatch(keys: Rows, values: Rows): void
  deleteBatch(keys: Rows): number
  entries(): { keys: Rows; values: Rows }
}

/** A BPF_F_MMAPABLE array: memory shared with the kernel programs. */
export interface Memory {
  readonly name: string
  readonly valueBytes: number
  readonly capacity: number
  /** The whole array. Plain writes: only for what no program can see yet, and for `meta`. */
  readonly bytes: Uint8Array
  /** One aligned 8-byte store of two u32 in host order, seen whole by programs. */
  store(offsetBytes: number, low: number, high: number): void
  /** One aligned 8-byte load and store as bigint, for u64 fields of `meta`. */
  load64(offsetBytes: number): bigint
  store64(offsetBytes: number, value: bigint): void
}

/** Every map of the datapath. `kernel.ts` makes it of pinned maps, `fake.ts` of memory. */
export interface Maps {
  readonly frontends: Table
  readonly services: Memory
  readonly backends: Memory
  readonly members: Table
  readonly affinity: Table
  readonly nodeAddresses: Table
  readonly meta: Memory
  /** Per service id, summed over CPUs; ids beyond the capacity are ignored. */
  serviceStats(): { connections(id: number): bigint; rejects(id: number): bigint }
  /** Per `enum fl_reason`, summed over CPUs. */
  reasons(): bigint[]
  /** Resolves when no program runs any more that ran at the call. */
  barrier(): Promise<void>
  close(): void
}

/** A map operation that failed. `code` is an errno name. */
export class MapError extends Error {
  readonly code: string
  readonly map: string
  readonly done: number
  constructor(
    message: string,
    options: { code: string; map: string; done?: number; cause?: unknown },
  ) {
    super(message, { cause: options.cause })
    this.name = 'MapError'
    this.code = options.code
    this.map = options.map
    this.done = options.done ?? 0
  }
}
