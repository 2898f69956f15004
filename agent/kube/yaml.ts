/**
 * One file of Kubernetes YAML or JSON to raw objects, each with its place. A file is read whole or
 * not at all: half of a Service's documents would be worse than its last good ones.
 */
import { createHash } from 'node:crypto'

import { Composer, isNode, LineCounter, Parser } from 'yaml'
import type { CST, Document, YAMLError } from 'yaml'

import type { ObjectRef, Problem } from '../model/objects.ts'
import { show } from './findings.ts'
import { isKind, isNamespaced } from './project.ts'
import type { RawObject } from './raw.ts'

export interface ManifestObject {
  readonly raw: RawObject
  /** `file:line` */
  readonly where: string
}

export interface Manifest {
  /** Undefined if the file as a whole can't be read; `problems` says why. */
  readonly objects: readonly ManifestObject[] | undefined
  /** Of the file: syntax, kinds that are not read. */
  readonly problems: readonly Problem[]
}

type Fields = Record<string, unknown>

/** Syntax errors told of one file; the first names the place to look at. */
const toldErrors = 3

/**
 * Lists in lists in maps: Kubernetes objects have some 10 levels. Composing is recursive, and at
 * some thousands the process dies of its stack, past any catch.
 */
const deepest = 100

/** Where an object of a kind may come from; others with the same name are not ours. */
const groups: Readonly<Record<string, string>> = {
  Service: 'v1',
  EndpointSlice: 'discovery.k8s.io/v1',
  Node: 'v1',
  Namespace: 'v1',
  ConfigMap: 'v1',
}

/** Stands for a file in problems. */
export function fileRef(file: string, where = file): ObjectRef {
  return { kind: 'File', namespace: '', name: file, uid: '', where }
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function syntaxProblem(file: string, error: YAMLError, lines: LineCounter): Problem {
  const { line, col } = lines.linePos(error.pos[0])
  const isTwice = error.code === 'DUPLICATE_KEY'
  return {
    ref: fileRef(file, `${file}:${line}:${col}`),
    reason: isTwice ? 'DuplicateKey' : 'BrokenYaml',
    // The library's text goes on with a picture of the line.
    message: `${error.message.split(/ at line |\n/)[0] ?? 'not YAML'}: the last good objects of the file stay`,
    remedy: isTwice ? 'keep one of the two' : 'correct the file; replace it by renaming',
  }
}

/** The same on every node and after every restart: what an object without uid is known by. */
function uidOf(kind: string, namespace: string, name: string): string {
  const hex = createHash('sha256').update(`${kind}/${namespace}/${name}`).digest('hex')
  const cut = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20)]
  return [...cut, hex.slice(20, 32)].join('-')
}

/** What the API server would fill in: namespace, uid, names of slice ports. */
function withDefaults(fields: Fields, kind: string): Fields {
  const metadata = isFields(fields['metadata']) ? { ...fields['metadata'] } : {}
  if (isKind(kind) && isNamespaced(kind)) metadata['namespace'] ??= 'default'
  const { namespace = '', name = '' } = metadata
  // Of names that are no text nothing is used, so it does not matter what their uid is.
  metadata['uid'] ??= uidOf(kind, JSON.stringify(namespace), JSON.stringify(name))
  const filled: Fields = { ...fields, metadata }
  if (kind === 'EndpointSlice' && Array.isArray(fields['ports'])) {
    filled['ports'] = fields['ports'].map((port: unknown) =>
      isFields(port) ? { ...port, name: port['name'] ?? '' } : port,
    )
  }
  return filled
}

/** Collects the objects of one file. */
interface Reading {
  readonly file: string
  readonly objects: ManifestObject[]
  readonly problems: Problem[]
}

function addObject(reading: Reading, value: unknown, line: number): void {
  const where = `${reading.file}:${line}`
  const kind = isFields(value) ? value['kind'] : undefined
  const version = isFields(value) ? (value['apiVersion'] ?? undefined) : undefined
  const isRead =
    typeof kind === 'string' && isKind(kind) && (version === undefined || version === groups[kind])
  if (isRead && isFields(value)) {
    reading.objects.push({ raw: withDefaults(value, kind), where })
    return
  }
  const what = version === undefined ? show(kind) : `${show(kind)} of ${show(version)}`
  reading.problems.push({
    ref: fileRef(reading.file, where),
    reason: 'UnknownKind',
    message: isFields(value) ? `kind ${what} is not read` : `${show(value)} is no object`,
    remedy: `keep to ${Object.entries(groups)
      .map(([known, group]) => `${known} of ${group}`)
      .join(', ')}`,
  })
}

function addDocument(reading: Reading, document: Document, lines: LineCounter): void {
  const value: unknown = document.toJS()
  if (value === null || value === undefined) return
  const lineOf = (node: unknown): number => {
    const range = isNode(node) ? node.range : undefined
    return lines.linePos(range?.[0] ?? document.range?.[0] ?? 0).line
  }
  const isList = isFields(value) && /List$/.test(String(value['kind'])) && 'items' in value
  if (!isList || !Array.isArray(value['items'])) {
    addObject(reading, value, lineOf(document.contents))
    return
  }
  value['items'].forEach((item: unknown, i) => {
    addObject(reading, item, lineOf(document.getIn(['items', i], true)))
  })
}

/** Offset of the first token nested too deep. Without recursion. */
function findTooDeep(tokens: readonly CST.Token[]): number | undefined {
  const open: { readonly token: CST.Token; readonly depth: number }[] = []
  for (const token of tokens) open.push({ token, depth: 0 })
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { token, depth } = next
    if (depth > deepest) return token.offset
    if (token.type === 'document' && token.value) open.push({ token: token.value, depth })
    if (!('items' in token)) continue
    for (const { key, value } of token.items) {
      if (key) open.push({ token: key, depth: depth + 1 })
      if (value) open.push({ token: value, depth: depth + 1 })
    }
  }
  return undefined
}

function unreadable(file: string, lines: LineCounter, offset: number, why: string): Manifest {
  const { line, col } = lines.linePos(offset)
  const where = line > 0 ? `${file}:${line}:${col}` : file
  const message = `${why}: the last good objects of the file stay`
  const remedy = 'write the objects out plainly'
  return {
    objects: undefined,
    problems: [{ ref: fileRef(file, where), reason: 'BrokenYaml', message, remedy }],
  }
}

/** @param file as problems name it. Never throws. */
export function readManifest(file: string, text: string): Manifest {
  const lines = new LineCounter()
  const reading: Reading = { file, objects: [], problems: [] }
  try {
    const tokens = [...new Parser(lines.addNewLine).parse(text)]
    const tooDeep = findTooDeep(tokens)
    if (tooDeep !== undefined) return unreadable(file, lines, tooDeep, 'nested too deep')
    const documents = [...new Composer({ lineCounter: lines }).compose(tokens)]
    const errors = documents.flatMap((document) => document.errors)
    if (errors.length > 0) {
      const told = errors.slice(0, toldErrors)
      return {
        objects: undefined,
        problems: told.map((error) => syntaxProblem(file, error, lines)),
      }
    }
    for (const document of documents) addDocument(reading, document, lines)
  } catch (error) {
    // Aliases that expand without end, or that name nothing.
    return unreadable(file, lines, 0, error instanceof Error ? error.message : String(error))
  }
  return reading
}
