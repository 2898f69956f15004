/** What a benchmark made and must take away again, whatever happens: newest first. */

const pending: { what: string; close: () => Promise<unknown> }[] = []

export function defer(what: string, close: () => Promise<unknown>): void {
  pending.push({ what, close })
}

/** Closes everything; a failure is told and does not stop the rest. */
export async function closeAll(): Promise<void> {
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    try {
      await next.close()
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      process.stderr.write(`remove ${next.what}: ${why}: the next run sweeps it\n`)
    }
  }
}
