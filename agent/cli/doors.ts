/** The doors to the rest of the house; each is opened by the one command that needs it. */
import { codeOf, FairleadError, reasonOf } from '../errors.ts'
import type { Doors } from './io.ts'

async function open<T>(what: string, module: Promise<T>): Promise<T> {
  try {
    return await module
  } catch (error) {
    const isMissing = /MODULE_NOT_FOUND|ERR_DLOPEN_FAILED/.test(codeOf(error))
    throw new FairleadError(
      isMissing ? 'NOT_BUILT' : 'INTERNAL',
      `load ${what}: ${reasonOf(error)}`,
      'build it with npm run build, or use the released image',
      error,
    )
  }
}

export const realDoors: Doors = {
  async connect(options) {
    const { connectControl } = await open('the gRPC client', import('../api/client.ts'))
    return connectControl(options)
  },
  offline: () => open('the reader of pinned maps', import('../api/offline.ts')),
  bypass: () => open('the bypass switch', import('../datapath/bypass.ts')),
  cleanup: () => open('cleanup', import('../datapath/cleanup.ts')),
  agent: () => open('the agent', import('../agent.ts')),
}
