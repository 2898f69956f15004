/**
 * A connected UDP socket never passes the hooks again: when its backend goes, the socket is
 * destroyed, so that its owner dials anew (DESIGN 4.1). Only the node's own namespace: that of the
 * agent. TCP is never cut (kube-proxy-behaviour N6, U4).
 */
import { destroySockets } from '../../native/index.ts'
import { reasonOf } from '../errors.ts'

const udp = 17

export interface StaleBackend {
  /** IPPROTO_* */
  readonly protocol: number
  readonly address: Uint8Array
  readonly port: number
}

export interface Destroyed {
  readonly sockets_n: number
  /** '' or why the kernel would not: then such sockets stay until their owner closes them. */
  readonly trouble: string
}

/** Each backend is one look through the node's sockets: after so many, others get their turn. */
const backendsOfTurn = 32

/** `pause` ends this turn of the event loop. */
export async function destroyStaleSockets(
  removed: readonly StaleBackend[],
  pause: () => Promise<void>,
): Promise<Destroyed> {
  const stale = removed.filter(({ protocol }) => protocol === udp)
  let sockets_n = 0
  for (const [i, { address, port }] of stale.entries()) {
    if (i % backendsOfTurn === backendsOfTurn - 1) await pause()
    try {
      sockets_n += destroySockets(udp, address, port)
    } catch (error) {
      return { sockets_n, trouble: reasonOf(error) }
    }
  }
  return { sockets_n, trouble: '' }
}
