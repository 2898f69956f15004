/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Refusing a packet at once: it is turned round into its own answer and sent back where it came
 * from. Every checksum is right whether the packet's own was complete or left to the device.
 */
#ifndef FL_LIB_REJECT_H
#define FL_LIB_REJECT_H

#include "../config.h"
#include "nat.h"
#include "quote.h"

enum {
	FL_REJECT_TTL = 64,
	FL_QUOTE_TRANSPORT = 8, /* bytes of the transport header that an error quotes */
	FL_MAC = 6,
};

struct fl_icmp {
	__u8 type;
	__u8 code;
	__sum16 checksum;
	__be32 unused;
};

struct fl_unreachable4 {
	struct iphdr ip;
	struct fl_icmp icmp;
	__u8 quote[sizeof(struct iphdr) + FL_QUOTE_TRANSPORT];
};

struct fl_unreachable6 {
	struct ipv6hdr ip;
	struct fl_icmp icmp;
	__u8 quote[sizeof(struct ipv6hdr) + FL_QUOTE_TRANSPORT];
};

static __always_inline int fl_swap_macs(struct __sk_buff *skb)
{
	__u8 macs[2 * FL_MAC];

	if (l2_length < sizeof(macs))
		return 0;
	return bpf_skb_load_bytes(skb, 0, macs, sizeof(macs)) ||
	       bpf_skb_store_bytes(skb, 0, macs + FL_MAC, FL_MAC, 0) ||
	       bpf_skb_store_bytes(skb, FL_MAC, macs, FL_MAC, 0);
}

static __always_inline int fl_swap_addresses(struct __sk_buff *skb, const struct fl_packet *packet)
{
	__u32 source = fl_address_at(packet, FL_SOURCE);
	__u32 destination = fl_address_at(packet, FL_DESTINATION);

	if (packet->is_v6)
		return bpf_skb_store_bytes(skb, source, &packet->destination, 16, 0) ||
		       bpf_skb_store_bytes(skb, destination, &packet->source, 16, 0);
	return bpf_skb_store_bytes(skb, source, &packet->destination.word[3], 4, 0) ||
	       bpf_skb_store_bytes(skb, destination, &packet->source.word[3], 4, 0);
}

/* The hop limit of an answer is its own, not what was left of the question's. */
static __always_inline int fl_set_ttl(struct __sk_buff *skb, const struct fl_packet *packet)
{
	__u32 at = packet->l3 + offsetof(struct iphdr, ttl);
	__u8 word[2], ttl = FL_REJECT_TTL;
	__be16 old, value;

	if (packet->is_v6)
		return bpf_skb_store_bytes(skb, packet->l3 + offsetof(struct ipv6hdr, hop_limit),
					   &ttl, 1, 0);
	if (bpf_skb_load_bytes(skb, at, word, sizeof(word)))
		return -1;
	__builtin_memcpy(&old, word, sizeof(old));
	word[0] = ttl;
	__builtin_memcpy(&value, word, sizeof(value));
	return bpf_skb_store_bytes(skb, at, word, sizeof(word), 0) ||
	       bpf_l3_csum_replace(skb, packet->l3 + offsetof(struct iphdr, check), old, value,
				   sizeof(value));
}

/* Sequence number, acknowledgement and flags of a SYN become those of its reset. */
static __always_inline int fl_make_reset(struct __sk_buff *skb, const struct fl_packet *packet)
{
	__u32 checksum = fl_checksum_at(IPPROTO_TCP, packet->l4);
	__be32 old[3], value[3];

	if (bpf_skb_load_bytes(skb, packet->l4 + 4, old, sizeof(old)))
		return -1;
	value[0] = 0;
	value[1] = bpf_htonl(bpf_ntohl(old[0]) + 1);
	/* Header length and window stay; so do options, which no one reads in a reset. */
	value[2] = (old[2] & ~bpf_htonl(0x00ff0000)) | bpf_htonl((FL_TCP_RST | FL_TCP_ACK) << 16);
	if (bpf_skb_store_bytes(skb, packet->l4 + 4, value, sizeof(value), 0))
		return -1;
	return bpf_l4_csum_replace(skb, checksum, old[0], value[0], 4) ||
	       bpf_l4_csum_replace(skb, checksum, old[1], value[1], 4) ||
	       bpf_l4_csum_replace(skb, checksum, old[2], value[2], 4);
}

/*
 * A SYN becomes its reset in place: swapping ends changes no checksum, and the rest is counted out
 * and in, so that a checksum that is left to the device comes out right too.
 */
static __always_inline int fl_reject_tcp(struct __sk_buff *skb, const struct fl_packet *packet)
{
	__be16 ports[2] = { packet->destination_port, packet->source_port };

	return fl_swap_addresses(skb, packet) || fl_set_ttl(skb, packet) ||
	       bpf_skb_store_bytes(skb, packet->l4, ports, sizeof(ports), 0) ||
	       fl_make_reset(skb, packet);
}

static __always_inline __sum16 fl_checksum_of(void *bytes, __u32 length, __u32 seed)
{
	return (__sum16)~fl_fold(bpf_csum_diff(NULL, 0, bytes, length, seed));
}

/*
 * Port unreachable in place of the packet, quoting its headers. The error's header stands where the
 * packet's transport header stood: a device that was to compute the packet's UDP checksum writes
 * the complement of a sum that is already right to the unused word, which is nothing.
 */
static __always_inline int fl_reject_v4(struct __sk_buff *skb, const struct fl_packet *packet)
{
	struct fl_unreachable4 answer = {};

	if (bpf_skb_load_bytes(skb, packet->l3, answer.quote, sizeof(answer.quote)) ||
	    bpf_skb_change_tail(skb, packet->l3 + sizeof(answer), 0))
		return -1;
	answer.ip.version = 4;
	answer.ip.ihl = sizeof(answer.ip) / 4;
	answer.ip.tot_len = bpf_htons(sizeof(answer));
	answer.ip.frag_off = bpf_htons(0x4000);
	answer.ip.ttl = FL_REJECT_TTL;
	answer.ip.protocol = IPPROTO_ICMP;
	answer.ip.saddr = packet->destination.word[3];
	answer.ip.daddr = packet->source.word[3];
	answer.ip.check = fl_checksum_of(&answer.ip, sizeof(answer.ip), 0);
	answer.icmp.type = FL_ICMP_UNREACHABLE;
	answer.icmp.code = 3;
	answer.icmp.checksum =
		fl_checksum_of(&answer.icmp, sizeof(answer.icmp) + sizeof(answer.quote), 0);
	return bpf_skb_store_bytes(skb, packet->l3, &answer, sizeof(answer), BPF_F_RECOMPUTE_CSUM);
}

static __always_inline int fl_reject_v6(struct __sk_buff *skb, const struct fl_packet *packet)
{
	struct fl_unreachable6 answer = {};
	__u32 length = sizeof(answer.icmp) + sizeof(answer.quote);

	if (bpf_skb_load_bytes(skb, packet->l3, answer.quote, sizeof(answer.quote)) ||
	    bpf_skb_change_tail(skb, packet->l3 + sizeof(answer), 0))
		return -1;
	answer.ip.version = 6;
	answer.ip.payload_len = bpf_htons(length);
	answer.ip.nexthdr = IPPROTO_ICMPV6;
	answer.ip.hop_limit = FL_REJECT_TTL;
	__builtin_memcpy(&answer.ip.saddr, &packet->destination, sizeof(answer.ip.saddr));
	__builtin_memcpy(&answer.ip.daddr, &packet->source, sizeof(answer.ip.daddr));
	answer.icmp.type = 1;
	answer.icmp.code = 4;
	/* The pseudo header: both addresses, length and protocol. */
	answer.icmp.checksum =
		fl_checksum_of(&answer.ip.saddr, 2 * sizeof(answer.ip.saddr) + length,
			       bpf_htonl(length + IPPROTO_ICMPV6));
	return bpf_skb_store_bytes(skb, packet->l3, &answer, sizeof(answer), BPF_F_RECOMPUTE_CSUM);
}

/* 0: the packet is its own answer now. Options and fragments are not answered: drop them. */
static __always_inline int fl_reject(struct __sk_buff *skb, const struct fl_packet *packet)
{
	__u32 header = packet->is_v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);

	if (packet->fragment != FL_WHOLE || packet->l4 != packet->l3 + header)
		return -1;
	if (fl_swap_macs(skb))
		return -1;
	if (packet->proto == IPPROTO_TCP)
		return fl_reject_tcp(skb, packet);
	return packet->is_v6 ? fl_reject_v6(skb, packet) : fl_reject_v4(skb, packet);
}

#endif
