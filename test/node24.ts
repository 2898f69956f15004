/**
 * The Node that the image ships, beside the one that runs the tests: npm carries it with its headers.
 * Kept under `${XDG_CACHE_HOME:-~/.cache}/fairlead`; prints its directory when run as a program.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

import { cacheDirectory } from './support/parts.ts'

const version = '24.21.0'

/** npm's integrity of `node-linux-<arch>@<version>`, by `process.arch`. */
const integrity: Record<string, string> = {
  x64: 'sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
  arm64:
    'sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==',
}

/**
 * Directory with `bin/node` and `include/node`, fetched (26 MB) unless it is there. Throws where npm
 * has none for this machine or the package is not the one we know.
 */
export function node24Directory(): string {
  const wanted = integrity[process.arch]
  if (wanted === undefined) throw new Error(`Node ${version}: npm has none for ${process.arch}`)
  const cache = cacheDirectory()
  const directory = join(cache, `node-${version}-${process.arch}`)
  if (existsSync(join(directory, 'bin/node'))) return directory

  mkdirSync(cache, { recursive: true })
  const scratch = mkdtempSync(join(cache, 'node-'))
  try {
    const name = `node-linux-${process.arch}@${version}`
    const pack = ['pack', name, '--silent', '--pack-destination', scratch]
    const file = execFileSync('npm', pack, { encoding: 'utf8' }).trim()
    const archive = join(scratch, file)
    const found = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`
    if (found !== wanted) {
      throw new Error(`fetch ${name}: integrity is ${found}, expected ${wanted}: not used`)
    }
    execFileSync('tar', ['-xzf', archive, '-C', scratch])
    renameSync(join(scratch, 'package'), directory)
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
  return directory
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  process.stdout.write(`${node24Directory()}\n`)
}
