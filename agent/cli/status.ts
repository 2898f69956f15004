/** `fairlead status`: what one needs at 3 a.m. on one screen. */
import type { Status } from '../api/view.ts'
import { printDocument, type Context } from './context.ts'
import { mapColumns } from './map.ts'
import { fromAnybody } from './reach.ts'
import { age, clean, facts, none, orNone, table, type Paint } from './render.ts'
import { exitCodes } from './report.ts'

/** Only so many rows of anything that may be long; `-o json` has all. */
const rowsShown = 10

const agentDown = 'the agent is not running: what is programmed goes on, nothing is updated'

function agentText(status: Status, isTty: boolean): string {
  if (!status.isAgentRunning) return 'not running'
  const up = isTty ? `up ${age(status.uptimeSeconds)}` : `since ${status.startedAt}`
  return `${orNone(status.version)}, pid ${status.pid}, ${up}`
}

function leaseText({ lease }: Status): string {
  if (lease.durationSeconds === 0) return 'never runs out'
  return `${age(lease.remainingSeconds)} of ${age(lease.durationSeconds)} left`
}

function syncText({ sync, isAgentRunning }: Status): string {
  if (!isAgentRunning) return none
  const first = sync.isInitialDone ? 'in line' : 'waiting for the first list'
  return `${first}, ${sync.pending} pending, ${sync.failed.length} failed`
}

function hooksText({ datapath }: Status): string {
  const { hooks } = datapath
  const away = hooks.filter((hook) => !hook.isAttached).map((hook) => hook.name)
  const count = `${hooks.length - away.length} of ${hooks.length} attached`
  return away.length === 0 ? count : `${count}; missing: ${away.join(', ')}`
}

function sourceText({ kind, isSynced, lastAliveSeconds, trouble }: Status['sources'][number]) {
  const alive = lastAliveSeconds === undefined ? 'never alive' : `${age(lastAliveSeconds)} ago`
  return `${kind} ${isSynced ? 'synced' : 'not synced'}, ${trouble === '' ? alive : trouble}`
}

function listenerText({ name, address, isListening, trouble }: Status['listeners'][number]) {
  if (isListening || address === 'off') return `${name} ${address}`
  return `${name} ${orNone(trouble)}`
}

function listed(title: string, lines: readonly string[]): string {
  if (lines.length === 0) return ''
  const shown = lines.slice(0, rowsShown).map((line) => `  ${clean(line)}\n`)
  const more = lines.length - shown.length
  const rest = more > 0 ? `  and ${more} more: see -o json\n` : ''
  return `\n${title}:\n${shown.join('')}${rest}`
}

function screen(status: Status, degraded: readonly string[], isTty: boolean, paint: Paint): string {
  const { datapath, sync, problems } = status
  const isWell = degraded.length === 0
  const state = isWell ? 'healthy' : `degraded (${degraded.length})`
  const head = facts([
    ['State', state, (text) => paint(isWell ? 'green' : 'red', text)],
    ['Node', orNone(status.nodeName)],
    ['Agent', agentText(status, isTty)],
    ['Pins', `${datapath.bpffs}/v${datapath.schema}, socket-lb ${orNone(datapath.socketLb)}`],
    ['Cgroup', orNone(datapath.cgroup)],
    ['Hooks', hooksText(status)],
    ['Sync', syncText(status)],
    ['Lease', leaseText(status)],
    ['Bypass', status.bypass.isOn ? 'ON: nothing new is translated' : 'off'],
  ])
  const missing = datapath.features.filter((feature) => !feature.isAvailable)
  return [
    head,
    listed('Degraded', degraded),
    listed('Sources', status.sources.map(sourceText)),
    listed('Listeners', status.listeners.map(listenerText)),
    listed(
      'Failed',
      sync.failed.map((one) => `${one.namespace}/${one.name} (${one.attempts}×): ${one.message}`),
    ),
    listed(
      'Problems',
      problems.map((one) => {
        const where = one.where === '' ? '' : ` at ${one.where}`
        const name = one.namespace === '' ? one.name : `${one.namespace}/${one.name}`
        return `${one.kind} ${name}${where}: ${one.message}: ${one.remedy}`
      }),
    ),
    listed(
      'Not in this kernel',
      missing.map((one) => `${one.name} (since ${one.since})`),
    ),
    status.maps.length === 0 ? '' : `\n${table(mapColumns, status.maps, true)}`,
  ].join('')
}

export async function showStatus(context: Context): Promise<number> {
  const told = await fromAnybody(context, async (view) => view.status())
  const isKnown = told.isAgentRunning || told.degraded.length > 0
  const degraded = isKnown ? told.degraded : [agentDown]
  const { io, flags, paint } = context
  if (flags.output === 'json') await printDocument(context, 'Status', { ...told, degraded })
  else await io.out(screen(told, degraded, io.outIsTty, paint))
  return degraded.length === 0 ? exitCodes.ok : exitCodes.degraded
}
