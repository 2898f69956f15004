/**
 * The second source: a watched directory of Kubernetes YAML and JSON files. For a node without an
 * API server, for the demo and for tests.
 *
 * Files are best replaced by renaming; a ConfigMap mount (`..data`) does just that.
 */
import { watch } from 'node:fs'
import type { FSWatcher } from 'node:fs'
import { stat } from 'node:fs/promises'

import { systemClock } from '../clock.ts'
import type { Clock } from '../clock.ts'
import type { Sink, Source, SourceStatus } from '../model/source.ts'
import { formatProblem } from '../model/key.ts'
import { Directory } from './directory.ts'
import { manifestKinds, mergeFiles, tellAll, tellChanges } from './merge.ts'
import type { View } from './merge.ts'

export interface ManifestsOptions {
  readonly directory: string
  readonly clock?: Clock
  /** Looks without being told so often; file systems without notice exist. Default 10 s. */
  readonly rescan_ms?: number
}

/** Writers take several steps; we look when nothing happened for so long. */
const quiet_ms = 20
/** But not longer after the first step than this, for directories that never rest. */
const restless_ms = 1000
/** How often a directory that does not exist is looked for. */
const missing_ms = 1000

/** Tells that something happened in the directory; not what. */
class Notice {
  #watcher: FSWatcher | undefined
  #identity = ''
  #isPending = false
  #wake: (() => void) | undefined

  /** Watches the directory that now has this path, which may be another than before. */
  async follow(path: string): Promise<void> {
    const { dev, ino } = await stat(path)
    const identity = `${dev} ${ino}`
    if (this.#watcher !== undefined && identity === this.#identity) return
    this.close()
    this.#identity = identity
    try {
      this.#watcher = watch(path, { persistent: false }, () => this.#happened())
      this.#watcher.on('error', () => this.close())
    } catch {
      // No inotify left, or a file system without it: the slow look has to do.
      this.#watcher = undefined
    }
  }

  close(): void {
    this.#watcher?.close()
    this.#watcher = undefined
  }

  /** Resolves to true at the next event, or at once if one came since the last call. */
  async wait(timeout_ms: number, clock: Clock, signal: AbortSignal): Promise<boolean> {
    const enough = new AbortController()
    const stop = (): void => enough.abort()
    signal.addEventListener('abort', stop, { once: true })
    this.#wake = stop
    if (this.#isPending || signal.aborted) stop()
    await clock.sleep(timeout_ms, enough.signal)
    signal.removeEventListener('abort', stop)
    this.#wake = undefined
    const happened = this.#isPending
    this.#isPending = false
    return happened
  }

  #happened(): void {
    this.#isPending = true
    this.#wake?.()
  }
}

class ManifestsSource implements Source {
  readonly #options: ManifestsOptions
  readonly #clock: Clock
  readonly #files: Directory
  readonly #notice = new Notice()
  #view: View | undefined
  #lastAlive_ms = 0
  #trouble = ''

  constructor(options: ManifestsOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#files = new Directory(options.directory, this.#clock)
  }

  async run(sink: Sink, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const isThere = await this.#look(sink)
      const rescan_ms = this.#options.rescan_ms ?? 10_000
      await this.#settle(isThere ? rescan_ms : Math.min(rescan_ms, missing_ms), signal)
    }
    this.#notice.close()
  }

  status(): readonly SourceStatus[] {
    return manifestKinds.map((kind) => ({
      kind,
      isSynced: this.#view !== undefined,
      lastAlive_ms: this.#lastAlive_ms,
      trouble: this.#trouble,
    }))
  }

  /** False if the directory can't be listed; then everything stays as it was. */
  async #look(sink: Sink): Promise<boolean> {
    const { directory } = this.#options
    try {
      // Before the scan: what happens during it wakes us again.
      await this.#notice.follow(directory)
      const files = await this.#files.scan()
      const view = mergeFiles(files)
      if (this.#view === undefined) tellAll(sink, view)
      else tellChanges(sink, this.#view, view)
      this.#view = view
      this.#lastAlive_ms = this.#clock.monotonic_ms()
      const problem = files.flatMap((file) => file.problems)[0]
      this.#trouble = problem === undefined ? '' : formatProblem(problem)
      return true
    } catch (error) {
      this.#notice.close()
      const why = error instanceof Error ? error.message : String(error)
      const what = this.#view === undefined ? 'waiting for it' : 'its last objects stay'
      this.#trouble = `manifests in ${directory}: ${why}; ${what}: create it or correct --manifests`
      return false
    }
  }

  /** Returns when something happened and is over, or when it is time to look anyway. */
  async #settle(longest_ms: number, signal: AbortSignal): Promise<void> {
    if (!(await this.#notice.wait(longest_ms, this.#clock, signal))) return
    const end_ms = this.#clock.monotonic_ms() + restless_ms
    while (!signal.aborted && this.#clock.monotonic_ms() < end_ms) {
      if (!(await this.#notice.wait(quiet_ms, this.#clock, signal))) return
    }
  }
}

/** Objects of `*.yaml`, `*.yml` and `*.json` in a directory, not in those below it. */
export function manifestsSource(options: ManifestsOptions): Source {
  return new ManifestsSource(options)
}
