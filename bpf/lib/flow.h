/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Flows: an entry per direction, each holding the rewrite and able to rebuild its twin. New flows
 * and all of UDP live in `flows_new`; TCP and SCTP move to `flows` once both ends were heard.
 */
#ifndef FL_LIB_FLOW_H
#define FL_LIB_FLOW_H

#include <linux/in.h>
#include "../packet_maps.h"
#include "addr.h"
#include "count.h"
#include "seal.h"

#define FL_FLOW_SEEN_NS	 1000000000ull	/* how exact last_seen_ns is */
#define FL_FLOW_CHECK_NS 10000000000ull /* how often a hit looks for the twin */

static __always_inline struct fl_scratch *fl_scratch_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&scratch, &zero);
}

/* A checked copy of an entry, and where it stands. */
struct fl_hit {
	struct fl_flow flow;
	struct fl_flow *entry; /* only its times may be written */
	__u8 is_new;	       /* in `flows_new` */
};

/* Copy of the entry, checked as lib/seal.h says; NULL also if it changed under us twice. */
static __always_inline struct fl_flow *fl_flow_read(void *map, const struct fl_flow_key *key,
						    __u32 hash, struct fl_flow *copy)
{
#pragma unroll
	for (int try = 0; try < 2; try++) {
		struct fl_flow *entry = bpf_map_lookup_elem(map, key);

		if (!entry)
			return NULL;
		__u64 seal_last = fl_read_seal(&entry->seal_last);

		copy->frontend_flags = FL_READ_ONCE(entry->frontend_flags);
		copy->flags = FL_READ_ONCE(entry->flags);
		copy->client_port = FL_READ_ONCE(entry->client_port);
		copy->port = FL_READ_ONCE(entry->port);
		copy->backend_id = FL_READ_ONCE(entry->backend_id);
		copy->service_id = FL_READ_ONCE(entry->service_id);
		copy->address.word[3] = FL_READ_ONCE(entry->address.word[3]);
		copy->address.word[2] = FL_READ_ONCE(entry->address.word[2]);
		copy->address.word[1] = FL_READ_ONCE(entry->address.word[1]);
		copy->address.word[0] = FL_READ_ONCE(entry->address.word[0]);
		if (fl_seal_fits(fl_read_seal(&entry->seal_first), seal_last, hash))
			return entry;
	}
	return NULL;
}

/* 1 and `hit` if there is an entry. Datagrams never leave `flows_new`. */
static __always_inline int fl_flow_find(const struct fl_flow_key *key, struct fl_hit *hit)
{
	__u32 hash = fl_key_hash(key, sizeof(*key) / 4);

	hit->is_new = 0;
	hit->entry = NULL;
	if (key->proto != IPPROTO_UDP)
		hit->entry = fl_flow_read(&flows, key, hash, &hit->flow);
	if (!hit->entry) {
		hit->is_new = 1;
		hit->entry = fl_flow_read(&flows_new, key, hash, &hit->flow);
	}
	return hit->entry != NULL;
}

/* Seals `flow` and stores it. `flags` and result as of bpf_map_update_elem. */
static __always_inline long fl_flow_put(void *map, const struct fl_flow_key *key,
					struct fl_flow *flow, __u64 now_ns, __u64 flags)
{
	flow->seal_first.key_hash = fl_key_hash(key, sizeof(*key) / 4);
	flow->seal_first.generation = bpf_get_prandom_u32();
	flow->seal_last = flow->seal_first;
	flow->last_seen_ns = now_ns;
	flow->checked_ns = now_ns;
	flow->pad[0] = flow->pad[1] = 0;
	return bpf_map_update_elem(map, key, flow, flags);
}

static __always_inline void fl_flow_forget(const struct fl_flow_key *key)
{
	bpf_map_delete_elem(&flows, key);
	bpf_map_delete_elem(&flows_new, key);
}

/* The entry of the other direction. */
static __always_inline void fl_twin_of(const struct fl_flow_key *key, const struct fl_flow *flow,
				       struct fl_flow_key *twin_key, struct fl_flow *twin)
{
	twin_key->proto = key->proto;
	twin_key->side = key->side;
	twin_key->pad = 0;
	twin->service_id = flow->service_id;
	twin->backend_id = flow->backend_id;
	twin->flags = flow->flags & FL_FLOW_MASQUERADE;
	twin->frontend_flags = flow->frontend_flags;
	if (key->direction == FL_DIRECTION_ORIGINAL) {
		twin_key->direction = FL_DIRECTION_REPLY;
		twin_key->source = flow->address;
		twin_key->destination = key->source;
		twin_key->source_port = flow->port;
		twin_key->destination_port = flow->client_port;
		twin->address = key->destination;
		twin->port = key->destination_port;
		twin->client_port = key->source_port;
	} else {
		twin_key->direction = FL_DIRECTION_ORIGINAL;
		twin_key->source = key->destination;
		twin_key->destination = flow->address;
		twin_key->source_port = flow->client_port;
		twin_key->destination_port = flow->port;
		twin->address = key->source;
		twin->port = key->source_port;
		twin->client_port = key->destination_port;
	}
}

/* Both say the same rewrite. */
static __always_inline int fl_flow_is_same(const struct fl_flow *a, const struct fl_flow *b)
{
	return !(fl_addr_difference(&a->address, &b->address) | (a->port ^ b->port) |
		 (a->client_port ^ b->client_port));
}

/* Either half may be evicted alone: whichever is hit rebuilds the other. */
static __always_inline void fl_twin_heal(const struct fl_flow_key *key, const struct fl_hit *hit,
					 __u64 now_ns)
{
	struct fl_scratch *work = fl_scratch_get();
	long error;

	if (!work)
		return;
	fl_twin_of(key, &hit->flow, &work->twin_key, &work->twin);
	if (bpf_map_lookup_elem(&flows, &work->twin_key) ||
	    bpf_map_lookup_elem(&flows_new, &work->twin_key))
		return;
	if (hit->is_new)
		error = fl_flow_put(&flows_new, &work->twin_key, &work->twin, now_ns, BPF_NOEXIST);
	else
		error = fl_flow_put(&flows, &work->twin_key, &work->twin, now_ns, BPF_NOEXIST);
	if (!error)
		fl_count(FL_TWIN_REBUILT);
}

/* A packet of the flow passes. */
static __always_inline void fl_flow_touch(const struct fl_flow_key *key, struct fl_hit *hit,
					  __u64 now_ns)
{
	struct fl_flow *entry = hit->entry;

	if (now_ns - FL_READ_ONCE(entry->last_seen_ns) > FL_FLOW_SEEN_NS)
		*(volatile __u64 *)&entry->last_seen_ns = now_ns;
	if (now_ns - FL_READ_ONCE(entry->checked_ns) <= FL_FLOW_CHECK_NS)
		return;
	*(volatile __u64 *)&entry->checked_ns = now_ns;
	fl_twin_heal(key, hit, now_ns);
}

/* Adds flags to an entry that has not got them, by replacing it where it stands. */
static __always_inline void fl_flow_flag(const struct fl_flow_key *key, struct fl_hit *hit,
					 __u8 flags, __u64 now_ns)
{
	if ((hit->flow.flags & flags) == flags)
		return;
	hit->flow.flags |= flags;
	if (hit->is_new)
		fl_flow_put(&flows_new, key, &hit->flow, now_ns, BPF_EXIST);
	else
		fl_flow_put(&flows, key, &hit->flow, now_ns, BPF_EXIST);
}

/*
 * The client speaks again. If the backend has answered meanwhile, the handshake is over and both
 * entries move to `flows`. There first, then away here: at no moment is an entry in neither.
 */
static __always_inline void fl_flow_promote(const struct fl_flow_key *key, struct fl_hit *hit,
					    __u64 now_ns)
{
	struct fl_scratch *work = fl_scratch_get();
	struct fl_flow *answer;

	if (!work)
		return;
	fl_twin_of(key, &hit->flow, &work->twin_key, &work->twin);
	answer = bpf_map_lookup_elem(&flows_new, &work->twin_key);
	if (!answer || !(FL_READ_ONCE(answer->flags) & FL_FLOW_ANSWERED))
		return;
	work->twin.flags |= FL_FLOW_ANSWERED;
	if (fl_flow_put(&flows, &work->twin_key, &work->twin, now_ns, BPF_ANY) ||
	    fl_flow_put(&flows, key, &hit->flow, now_ns, BPF_ANY))
		return;
	bpf_map_delete_elem(&flows_new, &work->twin_key);
	bpf_map_delete_elem(&flows_new, key);
}

#endif
