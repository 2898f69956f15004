// SPDX-License-Identifier: Apache-2.0
/*
 * The floor of a sync's map writes: the same number of entries of the same sizes as the agent's
 * maps hold, written in batches by C into maps of its own. Prints {"cpu_ms"}.
 *
 * fill FRONTENDS MEMBERS BACKENDS
 */
#define _GNU_SOURCE
#include "../clients/net.h"

#include <linux/bpf.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/* Sizes of bpf/abi.h: frontend key and value, member key and value, backend slot. */
enum { FRONTEND_KEY = 20, FRONTEND = 24, MEMBER_KEY = 8, MEMBER = 24, BACKEND = 32 };

static long bpf(int command, union bpf_attr *attr)
{
	return syscall(__NR_bpf, command, attr, sizeof(*attr));
}

static int make(uint32_t type, uint32_t key, uint32_t value, uint32_t entries, uint32_t flags)
{
	union bpf_attr attr = {.map_type = type,
			       .key_size = key,
			       .value_size = value,
			       .max_entries = entries,
			       .map_flags = flags};
	int fd = (int)bpf(BPF_MAP_CREATE, &attr);

	if (fd < 0)
		die("BPF_MAP_CREATE");
	return fd;
}

static void write_hash(int fd, char *keys, uint32_t key, char *values, uint32_t n)
{
	union bpf_attr attr = {.batch = {.keys = (uint64_t)(uintptr_t)keys,
					 .values = (uint64_t)(uintptr_t)values,
					 .count = n,
					 .map_fd = (uint32_t)fd}};

	/* Different in their first word, as addresses and ids are. */
	for (uint32_t i = 0; i < n; i++)
		memcpy(keys + (size_t)i * key, &i, sizeof(i));
	if (bpf(BPF_MAP_UPDATE_BATCH, &attr))
		die("BPF_MAP_UPDATE_BATCH");
}

static double cpu_ms(void)
{
	struct rusage use;

	getrusage(RUSAGE_SELF, &use);
	return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1e3 +
	       (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e3;
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "usage: fill FRONTENDS MEMBERS BACKENDS\n");
		return 2;
	}
	uint32_t frontends = (uint32_t)atoi(argv[1]), members = (uint32_t)atoi(argv[2]),
		 backends = (uint32_t)atoi(argv[3]),
		 most = frontends > members ? frontends : members;
	char *keys = calloc(most, FRONTEND_KEY), *values = calloc(most, FRONTEND);
	char *slots = calloc(backends, BACKEND);

	if (!keys || !values || !slots)
		die("calloc");
	int frontend_map = make(BPF_MAP_TYPE_HASH, FRONTEND_KEY, FRONTEND, 131072, 0);
	int member_map = make(BPF_MAP_TYPE_HASH, MEMBER_KEY, MEMBER, 262144, 0);
	int backend_map = make(BPF_MAP_TYPE_ARRAY, 4, BACKEND, 262144, BPF_F_MMAPABLE);
	char *memory = mmap(NULL, (size_t)262144 * BACKEND, PROT_READ | PROT_WRITE, MAP_SHARED,
			    backend_map, 0);

	if (memory == MAP_FAILED)
		die("mmap");
	double before = cpu_ms();

	memcpy(memory, slots, (size_t)backends * BACKEND);
	write_hash(member_map, keys, MEMBER_KEY, values, members);
	write_hash(frontend_map, keys, FRONTEND_KEY, values, frontends);
	printf("{\"cpu_ms\":%.3f}\n", cpu_ms() - before);
	return 0;
}
