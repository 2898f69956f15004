/** Reads a kubeconfig file: the current context's cluster and user, nothing else. */
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parse } from 'yaml'
import { FairleadError, reasonOf } from '../errors.ts'

/** Bytes given in the file itself, or a file that may be replaced at any time. */
export type Material = { readonly bytes: Buffer } | { readonly file: string }

export interface Kubeconfig {
  /** For messages: `kubeconfig F, context C`. */
  readonly origin: string
  readonly server: string
  readonly proxyUrl: string
  readonly tlsServerName: string
  readonly isInsecure: boolean
  readonly ca: Material | undefined
  readonly certificate: Material | undefined
  readonly key: Material | undefined
  readonly token: string
  readonly tokenFile: string
}

type Fields = Readonly<Record<string, unknown>>

/** A part of the file, with its path for messages. */
class Part {
  readonly #file: string
  readonly #path: string
  readonly #fields: Fields

  constructor(file: string, path: string, value: unknown) {
    this.#file = file
    this.#path = path
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      const what = `${file}: ${path || 'the document'} is no mapping`
      throw new FairleadError('SOURCE_FAILED', what, 'write it as a mapping')
    }
    this.#fields = value as Fields
  }

  has(name: string): boolean {
    return (this.#fields[name] ?? undefined) !== undefined
  }

  /** '' if absent. */
  text(name: string): string {
    const value = this.#fields[name] ?? ''
    if (typeof value === 'string') return value
    throw this.wrong(name, 'is no text', 'put it in quotes')
  }

  flag(name: string): boolean {
    const value = this.#fields[name] ?? false
    if (typeof value === 'boolean') return value
    throw this.wrong(name, 'is neither true nor false', 'write true or false')
  }

  /** `name` is a list of `{name, <inner>}`: the inner part of the one called `wanted`. */
  named(name: string, wanted: string, inner: string): Part {
    const list = this.#fields[name]
    if (!Array.isArray(list)) throw this.wrong(name, 'is no list', 'write it as a list')
    for (const [i, item] of (list as unknown[]).entries()) {
      const path = `${name}[${i}]`
      const entry = new Part(this.#file, path, item)
      if (entry.text('name') === wanted) {
        return new Part(this.#file, `${path}.${inner}`, entry.#fields[inner])
      }
    }
    throw this.wrong(name, `has no entry named "${wanted}"`, 'check current-context')
  }

  /** From `<name>-data` (base64) or `<name>` (a path, relative to the kubeconfig). */
  material(name: string): Material | undefined {
    const inline = this.text(`${name}-data`)
    if (inline !== '') {
      const bytes = Buffer.from(inline, 'base64')
      if (bytes.includes('-----BEGIN')) return { bytes }
      throw this.wrong(`${name}-data`, 'is no base64 of a PEM file', 'encode the file anew')
    }
    const file = this.text(name)
    return file === '' ? undefined : { file: resolve(dirname(this.#file), file) }
  }

  wrong(name: string, what: string, remedy: string): FairleadError {
    const path = this.#path === '' ? name : `${this.#path}.${name}`
    return new FairleadError('SOURCE_FAILED', `${this.#file}: ${path} ${what}`, remedy)
  }
}

function refusePlugins(user: Part): void {
  for (const field of ['exec', 'auth-provider', 'username', 'password', 'as']) {
    if (!user.has(field)) continue
    throw user.wrong(
      field,
      'is not supported: an agent on a node runs no login plugins and impersonates nobody',
      'give the user a token, a tokenFile or a client certificate',
    )
  }
}

/**
 * @param context instead of the file's current-context; '' for that.
 * @throws FairleadError SOURCE_FAILED naming file and field.
 */
export function readKubeconfig(file: string, context = ''): Kubeconfig {
  let document: unknown
  try {
    document = parse(readFileSync(file, 'utf8'))
  } catch (error) {
    // A YAML error draws the place over several lines; the first one names it.
    const why = reasonOf(error).split('\n')[0] ?? ''
    throw new FairleadError(
      'SOURCE_FAILED',
      `read kubeconfig ${file}: ${why}`,
      'check --kubeconfig and the file',
      error,
    )
  }
  const root = new Part(file, '', document)
  const name = context === '' ? root.text('current-context') : context
  if (name === '') throw root.wrong('current-context', 'is not set', 'name the context to use')
  const chosen = root.named('contexts', name, 'context')
  const cluster = root.named('clusters', chosen.text('cluster'), 'cluster')
  const user = root.named('users', chosen.text('user'), 'user')
  refusePlugins(user)
  const server = cluster.text('server')
  if (!/^https?:\/\//.test(server) || !URL.canParse(server)) {
    const what = `is ${JSON.stringify(server)}, no http or https URL`
    throw cluster.wrong('server', what, 'write https://host:port')
  }
  const certificate = user.material('client-certificate')
  const key = user.material('client-key')
  if ((certificate === undefined) !== (key === undefined)) {
    const [missing, present] = key === undefined ? ['key', 'certificate'] : ['certificate', 'key']
    throw user.wrong(`client-${missing}`, `is missing beside client-${present}`, 'give both')
  }
  const tokenFile = user.text('tokenFile')
  return {
    origin: `kubeconfig ${file}, context ${name}`,
    server,
    proxyUrl: cluster.text('proxy-url'),
    tlsServerName: cluster.text('tls-server-name'),
    isInsecure: cluster.flag('insecure-skip-tls-verify'),
    ca: cluster.material('certificate-authority'),
    certificate,
    key,
    token: user.text('token'),
    tokenFile: tokenFile === '' ? '' : resolve(dirname(file), tokenFile),
  }
}
