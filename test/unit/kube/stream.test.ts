import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readWatchEvent } from '../../../agent/kube/envelope.ts'
import { LengthFrames, LineFrames } from '../../../agent/kube/frames.ts'
import { JsonList } from '../../../agent/kube/json.ts'
import type { RawObject } from '../../../agent/kube/raw.ts'
import { ProtobufList, watchDecoder } from '../../../agent/kube/stream.ts'
import { DecodeError } from '../../../agent/kube/wire.ts'
import type { ListMeta } from '../../../agent/kube/wire.ts'
import {
  bookmark,
  encode,
  errorEvent,
  frame,
  list,
  serviceBytes,
  unknown,
  watchEvent,
} from '../../support/protobuf.ts'

const service = serviceBytes('web', '7')
const added = watchEvent('ADDED', 'Service', service)
const whole = list(
  'Service',
  '42',
  ['a', 'b', 'c'].map((name, i) => serviceBytes(name, String(i), 80 + i)),
  'next-page',
)

/** Decodes `bytes` cut into chunks of these lengths, the rest as one. */
function decodeList(
  bytes: Buffer,
  lengths: readonly number[],
): { names: string[]; meta: ListMeta } {
  const decoder = new ProtobufList('Service')
  const names: string[] = []
  const each = (object: RawObject): void => void names.push(object.metadata?.name ?? '')
  let at = 0
  for (const length of [...lengths, bytes.length]) {
    decoder.push(bytes.subarray(at, at + length), each)
    at = Math.min(at + length, bytes.length)
  }
  return { names, meta: decoder.end() }
}

describe('a protobuf list', () => {
  test('gives its items and its version', () => {
    expect(decodeList(whole, [])).toEqual({
      names: ['a', 'b', 'c'],
      meta: { resourceVersion: '42', next: 'next-page' },
    })
  })

  test('is the same however the bytes are cut into chunks', () => {
    const usual = decodeList(whole, [])
    expect(decodeList(whole, new Array<number>(whole.length).fill(1))).toEqual(usual)
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 200 })), (lengths) => {
        expect(decodeList(whole, lengths)).toEqual(usual)
      }),
    )
  })

  test('cut at any byte is a DecodeError, never a shorter list', () => {
    // The last four bytes are empty texts of the envelope: without them the list is whole.
    for (let length = 0; length < whole.length - 4; length++) {
      expect(() => decodeList(whole.subarray(0, length), []), `cut at ${length}`).toThrow(
        DecodeError,
      )
    }
  })

  test('without items is an empty list', () => {
    expect(decodeList(list('Service', '1', []), []).names).toEqual([])
  })

  test.for([
    ['of another kind', list('Pod', '1', []), /is a PodList/],
    ['of HTML', Buffer.from('<html><body>login</body></html>'), /begins with 3c68746d/],
    [
      'whose item claims more bytes than the list has',
      unknown('ServiceList', Buffer.from([0x12, 0x7f, 0x0a])),
      /beyond its end/,
    ],
    [
      'whose item is larger than any object',
      Buffer.concat([Buffer.from('k8s\0'), Buffer.from([0x12, 0xff, 0xff, 0xff, 0xff, 0x0f])]),
      /in the middle of it|item of/,
    ],
  ] as const)('%s is refused', ([, bytes, why]) => {
    expect(() => decodeList(bytes, [])).toThrow(why)
  })
})

describe('a protobuf watch event', () => {
  test('carries the object and its version, without managedFields', () => {
    expect(readWatchEvent('Service', added)).toEqual({
      type: 'put',
      version: '7',
      object: {
        kind: 'Service',
        metadata: { name: 'web', namespace: 'default', uid: 'uid-web', resourceVersion: '7' },
        spec: {
          ports: [{ name: 'http', protocol: 'TCP', port: 80, nodePort: 0 }],
          clusterIP: '10.96.0.10',
          clusterIPs: ['10.96.0.10'],
          type: 'ClusterIP',
        },
        status: { loadBalancer: { ingress: [] } },
      },
    })
  })

  test('of the end of the initial events is told from a plain bookmark', () => {
    const plain = { type: 'bookmark', version: '9', isInitialEnd: false }
    expect(readWatchEvent('Service', bookmark('Service', '9'))).toEqual(plain)
    const end = readWatchEvent('Service', bookmark('Service', '9', true))
    expect(end).toEqual({ ...plain, isInitialEnd: true })
  })

  test('of type ERROR carries code, reason and the wait asked for', () => {
    expect(readWatchEvent('Service', errorEvent(429, 'TooManyRequests', 7))).toEqual({
      type: 'error',
      status: { code: 429, reason: 'TooManyRequests', message: 'scripted', retryAfter_s: 7 },
    })
  })

  test('of an unknown type is named, not guessed', () => {
    const event = readWatchEvent('Service', watchEvent('REPLACED', 'Service', service))
    expect(event).toEqual({ type: 'unknown', name: 'REPLACED' })
  })

  test('cut at any byte is a DecodeError', () => {
    for (let length = 0; length < added.length; length++) {
      const read = (): unknown => readWatchEvent('Service', added.subarray(0, length))
      expect(read, `cut at ${length}`).toThrow(DecodeError)
    }
  })

  test('of another kind is refused', () => {
    const pod = watchEvent('ADDED', 'Pod', service)
    expect(() => readWatchEvent('Service', pod)).toThrow(/holds a Pod/)
  })

  test('with any bytes changed is read or a DecodeError, never another throw', () => {
    const change = fc.tuple(fc.nat(added.length - 1), fc.integer({ min: 0, max: 255 }))
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 8 }), (changes) => {
        const bytes = Buffer.from(added)
        for (const [at, value] of changes) bytes[at] = value
        try {
          readWatchEvent('Service', bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError)
        }
      }),
      { numRuns: 3000 },
    )
  })

  test('of an unset condition leaves it absent, of a false one false', () => {
    const slice = encode([
      [
        1,
        [
          [1, 's'],
          [6, '1'],
        ],
      ],
      [
        2,
        [
          [1, '10.0.0.1'],
          [2, []],
        ],
      ],
      [
        2,
        [
          [1, '10.0.0.2'],
          [
            2,
            [
              [1, 0],
              [2, 1],
            ],
          ],
        ],
      ],
      [
        3,
        [
          [2, 'TCP'],
          [3, 80],
        ],
      ],
      [4, 'IPv4'],
    ])
    const event = readWatchEvent('EndpointSlice', watchEvent('ADDED', 'EndpointSlice', slice))
    expect(event).toMatchObject({
      object: {
        endpoints: [
          { addresses: ['10.0.0.1'], conditions: {} },
          { addresses: ['10.0.0.2'], conditions: { ready: false, serving: true } },
        ],
        ports: [{ protocol: 'TCP', port: 80 }],
      },
    })
  })
})

describe('frames', () => {
  test('come out whole, however the stream is cut', () => {
    const stream = Buffer.concat([frame(added), frame(Buffer.alloc(0)), frame(service)])
    for (const step of [1, 3, 4, 5, 64, stream.length]) {
      const frames: Buffer[] = []
      const decoder = new LengthFrames()
      for (let at = 0; at < stream.length; at += step) {
        decoder.push(stream.subarray(at, at + step), (bytes) => void frames.push(bytes))
      }
      decoder.end()
      expect(frames).toEqual([added, Buffer.alloc(0), service])
    }
  })

  test('of gigabytes are refused at once', () => {
    const decoder = new LengthFrames()
    const push = (): void => decoder.push(Buffer.from('<htm'), () => undefined)
    expect(push).toThrow(/a frame of 1013478509 bytes/)
  })

  test('of JSON are lines; what has no end of line is half a frame', () => {
    const lines: string[] = []
    const decoder = new LineFrames()
    for (const chunk of ['{"a"', ':1}\n\n{"b":"ü', '"}\n{']) {
      decoder.push(Buffer.from(chunk), (line) => void lines.push(line))
    }
    expect(lines).toEqual(['{"a":1}', '{"b":"ü"}'])
    expect(() => decoder.end()).toThrow(DecodeError)
  })
})

describe('JSON', () => {
  test('of an empty list may have null for its items', () => {
    const decoder = new JsonList('Service')
    decoder.push(
      Buffer.from('{"kind":"ServiceList","metadata":{"resourceVersion":"3"},"items":null}'),
    )
    expect(decoder.end(() => undefined)).toEqual({ resourceVersion: '3', next: '' })
  })

  test.for(['{"kind":"ServiceList","items":[', '<html>', '[]', '{"kind":"PodList","items":[]}'])(
    'that is %s is a DecodeError',
    (text) => {
      const decoder = new JsonList('Service')
      decoder.push(Buffer.from(text))
      expect(() => decoder.end(() => undefined)).toThrow(DecodeError)
    },
  )

  test.for([
    '{"type":"ADDED"}\n',
    '{"type":"ADDED","object":{"kind":"Pod"}}\n',
    '{"type":"ADDED","object":{"kind":"Servi\n',
    '{"type":"ADDED","object":5}\n',
  ])('watch line %s is a DecodeError', (line) => {
    const decoder = watchDecoder('Service', 'application/json;stream=watch')
    expect(() => decoder?.push(Buffer.from(line), () => undefined)).toThrow(DecodeError)
  })
})
