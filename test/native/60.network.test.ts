/** Devices, addresses, routes and sockets of a namespace of the test's own. */
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { destroySockets, netAddresses, netLinks, netRoutes } from '../../native/index.ts'
import { eventually } from '../support/eventually.ts'
import { type Node, makeNode } from '../support/netns.ts'
import { requires } from '../support/requires.ts'

const script = fileURLToPath(new URL('inside.ts', import.meta.url))
const inside = [process.execPath, '--import', 'tsx', script]

interface Lists {
  readonly links: readonly Record<string, unknown>[]
  readonly addresses: readonly Record<string, unknown>[]
  readonly routes: readonly Record<string, unknown>[]
}

const mapped = (v4: string) => '00000000000000000000ffff' + v4

test('lists devices, addresses and routes without any privilege', () => {
  const loopback = netLinks().find((link) => link.loopback)
  expect(loopback).toMatchObject({ name: 'lo', kind: '', master: 0 })
  const own = netAddresses().find((row) => row.address.toString('hex') === mapped('7f000001'))
  expect(own).toMatchObject({ ifindex: loopback?.ifindex, prefixLength: 8, scope: 254 })
  const local = netRoutes().find((row) => row.destination.toString('hex') === mapped('7f000001'))
  expect(local).toMatchObject({ family: 4, prefixLength: 32, table: 255, type: 2 })
})

requires(
  'root',
  'bpf',
  'cgroup2',
  'netns',
  'gcc',
)('in a namespace', () => {
  let node: Node
  beforeAll(async () => {
    node = await makeNode({ pods: 1 })
    const commands = [
      'link add br9 type bridge',
      'link add port9 type veth peer name far9',
      'link set port9 master br9',
      'link set port9 up',
      'addr add 10.9.0.1/24 dev br9',
      'addr add 10.8.0.1 peer 10.8.0.2/32 dev br9',
      'addr add fd09::1/64 dev br9 nodad',
      'link set br9 up',
      'route add 10.77.0.0/16 nexthop via 10.9.0.5 dev br9 nexthop via 172.30.0.99 dev eth0',
      'route add default via 10.9.0.9 dev br9 table 777',
      'route add blackhole 10.66.0.0/16',
    ]
    const stdin = commands.join('\n')
    await node.mustRun(['ip', '-batch', '-'], { stdin })
  })
  afterAll(() => node.close())

  test('kinds, masters, peers in other namespaces, both families and next hops are told', async () => {
    const lists = JSON.parse(await node.mustRun([...inside, 'network'])) as Lists
    const link = (name: string) => lists.links.find((row) => row['name'] === name) ?? {}
    const bridge = link('br9')['ifindex']
    expect(link('br9')).toMatchObject({ kind: 'bridge', up: true, master: 0, linkNetnsId: -1 })
    expect(link('port9')).toMatchObject({ kind: 'veth', up: true, master: bridge })
    expect(link('veth1')).toMatchObject({ kind: 'veth' })
    expect(link('veth1')['linkNetnsId']).toBeGreaterThanOrEqual(0)
    expect(link('eth0')).toMatchObject({ kind: 'veth', link: link('nowhere')['ifindex'] })

    const onBridge = lists.addresses.filter((row) => row['ifindex'] === bridge)
    expect(
      onBridge.map((row) => `${String(row['address'])}/${String(row['prefixLength'])}`),
    ).toEqual(
      expect.arrayContaining([
        `${mapped('0a090001')}/24`,
        `${mapped('0a080001')}/32`, // ours, not the peer's
        'fd090000000000000000000000000001/64',
      ]),
    )
    const hops = lists.routes.filter((row) => row['destination'] === mapped('0a4d0000'))
    expect(hops.map((row) => row['ifindex']).sort()).toEqual(
      [bridge, link('eth0')['ifindex']].sort(),
    )
    expect(lists.routes.find((row) => row['table'] === 777)).toMatchObject({
      destination: '0'.repeat(32),
      prefixLength: 0,
      ifindex: bridge,
    })
    expect(lists.routes.find((row) => row['destination'] === mapped('0a420000'))).toMatchObject({
      type: 6,
      ifindex: 0,
    })
    expect(lists.routes.some((row) => row['family'] === 6)).toBe(true)
  })

  test('changes are reported by kind, and a storm of them by few calls', async () => {
    const watch = node.start([...inside, 'watch'])
    const lines = () =>
      watch
        .log()
        .split('\n')
        .filter((line) => line.startsWith('{'))
    const has = (key: string) =>
      lines().some((line) => (JSON.parse(line) as Record<string, boolean>)[key])
    await eventually('the watch', () => watch.log().includes('watching'))
    await node.mustRun(['ip', 'link', 'add', 'br10', 'type', 'bridge'])
    await eventually('a change of links', () => has('links'))
    expect(has('addresses')).toBe(false)
    await node.mustRun(['ip', 'addr', 'add', '10.10.0.1/32', 'dev', 'br10'])
    await eventually('a change of addresses', () => has('addresses'))
    await node.mustRun(['ip', 'link', 'set', 'br10', 'up'])
    await node.mustRun(['ip', 'route', 'add', '10.11.0.0/16', 'dev', 'br10'])
    await eventually('a change of routes', () => has('routes'))
    const before = lines().length
    const storm = Array.from(
      { length: 1000 },
      (_, i) => `addr add 10.12.${i >> 8}.${i & 255}/32 dev br10`,
    )
    await node.mustRun(['ip', '-batch', '-'], { stdin: storm.join('\n') })
    await eventually('the storm', () => lines().length > before)
    expect(lines().length - before).toBeLessThan(1000)
    watch.process.stdin?.end()
    await watch.ended
    expect(watch.process.exitCode).toBe(0)
  })

  test('exactly the sockets that talk to an address and port are ended', async () => {
    await node.echo({ name: 'a', port: 7001 })
    await node.echo({ name: 'b', port: 7002 })
    const holder = node.start([
      process.execPath,
      '-e',
      `const net = require('node:net')
       const open = (name, host, port) => {
         const socket = net.connect({ host, port })
         socket.on('connect', () => console.log('open', name))
         socket.on('error', (error) => console.log('ended', name, error.code))
       }
       open('v4', '127.0.0.1', 7001)
       open('mapped', '::ffff:127.0.0.1', 7001)
       open('v6', '::1', 7001)
       open('other', '127.0.0.1', 7002)
       setInterval(() => {}, 1000)`,
    ])
    await eventually('four connections', () => holder.log().match(/open/g)?.length === 4)
    const destroy = async (address: string, port: number) =>
      Number(await node.mustRun([...inside, 'destroy', address, String(port)]))
    expect(await destroy(mapped('7f000002'), 7001)).toBe(0)
    expect(await destroy(mapped('7f000001'), 7001)).toBe(2)
    await eventually('both to end', () => holder.log().match(/ended/g)?.length === 2)
    expect(holder.log()).toMatch(/ended v4 ECONNABORTED/)
    expect(holder.log()).toMatch(/ended mapped ECONNABORTED/)
    expect(await destroy('0'.repeat(31) + '1', 7001)).toBe(1)
    await eventually('the third to end', () => holder.log().includes('ended v6'))
    expect(holder.log()).not.toContain('ended other')
    await holder.stop(0)
  })

  test('a canary passes every hook of both families, with its own mark only', async () => {
    const seen = JSON.parse(await node.mustRun([...inside, 'canary', node.cgroupRoot])) as {
      counts: number[]
      cookie: string
    }
    // connect, sendmsg, getpeername of 4 and 6; connect6 may run twice for want of a route.
    expect(seen.counts.every((n) => n >= 1 && n <= 2)).toBe(true)
    expect(BigInt(seen.cookie)).toBeGreaterThan(0n)
  })
})

test('a socket that nobody has is no error', () => {
  expect(destroySockets(17, new Uint8Array(16).fill(9), 9)).toBe(0)
})
