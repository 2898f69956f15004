/** What decoders of both encodings give, and the one error they throw. */
import type { Kind } from '../model/source.ts'
import type { RawObject } from './raw.ts'

/** meta/v1 Status, the part we read. */
export interface ApiStatus {
  readonly code: number
  readonly reason: string
  readonly message: string
  /** 0: not said. */
  readonly retryAfter_s: number
}

export type WatchEvent =
  | { readonly type: 'put' | 'remove'; readonly object: RawObject; readonly version: string }
  | { readonly type: 'bookmark'; readonly version: string; readonly isInitialEnd: boolean }
  | { readonly type: 'error'; readonly status: ApiStatus }
  | { readonly type: 'unknown'; readonly name: string }

export interface ListMeta {
  readonly resourceVersion: string
  /** Token of the next page, '' on the last one. */
  readonly next: string
}

/** Fed with the bytes of one watch as they come. Both throw DecodeError. */
export interface WatchDecoder {
  push(chunk: Buffer, each: (event: WatchEvent) => void): void
  /** The stream ended: throws if that was within a frame. */
  end(): void
}

/** Fed with the bytes of one list (one page of it). Both throw DecodeError. */
export interface ListDecoder {
  push(chunk: Buffer, each: (object: RawObject) => void): void
  end(each: (object: RawObject) => void): ListMeta
}

/** Bytes that are not what the API server speaks: truncated, garbled or of another kind. */
export class DecodeError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'DecodeError'
  }
}

/** A larger frame or item is taken for garbage: etcd refuses objects above some MB. */
export const maxObjectBytes = 32 * 1024 * 1024

/** Annotation of the bookmark that ends the initial events of a WatchList. */
export const initialEventsEnd = 'k8s.io/initial-events-end'

interface Resource {
  readonly path: string
  readonly plural: string
  readonly group: string
  readonly version: string
}

const core = { group: '', version: 'v1' }

/** Where each kind lives in the API. */
export const resources: Readonly<Record<Kind, Resource>> = {
  Service: { path: '/api/v1/services', plural: 'services', ...core },
  EndpointSlice: {
    path: '/apis/discovery.k8s.io/v1/endpointslices',
    plural: 'endpointslices',
    group: 'discovery.k8s.io',
    version: 'v1',
  },
  Node: { path: '/api/v1/nodes', plural: 'nodes', ...core },
  Namespace: { path: '/api/v1/namespaces', plural: 'namespaces', ...core },
  ConfigMap: { path: '/api/v1/configmaps', plural: 'configmaps', ...core },
}
