// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* What the addon's tests load: one map of each kind they speak about, small programs beside. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "Dual BSD/GPL";

struct pair_key {
	__be32 word[2];
	__be16 port;
	__u8 proto;
	__u8 pad;
};

struct pair_inner {
	__u32 low;
	__u32 high;
};

struct pair_value {
	struct pair_inner first;
	__u64 count;
};

struct trie_key {
	__u32 length;
	__u8 bytes[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct pair_key);
	__type(value, struct pair_value);
} pairs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1000);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} cells SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u32);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 16);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct trie_key);
	__type(value, __u32);
} prefixes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u64);
} stored SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 4);
	__uint(value_size, 4);
} waiting SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

const volatile __u32 verdict = 7;
const volatile __u8 is_loud = 0;

static __always_inline void count(__u32 cell)
{
	__u64 *value = bpf_map_lookup_elem(&cells, &cell);

	if (value)
		__sync_fetch_and_add(value, 1);
}

/* Returns the knob `verdict`, marks the packet, counts in cell 0 and in counter 0. */
SEC("tc")
int classify(struct __sk_buff *skb)
{
	__u32 zero = 0;
	__u32 *counter = bpf_map_lookup_elem(&counters, &zero);

	if (counter)
		*counter += 1;
	count(0);
	skb->mark = 42;
	return verdict;
}

/* Cell 2 is what tcx programs count; -1 lets the next one decide. */
SEC("tc")
int observe(struct __sk_buff *skb)
{
	count(2);
	return -1;
}

/* One record of 16 bytes: its number and the packet's mark; marks from 1000 make short ones. */
SEC("tc")
int emit(struct __sk_buff *skb)
{
	__u64 record[2] = {0, skb->mark};
	__u32 one = 1;
	__u64 *next = bpf_map_lookup_elem(&cells, &one);

	if (next)
		record[0] = __sync_fetch_and_add(next, 1);
	return (int)bpf_ringbuf_output(&events, record, skb->mark >= 1000 ? 8 : 16, 0);
}

SEC("cgroup/connect4")
int allow4(struct bpf_sock_addr *ctx)
{
	count(4);
	return 1;
}

SEC("cgroup/connect4")
int allow4_too(struct bpf_sock_addr *ctx)
{
	count(5);
	return 1;
}

SEC("cgroup/connect4")
int refuse4(struct bpf_sock_addr *ctx)
{
	return 0;
}

/* Which hooks a canary passes: cell 10 + hook, for sockets with mark 4711. */
static __always_inline int seen(struct bpf_sock_addr *ctx, __u32 hook)
{
	if (ctx->sk && ctx->sk->mark == 4711)
		count(10 + hook);
	return 1;
}

SEC("cgroup/connect4")
int seen_connect4(struct bpf_sock_addr *ctx)
{
	return seen(ctx, 0);
}

SEC("cgroup/connect6")
int seen_connect6(struct bpf_sock_addr *ctx)
{
	return seen(ctx, 1);
}

SEC("cgroup/sendmsg4")
int seen_sendmsg4(struct bpf_sock_addr *ctx)
{
	return seen(ctx, 2);
}

SEC("cgroup/sendmsg6")
int seen_sendmsg6(struct bpf_sock_addr *ctx)
{
	return seen(ctx, 3);
}

SEC("cgroup/getpeername4")
int seen_getpeername4(struct bpf_sock_addr *ctx)
{
	return seen(ctx, 4);
}

SEC("cgroup/getpeername6")
int seen_getpeername6(struct bpf_sock_addr *ctx)
{
	return seen(ctx, 5);
}

/* The verifier refuses this one: the value may be null. */
SEC("tc")
int unsound(struct __sk_buff *skb)
{
	struct pair_key key = {};
	struct pair_value *value = bpf_map_lookup_elem(&pairs, &key);

	return (int)value->count + is_loud;
}
