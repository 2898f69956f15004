/** `fairlead cleanup`: every link and pin of ours goes, of every schema, and nothing else. */
import { existsSync, rmdirSync, rmSync } from 'node:fs'
import { detachSockets } from './attach.ts'
import { lockPins } from './lock.ts'
import { pinnedNames, pinnedSchemas, pinsIn } from './pins.ts'

export interface CleanupOptions {
  readonly bpffs: string
}

/** One line for each thing removed. Throws PinsInUse while an agent runs on these pins. */
export function cleanup(options: CleanupOptions): Promise<string[]> {
  const { bpffs } = options
  if (!existsSync(bpffs)) return Promise.resolve([])
  const lock = lockPins(bpffs)
  try {
    const removed = pinnedSchemas(bpffs).flatMap((schema) => removeSchema(bpffs, schema))
    // Ours only if nothing else lies in it.
    if (pinnedNames(bpffs).length === 0) rmdirSync(bpffs)
    return Promise.resolve(removed)
  } catch (error) {
    return Promise.reject(error instanceof Error ? error : new Error(String(error)))
  } finally {
    lock.close()
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
