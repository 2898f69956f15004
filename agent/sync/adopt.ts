/**
 * Which service port an id found in the maps stands for. The maps don't say, but the frontends
 * that lead to the id do: so an agent that starts again goes on with the ids of the last one, and
 * nothing that clients or programs remember is lost.
 */
import type { DesiredPort, DesiredService, ServicePortKey } from '../desired/desired.ts'
import { flFrontendKind } from '../maps/abi.gen.ts'
import { readRow, rowKey } from '../maps/frontends.ts'
import type { ObjectKey } from '../model/objects.ts'
import type { PortState } from './actual.ts'
import { portOf } from './restore.ts'
import type { Restored } from './restore.ts'
import { rowOf } from './rows.ts'

/** Key of what no Service claims: it has no wish, so all of it goes at the first prune. */
export const orphans: ObjectKey = ''

/** The one id that the frontends of a port lead to; undefined: none, or more than one. */
function idOf(port: DesiredPort, idByRow: ReadonlyMap<string, number>): number | undefined {
  let found: number | undefined
  for (const frontend of port.frontends) {
    const row = rowOf(frontend)
    // The any-port entry of an address moves between the ports of a Service.
    if (readRow(row).key.kind === flFrontendKind.anyPort) continue
    const id = idByRow.get(rowKey(row))
    if (id === undefined) continue
    if (found !== undefined && found !== id) return undefined
    found = id
  }
  return found
}

/**
 * Ports by Service, with `orphans` for the rest. An id that two ports claim, and a port that claims
 * two ids, is adopted by none: both are written anew, so that no frontend sees the other's set.
 */
export function adopt(
  restored: Restored,
  wishes: Iterable<DesiredService>,
): Map<ObjectKey, PortState[]> {
  const idByRow = new Map<string, number>()
  for (const { id, region, rows } of restored.byId.values()) {
    if (region !== 0) for (const row of rows) idByRow.set(rowKey(row), id)
  }
  const claims = new Map<number, { service: ObjectKey; port: ServicePortKey } | 'contested'>()
  for (const { key, ports } of wishes) {
    for (const port of ports) {
      const id = idOf(port, idByRow)
      if (id === undefined) continue
      claims.set(id, claims.has(id) ? 'contested' : { service: key, port: port.key })
    }
  }
  const adopted = new Map<ObjectKey, PortState[]>([[orphans, []]])
  for (const remains of restored.byId.values()) {
    const claim = claims.get(remains.id)
    const isOrphan = claim === undefined || claim === 'contested'
    const service = isOrphan ? orphans : claim.service
    const state = portOf(isOrphan ? String(remains.id) : claim.port, remains)
    const ports = adopted.get(service)
    if (ports === undefined) adopted.set(service, [state])
    else ports.push(state)
  }
  if (restored.unsealed.length > 0) adopted.get(orphans)?.push(unsealedOf(restored))
  return adopted
}

/** Entries that no program trusts, as a port without id. */
function unsealedOf({ unsealed }: Restored): PortState {
  const unsettled = {
    oldRegions: [],
    staleIds: [],
    staleRows: unsealed,
    areMembersDue: false,
    areRowsDue: false,
  }
  return { key: 'unsealed', id: 0, region: 0, slots: 0, rows: '', unsettled }
}
