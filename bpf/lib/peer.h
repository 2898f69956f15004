/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a socket remembers of the VIPs it dialled, in its own storage. */
#ifndef FL_LIB_PEER_H
#define FL_LIB_PEER_H

#include "../maps.h"
#include "addr.h"
#include "event.h"
#include "select.h"

static __always_inline void fl_peer_set(struct fl_peer *peer, const struct fl_dial *dial,
					__u32 service_id, const struct fl_backend *backend)
{
	peer->vip = dial->destination;
	peer->backend = backend->addr;
	peer->service_id = service_id;
	peer->backend_id = backend->id;
	peer->vip_port = dial->port;
	peer->backend_port = backend->port;
}

/* 1 if `addr`:`port` is the peer's backend; then both become the VIP's. Only on an exact match. */
static __always_inline int fl_peer_reverse(const struct fl_peer *peer, struct fl_addr *addr,
					   __be16 *port)
{
	if (!peer->backend_id || peer->backend_port != *port ||
	    !fl_addr_equal(&peer->backend, addr))
		return 0;
	*addr = peer->vip;
	*port = peer->vip_port;
	return 1;
}

/* Slot of the destination; NULL if this socket has none for it. */
static __always_inline struct fl_peer *fl_slot_find(struct fl_datagrams *storage,
						    const struct fl_dial *dial)
{
	for (int i = 0; i < FL_DATAGRAM_SLOTS; i++) {
		struct fl_peer *slot = &storage->slot[i];

		if (slot->backend_id && slot->vip_port == dial->port &&
		    fl_addr_equal(&slot->vip, &dial->destination))
			return slot;
	}
	return NULL;
}

/* Replies of one backend can be told apart only if one VIP of the socket uses it. */
static __always_inline int fl_slot_shares(struct fl_datagrams *storage, const struct fl_dial *dial,
					  const struct fl_backend *backend)
{
	for (int i = 0; i < FL_DATAGRAM_SLOTS; i++) {
		struct fl_peer *slot = &storage->slot[i];

		if (slot->backend_id && slot->backend_port == backend->port &&
		    fl_addr_equal(&slot->backend, &backend->addr) &&
		    !(slot->vip_port == dial->port &&
		      fl_addr_equal(&slot->vip, &dial->destination)))
			return 1;
	}
	return 0;
}

/* The slot that a new VIP takes: the oldest one. */
static __always_inline struct fl_peer *fl_slot_new(struct fl_datagrams *storage)
{
	__u32 i = storage->next % FL_DATAGRAM_SLOTS;

	storage->next = i + 1;
	return &storage->slot[i];
}

#endif
