/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From a destination to a backend or a verdict: what every hook shares. */
#ifndef FL_LIB_SERVICE_H
#define FL_LIB_SERVICE_H

#include "../config.h"
#include "affinity.h"
#include "count.h"
#include "event.h"
#include "frontend.h"
#include "select.h"

enum fl_verdict {
	FL_PASS = 0, /* not ours, or left alone */
	FL_TRANSLATE,
	FL_REJECT,
	FL_DROP,
};

/* Why a frontend is left alone; 0 if it is not. */
static __always_inline __u32 fl_stand_down(const struct fl_meta *meta, const struct fl_dial *dial)
{
	if (FL_READ_ONCE(meta->bypass))
		return FL_BYPASSED;
	if (fl_lease_expired(meta))
		return FL_LEASE_EXPIRED;
	if (socket_lb != FL_SOCKET_LB_ALL && !dial->is_packet && !dial->from_host)
		return FL_OUT_OF_SCOPE;
	return 0;
}

/* A frontend that is left alone: counted and told, never changed. */
static __always_inline int fl_pass(const struct fl_meta *meta, const struct fl_dial *dial,
				   __u32 reason, __u32 service_id)
{
	fl_count(reason);
	fl_event(meta, dial, FL_EVENT_PASS, reason, service_id, NULL);
	return FL_PASS;
}

static __always_inline int fl_refuse(const struct fl_meta *meta, const struct fl_dial *dial,
				     int verdict, __u32 reason, __u32 service_id)
{
	fl_count(reason);
	fl_count_reject(service_id);
	fl_event(meta, dial, verdict == FL_DROP ? FL_EVENT_DROP : FL_EVENT_REJECT, reason,
		 service_id, NULL);
	return verdict;
}

/*
 * Who stands for the client in the affinity memory: a packet's source. Of sockets, which have none
 * yet when they connect, the network namespace: TEMPORARY, until the packet path is attached.
 */
static __always_inline void fl_affinity_key_of(struct fl_affinity_key *key,
					       const struct fl_dial *dial, __u32 service_id)
{
	key->service_id = service_id;
	if (dial->is_packet) {
		key->client = dial->client;
		key->kind = FL_CLIENT_ADDRESS;
		return;
	}
	key->client.word[0] = (__u32)dial->netns_cookie;
	key->client.word[1] = (__u32)(dial->netns_cookie >> 32);
	key->kind = FL_CLIENT_NETNS_COOKIE;
}

/* A backend by policy, affinity and chance; NULL if the policy's interval is empty. */
static __always_inline const struct fl_backend *fl_backend_for(const struct fl_dial *dial,
							       const struct fl_found *found,
							       __u32 region,
							       const struct fl_region *header)
{
	struct fl_interval interval = fl_interval_of(header, found->flags);
	const struct fl_backend *backend;
	struct fl_affinity_key key = {};
	__u64 now_ns;

	if (!header->affinity_timeout_s)
		return fl_choose(region, interval);
	now_ns = bpf_ktime_get_boot_ns();
	fl_affinity_key_of(&key, dial, found->service_id);
	backend = fl_affinity_find(&key, header->affinity_timeout_s, found->flags, now_ns);
	if (!backend)
		backend = fl_choose(region, interval);
	if (backend)
		fl_affinity_remember(&key, backend->id, now_ns);
	return backend;
}

/* Decides a destination that is a frontend. FL_TRANSLATE fills `backend`. */
static __always_inline int fl_resolve(const struct fl_meta *meta, const struct fl_dial *dial,
				      const struct fl_found *found,
				      const struct fl_backend **backend)
{
	const struct fl_region *header;
	__u32 region, reason;

	reason = fl_stand_down(meta, dial);
	if (reason)
		return fl_pass(meta, dial, reason, found->service_id);
	if (found->kind == FL_FRONTEND_ANY_PORT)
		return fl_refuse(meta, dial, FL_REJECT, FL_NO_SUCH_PORT, found->service_id);
	region = fl_region_of(found->service_id);
	header = region ? fl_region_get(region, found->service_id) : NULL;
	if (!header)
		return fl_pass(meta, dial, FL_BAD_REGION, found->service_id);
	*backend = fl_backend_for(dial, found, region, header);
	if (*backend)
		return FL_TRANSLATE;
	if (header->flags & FL_REGION_HAS_ENDPOINTS)
		return fl_refuse(meta, dial, FL_DROP, FL_NO_LOCAL_ENDPOINTS, found->service_id);
	return fl_refuse(meta, dial, FL_REJECT, FL_NO_ENDPOINTS, found->service_id);
}

#endif
