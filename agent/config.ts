/** Flags of `fairlead agent` → one frozen Config. Every mistake is found at once. */
import { hostname } from 'node:os'
import { FairleadError } from './errors.ts'
import {
  anyPath,
  BadValue,
  cidrs,
  duration,
  integer,
  listen,
  nodeName,
  nodePortAddresses,
  oneOf,
  path,
  serverUrl,
  type Listen,
  type NodePortAddresses,
  type Reader,
} from './values.ts'

export type { Listen, NodePortAddresses } from './values.ts'

export interface Config {
  /** '' unless given. At most one of kubeconfig and manifests; neither: in-cluster. */
  readonly kubeconfig: string
  readonly manifests: string
  /** API servers to use instead of the one that the credentials name, in order. */
  readonly servers: readonly string[]
  readonly nodeName: string
  /** Without the version directory. */
  readonly bpffs: string
  /** Undefined: the cgroup v2 root that is found. */
  readonly cgroup: string | undefined
  readonly runDir: string
  /** Undefined: off. */
  readonly healthz: Listen | undefined
  readonly metrics: Listen | undefined
  readonly probe: Listen | undefined
  readonly socketLb: 'all' | 'host' | 'off'
  /** getpeername tells the VIP; costs a storage write per connection. */
  readonly rememberPeer: boolean
  /** 0: the programs never stand down. */
  readonly lease_ms: number
  /** Only external IPs inside these are served. */
  readonly externalIpCidrs: readonly string[]
  readonly nodePortAddresses: NodePortAddresses
  /** Sizes of maps that are made; a pinned map keeps its own. */
  readonly limits: {
    readonly services: number
    readonly backends: number
    readonly frontends: number
    readonly members: number
    readonly affinity: number
  }
  /** One of so many translations becomes an event; 0: none. */
  readonly eventSample: number
  /** Ask the API server to stream the first list; off: LIST, as with servers that can't. */
  readonly watchList: boolean
  /** Ask for protobuf; off: JSON, at three times the CPU. */
  readonly protobuf: boolean
  /** Objects of one page of a LIST; 0: all at once. */
  readonly pageLimit: number
  readonly verbosity: number
  readonly logFormat: 'json' | 'text'
}

/** One flag: what help and completion say of it. `fallback` is the text that is read if unset. */
export interface Flag {
  readonly name: string
  readonly argument: string
  readonly help: string
  readonly fallback: string
  readonly words?: readonly string[]
  readonly isRepeatable?: boolean
  /** Another name for it. */
  readonly alias?: string
}

const onOff = ['on', 'off'] as const
const scopes = ['all', 'host', 'off'] as const
const formats = ['json', 'text'] as const

/** The flags, in the order of help. */
export const agentFlags: readonly Flag[] = [
  flag('kubeconfig', 'FILE', 'credentials for the API server (default: in-cluster)', ''),
  flag('manifests', 'DIR', 'take objects from YAML files instead of an API server', ''),
  {
    ...flag('server', 'URL', 'API server to use instead of the credentials’ (repeatable)', ''),
    isRepeatable: true,
  },
  {
    ...flag('node-name', 'NAME', 'name of this Node (default: the host name)', ''),
    alias: 'hostname-override',
  },
  flag('bpffs', 'DIR', 'where maps and links are pinned', '/sys/fs/bpf/fairlead'),
  flag('cgroup', 'DIR', 'cgroup v2 to attach to (default: its root)', ''),
  flag('run-dir', 'DIR', 'where the sockets lie', '/run/fairlead'),
  flag('healthz-bind-address', 'ADDRESS', '/healthz and /livez; 0: off', '0.0.0.0:10256'),
  flag('metrics-bind-address', 'ADDRESS', '/metrics, /proxyMode; 0: off', '127.0.0.1:10249'),
  flag('probe-bind-address', 'ADDRESS', '/livez, /readyz of the pod; 0: off', '127.0.0.1:9258'),
  { ...flag('socket-lb', 'WHO', 'whose connections the socket hooks take', 'all'), words: scopes },
  { ...flag('getpeername', 'on|off', 'tell programs the VIP they dialled', 'on'), words: onOff },
  flag('datapath-lease', 'TIME', 'stand down this long after the last agent; 0: never', '24h'),
  flag('external-ip-cidrs', 'CIDRS', 'external IPs that Services may claim', ''),
  flag('nodeport-addresses', 'CIDRS', 'or primary, localhost, all', 'primary'),
  flag('max-services', 'N', 'service ports, per family', '65536'),
  flag('max-backends', 'N', 'slots of backends', '262144'),
  flag('max-frontends', 'N', 'frontends', '131072'),
  flag('max-members', 'N', 'remembered backends', '262144'),
  flag('max-affinity', 'N', 'remembered clients', '65536'),
  flag('event-sample', 'N', 'one of N translations is an event; 0: none', '0'),
  {
    ...flag('watch-list', 'on|off', 'let the API server stream the first list', 'on'),
    words: onOff,
  },
  {
    ...flag('protobuf', 'on|off', 'speak protobuf with the API server, not JSON', 'on'),
    words: onOff,
  },
  flag('page-limit', 'N', 'objects of one page of a LIST; 0: all at once', '0'),
  flag('log-format', 'json|text', 'lines on stderr', 'json'),
  { ...flag('v', 'N', 'verbosity: 0, 1, 2', '0'), words: ['0', '1', '2'] },
]

function flag(name: string, argument: string, help: string, fallback: string): Flag {
  return { name, argument, help, fallback }
}

/** `--name`, or `-v`. */
export function flagText(one: { name: string }): string {
  return one.name.length === 1 ? `-${one.name}` : `--${one.name}`
}

type Given = Map<string, string[]>

const takesNext = (word: string | undefined): word is string =>
  word !== undefined && (word === '-' || !word.startsWith('-'))

/** Splits the command line; what can't be understood goes to `mistakes`. */
function split(words: readonly string[], mistakes: string[]): Given {
  const given: Given = new Map()
  const put = (one: Flag, value: string): void => {
    const before = given.get(one.name) ?? []
    if (before.length > 0 && one.isRepeatable !== true) {
      mistakes.push(`${flagText(one)}: given twice`)
    }
    given.set(one.name, [...before, value])
  }
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? ''
    const [, name = '', equals, value = ''] =
      /^--?([^=]*?)(=(.*))?$/s.exec(word.replace(/^-v([0-9])$/, '-v=$1')) ?? []
    const one = agentFlags.find((each) => each.name === name || each.alias === name)
    const isFlag = word.startsWith('-') && word.startsWith('--') === name.length > 1
    if (one === undefined || !isFlag) mistakes.push(`${word}: no such flag`)
    else if (equals !== undefined) put(one, value)
    else if (takesNext(words[i + 1])) put(one, words[++i] ?? '')
    else mistakes.push(`${flagText(one)}: needs a value (${one.argument})`)
  }
  return given
}

/** What of this machine a default depends on. */
export interface Surroundings {
  readonly hostname: () => string
}

/**
 * @param words the command line behind `fairlead agent`
 * @throws FairleadError CONFIG_INVALID with a line for each mistake
 */
export function parseConfig(words: readonly string[], around: Surroundings = { hostname }): Config {
  const mistakes: string[] = []
  const given = split(words, mistakes)
  const read = <T>(name: string, reader: Reader<T>): T => {
    const fallback = agentFlags.find((one) => one.name === name)?.fallback ?? ''
    return attempt(name, given.get(name)?.at(-1) ?? fallback, reader)
  }
  /** What is read in vain is never used: the mistakes are thrown before. */
  const attempt = <T>(name: string, text: string, reader: Reader<T>): T => {
    try {
      return reader(text)
    } catch (error) {
      if (!(error instanceof BadValue)) throw error
      mistakes.push(`${flagText({ name })}: ${error.message}`)
      return undefined as T
    }
  }
  const optional =
    (reader: Reader<string>): Reader<string> =>
    (text) =>
      text && reader(text)
  const given1 = (name: string): boolean => (given.get(name)?.at(-1) ?? '') !== ''
  if (given1('kubeconfig') && given1('manifests')) {
    mistakes.push('--kubeconfig and --manifests: only one source of objects at a time')
  }
  if (given1('server') && given1('manifests')) {
    mistakes.push('--server: --manifests asks no API server')
  }
  const config: Config = {
    kubeconfig: read('kubeconfig', optional(anyPath)),
    manifests: read('manifests', optional(anyPath)),
    servers: (given.get('server') ?? []).map((url) => attempt('server', url, serverUrl)),
    nodeName: attempt('node-name', given.get('node-name')?.at(-1) ?? around.hostname(), nodeName),
    bpffs: read('bpffs', path),
    cgroup: read('cgroup', optional(path)) || undefined,
    runDir: read('run-dir', path),
    healthz: read('healthz-bind-address', listen(10256)),
    metrics: read('metrics-bind-address', listen(10249)),
    probe: read('probe-bind-address', listen(9258)),
    socketLb: read('socket-lb', oneOf(...scopes)),
    rememberPeer: read('getpeername', oneOf(...onOff)) === 'on',
    lease_ms: read('datapath-lease', lease),
    externalIpCidrs: read('external-ip-cidrs', cidrs),
    nodePortAddresses: read('nodeport-addresses', nodePortAddresses),
    limits: Object.freeze({
      services: read('max-services', integer(16, 1 << 20)),
      backends: read('max-backends', integer(64, 1 << 24)),
      frontends: read('max-frontends', integer(16, 1 << 22)),
      members: read('max-members', integer(64, 1 << 24)),
      affinity: read('max-affinity', integer(64, 1 << 24)),
    }),
    eventSample: read('event-sample', integer(0, 2 ** 32 - 1)),
    watchList: read('watch-list', oneOf(...onOff)) === 'on',
    protobuf: read('protobuf', oneOf(...onOff)) === 'on',
    pageLimit: read('page-limit', integer(0, 100_000)),
    verbosity: read('v', integer(0, 10)),
    logFormat: read('log-format', oneOf(...formats)),
  }
  if (mistakes.length > 0) {
    throw new FairleadError('CONFIG_INVALID', mistakes.join('\n'), 'see fairlead agent --help')
  }
  return Object.freeze(config)
}

/** Shorter than this, a busy agent would let it run out. */
const shortestLease_ms = 10_000

const lease: Reader<number> = (text) => {
  const value = duration(text)
  if (value === 0 || value >= shortestLease_ms) return value
  throw new BadValue(`'${text}' is shorter than 10s, and not 0 (never)`)
}
