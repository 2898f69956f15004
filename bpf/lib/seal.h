/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Checked reads of hash map values (struct fl_seal in abi.h).
 *
 * A replaced element is recycled at once, so a reader can see another key's value or a mix of
 * two. The kernel copies a new value in ascending order; we read in descending order. So if
 * seal_last is new, all before it was new already; and if a still newer copy began meanwhile, it
 * has changed seal_first, which we read last of all.
 */
#ifndef FL_LIB_SEAL_H
#define FL_LIB_SEAL_H

#include "../abi.h"

#define FL_READ_ONCE(x) (*(volatile typeof(x) *)&(x))

/* FNV-1a's step, on 32-bit words instead of bytes: a quarter of the multiplications. */
static __always_inline __u32 fl_key_hash(const void *key, int words)
{
	const __u32 *word = key;
	__u32 hash = 0x811c9dc5;

#pragma unroll
	for (int i = 0; i < words; i++)
		hash = (hash ^ word[i]) * 0x01000193;
	return hash;
}

/* As one u64: {key_hash, generation}. */
static __always_inline __u64 fl_read_seal(const struct fl_seal *seal)
{
	return *(const volatile __u64 *)seal;
}

static __always_inline int fl_seal_fits(__u64 seal_first, __u64 seal_last, __u32 key_hash)
{
	return seal_first == seal_last && (__u32)seal_last == key_hash;
}

#endif
