/** The C programs of test/clients, compiled static: they run in any namespace and make plain system calls. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { built, contentHash, repository } from './parts.ts'
import { mustRun } from './process.ts'

export type ClientName = 'dial' | 'echo' | 'load' | 'relay'

/** glibc is what most programs use; musl differs in what it does around connect and getpeername. */
export type Compiler = 'gcc' | 'musl-gcc'

const flags = ['-O2', '-Wall', '-Wextra', '-Werror', '-std=gnu11', '-static']

/** Path of the compiled program, under build/clients by the hash of its sources. */
export function clientProgram(name: ClientName, compiler: Compiler = 'gcc'): Promise<string> {
  const directory = join(repository, 'test', 'clients')
  const source = join(directory, `${name}.c`)
  const headers = readdirSync(directory)
    .filter((file) => file.endsWith('.h'))
    .sort()
    .map((file) => join(directory, file))
  const hash = contentHash([source, ...headers], [compiler, ...flags])
  const path = join(repository, 'build', 'clients', `${name}-${compiler}-${hash}`)
  return built(path, `test/clients/${name}.c with ${compiler}`, async (temporary) => {
    await mustRun([compiler, ...flags, '-o', temporary, source])
  })
}
