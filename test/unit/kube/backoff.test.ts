import { describe, expect, test } from 'vitest'
import { Backoff, ListBudget, reflectorBackoff } from '../../../agent/kube/backoff.ts'

describe('the back-off', () => {
  const steps = (random: () => number): number[] => {
    const backoff = new Backoff(reflectorBackoff, random)
    return Array.from({ length: 8 }, (_, i) => backoff.delay_ms(i * 1000))
  }

  test('doubles from 0.8 s to 30 s', () => {
    expect(steps(() => 0)).toEqual([800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000])
  })

  test('is spread over once to twice the step', () => {
    expect(steps(() => 0.5).slice(0, 3)).toEqual([1200, 2400, 4800])
  })

  test('begins anew after two healthy minutes, and not before', () => {
    const backoff = new Backoff(reflectorBackoff, () => 0)
    expect([backoff.delay_ms(0), backoff.delay_ms(100_000)]).toEqual([800, 1600])
    expect(backoff.delay_ms(300_000)).toBe(800)
  })
})

describe('the budget of lists', () => {
  test('allows a burst of three, then one in 30 s', () => {
    const budget = new ListBudget(30_000, 3)
    const at = (now_ms: number): number => budget.take(now_ms)
    expect([at(0), at(0), at(0)]).toEqual([0, 0, 0])
    expect(at(0)).toBe(30_000)
    expect(at(30_000)).toBe(30_000)
    expect(at(200_000)).toBe(0)
  })

  test('gives back a list that was refused', () => {
    const budget = new ListBudget(30_000, 1)
    expect(budget.take(0)).toBe(0)
    budget.refund()
    expect(budget.take(0)).toBe(0)
  })
})
