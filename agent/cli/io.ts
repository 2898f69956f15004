/** What a command may touch: everything of the process that tests want to stand in for. */
import type { Clock } from '../clock.ts'
import type { BypassModule, CleanupModule, OfflineModule, View } from '../api/view.ts'

export interface Io {
  /** Data. Resolves when the reader may take more. */
  out(text: string): Promise<void>
  /** Talk. */
  err(text: string): void
  readonly outIsTty: boolean
  readonly errIsTty: boolean
  readonly inIsTty: boolean
  readonly env: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  /** Aborts on SIGINT and SIGTERM, and when nobody reads us any more. */
  readonly signal: AbortSignal
  /** Asks on the terminal; only where inIsTty. */
  ask(question: string): Promise<string>
  readonly doors: Doors
}

/** The heavy parts, loaded only by the command that needs them. */
export interface Doors {
  connect(options: { path: string; timeout_ms: number; clock: Clock }): Promise<View>
  offline(): Promise<OfflineModule>
  bypass(): Promise<BypassModule>
  cleanup(): Promise<CleanupModule>
  agent(): Promise<{ main(words: readonly string[]): Promise<number> }>
}
