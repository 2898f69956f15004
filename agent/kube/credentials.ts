/**
 * Who we are to the API server and whom we trust: read again while the agent runs, because tokens
 * last an hour, and CAs and client certificates are replaced under a running node.
 */
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../clock.ts'
import type { Clock } from '../clock.ts'
import { FairleadError, reasonOf } from '../errors.ts'
import { readKubeconfig } from './kubeconfig.ts'
import type { Kubeconfig, Material } from './kubeconfig.ts'

export interface TlsMaterial {
  /** Changes with the content: a session made with another version is not used for new requests. */
  readonly version: number
  readonly ca: Buffer | undefined
  readonly certificate: Buffer | undefined
  readonly key: Buffer | undefined
  /** '' for the host of the URL. */
  readonly serverName: string
  readonly isInsecure: boolean
}

export interface Credentials {
  /** For messages. */
  readonly origin: string
  /** At least one; tried in turn. */
  servers(): readonly URL[]
  /** '' if none was configured. */
  readonly proxyUrl: string
  /** Throws FairleadError SOURCE_FAILED if what is needed can't be read and nothing good was read before. */
  tls(): TlsMaterial
  /** Bearer token, '' if none. Throws as `tls`. */
  token(): string
  /** The server answered 401: read everything again at the next call, whatever its age. */
  refused(): void
}

/** Files are looked at again after this time (client-go's token source: a minute). */
const reread_ms = 60_000

const serviceAccountDirectory = '/var/run/secrets/kubernetes.io/serviceaccount'

/** One file kept in memory; looked at again when it is a minute old, read again when it changed. */
class KeptFile {
  readonly #path: string
  readonly #clock: Clock
  #content: Buffer | undefined
  #stamp = ''
  #lookedAt_ms = Number.NEGATIVE_INFINITY

  constructor(path: string, clock: Clock) {
    this.#path = path
    this.#clock = clock
  }

  expire(): void {
    this.#lookedAt_ms = Number.NEGATIVE_INFINITY
    this.#stamp = ''
  }

  /** A file that went missing or empty keeps its last good content: it is being replaced. */
  read(): Buffer {
    const now_ms = this.#clock.monotonic_ms()
    if (this.#content !== undefined && now_ms - this.#lookedAt_ms < reread_ms) return this.#content
    this.#lookedAt_ms = now_ms
    try {
      const stat = statSync(this.#path)
      const stamp = `${stat.ino}:${stat.mtimeMs}:${stat.size}`
      if (this.#content !== undefined && stamp === this.#stamp) return this.#content
      const content = readFileSync(this.#path)
      if (content.length === 0) throw new Error('it is empty')
      this.#content = content
      this.#stamp = stamp
    } catch (error) {
      if (this.#content === undefined) {
        throw new FairleadError(
          'SOURCE_FAILED',
          `read credentials from ${this.#path}: ${reasonOf(error)}`,
          'check that the file is mounted and readable',
          error,
        )
      }
    }
    return this.#content
  }
}

type Parts = Omit<Kubeconfig, 'server'> & { readonly servers: readonly URL[] }

class FileCredentials implements Credentials {
  readonly #load: () => Parts
  readonly #clock: Clock
  readonly #files = new Map<string, KeptFile>()
  #parts: Parts
  #loadedAt_ms: number
  #tls: TlsMaterial | undefined

  constructor(load: () => Parts, clock: Clock) {
    this.#load = load
    this.#clock = clock
    this.#parts = load()
    this.#loadedAt_ms = clock.monotonic_ms()
  }

  get origin(): string {
    return this.#parts.origin
  }

  get proxyUrl(): string {
    return this.#parts.proxyUrl
  }

  servers(): readonly URL[] {
    this.#refresh()
    return this.#parts.servers
  }

  tls(): TlsMaterial {
    this.#refresh()
    const parts = this.#parts
    const next = {
      ca: this.#bytes(parts.ca),
      certificate: this.#bytes(parts.certificate),
      key: this.#bytes(parts.key),
      serverName: parts.tlsServerName,
      isInsecure: parts.isInsecure,
    }
    const last = this.#tls
    const isSame =
      last !== undefined &&
      isEqual(last.ca, next.ca) &&
      isEqual(last.certificate, next.certificate) &&
      isEqual(last.key, next.key) &&
      last.serverName === next.serverName &&
      last.isInsecure === next.isInsecure
    if (isSame) return last
    this.#tls = { ...next, version: (last?.version ?? 0) + 1 }
    return this.#tls
  }

  token(): string {
    this.#refresh()
    const { token, tokenFile } = this.#parts
    // As client-go: the file wins over the inline token.
    if (tokenFile === '') return token
    return this.#file(tokenFile).read().toString('utf8').trim()
  }

  refused(): void {
    for (const file of this.#files.values()) file.expire()
    this.#loadedAt_ms = Number.NEGATIVE_INFINITY
  }

  /** The kubeconfig itself may be replaced too; a broken one does not replace a good one. */
  #refresh(): void {
    const now_ms = this.#clock.monotonic_ms()
    if (now_ms - this.#loadedAt_ms < reread_ms) return
    this.#loadedAt_ms = now_ms
    try {
      this.#parts = this.#load()
    } catch (error) {
      if (!(error instanceof FairleadError)) throw error
    }
  }

  #bytes(material: Material | undefined): Buffer | undefined {
    if (material === undefined) return undefined
    return 'bytes' in material ? material.bytes : this.#file(material.file).read()
  }

  #file(path: string): KeptFile {
    let file = this.#files.get(path)
    if (file === undefined) this.#files.set(path, (file = new KeptFile(path, this.#clock)))
    return file
  }
}

function isEqual(a: Buffer | undefined, b: Buffer | undefined): boolean {
  return a === b || (a !== undefined && b !== undefined && a.equals(b))
}

function parseServers(servers: readonly string[], from: string): URL[] {
  return servers.map((text) => {
    const url = URL.canParse(text) ? new URL(text) : undefined
    if (url?.protocol === 'https:' || url?.protocol === 'http:') return url
    const what = `${from}: ${JSON.stringify(text)} is no http or https URL`
    throw new FairleadError('SOURCE_FAILED', what, 'write https://host:port')
  })
}

export interface CredentialsOptions {
  /** Replace the server that the credentials name (`--server`). */
  readonly servers?: readonly string[]
  readonly clock?: Clock
}

/** Throws FairleadError SOURCE_FAILED naming file and field. */
export function kubeconfigCredentials(
  file: string,
  options: CredentialsOptions & { readonly context?: string } = {},
): Credentials {
  const given = options.servers ?? []
  const load = (): Parts => {
    const config = readKubeconfig(file, options.context)
    const servers = given.length > 0 ? given : [config.server]
    return { ...config, servers: parseServers(servers, given.length > 0 ? '--server' : file) }
  }
  return new FileCredentials(load, options.clock ?? systemClock)
}

export interface InClusterOptions extends CredentialsOptions {
  /** Where token and ca.crt lie; default the pod's service account. */
  readonly directory?: string
  readonly env?: Readonly<Record<string, string | undefined>>
}

/**
 * The pod's service account. KUBERNETES_SERVICE_HOST is a VIP, dead on a node where nothing serves
 * VIPs yet: give `servers`. Throws FairleadError SOURCE_FAILED.
 */
export function inClusterCredentials(options: InClusterOptions = {}): Credentials {
  const directory = options.directory ?? serviceAccountDirectory
  const env = options.env ?? process.env
  const load = (): Parts => {
    const host = env['KUBERNETES_SERVICE_HOST'] ?? ''
    const port = env['KUBERNETES_SERVICE_PORT'] ?? '443'
    const given = options.servers ?? []
    if (given.length === 0 && host === '') {
      throw new FairleadError(
        'SOURCE_FAILED',
        'find the API server: KUBERNETES_SERVICE_HOST is not set, so this is no pod',
        'give --kubeconfig or --manifests',
      )
    }
    const own = `https://${host.includes(':') ? `[${host}]` : host}:${port}`
    return {
      origin: `service account in ${directory}`,
      servers: parseServers(
        given.length > 0 ? given : [own],
        given.length > 0 ? '--server' : 'env',
      ),
      proxyUrl: '',
      tlsServerName: '',
      isInsecure: false,
      ca: { file: join(directory, 'ca.crt') },
      certificate: undefined,
      key: undefined,
      token: '',
      tokenFile: join(directory, 'token'),
    }
  }
  return new FileCredentials(load, options.clock ?? systemClock)
}
