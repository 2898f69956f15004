/** The node's own addresses, from netlink in the agent's namespace. */
import { NetWatch, netAddresses, netLinks } from '../../native/index.ts'

const globalScope = 0

/** Global addresses of both families; loopback's and link-local ones are not among them. */
export function listNodeAddresses(): Uint8Array[] {
  const loopbacks = new Set(
    netLinks()
      .filter((link) => link.loopback)
      .map((link) => link.ifindex),
  )
  return netAddresses()
    .filter(({ ifindex, scope }) => !loopbacks.has(ifindex) && scope === globalScope)
    .map(({ address }) => address)
}

/** Calls back (coalesced) when links or addresses change, until closed. */
export function watchNodeAddresses(onChange: () => void): { close(): void } {
  return new NetWatch(({ links, addresses }) => {
    if (links || addresses) onChange()
  })
}
