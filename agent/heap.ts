/** V8's heap after a full sync: given back at once, not when V8 gets round to it. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

type Collect = (options?: { type: 'major'; flavor: 'last-resort' }) => void

/** Node 20 takes any options for the wish to collect the young generation alone. */
const hasOptions = Number.parseInt(process.versions.node, 10) > 20

/**
 * Collects all garbage and gives the pages back. Stops the agent for 0.1 s or more with 100,000
 * endpoints, so it is for a moment when nobody waits. V8 on its own keeps the garbage of a full
 * sync for as long as little happens, which on a node may be hours. Does nothing where V8 has no
 * such function.
 */
export function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  const found: unknown = runInNewContext('globalThis.gc')
  if (typeof found !== 'function') return
  const collect = found as Collect
  // The last resort also empties V8's pool of free pages, which it keeps for seconds otherwise.
  if (hasOptions) return collect({ type: 'major', flavor: 'last-resort' })
  // The first finds what is garbage, only the second gives up pages that are empty since.
  collect()
  collect()
}
