/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sampled events for `fairlead events`. A full ring buffer costs the event, never the connection. */
#ifndef FL_LIB_EVENT_H
#define FL_LIB_EVENT_H

#include "../maps.h"
#include "meta.h"

/* What the hooks know of one call, before and after the choice. */
struct fl_dial {
	struct fl_addr destination;
	struct fl_addr client; /* of packets; a socket has no source address yet when it connects */
	__u64 netns_cookie;    /* of sockets */
	__be16 port;
	__u8 proto;	/* IPPROTO_* */
	__u8 hook;	/* enum fl_hook */
	__u8 from_host; /* the caller's namespace is the node's own */
	__u8 is_packet; /* no socket's call but a packet on a device */
};

/* Translations are sampled; what was refused or dropped is always worth a record. */
static __always_inline int fl_event_wanted(const struct fl_meta *meta, __u8 kind)
{
	__u64 sample = FL_READ_ONCE(meta->event_sample);

	if (!sample)
		return 0;
	return kind != FL_EVENT_TRANSLATE || bpf_get_prandom_u32() % (__u32)sample == 0;
}

/* Packets have no caller, and old kernels do not even give their programs these helpers. */
static __always_inline void fl_event_caller(struct fl_event *event)
{
#ifndef FL_PACKET_PROGRAM
	event->cgroup_id = bpf_get_current_cgroup_id();
	event->pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
#endif
}

static __always_inline void fl_event(const struct fl_meta *meta, const struct fl_dial *dial,
				     __u8 kind, __u8 reason, __u32 service_id,
				     const struct fl_backend *backend)
{
	struct fl_event *event;

	if (!fl_event_wanted(meta, kind))
		return;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event)
		return;
	__builtin_memset(event, 0, sizeof(*event));
	event->time_ns = bpf_ktime_get_boot_ns();
	event->netns_cookie = dial->netns_cookie;
	event->destination = dial->destination;
	event->destination_port = dial->port;
	event->service_id = service_id;
	event->kind = kind;
	event->hook = dial->hook;
	event->reason = reason;
	event->proto = dial->proto;
	fl_event_caller(event);
	if (backend) {
		event->backend = backend->addr;
		event->backend_port = backend->port;
		event->backend_id = backend->id;
	}
	bpf_ringbuf_submit(event, 0);
}

#endif
