/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Opening a flow: backend and client must be enough to tell its replies from all others, so the
 * reply's key is claimed first, and only one frontend's flow can have it.
 */
#ifndef FL_LIB_CLAIM_H
#define FL_LIB_CLAIM_H

#include <linux/errno.h>
#include "flow.h"
#include "service.h"

enum {
	FL_CLAIM_BACKENDS = 3, /* other backends that are tried, */
	FL_CLAIM_PORTS = 4,    /* and then other source ports */
};

enum fl_claimed {
	FL_CLAIMED = 0,
	FL_CLAIM_TAKEN,
	FL_CLAIM_FULL,
};

/* What stays the same in all tries of one flow. */
struct fl_opening {
	struct fl_interval interval;
	__u32 region;
	__u8 is_sticky;	 /* affinity: no other backend will do */
	__u8 masquerade; /* enum fl_flow_flag, whatever the backend */
	__u8 frontend_flags;
};

/* SCTP's checksum covers ports and is left alone: only a backend with the VIP's own port will do. */
static __always_inline int fl_can_reach(const struct fl_flow_key *key,
					const struct fl_backend *backend)
{
	return key->proto != IPPROTO_SCTP || backend->port == key->destination_port;
}

static __always_inline enum fl_claimed fl_claim(struct fl_flow_key *twin_key, struct fl_flow *twin,
						__u64 now_ns)
{
	struct fl_flow *holder = bpf_map_lookup_elem(&flows, twin_key);
	long error;

	if (holder) {
		if (!fl_flow_is_same(holder, twin) &&
		    !(FL_READ_ONCE(holder->flags) & FL_FLOW_CLOSING))
			return FL_CLAIM_TAKEN;
		bpf_map_delete_elem(&flows, twin_key);
	}
	error = fl_flow_put(&flows_new, twin_key, twin, now_ns, BPF_NOEXIST);
	if (!error)
		return FL_CLAIMED;
	if (error != -EEXIST)
		return FL_CLAIM_FULL;
	holder = bpf_map_lookup_elem(&flows_new, twin_key);
	if (!holder ||
	    (!fl_flow_is_same(holder, twin) && !(FL_READ_ONCE(holder->flags) & FL_FLOW_CLOSING)))
		return FL_CLAIM_TAKEN;
	return fl_flow_put(&flows_new, twin_key, twin, now_ns, BPF_ANY) ? FL_CLAIM_FULL
									: FL_CLAIMED;
}

static __always_inline void fl_flow_set(struct fl_flow *flow, const struct fl_flow_key *key,
					const struct fl_opening *opening,
					const struct fl_backend *backend)
{
	flow->address = backend->addr;
	flow->backend_id = backend->id;
	flow->port = backend->port;
	flow->frontend_flags = opening->frontend_flags;
	flow->flags = opening->masquerade;
	/* A pod that reaches itself would see its own address and answer itself. */
	if (!fl_addr_difference(&backend->addr, &key->source))
		flow->flags |= FL_FLOW_MASQUERADE;
}

/*
 * Claims a reply key with `backend` or another one. `work->mine` has service id and client port
 * when it comes, and all of the chosen rewrite when it leaves.
 */
static __always_inline enum fl_claimed fl_claim_any(struct fl_scratch *work,
						    const struct fl_flow_key *key,
						    const struct fl_opening *opening,
						    const struct fl_backend *backend, __u64 now_ns)
{
	__u32 start = ((__u64)bpf_get_prandom_u32() * opening->interval.n) >> 32;
	enum fl_claimed claimed = FL_CLAIM_TAKEN;

	for (int try = 0; try <= FL_CLAIM_BACKENDS + FL_CLAIM_PORTS; try++) {
		fl_flow_set(&work->mine, key, opening, backend);
		fl_twin_of(key, &work->mine, &work->twin_key, &work->twin);
		claimed = fl_claim(&work->twin_key, &work->twin, now_ns);
		if (claimed != FL_CLAIM_TAKEN)
			return claimed;
		if (try < FL_CLAIM_BACKENDS && !opening->is_sticky) {
			const struct fl_backend *other =
				fl_choose_at(opening->region, opening->interval, start, try);

			if (other && fl_can_reach(key, other))
				backend = other;
		} else if (key->proto == IPPROTO_SCTP) {
			return claimed; /* no other port will do */
		} else {
			work->mine.client_port =
				bpf_htons(32768 + (bpf_get_prandom_u32() & 0x7fff));
		}
	}
	return claimed;
}

/*
 * Stores both entries of a new flow to `hit->flow.service_id`. If another CPU opened it first, its
 * choice is taken over, for the first packets of one flow must all go to one backend.
 */
static __always_inline enum fl_claimed fl_flow_open(const struct fl_flow_key *key,
						    struct fl_hit *hit,
						    const struct fl_opening *opening,
						    const struct fl_backend *backend, __u64 now_ns)
{
	struct fl_scratch *work = fl_scratch_get();
	enum fl_claimed claimed;
	long error;

	if (!work)
		return FL_CLAIM_FULL;
	work->mine.service_id = hit->flow.service_id;
	work->mine.client_port = key->source_port;
	claimed = fl_claim_any(work, key, opening, backend, now_ns);
	if (claimed != FL_CLAIMED)
		return claimed;
	error = fl_flow_put(&flows_new, key, &work->mine, now_ns, BPF_NOEXIST);
	if (!error) {
		if (work->mine.client_port != key->source_port)
			fl_count(FL_PORT_CHANGED);
		hit->flow = work->mine;
		return FL_CLAIMED;
	}
	if (error == -EEXIST && fl_flow_find(key, hit)) {
		hit->entry = NULL;
		if (fl_flow_is_same(&hit->flow, &work->mine))
			return FL_CLAIMED;
		bpf_map_delete_elem(&flows_new, &work->twin_key);
		return FL_CLAIMED;
	}
	bpf_map_delete_elem(&flows_new, &work->twin_key);
	return FL_CLAIM_FULL;
}

#endif
