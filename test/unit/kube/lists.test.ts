import { afterEach, describe, expect, test } from 'vitest'
import { protobufType } from '../../../agent/kube/stream.ts'
import { eventually } from '../../support/eventually.ts'
import { bookmark, errorEvent, frame, list, serviceBytes } from '../../support/protobuf.ts'
import {
  added,
  beginStream,
  fast,
  isWatch,
  sendList,
  started,
  stopAll,
} from '../../support/reflected.ts'
import type { Reply } from '../../support/scripted.ts'

afterEach(stopAll)

describe('a list that lacks most objects (F07)', () => {
  const many = Array.from({ length: 20 }, (_, i) => `s${String(i).padStart(2, '0')}`)

  async function emptied(second: readonly string[], third: readonly string[], watchList: boolean) {
    return started(
      (reply, { lists, watches }) => {
        const names = [many, second, third]
        if (!isWatch(reply)) return sendList(reply, '5', names[watchList ? 2 : lists - 1] ?? third)
        if (reply.query.get('sendInitialEvents') === 'true') {
          const events = (names[watches - 1] ?? third).map((name) => added(name, '5'))
          beginStream(reply, ...events, frame(bookmark('Service', '5', true)))
          if (watches === 1) reply.write(frame(errorEvent(410, 'Expired')))
          return
        }
        if (watches === 1) beginStream(reply, frame(errorEvent(410, 'Expired')))
        else beginStream(reply)
      },
      { watchList },
    )
  }

  test.for([
    ['LIST', false],
    ['WatchList', true],
  ] as const)('by %s is not believed before another says the same', async ([, watchList]) => {
    const running = await emptied(['s00'], ['s00'], watchList)
    await eventually('they are gone', () => running.names().join() === 's00')
    const { calls } = running.sink
    expect(calls.filter((call) => call.startsWith('relisting'))).toHaveLength(3)
    expect(calls.filter((call) => call.startsWith('relisted'))).toHaveLength(2)
    expect(running.asked('list').at(-1)?.get('resourceVersion')).toBe(null)
  })

  test('that is contradicted by the next changes nothing', async () => {
    const running = await emptied([], many, false)
    await eventually('the third list is in', () => running.asked('watch').length === 2)
    expect(running.names()).toEqual(many)
    expect(running.reflector.status().trouble).toBe('')
  })
})

describe('WatchList', () => {
  const on = { watchList: true }

  test('needs one request: the end of the initial events makes the list whole', async () => {
    const running = await started((reply) => {
      beginStream(reply, added('a', '3'), frame(bookmark('Service', '7', true)), added('b', '8'))
    }, on)
    await eventually('both are there', () => running.names().join() === 'a,b')
    expect(running.server.requests).toHaveLength(1)
    expect(Object.fromEntries(running.asked('watch')[0] ?? [])).toMatchObject({
      sendInitialEvents: 'true',
      resourceVersionMatch: 'NotOlderThan',
      allowWatchBookmarks: 'true',
    })
    const { calls } = running.sink
    expect(calls).toEqual([
      'relisting Service',
      'put Service default/a',
      'relisted Service',
      'put Service default/b',
    ])
  })

  test('refused as invalid is never asked for again', async () => {
    const running = await started((reply, { lists, watches }) => {
      if (!isWatch(reply)) sendList(reply, '5', ['a'])
      else if (reply.query.has('sendInitialEvents')) {
        reply.send(422, 'application/json', '{"reason":"Invalid"}')
      } else if (watches === 2) beginStream(reply, frame(errorEvent(410, 'Expired')))
      else if (lists === 2) beginStream(reply)
    }, on)
    await eventually('it listed twice', () => running.asked('list').length === 2)
    const asked = running.asked('watch').filter((query) => query.has('sendInitialEvents'))
    expect(asked).toHaveLength(1)
    expect(running.log.lines.join()).toContain('no WatchList')
  })

  test.for([
    ['ends before its initial events do', (reply: Reply) => reply.end()],
    ['never comes to the end of them', () => undefined],
  ] as const)('that %s is replaced by a list', async ([, finish]) => {
    const running = await started(
      (reply) => {
        if (!isWatch(reply)) return sendList(reply, '5', ['a', 'b'])
        beginStream(reply, ...(reply.query.has('sendInitialEvents') ? [added('a', '3')] : []))
        if (reply.query.has('sendInitialEvents')) finish(reply)
      },
      { ...on, timing: { ...fast, listSilence_ms: 100 } },
    )
    await eventually('both are there', () => running.names().join() === 'a,b')
    expect(running.sink.calls.filter((call) => call.startsWith('relisted'))).toHaveLength(1)
  })
})

describe('pages', () => {
  test('are asked for by their token until there is none, and make one list', async () => {
    const running = await started(
      (reply, { lists }) => {
        if (isWatch(reply)) return beginStream(reply)
        const body = list('Service', '5', [serviceBytes(`s${lists}`, '5')], lists < 3 ? 'more' : '')
        reply.send(200, protobufType, body)
      },
      { pageLimit: 1 },
    )
    await eventually('it is synced', () => running.reflector.status().isSynced)
    expect(running.names()).toEqual(['s1', 's2', 's3'])
    expect(running.asked('list').map((query) => query.toString())).toEqual([
      'limit=1',
      'limit=1&continue=more',
      'limit=1&continue=more',
    ])
  })

  test('whose token has expired are listed anew from the first', async () => {
    const running = await started(
      (reply, { lists }) => {
        if (isWatch(reply)) return beginStream(reply)
        if (lists === 2) return reply.send(410, 'application/json', '{"reason":"Expired"}')
        const body = list('Service', '5', [serviceBytes('a', '5')], lists === 1 ? 'more' : '')
        reply.send(200, protobufType, body)
      },
      { pageLimit: 1 },
    )
    await eventually('it is synced', () => running.reflector.status().isSynced)
    expect(running.asked('list').map((query) => query.has('continue'))).toEqual([
      false,
      true,
      false,
    ])
  })
})
