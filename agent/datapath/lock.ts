/** One agent per set of pins: two would undo each other's work. */
import { readFileSync } from 'node:fs'
import { FileLock } from '../../native/index.ts'

export class PinsInUse extends Error {
  readonly pid: number
  constructor(directory: string, pid: number) {
    const who = pid > 0 ? `pid ${pid} (${commandOf(pid)})` : 'another process'
    super(
      `lock ${directory}: held by ${who}: stop that agent first, or give this one its own --bpffs`,
    )
    this.name = 'PinsInUse'
    this.pid = pid
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').trim()
  } catch {
    return 'gone'
  }
}

/** The kernel lets go of the lock when the process ends, however it ends. */
export function lockPins(directory: string): FileLock {
  const lock = FileLock.take(directory)
  if (lock === null) throw new PinsInUse(directory, FileLock.holder(directory))
  return lock
}
