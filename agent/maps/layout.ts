/** The kernel's BTF of a map against the layouts this agent was generated for. */
import type { Layout } from '../../native/index.ts'
import { FairleadError } from '../errors.ts'
import { mapLayouts } from './abi.gen.ts'
import type { AbiLayout, MapName } from './abi.gen.ts'

function text(layout: AbiLayout | Layout): string {
  const fields = layout.fields.map(
    ({ name, type, offset, size }) => `  ${offset}+${size} ${type} ${name}`,
  )
  return [`struct ${layout.name}, ${layout.size} bytes`, ...fields].join('\n')
}

/** What decides whether both sides read the same bytes the same way. */
function shape(layout: AbiLayout | Layout): string {
  const fields = layout.fields.map(({ name, offset, size }) => `${name}@${offset}+${size}`)
  return [layout.name, layout.size, ...fields].join(' ')
}

/**
 * Throws LAYOUT_MISMATCH, with both layouts printed, if the kernel's BTF of key or value differs.
 * A map without BTF (a kernel built without it) passes: its sizes were checked when it was loaded.
 */
export function checkLayout(
  map: MapName,
  actual: { readonly key: Layout | null; readonly value: Layout | null },
): void {
  for (const side of ['key', 'value'] as const) {
    const ours = mapLayouts[map][side]
    const theirs = actual[side]
    if (ours === null || theirs === null || shape(ours) === shape(theirs)) continue
    throw new FairleadError(
      'LAYOUT_MISMATCH',
      `open map ${map}: its ${side} in the kernel is not the one this agent was built for\n` +
        `kernel: ${text(theirs)}\nagent: ${text(ours)}`,
      'run `npm run build`; if the map was pinned by another version, `fairlead cleanup` first',
    )
  }
}
