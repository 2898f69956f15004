import { expect, test } from 'vitest'
import { type Connect, type Era, misled, parseConnects } from '../../support/history.ts'

const connect = (begin: number, end: number, name: string): Connect => ({
  begin_ns: BigInt(begin),
  end_ns: BigInt(end),
  destination: 0,
  name,
})
const era = (from: number, until: number | undefined, ...names: string[]): Era => ({
  names: new Set(names),
  from_ns: BigInt(from),
  until_ns: until === undefined ? undefined : BigInt(until),
})
const eras = [[era(0, 120, 'a'), era(100, undefined, 'b')]]

test('while a swap is under way both sets are right', () => {
  expect(misled([connect(105, 110, 'a'), connect(105, 110, 'b')], eras)).toEqual([])
})

test('the old set is wrong once the new one was seen, the new one before it was written', () => {
  const late = connect(121, 125, 'a')
  const early = connect(80, 99, 'b')
  expect(misled([late, early], eras)).toEqual([late, early])
})

test("another Service's backend and a failure are wrong at any time", () => {
  const stranger = connect(10, 20, 'c')
  const failure = connect(10, 20, 'ECONNREFUSED')
  expect(misled([stranger, failure], eras)).toEqual([stranger, failure])
})

test('a log line is begin, end, destination, name', () => {
  expect(parseConnects('1 2 0 a\n3 4 1 b\n')).toEqual([
    connect(1, 2, 'a'),
    { ...connect(3, 4, 'b'), destination: 1 },
  ])
})
