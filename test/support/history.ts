/**
 * Judges connects made while a Service's backends were swapped: each may have reached only a set
 * that was current at some moment while it was under way.
 */

/** One line of load.c's log. Times in ns of CLOCK_MONOTONIC. */
export interface Connect {
  readonly begin_ns: bigint
  readonly end_ns: bigint
  /** Index of the destination. */
  readonly destination: number
  /** Who answered, or an errno name. */
  readonly name: string
}

/** A set of backends, by their names, and when it may have been reached. */
export interface Era {
  readonly names: ReadonlySet<string>
  /** Just before the change was written. */
  readonly from_ns: bigint
  /** When the next set was first seen in use; undefined: it is the last. */
  readonly until_ns: bigint | undefined
}

export function parseConnects(log: string): Connect[] {
  return log
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [begin = '0', end = '0', destination = '0', name = ''] = line.split(' ')
      return {
        begin_ns: BigInt(begin),
        end_ns: BigInt(end),
        destination: Number(destination),
        name,
      }
    })
}

/** The connects that reached what no set of their time had; `eras` by destination, in order. */
export function misled(connects: readonly Connect[], eras: readonly (readonly Era[])[]): Connect[] {
  return connects.filter(({ begin_ns, end_ns, destination, name }) => {
    const current = (eras[destination] ?? []).filter(
      ({ from_ns, until_ns }) =>
        from_ns <= end_ns && (until_ns === undefined || until_ns >= begin_ns),
    )
    return !current.some(({ names }) => names.has(name))
  })
}
