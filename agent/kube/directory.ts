/**
 * A directory of manifests as files with their last good objects: one that can't be read or parsed
 * keeps what it said before, so nothing that served stops serving.
 */
import type { BigIntStats } from 'node:fs'
import { open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'

import { keyOf } from '../model/key.ts'
import type { Problem } from '../model/objects.ts'
import type { Clock } from '../clock.ts'
import { project } from './project.ts'
import type { Projected } from './project.ts'
import { fileRef, readManifest } from './yaml.ts'

export interface ManifestFile {
  readonly name: string
  /** In the order of the file. */
  readonly objects: readonly Projected[]
  /** Of the file as a whole. */
  readonly problems: readonly Problem[]
}

/** One object has at most 1.5 MB in Kubernetes; a file may hold thousands of small ones. */
const biggestFile_bytes = 64 * 1024 * 1024

/**
 * File times tick slowly (4 ms here, 2 s on some file systems): a file changed so recently may
 * change again without looking different, so it is read again next time.
 */
const settled_ms = 2500

/** Editors' and copies' temporary files end otherwise or begin with a dot (as `..data` does). */
const manifestName = /^[^.#][^/]*\.(ya?ml|json)$/i

interface Entry extends ManifestFile {
  /** What the file looked like when it was read; '' if that proves nothing. */
  readonly look: string
}

function lookOf(stats: BigIntStats): string {
  return [stats.dev, stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs].join(' ')
}

function why(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** An object that as a whole became useless keeps its last good self. */
function withLastGood(now: Projected, before: ReadonlyMap<string, Projected>): Projected {
  const last = before.get(`${now.ref.kind} ${keyOf(now.ref)}`)?.object
  if (now.object !== undefined || now.problems.length === 0 || last === undefined) return now
  return { ...now, object: last }
}

function parse(name: string, text: string, before: Entry | undefined): ManifestFile {
  const { objects, problems } = readManifest(name, text)
  const kept = before?.objects ?? []
  if (objects === undefined) return { name, objects: kept, problems }
  if (objects.length === 0 && problems.length === 0 && kept.length > 0) {
    const message = `${name} is empty: its last good objects stay`
    const remedy = 'write the file by renaming a whole one over it, or delete it'
    const problem = { ref: fileRef(name), reason: 'EmptyFile', message, remedy }
    return { name, objects: kept, problems: [problem] }
  }
  const last = new Map(kept.map((object) => [`${object.ref.kind} ${keyOf(object.ref)}`, object]))
  const found = objects.map(({ raw, where }) => withLastGood(project(raw, where), last))
  return { name, objects: found, problems }
}

async function readText(path: string): Promise<{ text: string; stats: BigIntStats }> {
  const file = await open(path, 'r')
  try {
    const stats = await file.stat({ bigint: true })
    if (!stats.isFile()) throw new Error(`read ${path}: not a file`)
    if (stats.size > biggestFile_bytes) {
      throw new Error(`read ${path}: ${stats.size} bytes, more than ${biggestFile_bytes}`)
    }
    return { text: await file.readFile('utf8'), stats }
  } finally {
    await file.close()
  }
}

export class Directory {
  readonly #path: string
  readonly #clock: Clock
  #entries = new Map<string, Entry>()

  constructor(path: string, clock: Clock) {
    this.#path = path
    this.#clock = clock
  }

  /**
   * Every manifest by name; a file that did not change is the same object as last time. Rejects if
   * the directory can't be listed. Subdirectories are not entered.
   */
  async scan(): Promise<readonly ManifestFile[]> {
    const names = (await readdir(this.#path)).filter((name) => manifestName.test(name)).sort()
    const entries = new Map<string, Entry>()
    for (const name of names) {
      const entry = await this.#read(name, this.#entries.get(name))
      if (entry !== undefined) entries.set(name, entry)
    }
    this.#entries = entries
    return [...entries.values()]
  }

  async #read(name: string, before: Entry | undefined): Promise<Entry | undefined> {
    const path = join(this.#path, name)
    try {
      const seen = await stat(path, { bigint: true })
      if (seen.isDirectory()) return undefined
      if (before !== undefined && lookOf(seen) === before.look) return before
      const { text, stats } = await readText(path)
      const age_ms = this.#clock.now_ms() - Number(stats.mtimeNs / 1_000_000n)
      const look = age_ms > settled_ms ? lookOf(stats) : ''
      return { ...parse(name, text, before), look }
    } catch (error) {
      const message = `${why(error)}: the last good objects of the file stay`
      const remedy = 'make it readable, or delete it'
      const problem = { ref: fileRef(name), reason: 'UnreadableFile', message, remedy }
      return { name, objects: before?.objects ?? [], problems: [problem], look: '' }
    }
  }
}
