/** Cutting streams of bytes into frames, lines and nested fields, whatever the chunks are. */
import { DecodeError, maxObjectBytes } from './wire.ts'

const noBytes = Buffer.alloc(0)

/** Bytes come in as chunks and go out in the lengths wanted; copied only where chunks meet. */
export class ByteQueue {
  #chunks: Buffer[] = []
  /** Where the first chunk goes on. */
  #at = 0
  #length = 0

  get length(): number {
    return this.#length
  }

  push(chunk: Buffer): void {
    if (chunk.length === 0) return
    this.#chunks.push(chunk)
    this.#length += chunk.length
  }

  /** The byte `offset` bytes on, undefined if it hasn't come yet. */
  peek(offset: number): number | undefined {
    let at = this.#at + offset
    for (const chunk of this.#chunks) {
      if (at < chunk.length) return chunk[at]
      at -= chunk.length
    }
    return undefined
  }

  /** The next `count` bytes, undefined if they haven't all come yet. May share memory with a chunk. */
  take(count: number): Buffer | undefined {
    if (count > this.#length) return undefined
    if (count === 0) return noBytes
    const first = this.#chunks[0] as Buffer
    if (count <= first.length - this.#at) {
      const taken = first.subarray(this.#at, this.#at + count)
      this.skip(count)
      return taken
    }
    const taken = Buffer.allocUnsafe(count)
    for (let done = 0; done < count;) {
      const chunk = this.#chunks[0] as Buffer
      const copied = chunk.copy(taken, done, this.#at)
      this.skip(copied)
      done += copied
    }
    return taken
  }

  /** Drops at most `count` bytes and says how many it were. */
  skip(count: number): number {
    let left = Math.min(count, this.#length)
    const skipped = left
    this.#length -= left
    let whole = 0
    while (left > 0) {
      const rest = (this.#chunks[whole] as Buffer).length - this.#at
      if (left < rest) {
        this.#at += left
        break
      }
      left -= rest
      this.#at = 0
      whole++
    }
    if (whole > 0) this.#chunks.splice(0, whole)
    return skipped
  }

  /** A protobuf varint of at most 32 bits, undefined if it hasn't all come yet. */
  takeVarint(): number | undefined {
    let value = 0
    for (let i = 0; i < 5; i++) {
      const byte = this.peek(i)
      if (byte === undefined) return undefined
      value += (byte & 0x7f) * 2 ** (7 * i)
      if (byte >= 0x80) continue
      this.skip(i + 1)
      if (value > 0xffff_ffff) break
      return value
    }
    throw new DecodeError('a field number or length of more than 32 bits')
  }
}

/** Frames of a protobuf watch: 4 bytes of length, big-endian, then that many bytes. */
export class LengthFrames {
  readonly #queue = new ByteQueue()
  #wanted = -1

  push(chunk: Buffer, each: (frame: Buffer) => void): void {
    this.#queue.push(chunk)
    for (;;) {
      if (this.#wanted < 0) {
        const head = this.#queue.take(4)
        if (head === undefined) return
        this.#wanted = head.readUInt32BE(0)
        if (this.#wanted > maxObjectBytes) {
          throw new DecodeError(`a frame of ${this.#wanted} bytes, the limit is ${maxObjectBytes}`)
        }
      }
      const frame = this.#queue.take(this.#wanted)
      if (frame === undefined) return
      this.#wanted = -1
      each(frame)
    }
  }

  end(): void {
    if (this.#wanted < 0 && this.#queue.length === 0) return
    throw new DecodeError('the stream ended in the middle of a frame')
  }
}

/** Frames of a JSON watch: one line each. Empty lines are no frames. */
export class LineFrames {
  readonly #queue = new ByteQueue()

  push(chunk: Buffer, each: (line: string) => void): void {
    for (let from = 0; from < chunk.length;) {
      const end = chunk.indexOf(0x0a, from)
      const stop = end < 0 ? chunk.length : end
      this.#queue.push(chunk.subarray(from, stop))
      if (this.#queue.length > maxObjectBytes) {
        throw new DecodeError(`a line of more than ${maxObjectBytes} bytes`)
      }
      if (end < 0) return
      const line = (this.#queue.take(this.#queue.length) ?? noBytes).toString('utf8')
      if (line.trim() !== '') each(line)
      from = end + 1
    }
  }

  end(): void {
    if (this.#queue.length === 0) return
    throw new DecodeError('the stream ended in the middle of a line')
  }
}
