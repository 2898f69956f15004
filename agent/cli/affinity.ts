/** `fairlead affinity list` */
import type { Affinity } from '../api/view.ts'
import { printList, type Context } from './context.ts'
import { fromAnybody } from './reach.ts'
import { age, type Column } from './render.ts'
import { exitCodes } from './report.ts'
import { selectorOf } from './selector.ts'

const columns: readonly Column<Affinity>[] = [
  { title: 'NAMESPACE', cell: (row) => row.namespace },
  { title: 'NAME', cell: (row) => row.name },
  { title: 'PORT', cell: (row) => row.portName },
  {
    title: 'CLIENT',
    cell: (row) => (row.clientKind === 'netns' ? `netns:${row.client}` : row.client),
  },
  { title: 'BACKEND', cell: (row) => row.backend },
  { title: 'IDLE', cell: (row) => age(row.idleSeconds) },
  { title: 'LEFT', cell: (row) => age(row.remainingSeconds) },
  { title: 'SERVICE', cell: (row) => String(row.serviceId), isNumber: true },
  { title: 'ID', cell: (row) => String(row.backendId), isNumber: true },
]

export async function listAffinity(context: Context): Promise<number> {
  const filter = selectorOf(context.words[0], context.flags.namespace)
  const rows = await fromAnybody(context, async (view) => view.affinity(filter))
  await printList(context, 'AffinityList', 'affinity', rows, columns)
  return exitCodes.ok
}
