// SPDX-License-Identifier: Apache-2.0
/*
 * Load: connects to the destinations in turn, as fast as it can or at a rate, until stdin ends.
 * Each connect reads the backend's line, so that every one is accounted for.
 *
 * load [-C CPU] [-r PER_SECOND] [-w MS] [-l FILE] ADDR:PORT [ADDR:PORT ...]
 * -l: a line per connect in FILE, `BEGIN_NS END_NS DESTINATION NAME|errno`, CLOCK_MONOTONIC, the
 * destination by its index. At the end one line of JSON: n, failed, longest_us, and the first 20
 * failures with their times.
 */
#define _GNU_SOURCE
#include "net.h"

#include <poll.h>
#include <sched.h>
#include <sys/time.h>

enum { FAILURES_N = 20, DESTINATIONS_N = 16 };

static struct {
	uint64_t at_ns;
	int error, destination;
} failures[FAILURES_N];

/* One connect, one line read; 0 or the errno. */
static int ask(const struct address *to, const struct timeval *patience, char *name, size_t size)
{
	int fd = socket(to->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), error = 0;
	struct linger reset = {.l_onoff = 1};
	char line[256];
	ssize_t n = 0;

	if (fd < 0)
		return errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, patience, sizeof(*patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, patience, sizeof(*patience));
	/* Closed by RST: tens of thousands in TIME_WAIT would use up the source ports. */
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	if (connect(fd, (const struct sockaddr *)&to->storage, to->length))
		error = errno == EINPROGRESS || errno == EAGAIN ? ETIMEDOUT : errno;
	else if ((n = recv(fd, line, sizeof(line) - 1, 0)) <= 0)
		error = n == 0 ? ECONNRESET : errno == EAGAIN ? ETIMEDOUT : errno;
	close(fd);
	if (error)
		return error;
	line[n] = 0;
	line[strcspn(line, " \n")] = 0;
	snprintf(name, size, "%.*s", (int)size - 1, line);
	return 0;
}

static int stdin_ended(void)
{
	struct pollfd p = {.fd = 0, .events = POLLIN};
	char byte;

	return poll(&p, 1, 0) == 1 && read(0, &byte, 1) <= 0;
}

static void sleep_until(uint64_t at_ns)
{
	struct timespec t = {.tv_sec = (time_t)(at_ns / 1000000000ull),
			     .tv_nsec = (long)(at_ns % 1000000000ull)};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static void run(const struct address *to, int to_n, unsigned rate, int patience_ms, FILE *log)
{
	struct timeval patience = {patience_ms / 1000, patience_ms % 1000 * 1000};
	uint64_t begin = now_ns(), n = 0, failed = 0, longest = 0;

	while (!stdin_ended()) {
		int destination = (int)(n % (unsigned)to_n);
		char name[64] = "";

		if (rate)
			sleep_until(begin + n * 1000000000ull / rate);
		uint64_t start = now_ns();
		int error = ask(&to[destination], &patience, name, sizeof(name));
		uint64_t end = now_ns();

		longest = end - start > longest ? end - start : longest;
		if (error && failed < FAILURES_N) {
			failures[failed].at_ns = start;
			failures[failed].error = error;
			failures[failed].destination = destination;
		}
		failed += error != 0;
		n++;
		if (log)
			fprintf(log, "%llu %llu %d %s\n", (unsigned long long)start,
				(unsigned long long)end, destination,
				error ? errno_name(error) : name);
	}
	printf("{\"n\":%llu,\"failed\":%llu,\"longest_us\":%.1f,\"took_ms\":%.1f,\"failures\":[",
	       (unsigned long long)n, (unsigned long long)failed, (double)longest / 1000,
	       (double)(now_ns() - begin) / 1e6);
	for (uint64_t i = 0; i < failed && i < FAILURES_N; i++)
		printf("%s{\"error\":\"%s\",\"at_ms\":%.1f,\"destination\":%d}", i ? "," : "",
		       errno_name(failures[i].error), (double)(failures[i].at_ns - begin) / 1e6,
		       failures[i].destination);
	printf("]}\n");
}

int main(int argc, char **argv)
{
	struct address to[DESTINATIONS_N];
	int option, cpu = -1, patience_ms = 2000, n = 0;
	unsigned rate = 0;
	FILE *log = NULL;

	while ((option = getopt(argc, argv, "C:r:w:l:")) != -1) {
		switch (option) {
		case 'C':
			cpu = atoi(optarg);
			break;
		case 'r':
			rate = (unsigned)atoi(optarg);
			break;
		case 'w':
			patience_ms = atoi(optarg);
			break;
		case 'l':
			if (!(log = fopen(optarg, "w")))
				die(optarg);
			break;
		default:
			return 2;
		}
	}
	for (; optind < argc && n < DESTINATIONS_N; optind++)
		if (!parse_address(argv[optind], 0, &to[n++])) {
			fprintf(stderr, "%s is no address with a port\n", argv[optind]);
			return 2;
		}
	if (!n)
		return 2;
	if (cpu >= 0) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		if (sched_setaffinity(0, sizeof(set), &set))
			die("sched_setaffinity");
	}
	run(to, n, rate, patience_ms, log);
	return log && fclose(log) ? 1 : 0;
}
