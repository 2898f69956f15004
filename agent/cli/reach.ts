/** Who answers a listing: the agent on its socket, or the pinned maps when there is none. */
import { join } from 'node:path'
import { reach } from '../api/socket.ts'
import type { View } from '../api/view.ts'
import { codeOf, FairleadError } from '../errors.ts'
import type { Context } from './context.ts'

export function socketOf({ flags }: Context): string {
  return join(flags.runDir, 'control.sock')
}

async function useAgent<T>(context: Context, ask: (view: View) => Promise<T>): Promise<T> {
  const path = socketOf(context)
  const found = await reach(path)
  if (found === 'denied') {
    const message = `connect to ${path}: permission denied`
    throw new FairleadError('PERMISSION', message, 'run as root: the socket is root’s alone')
  }
  if (found !== 'answers') {
    const why = found === 'absent' ? 'there is no such socket' : 'nobody listens'
    throw new FairleadError(
      'AGENT_UNREACHABLE',
      `connect to ${path}: ${why}`,
      'start the agent, or name its directory with --run-dir',
    )
  }
  const { io, flags } = context
  const view = await io.doors.connect({ path, timeout_ms: flags.timeout_ms, clock: io.clock })
  try {
    return await ask(view)
  } finally {
    view.close()
  }
}

/** Asks the agent, which is indispensable here. Throws AGENT_UNREACHABLE without one. */
export const fromAgent = useAgent

/** Asks the agent, or where it is away the pins, saying so on stderr. */
export async function fromAnybody<T>(
  context: Context,
  ask: (view: View) => Promise<T>,
): Promise<T> {
  try {
    return await useAgent(context, ask)
  } catch (error) {
    if (codeOf(error) !== 'AGENT_UNREACHABLE') throw error
    const { io, flags } = context
    io.err(`no agent answers on ${socketOf(context)}: reading the pins under ${flags.bpffs}\n`)
    const offline = await io.doors.offline()
    const view = await offline.openPinned(flags.bpffs)
    try {
      return await ask(view)
    } finally {
      view.close()
    }
  }
}
