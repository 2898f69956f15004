/** JSON over HTTPS to a test's API server, and free ports. */
import { existsSync, readFileSync } from 'node:fs'
import { Agent, request as httpsRequest } from 'node:https'
import { type AddressInfo, createServer } from 'node:net'

/** An answer of 400 or more. */
export class ApiError extends Error {
  readonly status: number
  constructor(message: string, status: number) {
    super(message)
    this.name = 'ApiError'
    this.status = status
  }
}

export interface Rest {
  readonly request: <T>(method: string, path: string, body?: unknown) => Promise<T>
  readonly close: () => void
}

export interface RestOptions {
  readonly host: string
  readonly port: number
  /** File of the certificate; it may appear later. */
  readonly ca: string
  readonly token: string
}

export function makeRest(options: RestOptions): Rest {
  let agent: Agent | undefined
  const request = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    if (agent === undefined && !existsSync(options.ca)) throw new Error(`no ${options.ca} yet`)
    // The host's name is not checked: through a relay it is not the server's own.
    agent ??= new Agent({
      keepAlive: true,
      maxSockets: 16,
      ca: readFileSync(options.ca),
      checkServerIdentity: () => undefined,
    })
    const { status, text } = await exchange(options, agent, { method, path, body })
    if (status >= 400) throw new ApiError(`${method} ${path}: ${status}: ${text}`, status)
    return (text.startsWith('{') ? JSON.parse(text) : text) as T
  }
  return { request, close: () => agent?.destroy() }
}

function exchange(
  { host, port, token }: RestOptions,
  agent: Agent,
  { method, path, body }: { method: string; path: string; body: unknown },
): Promise<{ status: number; text: string }> {
  const patch = 'application/merge-patch+json'
  const headers = {
    authorization: `Bearer ${token}`,
    accept: 'application/json',
    'content-type': method === 'PATCH' ? patch : 'application/json',
  }
  return new Promise((resolve, reject) => {
    const options = { host, port, agent, method, path, headers, timeout: 30_000 }
    const request = httpsRequest(options, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() })
      })
    })
    request.on('timeout', () => request.destroy(new Error(`${method} ${path}: no answer in 30 s`)))
    request.on('error', reject)
    request.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

/** Ports that were free a moment ago. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer()
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      return server
    }),
  )
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}
