/** Sampled events of the programs, handed to whoever listens. A slow listener costs events only. */
import { RingBuffer } from '../../native/index.ts'
import type { BpfMap } from '../../native/index.ts'
import { eventBytes, readEvents } from '../maps/events.ts'
import type { DatapathEvent } from '../maps/events.ts'

export type EventListener = (event: DatapathEvent) => void

export interface EventStream {
  listen(listener: EventListener): () => void
  close(): void
}

export function openEvents(map: BpfMap): EventStream {
  const listeners = new Set<EventListener>()
  const ring = new RingBuffer(map, eventBytes, (records) => {
    if (listeners.size === 0) return
    for (const event of readEvents(records)) for (const listener of listeners) listener(event)
  })
  return {
    listen: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    close: () => {
      listeners.clear()
      ring.close()
    },
  }
}
