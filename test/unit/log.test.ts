import { describe, expect, test } from 'vitest'
import { createLog, withoutSecrets } from '../../agent/log.ts'
import { manualClock } from '../support/clock.ts'

function logger(verbosity = 0, format: 'json' | 'text' = 'json') {
  const lines: string[] = []
  const clock = manualClock()
  const { log, flush } = createLog({
    verbosity,
    format,
    clock,
    write: (line) => void lines.push(line),
  })
  const parsed = () => lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  return { log, flush, clock, lines, parsed }
}

describe('a line', () => {
  test('is one JSON object with level, time, fields and message', () => {
    const { log, lines } = logger()
    log.child({ room: 'sync' }).warn({ service: 'shop/web' }, 'cannot write')
    expect(lines).toEqual([
      '{"level":"warn","time":"2026-01-01T00:00:00.000Z","room":"sync","service":"shop/web","msg":"cannot write"}\n',
    ])
  })

  test('of lower level needs -v', () => {
    for (const [verbosity, count] of [
      [0, 1],
      [1, 2],
      [2, 3],
      [9, 3],
    ] as const) {
      const { log, lines } = logger(verbosity)
      log.trace({}, 'a')
      log.debug({}, 'b')
      log.info({}, 'c')
      expect(lines, `-v ${verbosity}`).toHaveLength(count)
    }
  })

  test('of an error carries its message and code', () => {
    const { log, parsed } = logger()
    log.error({ error: Object.assign(new Error('boom'), { code: 'E2BIG' }) }, 'failed')
    expect(parsed()[0]).toMatchObject({ error: { message: 'boom', code: 'E2BIG' } })
  })

  test('as text has time, level, message, then the fields', () => {
    const { log, lines } = logger(0, 'text')
    log.info({ port: 80 }, 'listens')
    expect(lines).toEqual(['2026-01-01T00:00:00.000Z INFO  listens port=80\n'])
  })
})

describe('repeats', () => {
  test('within a minute are counted and told once, when the minute is over', () => {
    const { log, clock, parsed } = logger()
    for (let i = 0; i < 5; i++) {
      log.warn({ port: 10256 }, 'taken')
      clock.advance(5000)
    }
    expect(parsed()).toHaveLength(1)
    clock.advance(60_000)
    expect(parsed()).toEqual([
      { level: 'warn', time: '2026-01-01T00:00:00.000Z', port: 10256, msg: 'taken' },
      { level: 'warn', time: '2026-01-01T00:01:00.000Z', port: 10256, msg: 'taken', repeats: 4 },
    ])
  })

  test('that do not come cost no second line and no timer', () => {
    const { log, clock, lines } = logger()
    log.info({}, 'once')
    clock.advance(120_000)
    expect(lines).toHaveLength(1)
    expect(clock.pending()).toBe(0)
  })

  test('after a minute are news again', () => {
    const { log, clock, parsed } = logger()
    log.info({}, 'a')
    clock.advance(61_000)
    log.info({}, 'a')
    expect(parsed().map((line) => line['repeats'])).toEqual([undefined, undefined])
  })

  test('with other fields, level or logger are other lines', () => {
    const { log, lines } = logger()
    log.info({ port: 1 }, 'a')
    log.info({ port: 2 }, 'a')
    log.warn({ port: 1 }, 'a')
    log.child({ room: 'x' }).info({ port: 1 }, 'a')
    expect(lines).toHaveLength(4)
  })

  test('that wait are told at the end', () => {
    const { log, flush, clock, parsed } = logger()
    log.info({}, 'a')
    log.info({}, 'a')
    flush()
    flush()
    expect(parsed().map((line) => line['repeats'])).toEqual([undefined, 1])
    expect(clock.pending()).toBe(0)
  })

  test('of endlessly different lines do not fill the memory', () => {
    const { log, clock, lines } = logger()
    for (let i = 0; i < 5000; i++) log.info({ i }, 'a')
    expect(lines).toHaveLength(5000)
    expect(clock.pending()).toBeLessThanOrEqual(1000)
  })
})

describe('secrets', () => {
  const token = `eyJhbGciOiJSUzI1NiIs.${'eyJpc3MiOiJrdWJl'.repeat(2)}.c2lnbmF0dXJlLXZhbHVl`

  test.each([
    ['a bearer token', { headers: `Authorization: Bearer ${token}` }],
    ['a service account token', { text: `read ${token} from file` }],
    ['an opaque bearer token', { header: 'bearer 0123456789abcdef.secret-part' }],
    ['basic credentials', { header: 'Basic YWRtaW46aHVudGVyMg==' }],
    ['a password in a URL', { url: 'https://admin:hunter2@10.0.0.1:6443/' }],
    [
      'a private key',
      { pem: '-----BEGIN EC PRIVATE KEY-----\nc2VjcmV0\n-----END EC PRIVATE KEY-----\n' },
    ],
  ])('%s never reaches a line', (_what, fields) => {
    const { log, lines } = logger()
    log.error({ ...fields, error: new Error(JSON.stringify(fields)) }, 'failed')
    const [line = ''] = lines
    expect(line).not.toMatch(/eyJ|0123456789abcdef|YWRtaW4|hunter2|c2VjcmV0/)
    expect(() => JSON.parse(line) as unknown).not.toThrow()
  })

  test('what is none stays as it is', () => {
    const line = '{"url":"https://10.0.0.1:6443/api","msg":"bearer gone","key":"10.96.0.1:443"}'
    expect(withoutSecrets(line)).toBe(line)
  })
})
