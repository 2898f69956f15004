/** What sync has to say about a Service: lines of status, Events. */
import type { DesiredService } from '../desired/desired.ts'
import type { Problem } from '../model/objects.ts'
import type { Shortage } from './stock.ts'

export function shortageProblem({ ref }: DesiredService, shortage: Shortage): Problem {
  const { map, free, needed, capacity, isTooLarge } = shortage
  const consequence = 'its last good set stays in force'
  if (isTooLarge) {
    return {
      ref,
      reason: 'TooManyBackends',
      message: `${needed - 1} backends are more than one service port can have: ${consequence}`,
      remedy: 'spread the endpoints over several Services',
    }
  }
  return {
    ref,
    reason: 'MapFull',
    message:
      `map ${map} holds ${capacity} entries and has ${free} left where ${needed} ` +
      `in one piece are needed: ${consequence}`,
    remedy: `restart the agent with a larger --max-${map} after \`fairlead cleanup\``,
  }
}

export function keptAliveProblem({ ref }: DesiredService): Problem {
  return {
    ref,
    reason: 'ApiServerWithoutEndpoints',
    message: 'no usable endpoint of the API server is left: the last good ones stay in force',
    remedy: 'look at the EndpointSlices of default/kubernetes',
  }
}

export function writeProblem({ ref }: DesiredService, message: string): Problem {
  return {
    ref,
    reason: 'MapWriteFailed',
    message: `${message}: what was written so far stays in force`,
    remedy: 'nothing, it is tried again; if it lasts, look at `fairlead status`',
  }
}
