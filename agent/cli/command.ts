/** What a row of the table of commands holds. */
import type { Context } from './context.ts'

export interface Option {
  /** As commander wants it: `-o, --output <format>`. */
  readonly flags: string
  readonly help: string
  readonly words?: readonly string[]
  readonly fallback?: string
}

/** What live names a word can have. */
export type Live = 'service' | 'map'

export interface Command {
  /** `['service', 'list']` */
  readonly path: readonly string[]
  readonly summary: string
  readonly word?: { readonly name: string; readonly isNeeded: boolean; readonly help: string }
  readonly complete?: Live
  readonly options: readonly Option[]
  readonly examples: readonly string[]
  readonly run: (context: Context) => Promise<number>
}
