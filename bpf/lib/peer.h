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
	if (!peer->backend_id ||
	    (peer->backend_port ^ *port) | fl_addr_difference(&peer->backend, addr))
		return 0;
	*addr = peer->vip;
	*port = peer->vip_port;
	return 1;
}

/*
 * 1 if `difference` is 0, else 0, without a branch: eight slots times a branch or two would be
 * 181,000 instructions for the verifier (6.18) instead of a few thousand.
 */
static __always_inline __u32 fl_is_zero(__u64 difference)
{
	difference = (__u32)difference;
	asm volatile("" : "+r"(difference));
	return (difference - 1) >> 63;
}

/* 1 if the slot is in use for this destination. */
static __always_inline __u32 fl_slot_is_for(const struct fl_peer *slot, const struct fl_dial *dial)
{
	return fl_is_zero(fl_addr_difference(&slot->vip, &dial->destination) |
			  (slot->vip_port ^ dial->port) | fl_is_zero(slot->backend_id));
}

/* Slot of the destination; NULL if this socket has none for it. */
static __always_inline struct fl_peer *fl_slot_find(struct fl_datagrams *storage,
						    const struct fl_dial *dial)
{
	__u64 found = 0; /* index of the slot, plus one */

#pragma unroll
	for (__u32 i = 0; i < FL_DATAGRAM_SLOTS; i++)
		found |= (i + 1) * fl_slot_is_for(&storage->slot[i], dial);
	if (!found)
		return NULL;
	found = (found - 1) & (FL_DATAGRAM_SLOTS - 1);
	asm volatile("" : "+r"(found)); /* or the compiler drops the mask that the verifier needs */
	return &storage->slot[found & (FL_DATAGRAM_SLOTS - 1)];
}

/* Replies of one backend can be told apart only if one VIP of the socket uses it. */
static __always_inline __u32 fl_slot_shares(struct fl_datagrams *storage,
					    const struct fl_dial *dial,
					    const struct fl_backend *backend)
{
	__u32 shares = 0;

#pragma unroll
	for (__u32 i = 0; i < FL_DATAGRAM_SLOTS; i++) {
		struct fl_peer *slot = &storage->slot[i];
		__u32 is_backend = fl_is_zero(fl_addr_difference(&slot->backend, &backend->addr) |
					      (slot->backend_port ^ backend->port) |
					      fl_is_zero(slot->backend_id));

		shares |= is_backend & (fl_slot_is_for(slot, dial) ^ 1);
	}
	return shares;
}

/* The slot that a new VIP takes: the oldest one. */
static __always_inline struct fl_peer *fl_slot_new(struct fl_datagrams *storage)
{
	__u32 i = storage->next % FL_DATAGRAM_SLOTS;

	storage->next = i + 1;
	return &storage->slot[i];
}

#endif
