/** What a reflector asks for, as paths and Accept headers. */
import type { Kind } from '../model/source.ts'
import { protobufType } from './stream.ts'
import { resources } from './wire.ts'

export interface Selection {
  readonly kind: Kind
  /** '' for all. */
  readonly labelSelector: string
  /** '' for all. */
  readonly fieldSelector: string
}

export interface ListRequest {
  /** '0': whatever the watch cache has; '': consistent, costs etcd; else not older than that. */
  readonly version: string
  /** 0: no pages. */
  readonly limit: number
  /** Token of the page, '' for the first. */
  readonly next: string
}

function path(selection: Selection, parameters: Readonly<Record<string, string>>): string {
  const query = new URLSearchParams()
  const { labelSelector, fieldSelector } = selection
  for (const [name, value] of Object.entries({ labelSelector, fieldSelector, ...parameters })) {
    if (value !== '') query.set(name, value)
  }
  return `${resources[selection.kind].path}?${query.toString()}`
}

export function listPath(selection: Selection, list: ListRequest): string {
  // A page that goes on is bound to the version of its first one.
  if (list.next !== '') {
    return path(selection, { limit: String(list.limit), continue: list.next })
  }
  const match = list.version === '' ? '' : 'NotOlderThan'
  return path(selection, {
    resourceVersion: list.version,
    resourceVersionMatch: match,
    limit: list.limit > 0 ? String(list.limit) : '',
  })
}

export function watchPath(
  selection: Selection,
  version: string,
  timeout_s: number,
  withInitialEvents: boolean,
): string {
  return path(selection, {
    watch: 'true',
    allowWatchBookmarks: 'true',
    resourceVersion: version,
    timeoutSeconds: String(Math.round(timeout_s)),
    ...(withInitialEvents
      ? { sendInitialEvents: 'true', resourceVersionMatch: 'NotOlderThan' }
      : {}),
  })
}

/** With protobuf, JSON stays as the server's second choice. */
export function acceptFor(verb: 'list' | 'watch', isProtobuf: boolean): string {
  const stream = verb === 'watch' ? ';stream=watch' : ''
  const json = `application/json${stream}`
  return isProtobuf ? `${protobufType}${stream}, ${json}` : json
}
