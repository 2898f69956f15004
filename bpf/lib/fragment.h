/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Later fragments have no ports: what the first one had is remembered for them. A later fragment
 * that comes before its first one goes on untouched.
 */
#ifndef FL_LIB_FRAGMENT_H
#define FL_LIB_FRAGMENT_H

#include "../packet_maps.h"
#include "parse.h"
#include "seal.h"

static __always_inline void fl_fragment_key_of(struct fl_fragment_key *key,
					       const struct fl_packet *packet)
{
	key->source = packet->source;
	key->destination = packet->destination;
	key->id = packet->fragment_id;
	key->proto = packet->proto;
	key->pad[0] = key->pad[1] = key->pad[2] = 0;
}

/* Remembers the ports of a first fragment, as it came: before it is rewritten. */
static __always_inline void fl_fragment_remember(const struct fl_packet *packet)
{
	struct fl_fragment_ports ports;
	struct fl_fragment_key key;

	if (packet->fragment != FL_FIRST_FRAGMENT)
		return;
	fl_fragment_key_of(&key, packet);
	ports.source = packet->source_port;
	ports.destination = packet->destination_port;
	ports.key_hash = fl_key_hash(&key, sizeof(key) / 4);
	bpf_map_update_elem(&fragments, &key, &ports, BPF_ANY);
}

/* Fills the ports of a later fragment; 0: its first one was not seen. */
static __always_inline int fl_fragment_recall(struct fl_packet *packet)
{
	struct fl_fragment_ports *ports;
	struct fl_fragment_key key;
	__u64 value;

	fl_fragment_key_of(&key, packet);
	ports = bpf_map_lookup_elem(&fragments, &key);
	if (!ports)
		return 0;
	/* One load, for a recycled element may become another key's under us. */
	value = *(volatile __u64 *)ports;
	if ((__u32)(value >> 32) != fl_key_hash(&key, sizeof(key) / 4))
		return 0;
	packet->source_port = (__be16)value;
	packet->destination_port = (__be16)(value >> 16);
	packet->is_start = 0;
	packet->is_end = 0;
	return 1;
}

#endif
