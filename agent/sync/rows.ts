/** From a wished frontend to its row in `frontends`. */
import type { Frontend } from '../desired/desired.ts'
import { flFrontendFlag, flFrontendKind } from '../maps/abi.gen.ts'
import { frontendRow, readRow } from '../maps/frontends.ts'
import type { FrontendRow } from '../maps/frontends.ts'
import type { Protocol } from '../model/objects.ts'

export const protocolNumbers: Readonly<Record<Protocol, number>> = { TCP: 6, UDP: 17, SCTP: 132 }

/** A frontend with port 0 stands for all ports of its address that nobody serves. */
export function rowOf(frontend: Frontend): FrontendRow {
  const { kind, address, port, protocol, isExternal, isPerPacket } = frontend
  const flags =
    (isExternal ? flFrontendFlag.external : 0) | (isPerPacket ? flFrontendFlag.perPacket : 0)
  if (port === 0) {
    return frontendRow({ addr: address, port, proto: 0, kind: flFrontendKind.anyPort }, flags)
  }
  const keyKind = kind === 'NodePort' ? flFrontendKind.nodePort : flFrontendKind.exact
  return frontendRow(
    { addr: address, port, proto: protocolNumbers[protocol], kind: keyKind },
    flags,
  )
}

/** IPPROTO_* of a service port, from any of its rows; 0 if they don't tell. */
export function protocolOf(rows: readonly FrontendRow[]): number {
  for (const row of rows) {
    const { key } = readRow(row)
    if (key.proto !== 0) return key.proto
  }
  return 0
}
