/** Keys and values under way to a hash map: flat, growing, written in batches. */
import type { Rows } from './table.ts'

const firstRows = 64

export class RowBuffer {
  readonly keyBytes: number
  readonly valueBytes: number
  count = 0
  #keys: Uint8Array
  #values: Uint8Array
  #keyView: DataView
  #valueView: DataView

  constructor(keyBytes: number, valueBytes: number) {
    this.keyBytes = keyBytes
    this.valueBytes = valueBytes
    this.#keys = new Uint8Array(firstRows * keyBytes)
    this.#values = new Uint8Array(firstRows * valueBytes)
    this.#keyView = new DataView(this.#keys.buffer)
    this.#valueView = new DataView(this.#values.buffer)
  }

  /** Makes room for `n` more rows, the first of them `row`; the caller writes all of them. */
  push(n: number): { row: number; keys: DataView; values: DataView; keyBytes: Uint8Array } {
    const row = this.count
    this.count += n
    if (this.count * this.keyBytes > this.#keys.length) this.#grow()
    return { row, keys: this.#keyView, values: this.#valueView, keyBytes: this.#keys }
  }

  #grow(): void {
    const rows = Math.max(this.count, (2 * this.#keys.length) / this.keyBytes)
    const keys = new Uint8Array(rows * this.keyBytes)
    const values = new Uint8Array(rows * this.valueBytes)
    keys.set(this.#keys)
    values.set(this.#values)
    this.#keys = keys
    this.#values = values
    this.#keyView = new DataView(keys.buffer)
    this.#valueView = new DataView(values.buffer)
  }

  /** Rows [start, end), sharing memory with this buffer. */
  slice(start: number, end: number): { keys: Rows; values: Rows } {
    const count = end - start
    return {
      keys: { bytes: this.#keys.subarray(start * this.keyBytes, end * this.keyBytes), count },
      values: {
        bytes: this.#values.subarray(start * this.valueBytes, end * this.valueBytes),
        count,
      },
    }
  }
}

/** A view of a flat buffer's bytes, wherever it lies in its ArrayBuffer. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
