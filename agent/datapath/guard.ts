/**
 * Keeps the hooks attached and proves it: attaches when it is time to, and from then on sends a
 * canary through each hook and mends what a stranger detached.
 */
import type { Clock } from '../clock.ts'
import { reasonOf } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Meta } from '../maps/meta.ts'
import { attachSockets, detachSockets } from './attach.ts'
import { sendCanary } from './canary.ts'
import type { Datapath, SocketLb } from './load.ts'
import { reportHooks } from './report.ts'

/** A stranger's detach is healed within this time (reliability F30). */
const every_ms = 5_000

export interface GuardOptions {
  readonly datapath: Datapath
  readonly meta: Meta
  readonly cgroup: string
  readonly socketLb: SocketLb
  readonly clock: Clock
  readonly log: Log
}

export interface Guard {
  /** Attaches, or swaps the programs of links that are there; then looks again every 5 s. */
  attach(): void
  /** Why traffic may not pass the hooks, one sentence each; empty: a canary got through each. */
  troubles(): readonly string[]
  stop(): void
}

export function guardHooks(options: GuardOptions): Guard {
  const { datapath, meta, cgroup, socketLb, clock, log } = options
  let troubles: string[] = ['the hooks are not attached yet']
  let callOff = (): void => undefined

  const prove = (): string[] => {
    const detached = reportHooks(datapath.pins).filter((hook) => !hook.isAttached)
    if (detached.length > 0) {
      const hooks = detached.map((hook) => hook.name).join(', ')
      log.warn({ hooks }, 'hooks were detached by somebody; attaching them again')
      attachSockets(datapath, cgroup)
    }
    const { missed } = sendCanary(meta)
    if (missed.length === 0) return []
    return [
      `no canary got through ${missed.join(', ')}: is this process in the cgroup ${cgroup}, ` +
        'and are the programs really attached there?',
    ]
  }
  const look = (): void => {
    try {
      troubles = prove()
    } catch (error) {
      troubles = [`the hooks can't be proven: ${reasonOf(error)}`]
    }
    if (troubles.length > 0) log.warn({ troubles }, 'hooks in doubt')
    callOff = clock.after(every_ms, look)
  }
  return {
    attach() {
      if (socketLb === 'off') {
        const removed = detachSockets(datapath.pins)
        if (removed.length > 0) log.info({ removed }, 'socket hooks are off')
        troubles = []
        return
      }
      try {
        const attachments = attachSockets(datapath, cgroup)
        const how = [...new Set(attachments.map((one) => one.how))]
        log.info({ cgroup, hooks: attachments.length, how }, 'hooks attached')
      } catch (error) {
        log.error({ cgroup, error: reasonOf(error) }, 'cannot attach the hooks; will try again')
      }
      callOff()
      look()
    },
    troubles: () => troubles,
    stop: () => callOff(),
  }
}
