/**
 * Log lines on stderr: one JSON object each (pino), repeats folded with a count, secrets blanked.
 * Writing never throws and never blocks on anything but the descriptor itself.
 */
import { writeSync } from 'node:fs'
import { pino } from 'pino'
import type { Clock } from './clock.ts'
import { codeOf } from './errors.ts'

/** What the rooms get to see of the logger. Fields first, then a message that never varies. */
export interface Log {
  trace(fields: object, message: string): void
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
  /** A logger whose lines carry `fields`. */
  child(fields: Record<string, unknown>): Log
}

export interface LogOptions {
  /** 0: info and above; 1: debug; 2 and above: trace. */
  readonly verbosity: number
  readonly format: 'json' | 'text'
  readonly clock: Clock
  /** Takes one line with its newline; stderr by default. */
  readonly write?: (line: string) => void
}

/** A line like one within this time is counted, not written. */
const foldFor_ms = 60_000

/** Different lines that are remembered; beyond that the oldest is let go. */
const foldAtMost = 1000

/** Lines that stderr did not take, because its pipe or disk was full: told with the next one. */
function stderrWriter(): (line: string) => void {
  let lost = 0
  return (line) => {
    try {
      const note = lost === 0 ? '' : `{"level":"warn","lost":${lost},"msg":"log lines lost"}\n`
      writeSync(2, `${note}${line}`)
      lost = 0
    } catch (error) {
      // EAGAIN: a pipe whose reader is slow. ENOSPC, EPIPE, EIO: nothing a log line could help.
      if (codeOf(error) !== '') lost++
      else throw error
    }
  }
}

const secrets: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----/gs, '[private key]'],
  [/eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*/g, '[token]'],
  [/\b(bearer|basic)\s+[\w.~+/=-]{8,}/gi, '$1 [secret]'],
  [/(\/\/[^/\s:@"]+:)[^/\s@"]+@/g, '$1[secret]@'],
]

/** Blanks what looks like a credential; a last net behind not logging them at all. */
export function withoutSecrets(line: string): string {
  let clean = line
  for (const [shape, instead] of secrets) clean = clean.replace(shape, instead)
  return clean
}

/** pino writes `{"level":"info","time":"…",…}`; without the time, repeats are equal. */
const timePart = /"time":"[^"]*",?/

function withCount(line: string, repeats: number, time: string): string {
  const fresh = line.replace(timePart, `"time":"${time}",`)
  return fresh.replace(/\}\n?$/, `,"repeats":${repeats}}\n`)
}

/** `2026-01-01T00:00:00.000Z WARN  message key=value` */
function asText(line: string): string {
  const { level, time, msg, ...fields } = JSON.parse(line) as Record<string, unknown>
  const rest = Object.entries(fields).map(([key, value]) => `${key}=${JSON.stringify(value)}`)
  return `${[time, String(level).toUpperCase().padEnd(5), msg, ...rest].join(' ')}\n`
}

interface Fold {
  readonly line: string
  repeats: number
  callOff: () => void
}

/** A line goes through at once; equal ones of the next minute become one line with their count. */
function folding(
  clock: Clock,
  write: (line: string) => void,
): {
  take: (line: string) => void
  flush: () => void
} {
  const folds = new Map<string, Fold>()
  const settle = (key: string): void => {
    const fold = folds.get(key)
    if (fold === undefined) return
    folds.delete(key)
    fold.callOff()
    if (fold.repeats === 0) return
    write(withCount(fold.line, fold.repeats, new Date(clock.now_ms()).toISOString()))
  }
  const take = (line: string): void => {
    const key = line.replace(timePart, '')
    const fold = folds.get(key)
    if (fold !== undefined) {
      fold.repeats++
      return
    }
    const oldest = folds.keys().next()
    if (folds.size >= foldAtMost && oldest.done !== true) settle(oldest.value)
    folds.set(key, { line, repeats: 0, callOff: clock.after(foldFor_ms, () => settle(key)) })
    write(line)
  }
  return { take, flush: () => [...folds.keys()].forEach(settle) }
}

/** Makes the agent's logger; `flush` writes the counts that wait, before the process ends. */
export function createLog(options: LogOptions): { log: Log; flush: () => void } {
  const out = options.write ?? stderrWriter()
  const fold = folding(options.clock, (line) => {
    const clean = withoutSecrets(line)
    out(options.format === 'text' ? asText(clean) : clean)
  })
  const level = ['info', 'debug', 'trace'][Math.min(options.verbosity, 2)] ?? 'info'
  const log = pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${new Date(options.clock.now_ms()).toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: pino.stdSerializers.err },
    },
    { write: fold.take },
  )
  return { log, flush: fold.flush }
}
