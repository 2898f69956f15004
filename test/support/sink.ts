/** A sink that keeps what it is told, and a log that keeps its lines. */
import { reasonOf } from '../../agent/errors.ts'
import type { Log } from '../../agent/log.ts'
import { keyOf } from '../../agent/model/key.ts'
import type { EndpointSlice, ModelObject, Problem, Service } from '../../agent/model/objects.ts'
import type { Kind, Sink } from '../../agent/model/source.ts'

export interface RecordingSink extends Sink {
  /** Everything called, as `put Service default/a`. */
  readonly calls: string[]
  count(kind: Kind): number
  service(key: string): Service | undefined
  slice(key: string): EndpointSlice | undefined
  firstService(): Service
  /** All objects, in the order of their names. */
  tables(): Record<string, readonly ModelObject[]>
  allProblems(): readonly Problem[]
}

/** Follows the contract of Sink: what a list leaves out is gone at its end. */
export function recordingSink(): RecordingSink {
  const tables = new Map<Kind, Map<string, ModelObject>>()
  const unseen = new Map<Kind, Set<string>>()
  const problems = new Map<string, readonly Problem[]>()
  const calls: string[] = []
  const table = (kind: Kind): Map<string, ModelObject> => {
    const found = tables.get(kind) ?? new Map<string, ModelObject>()
    tables.set(kind, found)
    return found
  }
  const sorted = (kind: Kind): ModelObject[] =>
    [...table(kind).entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object)
  return {
    calls,
    relisting(kind) {
      calls.push(`relisting ${kind}`)
      unseen.set(kind, new Set(table(kind).keys()))
    },
    put(object) {
      const kind = object.ref.kind as Kind
      calls.push(`put ${kind} ${keyOf(object.ref)}`)
      unseen.get(kind)?.delete(keyOf(object.ref))
      table(kind).set(keyOf(object.ref), object)
    },
    remove(kind, key) {
      calls.push(`remove ${kind} ${key}`)
      table(kind).delete(key)
    },
    relisted(kind) {
      calls.push(`relisted ${kind}`)
      for (const key of unseen.get(kind) ?? []) table(kind).delete(key)
      unseen.delete(kind)
    },
    problems(ref, found) {
      if (found.length === 0) problems.delete(`${ref.kind} ${keyOf(ref)}`)
      else problems.set(`${ref.kind} ${keyOf(ref)}`, found)
    },
    count: (kind) => table(kind).size,
    service: (key) => table('Service').get(key) as Service | undefined,
    slice: (key) => table('EndpointSlice').get(key) as EndpointSlice | undefined,
    firstService() {
      const [first] = sorted('Service')
      if (first === undefined) throw new Error('no Service was put')
      return first as Service
    },
    tables: () => ({
      Service: sorted('Service'),
      EndpointSlice: sorted('EndpointSlice'),
      Node: sorted('Node'),
    }),
    allProblems: () =>
      [...problems.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, found]) => found),
  }
}

/** Lines as `warn: message {fields}`. */
export function recordingLog(): Log & { readonly lines: string[] } {
  const lines: string[] = []
  const line =
    (level: string) =>
    (fields: object, message: string): void => {
      const { error, ...rest } = fields as { error?: unknown }
      const why = error === undefined ? '' : ` ${reasonOf(error)}`
      lines.push(`${level}: ${message} ${JSON.stringify(rest)}${why}`)
    }
  const log = {
    lines,
    trace: () => undefined,
    debug: () => undefined,
    info: line('info'),
    warn: line('warn'),
    error: line('error'),
    child: () => log,
  }
  return log
}
