/** A terminal made of strings, for tests of the command line. */
import type { View } from '../../agent/api/view.ts'
import { runCommand } from '../../agent/cli/program.ts'
import type { Doors, Io } from '../../agent/cli/io.ts'
import { systemClock } from '../../agent/clock.ts'
import { connectControl } from '../../agent/api/client.ts'

export interface Said {
  readonly code: number
  readonly out: string
  readonly err: string
}

export interface Terminal {
  readonly pins?: View
  readonly io?: Partial<Io>
  readonly doors?: Partial<Doors>
}

const shut = (what: string) => () => Promise.reject(new Error(`${what}: not in this test`))

/** Runs one command line to its end. */
export async function say(words: readonly string[], terminal: Terminal = {}): Promise<Said> {
  let out = ''
  let err = ''
  const { pins } = terminal
  const io: Io = {
    out: (text) => {
      out += text
      return Promise.resolve()
    },
    err: (text) => {
      err += text
    },
    outIsTty: false,
    errIsTty: false,
    inIsTty: false,
    env: {},
    clock: systemClock,
    signal: new AbortController().signal,
    ask: shut('ask'),
    ...terminal.io,
    doors: {
      connect: (options) => Promise.resolve(connectControl(options)),
      offline:
        pins === undefined ? shut('pins') : () => Promise.resolve({ openPinned: () => pins }),
      bypass: shut('bypass'),
      cleanup: shut('cleanup'),
      agent: shut('agent'),
      ...terminal.doors,
    },
  }
  const code = await runCommand(words, io)
  return { code, out, err }
}
