/** `fairlead map list|dump` */
import { dumpMap } from '../api/queries.ts'
import type { MapInfo, MapLines } from '../api/view.ts'
import { printDocument, printList, type Context } from './context.ts'
import { fromAnybody } from './reach.ts'
import { bytes, none, type Column } from './render.ts'
import { exitCodes } from './report.ts'

const share = ({ used, capacity }: MapInfo): string =>
  capacity === 0 ? none : `${Math.floor((100 * used) / capacity)}%`

export const mapColumns: readonly Column<MapInfo>[] = [
  { title: 'NAME', cell: (row) => row.name },
  { title: 'TYPE', cell: (row) => row.type },
  { title: 'KEY', cell: (row) => String(row.keyBytes), isNumber: true },
  { title: 'VALUE', cell: (row) => String(row.valueBytes), isNumber: true },
  { title: 'USED', cell: (row) => String(row.used), isNumber: true },
  { title: 'CAPACITY', cell: (row) => String(row.capacity || none), isNumber: true },
  { title: 'FULL', cell: share, isNumber: true },
  { title: 'MEMORY', cell: (row) => bytes(row.memoryBytes), isNumber: true },
]

export async function listMaps(context: Context): Promise<number> {
  const rows = await fromAnybody(context, async (view) => view.mapList())
  await printList(context, 'MapList', 'maps', rows, mapColumns)
  return exitCodes.ok
}

/** What a connection is decided by, in the order in which it is read. */
const serving = ['frontends', 'services', 'backends']

export async function dumpMaps(context: Context): Promise<number> {
  const [name] = context.words
  const names = name === undefined ? serving : [name]
  const found = await fromAnybody(context, async (view) => {
    const maps: MapLines[] = []
    for (const one of names) maps.push(await dumpMap(view, one))
    return maps
  })
  if (context.flags.output !== 'json') {
    await context.io.out(found.flatMap(({ lines }) => lines.map((line) => `${line}\n`)).join(''))
  } else if (name === undefined) await printDocument(context, 'MapList', { maps: found })
  else await printDocument(context, 'Map', found[0] ?? {})
  return exitCodes.ok
}
