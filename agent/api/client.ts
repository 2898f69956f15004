/** A View of an agent over its socket. */
import {
  Client,
  credentials,
  status,
  type ClientReadableStream,
  type MethodDefinition,
  type ServiceError,
} from '@grpc/grpc-js'
import type { Clock } from '../clock.ts'
import { codeOf, FairleadError, reasonOf } from '../errors.ts'
import { controlMethods } from './methods.ts'
import { everything, type View } from './view.ts'

/** An error of grpc-js as ours. Unreachable is what a caller may answer by reading the pins. */
function translate(error: unknown, path: string): FairleadError {
  const code = (error as Partial<ServiceError>).code
  const details = (error as Partial<ServiceError>).details ?? reasonOf(error)
  if (code === status.NOT_FOUND) return new FairleadError('NOT_FOUND', details, '', error)
  if (code === status.UNAVAILABLE) {
    const remedy = 'see that the agent runs and that --run-dir is its own'
    return new FairleadError('AGENT_UNREACHABLE', `ask ${path}: ${details}`, remedy, error)
  }
  if (code === status.DEADLINE_EXCEEDED) {
    const message = `ask ${path}: the agent did not answer in time`
    return new FairleadError('AGENT_UNREACHABLE', message, 'raise --timeout', error)
  }
  return new FairleadError('INTERNAL', `ask ${path}: ${details}`, 'see the log of the agent', error)
}

export interface ClientOptions {
  /** The agent's control.sock. */
  readonly path: string
  /** For each question; events have none. */
  readonly timeout_ms: number
  readonly clock: Clock
}

/** The three ways to put a question: one answer, a stream, a stream's rows in one piece. */
function asker({ path, timeout_ms, clock }: ClientOptions) {
  const client = new Client(`unix:${path}`, credentials.createInsecure(), {
    'grpc.max_receive_message_length': -1,
    'grpc.enable_retries': 0,
  })
  const deadline = (): { deadline: number } => ({ deadline: clock.now_ms() + timeout_ms })

  function ask<A, B>(to: MethodDefinition<A, B>, request: A): Promise<B> {
    const { requestSerialize, responseDeserialize } = to
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        to.path,
        requestSerialize,
        responseDeserialize,
        request,
        deadline(),
        (error, response) => {
          if (error !== null) reject(translate(error, path))
          else resolve(response as B)
        },
      )
    })
  }
  function open<A, B>(to: MethodDefinition<A, B>, request: A, limit: object) {
    const { requestSerialize, responseDeserialize } = to
    return client.makeServerStreamRequest(
      to.path,
      requestSerialize,
      responseDeserialize,
      request,
      limit,
    )
  }
  async function collect<A, B, Row>(
    to: MethodDefinition<A, B>,
    request: A,
    rowsOf: (message: B) => readonly Row[],
  ): Promise<Row[]> {
    const rows: Row[] = []
    try {
      for await (const message of open(to, request, deadline())) {
        for (const row of rowsOf(message as B)) rows.push(row)
      }
    } catch (error) {
      throw translate(error, path)
    }
    return rows
  }
  return { ask, open, collect, close: () => client.close() }
}

/** Connects at the first question. Every question may throw FairleadError AGENT_UNREACHABLE. */
export function connectControl(options: ClientOptions): View {
  const { ask, open, collect, close } = asker(options)
  const m = controlMethods
  return {
    status: async () => (await ask(m.GetStatus, {})).status,
    services: (filter) => collect(m.ListServices, { filter }, (part) => part.services),
    backends: (filter) => collect(m.ListBackends, { filter }, (part) => part.backends),
    affinity: (filter) => collect(m.ListAffinity, { filter }, (part) => part.affinity),
    mapList: async () => (await ask(m.ListMaps, {})).maps,
    async mapDump(name) {
      try {
        return { name, lines: await collect(m.DumpMap, { name }, (part) => part.lines) }
      } catch (error) {
        if (codeOf(error) === 'NOT_FOUND') return undefined
        throw error
      }
    },
    bypass: async () => (await ask(m.GetBypass, {})).bypass,
    async *events(signal) {
      const call = open(m.WatchEvents, { filter: everything }, {})
      const stop = (): void => call.cancel()
      signal.addEventListener('abort', stop, { once: true })
      if (signal.aborted) stop()
      yield* eventsOf(call, signal, options.path)
    },
    close,
  }
}

async function* eventsOf<T, E>(
  call: ClientReadableStream<T & { event: E }>,
  signal: AbortSignal,
  path: string,
): AsyncGenerator<E> {
  try {
    for await (const message of call) yield (message as { event: E }).event
  } catch (error) {
    if (!signal.aborted) throw translate(error, path)
  } finally {
    call.cancel()
  }
}
