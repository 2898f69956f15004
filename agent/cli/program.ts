/** The table of commands as a commander program, and one run of it. */
import { Command as Program, CommanderError, Option as ProgramOption } from 'commander'
import { FairleadError } from '../errors.ts'
import { duration, integer, BadValue, path, type Reader } from '../values.ts'
import { version } from '../version.ts'
import type { Command, Option } from './command.ts'
import { agentCommand, commands } from './commands.ts'
import { makeContext, type Flags } from './context.ts'
import type { Io } from './io.ts'
import { exitCodeTexts, exitCodes, report } from './report.ts'

function addOption(program: Program, option: Option): void {
  const made = new ProgramOption(option.flags, option.help)
  if (option.words !== undefined) made.choices([...option.words])
  if (option.fallback !== undefined) made.default(option.fallback)
  program.addOption(made)
}

function read<T>(name: string, text: unknown, reader: Reader<T>): T {
  try {
    return reader(typeof text === 'string' ? text : '')
  } catch (error) {
    if (!(error instanceof BadValue)) throw error
    throw new FairleadError('USAGE', `--${name}: ${error.message}`, 'see --help', error)
  }
}

const optional =
  <T>(reader: Reader<T>): Reader<T | undefined> =>
  (text) =>
    text === '' ? undefined : reader(text)

const longest_ms = 24 * 3_600_000

const timeout: Reader<number> = (text) => {
  const value = duration(text)
  if (value >= 1 && value <= longest_ms) return value
  throw new BadValue(`'${text}' is not between 1ms and 24h`)
}

/** Options that a command does not have get what they would have by default. */
function flagsOf(given: Record<string, unknown>): Flags {
  return {
    output: given['output'] === 'json' ? 'json' : 'table',
    headers: given['headers'] !== false,
    runDir: read('run-dir', given['runDir'], optional(path)) ?? '',
    bpffs: read('bpffs', given['bpffs'], optional(path)) ?? '',
    cgroup: read('cgroup', given['cgroup'], optional(path)),
    timeout_ms: read('timeout', given['timeout'] ?? '10s', timeout),
    namespace: typeof given['namespace'] === 'string' ? given['namespace'] : '',
    yes: given['yes'] === true,
    count: read('count', given['count'] ?? '0', integer(0, 1e9)),
  }
}

const exampleText = (command: Command): string =>
  `\nExamples:\n${command.examples.map((line) => `  ${line}\n`).join('')}`

function addCommand(parent: Program, command: Command, io: Io, done: (code: number) => void): void {
  const name = command.path.at(-1) ?? ''
  const program = parent.command(name).description(command.summary)
  const { word } = command
  if (word !== undefined) {
    program.argument(word.isNeeded ? `<${word.name}>` : `[${word.name}]`, word.help)
  }
  for (const option of command.options) addOption(program, option)
  program.addHelpText('after', exampleText(command).trimEnd())
  program.action(async () => {
    const context = makeContext(io, flagsOf(program.opts()), program.args)
    done(await command.run(context))
  })
}

function exitCodesText(): string {
  return exitCodeTexts.map(([code, text]) => `${code}  ${text}\n`).join('')
}

const summaries: Readonly<Record<string, string>> = {
  service: 'Services as this node serves them',
  backend: 'Backends of Services',
  affinity: 'Memory of session affinity',
  map: 'The BPF maps',
  bypass: 'The way out at 3 a.m.',
}

/** Prints through `text` so that output is awaited by the caller. */
function makeProgram(io: Io, text: string[], done: (code: number) => void): Program {
  const program = new Program('fairlead')
    .description('Service load balancing of this node, by eBPF')
    .version(version, '-V, --version')
    .exitOverride()
    .configureOutput({
      writeOut: (part) => void text.push(part),
      writeErr: (part) => io.err(part),
      outputError: (part, write) => write(part.replace(/^error: /, 'fairlead: ')),
      getOutHelpWidth: () => 100,
      getErrHelpWidth: () => 100,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .helpCommand('help [command]', 'Show help; help exit-codes lists the exit codes')
  addCommand(program, agentCommand, io, done)
  const groups = new Map<string, Program>()
  for (const command of commands) {
    const [noun = '', verb] = command.path
    const group = groups.get(noun) ?? (verb === undefined ? program : program.command(noun))
    if (verb !== undefined && !groups.has(noun)) {
      groups.set(noun, group.description(summaries[noun] ?? '').helpCommand(false))
    }
    addCommand(group, command, io, done)
  }
  return program
}

const wantsHelp = (words: readonly string[]): boolean =>
  words.includes('--help') || words.includes('-h')

/** Words → exit code. Never throws; what went wrong stands on stderr. */
export async function runCommand(words: readonly string[], io: Io): Promise<number> {
  const text: string[] = []
  let code: number = exitCodes.ok
  try {
    const [first, second] = words
    if (first === '__complete') {
      const { complete } = await import('./completion.ts')
      await io.out(await complete([agentCommand, ...commands], words.slice(1), io))
      return exitCodes.ok
    }
    if (first === 'help' && second === 'exit-codes') {
      await io.out(exitCodesText())
      return exitCodes.ok
    }
    if (first === 'agent' && !wantsHelp(words)) {
      return await (await io.doors.agent()).main(words.slice(1))
    }
    const program = makeProgram(io, text, (told) => {
      code = told
    })
    const isBare = words.length === 0
    await program.parseAsync(isBare ? ['--help'] : [...words], { from: 'user' })
    return code
  } catch (error) {
    if (error instanceof CommanderError) return await afterCommander(error, text, words, io)
    return report(error, (part) => io.err(part))
  }
}

/** Help and version are thrown by commander, too. */
async function afterCommander(
  error: CommanderError,
  text: readonly string[],
  words: readonly string[],
  io: Io,
): Promise<number> {
  if (error.exitCode === 0) {
    await io.out(text.join(''))
    return exitCodes.ok
  }
  const named = commands.find(({ path }) => path.every((part, i) => words[i] === part))
  const noun = commands.find(({ path: [first] }) => first === words[0])?.path.slice(0, 1)
  const about = ['fairlead', ...(named?.path ?? noun ?? []), '--help'].join(' ')
  if (error.code !== 'commander.help') io.err(`try: ${about}\n`)
  return exitCodes.usage
}
