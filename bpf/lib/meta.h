/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the agent told the programs: bypass, lease, whose namespace is the node's. */
#ifndef FL_LIB_META_H
#define FL_LIB_META_H

#include "../maps.h"
#include "seal.h"

static __always_inline struct fl_meta *fl_meta_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&meta, &zero);
}

/* No agent was seen for the lease's time: what it last knew may be long wrong. */
static __always_inline int fl_lease_expired(const struct fl_meta *meta)
{
	__u64 lease_ns = FL_READ_ONCE(meta->lease_ns);

	return lease_ns && bpf_ktime_get_boot_ns() > FL_READ_ONCE(meta->heartbeat_ns) + lease_ns;
}

#endif
