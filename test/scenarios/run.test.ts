/** Runs every scenario of this folder on each kind of maps. UPDATE=1 rewrites what they expect. */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'vitest'
import { fakeMaps, writesOf } from '../../agent/maps/fake.ts'
import type { FakeSizes } from '../../agent/maps/fake.ts'
import { faultyMaps } from '../../agent/maps/faulty.ts'
import { requires } from '../support/requires.ts'
import { Scenario, sizesOf, stepsOf } from '../support/scenario.ts'
import type { Stage } from '../support/scenario.ts'
import { formatTxtar, parseTxtar } from '../support/txtar.ts'

const folder = import.meta.dirname
const names = readdirSync(folder).filter((name) => name.endsWith('.txtar'))
const isUpdate = process.env['UPDATE'] === '1'

type OpenStage = (sizes: Partial<FakeSizes>, seed: number) => Stage | Promise<Stage>

function fake(sizes: Partial<FakeSizes>, isCold: boolean): Stage {
  const maps = fakeMaps(sizes)
  return { maps, look: maps, writes: () => writesOf(maps), isCold }
}

/** Failures must not change where it ends, only when. */
function faulty(sizes: Partial<FakeSizes>, seed: number): Stage {
  const look = fakeMaps(sizes)
  const maps = faultyMaps(look, { rate: 0.1, seed })
  return { maps, look, writes: () => writesOf(look), isCold: seed % 2 === 1 }
}

async function kernel(sizes: Partial<FakeSizes>): Promise<Stage> {
  const { openKernelMaps } = await import('../support/kernel-maps.ts')
  const maps = openKernelMaps(sizes)
  return { maps, look: maps, isCold: false }
}

function runAll(open: OpenStage, seeds: readonly number[]): void {
  for (const name of names) {
    test(name.replace(/\.txtar$/, '').replaceAll('-', ' '), async () => {
      const txtar = parseTxtar(readFileSync(join(folder, name), 'utf8'))
      const steps = stepsOf(txtar)
      for (const seed of seeds) {
        const stage = await open(sizesOf(steps), seed)
        try {
          const scenario = new Scenario(txtar, stage)
          await scenario.run(steps, isUpdate)
          if (!isUpdate) continue
          const files = new Map([...txtar.files, ...scenario.updated])
          writeFileSync(join(folder, name), formatTxtar({ ...txtar, files }))
        } finally {
          stage.maps.close()
        }
      }
    })
  }
}

describe('on fake maps', () => runAll((sizes) => fake(sizes, false), [0]))

// Expectations are written by the first run alone: the others have to come to the same.
if (!isUpdate) {
  describe('with an agent that is down at each change', () =>
    runAll((sizes) => fake(sizes, true), [0]))
  describe('with 10 % of map operations failing', () => runAll(faulty, [1, 2, 3, 4]))
  requires('root', 'bpf')('on maps of the kernel', () => runAll(kernel, [0]))
}
