/**
 * `npm run bench [-- NAME ...]`: product, floor and peer in one run, goals beside the figures.
 * Without names all of them. Exit code 0 also when a figure falls short: the table says it.
 */
import { closeAll } from './belongings.ts'
import { benchConnect } from './connect.ts'
import { benchMemory } from './memory.ts'
import { publish, type Result } from './report.ts'
import { benchSync } from './sync.ts'

const benches: Readonly<Record<string, () => Promise<Result>>> = {
  connect: benchConnect,
  sync: benchSync,
  memory: benchMemory,
}

async function main(): Promise<void> {
  const names = process.argv.slice(2)
  const wanted = names.length > 0 ? names : Object.keys(benches)
  for (const name of wanted) {
    if (benches[name] === undefined) {
      throw new Error(`no benchmark '${name}': ${Object.keys(benches).join(' ')}`)
    }
  }
  if (process.getuid?.() !== 0) throw new Error('benchmarks need root: namespaces, cgroups, BPF')
  for (const name of wanted) {
    process.stderr.write(`bench ${name}\n`)
    const began = performance.now()
    try {
      publish((await benches[name]?.()) as Result)
    } finally {
      await closeAll()
    }
    process.stderr.write(`  ${((performance.now() - began) / 1000).toFixed(0)} s\n`)
  }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    void closeAll().finally(() => process.exit(signal === 'SIGINT' ? 130 : 143))
  })
}

await main()
