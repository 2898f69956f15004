/** A suite over one filled stage, once per family. */
import { afterAll, beforeAll, describe, test } from 'vitest'
import { requires } from '../support/requires.ts'
import { Stage } from './stage.ts'
import { judge } from './table.ts'
import type { Row } from './table.ts'
import { places } from './world.ts'
import type { Place } from './world.ts'

/** `stage()` is there once tests run. */
export function packetSuite(title: string, body: (stage: () => Stage) => void): void {
  requires('root', 'bpf')(title, () => {
    let stage: Stage | undefined
    beforeAll(async () => {
      stage = new Stage()
      await stage.fill()
    })
    afterAll(() => stage?.close())
    body(() => {
      if (stage === undefined) throw new Error('the stage is not open yet')
      return stage
    })
  })
}

/** `rows` of both families, each a test. */
export function judgeRows(stage: () => Stage, rows: (place: Place) => Row[]): void {
  for (const place of [places[4], places[6]]) {
    describe(`IPv${place.family}`, () => {
      test.each(rows(place))('$says', (row) => {
        judge(stage(), row)
      })
    })
  }
}
