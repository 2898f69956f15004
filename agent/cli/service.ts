/** `fairlead service list|get` */
import { getService } from '../api/queries.ts'
import { frontendText, type Backend, type ServicePort } from '../api/view.ts'
import { backendColumns } from './backend.ts'
import { printDocument, printList, type Context } from './context.ts'
import { fromAnybody } from './reach.ts'
import { age, facts, none, orNone, table, type Column, type Paint } from './render.ts'
import { exitCodes } from './report.ts'
import { selectorOf } from './selector.ts'

/** More than these make a row too wide; `get` shows all. */
const frontendsShown = 3

function frontendsOf({ frontends }: ServicePort): string {
  const texts = frontends.map(frontendText)
  const more = texts.length - frontendsShown
  const shown = texts.slice(0, frontendsShown).join(',')
  return more > 0 ? `${shown} +${more} more` : shown
}

function policyOf(row: ServicePort): string {
  const { internalTrafficPolicy: internal, externalTrafficPolicy: external } = row
  return internal === external ? internal : `${orNone(internal)}/${orNone(external)}`
}

const affinityOf = ({ affinityTimeoutSeconds: seconds }: ServicePort): string =>
  seconds === 0 ? none : age(seconds)

const columns: readonly Column<ServicePort>[] = [
  { title: 'NAMESPACE', cell: (row) => row.namespace },
  { title: 'NAME', cell: (row) => row.name },
  { title: 'PORT', cell: (row) => row.portName },
  { title: 'PROTOCOL', cell: (row) => row.protocol },
  { title: 'FAMILY', cell: (row) => row.family },
  { title: 'FRONTENDS', cell: frontendsOf },
  { title: 'ACTIVE', cell: (row) => `${row.backends.active}/${row.backends.total}` },
  { title: 'LOCAL', cell: (row) => String(row.backends.local), isNumber: true },
  { title: 'TERMINATING', cell: (row) => String(row.backends.terminating), isNumber: true },
  { title: 'POLICY', cell: policyOf },
  { title: 'AFFINITY', cell: affinityOf },
  { title: 'ID', cell: (row) => String(row.id), isNumber: true },
  { title: 'CONNECTIONS', cell: (row) => String(row.connections), isNumber: true },
  { title: 'REJECTS', cell: (row) => String(row.rejects), isNumber: true },
  { title: 'SYNC', cell: (row) => row.sync.state },
]

export async function listServices(context: Context): Promise<number> {
  const filter = selectorOf(context.words[0], context.flags.namespace)
  const rows = await fromAnybody(context, async (view) => view.services(filter))
  await printList(context, 'ServiceList', 'services', rows, columns)
  return exitCodes.ok
}

/** Those that differ between the backends of one service port. */
const shortColumns = backendColumns.filter(({ title }) =>
  ['ADDRESS', 'STATE', 'LOCAL', 'USED', 'ZONE', 'ID'].includes(title),
)

function describe(row: ServicePort, backends: readonly Backend[], paint: Paint): string {
  const { sync } = row
  const state = [orNone(sync.state), sync.message].filter((part) => part !== '').join(': ')
  const own = backends.filter((one) => one.serviceId === row.id)
  const head = facts([
    ['Service', `${orNone(row.namespace)}/${orNone(row.name)}`],
    ['Port', `${orNone(row.portName)} ${row.protocol} ${row.family}`],
    ['Id', String(row.id)],
    ['Frontends', row.frontends.map((one) => `${frontendText(one)} ${one.kind}`.trim()).join(', ')],
    ['Policy', `internal ${row.internalTrafficPolicy}, external ${row.externalTrafficPolicy}`],
    ['Affinity', affinityOf(row)],
    ['Connections', `${row.connections} (${row.rejects} rejected)`],
    ['Sync', state, (text) => (sync.state === 'Error' ? paint('red', text) : text)],
    ['Backends', own.length === 0 ? 'none' : String(own.length)],
  ])
  return own.length === 0 ? head : `${head}\n${table(shortColumns, own, true)}`
}

export async function getOneService(context: Context): Promise<number> {
  const filter = selectorOf(context.words[0], context.flags.namespace)
  const found = await fromAnybody(context, (view) => getService(view, filter))
  if (context.flags.output === 'json') await printDocument(context, 'Service', found)
  else {
    const parts = found.services.map((row) => describe(row, found.backends, context.paint))
    await context.io.out(parts.join('\n'))
  }
  return exitCodes.ok
}
