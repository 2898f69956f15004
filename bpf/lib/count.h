/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counters: the only place that bumps one. Per CPU, so plain additions. */
#ifndef FL_LIB_COUNT_H
#define FL_LIB_COUNT_H

#include "../maps.h"

static __always_inline void fl_count(__u32 reason)
{
	__u64 *count = bpf_map_lookup_elem(&reasons, &reason);

	if (count)
		(*count)++;
}

static __always_inline void fl_count_connection(__u32 service_id)
{
	struct fl_service_stats *stats = bpf_map_lookup_elem(&service_stats, &service_id);

	if (stats)
		stats->connections_n++;
}

static __always_inline void fl_count_reject(__u32 service_id)
{
	struct fl_service_stats *stats = bpf_map_lookup_elem(&service_stats, &service_id);

	if (stats)
		stats->rejects_n++;
}

#endif
