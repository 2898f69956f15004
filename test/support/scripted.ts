/** An API server that says what a test tells it to, over real TLS with HTTP/2 or HTTP/1.1. */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
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
  readonly caFile: string
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

let certificate: { directory: string; caFile: string; cert: Buffer; key: Buffer } | undefined

/** One self-signed certificate for 127.0.0.1 a test process. */
export function testCertificate(): { caFile: string; cert: Buffer; key: Buffer } {
  if (certificate !== undefined) return certificate
  const directory = mkdtempSync(join(tmpdir(), 'fairlead-test-'))
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }))
  const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')]
  const subject = ['-subj', '/CN=scripted', '-addext', 'subjectAltName=IP:127.0.0.1']
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
      ...['-days', '2', '-keyout', key, '-out', cert, ...subject],
    ],
    { stdio: 'pipe' },
  )
  certificate = { directory, caFile: cert, cert: readFileSync(cert), key: readFileSync(key) }
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
  const { cert, key, caFile } = testCertificate()
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
    caFile,
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
  readonly tokenFile: string
  setToken(token: string): void
  remove(): void
} {
  const { caFile } = testCertificate()
  const directory = mkdtempSync(join(tmpdir(), 'fairlead-test-'))
  const tokenFile = join(directory, 'token')
  const kubeconfig = join(directory, 'kubeconfig')
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
  return { directory, kubeconfig, tokenFile, setToken, remove }
}
