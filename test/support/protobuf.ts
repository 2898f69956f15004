/** Writes what an API server writes in protobuf: objects, watch frames, lists. */
import protobuf from 'protobufjs/minimal.js'

/** A field: number, and text, a number, a message or a list of fields. */
export type Field = readonly [number, string | number | Buffer | readonly Field[]]

/** Fields in the order given. */
export function encode(fields: readonly Field[]): Buffer {
  const writer = protobuf.Writer.create()
  for (const [number, value] of fields) {
    if (typeof value === 'number') writer.uint32(number * 8).int32(value)
    else if (typeof value === 'string') writer.uint32(number * 8 + 2).string(value)
    else writer.uint32(number * 8 + 2).bytes(Buffer.isBuffer(value) ? value : encode(value))
  }
  return Buffer.from(writer.finish())
}

/** `k8s\0` + runtime.Unknown. */
export function unknown(kind: string, raw: Buffer): Buffer {
  const type: Field = [1, [[1, 'v1'] as const, [2, kind] as const]]
  return Buffer.concat([Buffer.from('k8s\0'), encode([type, [2, raw], [3, ''], [4, '']])])
}

/** A frame with its length. */
export function frame(bytes: Buffer): Buffer {
  const head = Buffer.alloc(4)
  head.writeUInt32BE(bytes.length)
  return Buffer.concat([head, bytes])
}

/** A WatchEvent, without the length before it. */
export function watchEvent(type: string, kind: string, raw: Buffer): Buffer {
  return encode([
    [1, type],
    [2, [[1, unknown(kind, raw)]]],
  ])
}

export function list(kind: string, version: string, items: readonly Buffer[], next = ''): Buffer {
  const meta: readonly Field[] = [
    [2, version],
    [3, next],
  ]
  return unknown(`${kind}List`, encode([[1, meta], ...items.map((item) => [2, item] as const)]))
}

/** A ClusterIP Service. */
export function serviceBytes(name: string, version: string, port = 80): Buffer {
  return encode([
    [
      1,
      [
        [1, name],
        [3, 'default'],
        [5, `uid-${name}`],
        [6, version],
        [
          17,
          [
            [1, 'managed'],
            [7, [[1, 'x'.repeat(50)]]],
          ],
        ],
      ],
    ],
    [
      2,
      [
        [
          1,
          [
            [1, 'http'],
            [2, 'TCP'],
            [3, port],
            [5, 0],
          ],
        ],
        [3, '10.96.0.10'],
        [4, 'ClusterIP'],
        [18, '10.96.0.10'],
      ],
    ],
    [3, [[1, []]]],
  ])
}

/** A bookmark; with `isInitialEnd` the one that ends a WatchList's first part. */
export function bookmark(kind: string, version: string, isInitialEnd = false): Buffer {
  const annotation: Field = [12, [[1, 'k8s.io/initial-events-end'] as const, [2, 'true'] as const]]
  const meta: readonly Field[] = [[6, version], ...(isInitialEnd ? [annotation] : [])]
  return watchEvent('BOOKMARK', kind, encode([[1, meta]]))
}

/** An ERROR event with a Status. */
export function errorEvent(code: number, reason: string, retryAfter_s = 0): Buffer {
  const details: Field = [5, [[5, retryAfter_s] as const]]
  const status = encode([[2, 'Failure'], [3, 'scripted'], [4, reason], details, [6, code]])
  return watchEvent('ERROR', 'Status', status)
}
