/** One benchmark's result: the table on stdout, the same and the raw numbers in dist/bench. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { styleText } from 'node:util'
import { repository } from '../support/parts.ts'
import { type Machine, machineLine } from './machine.ts'
import { type Goal, judge, type Mark, type Quartiles, quartiles } from './stats.ts'

export type Unit = 'ratio' | 'us' | 'ms' | 'MB' | '/s'

export interface Row {
  readonly what: string
  readonly unit: Unit
  readonly found: Quartiles
  readonly goal?: Goal
  readonly mark?: Mark
  readonly note?: string
}

export interface Result {
  readonly bench: string
  readonly machine: Machine
  /** What was measured and how, a sentence each. */
  readonly method: readonly string[]
  readonly rows: readonly Row[]
  /** Parts that could not run, each with its reason. */
  readonly notRun: readonly string[]
  /** Every single measurement, by name. */
  readonly raw: Readonly<Record<string, readonly number[]>>
}

/** Quartiles of a ratio further apart than this say more of the machine than of the product. */
const noisy = 0.05

export function row(
  what: string,
  unit: Unit,
  values: readonly number[],
  extra: { goal?: Goal; note?: string } = {},
): Row {
  const found = quartiles(values)
  const isNoisy = unit === 'ratio' && found.q3 - found.q1 > noisy
  const note = [extra.note, isNoisy ? 'noisy: run it again on a quiet machine' : undefined]
  const notes = note.filter((text) => text !== undefined).join('; ')
  const mark = extra.goal === undefined ? {} : { mark: judge(found, extra.goal) }
  return { what, unit, found, ...extra, ...mark, ...(notes === '' ? {} : { note: notes }) }
}

function figure(value: number, unit: Unit): string {
  if (unit === 'ratio') return value.toFixed(3)
  return value >= 1000 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)
}

function goalText(goal: Goal | undefined, unit: Unit): string {
  if (goal === undefined) return ''
  const sign = goal.sense === 'at least' ? '>=' : '<='
  const redLine = goal.redLine === undefined ? '' : ` (${figure(goal.redLine, unit)})`
  return `${sign} ${figure(goal.goal, unit)}${redLine}`
}

function cells({ what, unit, found, goal, mark, note }: Row): string[] {
  const shown = unit === 'ratio' || unit === '/s' ? figure(found.median, unit) : ''
  const median = shown === '' ? `${figure(found.median, unit)} ${unit}` : shown
  const spread = `${figure(found.q1, unit)} - ${figure(found.q3, unit)}`
  const between = found.n > 1 ? spread : ''
  return [what, median, between, String(found.n), goalText(goal, unit), mark ?? '', note ?? '']
}

function coloured(mark: string, text: string): string {
  if (!process.stdout.isTTY || process.env['NO_COLOR']) return text
  return mark === 'pass' ? styleText('green', text) : mark ? styleText('red', text) : text
}

/** The table as text, one line a row, columns padded. */
export function table(rows: readonly Row[]): string {
  const header = ['', 'MEDIAN', 'Q1 - Q3', 'N', 'GOAL (RED LINE)', 'MARK', 'NOTE']
  const lines = [header, ...rows.map(cells)]
  const widths = header.map((_, i) => Math.max(...lines.map((line) => (line[i] ?? '').length)))
  return lines
    .map((line) =>
      line
        .map((cell, i) => {
          const padded =
            i === 0 || i >= 4 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)
          return i === 5 ? coloured(cell, padded) : padded
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** Prints the result and writes dist/bench/<bench>.json. */
export function publish(result: Result): void {
  const lines = [
    '',
    `${result.bench}: ${machineLine(result.machine)}`,
    ...result.method.map((sentence) => `  ${sentence}`),
    '',
    table(result.rows),
    ...result.notRun.map((reason) => `not run: ${reason}`),
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
  const directory = join(repository, 'dist', 'bench')
  mkdirSync(directory, { recursive: true })
  const file = join(directory, `${result.bench}.json`)
  writeFileSync(file, `${JSON.stringify({ at: new Date().toISOString(), ...result }, null, 1)}\n`)
  process.stdout.write(`  raw numbers: dist/bench/${result.bench}.json\n`)
}

/** A line of what is being done, on stderr, so that the table can be piped. */
export function progress(text: string): void {
  process.stderr.write(`  ${text}\n`)
}
