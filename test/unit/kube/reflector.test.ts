import { afterEach, describe, expect, test } from 'vitest'
import { protobufType } from '../../../agent/kube/stream.ts'
import { eventually } from '../../support/eventually.ts'
import {
  bookmark,
  errorEvent,
  frame,
  list,
  serviceBytes,
  unknown,
  watchEvent,
} from '../../support/protobuf.ts'
import {
  added,
  beginStream,
  fast,
  isWatch,
  sendList,
  started,
  stopAll,
} from '../../support/reflected.ts'
import type { Script } from '../../support/reflected.ts'
import type { Reply } from '../../support/scripted.ts'

afterEach(stopAll)

describe('a reflector', () => {
  test('lists from the cache, then watches from the version of the list, with bookmarks', async () => {
    const running = await started((reply) => {
      if (isWatch(reply)) beginStream(reply, added('b', '6'))
      else sendList(reply, '5', ['a'])
    })
    await eventually('both are there', () => running.names().join() === 'a,b')
    expect(running.asked('list').map((query) => query.get('resourceVersion'))).toEqual(['0'])
    const [watch] = running.asked('watch')
    expect(Object.fromEntries(watch ?? [])).toEqual({
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: '5',
      timeoutSeconds: '300',
    })
  })

  test('ends at once when told to', async () => {
    const running = await started((reply) => {
      if (isWatch(reply)) beginStream(reply)
      else sendList(reply, '5', ['a'])
    })
    await eventually('it watches', () => running.asked('watch').length === 1)
    await running.stop()
    expect(running.log.lines).toEqual([])
  })

  test('goes on from the last version heard of, also one of a bookmark, without a list', async () => {
    const running = await started((reply, { watches }) => {
      if (!isWatch(reply)) return sendList(reply, '5', ['a'])
      beginStream(reply, added('b', '6'), frame(bookmark('Service', '9')))
      if (watches === 1) reply.end()
    })
    await eventually('it watches again', () => running.asked('watch').length === 2)
    expect(running.asked('watch')[1]?.get('resourceVersion')).toBe('9')
    expect(running.asked('list')).toHaveLength(1)
  })

  test('takes a Service away that was deleted', async () => {
    const gone = frame(watchEvent('DELETED', 'Service', serviceBytes('a', '6')))
    const running = await started((reply) => {
      if (isWatch(reply)) beginStream(reply, gone)
      else sendList(reply, '5', ['a', 'b'])
    })
    await eventually('it is gone', () => running.names().join() === 'b')
  })
})

describe('a version that is too old', () => {
  test.for([
    ['by an ERROR event', (reply: Reply) => beginStream(reply, frame(errorEvent(410, 'Expired')))],
    [
      'by status 410',
      (reply: Reply) => reply.send(410, 'application/json', '{"reason":"Expired"}'),
    ],
  ] as const)(
    '%s leads to a consistent list, and what is gone goes with it',
    async ([, refuse]) => {
      const running = await started((reply, { lists, watches }) => {
        if (!isWatch(reply))
          sendList(reply, lists === 1 ? '5' : '50', lists === 1 ? ['a', 'b'] : ['b'])
        else if (watches === 1) refuse(reply)
        else beginStream(reply)
      })
      await eventually('a is gone', () => running.names().join() === 'b')
      // Without a version: the one it had is what the server refused.
      expect(running.asked('list').map((query) => query.get('resourceVersion'))).toEqual([
        '0',
        null,
      ])
      await eventually('it watches again', () => running.asked('watch').length === 2)
      expect(running.asked('watch')[1]?.get('resourceVersion')).toBe('50')
      expect(running.reflector.counters).toMatchObject({ lists: 2, relists: 1 })
    },
  )

  test('by a server that just closes leads to a list after three tries (F05)', async () => {
    const running = await started((reply, { lists }) => {
      if (!isWatch(reply)) sendList(reply, lists === 1 ? '5' : '50', ['a'])
      else if (reply.query.get('resourceVersion') === '50') beginStream(reply)
      else {
        beginStream(reply)
        reply.end()
      }
    })
    await eventually('it listed again', () => running.asked('list').length === 2)
    expect(running.asked('watch').length).toBeGreaterThanOrEqual(3)
    expect(running.sink.calls.filter((call) => call.startsWith('remove'))).toEqual([])
  })
})

test('a version from the future, after a restored backup, leads to a consistent list', async () => {
  const running = await started((reply, { lists, watches }) => {
    if (!isWatch(reply)) {
      if (lists === 2) {
        const message = 'Too large resource version: 500, current: 40'
        const body = JSON.stringify({ reason: 'Timeout', message })
        reply.send(504, 'application/json', body)
      } else sendList(reply, lists === 1 ? '500' : '40', ['a'])
    } else if (watches === 1) beginStream(reply, frame(watchEvent('?', 'Service', Buffer.alloc(0))))
    else beginStream(reply)
  })
  await eventually('it watches again', () => running.asked('watch').length === 2)
  const versions = running.asked('list').map((query) => query.get('resourceVersion'))
  expect(versions).toEqual(['0', '500', null])
})

test('over HTTP/1.1 lists and watches just so', async () => {
  const script: Script = (reply, { watches }) => {
    if (!isWatch(reply)) sendList(reply, '5', ['a'])
    else if (watches === 1) beginStream(reply)
    else beginStream(reply, added('b', '6'))
  }
  const options = { timing: { ...fast, staleAfter_ms: 100 } }
  const running = await started(script, options, 'http/1.1')
  await eventually('both are there', () => running.names().join() === 'a,b')
  expect(running.asked('list')).toHaveLength(1)
  await running.stop()
  await eventually('no connection is left', () => running.server.sockets() === 0)
})

describe('bytes that are none of Kubernetes', () => {
  const broken = watchEvent('ADDED', 'Service', serviceBytes('b', '6')).subarray(0, 40)

  test('drop the stream and keep what was known; the watch goes on where it was', async () => {
    const running = await started((reply, { watches }) => {
      if (!isWatch(reply)) sendList(reply, '5', ['a'])
      else if (watches === 1) beginStream(reply, frame(broken))
      else beginStream(reply, added('b', '6'))
    })
    await eventually('both are there', () => running.names().join() === 'a,b')
    expect(running.asked('list')).toHaveLength(1)
    expect(running.asked('watch')[1]?.get('resourceVersion')).toBe('5')
    expect(running.reflector.counters.decodeErrors).toBe(1)
    expect(running.log.lines.join()).toMatch(/the stream is dropped, what was known is kept/)
  })

  test('three times running lead to JSON', async () => {
    const json = {
      type: 'ADDED',
      object: {
        kind: 'Service',
        metadata: { name: 'b', namespace: 'default' },
        spec: { clusterIP: '10.96.0.11', ports: [{ port: 80 }] },
      },
    }
    const running = await started((reply) => {
      if (!isWatch(reply)) return sendList(reply, '5', ['a'])
      if (reply.accept.includes('protobuf')) return beginStream(reply, frame(broken))
      reply.begin('application/json;stream=watch')
      reply.write(`${JSON.stringify(json)}\n`)
    })
    await eventually('both are there', () => running.names().join() === 'a,b')
    expect(running.reflector.counters.decodeErrors).toBe(3)
    expect(running.log.lines.join()).toContain('JSON from now on')
  })

  test('in the middle of a list don’t end it: nothing is pruned before a whole one', async () => {
    const running = await started((reply, { lists, watches }) => {
      if (isWatch(reply)) {
        if (watches === 1) beginStream(reply, frame(errorEvent(410, 'Expired')))
        else beginStream(reply)
        return
      }
      const body = list('Service', '5', [serviceBytes('a', '5'), serviceBytes('b', '5')])
      reply.send(200, protobufType, lists === 2 ? body.subarray(0, body.length - 60) : body)
    })
    await eventually('it watches again', () => running.asked('watch').length === 2)
    expect(running.asked('list')).toHaveLength(3)
    expect(running.sink.calls.filter((call) => call.startsWith('relisted'))).toHaveLength(2)
    expect(running.names()).toEqual(['a', 'b'])
  })

  test('an event of a type unknown leads to a list', async () => {
    const odd = frame(watchEvent('REPLACED', 'Service', serviceBytes('b', '6')))
    const running = await started((reply, { lists, watches }) => {
      if (!isWatch(reply)) sendList(reply, '5', lists === 1 ? ['a'] : ['a', 'b'])
      else if (watches === 1) beginStream(reply, odd)
      else beginStream(reply)
    })
    await eventually('the list brought b', () => running.names().join() === 'a,b')
  })

  test('HTML shows in the status until an API server answers', async () => {
    let isLogin = true
    const running = await started((reply) => {
      if (isLogin) reply.send(200, 'text/html', '<html>log in</html>')
      else if (isWatch(reply)) beginStream(reply)
      else sendList(reply, '5', ['a'])
    })
    const { reflector } = running
    await eventually('it shows', () => reflector.status().trouble.includes('is no Kubernetes API'))
    expect(reflector.status().isSynced).toBe(false)
    isLogin = false
    await eventually('it is synced', () => reflector.status().isSynced)
    expect(reflector.status().trouble).toBe('')
  })
})

describe('a server that is not well', () => {
  test('and says 429 is left alone for as long as it asks', async () => {
    let refusedAt_ms = 0
    const running = await started((reply, { lists }) => {
      if (isWatch(reply)) return beginStream(reply)
      if (lists > 1) return sendList(reply, '5', ['a'])
      refusedAt_ms = performance.now()
      reply.send(429, 'application/json', '{}', { 'retry-after': '1' })
    })
    await eventually('it is synced', () => running.reflector.status().isSynced)
    expect(performance.now() - refusedAt_ms).toBeGreaterThan(990)
  })

  test('and stops in the middle of a list is asked again', async () => {
    const running = await started(
      (reply, { lists }) => {
        if (isWatch(reply)) return beginStream(reply)
        const body = list('Service', '5', [serviceBytes('a', '5')])
        if (lists > 1) return reply.send(200, protobufType, body)
        reply.begin(protobufType)
        reply.write(body.subarray(0, 50))
      },
      { timing: { ...fast, listSilence_ms: 100 } },
    )
    await eventually('it is synced', () => running.reflector.status().isSynced)
    expect(running.log.lines.join()).toContain('list Services: nothing heard')
  })

  test('and sends nothing on a watch, not even bookmarks, is watched anew without a list', async () => {
    const running = await started(
      (reply, { watches }) => {
        if (!isWatch(reply)) sendList(reply, '5', ['a'])
        else if (watches === 1) beginStream(reply)
        else beginStream(reply, added('b', '6'))
      },
      { timing: { ...fast, staleAfter_ms: 100 } },
    )
    await eventually('both are there', () => running.names().join() === 'a,b')
    expect(running.asked('list')).toHaveLength(1)
  })

  test('and cuts connections is connected to again, without a list', async () => {
    const running = await started((reply, { watches }) => {
      if (!isWatch(reply)) sendList(reply, '5', ['a'])
      else if (watches === 1) reply.cut()
      else beginStream(reply, added('b', '6'))
    })
    await eventually('both are there', () => running.names().join() === 'a,b')
    expect(running.asked('list')).toHaveLength(1)
  })

  test('is not asked for more than a burst of lists in any half minute (F08)', async () => {
    const running = await started(
      (reply) => {
        if (!isWatch(reply)) sendList(reply, '5', ['a'])
        else beginStream(reply, frame(errorEvent(410, 'Expired')))
      },
      { timing: { ...fast, listEvery_ms: 30_000 } },
    )
    await eventually('the burst is used up', () => running.asked('watch').length === 3)
    await eventually('it waits', () => running.reflector.counters.lists === 3)
    expect(running.asked('list')).toHaveLength(3)
  })
})

test('an object that can’t be used is told with its problem, and forgotten when it is mended', async () => {
  const broken = frame(watchEvent('ADDED', 'Service', serviceBytes('b', '6', 70_000)))
  const mended = frame(watchEvent('MODIFIED', 'Service', serviceBytes('b', '7', 80)))
  let watch: Reply | undefined
  const running = await started((reply) => {
    if (!isWatch(reply)) return sendList(reply, '5', ['a'])
    watch = reply
    beginStream(reply, broken)
  })
  await eventually('the problem is told', () => running.sink.allProblems().length > 0)
  expect(running.sink.allProblems()[0]?.ref.name).toBe('b')
  watch?.write(mended)
  await eventually('it is forgotten', () => running.sink.allProblems().length === 0)
  expect(running.names()).toEqual(['a', 'b'])
})

test('with its client closed, a reflector waits and tries again instead of spinning', async () => {
  const running = await started((reply) => {
    if (isWatch(reply)) beginStream(reply)
    else sendList(reply, '5', ['a'])
  })
  await eventually('it watches', () => running.asked('watch').length === 1)
  running.client.close()
  await eventually('it shows', () =>
    running.reflector.status().trouble.includes('client was closed'),
  )
  const before = running.reflector.counters.watches
  await eventually('it tried again', () => running.reflector.counters.watches > before)
  expect(running.reflector.counters.watches).toBeLessThan(30)
  expect(running.names()).toEqual(['a'])
})

test('a list in which an object is not of the kind asked for is refused', async () => {
  const running = await started((reply, { lists }) => {
    if (isWatch(reply)) return beginStream(reply)
    if (lists > 1) return sendList(reply, '5', ['a'])
    reply.send(200, protobufType, unknown('PodList', Buffer.alloc(0)))
  })
  await eventually('it is synced', () => running.reflector.status().isSynced)
  expect(running.reflector.counters.decodeErrors).toBe(1)
})
