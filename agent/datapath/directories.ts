/** The directory for pins: on a bpffs, made where it is missing, or a clear refusal. */
import { existsSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { isBpffs, mountBpffs } from '../../native/index.ts'
import { FairleadError, reasonOf } from '../errors.ts'

/** Where every node has its bpffs, or would. */
const standardMount = '/sys/fs/bpf'

function nearestExisting(path: string): string {
  return existsSync(path) ? path : nearestExisting(dirname(path))
}

function mountStandard(): void {
  try {
    mountBpffs(standardMount)
  } catch (error) {
    throw new FairleadError(
      'BPFFS_MISSING',
      `mount a BPF file system at ${standardMount}: ${reasonOf(error)}`,
      `mount one on the node: mount -t bpf bpf ${standardMount}`,
      error,
    )
  }
}

/** Makes `bpffs` (a directory of ours). Throws BPFFS_MISSING where no BPF file system is below it. */
export function makeBpffsDirectory(bpffs: string): void {
  const below = nearestExisting(bpffs)
  if (!isBpffs(below) && `${bpffs}/`.startsWith(`${standardMount}/`)) mountStandard()
  if (!isBpffs(nearestExisting(bpffs))) {
    throw new FairleadError(
      'BPFFS_MISSING',
      `pin under ${bpffs}: ${below} is not on a BPF file system`,
      `name a directory on one with --bpffs, or mount one: mount -t bpf bpf ${below}`,
    )
  }
  mkdirSync(bpffs, { recursive: true, mode: 0o700 })
}
