/** The C programs of this folder, compiled static once per content, as those of test/clients are. */
import { join } from 'node:path'
import { built, contentHash, repository } from '../support/parts.ts'
import { mustRun } from '../support/process.ts'

export type Tool = 'crr' | 'fill' | 'watch'

const flags = ['-O2', '-Wall', '-Wextra', '-Werror', '-std=gnu11', '-static']

/** Path of the compiled program, below build/clients. */
export function benchTool(name: Tool): Promise<string> {
  const source = join(repository, 'test', 'bench', `${name}.c`)
  const header = join(repository, 'test', 'clients', 'net.h')
  const hash = contentHash([source, header], ['gcc', ...flags])
  const path = join(repository, 'build', 'clients', `${name}-gcc-${hash}`)
  return built(path, `test/bench/${name}.c`, async (temporary) => {
    await mustRun(['gcc', ...flags, '-o', temporary, source])
  })
}
