/** What a benchmark says of its numbers: quantiles, paired ratios, and the verdict on a goal. */

export interface Quartiles {
  readonly q1: number
  readonly median: number
  readonly q3: number
  readonly n: number
}

/** Linear between neighbours, as spreadsheets and numpy do. `fraction` in [0, 1]. Throws on none. */
export function quantile(values: readonly number[], fraction: number): number {
  if (values.length === 0) throw new Error('take a quantile: of no values: measure at least one')
  const sorted = values.toSorted((a, b) => a - b)
  const at = (sorted.length - 1) * fraction
  const below = sorted[Math.floor(at)] ?? 0
  const above = sorted[Math.ceil(at)] ?? 0
  return below + (above - below) * (at - Math.floor(at))
}

export function quartiles(values: readonly number[]): Quartiles {
  const [q1, median, q3] = [0.25, 0.5, 0.75].map((fraction) => quantile(values, fraction))
  return { q1: q1 ?? 0, median: median ?? 0, q3: q3 ?? 0, n: values.length }
}

/**
 * Value i of one variant over value i of another, measured one after the other, so that what
 * slows the machine for a moment slows both. Throws when the lengths differ or a floor is not > 0.
 */
export function pairedRatios(product: readonly number[], floor: readonly number[]): number[] {
  if (product.length !== floor.length) {
    throw new Error(`pair ${product.length} values with ${floor.length}: the runs were not paired`)
  }
  return product.map((value, i) => {
    const base = floor[i] ?? 0
    if (!(base > 0)) throw new Error(`pair ${i}: the floor is ${base}: nothing was measured there`)
    return value / base
  })
}

/** Value i of one variant minus value i of another. Throws when the lengths differ. */
export function pairedDifferences(product: readonly number[], floor: readonly number[]): number[] {
  if (product.length !== floor.length) {
    throw new Error(`pair ${product.length} values with ${floor.length}: the runs were not paired`)
  }
  return product.map((value, i) => value - (floor[i] ?? 0))
}

export interface Goal {
  /** 'at least': a ratio of rates; 'at most': a time or a size. */
  readonly sense: 'at least' | 'at most'
  readonly goal: number
  /** What the median must keep; undefined: the goal itself. */
  readonly redLine?: number
  /** Pairs without which nothing passes; default 1. */
  readonly atLeastPairs?: number
}

export type Mark = 'pass' | 'falls short' | 'too few pairs'

/**
 * DESIGN section 7: a ratio passes when its better quartile (the upper of a rate) reaches the goal
 * and its median the red line. The machine's other work can only worsen a value, hence the quartile.
 */
export function judge(found: Quartiles, goal: Goal): Mark {
  if (found.n < (goal.atLeastPairs ?? 1)) return 'too few pairs'
  const redLine = goal.redLine ?? goal.goal
  const isGood =
    goal.sense === 'at least'
      ? found.q3 >= goal.goal && found.median >= redLine
      : found.q1 <= goal.goal && found.median <= redLine
  return isGood ? 'pass' : 'falls short'
}
