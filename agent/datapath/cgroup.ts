/** Where is the root of the cgroup v2 hierarchy, on unified and on hybrid hosts? */
import { readFileSync } from 'node:fs'
import { isCgroup2 } from '../../native/index.ts'
import { FairleadError } from '../errors.ts'

/** First cgroup2 mount of /proc/self/mounts; undefined where there is none. */
export function findCgroup2(
  mounts = readFileSync('/proc/self/mounts', 'utf8'),
): string | undefined {
  for (const line of mounts.split('\n')) {
    const [, path, type] = line.split(' ')
    if (type === 'cgroup2' && path !== undefined) return unescapeMount(path)
  }
  return undefined
}

/** /proc writes blanks in paths as octal: \040. */
function unescapeMount(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  )
}

/** The directory to attach to: the one given, else the root found. Throws if it is no cgroup v2. */
export function cgroupDirectory(given: string | undefined): string {
  const path = given ?? findCgroup2()
  if (path === undefined) {
    throw new FairleadError(
      'CGROUP_MISSING',
      'find the cgroup v2 root: /proc/self/mounts has no cgroup2',
      'mount one, or name it with --cgroup',
    )
  }
  if (!isCgroup2(path)) {
    throw new FairleadError(
      'CGROUP_MISSING',
      `attach to ${path}: not on a cgroup v2 file system`,
      'name one with --cgroup',
    )
  }
  return path
}
