/** The API server as a source of objects: one reflector a kind over one client. */
import { setMaxListeners } from 'node:events'
import { systemClock } from '../clock.ts'
import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import type { Kind, Sink, Source } from '../model/source.ts'
import type { ApiClient } from './client.ts'
import { Reflector } from './reflector.ts'
import type { Counters } from './reflector.ts'
import type { Selection } from './requests.ts'
import { defaultTiming } from './timing.ts'
import type { ReflectorTiming } from './timing.ts'

export interface ApiServerOptions {
  readonly client: ApiClient
  readonly nodeName: string
  readonly log: Log
  /**
   * Serve the Services whose label service.kubernetes.io/service-proxy-name has this value; '':
   * those without the label (kube-proxy-behaviour O1). The server filters, so that a label added
   * or taken away at run time comes as a removal or addition.
   */
  readonly serviceProxyName?: string
  /** False: LIST and watch only. */
  readonly watchList?: boolean
  /** False: JSON only. */
  readonly protobuf?: boolean
  /** Lists in pages of so many items; 0 (default): in one piece from the server's cache. */
  readonly pageLimit?: number
  /** Waits up to so long before the first request, so that a fleet does not start as one. */
  readonly startSpread_ms?: number
  readonly clock?: Clock
  /** From [0, 1). */
  readonly random?: () => number
  readonly timing?: ReflectorTiming
}

export interface ApiServerSource extends Source {
  /** For metrics; those of each kind only ever grow. */
  counters(): Readonly<Record<'Service' | 'EndpointSlice' | 'Node', Readonly<Counters>>>
}

const proxyNameLabel = 'service.kubernetes.io/service-proxy-name'

type Watched = 'Service' | 'EndpointSlice' | 'Node'

function selectionOf(kind: Watched & Kind, options: ApiServerOptions): Selection {
  const name = options.serviceProxyName ?? ''
  switch (kind) {
    case 'Service': {
      const labelSelector = name === '' ? `!${proxyNameLabel}` : `${proxyNameLabel}=${name}`
      return { kind, labelSelector, fieldSelector: '' }
    }
    // Slices of headless Services too: names are made of them.
    case 'EndpointSlice':
      return { kind, labelSelector: '', fieldSelector: '' }
    case 'Node':
      return { kind, labelSelector: '', fieldSelector: `metadata.name=${options.nodeName}` }
  }
}

const noCounters: Counters = { lists: 0, watches: 0, relists: 0, decodeErrors: 0, lastEvent_ms: 0 }

/** Services, EndpointSlices and our own Node. `run` may be called once; the client stays open. */
export function apiServerSource(options: ApiServerOptions): ApiServerSource {
  const clock = options.clock ?? systemClock
  const random = options.random ?? Math.random
  const kinds = ['Service', 'EndpointSlice', 'Node'] as const
  const reflectors = new Map<Watched, Reflector>()
  const counters = (kind: Watched): Counters => reflectors.get(kind)?.counters ?? noCounters

  return {
    async run(sink: Sink, signal: AbortSignal): Promise<void> {
      for (const kind of kinds) {
        const reflector = new Reflector({
          client: options.client,
          selection: selectionOf(kind, options),
          sink,
          log: options.log,
          clock,
          random,
          watchList: options.watchList ?? true,
          protobuf: options.protobuf ?? true,
          pageLimit: options.pageLimit ?? 0,
          timing: options.timing ?? defaultTiming,
        })
        reflectors.set(kind, reflector)
      }
      // Each reflector, and whoever else lives as long as the agent, listens to it: no leak.
      setMaxListeners(0, signal)
      await clock.sleep((options.startSpread_ms ?? 0) * random(), signal)
      await Promise.all([...reflectors.values()].map((reflector) => reflector.run(signal)))
    },
    status: () =>
      kinds.map(
        (kind) =>
          reflectors.get(kind)?.status() ?? { kind, isSynced: false, lastAlive_ms: 0, trouble: '' },
      ),
    counters: () => ({
      Service: counters('Service'),
      EndpointSlice: counters('EndpointSlice'),
      Node: counters('Node'),
    }),
  }
}
