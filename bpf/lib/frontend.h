/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Lookup: is a destination a frontend? Exact address before NodePort before any-port. */
#ifndef FL_LIB_FRONTEND_H
#define FL_LIB_FRONTEND_H

#include "../maps.h"
#include "addr.h"
#include "seal.h"

/* What a lookup found; reason is 0 or why the destination is left alone. */
struct fl_found {
	__u32 service_id;
	__u32 flags; /* enum fl_frontend_flag */
	__u8 kind;   /* enum fl_frontend_kind */
	__u8 is_found;
	__u8 is_torn;
};

/* A copy of the value of `key`, checked; read again once if it changed under us. */
static __always_inline int fl_frontend_read(const struct fl_frontend_key *key,
					    struct fl_found *found)
{
	__u32 hash = fl_key_hash(key, sizeof(*key) / 4);

#pragma unroll
	for (int try = 0; try < 2; try++) {
		struct fl_frontend *value = bpf_map_lookup_elem(&frontends, key);

		if (!value)
			return 0;
		__u64 seal_last = fl_read_seal(&value->seal_last);

		found->flags = FL_READ_ONCE(value->flags);
		found->service_id = FL_READ_ONCE(value->service_id);
		if (fl_seal_fits(fl_read_seal(&value->seal_first), seal_last, hash)) {
			found->kind = key->kind;
			found->is_found = 1;
			return 1;
		}
	}
	found->is_torn = 1;
	return 0;
}

/* NodePorts are served on node addresses, and on loopback for the node's own processes. */
static __always_inline int fl_is_node_port_address(const struct fl_addr *addr, int from_host)
{
	if (fl_addr_is_loopback(addr))
		return from_host;
	struct fl_node_address *node = bpf_map_lookup_elem(&node_addresses, addr);

	return node && (FL_READ_ONCE(node->flags) & FL_NODE_ADDRESS_NODE_PORTS);
}

/* `from_host`: the caller's namespace is the node's own. */
static __always_inline struct fl_found fl_frontend_find(const struct fl_addr *addr, __be16 port,
							__u8 proto, int from_host)
{
	struct fl_found found = {};
	struct fl_frontend_key key = {
		.addr = *addr,
		.port = port,
		.proto = proto,
		.kind = FL_FRONTEND_EXACT,
	};

	if (fl_frontend_read(&key, &found) || found.is_torn)
		return found;
	if (fl_is_node_port_address(addr, from_host)) {
		/* 0.0.0.0 or ::, for the families of a NodePort have backends of their own. */
		key.addr.word[2] = fl_addr_is_v4(addr) ? bpf_htonl(0xffff) : 0;
		key.addr.word[0] = key.addr.word[1] = key.addr.word[3] = 0;
		key.kind = FL_FRONTEND_NODE_PORT;
		fl_frontend_read(&key, &found);
		return found;
	}
	key.port = 0;
	key.proto = 0;
	key.kind = FL_FRONTEND_ANY_PORT;
	fl_frontend_read(&key, &found);
	return found;
}

#endif
