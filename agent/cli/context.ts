/** What every command gets: its flags, its words, and the way out. */
import { document } from '../api/document.ts'
import type { Io } from './io.ts'
import { painter, table, type Column, type Paint } from './render.ts'

export interface Flags {
  readonly output: 'table' | 'json'
  readonly headers: boolean
  readonly runDir: string
  readonly bpffs: string
  readonly cgroup: string | undefined
  readonly timeout_ms: number
  readonly namespace: string
  readonly yes: boolean
  /** Events to print; 0: no end. */
  readonly count: number
}

export interface Context {
  readonly io: Io
  readonly flags: Flags
  readonly words: readonly string[]
  readonly paint: Paint
}

export function makeContext(io: Io, flags: Flags, words: readonly string[]): Context {
  return { io, flags, words, paint: painter(io.outIsTty, io.env) }
}

/** Prints a message of the API, in the words of -o. */
export async function printDocument<T extends object>(
  { io }: Context,
  kind: string,
  message: T,
): Promise<void> {
  await io.out(`${JSON.stringify(document(kind, message), undefined, 2)}\n`)
}

/** A listing: `{"services": […]}`, or a table. An empty one says so on stderr and is no failure. */
export async function printList<Row>(
  context: Context,
  kind: string,
  field: string,
  rows: readonly Row[],
  columns: readonly Column<Row>[],
): Promise<void> {
  const { io, flags } = context
  if (flags.output === 'json') return printDocument(context, kind, { [field]: rows })
  if (rows.length === 0) io.err(`no ${field} here\n`)
  else await io.out(table(columns, rows, flags.headers))
}
