/** A program that opens everything that runs by itself and ends without closing any of it. */
import { Worker, isMainThread } from 'node:worker_threads'
import { NetWatch, RingBuffer, membarrier } from '../../native/index.ts'
import { loadFixture } from './fixture.ts'

/** This file in another thread; tsx reaches those only when they ask for it. */
function again(): Worker {
  const start = `import('tsx/esm/api').then((tsx) => { tsx.register(); return import('${import.meta.url}') })`
  return new Worker(start, { eval: true })
}

const object = await loadFixture(['emit'])
const events = object.map('events')
object.program('emit').testRun({ data: new Uint8Array(64), repeat: 20 })
new RingBuffer(events, 16, () => {})
new NetWatch(() => {})
object.map('cells').mmap()
void membarrier()
if (isMainThread) {
  const first = again()
  const status = await new Promise((resolve) => first.once('exit', resolve))
  if (status !== 0) throw new Error(`the thread ended with ${String(status)}`)
  // Once more, ended from outside in the middle of it.
  const second = again()
  await new Promise((resolve) => second.once('online', resolve))
  await second.terminate()
  process.stdout.write('done\n')
}
