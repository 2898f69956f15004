/** How errors leave us: text on stderr and an exit code. */
import { FairleadError, reasonOf, type ErrorCode } from '../errors.ts'

export const exitCodes = {
  ok: 0,
  failure: 1,
  usage: 2,
  notFound: 3,
  unreachable: 4,
  degraded: 5,
} as const

/** For `fairlead help exit-codes`. */
export const exitCodeTexts: readonly (readonly [number, string])[] = [
  [exitCodes.ok, 'done; also when the reader of our output left'],
  [exitCodes.failure, 'failed'],
  [exitCodes.usage, 'the command line or a flag of the agent cannot be used'],
  [exitCodes.notFound, 'nothing matches what was asked for'],
  [exitCodes.unreachable, 'the agent does not answer, and nothing else can'],
  [exitCodes.degraded, 'status: something is not as it should be'],
]

const codeOfError: Partial<Record<ErrorCode, number>> = {
  USAGE: exitCodes.usage,
  CONFIG_INVALID: exitCodes.usage,
  NOT_FOUND: exitCodes.notFound,
  AGENT_UNREACHABLE: exitCodes.unreachable,
}

/** Writes `fairlead: what: why` and a `try:` line. Returns the exit code. */
export function report(error: unknown, write: (text: string) => void): number {
  const lines = reasonOf(error).split('\n')
  write(lines.map((line) => `fairlead: ${line}\n`).join(''))
  if (!(error instanceof FairleadError)) return exitCodes.failure
  if (error.remedy !== '') write(`try: ${error.remedy}\n`)
  return codeOfError[error.code] ?? exitCodes.failure
}
