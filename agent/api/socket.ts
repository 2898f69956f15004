/** Unix sockets that nobody but their owner can open, made without a moment of being open to all. */
import { chmodSync, lstatSync, mkdirSync, renameSync, rmSync, unlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { basename, dirname, join } from 'node:path'
import { codeOf, FairleadError, reasonOf } from '../errors.ts'

/** sun_path without its closing zero. */
const longestPath_bytes = 107

export type Reach = 'answers' | 'absent' | 'refused' | 'denied'

/** Is somebody listening at `path`? Never throws. */
export function reach(path: string): Promise<Reach> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve('answers')
    })
    socket.once('error', (error) => {
      const code = codeOf(error)
      if (code === 'ENOENT' || code === 'ENOTDIR') resolve('absent')
      else resolve(code === 'EACCES' || code === 'EPERM' ? 'denied' : 'refused')
    })
  })
}

/**
 * Lets `bind` listen at a path in a directory of mode 0700, then moves the socket to `path` with
 * mode 0600, replacing what a dead process left there.
 * @returns takes the socket away again, unless another has taken its place
 * @throws FairleadError AGENT_RUNNING if somebody answers at `path`, SOCKET_PATH if it can't be
 */
export async function bindPrivately(
  path: string,
  bind: (path: string) => Promise<void>,
): Promise<() => void> {
  const room = join(dirname(path), `.${process.pid}-${basename(path)}.new`)
  const fresh = join(room, 's')
  const longest = Math.max(Buffer.byteLength(path), Buffer.byteLength(fresh))
  if (longest > longestPath_bytes) {
    const over = longest - longestPath_bytes
    throw new FairleadError(
      'SOCKET_PATH',
      `listen on ${path}: the path is too long for a unix socket by ${over} bytes`,
      'choose a shorter --run-dir',
    )
  }
  if ((await reach(path)) === 'answers') {
    throw new FairleadError(
      'AGENT_RUNNING',
      `listen on ${path}: another process answers there`,
      'stop the other agent, or give this one its own --run-dir',
    )
  }
  try {
    rmSync(room, { recursive: true, force: true })
    mkdirSync(dirname(path), { recursive: true })
    mkdirSync(room, { mode: 0o700 })
    await bind(fresh)
    chmodSync(fresh, 0o600)
    const inode = lstatSync(fresh).ino
    renameSync(fresh, path)
    return () => removeOwn(path, inode)
  } catch (error) {
    const message = `listen on ${path}: ${reasonOf(error)}`
    throw new FairleadError('SOCKET_PATH', message, 'see that --run-dir can be written', error)
  } finally {
    rmSync(room, { recursive: true, force: true })
  }
}

function removeOwn(path: string, inode: number): void {
  try {
    if (lstatSync(path).ino === inode) unlinkSync(path)
  } catch {
    // Gone already, or no longer ours to remove.
  }
}
