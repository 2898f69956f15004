import { expect, test } from 'vitest'
import { isLong } from '../support/requires.ts'
import { faultOf, mutate, randomFrom, seedPackets } from './mutants.ts'
import { programNames } from './stage.ts'
import type { Verdict } from './stage.ts'
import { packetSuite } from './suite.ts'

const count = isLong ? 1_000_000 : 100_000
/** SEED=… runs the packets of a failure again. */
const seed = Number(process.env['SEED'] ?? 1)

packetSuite('mutants', (stage) => {
  test(`of ${count} turned packets none is changed in what is not ours, or sent astray`, () => {
    const random = randomFrom(seed)
    const seeds = seedPackets()
    const verdicts = new Map<Verdict, number>()
    stage().reset()
    for (let i = 0; i < count; i++) {
      const packet = mutate(seeds[Math.floor(random() * seeds.length)] ?? Buffer.alloc(0), random)
      const program = programNames[Math.floor(random() * programNames.length)] ?? 'pod_ingress'
      const outcome = stage().run(program, packet)
      verdicts.set(outcome.verdict, (verdicts.get(outcome.verdict) ?? 0) + 1)
      const fault = faultOf(program, packet, outcome)
      if (fault === '') continue
      throw new Error(
        `SEED=${seed}, packet ${i}, ${program}: ${fault}\n` +
          `in  ${packet.toString('hex')}\nout ${outcome.bytes.toString('hex')}`,
      )
    }
    // The run is worth something only if each kind of verdict was met often.
    for (const verdict of ['pass', 'rewritten', 'answered', 'drop'] as const) {
      expect(verdicts.get(verdict), verdict).toBeGreaterThan(count / 1000)
    }
  })
})
