/** The objects of all files as one view: of an object in two files, the first file by name wins. */
import { isEqual } from '../model/equal.ts'
import { keyOf } from '../model/key.ts'
import type { ModelObject, ObjectRef, Problem } from '../model/objects.ts'
import type { Kind, Sink } from '../model/source.ts'
import type { ManifestFile } from './directory.ts'

export const manifestKinds: readonly Kind[] = [
  'Namespace',
  'Node',
  'ConfigMap',
  'Service',
  'EndpointSlice',
]

interface Row {
  readonly ref: ObjectRef
  readonly object: ModelObject | undefined
  readonly problems: readonly Problem[]
}

/** By kind and key; files are rows with problems alone. */
export type View = ReadonlyMap<string, Row>

function add(view: Map<string, Row>, row: Row): void {
  const id = `${row.ref.kind} ${keyOf(row.ref)}`
  const first = view.get(id)
  if (first === undefined) {
    view.set(id, row)
    return
  }
  const twice: Problem = {
    ref: row.ref,
    reason: 'DuplicateObject',
    message: `stands twice: the one in ${first.ref.where} is served`,
    remedy: 'remove one of the two',
  }
  const isFile = row.ref.kind === 'File'
  const problems = [...first.problems, ...(isFile ? row.problems : [twice])]
  view.set(id, { ...first, problems })
}

/** @param files sorted by name. */
export function mergeFiles(files: readonly ManifestFile[]): View {
  const view = new Map<string, Row>()
  for (const file of files) {
    for (const problem of file.problems) {
      add(view, { ref: problem.ref, object: undefined, problems: [problem] })
    }
    for (const { ref, object, problems } of file.objects) add(view, { ref, object, problems })
  }
  return view
}

function putRow(sink: Sink, row: Row): void {
  if (row.object !== undefined) sink.put(row.object)
  sink.problems(row.ref, row.problems)
}

function removeObject(sink: Sink, row: Row | undefined): void {
  const ref = row?.object?.ref
  if (ref !== undefined && ref.kind !== 'File') sink.remove(ref.kind, keyOf(ref))
}

/** The first telling: a complete list of each kind. */
export function tellAll(sink: Sink, view: View): void {
  for (const kind of manifestKinds) {
    sink.relisting(kind)
    for (const row of view.values()) if (row.ref.kind === kind) putRow(sink, row)
    sink.relisted(kind)
  }
  for (const row of view.values()) if (row.ref.kind === 'File') putRow(sink, row)
}

/** A later one: only what differs. */
export function tellChanges(sink: Sink, before: View, now: View): void {
  for (const [id, row] of now) {
    const last = before.get(id)
    const isSame =
      last !== undefined &&
      last.ref.where === row.ref.where &&
      isEqual(last.object, row.object) &&
      isEqual(last.problems, row.problems)
    if (isSame) continue
    if (row.object === undefined) removeObject(sink, last)
    putRow(sink, row)
  }
  for (const [id, row] of before) {
    if (now.has(id)) continue
    removeObject(sink, row)
    sink.problems(row.ref, [])
  }
}
