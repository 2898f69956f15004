/** The BPF object of the addon's tests, compiled once, and what each test makes of it. */
import { mkdirSync, readFileSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { BpfObject, NativeError, mountBpffs } from '../../native/index.ts'
import { libbpf } from '../../native/libbpf.mjs'
import { built, cacheDirectory, contentHash } from '../support/parts.ts'
import { run } from '../support/process.ts'
import { runDirectory, unmountBelow } from '../support/run.ts'

const source = fileURLToPath(new URL('fixture.bpf.c', import.meta.url))
const flags = ['-O2', '-g', '-Wall', '-Werror', '-target', 'bpf', '-mcpu=v3']

/** Bytes of fixture.bpf.c's object. */
export async function fixtureElf(): Promise<Buffer> {
  const path = join(cacheDirectory(), `fixture-${contentHash([source], flags)}`, 'fixture.bpf.o')
  await built(path, 'test/native/fixture.bpf.c', async (temporary) => {
    const include = [
      `-I${libbpf().include}`,
      `-I/usr/include/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`,
    ]
    for (const clang of ['clang-19', 'clang']) {
      const result = await run([clang, ...flags, ...include, '-c', source, '-o', temporary])
      if (result.status === 0) return
      if (!/No such file/.test(result.stderr)) throw new Error(result.stderr)
    }
    throw new Error('compile test/native/fixture.bpf.c: there is neither clang-19 nor clang')
  })
  return readFileSync(path)
}

/** A loaded fixture with only `programs` in it. Close it. */
export async function loadFixture(
  programs: readonly string[] = [],
  tune: (object: BpfObject) => void = () => {},
): Promise<BpfObject> {
  const object = new BpfObject(await fixtureElf(), 'fixture')
  try {
    for (const name of object.programNames()) object.setAutoload(name, programs.includes(name))
    tune(object)
    object.load()
  } catch (error) {
    object.close()
    throw error
  }
  return object
}

let directories = 0

/** A bpffs of the test's own. */
export function makeBpffs(): { path: string; close(): void } {
  const path = join(runDirectory(), `bpffs-${++directories}`)
  mkdirSync(path, { recursive: true })
  mountBpffs(path)
  return {
    path,
    close: () => {
      unmountBelow(path)
      rmSync(path, { recursive: true, force: true })
    },
  }
}

/** What `action` throws, which must be a NativeError. */
export function thrown(action: () => unknown): NativeError {
  try {
    action()
  } catch (error) {
    expect(error).toBeInstanceOf(NativeError)
    return error as NativeError
  }
  throw new Error('it did not throw')
}

/** Little-endian u32s, one behind the other. */
export function u32(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4)
  values.forEach((value, i) => bytes.writeUInt32LE(value, i * 4))
  return bytes
}

/** A key of `pairs`. */
export function pairKey(n: number): Buffer {
  const key = Buffer.alloc(12)
  key.writeUInt32BE(n, 0)
  return key
}

/** A value of `pairs` with `count` = n. */
export function pairValue(n: number): Buffer {
  const value = Buffer.alloc(16)
  value.writeBigUInt64LE(BigInt(n), 8)
  return value
}

/** What each open descriptor of this process points to. */
export function descriptors(): string[] {
  const targets: string[] = []
  for (const name of readdirSync('/proc/self/fd')) {
    try {
      targets.push(`${name} ${readlinkSync(`/proc/self/fd/${name}`)}`)
    } catch {
      // The descriptor of this very listing.
    }
  }
  return targets.sort()
}
