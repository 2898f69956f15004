/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* 16-byte addresses, IPv4 as v4-mapped. All words are in network byte order. */
#ifndef FL_LIB_ADDR_H
#define FL_LIB_ADDR_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include "../abi.h"

static __always_inline struct fl_addr fl_addr_v4(__be32 ip)
{
	struct fl_addr addr = {};

	addr.word[2] = bpf_htonl(0xffff);
	addr.word[3] = ip;
	return addr;
}

static __always_inline int fl_addr_is_v4(const struct fl_addr *addr)
{
	return !addr->word[0] && !addr->word[1] && addr->word[2] == bpf_htonl(0xffff);
}

/* 0 if equal. No branches: each one doubles what the verifier has to follow. */
static __always_inline __u32 fl_addr_difference(const struct fl_addr *a, const struct fl_addr *b)
{
	return (a->word[0] ^ b->word[0]) | (a->word[1] ^ b->word[1]) | (a->word[2] ^ b->word[2]) |
	       (a->word[3] ^ b->word[3]);
}

/* 127.0.0.0/8 or ::1. */
static __always_inline int fl_addr_is_loopback(const struct fl_addr *addr)
{
	if (addr->word[0] || addr->word[1])
		return 0;
	if (addr->word[2] == bpf_htonl(0xffff))
		return (bpf_ntohl(addr->word[3]) >> 24) == 127;
	return !addr->word[2] && addr->word[3] == bpf_htonl(1);
}

#endif
