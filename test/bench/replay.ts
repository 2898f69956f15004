/**
 * An API server of recorded frames, over TLS and HTTP/2, in a process of its own. Services and
 * slices are held back behind their headers until it is told to go.
 *
 * replay.ts DIRECTORY N   (key.pem, cert.pem there; N 0: a cluster without Services)
 *
 * stdout: {"port"} once. stdin, a line each: `held` → {"held": streams that are asked for};
 * `go` → {"sent_ns", "bytes"}; `change I BACK` → {"sent_ns"}: CLOCK_MONOTONIC just before the write.
 */
import { readFileSync } from 'node:fs'
import { createSecureServer, type ServerHttp2Stream } from 'node:http2'
import { createInterface } from 'node:readline'
import { makeFrames } from './frames.ts'
import { recording, type RecordedKind, watchType } from './record.ts'

const [directory = '.', count = '0'] = process.argv.slice(2)
const n = Number(count)
const recorded = await recording()
const frames = makeFrames(recorded)

/** One body each, made before anybody asks: the time of copying is not the agent's. */
const bodies: Readonly<Record<RecordedKind, Buffer>> = {
  services: Buffer.concat(frames.services(n)),
  endpointslices: Buffer.concat(frames.slices(n)),
  nodes: decoded('nodes'),
  namespaces: decoded('namespaces'),
  configmaps: decoded('configmaps'),
}

function decoded(kind: RecordedKind): Buffer {
  return Buffer.concat(recorded.initial[kind].map((text) => Buffer.from(text, 'base64')))
}

function say(what: object): void {
  process.stdout.write(`${JSON.stringify(what)}\n`)
}

const held = new Map<RecordedKind, ServerHttp2Stream>()

function answerWatch(stream: ServerHttp2Stream, kind: RecordedKind, isInitial: boolean): void {
  stream.respond({ ':status': 200, 'content-type': watchType })
  if (!isInitial) return
  if (kind !== 'services' && kind !== 'endpointslices') {
    stream.write(bodies[kind])
    return
  }
  held.set(kind, stream)
  // The last to ask wins: a stream that was given up is no more.
  stream.on('close', () => {
    if (held.get(kind) === stream) held.delete(kind)
  })
}

function answer(stream: ServerHttp2Stream, path: string): void {
  const url = new URL(path, 'https://localhost')
  const kind = url.pathname.split('/').at(-1) as RecordedKind
  const isWatch = url.searchParams.get('watch') === 'true'
  if (isWatch && bodies[kind] !== undefined) {
    answerWatch(stream, kind, url.searchParams.get('sendInitialEvents') === 'true')
    return
  }
  // Events of the agent and whatever else: not what is measured.
  stream.respond({ ':status': 404, 'content-type': 'application/json' })
  stream.end(
    '{"kind":"Status","status":"Failure","code":404,"message":"a replay has no such thing"}',
  )
}

const server = createSecureServer({
  key: readFileSync(`${directory}/key.pem`),
  cert: readFileSync(`${directory}/cert.pem`),
})
server.on('stream', (stream, headers) => {
  stream.on('error', () => {})
  answer(stream, String(headers[':path']))
})
server.on('session', (session) => session.on('error', () => {}))
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  say({ port: typeof address === 'object' ? address?.port : 0 })
})

function obey(line: string): void {
  const [command, i = '0', back = '0'] = line.split(' ')
  if (command === 'held') {
    say({ held: held.size })
  } else if (command === 'go') {
    const sent_ns = Number(process.hrtime.bigint())
    let bytes = 0
    for (const [kind, stream] of held) {
      stream.write(bodies[kind])
      bytes += bodies[kind].length
    }
    say({ sent_ns, bytes })
  } else if (command === 'change') {
    const frame = frames.changed(Number(i), back === '1')
    const sent_ns = Number(process.hrtime.bigint())
    held.get('endpointslices')?.write(frame)
    say({ sent_ns })
  }
}

createInterface({ input: process.stdin })
  .on('line', obey)
  .on('close', () => process.exit(0))
