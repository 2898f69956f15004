/** The one table of commands: parser, help, completion and the usage tests are made of it. */
import { agentFlags } from '../config.ts'
import { exitCodes } from './report.ts'
import type { Command, Option } from './command.ts'

const defaultOf = (name: string): string =>
  agentFlags.find((one) => one.name === name)?.fallback ?? ''

const output: Option = {
  flags: '-o, --output <format>',
  help: 'how to print',
  words: ['table', 'json'],
  fallback: 'table',
}
const noHeaders: Option = { flags: '--no-headers', help: 'tables without their first line' }
const runDir: Option = {
  flags: '--run-dir <dir>',
  help: 'where the agent’s sockets lie',
  fallback: defaultOf('run-dir'),
}
const bpffs: Option = {
  flags: '--bpffs <dir>',
  help: 'where the datapath is pinned',
  fallback: defaultOf('bpffs'),
}
const timeout: Option = {
  flags: '--timeout <time>',
  help: 'how long to wait for the agent',
  fallback: '10s',
}
const namespace: Option = { flags: '-n, --namespace <name>', help: 'only this namespace' }

const asking = [output, noHeaders, runDir, bpffs, timeout] as const
const narrowing = [...asking, namespace] as const

const someService = {
  name: 'service',
  isNeeded: false,
  help: 'namespace/name, name, id, or a frontend: 10.96.0.1:443, *:30080',
} as const

export const commands: readonly Command[] = [
  {
    path: ['status'],
    summary: 'Is this node’s datapath well? Exits with 5 if not',
    options: asking,
    examples: ['fairlead status', 'fairlead status -o json | jq .degraded'],
    run: async (context) => (await import('./status.ts')).showStatus(context),
  },
  {
    path: ['service', 'list'],
    summary: 'List service ports with their frontends, counts and sync state',
    word: someService,
    complete: 'service',
    options: narrowing,
    examples: ['fairlead service list -n shop', 'fairlead service list 10.96.0.1:443'],
    run: async (context) => (await import('./service.ts')).listServices(context),
  },
  {
    path: ['service', 'get'],
    summary: 'Show one Service with its backends',
    word: { ...someService, isNeeded: true },
    complete: 'service',
    options: narrowing,
    examples: ['fairlead service get shop/web', 'fairlead service get "*:30080" -o json'],
    run: async (context) => (await import('./service.ts')).getOneService(context),
  },
  {
    path: ['backend', 'list'],
    summary: 'List backends',
    word: someService,
    complete: 'service',
    options: narrowing,
    examples: ['fairlead backend list', 'fairlead backend list shop/web'],
    run: async (context) => (await import('./backend.ts')).listBackends(context),
  },
  {
    path: ['affinity', 'list'],
    summary: 'List which client is bound to which backend (session affinity)',
    word: someService,
    complete: 'service',
    options: narrowing,
    examples: ['fairlead affinity list', 'fairlead affinity list shop/web -o json'],
    run: async (context) => (await import('./affinity.ts')).listAffinity(context),
  },
  {
    path: ['map', 'list'],
    summary: 'List the BPF maps, how full they are and what they cost',
    options: asking,
    examples: ['fairlead map list', 'fairlead map list -o json'],
    run: async (context) => (await import('./map.ts')).listMaps(context),
  },
  {
    path: ['map', 'dump'],
    summary: 'Print every entry of one map, a line each; without a name, of what serves',
    word: { name: 'map', isNeeded: false, help: 'name as in fairlead map list' },
    complete: 'map',
    options: asking,
    examples: ['fairlead map dump', 'fairlead map dump backends -o json'],
    run: async (context) => (await import('./map.ts')).dumpMaps(context),
  },
  {
    path: ['events'],
    summary: 'Follow what the programs do (needs the agent; -o json is NDJSON)',
    word: someService,
    complete: 'service',
    options: [
      ...narrowing,
      { flags: '--count <n>', help: 'end after so many; 0: never', fallback: '0' },
    ],
    examples: ['fairlead events', 'fairlead events shop/web -o json --count 10'],
    run: async (context) => (await import('./events.ts')).watchEvents(context),
  },
  {
    path: ['bypass', 'on'],
    summary: 'The way out: translate nothing new, agent or no agent',
    options: [output, bpffs],
    examples: ['fairlead bypass on', 'fairlead bypass on --bpffs /sys/fs/bpf/fairlead'],
    run: async (context) => (await import('./bypass.ts')).switchBypass(true)(context),
  },
  {
    path: ['bypass', 'off'],
    summary: 'Back from the way out',
    options: [output, bpffs],
    examples: ['fairlead bypass off', 'fairlead bypass off -o json'],
    run: async (context) => (await import('./bypass.ts')).switchBypass(false)(context),
  },
  {
    path: ['bypass', 'status'],
    summary: 'Is bypass on?',
    options: [output, bpffs],
    examples: ['fairlead bypass status', 'fairlead bypass status -o json'],
    run: async (context) => (await import('./bypass.ts')).showBypass(context),
  },
  {
    path: ['cleanup'],
    summary: 'Remove every link, pin and filter of ours from this node',
    options: [
      output,
      bpffs,
      { flags: '--cgroup <dir>', help: 'cgroup that the agent was attached to' },
      { flags: '-y, --yes', help: 'do not ask' },
    ],
    examples: ['fairlead cleanup', 'fairlead cleanup --yes'],
    run: async (context) => (await import('./cleanup.ts')).runCleanup(context),
  },
  {
    path: ['version'],
    summary: 'Print the version of this program and of the agent',
    options: [output, runDir, timeout],
    examples: ['fairlead version', 'fairlead version -o json'],
    run: async (context) => (await import('./version.ts')).showVersion(context),
  },
  {
    path: ['completion'],
    summary: 'Print the completion script of a shell',
    word: { name: 'shell', isNeeded: true, help: 'bash, zsh or fish' },
    options: [],
    examples: ['. <(fairlead completion bash)', 'fairlead completion fish | source'],
    run: async (context) => (await import('./completion.ts')).printScript(context),
  },
]

/** `fairlead agent` has its own parser (config.ts); this is its help. */
export const agentCommand: Command = {
  path: ['agent'],
  summary: 'Run the agent of this node until SIGTERM; the datapath stays behind',
  options: agentFlags.map((one) => ({
    flags: `${one.name.length === 1 ? '-' : '--'}${one.name} <${one.argument.toLowerCase()}>`,
    help: one.fallback === '' ? one.help : `${one.help} (${one.fallback})`,
    ...(one.words === undefined ? {} : { words: one.words }),
  })),
  examples: [
    'fairlead agent --kubeconfig /etc/kubernetes/kubelet.conf',
    'fairlead agent --manifests /etc/fairlead --node-name node-1',
  ],
  run: () => Promise.resolve(exitCodes.usage),
}
