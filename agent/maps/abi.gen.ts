/**
 * Generated from bpf/abi.h by bpf/gen.mjs: do not edit, run `npm run gen`.
 *
 * Layouts of everything that programs and agent share. `read` and `write` know the byte order of
 * each field; `write` zeroes padding. `at` is each field's offset in bytes, for loops over columns.
 */

/** A struct as the C compiler laid it out, to be compared with the kernel's BTF of a map. */
export interface AbiLayout {
  readonly name: string
  readonly size: number
  readonly fields: readonly {
    readonly name: string
    readonly type: string
    readonly offset: number
    readonly size: number
  }[]
}

function bytesAt(view: DataView, offset: number, length: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + offset, length)
}

export const flSchema = {
  version: 1,
} as const

export const flLimit = {
  /** VIPs that one unconnected UDP socket may talk to at a time */
  datagramSlots: 8,
  /** backends of one service port and family */
  regionMax: 65536,
} as const

export const flReason = {
  /** destination rewritten to a backend */
  translated: 0,
  /** source or peer rewritten back to the VIP */
  reversed: 1,
  /** rejected: the Service has no usable endpoint */
  noEndpoints: 2,
  /** dropped: traffic policy Local, endpoints only elsewhere */
  noLocalEndpoints: 3,
  /** rejected: the VIP has no such port */
  noSuchPort: 4,
  /** left alone: bypass is on */
  bypassed: 5,
  /** left alone: no agent was seen for the lease's time */
  leaseExpired: 6,
  /** left alone: the caller's namespace is outside --socket-lb */
  outOfScope: 7,
  /** left alone: socket bound to loopback, backend is not */
  loopbackSource: 8,
  /** left alone: a map value kept changing while it was read */
  tornRead: 9,
  /** left alone: a service points outside its backends */
  badRegion: 10,
  /** no socket storage to be had: the VIP is not remembered */
  storageFull: 11,
  /** backend taken from the affinity memory */
  affinityHit: 12,
  /** remembered backend gone or expired: chosen anew */
  affinityStale: 13,
  /** datagrams of a live socket moved off a removed backend */
  peerMoved: 14,
  /** dropped: a loopback address came over a wire */
  loopbackOnWire: 15,
  /** dropped: the kernel would not store a new flow */
  flowFull: 16,
  /** dropped: no source port towards the backend is free */
  portsTaken: 17,
  /** dropped: SCTP to a backend with another port than the VIP's */
  sctpPortDiffers: 18,
  /** dropped: the kernel would not let the packet be rewritten */
  rewriteFailed: 19,
  /** source port changed: another frontend's flow has it */
  portChanged: 20,
  /** packets of a live flow moved off a removed backend */
  flowMoved: 21,
  /** the other half of a flow was evicted: rebuilt */
  twinRebuilt: 22,
  reasonN: 23,
} as const

/** Label of metrics and text in listings, by value of `flReason`. */
export const reasonTexts = [
  { name: 'translated', text: "destination rewritten to a backend" },
  { name: 'reversed', text: "source or peer rewritten back to the VIP" },
  { name: 'no_endpoints', text: "rejected: the Service has no usable endpoint" },
  { name: 'no_local_endpoints', text: "dropped: traffic policy Local, endpoints only elsewhere" },
  { name: 'no_such_port', text: "rejected: the VIP has no such port" },
  { name: 'bypassed', text: "left alone: bypass is on" },
  { name: 'lease_expired', text: "left alone: no agent was seen for the lease's time" },
  { name: 'out_of_scope', text: "left alone: the caller's namespace is outside --socket-lb" },
  { name: 'loopback_source', text: "left alone: socket bound to loopback, backend is not" },
  { name: 'torn_read', text: "left alone: a map value kept changing while it was read" },
  { name: 'bad_region', text: "left alone: a service points outside its backends" },
  { name: 'storage_full', text: "no socket storage to be had: the VIP is not remembered" },
  { name: 'affinity_hit', text: "backend taken from the affinity memory" },
  { name: 'affinity_stale', text: "remembered backend gone or expired: chosen anew" },
  { name: 'peer_moved', text: "datagrams of a live socket moved off a removed backend" },
  { name: 'loopback_on_wire', text: "dropped: a loopback address came over a wire" },
  { name: 'flow_full', text: "dropped: the kernel would not store a new flow" },
  { name: 'ports_taken', text: "dropped: no source port towards the backend is free" },
  { name: 'sctp_port_differs', text: "dropped: SCTP to a backend with another port than the VIP's" },
  { name: 'rewrite_failed', text: "dropped: the kernel would not let the packet be rewritten" },
  { name: 'port_changed', text: "source port changed: another frontend's flow has it" },
  { name: 'flow_moved', text: "packets of a live flow moved off a removed backend" },
  { name: 'twin_rebuilt', text: "the other half of a flow was evicted: rebuilt" },
] as const

export const flEventKind = {
  translate: 1,
  reject: 2,
  drop: 3,
  pass: 4,
} as const

export const flHook = {
  connect4: 0,
  connect6: 1,
  sendmsg4: 2,
  sendmsg6: 3,
  recvmsg4: 4,
  recvmsg6: 5,
  getpeername4: 6,
  getpeername6: 7,
  podIngress: 8,
  uplinkIngress: 9,
  /** socket hooks: those that `meta` counts canaries of */
  n: 8,
} as const

export const flSocketLb = {
  off: 0,
  host: 1,
  all: 2,
} as const


export interface FlSeal {
  /** FNV-1a's step over the key's 32-bit words (lib/seal.h) */
  readonly keyHash: number
  /** differs in any two values ever written */
  readonly generation: number
}
export const flSeal = {
  size: 8,
  at: {
    keyHash: 0,
    generation: 4,
  },
  layout: {
    name: 'fl_seal',
    size: 8,
    fields: [
      { name: 'key_hash', type: '__u32', offset: 0, size: 4 },
      { name: 'generation', type: '__u32', offset: 4, size: 4 },
    ],
  } satisfies AbiLayout,
  read(view: DataView, offset: number): FlSeal {
    return {
      keyHash: view.getUint32(offset, true),
      generation: view.getUint32(offset + 4, true),
    }
  },
  write(view: DataView, offset: number, value: FlSeal): void {
    view.setUint32(offset, value.keyHash, true)
    view.setUint32(offset + 4, value.generation, true)
  },
} as const

export const flFrontendKind = {
  /** this address and port */
  exact: 0,
  /** any node address (addr is 0.0.0.0 or ::) and this port */
  nodePort: 1,
  /** this address, any port and protocol (both zero): no such port */
  anyPort: 2,
} as const

export const flFrontendFlag = {
  /** externalTrafficPolicy decides, not internalTrafficPolicy */
  external: 1,
  /** a pod's connect is left to the packet path */
  perPacket: 2,
} as const

export interface FlFrontendKey {
  readonly addr: Uint8Array
  /** 0 with FL_FRONTEND_ANY_PORT; converted to host order */
  readonly port: number
  /** IPPROTO_*; 0 with FL_FRONTEND_ANY_PORT */
  readonly proto: number
  /** enum fl_frontend_kind */
  readonly kind: number
}
export const flFrontendKey = {
  size: 20,
  at: {
    addr: 0,
    port: 16,
    proto: 18,
    kind: 19,
  },
  layout: {
    name: 'fl_frontend_key',
    size: 20,
    fields: [
      { name: 'addr', type: 'struct fl_addr', offset: 0, size: 16 },
      { name: 'port', type: '__be16', offset: 16, size: 2 },
      { name: 'proto', type: '__u8', offset: 18, size: 1 },
      { name: 'kind', type: '__u8', offset: 19, size: 1 },
    ],
  } satisfies AbiLayout,
  read(view: DataView, offset: number): FlFrontendKey {
    return {
      addr: bytesAt(view, offset, 16).slice(),
      port: view.getUint16(offset + 16),
      proto: view.getUint8(offset + 18),
      kind: view.getUint8(offset + 19),
    }
  },
  write(view: DataView, offset: number, value: FlFrontendKey): void {
    bytesAt(view, offset, 16).set(value.addr)
    view.setUint16(offset + 16, value.port)
    view.setUint8(offset + 18, value.proto)
    view.setUint8(offset + 19, value.kind)
  },
} as const

export interface FlFrontend {
  readonly sealFirst: FlSeal
  /** index of `services` */
  readonly serviceId: number
  /** enum fl_frontend_flag */
  readonly flags: number
  readonly sealLast: FlSeal
}
export const flFrontend = {
  size: 24,
  at: {
    sealFirst: 0,
    serviceId: 8,
    flags: 12,
    sealLast: 16,
  },
  layout: {
    name: 'fl_frontend',
    size: 24,
    fields: [
      { name: 'seal_first', type: 'struct fl_seal', offset: 0, size: 8 },
      { name: 'service_id', type: '__u32', offset: 8, size: 4 },
      { name: 'flags', type: '__u32', offset: 12, size: 4 },
      { name: 'seal_last', type: 'struct fl_seal', offset: 16, size: 8 },
    ],
  } satisfies AbiLayout,
  read(view: DataView, offset: number): FlFrontend {
    return {
      sealFirst: flSeal.read(view, offset),
      serviceId: view.getUint32(offset + 8, true),
      flags: view.getUint32(offset + 12, true),
      sealLast: flSeal.read(view, offset + 16),
    }
  },
  write(view: DataView, offset: number, value: FlFrontend): void {
    flSeal.write(view, offset, value.sealFirst)
    view.setUint32(offset + 8, value.serviceId, true)
    view.setUint32(offset + 12, value.flags, true)
    flSeal.write(view, offset + 16, value.sealLast)
  },
} as const

export interface FlService {
  /** index in `backends` of the region's header; 0 is never used */
  readonly region: number
  readonly generation: number
}
export const flService = {
  size: 8,
  at: {
    region: 0,
    generation: 4,
  },
  layout: {
    name: 'fl_service',
    size: 8,
    fields: [
      { name: 'region', type: '__u32', offset: 0, size: 4 },
      { name: 'generation', type: '__u32', offset: 4, size: 4 },
    ],
  } satisfies AbiLayout,
  read(view: DataView, offset: number): FlService {
    return {
      region: view.getUint32(offset, true),
      generation: view.getUint32(offset + 4, true),
    }
  },
  write(view: DataView, offset: number, value: FlService): void {
    view.setUint32(offset, value.region, true)
    view.setUint32(offset + 4, value.generation, true)
  },
} as const

export const flRegionFlag = {
  /** internalTrafficPolicy: Local */
  internalLocal: 1,
  /** externalTrafficPolicy: Local */
  externalLocal: 2,
  /** usable endpoints exist on some node (kube-proxy-behaviour C5) */
  hasEndpoints: 4,
} as const

export interface FlRegion {
  /** owner, for checking */
  readonly serviceId: number
  /** enum fl_region_flag */
  readonly flags: number
  /** session affinity ClientIP; 0: none */
  readonly affinityTimeoutS: number
  /** index in `lookup`; 0: random choice */
  readonly maglevBase: number
  readonly localN: number
  readonly clusterOffset: number
  readonly clusterN: number
  /** all backends that follow, also the unused ones */
  readonly totalN: number
}
export const flRegion = {
  size: 32,
  at: {
    serviceId: 0,
    flags: 4,
    affinityTimeoutS: 8,
    maglevBase: 12,
    localN: 16,
    clusterOffset: 20,
    clusterN: 24,
    totalN: 28,
  },
  layout: {
    name: 'fl_region',
    size: 32,
    fields: [
      { name: 'service_id', type: '__u32', offset: 0, size: 4 },
      { name: 'flags', type: '__u32', offset: 4, size: 4 },
      { name: 'affinity_timeout_s', type: '__u32', offset: 8, size: 4 },
      { name: 'maglev_base', type: '__u32', offset: 12, size: 4 },
      { name: 'local_n', type: '__u32', offset: 16, size: 4 },
      { name: 'cluster_offset', type: '__u32', offset: 20, size: 4 },
      { name: 'cluster_n', type: '__u32', offset: 24, size: 4 },
      { name: 'total_n', type: '__u32', offset: 28, size: 4 },
    ],
  } satisfies AbiLayout,
  read(view: DataView, offset: number): FlRegion {
    return {
      serviceId: view.getUint32(offset, true),
      flags: view.getUint32(offset + 4, true),
      affinityTimeoutS: view.getUint32(offset + 8, true),
      maglevBase: view.getUint32(offset + 12, true),
      localN: view.getUint32(offset + 16, true),
      clusterOffset: view.getUint32(offset + 20, true),
      clusterN: view.getUint32(offset + 24, true),
      totalN: view.getUint32(offset + 28, true),
    }
  },
  write(view: DataView, offset: number, value: FlRegion): void {
    view.setUint32(offset, value.serviceId, true)
    view.setUint32(offset + 4, value.flags, true)
    view.setUint32(offset + 8, value.affinityTimeoutS, true)
    view.setUint32(offset + 12, value.maglevBase, true)
    view.setUint32(offset + 16, value.localN, true)
    view.setUint32(offset + 20, value.clusterOffset, true)
    view.setUint32(offset + 24, value.clusterN, true)
    view.setUint32(offset + 28, value.totalN, true)
  },
} as const

export const flBackendState = {
  active: 1,
  /** serving while it terminates */
  terminating: 2,
} as const

export interface FlBackend {
  readonly addr: Uint8Array
  /** unique for ever: what sockets and affinity remember */
  readonly id: number
  /** hash of the zone's name, 0: unknown */
  readonly zone: number
  readonly port: number
  /** enum fl_backend_state */
  readonly state: number
  /** on this node */
  readonly isLocal: number
}
export const flBackend = {
  size: 32,
  at: {
    addr: 0,
    id: 16,
    zone: 20,
    port: 24,
    state: 26,
    isLocal: 27,
  },
  layout: {
    name: 'fl_backend',
    size: 32,
    fields: [
      { name: 'addr', type: 'struct fl_addr', offset: 0, size: 16 },
      { name: 'id', type: '__u32', offset: 16, size: 4 },
      { name: 'zone', type: '__u32', offset: 20, size: 4 },
      { name: 'port', type: '__be16', offset: 24, size: 2 },
      { name: 'state', type: '__u8', offset: 26, size: 1 },
      { name: 'is_local', type: '__u8', offset: 27, size: 1 },
      { name: 'pad', type: '__u8[4]', offset: 28, size: 4 },
    ],
  } satisfies AbiLayout,
  read(view: DataView, offset: number): FlBackend {
    return {
      addr: bytesAt(view, offset, 16).slice(),
      id: view.getUint32(offset + 16, true),
      zone: view.getUint32(offset + 20, true),
      port: view.getUint16(offset + 24),
      state: view.getUint8(offset + 26),
      isLocal: view.getUint8(offset + 27),
    }
  },
  write(view: DataView, offset: number, value: FlBackend): void {
    bytesAt(view, offset, 16).set(value.addr)
    view.setUint32(offset + 16, value.id, true)
    view.setUint32(offset + 20, value.zone, true)
    view.setUint16(offset + 24, value.port)
    view.setUint8(offset + 26, value.state)
    view.setUint8(offset + 27, value.isLocal)
    bytesAt(view, offset + 28, 4).fill(0)
  },
} as const

export interface FlMemberKey {
  readonly serviceId: number
  readonly backendId: number
}
export const flMemberKey = {
  size: 8,
  at: {
    serviceId: 0,
    backendId: 4,
  },
  layout: {
    name: 'fl_member_key',
    size: 8,
    fields: [
      { name: 'service_id', type: '__u32', offset: 0, size: 4 },
      { name: 'backend_id', type: '__u32', offset: 4, size: 4 },
    ],
  } satisfies AbiLayout,
  read(view: DataView, offset: number): FlMemberKey {
    return {
      serviceId: view.getUint32(offset, true),
      backendId: view.getUint32(offset + 4, true),
    }
  },
  write(view: DataView, offset: number, value: FlMemberKey): void {
    view.setUint32(offset, value.serviceId, true)
    view.setUint32(offset + 4, value.backendId, true)
  },
} as const

export interface FlMember {
  readonly sealFirst: FlSeal
  /** index of the header slot */
  readonly region: number
  /** 0: first backend after the header */
  readonly offset: number
  readonly sealLast: FlSeal
}
export const flMember = {
  size: 24,
  at: {
    sealFirst: 0,
    region: 8,
    offset: 12,
    sealLast: 16,
  },
  layout: {
    name: 'fl_member',
    size: 24,
    fields: [
      { name: 'seal_first', type: 'struct fl_seal', offset: 0, size: 8 },
      { name: 'region', type: '__u32', offset: 8, size: 4 },
      { name: 'offset', type: '__u32', offset: 12, size: 4 },
      { name: 'seal_last', type: 'struct fl_seal', offset: 16, size: 8 },
    ],
  } satisfies AbiLayout,
  read(view: DataView, offset: number): FlMember {
    return {
      sealFirst: flSeal.read(view, offset),
      region: view.getUint32(offset + 8, true),
      offset: view.getUint32(offset + 12, true),
      sealLast: flSeal.read(view, offset + 16),
    }
  },
  write(view: DataView, offset: number, value: FlMember): void {
    flSeal.write(view, offset, value.sealFirst)
    view.setUint32(offset + 8, value.region, true)
    view.setUint32(offset + 12, value.offset, true)
    flSeal.write(view, offset + 16, value.sealLast)
  },
} as const

export const flClientKind = {
  address: 1,
  /** in word[0] and word[1], host order */
  netnsCookie: 2,
} as const

export interface FlAffinityKey {
  readonly client: Uint8Array
  readonly serviceId: number
  /** enum fl_client_kind */
  readonly kind: number
}
export const flAffinityKey = {
  size: 24,
  at: {
    client: 0,
    serviceId: 16,
    kind: 20,
  },
  layout: {
    name: 'fl_affinity_key',
    size: 24,
    fields: [
      { name: 'client', type: 'struct fl_addr', offset: 0, size: 16 },
      { name: 'service_id', type: '__u32', offset: 16, size: 4 },
      { name: 'kind', type: '__u32', offset: 20, size: 4 },
    ],
  } satisfies AbiLayout,
  read(view: DataView, offset: number): FlAffinityKey {
    return {
      client: bytesAt(view, offset, 16).slice(),
      serviceId: view.getUint32(offset + 16, true),
      kind: view.getUint32(offset + 20, true),
    }
  },
  write(view: DataView, offset: number, value: FlAffinityKey): void {
    bytesAt(view, offset, 16).set(value.client)
    view.setUint32(offset + 16, value.serviceId, true)
    view.setUint32(offset + 20, value.kind, true)
  },
} as const

export interface FlAffinity {
  /** CLOCK_BOOTTIME */
  readonly lastUsedNs: bigint
  readonly backendId: number
}
export const flAffinity = {
  size: 16,
  at: {
    lastUsedNs: 0,
    backendId: 8,
  },
  layout: {
    name: 'fl_affinity',
    size: 16,
    fields: [
      { name: 'last_used_ns', type: '__u64', offset: 0, size: 8 },
      { name: 'backend_id', type: '__u32', offset: 8, size: 4 },
      { name: 'pad', type: '__u32', offset: 12, size: 4 },
    ],
  } satisfies AbiLayout,
  read(view: DataView, offset: number): FlAffinity {
    return {
      lastUsedNs: view.getBigUint64(offset, true),
      backendId: view.getUint32(offset + 8, true),
    }
  },
  write(view: DataView, offset: number, value: FlAffinity): void {
    view.setBigUint64(offset, value.lastUsedNs, true)
    view.setUint32(offset + 8, value.backendId, true)
    bytesAt(view, offset + 12, 4).fill(0)
  },
} as const

export interface FlPeer {
  readonly vip: Uint8Array
  readonly backend: Uint8Array
  readonly serviceId: number
  readonly backendId: number
  readonly vipPort: number
  readonly backendPort: number
}
export const flPeer = {
  size: 48,
  at: {
    vip: 0,
    backend: 16,
    serviceId: 32,
    backendId: 36,
    vipPort: 40,
    backendPort: 42,
  },
  layout: {
    name: 'fl_peer',
    size: 48,
    fields: [
      { name: 'vip', type: 'struct fl_addr', offset: 0, size: 16 },
      { name: 'backend', type: 'struct fl_addr', offset: 16, size: 16 },
      { name: 'service_id', type: '__u32', offset: 32, size: 4 },
      { name: 'backend_id', type: '__u32', offset: 36, size: 4 },
      { name: 'vip_port', type: '__be16', offset: 40, size: 2 },
      { name: 'backend_port', type: '__be16', offset: 42, size: 2 },
      { name: 'pad', type: '__u8[4]', offset: 44, size: 4 },
    ],
  } satisfies AbiLayout,
  read(view: DataView, offset: number): FlPeer {
    return {
      vip: bytesAt(view, offset, 16).slice(),
      backend: bytesAt(view, offset + 16, 16).slice(),
      serviceId: view.getUint32(offset + 32, true),
      backendId: view.getUint32(offset + 36, true),
      vipPort: view.getUint16(offset + 40),
      backendPort: view.getUint16(offset + 42),
    }
  },
  write(view: DataView, offset: number, value: FlPeer): void {
    bytesAt(view, offset, 16).set(value.vip)
    bytesAt(view, offset + 16, 16).set(value.backend)
    view.setUint32(offset + 32, value.serviceId, true)
    view.setUint32(offset + 36, value.backendId, true)
    view.setUint16(offset + 40, value.vipPort)
    view.setUint16(offset + 42, value.backendPort)
    bytesAt(view, offset + 44, 4).fill(0)
  },
} as const

export interface FlDatagrams {
  readonly slot: readonly FlPeer[]
  /** slot that the next new VIP takes */
  readonly next: number
}
export const flDatagrams = {
  size: 392,
  at: {
    slot: 0,
    next: 384,
  },
  layout: {
    name: 'fl_datagrams',
    size: 392,
    fields: [
      { name: 'slot', type: 'struct fl_peer[8]', offset: 0, size: 384 },
      { name: 'next', type: '__u32', offset: 384, size: 4 },
      { name: 'pad', type: '__u32', offset: 388, size: 4 },
    ],
  } satisfies AbiLayout,
  read(view: DataView, offset: number): FlDatagrams {
    return {
      slot: Array.from({ length: 8 }, (_, i) => flPeer.read(view, offset + i * 48)),
      next: view.getUint32(offset + 384, true),
    }
  },
  write(view: DataView, offset: number, value: FlDatagrams): void {
    value.slot.forEach((item, i) => flPeer.write(view, offset + i * 48, item))
    view.setUint32(offset + 384, value.next, true)
    bytesAt(view, offset + 388, 4).fill(0)
  },
} as const

export const flSide = {
  pod: 1,
  uplink: 2,
} as const

export const flDirection = {
  /** client to VIP */
  original: 0,
  /** backend to client */
  reply: 1,
} as const

export interface FlFlowKey {
  readonly source: Uint8Array
  readonly destination: Uint8Array
  readonly sourcePort: number
  readonly destinationPort: number
  /** IPPROTO_* */
  readonly proto: number
  /** enum fl_side */
  readonly side: number
  /** enum fl_direction */
  readonly direction: number
}
export const flFlowKey = {
  size: 40,
  at: {
    source: 0,
    destination: 16,
    sourcePort: 32,
    destinationPort: 34,
    proto: 36,
    side: 37,
    direction: 38,
  },
  layout: {
    name: 'fl_flow_key',
    size: 40,
    fields: [
      { name: 'source', type: 'struct fl_addr', offset: 0, size: 16 },
      { name: 'destination', type: 'struct fl_addr', offset: 16, size: 16 },
      { name: 'source_port', type: '__be16', offset: 32, size: 2 },
      { name: 'destination_port', type: '__be16', offset: 34, size: 2 },
      { name: 'proto', type: '__u8', offset: 36, size: 1 },
      { name: 'side', type: '__u8', offset: 37, size: 1 },
      { name: 'direction', type: '__u8', offset: 38, size: 1 },
      { name: 'pad', type: '__u8', offset: 39, size: 1 },
    ],
  } satisfies AbiLayout,
  read(view: DataView, offset: number): FlFlowKey {
    return {
      source: bytesAt(view, offset, 16).slice(),
      destination: bytesAt(view, offset + 16, 16).slice(),
      sourcePort: view.getUint16(offset + 32),
      destinationPort: view.getUint16(offset + 34),
      proto: view.getUint8(offset + 36),
      side: view.getUint8(offset + 37),
      direction: view.getUint8(offset + 38),
    }
  },
  write(view: DataView, offset: number, value: FlFlowKey): void {
    bytesAt(view, offset, 16).set(value.source)
    bytesAt(view, offset + 16, 16).set(value.destination)
    view.setUint16(offset + 32, value.sourcePort)
    view.setUint16(offset + 34, value.destinationPort)
    view.setUint8(offset + 36, value.proto)
    view.setUint8(offset + 37, value.side)
    view.setUint8(offset + 38, value.direction)
    bytesAt(view, offset + 39, 1).fill(0)
  },
} as const

export const flFlowFlag = {
  /** original packets are marked for the masquerade rule */
  masquerade: 1,
  /** seen from the backend: the client's next packet ends the handshake */
  answered: 2,
  /** FIN or RST seen in this direction */
  closing: 4,
} as const

export interface FlFlow {
  readonly sealFirst: FlSeal
  readonly address: Uint8Array
  /** CLOCK_BOOTTIME, to a second */
  readonly lastSeenNs: bigint
  /** when the twin was last looked for */
  readonly checkedNs: bigint
  readonly serviceId: number
  readonly backendId: number
  readonly port: number
  readonly clientPort: number
  /** enum fl_flow_flag */
  readonly flags: number
  /** enum fl_frontend_flag of the frontend that was dialled */
  readonly frontendFlags: number
  readonly sealLast: FlSeal
}
export const flFlow = {
  size: 64,
  at: {
    sealFirst: 0,
    address: 8,
    lastSeenNs: 24,
    checkedNs: 32,
    serviceId: 40,
    backendId: 44,
    port: 48,
    clientPort: 50,
    flags: 52,
    frontendFlags: 53,
    sealLast: 56,
  },
  layout: {
    name: 'fl_flow',
    size: 64,
    fields: [
      { name: 'seal_first', type: 'struct fl_seal', offset: 0, size: 8 },
      { name: 'address', type: 'struct fl_addr', offset: 8, size: 16 },
      { name: 'last_seen_ns', type: '__u64', offset: 24, size: 8 },
      { name: 'checked_ns', type: '__u64', offset: 32, size: 8 },
      { name: 'service_id', type: '__u32', offset: 40, size: 4 },
      { name: 'backend_id', type: '__u32', offset: 44, size: 4 },
      { name: 'port', type: '__be16', offset: 48, size: 2 },
      { name: 'client_port', type: '__be16', offset: 50, size: 2 },
      { name: 'flags', type: '__u8', offset: 52, size: 1 },
      { name: 'frontend_flags', type: '__u8', offset: 53, size: 1 },
      { name: 'pad', type: '__u8[2]', offset: 54, size: 2 },
      { name: 'seal_last', type: 'struct fl_seal', offset: 56, size: 8 },
    ],
  } satisfies AbiLayout,
  read(view: DataView, offset: number): FlFlow {
    return {
      sealFirst: flSeal.read(view, offset),
      address: bytesAt(view, offset + 8, 16).slice(),
      lastSeenNs: view.getBigUint64(offset + 24, true),
      checkedNs: view.getBigUint64(offset + 32, true),
      serviceId: view.getUint32(offset + 40, true),
      backendId: view.getUint32(offset + 44, true),
      port: view.getUint16(offset + 48),
      clientPort: view.getUint16(offset + 50),
      flags: view.getUint8(offset + 52),
      frontendFlags: view.getUint8(offset + 53),
      sealLast: flSeal.read(view, offset + 56),
    }
  },
  write(view: DataView, offset: number, value: FlFlow): void {
    flSeal.write(view, offset, value.sealFirst)
    bytesAt(view, offset + 8, 16).set(value.address)
    view.setBigUint64(offset + 24, value.lastSeenNs, true)
    view.setBigUint64(offset + 32, value.checkedNs, true)
    view.setUint32(offset + 40, value.serviceId, true)
    view.setUint32(offset + 44, value.backendId, true)
    view.setUint16(offset + 48, value.port)
    view.setUint16(offset + 50, value.clientPort)
    view.setUint8(offset + 52, value.flags)
    view.setUint8(offset + 53, value.frontendFlags)
    bytesAt(view, offset + 54, 2).fill(0)
    flSeal.write(view, offset + 56, value.sealLast)
  },
} as const

export interface FlScratch {
  readonly twinKey: FlFlowKey
  readonly twin: FlFlow
  readonly mine: FlFlow
}
export const flScratch = {
  size: 168,
  at: {
    twinKey: 0,
    twin: 40,
    mine: 104,
  },
  layout: {
    name: 'fl_scratch',
    size: 168,
    fields: [
      { name: 'twin_key', type: 'struct fl_flow_key', offset: 0, size: 40 },
      { name: 'twin', type: 'struct fl_flow', offset: 40, size: 64 },
      { name: 'mine', type: 'struct fl_flow', offset: 104, size: 64 },
    ],
  } satisfies AbiLayout,
  read(view: DataView, offset: number): FlScratch {
    return {
      twinKey: flFlowKey.read(view, offset),
      twin: flFlow.read(view, offset + 40),
      mine: flFlow.read(view, offset + 104),
    }
  },
  write(view: DataView, offset: number, value: FlScratch): void {
    flFlowKey.write(view, offset, value.twinKey)
    flFlow.write(view, offset + 40, value.twin)
    flFlow.write(view, offset + 104, value.mine)
  },
} as const

export interface FlFragmentKey {
  readonly source: Uint8Array
  readonly destination: Uint8Array
  /** IPv4: its 16 bits first, then zero; converted to host order */
  readonly id: number
  /** IPPROTO_* of the datagram */
  readonly proto: number
}
export const flFragmentKey = {
  size: 40,
  at: {
    source: 0,
    destination: 16,
    id: 32,
    proto: 36,
  },
  layout: {
    name: 'fl_fragment_key',
    size: 40,
    fields: [
      { name: 'source', type: 'struct fl_addr', offset: 0, size: 16 },
      { name: 'destination', type: 'struct fl_addr', offset: 16, size: 16 },
      { name: 'id', type: '__be32', offset: 32, size: 4 },
      { name: 'proto', type: '__u8', offset: 36, size: 1 },
      { name: 'pad', type: '__u8[3]', offset: 37, size: 3 },
    ],
  } satisfies AbiLayout,
  read(view: DataView, offset: number): FlFragmentKey {
    return {
      source: bytesAt(view, offset, 16).slice(),
      destination: bytesAt(view, offset + 16, 16).slice(),
      id: view.getUint32(offset + 32),
      proto: view.getUint8(offset + 36),
    }
  },
  write(view: DataView, offset: number, value: FlFragmentKey): void {
    bytesAt(view, offset, 16).set(value.source)
    bytesAt(view, offset + 16, 16).set(value.destination)
    view.setUint32(offset + 32, value.id)
    view.setUint8(offset + 36, value.proto)
    bytesAt(view, offset + 37, 3).fill(0)
  },
} as const

export interface FlFragmentPorts {
  readonly source: number
  readonly destination: number
  /** as in struct fl_seal: whose ports they are */
  readonly keyHash: number
}
export const flFragmentPorts = {
  size: 8,
  at: {
    source: 0,
    destination: 2,
    keyHash: 4,
  },
  layout: {
    name: 'fl_fragment_ports',
    size: 8,
    fields: [
      { name: 'source', type: '__be16', offset: 0, size: 2 },
      { name: 'destination', type: '__be16', offset: 2, size: 2 },
      { name: 'key_hash', type: '__u32', offset: 4, size: 4 },
    ],
  } satisfies AbiLayout,
  read(view: DataView, offset: number): FlFragmentPorts {
    return {
      source: view.getUint16(offset),
      destination: view.getUint16(offset + 2),
      keyHash: view.getUint32(offset + 4, true),
    }
  },
  write(view: DataView, offset: number, value: FlFragmentPorts): void {
    view.setUint16(offset, value.source)
    view.setUint16(offset + 2, value.destination)
    view.setUint32(offset + 4, value.keyHash, true)
  },
} as const

export const flNodeAddressFlag = {
  /** NodePorts are served on it (nodePortAddresses) */
  nodePorts: 1,
} as const

export interface FlNodeAddress {
  /** enum fl_node_address_flag */
  readonly flags: number
}
export const flNodeAddress = {
  size: 4,
  at: {
    flags: 0,
  },
  layout: {
    name: 'fl_node_address',
    size: 4,
    fields: [
      { name: 'flags', type: '__u32', offset: 0, size: 4 },
    ],
  } satisfies AbiLayout,
  read(view: DataView, offset: number): FlNodeAddress {
    return {
      flags: view.getUint32(offset, true),
    }
  },
  write(view: DataView, offset: number, value: FlNodeAddress): void {
    view.setUint32(offset, value.flags, true)
  },
} as const

export interface FlServiceStats {
  /** connects and new UDP peers given a backend */
  readonly connectionsN: bigint
  /** connects refused or dropped */
  readonly rejectsN: bigint
}
export const flServiceStats = {
  size: 16,
  at: {
    connectionsN: 0,
    rejectsN: 8,
  },
  layout: {
    name: 'fl_service_stats',
    size: 16,
    fields: [
      { name: 'connections_n', type: '__u64', offset: 0, size: 8 },
      { name: 'rejects_n', type: '__u64', offset: 8, size: 8 },
    ],
  } satisfies AbiLayout,
  read(view: DataView, offset: number): FlServiceStats {
    return {
      connectionsN: view.getBigUint64(offset, true),
      rejectsN: view.getBigUint64(offset + 8, true),
    }
  },
  write(view: DataView, offset: number, value: FlServiceStats): void {
    view.setBigUint64(offset, value.connectionsN, true)
    view.setBigUint64(offset + 8, value.rejectsN, true)
  },
} as const

export interface FlEvent {
  /** CLOCK_BOOTTIME */
  readonly timeNs: bigint
  /** caller's network namespace */
  readonly netnsCookie: bigint
  /** caller's cgroup */
  readonly cgroupId: bigint
  readonly destination: Uint8Array
  /** zero unless translated */
  readonly backend: Uint8Array
  readonly serviceId: number
  readonly backendId: number
  readonly pid: number
  readonly destinationPort: number
  readonly backendPort: number
  /** enum fl_event_kind */
  readonly kind: number
  /** enum fl_hook */
  readonly hook: number
  /** enum fl_reason */
  readonly reason: number
  /** IPPROTO_* */
  readonly proto: number
  /** caller's name, not always terminated */
  readonly comm: Uint8Array
}
export const flEvent = {
  size: 96,
  at: {
    timeNs: 0,
    netnsCookie: 8,
    cgroupId: 16,
    destination: 24,
    backend: 40,
    serviceId: 56,
    backendId: 60,
    pid: 64,
    destinationPort: 68,
    backendPort: 70,
    kind: 72,
    hook: 73,
    reason: 74,
    proto: 75,
    comm: 76,
  },
  layout: {
    name: 'fl_event',
    size: 96,
    fields: [
      { name: 'time_ns', type: '__u64', offset: 0, size: 8 },
      { name: 'netns_cookie', type: '__u64', offset: 8, size: 8 },
      { name: 'cgroup_id', type: '__u64', offset: 16, size: 8 },
      { name: 'destination', type: 'struct fl_addr', offset: 24, size: 16 },
      { name: 'backend', type: 'struct fl_addr', offset: 40, size: 16 },
      { name: 'service_id', type: '__u32', offset: 56, size: 4 },
      { name: 'backend_id', type: '__u32', offset: 60, size: 4 },
      { name: 'pid', type: '__u32', offset: 64, size: 4 },
      { name: 'destination_port', type: '__be16', offset: 68, size: 2 },
      { name: 'backend_port', type: '__be16', offset: 70, size: 2 },
      { name: 'kind', type: '__u8', offset: 72, size: 1 },
      { name: 'hook', type: '__u8', offset: 73, size: 1 },
      { name: 'reason', type: '__u8', offset: 74, size: 1 },
      { name: 'proto', type: '__u8', offset: 75, size: 1 },
      { name: 'comm', type: '__u8[16]', offset: 76, size: 16 },
      { name: 'pad', type: '__u8[4]', offset: 92, size: 4 },
    ],
  } satisfies AbiLayout,
  read(view: DataView, offset: number): FlEvent {
    return {
      timeNs: view.getBigUint64(offset, true),
      netnsCookie: view.getBigUint64(offset + 8, true),
      cgroupId: view.getBigUint64(offset + 16, true),
      destination: bytesAt(view, offset + 24, 16).slice(),
      backend: bytesAt(view, offset + 40, 16).slice(),
      serviceId: view.getUint32(offset + 56, true),
      backendId: view.getUint32(offset + 60, true),
      pid: view.getUint32(offset + 64, true),
      destinationPort: view.getUint16(offset + 68),
      backendPort: view.getUint16(offset + 70),
      kind: view.getUint8(offset + 72),
      hook: view.getUint8(offset + 73),
      reason: view.getUint8(offset + 74),
      proto: view.getUint8(offset + 75),
      comm: bytesAt(view, offset + 76, 16).slice(),
    }
  },
  write(view: DataView, offset: number, value: FlEvent): void {
    view.setBigUint64(offset, value.timeNs, true)
    view.setBigUint64(offset + 8, value.netnsCookie, true)
    view.setBigUint64(offset + 16, value.cgroupId, true)
    bytesAt(view, offset + 24, 16).set(value.destination)
    bytesAt(view, offset + 40, 16).set(value.backend)
    view.setUint32(offset + 56, value.serviceId, true)
    view.setUint32(offset + 60, value.backendId, true)
    view.setUint32(offset + 64, value.pid, true)
    view.setUint16(offset + 68, value.destinationPort)
    view.setUint16(offset + 70, value.backendPort)
    view.setUint8(offset + 72, value.kind)
    view.setUint8(offset + 73, value.hook)
    view.setUint8(offset + 74, value.reason)
    view.setUint8(offset + 75, value.proto)
    bytesAt(view, offset + 76, 16).set(value.comm)
    bytesAt(view, offset + 92, 4).fill(0)
  },
} as const

export interface FlMeta {
  /** CLOCK_BOOTTIME of the agent's last sign of life */
  readonly heartbeatNs: bigint
  /** programs stand down this long after it; 0: never */
  readonly leaseNs: bigint
  /** 1: translate nothing new, undo what exists */
  readonly bypass: bigint
  /** the node's own namespace, from the canary; 0: unknown */
  readonly hostNetnsCookie: bigint
  /** canaries seen, by hook */
  readonly canary: readonly bigint[]
  /** one of so many translations is an event; 0: none */
  readonly eventSample: bigint
  /** SO_MARK of the agent's canary sockets; 0: none under way */
  readonly canaryMark: number
  /** first id never given away */
  readonly nextBackendId: number
  /** first generation never written, saved ahead in blocks */
  readonly nextGeneration: number
}
export const flMeta = {
  size: 120,
  at: {
    heartbeatNs: 0,
    leaseNs: 8,
    bypass: 16,
    hostNetnsCookie: 24,
    canary: 32,
    eventSample: 96,
    canaryMark: 104,
    nextBackendId: 108,
    nextGeneration: 112,
  },
  layout: {
    name: 'fl_meta',
    size: 120,
    fields: [
      { name: 'heartbeat_ns', type: '__u64', offset: 0, size: 8 },
      { name: 'lease_ns', type: '__u64', offset: 8, size: 8 },
      { name: 'bypass', type: '__u64', offset: 16, size: 8 },
      { name: 'host_netns_cookie', type: '__u64', offset: 24, size: 8 },
      { name: 'canary', type: '__u64[8]', offset: 32, size: 64 },
      { name: 'event_sample', type: '__u64', offset: 96, size: 8 },
      { name: 'canary_mark', type: '__u32', offset: 104, size: 4 },
      { name: 'next_backend_id', type: '__u32', offset: 108, size: 4 },
      { name: 'next_generation', type: '__u32', offset: 112, size: 4 },
      { name: 'pad', type: '__u32', offset: 116, size: 4 },
    ],
  } satisfies AbiLayout,
  read(view: DataView, offset: number): FlMeta {
    return {
      heartbeatNs: view.getBigUint64(offset, true),
      leaseNs: view.getBigUint64(offset + 8, true),
      bypass: view.getBigUint64(offset + 16, true),
      hostNetnsCookie: view.getBigUint64(offset + 24, true),
      canary: Array.from({ length: 8 }, (_, i) => view.getBigUint64(offset + 32 + i * 8, true)),
      eventSample: view.getBigUint64(offset + 96, true),
      canaryMark: view.getUint32(offset + 104, true),
      nextBackendId: view.getUint32(offset + 108, true),
      nextGeneration: view.getUint32(offset + 112, true),
    }
  },
  write(view: DataView, offset: number, value: FlMeta): void {
    view.setBigUint64(offset, value.heartbeatNs, true)
    view.setBigUint64(offset + 8, value.leaseNs, true)
    view.setBigUint64(offset + 16, value.bypass, true)
    view.setBigUint64(offset + 24, value.hostNetnsCookie, true)
    value.canary.forEach((item, i) => view.setBigUint64(offset + 32 + i * 8, item, true))
    view.setBigUint64(offset + 96, value.eventSample, true)
    view.setUint32(offset + 104, value.canaryMark, true)
    view.setUint32(offset + 108, value.nextBackendId, true)
    view.setUint32(offset + 112, value.nextGeneration, true)
    bytesAt(view, offset + 116, 4).fill(0)
  },
} as const

/** Every map of the socket programs, with the layouts of its key and value; null for those that are no struct. */
export const mapLayouts = {
  frontends: { key: flFrontendKey.layout, value: flFrontend.layout },
  services: { key: null, value: flService.layout },
  backends: { key: null, value: flBackend.layout },
  members: { key: flMemberKey.layout, value: flMember.layout },
  affinity: { key: flAffinityKey.layout, value: flAffinity.layout },
  node_addresses: { key: null, value: flNodeAddress.layout },
  sockets: { key: null, value: flPeer.layout },
  datagrams: { key: null, value: flDatagrams.layout },
  reasons: { key: null, value: null },
  service_stats: { key: null, value: flServiceStats.layout },
  events: { key: null, value: null },
  meta: { key: null, value: flMeta.layout },
} as const
export type MapName = keyof typeof mapLayouts

/** The maps that only the packet programs have. */
export const packetMapLayouts = {
  flows_new: { key: flFlowKey.layout, value: flFlow.layout },
  flows: { key: flFlowKey.layout, value: flFlow.layout },
  fragments: { key: flFragmentKey.layout, value: flFragmentPorts.layout },
  scratch: { key: null, value: flScratch.layout },
} as const
export type PacketMapName = keyof typeof packetMapLayouts

/** Every program, with its section, which names its hook. */
export const programSections = {
  sock_connect4: 'cgroup/connect4',
  sock_connect6: 'cgroup/connect6',
  sock_sendmsg4: 'cgroup/sendmsg4',
  sock_sendmsg6: 'cgroup/sendmsg6',
  sock_recvmsg4: 'cgroup/recvmsg4',
  sock_recvmsg6: 'cgroup/recvmsg6',
  sock_getpeername4: 'cgroup/getpeername4',
  sock_getpeername6: 'cgroup/getpeername6',
  pod_ingress: 'tc',
  pod_egress: 'tc',
  uplink_ingress: 'tc',
  uplink_egress: 'tc',
} as const
export type ProgramName = keyof typeof programSections
