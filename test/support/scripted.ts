/** An API server that says what a test tells it to, over real TLS with HTTP/2 or HTTP/1.1. */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createSecureServer } from 'node:http2'
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import { createServer as createHttpsServer } from 'node:https'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** What both protocols offer alike. */
export interface Reply {
  readonly path: string
  readonly query: URLSearchParams
  readonly method: string
  readonly accept: string
  readonly authorization: string
  body(): Promise<string>
  /** Headers, and the whole body. */
  send(status: number, contentType: string, body: string | Buffer, more?: Headers): void
  /** Headers alone; then `write`. */
  begin(contentType: string): void
  write(chunk: string | Buffer): void
  end(): void
  /** Cuts the connection without a word. */
  cut(): void
}

type Headers = Readonly<Record<string, string>>

export interface ScriptedServer {
  readonly url: string
  /** `GET /api/v1/services?…` of every request so far. */
  readonly requests: readonly string[]
  /** Sockets that are open now. */
  sockets(): number
  close(): Promise<void>
}

export interface ScriptedOptions {
  readonly protocol?: 'h2' | 'http/1.1'
  readonly answer: (reply: Reply) => void | Promise<void>
}

let certificate: { cert: string; key: string } | undefined

/** One self-signed certificate for 127.0.0.1 a test process, kept in memory alone. */
function testCertificate(): { cert: string; key: string } {
  if (certificate !== undefined) return certificate
  const subject = ['-subj', '/CN=scripted', '-addext', 'subjectAltName=IP:127.0.0.1']
  const both = execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
      ...['-days', '2', '-keyout', '-', '-out', '-', ...subject],
    ],
    { stdio: 'pipe', encoding: 'utf8' },
  )
  const part = (name: string): string =>
    new RegExp(`-----BEGIN ${name}-----[^]*?-----END ${name}-----\n`).exec(both)?.[0] ?? ''
  certificate = { cert: part('CERTIFICATE'), key: part('PRIVATE KEY') }
  return certificate
}

type Request = IncomingMessage | Http2ServerRequest
type Response = ServerResponse | Http2ServerResponse

function makeReply(request: Request, response: Response): Reply {
  const url = new URL(request.url ?? '/', 'https://host')
  const out = response as ServerResponse
  return {
    path: url.pathname,
    query: url.searchParams,
    method: request.method ?? '',
    accept: String(request.headers.accept ?? ''),
    authorization: String(request.headers.authorization ?? ''),
    async body() {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      return Buffer.concat(chunks).toString('utf8')
    },
    send(status, contentType, body, more = {}) {
      out.writeHead(status, { 'content-type': contentType, ...more })
      out.end(body)
    },
    begin(contentType) {
      out.writeHead(200, { 'content-type': contentType })
      if ('flushHeaders' in out) out.flushHeaders()
    },
    write: (chunk) => void out.write(chunk),
    end: () => void out.end(),
    cut() {
      const session = (request as Http2ServerRequest).stream?.session
      if (session === undefined) request.socket.destroy()
      else session.destroy()
    },
  }
}

export async function scriptedServer(options: ScriptedOptions): Promise<ScriptedServer> {
  const { cert, key } = testCertificate()
  const requests: string[] = []
  const sockets = new Set<Socket>()
  const onRequest = (request: Request, response: Response): void => {
    requests.push(`${request.method ?? ''} ${request.url ?? ''}`)
    // A client that left is no error of the script.
    response.on('error', () => undefined)
    void options.answer(makeReply(request, response))
  }
  const server =
    options.protocol === 'http/1.1'
      ? createHttpsServer({ cert, key }, onRequest)
      : createSecureServer({ cert, key }, onRequest as never)
  server.on('secureConnection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
  })
  server.on('sessionError', () => undefined)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    sockets: () => sockets.size,
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Files of credentials in a directory of their own. */
export function credentialFiles(
  server: string,
  token = 'first',
): {
  readonly directory: string
  readonly kubeconfig: string
  readonly caFile: string
  setToken(token: string): void
  remove(): void
} {
  const directory = mkdtempSync(join(tmpdir(), 'fairlead-test-'))
  const tokenFile = join(directory, 'token')
  const kubeconfig = join(directory, 'kubeconfig')
  const caFile = join(directory, 'ca.crt')
  writeFileSync(caFile, testCertificate().cert)
  const setToken = (text: string): void => writeFileSync(tokenFile, `${text}\n`)
  setToken(token)
  writeFileSync(
    kubeconfig,
    `apiVersion: v1
kind: Config
current-context: test
clusters: [{name: test, cluster: {server: '${server}', certificate-authority: '${caFile}'}}]
users: [{name: agent, user: {tokenFile: token}}]
contexts: [{name: test, context: {cluster: test, user: agent}}]
`,
  )
  const remove = (): void => rmSync(directory, { recursive: true, force: true })
  return { directory, kubeconfig, caFile, setToken, remove }
}
