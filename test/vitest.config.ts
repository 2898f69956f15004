/**
 * The test layers as vitest projects, one folder each. `npm test` runs them in order (`run.ts`); one
 * alone: `npx vitest run --config test/vitest.config.ts --project netns`.
 */
import { fileURLToPath } from 'node:url'

import { defineConfig } from 'vitest/config'

/** Layers of real parts share one kernel, two cores and fixed limits: one file at a time. */
function realParts(name: string, timeout_s: number) {
  return {
    extends: true as const,
    test: {
      name,
      include: [`test/${name}/**/*.test.ts`],
      fileParallelism: false,
      testTimeout: timeout_s * 1000,
      hookTimeout: timeout_s * 1000,
    },
  }
}

export default defineConfig({
  root: fileURLToPath(new URL('..', import.meta.url)),
  test: {
    projects: [
      { extends: true, test: { name: 'unit', include: ['test/unit/**/*.test.ts'] } },
      { extends: true, test: { name: 'tidy', include: ['test/*.test.ts'], testTimeout: 60_000 } },
      realParts('native', 30),
      realParts('scenarios', 60),
      realParts('packets', 60),
      realParts('netns', 120),
      realParts('cluster', 300),
      realParts('deploy', 300),
    ],
  },
})
