/** The table of error codes, and the one error class that carries them. */

/** What each code means: printed by nobody but the reference page and the tests. */
export const errorTable = {
  USAGE: 'the command line says something this program does not understand',
  CONFIG_INVALID: 'a flag of the agent has a value that cannot be used',
  NOT_FOUND: 'nothing on this node matches what was asked for',
  AGENT_UNREACHABLE: 'the agent did not answer on its socket, and nothing else can answer',
  AGENT_RUNNING: 'another agent holds these pins or this run directory',
  NO_PINS: 'there is no datapath pinned under this bpffs directory',
  PERMISSION: 'the kernel refused what needs root or a capability',
  BPFFS_MISSING: 'the directory for pins is not on a BPF file system',
  CGROUP_MISSING: 'no cgroup v2 hierarchy to attach to',
  LAYOUT_MISMATCH: 'a pinned map has another layout than this version was built for',
  LOAD_FAILED: 'the kernel did not take a program',
  ATTACH_FAILED: 'a program could not be hung on its hook',
  SOCKET_PATH: 'a unix socket cannot be made at this path',
  SOURCE_FAILED: 'the source of objects cannot be used at all',
  NOT_BUILT: 'a part of the program is missing from this installation',
  INTERNAL: 'a mistake of ours',
} as const

export type ErrorCode = keyof typeof errorTable

/**
 * `message` is "what was tried, on what: what went wrong"; `remedy` is what to do, '' only where
 * nothing can be done.
 */
export class FairleadError extends Error {
  readonly code: ErrorCode
  readonly remedy: string
  constructor(code: ErrorCode, message: string, remedy: string, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause })
    this.name = 'FairleadError'
    this.code = code
    this.remedy = remedy
  }
}

/** Text of whatever was thrown, without its stack. */
export function reasonOf(thrown: unknown): string {
  if (thrown instanceof Error) return thrown.message || thrown.name
  return String(thrown)
}

/** Errno name or other `code` of what was thrown; '' if it has none. */
export function codeOf(thrown: unknown): string {
  if (typeof thrown !== 'object' || thrown === null || !('code' in thrown)) return ''
  return typeof thrown.code === 'string' ? thrown.code : ''
}
