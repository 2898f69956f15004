/** Entry of dist/agent.mjs, and what `fairlead agent` runs. */
import { realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { report } from './cli/report.ts'
import { parseConfig } from './config.ts'

/**
 * Runs the agent until it is told to stop.
 * @param words its flags
 * @returns the exit code
 * @throws FairleadError CONFIG_INVALID before anything was touched
 */
export async function main(words: readonly string[]): Promise<number> {
  const config = parseConfig(words)
  const { runAgent } = await import('./main.ts')
  return runAgent(config)
}

function isEntry(): boolean {
  const [, script] = process.argv
  try {
    return script !== undefined && realpathSync(script) === fileURLToPath(import.meta.url)
  } catch {
    return false
  }
}

if (isEntry()) {
  const words = process.argv.slice(2)
  try {
    process.exitCode = await main(words[0] === 'agent' ? words.slice(1) : words)
  } catch (error) {
    process.exitCode = report(error, (text) => void process.stderr.write(text))
  }
}
