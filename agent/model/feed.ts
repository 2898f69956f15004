/** A sink in front of the store that wakes whoever acts on changes, once for many of them. */
import type { Sink } from './source.ts'

/**
 * `wake` is called after the changes of this turn of the event loop are in `store`, never while a
 * change is being put.
 */
export function wakingSink(store: Sink, wake: () => void): Sink {
  let isDue = false
  const due = (): void => {
    if (isDue) return
    isDue = true
    queueMicrotask(() => {
      isDue = false
      wake()
    })
  }
  const waking =
    <Args extends unknown[]>(act: (...args: Args) => void) =>
    (...args: Args): void => {
      act(...args)
      due()
    }
  return {
    relisting: (kind) => store.relisting(kind),
    put: waking((object) => store.put(object)),
    remove: waking((kind, key) => store.remove(kind, key)),
    relisted: waking((kind) => store.relisted(kind)),
    problems: waking((ref, found) => store.problems(ref, found)),
  }
}
