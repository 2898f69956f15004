// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Service load balancing at the socket: a destination that is a frontend becomes a backend before
 * the kernel picks a route and a source, so the connection itself costs nothing more.
 *
 * One body for both families: addresses are 16 bytes, and an AF_INET6 socket that dials a
 * v4-mapped VIP arrives in the 6 programs with the same key (its datagrams in the 4 programs).
 *
 * TEMPORARY, until the packet path exists, and only in this file and lib/service.h's affinity
 * key: UDP is taken for every process, DROP is EHOSTUNREACH.
 */
#include <linux/errno.h>
#include <linux/bpf.h>
#include <linux/in.h>
#include <bpf/bpf_helpers.h>
#include "lib/peer.h"
#include "lib/service.h"

char _license[] SEC("license") = "Dual BSD/GPL";

enum { PROCEED = 1, REFUSE = 0 };

static __always_inline struct fl_addr fl_ctx_addr6(const struct bpf_sock_addr *ctx)
{
	struct fl_addr addr;

	addr.word[0] = ctx->user_ip6[0];
	addr.word[1] = ctx->user_ip6[1];
	addr.word[2] = ctx->user_ip6[2];
	addr.word[3] = ctx->user_ip6[3];
	return addr;
}

static __always_inline void fl_ctx_write(struct bpf_sock_addr *ctx, const struct fl_addr *addr,
					 __be16 port, int is_v6)
{
	if (is_v6) {
		ctx->user_ip6[0] = addr->word[0];
		ctx->user_ip6[1] = addr->word[1];
		ctx->user_ip6[2] = addr->word[2];
		ctx->user_ip6[3] = addr->word[3];
	} else {
		ctx->user_ip4 = addr->word[3];
	}
	ctx->user_port = port;
}

/* errno where the kernel lets us choose it; never EPERM, on which NFS clients spin. */
static __always_inline int fl_refuse_with(int error)
{
	if (!has_set_retval)
		return PROCEED;
	bpf_set_retval(-error);
	return REFUSE;
}

/* The agent's own marked socket: proof that this hook runs, and where the node's namespace is. */
static __always_inline int fl_is_canary(struct bpf_sock_addr *ctx, struct fl_meta *meta, __u8 hook)
{
	__u32 mark = FL_READ_ONCE(meta->canary_mark);

	if (!mark || !ctx->sk || ctx->sk->mark != mark)
		return 0;
	meta->host_netns_cookie = bpf_get_netns_cookie(ctx);
	__sync_fetch_and_add(&meta->canary[hook & (FL_HOOK_N - 1)], 1);
	return 1;
}

static __always_inline struct fl_dial
fl_dial_of(struct bpf_sock_addr *ctx, const struct fl_meta *meta, struct fl_addr addr, __u8 hook)
{
	struct fl_dial dial = {
		.destination = addr,
		.port = (__be16)ctx->user_port,
		.proto = ctx->protocol,
		.hook = hook,
		.netns_cookie = bpf_get_netns_cookie(ctx),
	};

	dial.from_host = dial.netns_cookie == FL_READ_ONCE(meta->host_netns_cookie);
	return dial;
}

/* A socket bound to loopback can reach nothing but this node. */
static __always_inline int fl_is_stuck(struct bpf_sock_addr *ctx, const struct fl_addr *target)
{
	struct fl_addr source = {};

	if (!ctx->sk)
		return 0;
	if (ctx->sk->family == 2 /* AF_INET */) {
		source = fl_addr_v4(ctx->sk->src_ip4);
	} else {
		source.word[0] = ctx->sk->src_ip6[0];
		source.word[1] = ctx->sk->src_ip6[1];
		source.word[2] = ctx->sk->src_ip6[2];
		source.word[3] = ctx->sk->src_ip6[3];
	}
	if (!fl_addr_is_loopback(&source) || fl_addr_is_loopback(target))
		return 0;
	return !bpf_map_lookup_elem(&node_addresses, target);
}

/* The socket dials something that is no frontend: what it dialled before is over. */
static __always_inline void fl_forget_peer(struct bpf_sock_addr *ctx)
{
	struct fl_peer *peer;

	if (!ctx->sk)
		return;
	peer = bpf_sk_storage_get(&sockets, ctx->sk, NULL, 0);
	if (peer)
		peer->backend_id = 0;
}

static __always_inline void fl_remember_peer(struct bpf_sock_addr *ctx, const struct fl_dial *dial,
					     __u32 service_id, const struct fl_backend *backend)
{
	struct fl_peer *peer;

	if (!remember_peer && dial->proto == IPPROTO_TCP)
		return;
	if (!ctx->sk)
		return;
	peer = bpf_sk_storage_get(&sockets, ctx->sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (peer)
		fl_peer_set(peer, dial, service_id, backend);
	else
		fl_count(FL_STORAGE_FULL);
}

static __always_inline void fl_translated(const struct fl_meta *meta, const struct fl_dial *dial,
					  __u32 service_id, const struct fl_backend *backend)
{
	fl_count(FL_TRANSLATED);
	fl_count_connection(service_id);
	fl_event(meta, dial, FL_EVENT_TRANSLATE, FL_TRANSLATED, service_id, backend);
}

static __always_inline int fl_unless_stuck(struct bpf_sock_addr *ctx, const struct fl_meta *meta,
					   const struct fl_dial *dial, __u32 service_id,
					   int verdict, const struct fl_backend *backend)
{
	if (verdict != FL_TRANSLATE || !backend || !fl_is_stuck(ctx, &backend->addr))
		return verdict;
	return fl_pass(meta, dial, FL_LOOPBACK_SOURCE, service_id);
}

/* What the kernel does next with the call. */
static __always_inline int fl_carry_out(struct bpf_sock_addr *ctx, int verdict,
					const struct fl_backend *backend, int is_v6)
{
	if (verdict == FL_PASS)
		return PROCEED;
	if (verdict != FL_TRANSLATE || !backend)
		return fl_refuse_with(verdict == FL_DROP ? EHOSTUNREACH : ECONNREFUSED);
	fl_ctx_write(ctx, &backend->addr, backend->port, is_v6);
	return PROCEED;
}

static __always_inline int fl_connect(struct bpf_sock_addr *ctx, struct fl_addr addr, __u8 hook,
				      int is_v6)
{
	const struct fl_backend *backend = NULL;
	struct fl_meta *meta = fl_meta_get();
	struct fl_found found;
	struct fl_dial dial;
	int verdict;

	if (!meta || (ctx->protocol != IPPROTO_TCP && ctx->protocol != IPPROTO_UDP))
		return PROCEED;
	if (fl_is_canary(ctx, meta, hook))
		return PROCEED;
	dial = fl_dial_of(ctx, meta, addr, hook);
	found = fl_frontend_find(&dial.destination, dial.port, dial.proto, dial.from_host);
	if (!found.is_found) {
		if (found.is_torn)
			fl_pass(meta, &dial, FL_TORN_READ, 0);
		fl_forget_peer(ctx);
		return PROCEED;
	}
	verdict = fl_resolve(meta, &dial, &found, &backend);
	verdict = fl_unless_stuck(ctx, meta, &dial, found.service_id, verdict, backend);
	if (verdict == FL_TRANSLATE && backend) {
		fl_remember_peer(ctx, &dial, found.service_id, backend);
		fl_translated(meta, &dial, found.service_id, backend);
	} else if (verdict == FL_PASS) {
		fl_forget_peer(ctx);
	}
	return fl_carry_out(ctx, verdict, backend, is_v6);
}

/* Backends tried for one that no other VIP of the socket uses. */
enum { FL_UNSHARED_TRIES = 4 };

/*
 * The chosen backend, or if another VIP of this socket uses it, the first of the next ones that
 * none does: replies of a shared backend could not be told apart.
 */
static __always_inline const struct fl_backend *
fl_unshared_backend(struct fl_datagrams *storage, const struct fl_dial *dial,
		    const struct fl_found *found, const struct fl_backend *backend)
{
	__u32 region = fl_region_of(found->service_id);
	const struct fl_region *header = fl_region_get(region, found->service_id);
	const struct fl_backend *other = backend;
	struct fl_interval interval;
	__u32 start;

	if (!header || header->affinity_timeout_s)
		return backend;
	interval = fl_interval_of(header, found->flags);
	start = ((__u64)bpf_get_prandom_u32() * interval.n) >> 32;
	for (__u32 i = 0; i < FL_UNSHARED_TRIES; i++) {
		if (!fl_slot_shares(storage, dial, other))
			return other;
		other = fl_choose_at(region, interval, start, i);
		if (!other)
			return backend;
	}
	return other;
}

/* The slot's backend while it serves, else a new one by fl_resolve. Returns a verdict. */
static __always_inline int fl_datagram(const struct fl_meta *meta, const struct fl_dial *dial,
				       const struct fl_found *found, struct fl_datagrams *storage,
				       const struct fl_backend **backend)
{
	struct fl_peer *slot = storage ? fl_slot_find(storage, dial) : NULL;
	int verdict;

	if (slot && slot->service_id == found->service_id && !fl_stand_down(meta, dial)) {
		*backend = fl_member_find(slot->service_id, slot->backend_id, 1, 0);
		if (*backend)
			return FL_TRANSLATE;
		fl_count(FL_PEER_MOVED);
	}
	verdict = fl_resolve(meta, dial, found, backend);
	if (verdict != FL_TRANSLATE || !*backend)
		return verdict;
	if (storage) {
		*backend = fl_unshared_backend(storage, dial, found, *backend);
		if (!slot)
			slot = fl_slot_new(storage);
		fl_peer_set(slot, dial, found->service_id, *backend);
	} else {
		fl_count(FL_STORAGE_FULL);
	}
	fl_translated(meta, dial, found->service_id, *backend);
	return FL_TRANSLATE;
}

static __always_inline int fl_sendmsg(struct bpf_sock_addr *ctx, struct fl_addr addr, __u8 hook,
				      int is_v6)
{
	struct fl_datagrams *storage = NULL;
	const struct fl_backend *backend = NULL;
	struct fl_meta *meta = fl_meta_get();
	struct fl_found found;
	struct fl_dial dial;
	int verdict;

	if (!meta || ctx->protocol != IPPROTO_UDP)
		return PROCEED;
	if (fl_is_canary(ctx, meta, hook))
		return fl_refuse_with(ENETUNREACH); /* no packet of ours leaves */
	dial = fl_dial_of(ctx, meta, addr, hook);
	found = fl_frontend_find(&dial.destination, dial.port, dial.proto, dial.from_host);
	if (!found.is_found)
		return PROCEED;
	if (ctx->sk)
		storage =
			bpf_sk_storage_get(&datagrams, ctx->sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	verdict = fl_datagram(meta, &dial, &found, storage, &backend);
	verdict = fl_unless_stuck(ctx, meta, &dial, found.service_id, verdict, backend);
	return fl_carry_out(ctx, verdict, backend, is_v6);
}

/* The address that a program sees becomes the VIP that it dialled. Also while bypassed. */
static __always_inline int fl_reverse(struct bpf_sock_addr *ctx, struct fl_addr addr, int is_v6,
				      int any_datagram)
{
	__be16 port = (__be16)ctx->user_port;
	struct fl_datagrams *storage;
	struct fl_peer *peer;
	int is_reversed = 0;

	if (!ctx->sk)
		return PROCEED;
	peer = bpf_sk_storage_get(&sockets, ctx->sk, NULL, 0);
	/* An unconnected socket (dst_port 0) has no peer, whatever it dialled before. */
	if (peer && (!any_datagram || ctx->sk->dst_port))
		is_reversed = fl_peer_reverse(peer, &addr, &port);
	if (!is_reversed && any_datagram) {
		storage = bpf_sk_storage_get(&datagrams, ctx->sk, NULL, 0);
		for (int i = 0; storage && i < FL_DATAGRAM_SLOTS && !is_reversed; i++)
			is_reversed = fl_peer_reverse(&storage->slot[i], &addr, &port);
	}
	if (!is_reversed)
		return PROCEED;
	fl_count(FL_REVERSED);
	fl_ctx_write(ctx, &addr, port, is_v6);
	return PROCEED;
}

SEC("cgroup/connect4")
int sock_connect4(struct bpf_sock_addr *ctx)
{
	return fl_connect(ctx, fl_addr_v4(ctx->user_ip4), FL_HOOK_CONNECT4, 0);
}

SEC("cgroup/connect6")
int sock_connect6(struct bpf_sock_addr *ctx)
{
	return fl_connect(ctx, fl_ctx_addr6(ctx), FL_HOOK_CONNECT6, 1);
}

SEC("cgroup/sendmsg4")
int sock_sendmsg4(struct bpf_sock_addr *ctx)
{
	return fl_sendmsg(ctx, fl_addr_v4(ctx->user_ip4), FL_HOOK_SENDMSG4, 0);
}

SEC("cgroup/sendmsg6")
int sock_sendmsg6(struct bpf_sock_addr *ctx)
{
	return fl_sendmsg(ctx, fl_ctx_addr6(ctx), FL_HOOK_SENDMSG6, 1);
}

SEC("cgroup/recvmsg4")
int sock_recvmsg4(struct bpf_sock_addr *ctx)
{
	return fl_reverse(ctx, fl_addr_v4(ctx->user_ip4), 0, 1);
}

SEC("cgroup/recvmsg6")
int sock_recvmsg6(struct bpf_sock_addr *ctx)
{
	return fl_reverse(ctx, fl_ctx_addr6(ctx), 1, 1);
}

SEC("cgroup/getpeername4")
int sock_getpeername4(struct bpf_sock_addr *ctx)
{
	return fl_reverse(ctx, fl_addr_v4(ctx->user_ip4), 0, 0);
}

SEC("cgroup/getpeername6")
int sock_getpeername6(struct bpf_sock_addr *ctx)
{
	return fl_reverse(ctx, fl_ctx_addr6(ctx), 1, 0);
}
