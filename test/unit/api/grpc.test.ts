import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, existsSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect as connectHttp2 } from 'node:http2'
import { createServer, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Client, credentials } from '@grpc/grpc-js'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { connectControl } from '../../../agent/api/client.ts'
import { serveControl } from '../../../agent/api/grpc.ts'
import { serving } from '../../../agent/api/health.ts'
import { controlMethods, controlName, healthMethods } from '../../../agent/api/methods.ts'
import { everything, type View } from '../../../agent/api/view.ts'
import { systemClock } from '../../../agent/clock.ts'
import { manualClock } from '../../support/clock.ts'
import {
  backend,
  client as affinityRow,
  dns,
  fakeView,
  frontendsMap,
  healthy,
  rejected,
  silentLog,
  web,
} from '../../support/view.ts'

const run = promisify(execFile)
let directory = ''
let path = ''
let closers: (() => unknown)[] = []

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'fl-grpc-'))
  path = join(directory, 'control.sock')
})
afterEach(async () => {
  for (const close of closers.reverse()) await close()
  closers = []
  rmSync(directory, { recursive: true, force: true })
})

async function serve(view: View, isServing = () => true, clock = systemClock): Promise<void> {
  const server = await serveControl({ view, path, isServing, clock, log: silentLog })
  closers.push(() => server.close())
}

function open(timeout_ms = 5000): View {
  const view = connectControl({ path, timeout_ms, clock: systemClock })
  closers.push(() => view.close())
  return view
}

function rawClient(): Client {
  const raw = new Client(`unix:${path}`, credentials.createInsecure())
  closers.push(() => raw.close())
  return raw
}

describe('the control API', () => {
  test('every row comes over the socket as it was told, field by field', async () => {
    const local = fakeView()
    await serve(local)
    const view = open()
    expect(await view.status()).toEqual(healthy)
    expect(await view.services(everything)).toEqual([dns, web])
    expect(await view.backends(everything)).toEqual(await local.backends(everything))
    expect(await view.affinity(everything)).toEqual([affinityRow])
    expect(await view.mapList()).toEqual([frontendsMap])
    expect(await view.mapDump('frontends')).toEqual(await local.mapDump('frontends'))
    expect(await view.bypass()).toEqual({ isOn: false })
  })

  test('a source that never gave a sign of life has no age, not the age 0', async () => {
    const sources = [{ kind: 'Node', isSynced: false, trouble: 'connect: ECONNREFUSED' }]
    await serve(fakeView({ status: { ...healthy, sources } }))
    expect((await open().status()).sources).toEqual(sources)
  })

  test('a filter narrows services and backends alike', async () => {
    await serve(fakeView())
    const view = open()
    const frontend = { ...everything, frontend: '*:30080' }
    expect(await view.services(frontend)).toEqual([web])
    expect(await view.backends({ ...everything, namespace: 'kube-system' })).toEqual([])
    expect(await view.affinity({ ...everything, id: 1 })).toEqual([affinityRow])
  })

  test('100,000 backends arrive, in order, in messages below the limit of 4 MiB', async () => {
    const backends = Array.from({ length: 100_000 }, (_, i) => backend(i + 1))
    await serve(fakeView({ backends }))
    const raw = rawClient()
    const { path: method, requestSerialize } = controlMethods.ListBackends
    const call = raw.makeServerStreamRequest(
      method,
      requestSerialize,
      (bytes: Buffer) => bytes.length,
      { filter: everything },
    )
    let largest = 0
    for await (const bytes of call) largest = Math.max(largest, bytes as number)
    expect(largest).toBeGreaterThan(1000)
    expect(largest).toBeLessThan(4 * 2 ** 20)
    const rows = await open(20_000).backends(everything)
    expect(rows.length).toBe(100_000)
    expect(rows[99_999]).toEqual(backends[99_999])
  }, 30_000)

  test('an unknown map is no map, and an unknown Service is NOT_FOUND', async () => {
    await serve(fakeView())
    expect(await open().mapDump('nonsense')).toBeUndefined()
    const { path: method, requestSerialize, responseDeserialize } = controlMethods.GetService
    const error = await new Promise<{ code?: number; details?: string } | null>((resolve) =>
      rawClient().makeUnaryRequest(
        method,
        requestSerialize,
        responseDeserialize,
        { filter: { ...everything, name: 'nobody' } },
        resolve,
      ),
    )
    expect(error).toMatchObject({ code: 5, details: expect.stringContaining('service list') })
  })

  test('what the view throws is INTERNAL, and the server goes on', async () => {
    const broken: View = {
      ...fakeView(),
      status: () => Promise.reject(new Error('lookup meta: EBADF')),
      backends: () => {
        throw new Error('lookup backends: EBADF')
      },
    }
    await serve(broken)
    const view = open()
    await expect(view.status()).rejects.toThrow(/lookup meta: EBADF/)
    await expect(view.backends(everything)).rejects.toThrow(/lookup backends: EBADF/)
    expect(await view.bypass()).toEqual({ isOn: false })
  })

  test('alien bytes as a message or as HTTP harm nobody else', async () => {
    await serve(fakeView())
    const { path: method, responseDeserialize } = controlMethods.ListServices
    const call = rawClient().makeServerStreamRequest(
      method,
      () => Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff]),
      responseDeserialize,
      {},
    )
    call.on('data', () => undefined)
    const [error] = (await once(call, 'error')) as [{ code: number }]
    expect(error.code).toBeGreaterThan(0)
    const socket = connect(path)
    socket.on('error', () => undefined)
    socket.resume()
    socket.write('GET / HTTP/1.1\r\n\r\n')
    await once(socket, 'close')
    expect(await open().bypass()).toEqual({ isOn: false })
  })

  test('an agent that does not answer in time is unreachable', async () => {
    await serve({ ...fakeView(), status: () => new Promise(() => undefined) })
    await expect(open(100).status()).rejects.toMatchObject({ code: 'AGENT_UNREACHABLE' })
  })

  test('without an agent every question says so', async () => {
    const view = open()
    await expect(view.status()).rejects.toMatchObject({ code: 'AGENT_UNREACHABLE' })
    await expect(view.services(everything)).rejects.toMatchObject({ code: 'AGENT_UNREACHABLE' })
  })
})

describe('events', () => {
  test('come as they happen, and leaving takes the listener away from the agent', async () => {
    const local = fakeView({ events: [rejected, rejected] })
    await serve(local)
    const leaving = new AbortController()
    const seen = []
    for await (const event of open().events(leaving.signal)) {
      seen.push(event)
      if (seen.length === 2) break
    }
    expect(seen).toEqual([rejected, rejected])
    await vi.waitFor(() => expect(local.listening()).toBe(0))
  })

  test('end without an error when the reader aborts', async () => {
    const local = fakeView({ events: [rejected] })
    await serve(local)
    const leaving = new AbortController()
    let seen = 0
    for await (const event of open().events(leaving.signal)) {
      expect(event).toEqual(rejected)
      seen++
      leaving.abort()
    }
    expect(seen).toBe(1)
    await vi.waitFor(() => expect(local.listening()).toBe(0))
  })

  test('end with AGENT_UNREACHABLE when the agent stops', async () => {
    const server = await serveControl({
      view: fakeView(),
      path,
      isServing: () => true,
      clock: systemClock,
      log: silentLog,
    })
    const events = open().events(new AbortController().signal)[Symbol.asyncIterator]()
    await events.next()
    const rest = events.next()
    const told = expect(rest).rejects.toMatchObject({ code: 'AGENT_UNREACHABLE' })
    await server.close()
    await told
  })
})

describe('the socket', () => {
  test('is 0600, and nothing else stays in the run directory', async () => {
    await serve(fakeView())
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(statSync(path).isSocket()).toBe(true)
    expect(existsSync(join(directory, `.${process.pid}-control.sock.new`))).toBe(false)
  })

  test('of a dead agent is replaced, of a living one is refused', async () => {
    writeFileSync(path, '')
    await serve(fakeView())
    await expect(serve(fakeView())).rejects.toMatchObject({ code: 'AGENT_RUNNING' })
    expect(await open().bypass()).toEqual({ isOn: false })
  })

  test('goes when the server closes, unless somebody took its place', async () => {
    await serve(fakeView())
    await closers.pop()?.()
    expect(existsSync(path)).toBe(false)
    await serve(fakeView())
    rmSync(path)
    const other = createServer().listen(path)
    await once(other, 'listening')
    await closers.pop()?.()
    expect(existsSync(path)).toBe(true)
    other.close()
  })

  test('with a path too long for the kernel is refused with what to do', async () => {
    const deep = join(directory, 'x'.repeat(100))
    mkdirSync(deep)
    path = join(deep, 'control.sock')
    await expect(serve(fakeView())).rejects.toMatchObject({
      code: 'SOCKET_PATH',
      remedy: expect.stringContaining('--run-dir'),
    })
  })
})

describe('health', () => {
  test('says whether the agent serves, and knows which services there are', async () => {
    let isWell = true
    await serve(fakeView(), () => isWell)
    const { path: method, requestSerialize, responseDeserialize } = healthMethods.Check
    const ask = (service: string): Promise<unknown> =>
      new Promise((resolve) =>
        rawClient().makeUnaryRequest(
          method,
          requestSerialize,
          responseDeserialize,
          { service },
          (error, answer) => resolve(error === null ? answer?.status : error.code),
        ),
      )
    expect(await ask('')).toBe(serving.SERVING)
    expect(await ask(controlName)).toBe(serving.SERVING)
    expect(await ask('nobody')).toBe(5)
    isWell = false
    expect(await ask('')).toBe(serving.NOT_SERVING)
  })

  test('watchers hear the state at once and each change once', async () => {
    let isWell = true
    const clock = manualClock()
    await serve(fakeView(), () => isWell, clock)
    const { path: method, requestSerialize, responseDeserialize } = healthMethods.Watch
    const call = rawClient().makeServerStreamRequest(
      method,
      requestSerialize,
      responseDeserialize,
      { service: '' },
    )
    call.on('error', () => undefined)
    const heard: number[] = []
    call.on('data', (message: { status: number }) => heard.push(message.status))
    await vi.waitFor(() => expect(heard).toEqual([serving.SERVING]))
    clock.advance(5000)
    isWell = false
    clock.advance(5000)
    await vi.waitFor(() => expect(heard).toEqual([serving.SERVING, serving.NOT_SERVING]))
    call.cancel()
    await vi.waitFor(() => expect(clock.pending()).toBe(0))
  })
})

describe('reflection', () => {
  const buf = (...args: string[]) =>
    run(join('node_modules', '.bin', 'buf'), [
      'curl',
      '--unix-socket',
      path,
      '--protocol',
      'grpc',
      '--http2-prior-knowledge',
      ...args,
    ])

  test('an independent client lists, describes and calls us without a .proto file', async () => {
    await serve(fakeView())
    const list = await buf('--list-services', 'http://localhost')
    expect(list.stdout.trim().split('\n')).toEqual([
      'fairlead.v1.ControlService',
      'grpc.health.v1.Health',
      'grpc.reflection.v1.ServerReflection',
    ])
    const methods = await buf('--list-methods', 'http://localhost')
    for (const name of Object.keys(controlMethods)) {
      expect(methods.stdout).toContain(`fairlead.v1.ControlService/${name}`)
    }
    const url = 'http://localhost/fairlead.v1.ControlService/GetService'
    const got = await buf('-d', '{"filter":{"namespace":"shop","name":"web"}}', url)
    expect(JSON.parse(got.stdout)).toMatchObject({
      services: [{ name: 'web', connections: String(2 ** 40) }],
      backends: [{ id: 7 }, { id: 8 }, { id: 9 }],
    })
  }, 20_000)

  test('tools of before v1 get the same from v1alpha', async () => {
    await serve(fakeView())
    const got = await buf(
      '--reflect-protocol',
      'grpc-v1alpha',
      '--list-services',
      'http://localhost',
    )
    expect(got.stdout).toContain(controlName)
  }, 20_000)

  test('a stream that is cut off leaves the server well', async () => {
    await serve(fakeView())
    const session = connectHttp2('http://localhost', { createConnection: () => connect(path) })
    session.on('error', () => undefined)
    const stream = session.request({
      ':method': 'POST',
      ':path': '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
      'content-type': 'application/grpc',
      te: 'trailers',
    })
    stream.on('error', () => undefined)
    stream.write(Buffer.from([0, 0, 0, 0, 200, 1]))
    session.destroy()
    expect(await open().bypass()).toEqual({ isOn: false })
  })
})
