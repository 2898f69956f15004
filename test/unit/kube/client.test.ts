import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { ApiClient } from '../../../agent/kube/client.ts'
import type { ClientOptions } from '../../../agent/kube/client.ts'
import { kubeconfigCredentials } from '../../../agent/kube/credentials.ts'
import { proxyFor } from '../../../agent/kube/dial.ts'
import type { Failure } from '../../../agent/kube/failure.ts'
import { encode, unknown } from '../../support/protobuf.ts'
import { credentialFiles, scriptedServer } from '../../support/scripted.ts'
import type { Reply, ScriptedServer } from '../../support/scripted.ts'
import { eventually } from '../../support/eventually.ts'

const undo: (() => void | Promise<void>)[] = []
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step()
})

const idle = new AbortController().signal
const json = 'application/json'

async function served(
  answer: (reply: Reply) => void | Promise<void>,
  protocol: 'h2' | 'http/1.1' = 'h2',
): Promise<ScriptedServer> {
  const server = await scriptedServer({ answer, protocol })
  undo.push(() => server.close())
  return server
}

function clientOf(
  urls: readonly string[],
  options: Partial<ClientOptions> = {},
): { client: ApiClient; files: ReturnType<typeof credentialFiles> } {
  const files = credentialFiles(urls[0] ?? '')
  const credentials = kubeconfigCredentials(files.kubeconfig, { servers: urls })
  const client = new ApiClient({ credentials, answerTimeout_ms: 2000, env: {}, ...options })
  undo.push(files.remove, () => client.close())
  return { client, files }
}

function get(client: ApiClient, signal = idle) {
  return client.open({
    what: 'list Services',
    method: 'GET',
    path: '/api/v1/services',
    accept: json,
    signal,
  })
}

async function failureOf(client: ApiClient): Promise<Failure> {
  const result = await get(client)
  if (result.ok) throw new Error('it succeeded')
  return result.failure
}

async function textOf(client: ApiClient): Promise<string> {
  const result = await get(client)
  if (!result.ok) throw new Error(result.failure.message)
  let text = ''
  for await (const chunk of result.value.body) text += chunk.toString()
  return text
}

/** A TCP server for what is no TLS. */
async function tcpServer(onSocket: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    onSocket(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  undo.push(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  })
  return (server.address() as AddressInfo).port
}

describe('a connection', () => {
  test('is one HTTP/2 session for all requests', async () => {
    const server = await served((reply) => reply.send(200, json, reply.authorization))
    const { client } = clientOf([server.url])
    const texts = await Promise.all([textOf(client), textOf(client), textOf(client)])
    expect(texts).toEqual(['Bearer first', 'Bearer first', 'Bearer first'])
    expect(client.protocol).toBe('h2')
    expect(server.sockets()).toBe(1)
  })

  test('is HTTP/1.1 where the server offers no HTTP/2', async () => {
    const server = await served((reply) => reply.send(200, json, 'here'), 'http/1.1')
    const { client } = clientOf([server.url])
    expect(await Promise.all([textOf(client), textOf(client)])).toEqual(['here', 'here'])
    expect(client.protocol).toBe('http/1.1')
    await eventually('their connections are closed', () => server.sockets() === 0)
  })

  test('that the server closed is made anew', async () => {
    const server = await served((reply) => {
      if (server.requests.length === 1) reply.cut()
      else reply.send(200, json, 'again')
    })
    const { client } = clientOf([server.url])
    expect(await failureOf(client)).toMatchObject({ kind: 'unreachable', status: 0 })
    expect(await textOf(client)).toBe('again')
  })

  test('goes to the next server when one does not answer', async () => {
    const server = await served((reply) => reply.send(200, json, 'second'))
    const { client } = clientOf(['https://127.0.0.1:1', server.url])
    expect(await failureOf(client)).toMatchObject({ reason: 'ECONNREFUSED' })
    expect(await textOf(client)).toBe('second')
  })

  test('goes through the proxy that HTTPS_PROXY names', async () => {
    const asked: string[] = []
    const port = await tcpServer((socket) => {
      socket.once('data', (head: Buffer) => {
        asked.push(head.toString().split('\r\n')[0] ?? '')
        socket.end('HTTP/1.1 403 Forbidden\r\n\r\n')
      })
    })
    const env = { HTTPS_PROXY: `http://127.0.0.1:${port}`, NO_PROXY: '' }
    const { client } = clientOf(['https://192.0.2.1:6443'], { env })
    expect(await failureOf(client)).toMatchObject({
      message: expect.stringContaining(`proxy 127.0.0.1:${port} refuses: HTTP/1.1 403`) as string,
    })
    expect(asked).toEqual(['CONNECT 192.0.2.1:6443 HTTP/1.1'])
  })

  test.for([
    ['https://api.internal:6443', '.internal', undefined],
    ['https://api.internal:6443', 'internal', undefined],
    ['https://api.internal:6443', 'api.internal:6443', undefined],
    ['https://api.internal:6443', 'i.internal,10.0.0.0/8', 'http://proxy:3128/'],
    ['https://10.1.2.3', '10.0.0.0/8', undefined],
    ['https://[fd00::1]:6443', 'fd00::/16', undefined],
    ['https://11.1.2.3', '10.0.0.0/8,bad/99', 'http://proxy:3128/'],
    ['https://11.1.2.3', '*', undefined],
    ['https://127.0.0.1:6443', '', undefined],
    ['http://11.1.2.3', '', undefined],
  ] as const)('to %s with NO_PROXY=%s goes through %s', ([url, exempt, expected]) => {
    const env = { HTTPS_PROXY: 'http://proxy:3128', NO_PROXY: exempt }
    expect(proxyFor(new URL(url), '', env)?.href).toBe(expected)
  })

  test('whose CA was replaced serves no new request; the next one has the new CA', async () => {
    const server = await served((reply) => reply.send(200, json, 'here'))
    const { client, files } = clientOf([server.url])
    expect(await textOf(client)).toBe('here')
    // The same certificate twice is another file, which trusts the same.
    writeFileSync(files.caFile, readFileSync(files.caFile, 'utf8').repeat(2))
    clientCredentialsExpire(client)
    expect(await textOf(client)).toBe('here')
    await eventually('the first connection is gone', () => server.sockets() === 1)
  })
})

/** As a 401 does. */
function clientCredentialsExpire(client: ApiClient): void {
  client.credentials.refused()
}

describe('an answer', () => {
  test('401 leads to the token being read again, and to a second try with the new one', async () => {
    const server = await served((reply) => {
      if (reply.authorization === 'Bearer second') reply.send(200, json, 'welcome')
      else reply.send(401, json, '{"kind":"Status","reason":"Unauthorized","message":"no"}')
    })
    const { client, files } = clientOf([server.url])
    const refusal = await failureOf(client)
    expect(refusal).toMatchObject({ kind: 'http', status: 401, reason: 'Unauthorized' })
    expect(refusal.message).toContain(`the token or certificate of kubeconfig ${files.kubeconfig}`)
    expect(server.requests).toHaveLength(1)
    files.setToken('second')
    expect(await textOf(client)).toBe('welcome')
  })

  test('401 to a token that has been replaced meanwhile is not even a failure', async () => {
    const server = await served((reply) => {
      if (reply.authorization === 'Bearer second') reply.send(200, json, 'welcome')
      else reply.send(401, json, '{}')
    })
    const { client, files } = clientOf([server.url])
    await failureOf(client)
    client.credentials.token()
    files.setToken('second')
    expect(await textOf(client)).toBe('welcome')
    expect(server.requests).toHaveLength(3)
  })

  test('403 names the right that is missing and where it is given', async () => {
    const why = 'services is forbidden: User "x" cannot list resource "services"'
    const body = unknown(
      'Status',
      encode([
        [3, why],
        [4, 'Forbidden'],
        [6, 403],
      ]),
    )
    const type = 'application/vnd.kubernetes.protobuf'
    const server = await served((reply) => reply.send(403, type, body))
    const { client } = clientOf([server.url])
    const failure = await failureOf(client)
    expect(failure).toMatchObject({ status: 403, reason: 'Forbidden' })
    expect(failure.message).toContain(why)
    expect(failure.message).toContain('deploy/rbac.yaml')
  })

  test('429 says how long to wait', async () => {
    const server = await served((reply) => reply.send(429, json, '{}', { 'retry-after': '17' }))
    const { client } = clientOf([server.url])
    expect(await failureOf(client)).toMatchObject({ status: 429, retryAfter_s: 17 })
  })

  test.for([200, 302, 502])('in HTML with status %d is no API server', async (status) => {
    const page = '<html><title>Please\nlog in</title></html>'
    const server = await served((reply) => reply.send(status, 'text/html', page))
    const { client } = clientOf([server.url])
    const result = await get(client)
    const failure = result.ok ? await result.value.alien() : result.failure
    expect(failure).toMatchObject({ kind: 'alien', status })
    expect(failure.message).toMatch(
      /answered text\/html .*Please log in.* check the server address/,
    )
  })
})

describe('no answer', () => {
  test('to a request is told after the time limit, with what to do about a VIP', async () => {
    const server = await served(() => undefined)
    const { client } = clientOf([server.url], { answerTimeout_ms: 100 })
    const failure = await failureOf(client)
    expect(failure).toMatchObject({ kind: 'silent' })
    expect(failure.message).toMatch(/no answer in .* --server/)
  })

  test('to a TLS handshake is told too', async () => {
    const port = await tcpServer(() => undefined)
    const { client } = clientOf([`https://127.0.0.1:${port}`], { answerTimeout_ms: 100 })
    expect(await failureOf(client)).toMatchObject({ kind: 'silent' })
  })

  test('to a ping ends the session and its streams', async () => {
    const relayed = await stoppableRelay(await served((reply) => reply.begin(json)))
    const options = { pingAfter_ms: 100, pingTimeout_ms: 100 }
    const { client } = clientOf([relayed.url], options)
    const result = await get(client)
    if (!result.ok) throw new Error(result.failure.message)
    const { body, lastProof_ms } = result.value
    const before = lastProof_ms()
    await eventually('a ping was answered', () => lastProof_ms() > before)
    relayed.stop()
    const read = async (): Promise<void> => {
      for await (const _ of body) throw new Error('no byte was sent')
    }
    await expect(read()).rejects.toThrow(/no answer to an HTTP\/2 ping/)
  })

  test('is waited for no longer than the caller wants', async () => {
    const server = await served(() => undefined)
    const { client } = clientOf([server.url])
    const controller = new AbortController()
    const waiting = get(client, controller.signal)
    await eventually('the request is there', () => server.requests.length === 1)
    controller.abort()
    expect(await waiting).toMatchObject({ ok: false, failure: { kind: 'aborted' } })
  })
})

/** Relays to the server until it is stopped; then the connections stay, and nothing moves. */
async function stoppableRelay(server: ScriptedServer): Promise<{ url: string; stop: () => void }> {
  const target = Number(new URL(server.url).port)
  let isStopped = false
  const port = await tcpServer((socket) => {
    const other = connect(target, '127.0.0.1')
    other.on('error', () => undefined)
    socket.on('data', (bytes) => isStopped || other.write(bytes))
    other.on('data', (bytes) => isStopped || socket.write(bytes))
    socket.on('close', () => other.destroy())
    other.on('close', () => socket.destroy())
  })
  return { url: `https://127.0.0.1:${port}`, stop: () => (isStopped = true) }
}

describe('what listens', () => {
  test('with a certificate of another CA is not trusted, and the CA file is named as the remedy', async () => {
    const server = await served((reply) => reply.send(200, json, 'here'))
    const { client, files } = clientOf([server.url])
    const config = readFileSync(files.kubeconfig, 'utf8')
    writeFileSync(files.kubeconfig, config.replace(/, certificate-authority: '[^']*'/, ''))
    clientCredentialsExpire(client)
    expect((await failureOf(client)).message).toContain('check the CA file')
  })

  test('without TLS is named as such', async () => {
    const port = await tcpServer((socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'))
    const { client } = clientOf([`https://127.0.0.1:${port}`])
    expect((await failureOf(client)).message).toMatch(/check scheme and port/)
  })
})
