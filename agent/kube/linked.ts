/** Joining abort signals without keeping them. */

/**
 * Aborts with the first of `signals`, with its reason, until `unlink`. Not AbortSignal.any: that
 * leaves some 0.7 KB with a long-lived signal for every one derived of it (Node 20.20 and 24.21),
 * and every request derives several of the one that lives as long as the agent.
 */
export function linked(...signals: readonly AbortSignal[]): {
  readonly signal: AbortSignal
  unlink(): void
} {
  const controller = new AbortController()
  const unlink = (): void => {
    for (const signal of signals) signal.removeEventListener('abort', onAbort)
  }
  const onAbort = (event: Event): void => {
    unlink()
    controller.abort((event.target as AbortSignal).reason)
  }
  for (const signal of signals) {
    if (signal.aborted) controller.abort(signal.reason)
    else signal.addEventListener('abort', onAbort)
  }
  if (controller.signal.aborted) unlink()
  return { signal: controller.signal, unlink }
}
