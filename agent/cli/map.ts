/** `fairlead map list|dump` */
import { dumpMap } from '../api/queries.ts'
import type { MapInfo } from '../api/view.ts'
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

export async function dumpOneMap(context: Context): Promise<number> {
  const name = context.words[0] ?? ''
  const found = await fromAnybody(context, (view) => dumpMap(view, name))
  if (context.flags.output === 'json') await printDocument(context, 'Map', found)
  else await context.io.out(found.lines.map((line) => `${line}\n`).join(''))
  return exitCodes.ok
}
