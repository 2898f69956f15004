/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Parsing: what of a packet decides where it goes. By bpf_skb_load_bytes, so it does not matter
 * what is linear. Offsets count from the start of the packet's data. A packet of any unknown
 * shape is not ours: parsing returns 0 and it goes on its way untouched.
 */
#ifndef FL_LIB_PARSE_H
#define FL_LIB_PARSE_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_helpers.h>
#include "addr.h"

enum fl_fragment {
	FL_WHOLE = 0,
	FL_FIRST_FRAGMENT,
	FL_LATER_FRAGMENT,
};

struct fl_packet {
	struct fl_addr source;
	struct fl_addr destination;
	__be32 fragment_id;
	__u32 end; /* offset behind the IP packet's last byte */
	__u32 l3;  /* offset of the IP header */
	__u32 l4;  /* offset of the header behind it */
	__be16 source_port;
	__be16 destination_port;
	__u8 proto; /* IPPROTO_* of that header */
	__u8 is_v6;
	__u8 fragment; /* enum fl_fragment */
	__u8 is_start; /* may open a flow: SYN, INIT, any datagram */
	__u8 is_end;   /* one side is through: FIN, RST, ABORT, SHUTDOWN-COMPLETE */
};

enum {
	FL_TCP_FIN = 1,
	FL_TCP_SYN = 2,
	FL_TCP_RST = 4,
	FL_TCP_ACK = 16,
};

/* Chunk types of SCTP. */
enum {
	FL_SCTP_INIT = 1,
	FL_SCTP_ABORT = 6,
	FL_SCTP_SHUTDOWN_COMPLETE = 14,
};

/* Extension headers that are walked; more of them is a shape we do not know. */
enum {
	FL_EXTENSION_HEADERS = 4,
};

/*
 * `is_quote`: the header stands in an ICMP error, which repeats only the start of the packet, so
 * its length says nothing.
 */
static __always_inline int fl_parse_v4(struct __sk_buff *skb, __u32 l3, struct fl_packet *packet,
				       int is_quote)
{
	__u32 header, total;
	__u16 fragment;
	struct iphdr ip;

	if (bpf_skb_load_bytes(skb, l3, &ip, sizeof(ip)) || ip.version != 4 || ip.ihl < 5)
		return 0;
	header = ip.ihl * 4;
	total = bpf_ntohs(ip.tot_len);
	if (!is_quote) {
		if (!total) /* super-packets above 64 KB */
			total = skb->len - l3;
		if (total < header || l3 + total > skb->len)
			return 0;
	}
	packet->source = fl_addr_v4(ip.saddr);
	packet->destination = fl_addr_v4(ip.daddr);
	packet->l3 = l3;
	packet->l4 = l3 + header;
	packet->end = l3 + total;
	packet->proto = ip.protocol;
	packet->is_v6 = 0;
	packet->fragment_id = ip.id;
	fragment = bpf_ntohs(ip.frag_off);
	packet->fragment = FL_WHOLE;
	if (fragment & 0x1fff)
		packet->fragment = FL_LATER_FRAGMENT;
	else if (fragment & 0x2000)
		packet->fragment = FL_FIRST_FRAGMENT;
	return 1;
}

struct fl_extension {
	__u8 next;
	__u8 length;
	__be16 fragment;
	__be32 id;
};

/*
 * Walks to the header behind the extensions. A fragment header ends the walk: what stands behind
 * it is in the first fragment only, and its number is in all of them.
 */
static __always_inline int fl_parse_extensions(struct __sk_buff *skb, struct fl_packet *packet,
					       __u8 next)
{
	struct fl_extension extension;
	__u32 at = packet->l3 + sizeof(struct ipv6hdr);

	packet->fragment = FL_WHOLE;
	for (int i = 0; i < FL_EXTENSION_HEADERS; i++) {
		if (next != IPPROTO_HOPOPTS && next != IPPROTO_DSTOPTS && next != IPPROTO_FRAGMENT)
			break;
		if (bpf_skb_load_bytes(skb, at, &extension, sizeof(extension)))
			return 0;
		if (next == IPPROTO_FRAGMENT) {
			__u16 fragment = bpf_ntohs(extension.fragment);

			at += sizeof(extension);
			next = extension.next;
			packet->fragment_id = extension.id;
			if (fragment & 0xfff8)
				packet->fragment = FL_LATER_FRAGMENT;
			else if (fragment & 1)
				packet->fragment = FL_FIRST_FRAGMENT;
			break;
		}
		at += (extension.length + 1) * 8;
		next = extension.next;
	}
	packet->proto = next;
	packet->l4 = at;
	return 1;
}

static __always_inline int fl_parse_v6(struct __sk_buff *skb, __u32 l3, struct fl_packet *packet,
				       int is_quote)
{
	struct ipv6hdr ip;
	__u32 total;

	if (bpf_skb_load_bytes(skb, l3, &ip, sizeof(ip)) || ip.version != 6)
		return 0;
	total = bpf_ntohs(ip.payload_len) + sizeof(ip);
	if (!is_quote) {
		if (!ip.payload_len) /* super-packets above 64 KB */
			total = skb->len - l3;
		if (l3 + total > skb->len)
			return 0;
	}
	__builtin_memcpy(&packet->source, &ip.saddr, sizeof(packet->source));
	__builtin_memcpy(&packet->destination, &ip.daddr, sizeof(packet->destination));
	/* Our way to write an IPv4 address must not be taken for one. */
	if (fl_addr_is_v4(&packet->source) || fl_addr_is_v4(&packet->destination))
		return 0;
	packet->l3 = l3;
	packet->end = l3 + total;
	packet->is_v6 = 1;
	return fl_parse_extensions(skb, packet, ip.nexthdr);
}

/* Addresses, protocol and fragmentation of the packet; 0: not IP, or not as we know it. */
static __always_inline int fl_parse_ip(struct __sk_buff *skb, __u32 l3, struct fl_packet *packet,
				       int is_quote)
{
	if (skb->protocol == bpf_htons(ETH_P_IP))
		return fl_parse_v4(skb, l3, packet, is_quote);
	if (skb->protocol == bpf_htons(ETH_P_IPV6))
		return fl_parse_v6(skb, l3, packet, is_quote);
	return 0;
}

static __always_inline int fl_has_ports(__u8 proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP;
}

static __always_inline int fl_load_ports(struct __sk_buff *skb, struct fl_packet *packet)
{
	__be16 ports[2];

	if (bpf_skb_load_bytes(skb, packet->l4, ports, sizeof(ports)))
		return 0;
	packet->source_port = ports[0];
	packet->destination_port = ports[1];
	return 1;
}

/* What TCP's flags say. */
static __always_inline int fl_parse_tcp(struct __sk_buff *skb, struct fl_packet *packet)
{
	__u8 flags;

	if (packet->l4 + 20 > packet->end || bpf_skb_load_bytes(skb, packet->l4 + 13, &flags, 1))
		return 0;
	packet->is_start =
		(flags & (FL_TCP_SYN | FL_TCP_ACK | FL_TCP_RST | FL_TCP_FIN)) == FL_TCP_SYN;
	packet->is_end = !!(flags & (FL_TCP_FIN | FL_TCP_RST));
	return 1;
}

/* What the first chunk of an SCTP packet says. */
static __always_inline int fl_parse_sctp(struct __sk_buff *skb, struct fl_packet *packet)
{
	__u8 chunk;

	if (packet->l4 + 16 > packet->end || bpf_skb_load_bytes(skb, packet->l4 + 12, &chunk, 1))
		return 0;
	packet->is_start = chunk == FL_SCTP_INIT;
	packet->is_end = chunk == FL_SCTP_ABORT || chunk == FL_SCTP_SHUTDOWN_COMPLETE;
	return 1;
}

/* The transport header of a packet that is whole or a first fragment. */
static __always_inline int fl_parse_transport(struct __sk_buff *skb, struct fl_packet *packet)
{
	packet->is_start = 0;
	packet->is_end = 0;
	if (!fl_load_ports(skb, packet))
		return 0;
	if (packet->proto == IPPROTO_TCP)
		return fl_parse_tcp(skb, packet);
	if (packet->proto == IPPROTO_SCTP)
		return fl_parse_sctp(skb, packet);
	packet->is_start = 1;
	return packet->l4 + 8 <= packet->end;
}

#endif
