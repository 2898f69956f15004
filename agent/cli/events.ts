/** `fairlead events`: a line for each, or NDJSON. Only an agent can tell them. */
import { document } from '../api/document.ts'
import { everything, type Event, type View } from '../api/view.ts'
import type { Context } from './context.ts'
import { fromAgent } from './reach.ts'
import { clean, none, orNone, type Paint } from './render.ts'
import { exitCodes } from './report.ts'
import { selectorOf } from './selector.ts'

const colourOf: Readonly<Record<string, 'red' | 'yellow' | 'green'>> = {
  reject: 'red',
  drop: 'red',
  pass: 'yellow',
  translate: 'green',
}

/** Widths are fixed because nobody knows the rows to come. */
function lineOf(event: Event, paint: Paint): string {
  const service = event.name === '' ? `id ${event.serviceId}` : `${event.namespace}/${event.name}`
  const verdict = event.verdict.padEnd(9)
  const colour = colourOf[event.verdict]
  const cells = [
    event.time.padEnd(27),
    colour === undefined ? verdict : paint(colour, verdict),
    event.hook.padEnd(12),
    event.reason.padEnd(19),
    event.protocol.padEnd(4),
    event.destination.padEnd(21),
    orNone(event.backend).padEnd(21),
    event.serviceId === 0 ? none : clean(service),
    clean(`${event.command}(${event.pid})`),
  ]
  return `${cells.join('  ')}\n`
}

const title = [
  'TIME'.padEnd(27),
  'VERDICT'.padEnd(9),
  'HOOK'.padEnd(12),
  'REASON'.padEnd(19),
  'PROTOCOL'.slice(0, 4),
  'DESTINATION'.padEnd(21),
  'BACKEND'.padEnd(21),
  'SERVICE',
  'COMMAND',
].join('  ')

/** Undefined: all of them. */
async function wantedIds(view: View, context: Context): Promise<Set<number> | undefined> {
  const filter = selectorOf(context.words[0], context.flags.namespace)
  if (JSON.stringify(filter) === JSON.stringify(everything)) return undefined
  return new Set((await view.services(filter)).map((row) => row.id))
}

export function watchEvents(context: Context): Promise<number> {
  const { io, flags, paint } = context
  return fromAgent(context, async (view) => {
    const wanted = await wantedIds(view, context)
    if (flags.output === 'table' && flags.headers) await io.out(`${title}\n`)
    let told = 0
    for await (const event of view.events(io.signal)) {
      if (wanted !== undefined && !wanted.has(event.serviceId)) continue
      const isJson = flags.output === 'json'
      const line = isJson ? `${JSON.stringify(document('Event', event))}\n` : lineOf(event, paint)
      await io.out(line)
      if (++told === flags.count) break
    }
    return exitCodes.ok
  })
}
