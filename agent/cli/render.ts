/** Tables as kubectl's, durations, colour. */

export interface Column<Row> {
  readonly title: string
  readonly cell: (row: Row) => string
  readonly isNumber?: boolean
}

/** Anything unknown or absent. */
export const none = '-'

export const orNone = (text: string): string => (text === '' ? none : text)

// A name from the cluster must not be able to speak to the terminal.
const controls = /[\u0000-\u001f\u007f-\u009f]/g

/** Without characters that a terminal would obey. */
export const clean = (text: string): string => text.replace(controls, '?')

/** Upper-case headers, two spaces between columns, no borders; '' for no rows without headers. */
export function table<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  withHeaders: boolean,
): string {
  const cells = rows.map((row) => columns.map((column) => clean(orNone(column.cell(row)))))
  if (withHeaders) cells.unshift(columns.map((column) => column.title))
  const widths = columns.map((_, i) => Math.max(0, ...cells.map((line) => line[i]?.length ?? 0)))
  const pad = (text: string, i: number): string => {
    const width = widths[i] ?? 0
    if (columns[i]?.isNumber === true) return text.padStart(width)
    return i === columns.length - 1 ? text : text.padEnd(width)
  }
  return cells.map((line) => `${line.map(pad).join('  ').trimEnd()}\n`).join('')
}

/** A line of `facts`; `tint` colours the value after it was cleaned. */
export type Fact = readonly [key: string, value: string, tint?: (text: string) => string]

/** `Key:  value` lines with aligned values. */
export function facts(rows: readonly Fact[]): string {
  const width = Math.max(...rows.map(([key]) => key.length)) + 2
  const asIs = (text: string): string => text
  return rows
    .map(([key, value, tint = asIs]) => `${`${key}:`.padEnd(width)} ${tint(clean(value))}\n`)
    .join('')
}

/** `45s`, `12m`, `3h5m`, `2d4h`: at most two units. */
export function age(seconds: number): string {
  const whole = Math.floor(seconds)
  const units: readonly (readonly [string, number])[] = [
    ['d', 86_400],
    ['h', 3600],
    ['m', 60],
    ['s', 1],
  ]
  const at = units.findIndex(([, size]) => whole >= size)
  if (at < 0) return '0s'
  const [name, size] = units[at] ?? ['s', 1]
  const [nextName, nextSize] = units[at + 1] ?? ['', 0]
  const rest = nextSize === 0 ? 0 : Math.floor((whole % size) / nextSize)
  return `${Math.floor(whole / size)}${name}${rest > 0 ? `${rest}${nextName}` : ''}`
}

/** `512`, `64Ki`, `8.0Mi`. */
export function bytes(count: number): string {
  if (count < 1024) return String(count)
  const units = ['Ki', 'Mi', 'Gi', 'Ti']
  let value = count / 1024
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)}${units[unit] ?? ''}`
}

const colours = { red: 31, green: 32, yellow: 33, bold: 1 } as const

export type Paint = (colour: keyof typeof colours, text: string) => string

/** Colour only on a terminal, never with NO_COLOR (no-color.org) or TERM=dumb. */
export function painter(isTty: boolean, env: Readonly<Record<string, string | undefined>>): Paint {
  const isOn = isTty && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb'
  return (colour, text) => (isOn ? `\u001b[${colours[colour]}m${text}\u001b[0m` : text)
}
