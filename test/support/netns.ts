/**
 * Network namespaces as nodes and pods. A node has a cgroup tree of its own, as on a real one: its
 * own programs below `host`, each pod's below `pods/<name>`, so that programs attached to the
 * node's cgroup see exactly that node. Everything carries the run's prefix, goes with close(), and
 * after a crash with the next run's sweep. Nothing of the machine's own namespace is touched.
 */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type Place, makePlace } from './place.ts'
import { mustRun } from './process.ts'
import {
  mountedCgroupRoot,
  namePrefix,
  removeCgroup,
  removeNamespace,
  runDirectory,
  unmountBelow,
} from './run.ts'

export interface Pod extends Place {
  readonly ipv4: string
  /** '' without IPv6. */
  readonly ipv6: string
}

export interface Node extends Place {
  /** Where the agent attaches: covers the node's own programs and its pods. */
  readonly cgroupRoot: string
  readonly ipv4: string
  readonly ipv6: string
  readonly pods: readonly Pod[]
  /** The node's own bpffs. */
  readonly bpffs: string
  /** Sockets of the agent. */
  readonly runDir: string
  /** Files of tests about this node: manifests, logs. */
  readonly directory: string
  addPod(name: string): Promise<Pod>
  close(): Promise<void>
}

export interface NodeOptions {
  /** Default n<number>. */
  readonly name?: string
  /** How many pods, named p1, p2, …; default 0. */
  readonly pods?: number
  /** Default true. */
  readonly v6?: boolean
  /** Connects the node: its neighbours, the API server. Without one it stands alone. */
  readonly hub?: Hub
}

/** A bridge between nodes, at 172.30.0.1 and fd30::1. Where a control plane may run. */
export interface Hub extends Place {
  readonly ipv4: string
  readonly ipv6: string
  close(): Promise<void>
}

/** The host side of every pod's veth. Known, so that neighbours need not be asked. */
const hostMac = 'ee:ee:ee:ee:ee:ee'
const gateway4 = '169.254.1.1'
const gateway6 = 'fe80::1'

let nodes = 0

/** Runs `ip` once inside a namespace with one command a line. */
async function ipBatch(netns: string, commands: readonly string[]): Promise<void> {
  await mustRun(['ip', '-n', netns, '-force', '-batch', '-'], { stdin: commands.join('\n') })
}

async function setSysctls(netns: string, values: Readonly<Record<string, number>>): Promise<void> {
  const writes = Object.entries(values).map(
    ([key, value]) => `echo ${value} > /proc/sys/${key.replaceAll('.', '/')}`,
  )
  await mustRun(['sh', '-ec', writes.join('\n')], { netns })
}

/** Pods and nodes are told apart by routes and devices, so the kernel's guesses are switched off. */
async function makeNamespace(netns: string, v6: boolean, forwards: boolean): Promise<void> {
  await mustRun(['ip', 'netns', 'add', netns])
  await setSysctls(netns, {
    'net.ipv4.conf.all.rp_filter': 0,
    'net.ipv4.conf.default.rp_filter': 0,
    'net.ipv4.ip_forward': forwards ? 1 : 0,
    // Else the kernel keeps refusals back and a test waits for its time-out instead.
    'net.ipv4.icmp_ratelimit': 0,
    ...(v6
      ? {
          'net.ipv6.conf.all.forwarding': forwards ? 1 : 0,
          'net.ipv6.conf.default.accept_dad': 0,
          'net.ipv6.conf.all.accept_dad': 0,
          'net.ipv6.icmp.ratelimit': 0,
        }
      : {}),
  })
  await ipBatch(netns, ['link set lo up'])
}

/** cgroup v2's root; mounted below the run's directory where the machine has it nowhere. */
async function cgroupRoot(): Promise<string> {
  const mounted = mountedCgroupRoot()
  if (mounted !== undefined) return mounted
  const point = join(runDirectory(), 'cgroup2')
  mkdirSync(point, { recursive: true })
  await mustRun(['mount', '-t', 'cgroup2', 'cgroup2', point])
  return point
}

async function makeCgroup(name: string): Promise<string> {
  const directory = join(await cgroupRoot(), name)
  mkdirSync(directory, { recursive: true })
  return directory
}

export async function makeHub(): Promise<Hub> {
  const netns = `${namePrefix}hub${++nodes}`
  runDirectory()
  const cgroup = await makeCgroup(netns)
  const place = makePlace('hub', netns, cgroup)
  const close = async () => {
    await place.stopAll()
    removeNamespace(netns)
    removeCgroup(cgroup)
  }
  try {
    await makeNamespace(netns, true, true)
    await ipBatch(netns, [
      'link add br0 type bridge',
      'addr add 172.30.0.1/24 dev br0',
      'addr add fd30::1/64 dev br0 nodad',
      'link set br0 up',
    ])
  } catch (error) {
    await close()
    throw error
  }
  return { ...place, ipv4: '172.30.0.1', ipv6: 'fd30::1', close }
}

/** The node's uplink: a port of the hub's bridge, or a pair that leads nowhere. */
async function makeUplink(netns: string, number: number, options: NodeOptions): Promise<void> {
  const { hub, v6 = true } = options
  if (hub !== undefined) {
    await ipBatch(hub.netns, [
      `link add v${number} type veth peer name eth0 netns ${netns}`,
      `link set v${number} master br0 up`,
      `route add 10.244.${number}.0/24 via 172.30.0.${10 + number}`,
      ...(v6 ? [`route add fd44:0:0:${number}::/64 via fd30::${10 + number}`] : []),
    ])
  }
  await ipBatch(netns, [
    ...(hub === undefined
      ? ['link add eth0 type veth peer name nowhere', 'link set nowhere up']
      : []),
    `addr add 172.30.0.${10 + number}/24 dev eth0`,
    ...(v6 ? [`addr add fd30::${10 + number}/64 dev eth0 nodad`] : []),
    'link set eth0 up',
    // Without a hub there is no default route: what nobody translates fails at once, ENETUNREACH.
    ...(hub === undefined ? [] : ['route add default via 172.30.0.1']),
    ...(hub === undefined || !v6 ? [] : ['route add default via fd30::1']),
  ])
}

interface PodPlan {
  readonly netns: string
  readonly index: number
  readonly ipv4: string
  readonly ipv6: string
}

/** A veth with a /32 and a /128 host route, as Calico and others do it; neighbours fixed. */
async function connectPod(nodeNetns: string, pod: PodPlan): Promise<void> {
  const { netns, index, ipv4, ipv6 } = pod
  const podMac = `02:00:00:00:00:${index.toString(16).padStart(2, '0')}`
  await ipBatch(nodeNetns, [
    `link add veth${index} address ${hostMac} type veth peer name eth0 netns ${netns} address ${podMac}`,
    `link set veth${index} up`,
    `neigh replace ${ipv4} lladdr ${podMac} dev veth${index} nud permanent`,
    ...(ipv6 === ''
      ? []
      : [`neigh replace ${ipv6} lladdr ${podMac} dev veth${index} nud permanent`]),
  ])
  await ipBatch(netns, [
    `addr add ${ipv4}/32 dev eth0`,
    ...(ipv6 === '' ? [] : [`addr add ${ipv6}/128 dev eth0 nodad`]),
    'link set eth0 up',
    `neigh replace ${gateway4} lladdr ${hostMac} dev eth0 nud permanent`,
    `route add ${gateway4} dev eth0 scope link`,
    `route add default via ${gateway4} dev eth0`,
    ...(ipv6 === ''
      ? []
      : [
          `neigh replace ${gateway6} lladdr ${hostMac} dev eth0 nud permanent`,
          `route add default via ${gateway6} dev eth0`,
        ]),
  ])
  await ipBatch(nodeNetns, [
    `route add ${ipv4}/32 dev veth${index}`,
    ...(ipv6 === '' ? [] : [`route add ${ipv6}/128 dev veth${index}`]),
  ])
}

/** A node with its pods. Half-made ones are removed again before the error goes on. */
export async function makeNode(options: NodeOptions = {}): Promise<Node> {
  const number = ++nodes
  const name = options.name ?? `n${number}`
  const v6 = options.v6 ?? true
  const netns = `${namePrefix}${name}`
  const directory = join(runDirectory(), name)
  const cgroup = await makeCgroup(netns)
  mkdirSync(join(cgroup, 'host'), { recursive: true })
  const host = makePlace(name, netns, join(cgroup, 'host'))
  const pods: Pod[] = []
  const close = async () => {
    await Promise.all([...pods, host].map((place) => place.stopAll()))
    removeCgroup(cgroup)
    for (const pod of pods) removeNamespace(pod.netns)
    removeNamespace(netns)
    unmountBelow(directory)
    rmSync(directory, { recursive: true, force: true })
  }
  const addPod = async (podName: string): Promise<Pod> => {
    const index = pods.length + 1
    const ipv4 = `10.244.${number}.${10 + index}`
    const ipv6 = v6 ? `fd44:0:0:${number}::${(10 + index).toString(16)}` : ''
    const podNetns = `${netns}-${podName}`
    const podCgroup = join(cgroup, 'pods', podName)
    mkdirSync(podCgroup, { recursive: true })
    const pod = { ...makePlace(podName, podNetns, podCgroup), ipv4, ipv6 }
    pods.push(pod)
    await makeNamespace(podNetns, v6, false)
    await connectPod(netns, { netns: podNetns, index, ipv4, ipv6 })
    return pod
  }
  try {
    for (const each of ['bpf', 'run', 'files'])
      mkdirSync(join(directory, each), { recursive: true })
    await mustRun(['mount', '-t', 'bpf', 'bpf', join(directory, 'bpf')])
    await makeNamespace(netns, v6, true)
    await makeUplink(netns, number, options)
    for (let i = 1; i <= (options.pods ?? 0); i++) await addPod(`p${i}`)
  } catch (error) {
    await close()
    throw error
  }
  return {
    ...host,
    cgroupRoot: cgroup,
    ipv4: `172.30.0.${10 + number}`,
    ipv6: v6 ? `fd30::${10 + number}` : '',
    pods,
    bpffs: join(directory, 'bpf'),
    runDir: join(directory, 'run'),
    directory: join(directory, 'files'),
    addPod,
    close,
  }
}
