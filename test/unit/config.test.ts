import { describe, expect, test } from 'vitest'
import { agentFlags, parseConfig } from '../../agent/config.ts'
import { FairleadError } from '../../agent/errors.ts'
import { duration, listen } from '../../agent/values.ts'

const around = { hostname: () => 'Worker-1.Example' }
const parse = (...words: string[]) => parseConfig(words, around)

function mistakes(...words: string[]): string[] {
  try {
    parse(...words)
  } catch (error) {
    expect(error).toBeInstanceOf(FairleadError)
    expect((error as FairleadError).code).toBe('CONFIG_INVALID')
    return (error as FairleadError).message.split('\n')
  }
  return []
}

describe('a command line without flags', () => {
  test('gives the defaults of the design', () => {
    expect(parse()).toEqual({
      kubeconfig: '',
      manifests: '',
      servers: [],
      nodeName: 'worker-1.example',
      bpffs: '/sys/fs/bpf/fairlead',
      cgroup: undefined,
      runDir: '/run/fairlead',
      healthz: { host: '0.0.0.0', port: 10256 },
      metrics: { host: '127.0.0.1', port: 10249 },
      probe: { host: '127.0.0.1', port: 9258 },
      socketLb: 'all',
      rememberPeer: true,
      lease_ms: 86_400_000,
      externalIpCidrs: [],
      nodePortAddresses: 'primary',
      limits: {
        services: 65536,
        backends: 262144,
        frontends: 131072,
        members: 262144,
        affinity: 65536,
      },
      eventSample: 0,
      watchList: true,
      protobuf: true,
      pageLimit: 0,
      verbosity: 0,
      logFormat: 'json',
    })
  })

  test('and the result cannot be changed', () => {
    const config = parse()
    expect(Object.isFrozen(config)).toBe(true)
    expect(Object.isFrozen(config.limits)).toBe(true)
  })
})

describe('flags', () => {
  test.each([
    [['--node-name=Node_1'.replace('_', '-')], { nodeName: 'node-1' }],
    [['--hostname-override', 'N1'], { nodeName: 'n1' }],
    [
      ['--server', 'https://a:6443/', '--server=https://[fd00::1]:6443'],
      {
        servers: ['https://a:6443', 'https://[fd00::1]:6443'],
      },
    ],
    [['--bpffs', '/sys/fs/bpf/x/'], { bpffs: '/sys/fs/bpf/x' }],
    [
      ['--healthz-bind-address', '0', '--metrics-bind-address='],
      {
        healthz: undefined,
        metrics: undefined,
      },
    ],
    [['--probe-bind-address', '[::1]:99'], { probe: { host: '::1', port: 99 } }],
    [['--socket-lb', 'host', '--getpeername', 'off'], { socketLb: 'host', rememberPeer: false }],
    [['--datapath-lease', '0'], { lease_ms: 0 }],
    [
      ['--external-ip-cidrs', '10.0.0.0/8, fd00::/8'],
      {
        externalIpCidrs: ['10.0.0.0/8', 'fd00::/8'],
      },
    ],
    [['--nodeport-addresses', '192.168.0.0/16'], { nodePortAddresses: ['192.168.0.0/16'] }],
    [['--nodeport-addresses', 'all'], { nodePortAddresses: 'all' }],
    [['-v', '2'], { verbosity: 2 }],
    [['-v=1'], { verbosity: 1 }],
    [['-v1'], { verbosity: 1 }],
  ])('%j', (words, wanted) => {
    expect(parse(...words)).toMatchObject(wanted)
  })

  test('every flag has a default that its own reader takes', () => {
    for (const { name, fallback } of agentFlags) {
      if (fallback === '') continue
      const dashes = name.length === 1 ? '-' : '--'
      expect(parse(`${dashes}${name}`, fallback), name).toEqual(parse())
    }
  })
})

describe('mistakes', () => {
  test('are all told at once, each with its flag', () => {
    expect(
      mistakes('--socket-lb', 'some', '--max-services=0', '--wat', '--bpffs', 'x', '--v'),
    ).toEqual([
      '--wat: no such flag',
      '--v: no such flag',
      "--bpffs: 'x' is no absolute path",
      "--socket-lb: 'some' is none of all, host, off",
      "--max-services: '0' is no whole number from 16 to 1048576",
    ])
  })

  test.each([
    [['stray'], 'stray: no such flag'],
    [['-node-name=x'], '-node-name=x: no such flag'],
    [['--run-dir'], '--run-dir: needs a value (DIR)'],
    [['--run-dir', '--bpffs', '/x'], '--run-dir: needs a value (DIR)'],
    [['--bpffs', '/a', '--bpffs', '/b'], '--bpffs: given twice'],
    [['--node-name', ''], "--node-name: '' is no name that a Node can have"],
    [['--node-name', 'a'.repeat(254)], 'is no name that a Node can have'],
    [['--healthz-bind-address', 'localhost:1'], 'is no address:port'],
    [['--healthz-bind-address', '127.0.0.1:0'], "'0' is no whole number from 1 to 65535"],
    [['--healthz-bind-address', '127.0.0.1:65536'], "'65536' is no whole number"],
    [['--datapath-lease', '24'], "'24' is no duration"],
    [['--datapath-lease=-1h'], "'-1h' is no duration"],
    [['--datapath-lease', '5s'], 'is shorter than 10s'],
    [['--external-ip-cidrs', '10.0.0.0'], "'10.0.0.0': no range"],
    [['--nodeport-addresses', ','], 'needs ranges, or primary'],
    [['--nodeport-addresses', 'primary,all'], 'no range such as'],
    [['--kubeconfig', 'a', '--manifests', 'b'], 'only one source of objects'],
    [['--manifests', 'b', '--server', 'https://x'], '--manifests asks no API server'],
    [['--server', 'ftp://x'], 'is no https://host:port'],
    [['--event-sample', '1.5'], 'is no whole number'],
    [['-v', 'loud'], "-v: 'loud' is no whole number"],
  ])('%j', (words, wanted) => {
    const told = mistakes(...words)
    expect(told).toHaveLength(1)
    expect(told[0]).toContain(wanted)
  })

  test('a password in a URL is refused without being repeated', () => {
    const [told] = mistakes('--server', 'https://admin:hunter2@x')
    expect(told).toBe('--server: credentials belong in a kubeconfig, not in a URL')
  })
})

test.each([
  ['0', 0],
  ['30s', 30_000],
  ['1h30m', 5_400_000],
  ['1.5s', 1500],
  ['.5m', 30_000],
  ['250ms', 250],
])('the duration %s is %d ms, as in Go', (text, ms) => {
  expect(duration(text)).toBe(ms)
})

test.each(['', '1', 's', '1d', '1h 1m', '1h-1m', '1..5s', ' 1s'])("'%s' is no duration", (text) => {
  expect(() => duration(text)).toThrow(/no duration/)
})

test.each([
  ['127.0.0.1:1', '127.0.0.1', 1],
  [':9', '0.0.0.0', 9],
  ['10.0.0.1', '10.0.0.1', 10256],
  ['::1', '::1', 10256],
  ['[::]:7', '::', 7],
])('%s listens on %s, port %d', (text, host, port) => {
  expect(listen(10256)(text)).toEqual({ host, port })
})
