/**
 * Reading untrusted JSON without throwing: each reader gives a value of the wanted type and notes
 * what was wrong. One broken object must never stop a list of ten thousand.
 */
import type { ObjectRef, Problem } from '../model/objects.ts'

/** Problems of one kind kept of one object; the rest is counted. */
const keptPerReason = 3

export type Fields = Readonly<Record<string, unknown>>

const noFields: Fields = Object.freeze({})
const noItems: readonly unknown[] = Object.freeze([])
const noProblems: readonly Problem[] = Object.freeze([])

interface Found {
  readonly kept: { readonly message: string; readonly remedy: string }[]
  dropped_n: number
}

/** `value` as a message may show it: quoted, on one line, at most some 60 characters. */
export function show(value: unknown): string {
  let text: string
  if (typeof value === 'string') {
    text = JSON.stringify(value.slice(0, 60)).slice(0, -1) + (value.length > 60 ? '…"' : '"')
  } else if (typeof value === 'object' && value !== null) {
    text = Array.isArray(value) ? 'a list' : 'an object'
  } else {
    text = String(value)
  }
  return text
}

/** Collects the problems of one object. */
export class Findings {
  readonly #ref: ObjectRef
  /** By reason. Made at the first problem: nearly every object has none. */
  #found: Map<string, Found> | undefined

  constructor(ref: ObjectRef) {
    this.#ref = ref
  }

  add(reason: string, message: string, remedy: string): void {
    this.#found ??= new Map()
    const found = this.#found.get(reason) ?? { kept: [], dropped_n: 0 }
    this.#found.set(reason, found)
    if (found.kept.length < keptPerReason) found.kept.push({ message, remedy })
    else found.dropped_n++
  }

  /** In the order found, reasons together. */
  problems(): readonly Problem[] {
    if (this.#found === undefined) return noProblems
    const problems: Problem[] = []
    for (const [reason, { kept, dropped_n }] of this.#found) {
      kept.forEach(({ message, remedy }, i) => {
        const isFolded = dropped_n > 0 && i === keptPerReason - 1
        const text = isFolded ? `${message} (and ${dropped_n} more of this object)` : message
        problems.push({ ref: this.#ref, reason, message: text, remedy })
      })
    }
    return problems
  }

  /** The members of an object; none if absent. */
  fields(value: unknown, field: string): Fields {
    if (value === undefined || value === null) return noFields
    if (typeof value === 'object' && !Array.isArray(value)) return value as Fields
    this.#wrongShape(field, value, 'an object')
    return noFields
  }

  /** The items of a list; none if absent. */
  items(value: unknown, field: string): readonly unknown[] {
    if (value === undefined || value === null) return noItems
    if (Array.isArray(value)) return value as unknown[]
    this.#wrongShape(field, value, 'a list')
    return noItems
  }

  /** '' if absent. */
  text(value: unknown, field: string): string {
    if (typeof value === 'string') return value
    if (value !== undefined && value !== null) this.#wrongShape(field, value, 'text')
    return ''
  }

  #wrongShape(field: string, value: unknown, wanted: string): void {
    this.add('BadShape', `${field} is ${show(value)}, not ${wanted}`, `write ${field} as ${wanted}`)
  }
}
