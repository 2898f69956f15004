// SPDX-License-Identifier: Apache-2.0
/*
 * The closed loop that the connect benchmark times: one client, one server, on one CPU.
 *
 * crr server CPU PORT: prints "ready", then serves one connection at a time, a byte for a byte.
 *
 * crr client CPU: runs what stdin says, a line each, and answers each with a line of JSON.
 * "crr MS ADDR:PORT ..." is connect, 1 byte each way, close by RST, the destinations in turn;
 * "rr MS ADDR:PORT" is 1 byte each way on one connection.
 *
 * Client and server share a CPU at nice -20: the rate is then one over the whole cost of a
 * transaction on both sides, without the lottery of wake-ups across CPUs.
 */
#define _GNU_SOURCE
#include "../clients/net.h"

#include <netinet/tcp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>

enum { DESTINATIONS_N = 64, SAMPLES_N = 1 << 20 };

struct sample {
	uint32_t connect_ns, whole_ns;
};

static struct sample *samples;

static void settle_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
	if (setpriority(PRIO_PROCESS, 0, -20))
		die("setpriority -20 (root can)");
	mlockall(MCL_CURRENT | MCL_FUTURE);
}

static void quick(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static void serve(int port)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&any, sizeof(any)) || listen(listener, 64))
		die("listen");
	puts("ready");
	fflush(stdout);
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		char byte;

		if (fd < 0)
			die("accept");
		quick(fd);
		while (recv(fd, &byte, 1, 0) == 1 && send(fd, &byte, 1, MSG_NOSIGNAL) == 1)
			;
		close(fd);
	}
}

static int dial(const struct address *to)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct linger reset = {.l_onoff = 1};
	struct timeval patience = {.tv_sec = 2};

	if (fd < 0)
		die("socket");
	/* By RST: tens of thousands in TIME_WAIT would use up the source ports. */
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (const struct sockaddr *)&to->storage, to->length)) {
		close(fd);
		return -1;
	}
	return fd;
}

static int exchange(int fd)
{
	char byte = 'x';

	return send(fd, &byte, 1, MSG_NOSIGNAL) == 1 && recv(fd, &byte, 1, 0) == 1;
}

static int by_connect(const void *a, const void *b)
{
	uint32_t x = ((const struct sample *)a)->connect_ns,
		 y = ((const struct sample *)b)->connect_ns;

	return (x > y) - (x < y);
}

static int by_whole(const void *a, const void *b)
{
	uint32_t x = ((const struct sample *)a)->whole_ns, y = ((const struct sample *)b)->whole_ns;

	return (x > y) - (x < y);
}

static void report(uint64_t n, uint64_t failed, uint64_t elapsed_ns)
{
	size_t kept = n < SAMPLES_N ? n : SAMPLES_N;
	struct sample none = {0}, *half = &none, *high = &none;

	if (kept) {
		half = &samples[kept / 2];
		high = &samples[kept * 99 / 100];
	}
	qsort(samples, kept, sizeof(*samples), by_connect);
	uint32_t connect_half = half->connect_ns, connect_high = high->connect_ns;

	qsort(samples, kept, sizeof(*samples), by_whole);
	printf("{\"n\":%llu,\"failed\":%llu,\"seconds\":%.6f,\"p50_ns\":%u,\"p99_ns\":%u,"
	       "\"connect_p50_ns\":%u,\"connect_p99_ns\":%u}\n",
	       (unsigned long long)n, (unsigned long long)failed, (double)elapsed_ns / 1e9,
	       half->whole_ns, high->whole_ns, connect_half, connect_high);
	fflush(stdout);
}

static void run_crr(const struct address *to, unsigned to_n, uint64_t for_ns)
{
	uint64_t begin = now_ns(), at = begin, n = 0, failed = 0;

	while (at - begin < for_ns) {
		int fd = dial(&to[(n + failed) % to_n]);
		uint64_t connected = now_ns();
		int done = fd >= 0 && exchange(fd);

		if (fd >= 0)
			close(fd);
		uint64_t end = now_ns();

		if (done) {
			samples[n % SAMPLES_N] =
				(struct sample){(uint32_t)(connected - at), (uint32_t)(end - at)};
			n++;
		} else {
			failed++;
		}
		at = end;
	}
	report(n, failed, at - begin);
}

static void run_rr(const struct address *to, uint64_t for_ns)
{
	int fd = dial(to);
	uint64_t begin = now_ns(), at = begin, n = 0;

	if (fd < 0) {
		report(0, 1, 1);
		return;
	}
	quick(fd);
	while (at - begin < for_ns && exchange(fd)) {
		uint64_t end = now_ns();

		samples[n++ % SAMPLES_N] = (struct sample){0, (uint32_t)(end - at)};
		at = end;
	}
	close(fd);
	report(n, n == 0, at - begin);
}

static void client(void)
{
	static struct address to[DESTINATIONS_N];
	static char line[4096];

	samples = calloc(SAMPLES_N, sizeof(*samples));
	if (!samples)
		die("calloc");
	while (fgets(line, sizeof(line), stdin)) {
		const char *mode = strtok(line, " \n"), *ms = strtok(NULL, " \n"), *text;
		unsigned n = 0;

		while ((text = strtok(NULL, " \n")) && n < DESTINATIONS_N)
			if (!parse_address(text, 0, &to[n++]))
				die(text);
		if (!mode || !ms || !n) {
			fprintf(stderr, "want: crr|rr MS ADDR:PORT ...\n");
			exit(2);
		}
		if (strcmp(mode, "rr") == 0)
			run_rr(&to[0], (uint64_t)atoi(ms) * 1000000);
		else
			run_crr(to, n, (uint64_t)atoi(ms) * 1000000);
	}
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "server") == 0) {
		settle_on(atoi(argv[2]));
		serve(atoi(argv[3]));
	}
	if (argc == 3 && strcmp(argv[1], "client") == 0) {
		settle_on(atoi(argv[2]));
		client();
		return 0;
	}
	fprintf(stderr, "usage: crr server CPU PORT | crr client CPU\n");
	return 2;
}
