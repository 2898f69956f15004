/**
 * The addon inside another network namespace, for tests: `inside.ts tcx` attaches programs to `lo`
 * of the namespace it is started in and prints what it sees; `inside.ts network` lists; `inside.ts
 * canary CGROUP` counts the hooks that a canary passes; `inside.ts destroy ADDRESS PORT` ends
 * sockets; `inside.ts watch` prints changes until it is told to stop.
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import {
  BpfLink,
  NetWatch,
  canary,
  destroySockets,
  load64,
  netAddresses,
  netLinks,
  netRoutes,
  netnsCookie,
} from '../../native/index.ts'
import type { BpfProgram, CgroupHook } from '../../native/index.ts'
import { loadFixture } from './fixture.ts'

const print = (value: unknown) => {
  const text = JSON.stringify(value, (_key, each: unknown) =>
    typeof each === 'bigint' ? String(each) : each,
  )
  process.stdout.write(`${text}\n`)
}

/** Packets over `lo` before, while and after a tcx link is there. */
async function tcx(): Promise<void> {
  const object = await loadFixture(['observe', 'classify', 'emit'])
  const [observe, classify, emit] = ['observe', 'classify', 'emit'].map((name) =>
    object.program(name),
  ) as [BpfProgram, BpfProgram, BpfProgram]
  const cells = object.map('cells')
  const memory = cells.mmap()
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  const send = async () => {
    const counts = () => [0, 8, 16].map((offset) => Number(load64(memory, offset)))
    const before = counts()
    await new Promise((resolve) => socket.send('x', port, '127.0.0.1', resolve))
    await delay(1) // lo delivers before send returns; this lets libuv flush
    return counts().map((value, i) => value - (before[i] ?? 0))
  }
  const none = await send()
  const behind = BpfLink.attachTcx(classify, 1, 'egress', false)
  const first = BpfLink.attachTcx(observe, 1, 'egress', true)
  const both = await send()
  first.update(emit)
  const swapped = await send()
  const info = first.info()
  first.detach()
  const detached = { ...first.info(), sent: await send() }
  behind.close()
  first.close()
  print({ none, both, swapped, info, detached, closed: await send() })
  socket.close()
  for (const handle of [cells, observe, classify, emit, object]) handle.close()
}

async function hooksOfCanary(cgroup: string): Promise<void> {
  const hooks: CgroupHook[] = [
    'connect4',
    'connect6',
    'sendmsg4',
    'sendmsg6',
    'getpeername4',
    'getpeername6',
  ]
  const object = await loadFixture(hooks.map((hook) => `seen_${hook}`))
  const cells = object.map('cells')
  const links = hooks.map((hook) => {
    const program = object.program(`seen_${hook}`)
    const link = BpfLink.attachCgroup(program, cgroup, hook)
    program.close()
    return link
  })
  canary(4711)
  canary(4712)
  const memory = cells.mmap()
  print({
    counts: hooks.map((_, i) => Number(load64(memory, (10 + i) * 8))),
    cookie: netnsCookie(),
  })
  for (const handle of [...links, cells, object]) handle.close()
}

function list(): void {
  const hex = <T extends object>(row: T) =>
    Object.fromEntries(
      Object.entries(row).map(([key, value]: [string, unknown]) => [
        key,
        value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value,
      ]),
    )
  print({
    links: netLinks(),
    addresses: netAddresses().map(hex),
    routes: netRoutes().map(hex),
  })
}

const [, , command = '', ...rest] = process.argv
if (command === 'tcx') await tcx()
if (command === 'network') list()
if (command === 'canary') await hooksOfCanary(rest[0] ?? '')
if (command === 'destroy')
  print(destroySockets(6, Buffer.from(rest[0] ?? '', 'hex'), Number(rest[1])))
if (command === 'watch') {
  const watch = new NetWatch(print)
  print('watching')
  process.stdin.once('end', () => watch.close()).resume()
}
