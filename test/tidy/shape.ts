/** Sizes of files and functions, and lines that stand twice. */
import ts from 'typescript'

import { type SourceFile, withoutComments } from './sources.ts'

export interface Stretch {
  readonly path: string
  readonly name: string
  /** Counted from 1. */
  readonly line: number
  readonly lines: number
}

/** `describe` blocks are headings over many tests, not functions that one reads as a whole. */
function isHeading(node: ts.Node): boolean {
  return (
    ts.isCallExpression(node.parent) &&
    /^(describe|requires)\b/.test(node.parent.expression.getText())
  )
}

function nameOf(node: ts.FunctionLikeDeclaration): string {
  if (node.name !== undefined) return node.name.getText()
  return ts.isVariableDeclaration(node.parent)
    ? node.parent.name.getText()
    : 'function without name'
}

/** Every function of a TypeScript or JavaScript file with its length. */
export function functionsOfScript(file: SourceFile): Stretch[] {
  const found: Stretch[] = []
  const source = ts.createSourceFile(file.path, file.text, ts.ScriptTarget.ESNext, true)
  const visit = (node: ts.Node) => {
    if (ts.isFunctionLike(node) && 'body' in node && node.body !== undefined && !isHeading(node)) {
      const first = source.getLineAndCharacterOfPosition(node.getStart()).line
      const last = source.getLineAndCharacterOfPosition(node.getEnd()).line
      const name = nameOf(node)
      found.push({ path: file.path, name, line: first + 1, lines: last - first + 1 })
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

/** Every function of a C or C++ file in kernel style: its braces stand in the first column. */
export function functionsOfC(file: SourceFile): Stretch[] {
  const found: Stretch[] = []
  const lines = file.text.split('\n')
  let opened = -1
  lines.forEach((line, i) => {
    if (line === '{') opened = i
    if (!line.startsWith('}') || opened < 0) return
    let head = opened - 1
    while (head > 0 && /^\s/.test(lines[head] ?? '')) head--
    const name = /(\w+)\s*\(/.exec(lines[head] ?? '')?.[1] ?? lines[head] ?? ''
    found.push({ path: file.path, name, line: head + 1, lines: i - head + 1 })
    opened = -1
  })
  return found
}

/** A reason written in the file: `Long, because …` above the function or in the file's head. */
export function hasReason(file: SourceFile, word: string, line: number): boolean {
  const pattern = new RegExp(`${word}, because \\w`)
  return file.text
    .split('\n')
    .slice(Math.max(0, line - 12), line + 8)
    .some((text) => pattern.test(text))
}

/** The same for a whole file, in its head comment. */
export function hasReasonInHead(file: SourceFile, word: string): boolean {
  const head = file.text.split('\n').slice(0, 30).join('\n')
  return new RegExp(`${word}, because \\w`).test(head)
}

const stretchLines = 6

/** Lines that everybody's code has: braces, imports, lone keywords, one word of a list. */
function isTrivial(line: string): boolean {
  if (/^(import\b|#include\b|export \* )/.test(line)) return true
  if (/^['"]?[\w.$-]+['"]?,?$/.test(line)) return true
  return !/[A-Za-z0-9_]{3,}/.test(line.replace(/\b(else|return|break|continue|true|false)\b/g, ''))
}

interface Line {
  readonly path: string
  readonly line: number
  readonly text: string
}

function tellingLines(file: SourceFile): Line[] {
  const hasSlashes = /\.(ts|mjs|js|c|h|cc|go|proto)$/.test(file.path)
  const text = hasSlashes ? withoutComments(file.text) : file.text.replace(/^\s*#.*$/gm, '')
  // Manifests inside tests are data: each shows the whole of what it is about.
  const isData = file.path.startsWith('test/')
  const code = isData ? text.replace(/`[^`]*`/g, (all) => all.replace(/[^\n]/g, '')) : text
  return code
    .split('\n')
    .map((line, i) => ({ path: file.path, line: i + 1, text: line.trim() }))
    .filter((line) => !isTrivial(line.text))
}

/**
 * Stretches of six or more telling lines that stand in two places without `Twice, because …` near
 * either. One line of text per pair of places.
 */
export function findTwice(files: readonly SourceFile[]): string[] {
  const byPath = new Map(files.map((file) => [file.path, file]))
  const isExcused = (path: string, line: number) => {
    const file = byPath.get(path)
    return file !== undefined && hasReason(file, 'Twice', line)
  }
  const seen = new Map<string, Line>()
  const pairs = new Map<string, { first: Line; second: Line; length: number }>()
  for (const file of files) {
    const lines = tellingLines(file)
    let previous = ''
    for (let i = 0; i + stretchLines <= lines.length; i++) {
      const window = lines.slice(i, i + stretchLines)
      const key = window.map((line) => line.text).join('\n')
      const second = window[0]
      const first = seen.get(key)
      if (second === undefined) continue
      if (first === undefined) {
        seen.set(key, second)
        previous = ''
        continue
      }
      const pair = pairs.get(previous)
      if (pair !== undefined && pair.first.path === first.path) pair.length++
      else {
        previous = `${first.path}:${first.line} ${second.path}:${second.line}`
        pairs.set(previous, { first, second, length: stretchLines })
      }
    }
  }
  return [...pairs.values()]
    .filter(({ first, second }) => {
      return !isExcused(first.path, first.line) && !isExcused(second.path, second.line)
    })
    .map(({ first, second, length }) => {
      return `${second.path}:${second.line} repeats ${length} lines of ${first.path}:${first.line}`
    })
}
