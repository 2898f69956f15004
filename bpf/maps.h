/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Every map, each with the question it answers. Sizes are set by the agent before load. */
#ifndef FL_MAPS_H
#define FL_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "abi.h"

/* Is this destination a frontend, and whose? */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct fl_frontend_key);
	__type(value, struct fl_frontend);
	__uint(max_entries, 65536);
} frontends SEC(".maps");

/* Where is this service's current region? */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct fl_service);
	__uint(max_entries, 32768);
} services SEC(".maps");

/* Regions: a header slot (struct fl_region), then its backends. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct fl_backend);
	__uint(max_entries, 262144);
} backends SEC(".maps");

/* Is this remembered backend still one of this service, and where? */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct fl_member_key);
	__type(value, struct fl_member);
	__uint(max_entries, 262144);
} members SEC(".maps");

/* Which backend did this client have last, and when? */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct fl_affinity_key);
	__type(value, struct fl_affinity);
	__uint(max_entries, 65536);
} affinity SEC(".maps");

/* Which addresses are this node's? */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct fl_addr);
	__type(value, struct fl_node_address);
	__uint(max_entries, 4096);
} node_addresses SEC(".maps");

/* Which VIP did this connected socket dial? In the socket: no pod can evict another's. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC); /* the only kind of socket storage there is */
	__type(key, int);
	__type(value, struct fl_peer);
} sockets SEC(".maps");

/* Which VIPs does this unconnected UDP socket talk to? Apart, so that TCP pays for 48 bytes only. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC); /* as above */
	__type(key, int);
	__type(value, struct fl_datagrams);
} datagrams SEC(".maps");

/* How often was each verdict given? By enum fl_reason. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, FL_REASON_N);
} reasons SEC(".maps");

/* How much did each service get? By service id. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct fl_service_stats);
	__uint(max_entries, 32768);
} service_stats SEC(".maps");

/* What just happened? */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 262144);
} events SEC(".maps");

/* What do agent and programs tell each other? */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct fl_meta);
	__uint(max_entries, 1);
} meta SEC(".maps");

#endif
