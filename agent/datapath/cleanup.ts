/** `fairlead cleanup`: every link and pin of ours goes, of every schema, and nothing else. */
import { existsSync, rmdirSync, rmSync } from 'node:fs'
import { codeOf } from '../errors.ts'
import { detachSockets } from './attach.ts'
import { lockPins } from './lock.ts'
import { pinnedNames, pinnedSchemas, pinsIn } from './pins.ts'

export interface CleanupOptions {
  readonly bpffs: string
}

/** One line for each thing removed. Throws AGENT_RUNNING while an agent runs on these pins. */
export function cleanup(options: CleanupOptions): Promise<string[]> {
  const { bpffs } = options
  if (!existsSync(bpffs)) return Promise.resolve([])
  const lock = lockPins(bpffs)
  try {
    const removed = pinnedSchemas(bpffs).flatMap((schema) => removeSchema(bpffs, schema))
    removeIfOurs(bpffs)
    return Promise.resolve(removed)
  } catch (error) {
    return Promise.reject(error instanceof Error ? error : new Error(String(error)))
  } finally {
    lock.close()
  }
}

/** Ours only if nothing else lies in it, and it is not where the bpffs itself is mounted. */
function removeIfOurs(bpffs: string): void {
  if (pinnedNames(bpffs).length > 0) return
  try {
    rmdirSync(bpffs)
  } catch (error) {
    if (codeOf(error) !== 'EBUSY') throw error
  }
}

/** Links first: no program may run over maps that are half gone. */
function removeSchema(bpffs: string, schema: number): string[] {
  const pins = pinsIn(bpffs, schema)
  const removed = detachSockets(pins)
  for (const name of pinnedNames(`${pins.root}/maps`)) {
    rmSync(pins.map(name))
    removed.push(`map ${name}`)
  }
  for (const directory of [`${pins.root}/maps`, `${pins.root}/links`, pins.root]) {
    if (existsSync(directory)) rmdirSync(directory)
  }
  return removed
}
