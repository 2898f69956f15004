/** Completion: three small scripts that ask `fairlead __complete` for what can stand next. */
import { FairleadError } from '../errors.ts'
import { everything } from '../api/view.ts'
import { reach } from '../api/socket.ts'
import type { Command, Live, Option } from './command.ts'
import type { Context } from './context.ts'
import type { Io } from './io.ts'
import { exitCodes } from './report.ts'

/** Each hands over the words up to the cursor, the unfinished one last, and takes a line each. */
const scripts: Readonly<Record<string, string>> = {
  bash: `_fairlead() {
  local IFS=$'\\n' cur words
  cur="\${COMP_WORDS[COMP_CWORD]}"
  words=("\${COMP_WORDS[@]:1:COMP_CWORD}")
  COMPREPLY=($(compgen -W "$(fairlead __complete "\${words[@]}" 2>/dev/null)" -- "$cur"))
}
complete -o default -F _fairlead fairlead
`,
  zsh: `#compdef fairlead
_fairlead() {
  local -a found
  found=("\${(@f)$(fairlead __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  compadd -- \${found:#}
}
compdef _fairlead fairlead
`,
  fish: `function __fairlead_complete
  set -l words (commandline -opc) (commandline -ct)
  fairlead __complete $words[2..-1] 2>/dev/null
end
complete -c fairlead -f -a '(__fairlead_complete)'
`,
}

export async function printScript({ io, words }: Context): Promise<number> {
  const shell = words[0] ?? ''
  const script = scripts[shell]
  if (script === undefined) {
    const known = Object.keys(scripts).join(', ')
    throw new FairleadError('USAGE', `completion: '${shell}' is none of ${known}`, 'name one')
  }
  await io.out(script)
  return exitCodes.ok
}

/** `-o, --output <format>` → its names, and whether a value follows. */
function namesOf({ flags }: Option): { names: string[]; hasValue: boolean } {
  return { names: flags.match(/--?[a-z][a-z-]*/g) ?? [], hasValue: flags.includes('<') }
}

/** A shell waits for us: better no names than late ones. */
const patience_ms = 1000

async function liveNames(live: Live, options: readonly string[], io: Io): Promise<string[]> {
  const at = options.indexOf('--run-dir')
  const fallback = '/run/fairlead'
  const path = `${at < 0 ? fallback : (options[at + 1] ?? fallback)}/control.sock`
  if ((await reach(path)) !== 'answers') return []
  const view = await io.doors.connect({ path, timeout_ms: patience_ms, clock: io.clock })
  try {
    if (live === 'map') return (await view.mapList()).map((row) => row.name)
    const rows = await view.services(everything)
    return [...new Set(rows.map((row) => `${row.namespace}/${row.name}`))]
  } finally {
    view.close()
  }
}

function flagNames(command: Command): string[] {
  return command.options.flatMap((option) => namesOf(option).names).filter((n) => n.length > 2)
}

/** The command that the words name. */
function commandOf(all: readonly Command[], words: readonly string[]): Command | undefined {
  return all.find(({ path }) => path.every((part, i) => words[i] === part))
}

/**
 * @param all the table of commands
 * @param words from the first behind `fairlead` to the one under the cursor, that last, maybe ''
 * @returns a candidate each line
 */
export async function complete(
  all: readonly Command[],
  words: readonly string[],
  io: Io,
): Promise<string> {
  const unfinished = words.at(-1) ?? ''
  const before = words.slice(0, -1)
  const found = (await candidates(all, before, unfinished, io)).filter((one) =>
    one.startsWith(unfinished),
  )
  return [...new Set(found)]
    .sort()
    .map((one) => `${one}\n`)
    .join('')
}

async function candidates(
  all: readonly Command[],
  before: readonly string[],
  unfinished: string,
  io: Io,
): Promise<readonly string[]> {
  const command = commandOf(all, before)
  if (command === undefined) {
    const next = all
      .filter(({ path }) => path.length > before.length && before.every((w, i) => path[i] === w))
      .map(({ path }) => path[before.length] ?? '')
    return before.length === 0 ? [...next, 'help'] : next
  }
  const last = before.at(-1) ?? ''
  const option = command.options.find((one) => namesOf(one).names.includes(last))
  if (option !== undefined && namesOf(option).hasValue) return option.words ?? []
  if (unfinished.startsWith('-')) return [...flagNames(command), '--help']
  if (command.path[0] === 'completion') return Object.keys(scripts)
  try {
    return command.complete === undefined ? [] : await liveNames(command.complete, before, io)
  } catch {
    return []
  }
}
