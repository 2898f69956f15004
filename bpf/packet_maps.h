/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Maps of the packet path alone: apart from maps.h, so that sock.o does not make them. */
#ifndef FL_PACKET_MAPS_H
#define FL_PACKET_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "abi.h"

/* What is done with this packet? Flows whose handshake nobody has seen end, and all of UDP. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct fl_flow_key);
	__type(value, struct fl_flow);
	__uint(max_entries, 65536);
} flows_new SEC(".maps");

/* The same, of connections that both ends agreed to: apart, so that a flood evicts none of them. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct fl_flow_key);
	__type(value, struct fl_flow);
	__uint(max_entries, 65536);
} flows SEC(".maps");

/* Which ports has the datagram of this later fragment? */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct fl_fragment_key);
	__type(value, struct fl_fragment_ports);
	__uint(max_entries, 8192);
} fragments SEC(".maps");

/* Where does one packet's work stand? */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct fl_scratch);
	__uint(max_entries, 1);
} scratch SEC(".maps");

#endif
