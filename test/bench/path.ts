/**
 * client - node - server, each a network namespace, joined by veth pairs: the way of a pod's packet
 * to a pod of another node. The node forwards and does nothing else.
 */
import { namePrefix, removeNamespace } from '../support/run.ts'
import { mustRun } from '../support/process.ts'
import { defer } from './belongings.ts'

export interface Path {
  /** Names below /run/netns. */
  readonly client: string
  readonly node: string
  readonly server: string
  /** Two addresses of the server. */
  readonly backends: readonly string[]
}

/** `octet` tells the addresses of several paths apart: 10.200.<octet>.0/24 and 10.201.<octet>.0/24. */
export async function makePath(name: string, octet: number): Promise<Path> {
  const [client, node, server] = ['client', 'node', 'server'].map(
    (part) => `${namePrefix}${name}-${part}`,
  ) as [string, string, string]
  for (const namespace of [client, node, server]) {
    await mustRun(['ip', 'netns', 'add', namespace])
    defer(`namespace ${namespace}`, async () => removeNamespace(namespace))
    await mustRun(['ip', '-n', namespace, 'link', 'set', 'lo', 'up'])
  }
  await join(node, 'to-client', `10.200.${octet}.1/24`, client, [`10.200.${octet}.2/24`])
  const backends = [`10.201.${octet}.2`, `10.201.${octet}.3`]
  const prefixed = backends.map((address) => `${address}/24`)
  await join(node, 'to-server', `10.201.${octet}.1/24`, server, prefixed)
  await mustRun(['ip', '-n', client, 'route', 'add', 'default', 'via', `10.200.${octet}.1`])
  await mustRun(['ip', '-n', server, 'route', 'add', 'default', 'via', `10.201.${octet}.1`])
  await mustRun(['sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward'], { netns: node })
  return { client, node, server, backends }
}

async function join(
  node: string,
  device: string,
  gateway: string,
  end: string,
  addresses: readonly string[],
): Promise<void> {
  const pair = ['link', 'add', device, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', end]
  await mustRun(['ip', '-n', node, ...pair])
  await mustRun(['ip', '-n', node, 'address', 'add', gateway, 'dev', device])
  await mustRun(['ip', '-n', node, 'link', 'set', device, 'up'])
  for (const address of addresses) {
    await mustRun(['ip', '-n', end, 'address', 'add', address, 'dev', 'eth0'])
  }
  await mustRun(['ip', '-n', end, 'link', 'set', 'eth0', 'up'])
}
