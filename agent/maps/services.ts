/** `services`: where is this service port's current region? */
import { flService } from './abi.gen.ts'
import { viewOf } from './rows.ts'
import type { Memory } from './table.ts'

/** One aligned store: every frontend of the service switches at once. Region 0: no such service. */
export function storeService(
  services: Memory,
  id: number,
  region: number,
  generation: number,
): void {
  services.store(id * flService.size, region, generation)
}

export function readService(
  services: Memory,
  id: number,
): { readonly region: number; readonly generation: number } {
  return flService.read(viewOf(services.bytes), id * flService.size)
}

/** Ids with a region, ascending. Reads the whole map. */
export function* listServices(
  services: Memory,
): Generator<{ id: number; region: number; generation: number }> {
  const view = viewOf(services.bytes)
  for (let id = 0; id < services.capacity; id++) {
    const { region, generation } = flService.read(view, id * flService.size)
    if (region !== 0) yield { id, region, generation }
  }
}
