import { afterEach, expect, test } from 'vitest'
import { ApiClient } from '../../../agent/kube/client.ts'
import { kubeconfigCredentials } from '../../../agent/kube/credentials.ts'
import { eventName, eventPoster } from '../../../agent/kube/events.ts'
import type { Problem } from '../../../agent/model/objects.ts'
import { manualClock } from '../../support/clock.ts'
import { eventually } from '../../support/eventually.ts'
import { credentialFiles, scriptedServer } from '../../support/scripted.ts'
import type { Reply } from '../../support/scripted.ts'
import { recordingLog } from '../../support/sink.ts'

const undo: (() => void | Promise<void>)[] = []
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step()
})

function problem(name: string, reason = 'BadAddress', more: Partial<Problem> = {}): Problem {
  const ref = { kind: 'Service', namespace: 'shop', name, uid: `uid-${name}`, where: '' } as const
  return { ref, reason, message: 'spec.clusterIP is "x"', remedy: 'correct it', ...more }
}

async function poster(answer: (reply: Reply) => void | Promise<void>) {
  const server = await scriptedServer({ answer })
  const files = credentialFiles(server.url)
  const client = new ApiClient({ credentials: kubeconfigCredentials(files.kubeconfig), env: {} })
  const controller = new AbortController()
  const log = recordingLog()
  const clock = manualClock()
  const { signal } = controller
  const options = { client, nodeName: 'n1', log, clock, signal, random: () => 0 }
  const events = eventPoster(options)
  undo.push(
    () => server.close(),
    files.remove,
    () => client.close(),
    () => controller.abort(),
  )
  // The pause before the first request falls due when time moves on.
  const post = (...problems: readonly Problem[]): void => {
    for (const each of problems) events.post(each)
    clock.advance(1)
  }
  return { events, post, server, log, clock, controller }
}

test('an Event names its object, reason, what is wrong and what to do', async () => {
  let body: unknown
  const { post, events, server } = await poster(async (reply) => {
    body = JSON.parse(await reply.body())
    reply.send(201, 'application/json', '{}')
  })
  post(problem('web'))
  await eventually('it is posted', () => events.counters().posted === 1)
  expect(server.requests).toEqual(['POST /api/v1/namespaces/shop/events'])
  expect(body).toMatchObject({
    metadata: { name: eventName(problem('web')), namespace: 'shop' },
    involvedObject: { apiVersion: 'v1', kind: 'Service', name: 'web', uid: 'uid-web' },
    type: 'Warning',
    reason: 'BadAddress',
    message: 'spec.clusterIP is "x"; correct it',
    source: { component: 'fairlead', host: 'n1' },
    firstTimestamp: '2026-01-01T00:00:00Z',
  })
})

test('the name of an Event depends on the object and the reason, and on nothing else', () => {
  const name = eventName(problem('web'))
  expect(name).toMatch(/^web\.[0-9a-f]{16}$/)
  expect(eventName(problem('web', 'BadAddress', { message: 'other' }))).toBe(name)
  expect(eventName(problem('web', 'BadPort'))).not.toBe(name)
  const long = eventName(problem(`${'a'.repeat(199)}.b`))
  expect(long).toMatch(/^a{199}\.[0-9a-f]{16}$/)
})

test('the same of one object is posted once in five minutes', async () => {
  const { post, events, clock } = await poster((reply) => reply.send(201, 'application/json', '{}'))
  post(problem('web'), problem('web'))
  await eventually('one is posted', () => events.counters().posted === 1)
  expect(events.counters().dropped).toBe(1)
  clock.advance(299_000)
  post(problem('web'))
  expect(events.counters().dropped).toBe(2)
  clock.advance(2_000)
  post(problem('web'))
  await eventually('it is posted again', () => events.counters().posted === 2)
})

test('a thousand objects with one mistake make 25 Events, and another reason is not held up', async () => {
  const { post, events, log } = await poster((reply) => reply.send(201, 'application/json', '{}'))
  post(...Array.from({ length: 1000 }, (_, i) => problem(`s${i}`)), problem('s1', 'BadPort'))
  await eventually('they are posted', () => events.counters().posted === 26)
  expect(events.counters()).toEqual({ posted: 26, known: 0, dropped: 975 })
  expect(log.lines).toEqual([])
})

test('an Event that another node made already is left as it is', async () => {
  const { post, events, log } = await poster((reply) =>
    reply.send(409, 'application/json', '{"reason":"AlreadyExists"}'),
  )
  post(problem('web'))
  await eventually('it is known', () => events.counters().known === 1)
  expect(log.lines).toEqual([])
})

test('without the right to make Events that is said once', async () => {
  const { post, events, log } = await poster((reply) =>
    reply.send(403, 'application/json', '{"reason":"Forbidden","message":"events is forbidden"}'),
  )
  post(problem('a'), problem('b'))
  await eventually('both were tried', () => events.counters().dropped === 2)
  expect(log.lines).toHaveLength(1)
  expect(log.lines[0]).toMatch(/create an Event in shop .*events is forbidden.*deploy\/rbac.yaml/)
})

test('with the API server away they are dropped, and the caller never waits or sees an error', async () => {
  const { post, events, server } = await poster(() => undefined)
  await server.close()
  undo.shift()
  post(problem('a'))
  await eventually('it is dropped', () => events.counters().dropped === 1)
})

test('problems of files make no Events: there is no object to hang them on', async () => {
  const { post, server, events } = await poster((reply) =>
    reply.send(201, 'application/json', '{}'),
  )
  const ref = { ...problem('web').ref, where: 'web.yaml:3' }
  post(problem('web', 'BadAddress', { ref }), problem('web', 'Last'))
  await eventually('the other is posted', () => events.counters().posted === 1)
  expect(server.requests).toHaveLength(1)
})
