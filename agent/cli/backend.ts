/** `fairlead backend list` */
import { frontendText, type Backend } from '../api/view.ts'
import { printList, type Context } from './context.ts'
import { fromAnybody } from './reach.ts'
import type { Column } from './render.ts'
import { exitCodes } from './report.ts'
import { selectorOf } from './selector.ts'

const yesNo = (value: boolean): string => (value ? 'yes' : 'no')

export const backendColumns: readonly Column<Backend>[] = [
  { title: 'NAMESPACE', cell: (row) => row.namespace },
  { title: 'NAME', cell: (row) => row.name },
  { title: 'PORT', cell: (row) => row.portName },
  { title: 'PROTOCOL', cell: (row) => row.protocol },
  { title: 'ADDRESS', cell: frontendText },
  { title: 'STATE', cell: (row) => row.state },
  { title: 'LOCAL', cell: (row) => yesNo(row.isLocal) },
  { title: 'USED', cell: (row) => yesNo(row.isUsed) },
  { title: 'ZONE', cell: (row) => row.zone },
  { title: 'SERVICE', cell: (row) => String(row.serviceId), isNumber: true },
  { title: 'ID', cell: (row) => String(row.id), isNumber: true },
]

export async function listBackends(context: Context): Promise<number> {
  const filter = selectorOf(context.words[0], context.flags.namespace)
  const rows = await fromAnybody(context, async (view) => view.backends(filter))
  await printList(context, 'BackendList', 'backends', rows, backendColumns)
  return exitCodes.ok
}
