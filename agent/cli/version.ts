/** `fairlead version`: ours, and that of the agent where one answers. */
import { version } from '../version.ts'
import { printDocument, type Context } from './context.ts'
import { fromAgent } from './reach.ts'
import { facts, none } from './render.ts'
import { exitCodes } from './report.ts'

async function agentVersion(context: Context): Promise<string> {
  try {
    return (await fromAgent(context, async (view) => view.status())).version
  } catch {
    return ''
  }
}

export async function showVersion(context: Context): Promise<number> {
  const agent = await agentVersion(context)
  const node = process.version
  if (context.flags.output === 'json') {
    await printDocument(context, 'Version', { version, agentVersion: agent, nodeVersion: node })
  } else {
    await context.io.out(
      facts([
        ['fairlead', version],
        ['agent', agent === '' ? none : agent],
        ['node', node],
      ]),
    )
  }
  return exitCodes.ok
}
