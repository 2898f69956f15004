/** TCP listeners that outlast a taken port: tried again until it is free, never fatal. */
import type { Server } from 'node:http'
import type { Clock } from '../clock.ts'
import { codeOf, reasonOf } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Listen } from '../values.ts'
import type { Listener } from './view.ts'

/** How long a taken port is left alone. */
export const retry_ms = 5000

export interface KeptListener {
  /** Row of status. */
  row(): Listener
  /** Ends connections, too. */
  close(): Promise<void>
}

export interface ListenerOptions {
  readonly name: string
  /** Undefined: switched off. */
  readonly at: Listen | undefined
  readonly server: Server
  readonly clock: Clock
  readonly log: Log
}

function textOf({ host, port }: Listen): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

function troubleOf(error: unknown, address: string): string {
  const code = codeOf(error)
  if (code === 'EADDRINUSE') return `${address} is taken by another process`
  if (code === 'EADDRNOTAVAIL') return `${address} is no address of this node`
  if (code === 'EACCES') return `${address} needs CAP_NET_BIND_SERVICE`
  return reasonOf(error)
}

/** Begins to listen and resolves after the first attempt, however it went. */
export async function keepListening(options: ListenerOptions): Promise<KeptListener> {
  const { name, at, server, clock, log } = options
  const address = at === undefined ? 'off' : textOf(at)
  let trouble = ''
  let callOff = (): void => undefined
  let isClosed = false

  const attempt = (to: Listen): Promise<void> =>
    new Promise((resolve) => {
      const failed = (error: Error): void => {
        server.off('listening', listening)
        trouble = troubleOf(error, address)
        log.warn({ listener: name, address, trouble }, 'cannot listen; will try again')
        if (!isClosed) callOff = clock.after(retry_ms, () => void attempt(to))
        resolve()
      }
      const listening = (): void => {
        server.off('error', failed)
        trouble = ''
        log.info({ listener: name, address }, 'listens')
        resolve()
      }
      server.once('error', failed)
      server.once('listening', listening)
      server.listen({ host: to.host, port: to.port })
    })

  // One that is no answer to listen(), such as EMFILE on accept, must not end the process.
  server.on('error', () => undefined)
  if (at !== undefined) await attempt(at)
  return {
    row: () => ({ name, address, isListening: server.listening, trouble }),
    close: async () => {
      isClosed = true
      callOff()
      if (!server.listening) return
      await new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
    },
  }
}
