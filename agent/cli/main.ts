#!/usr/bin/env node
/** `fairlead`: the command line of this process. */
import { once } from 'node:events'
import { createInterface } from 'node:readline/promises'
import { systemClock } from '../clock.ts'
import { codeOf } from '../errors.ts'
import { realDoors } from './doors.ts'
import type { Io } from './io.ts'
import { runCommand } from './program.ts'

const { stdin, stdout, stderr, env } = process
const leaving = new AbortController()

/** `fairlead … | head` is no failure: nobody is left to tell anything. */
stdout.on('error', (error: Error) => {
  if (codeOf(error) === 'EPIPE') process.exit(0)
  stderr.write(`fairlead: write to stdout: ${error.message}\n`)
  process.exit(1)
})
stderr.on('error', () => undefined)

async function out(text: string): Promise<void> {
  if (text !== '' && !stdout.write(text)) await once(stdout, 'drain')
}

async function ask(question: string): Promise<string> {
  const line = createInterface({ input: stdin, output: stderr })
  try {
    return await line.question(question, { signal: leaving.signal })
  } catch {
    // Ctrl-C or Ctrl-D is an answer, too.
    return ''
  } finally {
    line.close()
  }
}

const io: Io = {
  out,
  err: (text) => void stderr.write(text),
  outIsTty: stdout.isTTY === true,
  errIsTty: stderr.isTTY === true,
  inIsTty: stdin.isTTY === true,
  env,
  clock: systemClock,
  signal: leaving.signal,
  ask,
  doors: realDoors,
}

const words = process.argv.slice(2)
// The agent has its own way of ending.
if (words[0] !== 'agent') {
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => leaving.abort())
}
process.exitCode = await runCommand(words, io)
