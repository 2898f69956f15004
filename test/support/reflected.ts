/** A reflector of Services against a scripted API server, with short waits. */
import { systemClock } from '../../agent/clock.ts'
import { ApiClient } from '../../agent/kube/client.ts'
import { kubeconfigCredentials } from '../../agent/kube/credentials.ts'
import { Reflector } from '../../agent/kube/reflector.ts'
import type { ReflectorOptions } from '../../agent/kube/reflector.ts'
import { protobufType } from '../../agent/kube/stream.ts'
import { defaultTiming } from '../../agent/kube/timing.ts'
import type { ReflectorTiming } from '../../agent/kube/timing.ts'
import { frame, list, serviceBytes, watchEvent } from './protobuf.ts'
import { credentialFiles, scriptedServer } from './scripted.ts'
import type { Reply, ScriptedServer } from './scripted.ts'
import { recordingLog, recordingSink } from './sink.ts'

const undo: (() => void | Promise<void>)[] = []
/** Ends what was started; for afterEach. */
export async function stopAll(): Promise<void> {
  for (const step of undo.splice(0).reverse()) await step()
}

export const fast: ReflectorTiming = {
  ...defaultTiming,
  backoff: { first_ms: 5, most_ms: 20, healthyAfter_ms: 120_000 },
  listEvery_ms: 0,
  confirmAfter_ms: 5,
}

const stream = `${protobufType};stream=watch`

export function isWatch(reply: Reply): boolean {
  return reply.query.get('watch') === 'true'
}

/** A frame of one event. */
export function added(name: string, version: string, port = 80): Buffer {
  return frame(watchEvent('ADDED', 'Service', serviceBytes(name, version, port)))
}

/** Answers a list of the named Services. */
export function sendList(reply: Reply, version: string, names: readonly string[]): void {
  const items = names.map((name) => serviceBytes(name, version))
  reply.send(200, protobufType, list('Service', version, items))
}

/** Begins a watch that stays open. */
export function beginStream(reply: Reply, ...frames: readonly Buffer[]): void {
  reply.begin(stream)
  for (const bytes of frames) reply.write(bytes)
}

export type Script = (
  reply: Reply,
  turn: { readonly lists: number; readonly watches: number },
) => void

export interface Started {
  readonly server: ScriptedServer
  readonly client: ApiClient
  readonly reflector: Reflector
  readonly sink: ReturnType<typeof recordingSink>
  readonly log: ReturnType<typeof recordingLog>
  names(): readonly string[]
  /** Queries of the lists and watches so far. */
  asked(verb: 'list' | 'watch'): readonly URLSearchParams[]
  stop(): Promise<void>
}

/** `turn` counts from 1, with the request being answered. */
export async function started(
  script: Script,
  options: Partial<ReflectorOptions> = {},
  protocol: 'h2' | 'http/1.1' = 'h2',
): Promise<Started> {
  const turn = { lists: 0, watches: 0 }
  const answer = (reply: Reply): void => {
    if (isWatch(reply)) turn.watches++
    else turn.lists++
    script(reply, turn)
  }
  const server = await scriptedServer({ answer, protocol })
  const files = credentialFiles(server.url)
  const client = new ApiClient({
    credentials: kubeconfigCredentials(files.kubeconfig),
    env: {},
    answerTimeout_ms: 2000,
  })
  const sink = recordingSink()
  const log = recordingLog()
  const reflector = new Reflector({
    client,
    selection: { kind: 'Service', labelSelector: '', fieldSelector: '' },
    sink,
    log,
    clock: systemClock,
    random: () => 0,
    watchList: false,
    protobuf: true,
    pageLimit: 0,
    timing: fast,
    ...options,
  })
  const controller = new AbortController()
  const running = reflector.run(controller.signal)
  const stop = async (): Promise<void> => {
    controller.abort()
    await running
  }
  undo.push(
    () => server.close(),
    files.remove,
    () => client.close(),
    stop,
  )
  return {
    server,
    client,
    reflector,
    sink,
    log,
    names: () => sink.tables()['Service']?.map((object) => object.ref.name) ?? [],
    asked: (verb) =>
      server.requests
        .map((request) => new URL(request.split(' ')[1] ?? '', 'https://h').searchParams)
        .filter((query) => (query.get('watch') === 'true') === (verb === 'watch')),
    stop,
  }
}
