/** The files of ours, as the tidy tests see them: path from the top, and text. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url))

export interface SourceFile {
  /** From the top of the checkout: `agent/maps/table.ts`. */
  readonly path: string
  readonly text: string
}

const notOurs = new Set(['node_modules', 'dist', 'build', '.git', 'package-lock.json', 'LICENSE'])
const isText =
  /(\.(ts|mjs|js|c|h|cc|go|sh|ya?ml|json|md|proto|txtar|gyp|clang-format|gitignore|npmrc)|\/run|Dockerfile)$/

export function isGenerated(path: string): boolean {
  return /\.gen\.|(^|\/)go\.(sum|mod)$/.test(path)
}

/** Every text file of the checkout that is neither fetched nor built, sorted by path. */
export function readSources(): SourceFile[] {
  const paths: string[] = []
  const walk = (folder: string) => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      if (notOurs.has(entry.name)) continue
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`
      if (entry.isDirectory()) walk(path)
      else if (isText.test(path)) paths.push(path)
    }
  }
  walk('')
  return paths.sort().map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))
}

/** TypeScript and C without comments, line for line; strings stay. */
export function withoutComments(text: string): string {
  const pattern =
    /('(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`)|\/\*[^]*?\*\/|\/\/[^\n]*/g
  return text.replace(pattern, (all, kept: string | undefined) => kept ?? all.replace(/[^\n]/g, ''))
}
