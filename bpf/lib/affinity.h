/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Session affinity ClientIP (kube-proxy-behaviour S1-S3): one memory per client and service port,
 * whichever frontend was dialled; the timer restarts on each new connection.
 */
#ifndef FL_LIB_AFFINITY_H
#define FL_LIB_AFFINITY_H

#include "../maps.h"
#include "count.h"
#include "select.h"

/* The backend remembered for `key`, while it is within the policy and the timeout; else NULL. */
static __always_inline const struct fl_backend *fl_affinity_find(const struct fl_affinity_key *key,
								 __u32 timeout_s,
								 __u32 frontend_flags, __u64 now_ns)
{
	struct fl_affinity *memory = bpf_map_lookup_elem(&affinity, key);
	const struct fl_backend *backend = NULL;

	if (!memory)
		return NULL;
	if (now_ns - FL_READ_ONCE(memory->last_used_ns) < timeout_s * 1000000000ull)
		backend = fl_member_find(key->service_id, FL_READ_ONCE(memory->backend_id), 0,
					 frontend_flags);
	fl_count(backend ? FL_AFFINITY_HIT : FL_AFFINITY_STALE);
	return backend;
}

static __always_inline void fl_affinity_remember(const struct fl_affinity_key *key,
						 __u32 backend_id, __u64 now_ns)
{
	struct fl_affinity memory = { .last_used_ns = now_ns, .backend_id = backend_id };

	bpf_map_update_elem(&affinity, key, &memory, BPF_ANY);
}

#endif
