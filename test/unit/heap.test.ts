/** agent/heap.ts: what a full sync leaves behind is given back. */
import { expect, test } from 'vitest'
import { collectGarbage } from '../../agent/heap.ts'

test('what nobody holds any more is gone at once', async () => {
  const gone = (() => new WeakRef(Array.from({ length: 1000 }, (_, i) => ({ i }))))()
  // A WeakRef holds its target until the end of the turn that made it.
  await new Promise((resolve) => setTimeout(resolve))
  collectGarbage()
  expect(gone.deref()).toBeUndefined()
})
