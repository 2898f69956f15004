/**
 * The floor of a sync: a bare Node that asks for the same two streams over TLS and HTTP/2 and looks
 * at no byte of them. `receive.ts PORT CERTIFICATE`; stdin: a number of bytes → {"cpu_ms",
 * "end_ns"} when so many have come, CPU time since the request.
 */
import { readFileSync } from 'node:fs'
import { connect } from 'node:http2'
import { createInterface } from 'node:readline'

const [port = '0', certificate = ''] = process.argv.slice(2)
// The windows of the agent's own client (agent/kube/session.ts).
const session = connect(`https://127.0.0.1:${port}`, {
  ca: readFileSync(certificate),
  settings: { enablePush: false, initialWindowSize: 1024 * 1024 },
})
session.on('connect', () => session.setLocalWindowSize(4 * 1024 * 1024))

let received = 0
let wanted = Infinity
let began = process.cpuUsage()
let end_ns = 0

function check(): void {
  if (received < wanted) return
  const { user, system } = process.cpuUsage(began)
  process.stdout.write(`${JSON.stringify({ cpu_ms: (user + system) / 1000, end_ns })}\n`)
}

const query = '?watch=true&sendInitialEvents=true'
for (const path of ['/api/v1/services', '/apis/discovery.k8s.io/v1/endpointslices']) {
  session.request({ ':path': path + query }).on('data', (chunk: Buffer) => {
    if (received === 0) began = process.cpuUsage()
    received += chunk.length
    end_ns = Number(process.hrtime.bigint())
    check()
  })
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    wanted = Number(line)
    check()
  })
  .on('close', () => process.exit(0))
