/** Records of the ring buffer `events` as plain data. */
import { flEvent, flEventKind, flHook, reasonTexts } from './abi.gen.ts'
import type { FlEvent } from './abi.gen.ts'

export const eventBytes: number = flEvent.size

export interface DatapathEvent {
  /** CLOCK_BOOTTIME. */
  readonly time_ns: bigint
  readonly kind: string
  readonly hook: string
  /** Name of the `fl_reason`, as in metrics. */
  readonly reason: string
  /** What the reason means. */
  readonly why: string
  /** IPPROTO_*. */
  readonly protocol: number
  readonly destination: Uint8Array
  readonly destinationPort: number
  /** Zero unless translated. */
  readonly backend: Uint8Array
  readonly backendPort: number
  readonly serviceId: number
  readonly backendId: number
  readonly pid: number
  readonly command: string
  readonly netnsCookie: bigint
  readonly cgroupId: bigint
}

function nameOf(values: Readonly<Record<string, number>>, value: number): string {
  return Object.entries(values).find(([, v]) => v === value)?.[0] ?? String(value)
}

function commandOf(comm: Uint8Array): string {
  const end = comm.indexOf(0)
  return Buffer.from(comm.subarray(0, end < 0 ? comm.length : end)).toString('latin1')
}

function eventOf(raw: FlEvent): DatapathEvent {
  const reason = reasonTexts[raw.reason]
  return {
    time_ns: raw.timeNs,
    kind: nameOf(flEventKind, raw.kind),
    hook: nameOf(flHook, raw.hook),
    reason: reason?.name ?? String(raw.reason),
    why: reason?.text ?? '',
    protocol: raw.proto,
    destination: raw.destination,
    destinationPort: raw.destinationPort,
    backend: raw.backend,
    backendPort: raw.backendPort,
    serviceId: raw.serviceId,
    backendId: raw.backendId,
    pid: raw.pid,
    command: commandOf(raw.comm),
    netnsCookie: raw.netnsCookie,
    cgroupId: raw.cgroupId,
  }
}

/** `records`: whole records, one behind the other. */
export function readEvents(records: Uint8Array): DatapathEvent[] {
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength)
  const count = Math.floor(records.byteLength / eventBytes)
  return Array.from({ length: count }, (_, i) => eventOf(flEvent.read(view, i * eventBytes)))
}
