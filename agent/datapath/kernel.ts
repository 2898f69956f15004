/** Everything of the kernel that the agent holds: lock, programs, maps, hooks, events. */
import type { Clock } from '../clock.ts'
import { FairleadError, reasonOf } from '../errors.ts'
import type { Log } from '../log.ts'
import { netnsCookie } from '../../native/index.ts'
import { kernelMaps } from '../maps/kernel.ts'
import { metaOf } from '../maps/meta.ts'
import type { Meta } from '../maps/meta.ts'
import type { Maps } from '../maps/table.ts'
import { isAttached } from './attach.ts'
import { bootTime_ns } from './boot-time.ts'
import { cgroupDirectory } from './cgroup.ts'
import { makeBpffsDirectory } from './directories.ts'
import { openEvents } from './events.ts'
import type { EventStream } from './events.ts'
import { guardHooks } from './guard.ts'
import type { Guard } from './guard.ts'
import { loadDatapath } from './load.ts'
import type { Datapath, LoadOptions } from './load.ts'
import { lockPins } from './lock.ts'
import { pinsIn } from './pins.ts'

export interface KernelOptions extends Omit<LoadOptions, 'pins'> {
  /** Without the version directory. */
  readonly bpffs: string
  /** Undefined: the root that is found. */
  readonly cgroup: string | undefined
  /** 0: never. */
  readonly lease_ms: number
  /** One of so many translations is an event; 0: none. */
  readonly eventSample: number
  readonly clock: Clock
  readonly log: Log
}

export interface Kernel {
  readonly cgroup: string
  readonly datapath: Datapath
  readonly maps: Maps
  readonly events: EventStream
  readonly guard: Guard
  /** Lets go of everything; what is pinned goes on serving. */
  close(): void
}

/** The agent's sign of life, from which the lease counts. */
const heartbeatEvery_ms = 1_000

function keepHeartbeat(meta: Meta, clock: Clock): () => void {
  let callOff = (): void => undefined
  const beat = (): void => {
    meta.setHeartbeat(bootTime_ns())
    callOff = clock.after(heartbeatEvery_ms, beat)
  }
  beat()
  return () => callOff()
}

function load(options: KernelOptions): Datapath {
  const { socketLb, rememberPeer, sizes, bpffs } = options
  try {
    return loadDatapath({ pins: pinsIn(bpffs), socketLb, rememberPeer, sizes })
  } catch (error) {
    if (error instanceof FairleadError) throw error
    throw new FairleadError(
      'LOAD_FAILED',
      `load the programs: ${reasonOf(error)}${verifierTail(error)}`,
      'what was attached before goes on serving; needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON',
      error,
    )
  }
}

/** The last lines of the verifier's log say why; the whole of it is thousands of lines. */
function verifierTail(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('log' in error)) return ''
  const lines = String(error.log).trim().split('\n')
  const left = lines.length - 3
  if (lines.join('') === '') return ''
  return `\n${lines.slice(-3).join('\n')}${left > 0 ? `\n(${left} lines before)` : ''}`
}

/**
 * Programs of an earlier agent get ours in their place at once; on a node without any, hooks are
 * attached by `guard.attach()` when the maps are filled (reliability F02).
 * @throws FairleadError BPFFS_MISSING, CGROUP_MISSING, LOAD_FAILED, LAYOUT_MISMATCH, AGENT_RUNNING
 */
export function openKernel(options: KernelOptions): Kernel {
  const { clock, log, bpffs, socketLb } = options
  const cgroup = cgroupDirectory(options.cgroup)
  makeBpffsDirectory(bpffs)
  const lock = lockPins(bpffs)
  try {
    const datapath = load(options)
    for (const note of datapath.resized) log.warn({ note }, 'a pinned map keeps its size')
    const maps = kernelMaps(datapath.map)
    const meta = metaOf(maps.meta)
    meta.setHostNetnsCookie(netnsCookie())
    meta.setLease(BigInt(options.lease_ms) * 1_000_000n)
    meta.setEventSample(options.eventSample)
    const stopHeartbeat = keepHeartbeat(meta, clock)
    const events = openEvents(datapath.map('events'))
    const guard = guardHooks({ datapath, meta, cgroup, socketLb, clock, log })
    if (isAttached(datapath.pins)) guard.attach()
    return {
      cgroup,
      datapath,
      maps,
      events,
      guard,
      close() {
        guard.stop()
        stopHeartbeat()
        events.close()
        maps.close()
        datapath.close()
        lock.close()
      },
    }
  } catch (error) {
    lock.close()
    throw error
  }
}
