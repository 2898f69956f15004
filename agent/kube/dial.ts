/** From a URL to a connected socket: TCP, through a proxy if one is set, TLS with ALPN. */
import { BlockList, connect as connectTcp, isIP } from 'node:net'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { ConnectionOptions } from 'node:tls'
import type { TlsMaterial } from './credentials.ts'

export interface Dialed {
  readonly socket: Socket
  readonly isHttp2: boolean
}

type Env = Readonly<Record<string, string | undefined>>

/** TCP keepalive: the last resort against a peer that vanished. */
const keepAlive_ms = 30_000

/** The host of a URL without the brackets of an IPv6 address. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '')
}

export function portOf(url: URL): number {
  if (url.port !== '') return Number(url.port)
  return url.protocol === 'https:' ? 443 : 80
}

function isInCidr(host: string, cidr: string): boolean {
  const [base = '', bits = ''] = cidr.split('/')
  const family = isIP(base)
  if (family === 0 || !/^\d{1,3}$/.test(bits) || Number(bits) > (family === 4 ? 32 : 128))
    return false
  const list = new BlockList()
  list.addSubnet(base, Number(bits), family === 4 ? 'ipv4' : 'ipv6')
  return list.check(host, isIP(host) === 4 ? 'ipv4' : 'ipv6')
}

/** NO_PROXY as Go reads it: `*`, names with their subdomains, addresses, CIDRs, each maybe `:port`. */
function isExempt(url: URL, noProxy: string): boolean {
  const host = hostOf(url).toLowerCase()
  if (host === 'localhost' || host === '::1' || /^127\./.test(host)) return true
  return noProxy.split(',').some((item) => {
    const entry = item.trim().toLowerCase()
    if (entry === '') return false
    if (entry === '*' || entry === host || entry === `${host}:${portOf(url)}`) return true
    if (entry.includes('/')) return isIP(host) !== 0 && isInCidr(host, entry)
    return isIP(host) === 0 && host.endsWith(entry.startsWith('.') ? entry : `.${entry}`)
  })
}

/** The proxy for `url`: the kubeconfig's own, or HTTPS_PROXY unless NO_PROXY exempts the host. */
export function proxyFor(url: URL, configured: string, env: Env): URL | undefined {
  if (configured !== '') return new URL(configured)
  if (url.protocol !== 'https:') return undefined
  const proxy = env['HTTPS_PROXY'] || env['https_proxy'] || ''
  if (proxy === '' || isExempt(url, env['NO_PROXY'] || env['no_proxy'] || '')) return undefined
  return new URL(proxy)
}

/** Resolves at the event `ready` of the socket, rejects at its error, its close, or the signal. */
function settled(socket: Socket, ready: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (error?: Error): void => {
      socket.off(ready, onReady)
      socket.off('error', done)
      socket.off('close', onClose)
      signal.removeEventListener('abort', onAbort)
      if (error === undefined) return resolve()
      // A late error of a socket that nobody looks at any more must not end the process.
      socket.on('error', () => undefined)
      socket.destroy()
      reject(error)
    }
    const onReady = (): void => done()
    const onClose = (): void => done(new Error('the other side closed the connection'))
    const onAbort = (): void => done(signal.reason as Error)
    if (signal.aborted) return onAbort()
    socket.once(ready, onReady)
    socket.once('error', done)
    socket.once('close', onClose)
    signal.addEventListener('abort', onAbort)
  })
}

async function dialTcp(host: string, port: number, signal: AbortSignal): Promise<Socket> {
  const socket = connectTcp({ host, port, keepAlive: true, keepAliveInitialDelay: keepAlive_ms })
  socket.setNoDelay(true)
  await settled(socket, 'connect', signal)
  return socket
}

/** Reads the proxy's answer to CONNECT, byte-exact: what follows belongs to TLS. */
async function readConnectAnswer(socket: Socket, signal: AbortSignal): Promise<string> {
  let head = ''
  while (!head.endsWith('\r\n\r\n')) {
    const byte = socket.read(1) as Buffer | null
    if (byte === null) await settled(socket, 'readable', signal)
    else head += byte.toString('latin1')
    if (head.length > 8192) throw new Error('the proxy answers CONNECT with no end of headers')
  }
  return head
}

async function dialProxy(proxy: URL, url: URL, signal: AbortSignal): Promise<Socket> {
  if (proxy.protocol !== 'http:') {
    throw new Error(`proxy ${proxy.origin} is no http:// proxy, the only kind supported`)
  }
  const socket = await dialTcp(hostOf(proxy), portOf(proxy), signal)
  const target = `${url.hostname}:${portOf(url)}`
  const user = decodeURIComponent(`${proxy.username}:${proxy.password}`)
  const login = `Proxy-Authorization: Basic ${Buffer.from(user).toString('base64')}\r\n`
  socket.write(
    `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n${proxy.username === '' ? '' : login}\r\n`,
  )
  const answer = await readConnectAnswer(socket, signal)
  if (/^HTTP\/1\.[01] 2\d\d/.test(answer)) return socket
  socket.destroy()
  throw new Error(`proxy ${proxy.host} refuses: ${answer.split('\r\n')[0] ?? ''}`)
}

function tlsOptions(url: URL, tls: TlsMaterial, socket: Socket): ConnectionOptions {
  const host = hostOf(url)
  const name = tls.serverName || (isIP(host) === 0 ? host : '')
  return {
    socket,
    host,
    ALPNProtocols: ['h2', 'http/1.1'],
    rejectUnauthorized: !tls.isInsecure,
    ...(name === '' ? {} : { servername: name }),
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.certificate === undefined ? {} : { cert: tls.certificate }),
    ...(tls.key === undefined ? {} : { key: tls.key }),
  }
}

/** Rejects with the system's or TLS's own error, or with the signal's reason. */
export async function dial(
  url: URL,
  tls: TlsMaterial,
  proxy: URL | undefined,
  signal: AbortSignal,
): Promise<Dialed> {
  const tcp =
    proxy === undefined
      ? await dialTcp(hostOf(url), portOf(url), signal)
      : await dialProxy(proxy, url, signal)
  if (url.protocol === 'http:') return { socket: tcp, isHttp2: false }
  try {
    const socket = connectTls(tlsOptions(url, tls, tcp))
    await settled(socket, 'secureConnect', signal)
    return { socket, isHttp2: socket.alpnProtocol === 'h2' }
  } catch (error) {
    tcp.destroy()
    throw error
  }
}
