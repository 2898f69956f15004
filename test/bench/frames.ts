/**
 * 10,000 Services and slices out of 50 recorded ones: each copy is a real frame with names, uids and
 * addresses overwritten by others of the same length, so lengths and checks of protobuf stay true.
 */
import {
  changedAddress,
  endpointOf,
  endpointsN,
  type Recording,
  serviceName,
  templatesN,
  vipOf,
} from './record.ts'

interface Template {
  readonly frame: Buffer
  /** Where what stands, and what stands there in copy i. */
  readonly spots: readonly { readonly at: number; readonly textOf: (i: number) => string }[]
}

function allOf(frame: Buffer, text: string): number[] {
  const found: number[] = []
  for (let at = frame.indexOf(text); at >= 0; at = frame.indexOf(text, at + text.length)) {
    found.push(at)
  }
  return found
}

function template(
  frame: Buffer,
  texts: readonly { now: string; textOf: (i: number) => string }[],
): Template {
  const spots = texts.flatMap(({ now, textOf }) => allOf(frame, now).map((at) => ({ at, textOf })))
  return { frame, spots }
}

function copyOf({ frame, spots }: Template, i: number): Buffer {
  const copy = Buffer.from(frame)
  for (const { at, textOf } of spots) copy.write(textOf(i), at, 'latin1')
  return copy
}

const uid = /[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/

/** The object's own uid is the first text of that form in it; `kind` keeps kinds apart. */
function ownUid(frame: Buffer, kind: string): { now: string; textOf: (i: number) => string } {
  const now = uid.exec(frame.toString('latin1'))?.[0] ?? ''
  if (now === '') throw new Error(`copy a recorded ${kind}: it has no uid: record it again`)
  const tail = kind === 'service' ? '5e' : '51'
  return { now, textOf: (i) => `${tail}000000-0000-4000-8000-${String(i).padStart(12, '0')}` }
}

function named(k: number) {
  return { now: serviceName(k), textOf: serviceName }
}

/** The template of each recorded object, by the number in its name: lists come in etcd's order. */
function byNumber(frames: readonly string[]): Map<number, Buffer> {
  const found = new Map<number, Buffer>()
  for (const text of frames) {
    const frame = Buffer.from(text, 'base64')
    const k = /svc-(\d{5})/.exec(frame.toString('latin1'))?.[1]
    if (k !== undefined) found.set(Number(k), frame)
  }
  if (found.size !== templatesN) {
    throw new Error(`copy recorded frames: ${found.size} of ${templatesN} are there: record again`)
  }
  return found
}

function sliceTexts(k: number, frame: Buffer, isChanged: boolean) {
  const addresses = Array.from({ length: endpointsN }, (_, j) => ({
    now: endpointOf(k, j),
    textOf: (i: number) => endpointOf(i, j),
  }))
  const first = { now: changedAddress(k), textOf: (i: number) => changedAddress(i) }
  return [
    named(k),
    ownUid(frame, 'slice'),
    ...(isChanged ? [first, ...addresses.slice(1)] : addresses),
  ]
}

export interface Frames {
  /** Copies in order, then the recorded end of the initial events. */
  services(n: number): Buffer[]
  slices(n: number): Buffer[]
  /** MODIFIED of slice i: its first address is another one, and with `isBack` its old one again. */
  changed(i: number, isBack: boolean): Buffer
}

function copies(templates: readonly Template[], n: number, end: string | undefined): Buffer[] {
  const frames = Array.from({ length: n }, (_, i) =>
    copyOf(templates[i % templates.length] as Template, i),
  )
  if (end !== undefined) frames.push(Buffer.from(end, 'base64'))
  return frames
}

export function makeFrames(recorded: Recording): Frames {
  const services = [...byNumber(recorded.initial.services)].map(([k, frame]) =>
    template(frame, [named(k), { now: vipOf(k), textOf: vipOf }, ownUid(frame, 'service')]),
  )
  const slices = [...byNumber(recorded.initial.endpointslices)].map(([k, frame]) =>
    template(frame, sliceTexts(k, frame, false)),
  )
  const moved = [...byNumber(recorded.changed)].map(([k, frame]) =>
    template(frame, sliceTexts(k, frame, true)),
  )
  return {
    services: (n) => copies(services, n, recorded.initial.services.at(-1)),
    slices: (n) => copies(slices, n, recorded.initial.endpointslices.at(-1)),
    changed: (i, isBack) => {
      const frame = copyOf(moved[i % moved.length] as Template, i)
      if (isBack) frame.write(endpointOf(i, 0), frame.indexOf(changedAddress(i)), 'latin1')
      return frame
    },
  }
}
