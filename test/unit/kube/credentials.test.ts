import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { inClusterCredentials, kubeconfigCredentials } from '../../../agent/kube/credentials.ts'
import { readKubeconfig } from '../../../agent/kube/kubeconfig.ts'
import { manualClock } from '../../support/clock.ts'

const directory = mkdtempSync(join(tmpdir(), 'fairlead-test-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

let files = 0

function written(text: string, name = `file${++files}`): string {
  const path = join(directory, name)
  writeFileSync(path, text)
  return path
}

const pem = '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n'

interface Parts {
  readonly cluster?: string
  readonly user?: string
  readonly rest?: string
}

function kubeconfig({
  cluster = 'server: https://h:6443',
  user = 'token: t',
  rest,
}: Parts): string {
  return written(`apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {${cluster}}}]
users: [{name: u, user: {${user}}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
${rest ?? 'current-context: x'}
`)
}

describe('a kubeconfig', () => {
  test('gives the server, trust and user of its current context', () => {
    const ca = written(pem, 'ca.crt')
    const data = Buffer.from(pem).toString('base64')
    const file = kubeconfig({
      cluster: `server: "https://h:6443", certificate-authority: ca.crt, tls-server-name: api,
        insecure-skip-tls-verify: true`,
      user: `client-certificate-data: ${data}, client-key: ${ca}`,
    })
    expect(readKubeconfig(file)).toEqual({
      origin: `kubeconfig ${file}, context x`,
      server: 'https://h:6443',
      proxyUrl: '',
      tlsServerName: 'api',
      isInsecure: true,
      ca: { file: ca },
      certificate: { bytes: Buffer.from(pem) },
      key: { file: ca },
      token: '',
      tokenFile: '',
    })
  })

  test.for([
    [{ user: 'exec: {command: aws}' }, /users\[0\]\.user\.exec is not supported/],
    [{ user: 'auth-provider: {name: gcp}' }, /users\[0\]\.user\.auth-provider is not supported/],
    [{ user: 'client-key: k' }, /users\[0\]\.user\.client-certificate is missing/],
    [{ user: 'client-key-data: "!!", client-certificate: c' }, /client-key-data is no base64/],
    [{ user: 'token: 5' }, /users\[0\]\.user\.token is no text/],
    [{ cluster: 'server: "h:6443"' }, /clusters\[0\]\.cluster\.server is "h:6443"/],
    [{ rest: 'current-context: y' }, /contexts has no entry named "y"/],
    [{ rest: 'kind: Config' }, /read kubeconfig .*: Map keys must be unique/],
    [{ rest: '' }, /current-context is not set/],
    [{ rest: 'a: [' }, /read kubeconfig /],
  ] as const)('%o is refused, naming file and field', ([parts, why]) => {
    const file = kubeconfig(parts)
    expect(() => readKubeconfig(file)).toThrow(why)
    expect(() => readKubeconfig(file)).toThrow(file)
  })

  test('that is missing is said to be', () => {
    expect(() => readKubeconfig(join(directory, 'none'))).toThrow(/read kubeconfig .*none: ENOENT/)
  })

  test('that was replaced is read again within a minute; a broken one changes nothing', () => {
    const clock = manualClock()
    const file = kubeconfig({ user: 'token: old' })
    const credentials = kubeconfigCredentials(file, { clock })
    expect(credentials.token()).toBe('old')
    const good = `clusters: [{name: c, cluster: {server: "https://h"}}]
users: [{name: u, user: {token: new}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x`
    writeFileSync(file, good)
    clock.advance(59_000)
    expect(credentials.token()).toBe('old')
    clock.advance(2_000)
    expect(credentials.token()).toBe('new')
    writeFileSync(file, 'half: [')
    clock.advance(61_000)
    expect(credentials.token()).toBe('new')
  })
})

describe('a token file', () => {
  function credentials(clock: ReturnType<typeof manualClock>, path: string) {
    return kubeconfigCredentials(kubeconfig({ user: `tokenFile: ${path}` }), { clock })
  }

  test('is read again after a minute', () => {
    const clock = manualClock()
    const path = written('one\n')
    const user = credentials(clock, path)
    expect(user.token()).toBe('one')
    writeFileSync(path, 'two\n')
    clock.advance(59_000)
    expect(user.token()).toBe('one')
    clock.advance(2_000)
    expect(user.token()).toBe('two')
  })

  test('is read again at once after the server refused the token', () => {
    const clock = manualClock()
    const path = written('one\n')
    const user = credentials(clock, path)
    expect(user.token()).toBe('one')
    writeFileSync(path, 'two\n')
    user.refused()
    expect(user.token()).toBe('two')
  })

  test('that goes missing or empty keeps its last token', () => {
    const clock = manualClock()
    const path = written('one\n')
    const user = credentials(clock, path)
    expect(user.token()).toBe('one')
    writeFileSync(path, '')
    clock.advance(61_000)
    expect(user.token()).toBe('one')
    rmSync(path)
    clock.advance(61_000)
    expect(user.token()).toBe('one')
  })

  test('that was never there is an error that names it', () => {
    const path = join(directory, 'nowhere')
    expect(() => credentials(manualClock(), path).token()).toThrow(
      new RegExp(`read credentials from ${path}: ENOENT`),
    )
  })
})

describe('a CA file', () => {
  test('that was replaced makes another version of the TLS material, an equal one does not', () => {
    const clock = manualClock()
    const ca = written(pem)
    const file = kubeconfig({ cluster: `server: "https://h", certificate-authority: ${ca}` })
    const credentials = kubeconfigCredentials(file, { clock })
    const { version } = credentials.tls()
    writeFileSync(ca, pem)
    clock.advance(61_000)
    expect(credentials.tls().version).toBe(version)
    writeFileSync(ca, `${pem}${pem}`)
    clock.advance(61_000)
    expect(credentials.tls().version).toBe(version + 1)
  })
})

describe('in a pod', () => {
  const env = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '6443' }

  test('the service account is used, and the servers given instead of the VIP', () => {
    written('token', 'token')
    written(pem, 'ca.crt')
    const inside = inClusterCredentials({ directory, env })
    expect(inside.servers().map(String)).toEqual(['https://[fd00::1]:6443/'])
    expect(inside.token()).toBe('token')
    expect(inside.tls().ca?.toString()).toBe(pem)
    const given = inClusterCredentials({ directory, env, servers: ['https://a', 'https://b'] })
    expect(given.servers().map(String)).toEqual(['https://a/', 'https://b/'])
  })

  test('outside of one the remedy is named', () => {
    const remedy = { message: /this is no pod/, remedy: /--kubeconfig/ }
    let thrown: unknown
    try {
      inClusterCredentials({ directory, env: {} })
    } catch (error) {
      thrown = error
    }
    expect(thrown).toMatchObject({ code: 'SOURCE_FAILED' })
    expect(String((thrown as Error).message)).toMatch(remedy.message)
    expect((thrown as { remedy: string }).remedy).toMatch(remedy.remedy)
  })
})
