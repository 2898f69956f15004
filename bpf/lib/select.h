/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Choosing a backend: one read of `services`, then the region's header and one backend. A region
 * is freed only after a membarrier, so what this program run has found stays whole until it ends.
 */
#ifndef FL_LIB_SELECT_H
#define FL_LIB_SELECT_H

#include "../maps.h"
#include "frontend.h"
#include "seal.h"

/* Backends that a policy allows: [offset, offset + n) behind the header. */
struct fl_interval {
	__u32 offset;
	__u32 n;
};

/* The header of the service's current region; NULL if there is none or it is another's. */
static __always_inline const struct fl_region *fl_region_get(__u32 region, __u32 service_id)
{
	const struct fl_region *header = bpf_map_lookup_elem(&backends, &region);

	return header && header->service_id == service_id ? header : NULL;
}

/* Index of the current region's header; 0: no such service. */
static __always_inline __u32 fl_region_of(__u32 service_id)
{
	struct fl_service *service = bpf_map_lookup_elem(&services, &service_id);

	/* One aligned load: {region, generation}. */
	return service ? (__u32) * (volatile __u64 *)service : 0;
}

/* Or-ed to a frontend's flags by the hook that asks; stands above all of enum fl_frontend_flag. */
enum {
	FL_FROM_WIRE = 1u << 16, /* the packet came from outside: no short circuit for it */
};

/*
 * Traffic that starts on this node, as all that socket hooks see: an internal frontend follows
 * internalTrafficPolicy; an external one is short-circuited to the whole cluster even under
 * externalTrafficPolicy Local, but for what comes from outside (kube-proxy-behaviour table 1.3).
 */
static __always_inline struct fl_interval fl_interval_of(const struct fl_region *header,
							 __u32 frontend_flags)
{
	struct fl_interval cluster = { header->cluster_offset, header->cluster_n };
	struct fl_interval local = { 0, header->local_n };

	/* By multiplication: branches here made fl_sendmsg half again as long to verify. */
	__u32 external = !!(frontend_flags & FL_FRONTEND_EXTERNAL);
	__u32 wire = !!(frontend_flags & FL_FROM_WIRE);
	__u32 decisive = FL_REGION_INTERNAL_LOCAL * (external ^ 1) |
			 FL_REGION_EXTERNAL_LOCAL * (external & wire);

	return header->flags & decisive ? local : cluster;
}

/* The backend `step` places behind `start`, around the interval's end; NULL if it is empty. */
static __always_inline const struct fl_backend *
fl_choose_at(__u32 region, struct fl_interval interval, __u32 start, __u32 step)
{
	__u32 slot;

	if (!interval.n)
		return NULL;
	slot = region + 1 + interval.offset + (start + step) % interval.n;
	return bpf_map_lookup_elem(&backends, &slot);
}

/* Uniform in the interval (kube-proxy-behaviour C6); NULL if it is empty. */
static __always_inline const struct fl_backend *fl_choose(__u32 region, struct fl_interval interval)
{
	__u32 start = ((__u64)bpf_get_prandom_u32() * interval.n) >> 32;

	return fl_choose_at(region, interval, start, 0);
}

/*
 * The remembered backend, if it is still a member of the service; NULL otherwise. `interval` is
 * filled with nothing it must lie in: pass NULL where any serving backend will do (UDP sockets,
 * kube-proxy-behaviour U1), the frontend's flags where the policy decides (affinity, S2).
 */
static __always_inline const struct fl_backend *fl_member_find(__u32 service_id, __u32 backend_id,
							       int any, __u32 frontend_flags)
{
	struct fl_member_key key = { .service_id = service_id, .backend_id = backend_id };
	__u32 hash = fl_key_hash(&key, sizeof(key) / 4);

#pragma unroll
	for (int try = 0; try < 2; try++) {
		struct fl_member *value = bpf_map_lookup_elem(&members, &key);

		if (!value)
			return NULL;
		__u64 seal_last = fl_read_seal(&value->seal_last);
		__u32 offset = FL_READ_ONCE(value->offset);
		__u32 region = FL_READ_ONCE(value->region);

		if (!fl_seal_fits(fl_read_seal(&value->seal_first), seal_last, hash))
			continue;

		const struct fl_region *header = fl_region_get(region, service_id);
		__u32 slot = region + 1 + offset;
		const struct fl_backend *backend = bpf_map_lookup_elem(&backends, &slot);

		if (!header || !backend || backend->id != backend_id)
			return NULL;
		if (any)
			return backend;
		struct fl_interval interval = fl_interval_of(header, frontend_flags);

		return offset - interval.offset < interval.n ? backend : NULL;
	}
	return NULL;
}

#endif
