/** Questions that gRPC, its JSON twin and the command line put alike to a View. */
import { FairleadError } from '../errors.ts'
import type { ServiceFilter, View } from './view.ts'

/** One Service with its backends, for gRPC and its JSON twin. Throws NOT_FOUND. */
export async function getService(view: View, filter: ServiceFilter) {
  const services = await view.services(filter)
  if (services.length === 0) {
    throw new FairleadError(
      'NOT_FOUND',
      'get Service: none on this node matches',
      'look at fairlead service list',
    )
  }
  return { services, backends: await view.backends(filter) }
}

/** Throws NOT_FOUND. */
export async function dumpMap(view: View, name: string) {
  const found = await view.mapDump(name)
  if (found !== undefined) return found
  throw new FairleadError('NOT_FOUND', `dump map ${name}: no such map`, 'look at fairlead map list')
}
