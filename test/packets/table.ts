/** What a row of a packet table says, and how it is judged. */
import { expect } from 'vitest'
import type { Frame } from './build.ts'
import { readPacket } from './read.ts'
import type { ProgramName, Stage, Verdict } from './stage.ts'

export type Packet = Frame | Buffer

export interface Row {
  readonly says: string
  /** Packets that went before, through which program. */
  readonly after?: readonly (readonly [ProgramName, Packet])[]
  readonly in: Packet
  readonly program: ProgramName
  readonly verdict: Verdict
  /** The packet that comes out, as `readPacket` says it. Of a pass: it is the same. */
  readonly out?: string
  /** The masquerade mark is on it. */
  readonly masquerade?: true
  /** Name of what is counted. */
  readonly counts?: string
}

export function bytesOf(packet: Packet): Buffer {
  return Buffer.isBuffer(packet) ? packet : packet.bytes()
}

/** Runs a row on flows of its own. */
export function judge(stage: Stage, row: Row): void {
  stage.reset()
  for (const [program, packet] of row.after ?? []) stage.run(program, bytesOf(packet))
  const packet = bytesOf(row.in)
  let outcome = { verdict: 'pass' as Verdict, bytes: packet, isMarked: false }
  const counts = stage.counted(() => {
    outcome = stage.run(row.program, packet)
  })
  const { verdict, bytes, isMarked } = outcome
  const hasOut = verdict === 'rewritten' || verdict === 'answered'
  expect({
    verdict,
    out: hasOut ? readPacket(bytes)?.text : undefined,
    isMarked,
    length: verdict === 'rewritten' ? bytes.length : packet.length,
  }).toEqual({
    verdict: row.verdict,
    out: row.out,
    isMarked: row.masquerade === true,
    length: packet.length,
  })
  if (row.counts !== undefined) expect([...counts.keys()]).toContain(row.counts)
}
