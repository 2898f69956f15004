/** One agent per set of pins: two would undo each other's work. */
import { readFileSync } from 'node:fs'
import { FileLock } from '../../native/index.ts'
import { FairleadError } from '../errors.ts'

function inUse(directory: string): FairleadError {
  const pid = FileLock.holder(directory)
  const who = pid > 0 ? `pid ${pid} (${commandOf(pid)})` : 'another process'
  return new FairleadError(
    'AGENT_RUNNING',
    `lock ${directory}: held by ${who}`,
    'stop that agent first, or give this one its own --bpffs',
  )
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').trim()
  } catch {
    return 'gone'
  }
}

/** Throws AGENT_RUNNING, naming who holds it. The kernel lets go of the lock when the process ends, however it ends. */
export function lockPins(directory: string): FileLock {
  const lock = FileLock.take(directory)
  if (lock === null) throw inUse(directory)
  return lock
}
