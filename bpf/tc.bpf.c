// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Service load balancing per packet: for pods that the socket hooks miss, for datagrams and SCTP,
 * and for what comes from outside. The pod programs hang on the host side of each pod's device,
 * the uplink programs on physical devices, bonds, VLANs and tunnels. Ingress only turns a frontend
 * into a backend, egress only undoes it; routing, policy and source NAT are the kernel's.
 *
 * NOT YET ATTACHED: the programs are built and proven by test runs (test/packets); devices, the
 * masquerade rule and the agent's part come in a later step.
 *
 * TC_ACT_UNSPEC lets the next program see the packet; only answers and drops end the chain.
 */
#define FL_PACKET_PROGRAM

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "config.h"
#include "lib/packet.h"

char _license[] SEC("license") = "Dual BSD/GPL";

static __always_inline int fl_ingress(struct __sk_buff *skb, struct fl_packet *packet, __u8 side)
{
	if (fl_is_icmp_error(skb, packet))
		return fl_forward_error(skb, packet, side);
	return fl_forward(skb, packet, side);
}

static __always_inline int fl_egress(struct __sk_buff *skb, __u8 side)
{
	struct fl_packet packet = {};

	if (!fl_parse_ip(skb, l2_length, &packet, 0))
		return TC_ACT_UNSPEC;
	if (fl_is_icmp_error(skb, &packet))
		return fl_undo_error(skb, &packet, side);
	return fl_undo(skb, &packet, side);
}

SEC("tc")
int pod_ingress(struct __sk_buff *skb)
{
	struct fl_packet packet = {};

	if (!fl_parse_ip(skb, l2_length, &packet, 0))
		return TC_ACT_UNSPEC;
	return fl_ingress(skb, &packet, FL_SIDE_POD);
}

SEC("tc")
int pod_egress(struct __sk_buff *skb)
{
	return fl_egress(skb, FL_SIDE_POD);
}

SEC("tc")
int uplink_ingress(struct __sk_buff *skb)
{
	struct fl_packet packet = {};

	if (!fl_parse_ip(skb, l2_length, &packet, 0))
		return TC_ACT_UNSPEC;
	/* A NodePort on loopback is for this node's own processes alone. */
	if (fl_addr_is_loopback(&packet.source) || fl_addr_is_loopback(&packet.destination))
		return fl_drop(FL_LOOPBACK_ON_WIRE);
	return fl_ingress(skb, &packet, FL_SIDE_UPLINK);
}

SEC("tc")
int uplink_egress(struct __sk_buff *skb)
{
	return fl_egress(skb, FL_SIDE_UPLINK);
}
