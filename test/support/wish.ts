/** Wishes written by hand: what `desired` would hand to `sync`. */
import type {
  Backends,
  DesiredPort,
  DesiredService,
  Frontend,
} from '../../agent/desired/desired.ts'
import { parseAddress } from '../../agent/model/address.ts'
import type { Address } from '../../agent/model/address.ts'
import { keyOf } from '../../agent/model/key.ts'
import type { Protocol } from '../../agent/model/objects.ts'

export function address(text: string): Address {
  const parsed = parseAddress(text)
  if (parsed === undefined) throw new Error(`${text} is no address`)
  return parsed
}

/** `10.96.0.1:80`, UDP with `/UDP` behind it; `external` frontends with a leading `+`. */
export function frontend(text: string): Frontend {
  const [, plus, host = '', port, protocol] = /^(\+?)(.+):(\d+)(?:\/(\w+))?$/.exec(text) ?? []
  return {
    kind: plus === '+' ? 'LoadBalancer' : 'ClusterIP',
    address: address(host),
    port: Number(port),
    protocol: (protocol ?? 'TCP') as Protocol,
    isExternal: plus === '+',
    isPerPacket: false,
  }
}

/** `10.244.0.1:8080`, in the order given, all of them usable from everywhere. */
export function backends(texts: readonly string[]): Backends {
  const count = texts.length
  const addresses = new Uint8Array(count * 16)
  const ports = new Uint16Array(count)
  texts.forEach((text, i) => {
    const [, host = '', port] = /^(.+):(\d+)$/.exec(text) ?? []
    addresses.set(address(host), i * 16)
    ports[i] = Number(port)
  })
  const none = new Uint8Array(count)
  return {
    count,
    addresses,
    ports,
    terminating: none,
    local: none,
    zones: texts.map(() => ''),
    localCount: 0,
    clusterOffset: 0,
    clusterCount: count,
  }
}

export interface PortWish {
  readonly frontends: readonly string[]
  readonly backends: readonly string[]
  readonly affinityTimeout_s?: number
}

export function port(key: string, wish: PortWish): DesiredPort {
  return {
    key,
    family: 4,
    frontends: wish.frontends.map(frontend),
    backends: backends(wish.backends),
    isInternalLocal: false,
    isExternalLocal: false,
    hasEndpoints: wish.backends.length > 0,
    affinityTimeout_s: wish.affinityTimeout_s ?? 0,
  }
}

/** `name`: of a Service in namespace default; `ports` by name. */
export function service(name: string, ports: Readonly<Record<string, PortWish>>): DesiredService {
  const ref = { kind: 'Service', namespace: 'default', name, uid: '', where: '' } as const
  const key = keyOf(ref)
  return {
    key,
    ref,
    createdAt_s: 0,
    isApiServer: key === 'default/kubernetes',
    ports: Object.entries(ports).map(([id, wish]) => port(`${key}/${id}`, wish)),
    problems: [],
  }
}
