/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ICMP errors quote the packet that they are about. Whoever gets one must find in it what he sent,
 * so the quote is rewritten as the flow is, against its direction, and the error's own checksum
 * follows. Path MTU through a VIP works by this.
 */
#ifndef FL_LIB_QUOTE_H
#define FL_LIB_QUOTE_H

#include "flow.h"
#include "nat.h"

enum {
	FL_ICMP_HEADER = 8,
	FL_ICMP_UNREACHABLE = 3,
	FL_ICMP_SOURCE_QUENCH = 4,
	FL_ICMP_TIME_EXCEEDED = 11,
	FL_ICMP_PARAMETER_PROBLEM = 12,
	FL_ICMPV6_PARAMETER_PROBLEM = 4, /* the last of 1..4, the errors that we know */
};

/* 1 if the packet is a whole ICMP error of its family, about a packet. */
static __always_inline int fl_is_icmp_error(struct __sk_buff *skb, const struct fl_packet *packet)
{
	__u8 type;

	if (packet->proto != (packet->is_v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP) ||
	    packet->fragment != FL_WHOLE || bpf_skb_load_bytes(skb, packet->l4, &type, 1))
		return 0;
	if (packet->is_v6)
		return type >= 1 && type <= FL_ICMPV6_PARAMETER_PROBLEM;
	return type == FL_ICMP_UNREACHABLE || type == FL_ICMP_SOURCE_QUENCH ||
	       type == FL_ICMP_TIME_EXCEEDED || type == FL_ICMP_PARAMETER_PROBLEM;
}

/* The quoted packet, with ports; 0: not about a flow. */
static __always_inline int fl_parse_quote(struct __sk_buff *skb, const struct fl_packet *packet,
					  struct fl_packet *quote)
{
	return fl_parse_ip(skb, packet->l4 + FL_ICMP_HEADER, quote, 1) &&
	       quote->fragment != FL_LATER_FRAGMENT && fl_has_ports(quote->proto) &&
	       quote->l4 + 4 <= packet->end && fl_load_ports(skb, quote);
}

/* Ends of the flow that the quoted packet went the other way of. */
static __always_inline void fl_quote_key(struct fl_flow_key *key, const struct fl_packet *quote)
{
	key->source = quote->destination;
	key->destination = quote->source;
	key->source_port = quote->destination_port;
	key->destination_port = quote->source_port;
	key->proto = quote->proto;
}

static __always_inline __u16 fl_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/* Replaces two bytes of the quote; the error's checksum at `icmp` follows. 0 on success. */
static __always_inline int fl_quote_store(struct __sk_buff *skb, __u32 icmp, __u32 at, __be16 old,
					  __be16 value)
{
	if (old == value)
		return 0;
	return bpf_skb_store_bytes(skb, at, &value, sizeof(value), 0) ||
	       bpf_l4_csum_replace(skb, icmp, old, value, sizeof(value));
}

/*
 * The quoted transport's checksum, if that much was quoted: it counts the old ports and addresses
 * out and the new ones in. 0 on success.
 */
static __always_inline int fl_quote_checksum(struct __sk_buff *skb, __u32 icmp,
					     const struct fl_packet *packet,
					     const struct fl_packet *quote, __u64 difference)
{
	__u32 at = fl_checksum_at(quote->proto, quote->l4);
	__u16 old, value;

	if (!at || at + 2 > packet->end || bpf_skb_load_bytes(skb, at, &old, sizeof(old)))
		return 0;
	if (!old && quote->proto == IPPROTO_UDP)
		return 0;
	value = ~fl_fold((__u16)~old + (difference & 0xffffffff));
	if (!value && quote->proto == IPPROTO_UDP)
		value = 0xffff;
	return fl_quote_store(skb, icmp, at, old, value);
}

/*
 * Rewrites one end's address and both ports of the quote. Of IPv4, address and header checksum
 * balance each other in the error's checksum. 0 on success.
 */
static __always_inline int fl_rewrite_quote(struct __sk_buff *skb, const struct fl_packet *packet,
					    struct fl_packet *quote, enum fl_end end,
					    struct fl_change *change)
{
	__be16 source = end == FL_SOURCE ? change->port : change->other_port;
	__be16 destination = end == FL_SOURCE ? change->other_port : change->port;
	__u32 icmp = packet->l4 + 2;
	__s64 difference;
	__u64 ports;

	if (fl_store_address(skb, quote, end, &change->address, &difference))
		return -1;
	if (quote->is_v6 && bpf_l4_csum_replace(skb, icmp, 0, difference, 0))
		return -1;
	ports = (__u64)source + destination + (__u16)~quote->source_port +
		(__u16)~quote->destination_port;
	if (fl_quote_checksum(skb, icmp, packet, quote, fl_fold(difference) + ports))
		return -1;
	if (fl_quote_store(skb, icmp, quote->l4, quote->source_port, source))
		return -1;
	return fl_quote_store(skb, icmp, quote->l4 + 2, quote->destination_port, destination);
}

#endif
