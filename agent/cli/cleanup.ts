/** `fairlead cleanup`: takes away every link, pin and filter of ours under one bpffs directory. */
import { FairleadError } from '../errors.ts'
import { printDocument, type Context } from './context.ts'
import { exitCodes } from './report.ts'

async function agreed({ io, flags }: Context): Promise<boolean> {
  if (flags.yes) return true
  if (!io.inIsTty) {
    throw new FairleadError(
      'USAGE',
      'cleanup: there is no terminal to ask on',
      'fairlead cleanup --yes',
    )
  }
  io.err(`This ends Service load balancing on this node: every link and pin under ${flags.bpffs}\n`)
  io.err('is removed. Connections that are established go on as the kernel has them.\n')
  return /^y(es)?$/i.test((await io.ask('Go on? [y/N] ')).trim())
}

export async function runCleanup(context: Context): Promise<number> {
  const { io, flags } = context
  if (!(await agreed(context))) {
    io.err('nothing was removed\n')
    return exitCodes.failure
  }
  const { cleanup } = await io.doors.cleanup()
  const removed = await cleanup({ bpffs: flags.bpffs, cgroup: flags.cgroup })
  if (flags.output === 'json') await printDocument(context, 'Cleanup', { removed })
  else if (removed.length === 0) io.err(`nothing of ours under ${flags.bpffs}\n`)
  else await io.out(removed.map((what) => `removed ${what}\n`).join(''))
  return exitCodes.ok
}
