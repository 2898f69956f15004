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
  readonly #kept = new Map<string, { message: string; remedy: string }[]>()
  readonly #dropped = new Map<string, number>()

  constructor(ref: ObjectRef) {
    this.#ref = ref
  }

  add(reason: string, message: string, remedy: string): void {
    const kept = this.#kept.get(reason)
    if (kept === undefined) this.#kept.set(reason, [{ message, remedy }])
    else if (kept.length < keptPerReason) kept.push({ message, remedy })
    else this.#dropped.set(reason, (this.#dropped.get(reason) ?? 0) + 1)
  }

  /** In the order found, reasons together. */
  problems(): readonly Problem[] {
    const problems: Problem[] = []
    for (const [reason, kept] of this.#kept) {
      kept.forEach(({ message, remedy }, i) => {
        const more = i === keptPerReason - 1 ? (this.#dropped.get(reason) ?? 0) : 0
        const text = more > 0 ? `${message} (and ${more} more of this object)` : message
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
