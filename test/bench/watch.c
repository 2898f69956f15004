// SPDX-License-Identifier: Apache-2.0
/*
 * When did a map change? Looks at a pinned, mmapable array of 8-byte values, about 50,000 times a
 * second, and writes a line for what it sees, times of CLOCK_MONOTONIC in ns:
 *
 *	full NS		as many values as wanted are not zero any more
 *	INDEX NS	this value changed; only after "full"
 *
 * watch PIN WANTED
 */
#define _GNU_SOURCE
#include "../clients/net.h"

#include <linux/bpf.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static long bpf(int command, union bpf_attr *attr)
{
	return syscall(__NR_bpf, command, attr, sizeof(*attr));
}

static const volatile uint64_t *map_of(const char *pin, size_t *n)
{
	struct bpf_map_info info = {0};
	union bpf_attr attr = {.pathname = (uint64_t)(uintptr_t)pin};
	int fd = (int)bpf(BPF_OBJ_GET, &attr);

	if (fd < 0)
		die(pin);
	memset(&attr, 0, sizeof(attr));
	attr.info.bpf_fd = (uint32_t)fd;
	attr.info.info_len = sizeof(info);
	attr.info.info = (uint64_t)(uintptr_t)&info;
	if (bpf(BPF_OBJ_GET_INFO_BY_FD, &attr))
		die("BPF_OBJ_GET_INFO_BY_FD");
	if (info.value_size != 8) {
		fprintf(stderr, "%s: values of %u bytes, want 8\n", pin, info.value_size);
		exit(2);
	}
	*n = info.max_entries;
	void *memory = mmap(NULL, *n * 8, PROT_READ, MAP_SHARED, fd, 0);

	if (memory == MAP_FAILED)
		die("mmap");
	return memory;
}

static void rest(void)
{
	struct timespec pause = {.tv_nsec = 10000};

	nanosleep(&pause, NULL);
}

static size_t count(const volatile uint64_t *map, size_t n, size_t *end)
{
	size_t found = 0;

	*end = 0;
	for (size_t i = 0; i < n; i++)
		if (map[i]) {
			found++;
			*end = i + 1;
		}
	return found;
}

int main(int argc, char **argv)
{
	size_t n, end;

	if (argc != 3) {
		fprintf(stderr, "usage: watch PIN WANTED\n");
		return 2;
	}
	const volatile uint64_t *map = map_of(argv[1], &n);
	uint64_t *known = calloc(n, sizeof(*known));

	if (!known)
		die("calloc");
	prctl(PR_SET_TIMERSLACK, 1);
	printf("ready\n");
	fflush(stdout);
	while (count(map, n, &end) < strtoul(argv[2], NULL, 10))
		rest();
	printf("full %llu\n", (unsigned long long)now_ns());
	fflush(stdout);
	for (size_t i = 0; i < n; i++)
		known[i] = map[i];
	for (;;) {
		/* A Service more would go unseen; the benchmark makes none. */
		for (size_t i = 0; i < end; i++) {
			uint64_t value = map[i];

			if (value == known[i])
				continue;
			known[i] = value;
			printf("%zu %llu\n", i, (unsigned long long)now_ns());
			fflush(stdout);
		}
		rest();
	}
}
