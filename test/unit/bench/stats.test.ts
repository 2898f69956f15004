import { describe, expect, test } from 'vitest'
import * as fc from 'fast-check'
import { judge, pairedDifferences, pairedRatios, quantile, quartiles } from '../../bench/stats.ts'

describe('quantiles', () => {
  test('a quantile between two values is interpolated', () => {
    expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5)
    expect(quantile([10, 20], 0.25)).toBe(12.5)
  })

  test('one value is all of its quartiles', () => {
    expect(quartiles([7])).toEqual({ q1: 7, median: 7, q3: 7, n: 1 })
  })

  test('quartiles of 1 to 5 are 2, 3 and 4, in whatever order they came', () => {
    expect(quartiles([5, 3, 1, 4, 2])).toEqual({ q1: 2, median: 3, q3: 4, n: 5 })
  })

  test('no values have no quantile', () => {
    expect(() => quantile([], 0.5)).toThrow('measure at least one')
  })

  test('quartiles are ordered and lie within the values', () => {
    const values = fc.array(fc.double({ min: -1e9, max: 1e9, noNaN: true }), { minLength: 1 })
    fc.assert(
      fc.property(values, (some) => {
        const { q1, median, q3 } = quartiles(some)
        const ordered = [Math.min(...some), q1, median, q3, Math.max(...some)]
        for (let i = 1; i < ordered.length; i++) {
          // Interpolation rounds in the last bits.
          expect(ordered[i]).toBeGreaterThanOrEqual((ordered[i - 1] ?? 0) - 1e-6)
        }
      }),
    )
  })

  test('the values given are left in their order', () => {
    const values = [3, 1, 2]
    quartiles(values)
    expect(values).toEqual([3, 1, 2])
  })
})

describe('pairs', () => {
  test('a machine that slows both by half does not change the ratio', () => {
    expect(pairedRatios([98, 49], [100, 50])).toEqual([0.98, 0.98])
  })

  test('differences are taken pair by pair', () => {
    expect(pairedDifferences([12, 22], [10, 21])).toEqual([2, 1])
  })

  test('runs of different length are no pairs', () => {
    expect(() => pairedRatios([1, 2], [1])).toThrow('not paired')
    expect(() => pairedDifferences([1], [1, 2])).toThrow('not paired')
  })

  test('a floor of zero is no floor', () => {
    expect(() => pairedRatios([1], [0])).toThrow('pair 0')
    expect(() => pairedRatios([1], [Number.NaN])).toThrow('pair 0')
  })
})

describe('the verdict', () => {
  const rate = { sense: 'at least', goal: 0.97, redLine: 0.94, atLeastPairs: 30 } as const
  const found = (q1: number, median: number, q3: number, n = 31) => ({ q1, median, q3, n })

  test('a rate passes by its upper quartile and the red line of its median', () => {
    expect(judge(found(0.9, 0.94, 0.97), rate)).toBe('pass')
  })

  test('a rate whose upper quartile misses the goal falls short', () => {
    expect(judge(found(0.95, 0.96, 0.969), rate)).toBe('falls short')
  })

  test('a rate whose median misses the red line falls short, whatever its upper quartile', () => {
    expect(judge(found(0.9, 0.939, 0.99), rate)).toBe('falls short')
  })

  test('29 pairs prove nothing where 30 are wanted', () => {
    expect(judge(found(1, 1, 1, 29), rate)).toBe('too few pairs')
  })

  test('a time passes by its lower quartile and the red line of its median', () => {
    const time = { sense: 'at most', goal: 0.5, redLine: 1 } as const
    expect(judge(found(0.5, 1, 3), time)).toBe('pass')
    expect(judge(found(0.51, 0.6, 0.7), time)).toBe('falls short')
    expect(judge(found(0.4, 1.1, 3), time)).toBe('falls short')
  })

  test('without a red line the median itself must keep the goal', () => {
    const size = { sense: 'at most', goal: 75 } as const
    expect(judge(found(70, 75, 90), size)).toBe('pass')
    expect(judge(found(70, 76, 90), size)).toBe('falls short')
  })
})
