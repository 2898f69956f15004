/** `ip netns` makes /run/netns a mount of its own for ever; whoever caused that undoes it. */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, rmdirSync } from 'node:fs'

const directory = '/run/netns'

function isMount(): boolean {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n')
  return mounts.some((line) => line.split(' ')[1] === directory)
}

/** To be called before the first namespace; what it returns, after the last. */
export function rememberNetnsMount(): () => void {
  if (isMount()) return () => undefined
  return () => {
    try {
      if (!isMount() || readdirSync(directory).length > 0) return
      while (isMount()) execFileSync('umount', [directory], { stdio: 'ignore' })
      rmdirSync(directory)
    } catch {
      // Another run made a namespace meanwhile: it stays for that one.
    }
  }
}
