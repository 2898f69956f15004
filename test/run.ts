/**
 * `npm test`: the layers in order, the cheap before the dear, each with the seconds it may take.
 *
 *     npm test [-- LAYER ...]         up to the first layer that fails
 *     npm run test:long [-- LAYER …]  all of them, and with whole figures (FAIRLEAD_LONG=1)
 *
 * A layer whose needs this machine lacks is skipped by name; with CI=true every skip is a failure.
 * The last line is `N passed, N failed`, over all layers; exit code 0 only without failures.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { styleText } from 'node:util'

import { type Layer, layers } from './layers.ts'
import { rememberNetnsMount } from './support/netns-mount.ts'

interface Count {
  passed: number
  failed: number
  skipped: string[]
}

const root = fileURLToPath(new URL('..', import.meta.url))
process.chdir(root)
const isCi = process.env['CI'] === 'true'

/** Runs `command` until it ends or the budget does; its whole process group is gone afterwards. */
async function runCommand(command: readonly string[], layer: Layer): Promise<string> {
  const child = spawn(command[0] ?? '', command.slice(1), {
    cwd: root,
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...layer.environment?.() },
  })
  const end = (signal: NodeJS.Signals) => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, signal)
    } catch {
      // ESRCH: nothing of it is left, which is what we want.
    }
  }
  const interrupt = () => {
    end('SIGINT')
    process.exitCode = 130
  }
  process.once('SIGINT', interrupt)
  let isLate = false
  const late = setTimeout(() => {
    isLate = true
    end('SIGTERM')
    setTimeout(() => end('SIGKILL'), 10_000).unref()
  }, layer.budget_s * 1000)
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
    process.stdout.write(text)
  })
  await new Promise((resolve, reject) => child.once('close', resolve).once('error', reject))
  clearTimeout(late)
  process.off('SIGINT', interrupt)
  end('SIGKILL')
  if (isLate)
    process.stdout.write(`${layer.name}: stopped after its budget of ${layer.budget_s} s\n`)
  return isLate ? '' : output
}

interface Report {
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly message: string
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[]
  }[]
}

/** Reads vitest's JSON; a file that could not even be loaded counts as one failure. */
function countReport(file: string): Count {
  if (!existsSync(file)) return { passed: 0, failed: 1, skipped: [] }
  const count: Count = { passed: 0, failed: 0, skipped: [] }
  for (const result of (JSON.parse(readFileSync(file, 'utf8')) as Report).testResults) {
    const failedBefore = count.failed
    for (const { status, fullName } of result.assertionResults) {
      if (status === 'passed') count.passed++
      else if (status === 'failed') count.failed++
      else count.skipped.push(fullName)
    }
    if (result.status === 'failed' && count.failed === failedBefore) count.failed++
  }
  return count
}

/** A layer that can't even be started is one failure. */
async function runLayer(layer: Layer): Promise<Count> {
  try {
    return await startLayer(layer)
  } catch (error) {
    process.stdout.write(
      `${layer.name}: ${error instanceof Error ? error.message : String(error)}\n`,
    )
    return { passed: 0, failed: 1, skipped: [] }
  }
}

async function startLayer(layer: Layer): Promise<Count> {
  const node = layer.node?.() ?? process.execPath
  if (layer.program !== undefined) {
    const command = [node, '--import', 'tsx', ...layer.program]
    const found = /(\d+) passed, (\d+) failed\s*$/.exec(await runCommand(command, layer))
    return { passed: Number(found?.[1] ?? 0), failed: Number(found?.[2] ?? 1), skipped: [] }
  }
  const report = `build/test/${layer.name}.json`
  mkdirSync(`${root}build/test`, { recursive: true })
  rmSync(root + report, { force: true })
  const vitest = ['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/vitest.config.ts']
  const projects = (layer.projects ?? []).flatMap((project) => ['--project', project])
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  const output = await runCommand([node, ...vitest, ...projects, ...reporters], layer)
  const count = countReport(root + report)
  // Errors outside every test, or a budget that ran out, leave no failed test behind.
  if (count.failed === 0 && (output === '' || /\bUnhandled (Error|Rejection)/.test(output))) {
    count.failed++
  }
  if (count.passed + count.failed + count.skipped.length === 0) count.failed++
  return count
}

function heading(text: string): void {
  process.stdout.write(`\n${process.stdout.isTTY ? styleText('bold', text) : text}\n`)
}

async function main(): Promise<void> {
  const names = process.argv.slice(2).filter((argument) => argument !== '--long')
  const isLong = process.argv.includes('--long')
  if (isLong) process.env['FAIRLEAD_LONG'] = '1'
  const unknown = names.find((name) => !layers.some((layer) => layer.name === name))
  if (unknown !== undefined) {
    process.stderr.write(`no layer '${unknown}': ${layers.map((layer) => layer.name).join(' ')}\n`)
    process.exitCode = 2
    return
  }
  const undoNetnsMount = rememberNetnsMount()
  const total = { passed: 0, failed: 0 }
  const lines: string[] = []
  for (const layer of layers) {
    if (names.length > 0 ? !names.includes(layer.name) : layer.isLong && !isLong) continue
    if (total.failed > 0 && !isLong) {
      lines.push(`${layer.name}: not run after the failure above (npm run test:long goes on)`)
      continue
    }
    const missing = layer.lacks?.()
    heading(
      missing === undefined ? `── ${layer.name}` : `── ${layer.name}: skipped, needs ${missing}`,
    )
    const started = performance.now()
    const count =
      missing === undefined
        ? await runLayer(layer)
        : { passed: 0, failed: 0, skipped: [`needs ${missing}`] }
    if (isCi) count.failed += count.skipped.length
    total.passed += count.passed
    total.failed += count.failed
    const seconds = ((performance.now() - started) / 1000).toFixed(1)
    lines.push(`${layer.name}: ${count.passed} passed, ${count.failed} failed in ${seconds} s`)
    for (const title of count.skipped) lines.push(`  skipped: ${title}`)
  }
  undoNetnsMount()
  heading('── all layers')
  process.stdout.write(`${lines.join('\n')}\n${total.passed} passed, ${total.failed} failed\n`)
  if (total.failed > 0) process.exitCode = 1
}

await main()
