/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rewriting addresses and ports in place, with every checksum that covers them, whether the
 * device computes it or we do: the kernel's helpers know CHECKSUM_PARTIAL from the pseudo-header
 * flag. Addresses are v4-mapped, so their difference is the same for both families.
 *
 * skb->csum of CHECKSUM_COMPLETE stays right too: the header's checksum balances an IPv4 address;
 * an IPv6 address is stored with BPF_F_RECOMPUTE_CSUM, for then the pseudo-header flag, which
 * takes the difference away again, needs no BPF_F_IPV6, which kernels before 6.16 do not know.
 */
#ifndef FL_LIB_NAT_H
#define FL_LIB_NAT_H

#include <stddef.h>
#include "parse.h"

enum fl_end {
	FL_SOURCE = 0,
	FL_DESTINATION = 1,
};

/* What one packet is changed into. */
struct fl_change {
	struct fl_addr address; /* of the end that is rewritten */
	__be16 port;		/* of that end */
	__be16 other_port;	/* of the other end, whose address stays */
};

/* Offset of the checksum behind `l4`; 0: the protocol has none that covers addresses. */
static __always_inline __u32 fl_checksum_at(__u8 proto, __u32 l4)
{
	if (proto == IPPROTO_TCP)
		return l4 + 16;
	if (proto == IPPROTO_UDP)
		return l4 + 6;
	if (proto == IPPROTO_ICMPV6)
		return l4 + 2;
	return 0;
}

/* A UDP checksum of 0 means none and stays; one that becomes 0 is written as 0xffff. */
static __always_inline __u64 fl_checksum_flags(__u8 proto)
{
	return proto == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;
}

static __always_inline __u32 fl_address_at(const struct fl_packet *packet, enum fl_end end)
{
	if (packet->is_v6)
		return packet->l3 + (end == FL_SOURCE ? offsetof(struct ipv6hdr, saddr)
						      : offsetof(struct ipv6hdr, daddr));
	return packet->l3 +
	       (end == FL_SOURCE ? offsetof(struct iphdr, saddr) : offsetof(struct iphdr, daddr));
}

/*
 * Stores `addr` and mends the IP header's checksum; gives back in `difference` what checksums
 * above it need. 0 on success.
 */
static __always_inline int fl_store_address(struct __sk_buff *skb, struct fl_packet *packet,
					    enum fl_end end, struct fl_addr *addr,
					    __s64 *difference)
{
	struct fl_addr *old = end == FL_SOURCE ? &packet->source : &packet->destination;
	__u32 at = fl_address_at(packet, end);

	*difference = bpf_csum_diff((__be32 *)old, sizeof(*old), (__be32 *)addr, sizeof(*addr), 0);
	*old = *addr;
	if (packet->is_v6)
		return bpf_skb_store_bytes(skb, at, addr, sizeof(*addr), BPF_F_RECOMPUTE_CSUM);
	if (bpf_skb_store_bytes(skb, at, &addr->word[3], sizeof(addr->word[3]), 0))
		return -1;
	return bpf_l3_csum_replace(skb, packet->l3 + offsetof(struct iphdr, check), 0, *difference,
				   0);
}

/* Stores one end's port. `flags` as of bpf_l4_csum_replace. 0 on success. */
static __always_inline int fl_store_port(struct __sk_buff *skb, struct fl_packet *packet,
					 enum fl_end end, __be16 port, __u32 checksum, __u64 flags)
{
	__be16 *old = end == FL_SOURCE ? &packet->source_port : &packet->destination_port;

	if (*old == port)
		return 0;
	if (checksum && bpf_l4_csum_replace(skb, checksum, *old, port, flags | sizeof(port)))
		return -1;
	*old = port;
	return bpf_skb_store_bytes(skb, packet->l4 + (end == FL_SOURCE ? 0 : 2), &port,
				   sizeof(port), 0);
}

/*
 * Rewrites the address of one end, and the transport's checksum with it; later fragments have
 * none. 0 on success; else the packet may be half rewritten: drop it.
 */
static __always_inline int fl_rewrite_address(struct __sk_buff *skb, struct fl_packet *packet,
					      enum fl_end end, struct fl_change *change)
{
	__u32 checksum = fl_checksum_at(packet->proto, packet->l4);
	__s64 difference;

	if (fl_store_address(skb, packet, end, &change->address, &difference))
		return -1;
	if (packet->fragment == FL_LATER_FRAGMENT || !checksum)
		return 0;
	return bpf_l4_csum_replace(skb, checksum, 0, difference,
				   fl_checksum_flags(packet->proto) | BPF_F_PSEUDO_HDR);
}

/* The same, and the ports of both ends. */
static __always_inline int fl_rewrite(struct __sk_buff *skb, struct fl_packet *packet,
				      enum fl_end end, struct fl_change *change)
{
	enum fl_end other = end == FL_SOURCE ? FL_DESTINATION : FL_SOURCE;
	__u32 checksum = fl_checksum_at(packet->proto, packet->l4);
	__u64 flags = fl_checksum_flags(packet->proto);

	if (fl_rewrite_address(skb, packet, end, change))
		return -1;
	if (packet->fragment == FL_LATER_FRAGMENT)
		return 0;
	if (fl_store_port(skb, packet, end, change->port, checksum, flags))
		return -1;
	return fl_store_port(skb, packet, other, change->other_port, checksum, flags);
}

#endif
