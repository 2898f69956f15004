/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The only place where a layout shared by the kernel programs and the agent is written.
 *
 * `npm run gen` compiles abi.c, reads its BTF and writes agent/maps/abi.gen.ts from it; the agent
 * compares the BTF of each loaded map with that file. Rules: fixed-width integers, widest first,
 * explicit zeroed padding, byte order in the type (__be16) or host order without it, a size
 * assertion per struct. Addresses are 16 bytes, IPv4 as v4-mapped (::ffff:a.b.c.d).
 */
/* Laid out by hand, as tables. */
/* clang-format off */
#ifndef FL_ABI_H
#define FL_ABI_H

#include <linux/types.h>

#define ABI_SIZE(type, n) _Static_assert(sizeof(type) == (n), #type " is not " #n " bytes")

/* Part of the pin path: raised when a layout below changes incompatibly. */
enum fl_schema {
	FL_SCHEMA_VERSION = 1,
};

/* Sizes that programs and agent agree on without a map. */
enum fl_limit {
	FL_DATAGRAM_SLOTS = 8,	/* VIPs that one unconnected UDP socket may talk to at a time */
	FL_REGION_MAX = 65536,	/* backends of one service port and family */
};

/* Why a program did what it did: index of `reasons`, label of metrics, text in listings. */
enum fl_reason {
	FL_TRANSLATED = 0,		/* destination rewritten to a backend */
	FL_REVERSED = 1,		/* source or peer rewritten back to the VIP */
	FL_NO_ENDPOINTS = 2,		/* rejected: the Service has no usable endpoint */
	FL_NO_LOCAL_ENDPOINTS = 3,	/* dropped: traffic policy Local, endpoints only elsewhere */
	FL_NO_SUCH_PORT = 4,		/* rejected: the VIP has no such port */
	FL_BYPASSED = 5,		/* left alone: bypass is on */
	FL_LEASE_EXPIRED = 6,		/* left alone: no agent was seen for the lease's time */
	FL_OUT_OF_SCOPE = 7,		/* left alone: the caller's namespace is outside --socket-lb */
	FL_LOOPBACK_SOURCE = 8,		/* left alone: socket bound to loopback, backend is not */
	FL_TORN_READ = 9,		/* left alone: a map value kept changing while it was read */
	FL_BAD_REGION = 10,		/* left alone: a service points outside its backends */
	FL_STORAGE_FULL = 11,		/* no socket storage to be had: the VIP is not remembered */
	FL_AFFINITY_HIT = 12,		/* backend taken from the affinity memory */
	FL_AFFINITY_STALE = 13,		/* remembered backend gone or expired: chosen anew */
	FL_PEER_MOVED = 14,		/* datagrams of a live socket moved off a removed backend */
	FL_LOOPBACK_ON_WIRE = 15,	/* dropped: a loopback address came over a wire */
	FL_FLOW_FULL = 16,		/* dropped: the kernel would not store a new flow */
	FL_PORTS_TAKEN = 17,		/* dropped: no source port towards the backend is free */
	FL_SCTP_PORT_DIFFERS = 18,	/* dropped: SCTP to a backend with another port than the VIP's */
	FL_REWRITE_FAILED = 19,		/* dropped: the kernel would not let the packet be rewritten */
	FL_PORT_CHANGED = 20,		/* source port changed: another frontend's flow has it */
	FL_FLOW_MOVED = 21,		/* packets of a live flow moved off a removed backend */
	FL_TWIN_REBUILT = 22,		/* the other half of a flow was evicted: rebuilt */
	FL_REASON_N = 23,
};

/* What a record of the ring buffer tells. */
enum fl_event_kind {
	FL_EVENT_TRANSLATE = 1,
	FL_EVENT_REJECT = 2,
	FL_EVENT_DROP = 3,
	FL_EVENT_PASS = 4,
};

/* Which hook made an event or counted a canary. */
enum fl_hook {
	FL_HOOK_CONNECT4 = 0,
	FL_HOOK_CONNECT6 = 1,
	FL_HOOK_SENDMSG4 = 2,
	FL_HOOK_SENDMSG6 = 3,
	FL_HOOK_RECVMSG4 = 4,
	FL_HOOK_RECVMSG6 = 5,
	FL_HOOK_GETPEERNAME4 = 6,
	FL_HOOK_GETPEERNAME6 = 7,
	FL_HOOK_POD_INGRESS = 8,
	FL_HOOK_UPLINK_INGRESS = 9,
	FL_HOOK_N = 8,		/* socket hooks: those that `meta` counts canaries of */
};

/* Whose connections the socket hooks translate (--socket-lb). */
enum fl_socket_lb {
	FL_SOCKET_LB_OFF = 0,
	FL_SOCKET_LB_HOST = 1,
	FL_SOCKET_LB_ALL = 2,
};

/* An address of either family; IPv4 as ::ffff:a.b.c.d. */
struct fl_addr {
	__be32 word[4];
};
ABI_SIZE(struct fl_addr, 16);

/*
 * Values of hash maps are not atomic: a replaced element is recycled at once, and a reader may
 * see another key's value or a mix. So each value begins and ends with a seal, {hash of the key,
 * generation}; the writer stores in ascending order, a reader reads `seal_last`, the fields, then
 * `seal_first`, and trusts them only if both are equal and carry its key's hash.
 */
struct fl_seal {
	__u32 key_hash;		/* FNV-1a's step over the key's 32-bit words (lib/seal.h) */
	__u32 generation;	/* differs in any two values ever written */
};
ABI_SIZE(struct fl_seal, 8);

/* How the address of a frontend key is meant. */
enum fl_frontend_kind {
	FL_FRONTEND_EXACT = 0,		/* this address and port */
	FL_FRONTEND_NODE_PORT = 1,	/* any node address (addr is 0.0.0.0 or ::) and this port */
	FL_FRONTEND_ANY_PORT = 2,	/* this address, any port and protocol (both zero): no such port */
};

enum fl_frontend_flag {
	FL_FRONTEND_EXTERNAL = 1,	/* externalTrafficPolicy decides, not internalTrafficPolicy */
	FL_FRONTEND_PER_PACKET = 2,	/* a pod's connect is left to the packet path */
};

/* Key of `frontends`: is this destination a frontend? */
struct fl_frontend_key {
	struct fl_addr addr;
	__be16 port;		/* 0 with FL_FRONTEND_ANY_PORT */
	__u8 proto;		/* IPPROTO_*; 0 with FL_FRONTEND_ANY_PORT */
	__u8 kind;		/* enum fl_frontend_kind */
};
ABI_SIZE(struct fl_frontend_key, 20);

/* Value of `frontends`: whose frontend is it? */
struct fl_frontend {
	struct fl_seal seal_first;
	__u32 service_id;	/* index of `services` */
	__u32 flags;		/* enum fl_frontend_flag */
	struct fl_seal seal_last;
};
ABI_SIZE(struct fl_frontend, 24);

/*
 * Value of `services`, by service id: where is this service port's current region? Read and
 * written as one aligned u64, so every frontend switches at once. All zero: no such service.
 */
struct fl_service {
	__u32 region;		/* index in `backends` of the region's header; 0 is never used */
	__u32 generation;
};
ABI_SIZE(struct fl_service, 8);

enum fl_region_flag {
	FL_REGION_INTERNAL_LOCAL = 1,	/* internalTrafficPolicy: Local */
	FL_REGION_EXTERNAL_LOCAL = 2,	/* externalTrafficPolicy: Local */
	FL_REGION_HAS_ENDPOINTS = 4,	/* usable endpoints exist on some node (kube-proxy-behaviour C5) */
};

/*
 * Header slot of a region in `backends`; immutable until the region is freed. Its backends follow
 * in the order local only | local and cluster | cluster only | serving but unused, so each policy
 * is an interval: Local is [0, local_n), Cluster is [cluster_offset, cluster_offset + cluster_n).
 */
struct fl_region {
	__u32 service_id;		/* owner, for checking */
	__u32 flags;			/* enum fl_region_flag */
	__u32 affinity_timeout_s;	/* session affinity ClientIP; 0: none */
	__u32 maglev_base;		/* index in `lookup`; 0: random choice */
	__u32 local_n;
	__u32 cluster_offset;
	__u32 cluster_n;
	__u32 total_n;			/* all backends that follow, also the unused ones */
};
ABI_SIZE(struct fl_region, 32);

enum fl_backend_state {
	FL_BACKEND_ACTIVE = 1,
	FL_BACKEND_TERMINATING = 2,	/* serving while it terminates */
};

/* Backend slot of `backends`. */
struct fl_backend {
	struct fl_addr addr;
	__u32 id;		/* unique for ever: what sockets and affinity remember */
	__u32 zone;		/* hash of the zone's name, 0: unknown */
	__be16 port;
	__u8 state;		/* enum fl_backend_state */
	__u8 is_local;		/* on this node */
	__u8 pad[4];
};
ABI_SIZE(struct fl_backend, 32);

/* Key of `members`: is this remembered backend still one of this service? */
struct fl_member_key {
	__u32 service_id;
	__u32 backend_id;
};
ABI_SIZE(struct fl_member_key, 8);

/* Value of `members`: where is it? The region is freed only after no reader can hold this. */
struct fl_member {
	struct fl_seal seal_first;
	__u32 region;		/* index of the header slot */
	__u32 offset;		/* 0: first backend after the header */
	struct fl_seal seal_last;
};
ABI_SIZE(struct fl_member, 24);

enum fl_client_kind {
	FL_CLIENT_ADDRESS = 1,
	FL_CLIENT_NETNS_COOKIE = 2,	/* in word[0] and word[1], host order */
};

/* Key of `affinity`: which client of which service? */
struct fl_affinity_key {
	struct fl_addr client;
	__u32 service_id;
	__u32 kind;		/* enum fl_client_kind */
};
ABI_SIZE(struct fl_affinity_key, 24);

/* Value of `affinity`: its backend, and when it last opened a connection. */
struct fl_affinity {
	__u64 last_used_ns;	/* CLOCK_BOOTTIME */
	__u32 backend_id;
	__u32 pad;
};
ABI_SIZE(struct fl_affinity, 16);

/* What a socket dialled and what it got; all zero: unused. */
struct fl_peer {
	struct fl_addr vip;
	struct fl_addr backend;
	__u32 service_id;
	__u32 backend_id;
	__be16 vip_port;
	__be16 backend_port;
	__u8 pad[4];
};
ABI_SIZE(struct fl_peer, 48);

/* Value of `datagrams`: the VIPs that one unconnected UDP socket talks to. */
struct fl_datagrams {
	struct fl_peer slot[FL_DATAGRAM_SLOTS];
	__u32 next;		/* slot that the next new VIP takes */
	__u32 pad;
};
ABI_SIZE(struct fl_datagrams, 392);

/* Which kind of device a program hangs on; a flow names the side that made it. */
enum fl_side {
	FL_SIDE_POD = 1,
	FL_SIDE_UPLINK = 2,
};

enum fl_direction {
	FL_DIRECTION_ORIGINAL = 0,	/* client to VIP */
	FL_DIRECTION_REPLY = 1,		/* backend to client */
};

/* Key of `flows` and `flows_new`: what is done with a packet of this flow? */
struct fl_flow_key {
	struct fl_addr source;
	struct fl_addr destination;
	__be16 source_port;
	__be16 destination_port;
	__u8 proto;		/* IPPROTO_* */
	__u8 side;		/* enum fl_side */
	__u8 direction;		/* enum fl_direction */
	__u8 pad;
};
ABI_SIZE(struct fl_flow_key, 40);

enum fl_flow_flag {
	FL_FLOW_MASQUERADE = 1,	/* original packets are marked for the masquerade rule */
	FL_FLOW_ANSWERED = 2,	/* seen from the backend: the client's next packet ends the handshake */
	FL_FLOW_CLOSING = 4,	/* FIN or RST seen in this direction */
};

/*
 * Value of `flows` and `flows_new`. Original: `address`:`port` is the backend that replaces the
 * destination, `client_port` the source port that the backend sees. Reply: the VIP that replaces
 * the source, and the client's own port. With its key, each entry can rebuild its twin, the entry
 * of the other direction. The times are written in place, all else only by replacing the value.
 */
struct fl_flow {
	struct fl_seal seal_first;
	struct fl_addr address;
	__u64 last_seen_ns;	/* CLOCK_BOOTTIME, to a second */
	__u64 checked_ns;	/* when the twin was last looked for */
	__u32 service_id;
	__u32 backend_id;
	__be16 port;
	__be16 client_port;
	__u8 flags;		/* enum fl_flow_flag */
	__u8 frontend_flags;	/* enum fl_frontend_flag of the frontend that was dialled */
	__u8 pad[2];
	struct fl_seal seal_last;
};
ABI_SIZE(struct fl_flow, 64);

/*
 * Value of `scratch`, per CPU: what does not fit a packet program's stack. Packets are handled with
 * softirqs off, so no other packet program comes between on the same CPU.
 */
struct fl_scratch {
	struct fl_flow_key twin_key;
	struct fl_flow twin;
	struct fl_flow mine;
};
ABI_SIZE(struct fl_scratch, 168);

/* Key of `fragments`: to which datagram does a later fragment belong? */
struct fl_fragment_key {
	struct fl_addr source;
	struct fl_addr destination;
	__be32 id;		/* IPv4: its 16 bits first, then zero */
	__u8 proto;		/* IPPROTO_* of the datagram */
	__u8 pad[3];
};
ABI_SIZE(struct fl_fragment_key, 40);

/* Value of `fragments`: the ports that only the first fragment has. Read as one aligned u64. */
struct fl_fragment_ports {
	__be16 source;
	__be16 destination;
	__u32 key_hash;		/* as in struct fl_seal: whose ports they are */
};
ABI_SIZE(struct fl_fragment_ports, 8);

enum fl_node_address_flag {
	FL_NODE_ADDRESS_NODE_PORTS = 1,	/* NodePorts are served on it (nodePortAddresses) */
};

/* Value of `node_addresses`, by struct fl_addr: an address of this node. */
struct fl_node_address {
	__u32 flags;		/* enum fl_node_address_flag */
};
ABI_SIZE(struct fl_node_address, 4);

/* Value of `service_stats`, by service id, per CPU. */
struct fl_service_stats {
	__u64 connections_n;	/* connects and new UDP peers given a backend */
	__u64 rejects_n;	/* connects refused or dropped */
};
ABI_SIZE(struct fl_service_stats, 16);

/* Record of `events`. */
struct fl_event {
	__u64 time_ns;		/* CLOCK_BOOTTIME */
	__u64 netns_cookie;	/* caller's network namespace */
	__u64 cgroup_id;	/* caller's cgroup */
	struct fl_addr destination;
	struct fl_addr backend;	/* zero unless translated */
	__u32 service_id;
	__u32 backend_id;
	__u32 pid;
	__be16 destination_port;
	__be16 backend_port;
	__u8 kind;		/* enum fl_event_kind */
	__u8 hook;		/* enum fl_hook */
	__u8 reason;		/* enum fl_reason */
	__u8 proto;		/* IPPROTO_* */
	__u8 comm[16];		/* caller's name, not always terminated */
	__u8 pad[4];
};
ABI_SIZE(struct fl_event, 96);

/*
 * The one value of `meta`: what the agent tells the programs and they tell back. Every field is
 * read and written alone, as an aligned integer.
 */
struct fl_meta {
	__u64 heartbeat_ns;		/* CLOCK_BOOTTIME of the agent's last sign of life */
	__u64 lease_ns;			/* programs stand down this long after it; 0: never */
	__u64 bypass;			/* 1: translate nothing new, undo what exists */
	__u64 host_netns_cookie;	/* the node's own namespace, from the canary; 0: unknown */
	__u64 canary[FL_HOOK_N];	/* canaries seen, by hook */
	__u64 event_sample;		/* one of so many translations is an event; 0: none */
	__u32 canary_mark;		/* SO_MARK of the agent's canary sockets; 0: none under way */
	__u32 next_backend_id;		/* first id never given away */
	__u32 next_generation;		/* first generation never written, saved ahead in blocks */
	__u32 pad;
};
ABI_SIZE(struct fl_meta, 120);

#endif
