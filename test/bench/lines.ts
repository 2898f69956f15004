/** A child's stdout as lines, asked for one by one. */
import { createInterface } from 'node:readline'
import type { Child } from '../support/process.ts'

export function linesOf(child: Child): AsyncIterator<string> {
  const { stdout } = child.process
  if (stdout === null) throw new Error('read a child: it has no stdout')
  return createInterface({ input: stdout })[Symbol.asyncIterator]()
}

/** Rejects with what the child said if it ends first. */
export function nextLine(
  child: Child,
  lines: AsyncIterator<string>,
  what: string,
): Promise<string> {
  const died = child.ended.then((): never => {
    throw new Error(`${what}: it ended: ${child.log()}`)
  })
  const line = lines.next().then(({ value, done }) => (done === true ? died : String(value)))
  return Promise.race([line, died])
}
