/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The packet path: ingress hooks turn a frontend into a backend, egress hooks turn the backend of
 * a reply into the frontend again, so whatever stands between sees backend and client.
 */
#ifndef FL_LIB_PACKET_H
#define FL_LIB_PACKET_H

#include <linux/pkt_cls.h>
#include "claim.h"
#include "fragment.h"
#include "quote.h"
#include "reject.h"

/* Ports of the packet by its kind; 0: not ours. */
static __always_inline int fl_parse_flow(struct __sk_buff *skb, struct fl_packet *packet)
{
	if (!fl_has_ports(packet->proto))
		return 0;
	if (packet->fragment == FL_LATER_FRAGMENT)
		return fl_fragment_recall(packet);
	return fl_parse_transport(skb, packet);
}

static __always_inline void fl_flow_key_of(struct fl_flow_key *key, const struct fl_packet *packet,
					   __u8 side, __u8 direction)
{
	key->source = packet->source;
	key->destination = packet->destination;
	key->source_port = packet->source_port;
	key->destination_port = packet->destination_port;
	key->proto = packet->proto;
	key->side = side;
	key->direction = direction;
	key->pad = 0;
}

static __always_inline void fl_change_of(struct fl_change *change, const struct fl_flow *flow)
{
	change->address = flow->address;
	change->port = flow->port;
	change->other_port = flow->client_port;
}

static __always_inline int fl_drop(__u32 reason)
{
	fl_count(reason);
	return TC_ACT_SHOT;
}

static __always_inline int fl_rewritten(int error)
{
	return error ? fl_drop(FL_REWRITE_FAILED) : TC_ACT_UNSPEC;
}

static __always_inline void fl_mark(struct __sk_buff *skb, const struct fl_flow *flow)
{
	if (masquerade_mark && (flow->flags & FL_FLOW_MASQUERADE))
		skb->mark |= masquerade_mark;
}

/*
 * May a packet that could open a flow go on in this one? Not while we stand down, not in one that
 * was closed, not when the frontend is another Service's now, not to a backend that is gone: a
 * datagram stays with any that serves (kube-proxy-behaviour U1), a new connection with one that
 * the policy allows.
 */
static __always_inline int fl_may_stay(const struct fl_meta *meta, const struct fl_dial *dial,
				       const struct fl_found *found, const struct fl_flow *flow)
{
	if (fl_stand_down(meta, dial) || (flow->flags & FL_FLOW_CLOSING))
		return 0;
	if (found->service_id == flow->service_id &&
	    fl_member_find(flow->service_id, flow->backend_id, dial->proto == IPPROTO_UDP,
			   found->flags))
		return 1;
	fl_count(FL_FLOW_MOVED);
	return 0;
}

/* Table 1.3 of kube-proxy-behaviour, with pods told from others by the device they come through. */
static __always_inline __u8 fl_masquerades(const struct fl_region *header, __u32 frontend_flags)
{
	if (frontend_flags & FL_FRONTEND_EXTERNAL)
		return header->flags & FL_REGION_EXTERNAL_LOCAL ? 0 : FL_FLOW_MASQUERADE;
	return frontend_flags & FL_FROM_WIRE ? FL_FLOW_MASQUERADE : 0;
}

/* A backend for a new flow, by the rules of all hooks, and both its entries. Returns a verdict. */
static __always_inline int fl_open(const struct fl_meta *meta, const struct fl_dial *dial,
				   const struct fl_found *found, const struct fl_flow_key *key,
				   struct fl_hit *hit)
{
	const struct fl_backend *backend = NULL;
	struct fl_opening opening = {};
	const struct fl_region *header;
	enum fl_claimed claimed;
	int verdict;

	verdict = fl_resolve(meta, dial, found, &backend);
	if (verdict != FL_TRANSLATE || !backend)
		return verdict;
	opening.region = fl_region_of(found->service_id);
	header = fl_region_get(opening.region, found->service_id);
	if (!header || fl_addr_is_v4(&backend->addr) != fl_addr_is_v4(&dial->destination))
		return fl_pass(meta, dial, FL_BAD_REGION, found->service_id);
	if (!fl_can_reach(key, backend))
		return fl_refuse(meta, dial, FL_DROP, FL_SCTP_PORT_DIFFERS, found->service_id);
	opening.interval = fl_interval_of(header, found->flags);
	opening.is_sticky = header->affinity_timeout_s != 0;
	opening.masquerade = fl_masquerades(header, found->flags);
	opening.frontend_flags = found->flags;
	hit->flow.service_id = found->service_id;
	claimed = fl_flow_open(key, hit, &opening, backend, bpf_ktime_get_boot_ns());
	if (claimed != FL_CLAIMED)
		return fl_refuse(meta, dial, FL_DROP,
				 claimed == FL_CLAIM_TAKEN ? FL_PORTS_TAKEN : FL_FLOW_FULL,
				 found->service_id);
	fl_count(FL_TRANSLATED);
	fl_count_connection(found->service_id);
	fl_event(meta, dial, FL_EVENT_TRANSLATE, FL_TRANSLATED, found->service_id, backend);
	return FL_TRANSLATE;
}

/* The first packet of a flow, or one that could be. `is_hit`: an entry is in `hit`. */
static __always_inline int fl_start(const struct fl_packet *packet, const struct fl_flow_key *key,
				    struct fl_hit *hit, int is_hit)
{
	__u32 wire = key->side == FL_SIDE_UPLINK ? FL_FROM_WIRE : 0;
	const struct fl_meta *meta = fl_meta_get();
	struct fl_dial dial = {
		.destination = packet->destination,
		.client = packet->source,
		.port = packet->destination_port,
		.proto = packet->proto,
		.hook = wire ? FL_HOOK_UPLINK_INGRESS : FL_HOOK_POD_INGRESS,
		.is_packet = 1,
	};
	struct fl_found found;

	if (!meta)
		return FL_PASS;
	found = fl_frontend_find(&dial.destination, dial.port, dial.proto, 0);
	if (found.is_torn && !found.is_found)
		return is_hit ? FL_TRANSLATE : fl_pass(meta, &dial, FL_TORN_READ, 0);
	found.flags |= wire;
	if (is_hit) {
		if (found.is_found && fl_may_stay(meta, &dial, &found, &hit->flow))
			return FL_TRANSLATE;
		if (!fl_stand_down(meta, &dial))
			fl_flow_forget(key);
		hit->entry = NULL;
	}
	if (!found.is_found)
		return FL_PASS;
	return fl_open(meta, &dial, &found, key, hit);
}

/* What a packet tells of its flow's life. */
static __always_inline void fl_follow(const struct fl_packet *packet, const struct fl_flow_key *key,
				      struct fl_hit *hit)
{
	__u64 now_ns = bpf_ktime_get_boot_ns();

	fl_flow_touch(key, hit, now_ns);
	if (packet->proto == IPPROTO_UDP || packet->fragment == FL_LATER_FRAGMENT)
		return;
	if (packet->is_end)
		fl_flow_flag(key, hit, FL_FLOW_CLOSING, now_ns);
	else if (!hit->is_new || packet->is_start)
		return;
	else if (key->direction == FL_DIRECTION_REPLY)
		fl_flow_flag(key, hit, FL_FLOW_ANSWERED, now_ns);
	else
		fl_flow_promote(key, hit, now_ns);
}

/* Sends the packet, made its own answer, back through the device that it came from. */
static __always_inline int fl_send_back(struct __sk_buff *skb, const struct fl_packet *packet)
{
	return fl_reject(skb, packet) ? TC_ACT_SHOT : bpf_redirect(skb->ifindex, 0);
}

/* Destination: frontend to backend. */
static __always_inline int fl_forward(struct __sk_buff *skb, struct fl_packet *packet, __u8 side)
{
	struct fl_change change;
	struct fl_flow_key key;
	struct fl_hit hit;
	int is_hit;

	if (!fl_parse_flow(skb, packet))
		return TC_ACT_UNSPEC;
	fl_flow_key_of(&key, packet, side, FL_DIRECTION_ORIGINAL);
	is_hit = fl_flow_find(&key, &hit);
	if (!is_hit && !packet->is_start)
		return TC_ACT_UNSPEC; /* not begun by us: kube-proxy's, or no Service's at all */
	if (packet->is_start) {
		int verdict = fl_start(packet, &key, &hit, is_hit);

		if (verdict == FL_PASS)
			return TC_ACT_UNSPEC;
		if (verdict == FL_REJECT)
			return fl_send_back(skb, packet);
		if (verdict != FL_TRANSLATE)
			return TC_ACT_SHOT;
	}
	if (hit.entry)
		fl_follow(packet, &key, &hit);
	fl_fragment_remember(packet);
	fl_mark(skb, &hit.flow);
	fl_change_of(&change, &hit.flow);
	return fl_rewritten(fl_rewrite(skb, packet, FL_DESTINATION, &change));
}

/* Source: backend to frontend. Never stands down: what exists is undone. */
static __always_inline int fl_undo(struct __sk_buff *skb, struct fl_packet *packet, __u8 side)
{
	struct fl_change change;
	struct fl_flow_key key;
	struct fl_hit hit;

	if (!fl_parse_flow(skb, packet))
		return TC_ACT_UNSPEC;
	fl_flow_key_of(&key, packet, side, FL_DIRECTION_REPLY);
	if (!fl_flow_find(&key, &hit))
		return TC_ACT_UNSPEC;
	fl_follow(packet, &key, &hit);
	fl_fragment_remember(packet);
	fl_count(FL_REVERSED);
	fl_change_of(&change, &hit.flow);
	return fl_rewritten(fl_rewrite(skb, packet, FL_SOURCE, &change));
}

/* The flow that an error quotes a packet of, sent by whom the error is for. 0: none of ours. */
static __always_inline int fl_find_quoted(struct __sk_buff *skb, const struct fl_packet *packet,
					  struct fl_packet *quote, struct fl_flow_key *key,
					  struct fl_hit *hit)
{
	if (!fl_parse_quote(skb, packet, quote) ||
	    fl_addr_difference(&quote->source, &packet->destination))
		return 0;
	fl_quote_key(key, quote);
	return fl_flow_find(key, hit);
}

/* An error about a reply: the client must be seen to talk of what the backend sent. */
static __always_inline int fl_forward_error(struct __sk_buff *skb, struct fl_packet *packet,
					    __u8 side)
{
	struct fl_flow_key key = { .side = side, .direction = FL_DIRECTION_ORIGINAL };
	struct fl_packet quote = {};
	struct fl_change change;
	struct fl_hit hit;

	if (!fl_find_quoted(skb, packet, &quote, &key, &hit))
		return TC_ACT_UNSPEC;
	fl_mark(skb, &hit.flow);
	fl_change_of(&change, &hit.flow);
	if (fl_rewrite_quote(skb, packet, &quote, FL_SOURCE, &change))
		return fl_drop(FL_REWRITE_FAILED);
	return fl_rewritten(fl_rewrite_address(skb, packet, FL_DESTINATION, &change));
}

/*
 * An error about a request, from the backend or from a router on the way to it: the client must be
 * told of what it sent. A router's own address stays: it says who could not go on.
 */
static __always_inline int fl_undo_error(struct __sk_buff *skb, struct fl_packet *packet, __u8 side)
{
	struct fl_flow_key key = { .side = side, .direction = FL_DIRECTION_REPLY };
	struct fl_packet quote = {};
	struct fl_change change;
	struct fl_hit hit;

	if (!fl_find_quoted(skb, packet, &quote, &key, &hit))
		return TC_ACT_UNSPEC;
	fl_count(FL_REVERSED);
	fl_change_of(&change, &hit.flow);
	if (fl_rewrite_quote(skb, packet, &quote, FL_DESTINATION, &change))
		return fl_drop(FL_REWRITE_FAILED);
	if (fl_addr_difference(&packet->source, &key.source))
		return TC_ACT_UNSPEC;
	return fl_rewritten(fl_rewrite_address(skb, packet, FL_SOURCE, &change));
}

#endif
