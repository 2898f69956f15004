/** How objects are named in tables, in messages and in lists. */
import type { ObjectKey, ObjectRef, Problem } from './objects.ts'

/** `namespace/name`; the name alone of what has no namespace. */
export function keyOf(ref: Pick<ObjectRef, 'namespace' | 'name'>): ObjectKey {
  return ref.namespace === '' ? ref.name : `${ref.namespace}/${ref.name}`
}

/** `Service default/web`, or `Service default/web (web.yaml:3)`. */
export function formatRef(ref: ObjectRef): string {
  if (ref.kind === 'File') return ref.where === '' ? 'an object' : ref.where
  const key = keyOf(ref)
  const text = key === '' ? ref.kind : `${ref.kind} ${key}`
  return ref.where === '' ? text : `${text} (${ref.where})`
}

/** One line: object, what is wrong, what to do. */
export function formatProblem(problem: Problem): string {
  return `${formatRef(problem.ref)}: ${problem.message}; ${problem.remedy}`
}

/** Order of code units: the same on every node, whatever the locale. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
