/** The control API on a unix socket: gRPC in front of a View. */
import {
  Server,
  ServerCredentials,
  status,
  type sendUnaryData,
  type ServerUnaryCall,
  type ServerWritableStream,
  type StatusObject,
} from '@grpc/grpc-js'
import { once } from 'node:events'
import type { ServiceFilter } from '../../proto/control.gen.js'
import type { Clock } from '../clock.ts'
import { FairleadError, reasonOf } from '../errors.ts'
import type { Log } from '../log.ts'
import { healthHandlers } from './health.ts'
import { dumpMap, getService } from './queries.ts'
import { controlMethods, controlName, healthMethods, reflectionMethods } from './methods.ts'
import { reflectionHandlers } from './reflection.ts'
import { bindPrivately } from './socket.ts'
import { everything, matches, type View } from './view.ts'

/** Rows of one message: far below 4 MiB, and a pause for the event loop between two. */
const rowsOfMessage = 500

/** How long calls under way may go on when the server closes. */
const farewell_ms = 500

/** Ends a stream of ours because the agent goes. */
class Stopping extends Error {}

function statusOf(thrown: unknown): Partial<StatusObject> {
  if (thrown instanceof Stopping) return { code: status.UNAVAILABLE, details: 'the agent stops' }
  if (!(thrown instanceof FairleadError)) {
    return { code: status.INTERNAL, details: reasonOf(thrown) }
  }
  const code = thrown.code === 'NOT_FOUND' ? status.NOT_FOUND : status.FAILED_PRECONDITION
  return { code, details: thrown.remedy ? `${thrown.message}; ${thrown.remedy}` : thrown.message }
}

/** Waits for the reader where it is slower than we; false once it is gone. */
async function send<T>(call: ServerWritableStream<unknown, T>, message: T): Promise<boolean> {
  if (call.cancelled || call.destroyed) return false
  if (call.write(message)) return true
  const gone = new AbortController()
  const leave = (): void => gone.abort()
  call.once('cancelled', leave)
  call.once('close', leave)
  try {
    await once(call, 'drain', { signal: gone.signal })
    return true
  } catch {
    return false
  } finally {
    call.off('cancelled', leave)
    call.off('close', leave)
  }
}

async function sendRows<Row, T>(
  call: ServerWritableStream<unknown, T>,
  rows: readonly Row[],
  wrap: (rows: readonly Row[]) => T,
): Promise<void> {
  for (let at = 0; at < rows.length; at += rowsOfMessage) {
    if (!(await send(call, wrap(rows.slice(at, at + rowsOfMessage))))) return
    await new Promise((resolve) => setImmediate(resolve))
  }
}

const filterOf = (request: { filter?: ServiceFilter }): ServiceFilter =>
  request.filter ?? everything

function unary<Request, Response>(run: (request: Request) => Promise<Response>) {
  return (call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>): void => {
    run(call.request).then(
      (response) => callback(null, response),
      (error: unknown) => callback(statusOf(error)),
    )
  }
}

function streaming<Request, Response>(
  run: (call: ServerWritableStream<Request, Response>) => Promise<void>,
) {
  return (call: ServerWritableStream<Request, Response>): void => {
    // Without a listener the reader's leaving would end the process.
    call.on('error', () => undefined)
    run(call).then(
      () => call.end(),
      // grpc-js listens to this itself and sends the status.
      (error: unknown) => void call.emit('error', statusOf(error)),
    )
  }
}

/** Ids of what is asked for; undefined: everything. */
async function idsOf(view: View, filter: ServiceFilter): Promise<Set<number> | undefined> {
  const { namespace, name, id, frontend } = filter
  if (namespace === '' && name === '' && frontend === '' && id === 0) return undefined
  const rows = await view.services(filter)
  return new Set(rows.filter((row) => matches(row, filter)).map((row) => row.id))
}

/** Until the reader leaves or the server closes. */
async function sendEvents(
  view: View,
  call: ServerWritableStream<{ filter?: ServiceFilter }, unknown>,
  closing: AbortSignal,
): Promise<void> {
  const leaving = new AbortController()
  const leave = (): void => leaving.abort()
  call.once('cancelled', leave)
  call.once('close', leave)
  closing.addEventListener('abort', leave, { once: true })
  try {
    const wanted = await idsOf(view, filterOf(call.request))
    for await (const event of view.events(leaving.signal)) {
      if (wanted !== undefined && !wanted.has(event.serviceId)) continue
      if (!(await send(call, { event }))) break
    }
  } finally {
    closing.removeEventListener('abort', leave)
  }
  if (closing.aborted) throw new Stopping()
}

function controlHandlers(view: View, closing: AbortSignal) {
  type Filtered = { filter?: ServiceFilter }
  return {
    GetStatus: unary(async () => ({ status: await view.status() })),
    GetService: unary((request: Filtered) => getService(view, filterOf(request))),
    ListMaps: unary(async () => ({ maps: await view.mapList() })),
    GetBypass: unary(async () => ({ bypass: await view.bypass() })),
    ListServices: streaming(async (call: ServerWritableStream<Filtered, unknown>) => {
      const rows = await view.services(filterOf(call.request))
      await sendRows(call, rows, (services) => ({ services }))
    }),
    ListBackends: streaming(async (call: ServerWritableStream<Filtered, unknown>) => {
      const rows = await view.backends(filterOf(call.request))
      await sendRows(call, rows, (backends) => ({ backends }))
    }),
    ListAffinity: streaming(async (call: ServerWritableStream<Filtered, unknown>) => {
      const rows = await view.affinity(filterOf(call.request))
      await sendRows(call, rows, (affinity) => ({ affinity }))
    }),
    DumpMap: streaming(async (call: ServerWritableStream<{ name: string }, unknown>) => {
      const { lines } = await dumpMap(view, call.request.name)
      await sendRows(call, lines, (part) => ({ lines: part }))
    }),
    WatchEvents: streaming((call: ServerWritableStream<Filtered, unknown>) =>
      sendEvents(view, call, closing),
    ),
  }
}

export interface ControlOptions {
  readonly view: View
  /** `<run-dir>/control.sock`; made with mode 0600. */
  readonly path: string
  readonly isServing: () => boolean
  readonly clock: Clock
  readonly log: Log
}

/** Listens. Throws FairleadError AGENT_RUNNING or SOCKET_PATH. */
export async function serveControl(options: ControlOptions): Promise<{ close(): Promise<void> }> {
  const server = new Server({
    'grpc.max_receive_message_length': 64 * 1024,
    'grpc.max_concurrent_streams': 100,
  })
  const closing = new AbortController()
  server.addService(controlMethods, controlHandlers(options.view, closing.signal))
  server.addService(
    healthMethods,
    healthHandlers({
      services: [controlName],
      isServing: options.isServing,
      clock: options.clock,
    }),
  )
  for (const version of ['v1', 'v1alpha'] as const) {
    server.addService(reflectionMethods(version), reflectionHandlers())
  }
  const remove = await bindPrivately(options.path, (path) => bind(server, path))
  options.log.info({ path: options.path }, 'control API listens')
  return {
    async close() {
      remove()
      closing.abort()
      const stop = options.clock.after(farewell_ms, () => server.forceShutdown())
      await new Promise<void>((resolve) => server.tryShutdown(() => resolve()))
      stop()
    },
  }
}

function bind(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    )
  })
}
