// SPDX-License-Identifier: Apache-2.0
/*
 * A client: makes connects and datagrams as a program would and prints what it saw, one line of
 * JSON a command. Takes one command as its arguments, or with none one command a line of stdin, so
 * that a test asks often without starting a process each time.
 *
 *   tcp   [-6] [-b SRC] [-w MS] [-c N] [-p US] DST  N connects one after the other, -p pause between
 *   udp   [-6] [-b SRC] [-w MS] [-c N] DST           connected sockets, one datagram each
 *   many  [-6] [-b SRC] [-w MS] DST ...              one unconnected socket, a datagram to each
 *   again [-6] [-w MS] DST DST ...                   one UDP socket: connect, ask, AF_UNSPEC, next
 *   open  KEY tcp|udp [-6] [-b SRC] [-w MS] DST      keep a connected socket under a small number
 *   say   KEY                                        ask over it once more
 *   close KEY
 *
 * Long, because kept sockets and single commands share all their steps
 * and the program is compiled alone, static, for any namespace.
 *
 * -6: AF_INET6 sockets, IPv4 destinations v4-mapped. -w: patience, default 2000 ms.
 */
#define _GNU_SOURCE
#include "net.h"

#include <poll.h>

enum { KEPT_N = 64, NAMES_N = 64, ARGS_N = 64 };

struct request {
	int mapped, patience_ms, count, pause_us;
	const char *source;
	int type;
};

struct answer {
	int error;	  /* errno of the first step that failed, 0: none */
	const char *step; /* which step that was */
	uint64_t connect_ns;
	char name[64], peer[80]; /* who answered, whom it saw */
	char getpeername[80], local[80];
};

/* A socket kept over commands; fd 0: none. */
static struct {
	int fd, patience_ms;
	struct address to; /* of an unconnected one; length 0 otherwise */
} kept[KEPT_N];

static int wait_for(int fd, short events, int patience_ms)
{
	struct pollfd p = {.fd = fd, .events = events};
	int n = poll(&p, 1, patience_ms);

	if (n == 0)
		errno = ETIMEDOUT;
	return n == 1;
}

static int connect_within(int fd, const struct address *to, int patience_ms)
{
	int error = 0;
	socklen_t length = sizeof(error);

	if (!connect(fd, (const struct sockaddr *)&to->storage, to->length))
		return 1;
	if (errno != EINPROGRESS || !wait_for(fd, POLLOUT, patience_ms))
		return 0;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
	errno = error;
	return error == 0;
}

/* Splits `NAME peer=ADDR`. */
static int parse_line(char *line, ssize_t n, struct answer *a)
{
	char *mark;

	line[n] = 0;
	line[strcspn(line, "\n")] = 0;
	mark = strstr(line, " peer=");
	if (!mark) {
		errno = EBADMSG;
		return 0;
	}
	*mark = 0;
	snprintf(a->name, sizeof(a->name), "%.*s", (int)sizeof(a->name) - 1, line);
	snprintf(a->peer, sizeof(a->peer), "%.*s", (int)sizeof(a->peer) - 1, mark + 6);
	return 1;
}

static int hear(int fd, int patience_ms, struct answer *a)
{
	char line[256];
	ssize_t n;

	if (!wait_for(fd, POLLIN, patience_ms))
		return 0;
	n = recv(fd, line, sizeof(line) - 1, 0);
	if (n == 0)
		errno = ECONNRESET;
	return n > 0 && parse_line(line, n, a);
}

static void names_of(int fd, struct answer *a)
{
	struct sockaddr_storage s;
	socklen_t length = sizeof(s);

	if (!getpeername(fd, (struct sockaddr *)&s, &length))
		format_address(&s, a->getpeername, sizeof(a->getpeername));
	length = sizeof(s);
	if (!getsockname(fd, (struct sockaddr *)&s, &length))
		format_address(&s, a->local, sizeof(a->local));
}

static int fail(struct answer *a, const char *step)
{
	a->error = errno ? errno : EIO;
	a->step = step;
	return 0;
}

static int make_socket(const struct request *r, const struct address *to)
{
	struct address from;
	int fd = socket(to->storage.ss_family, r->type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || !r->source)
		return fd;
	if (!parse_address(r->source, r->mapped, &from)) {
		errno = EINVAL;
	} else if (!bind(fd, (struct sockaddr *)&from.storage, from.length)) {
		return fd;
	}
	int error = errno;

	close(fd);
	errno = error;
	return -1;
}

/* connect, ask if UDP, read the line. */
static int exchange(int fd, const struct request *r, const struct address *to, struct answer *a)
{
	uint64_t begin = now_ns();

	memset(a, 0, sizeof(*a));
	if (!connect_within(fd, to, r->patience_ms))
		return fail(a, "connect");
	a->connect_ns = now_ns() - begin;
	names_of(fd, a);
	if (r->type == SOCK_DGRAM && send(fd, "?", 1, MSG_NOSIGNAL) < 0)
		return fail(a, "send");
	if (!hear(fd, r->patience_ms, a))
		return fail(a, "receive");
	return 1;
}

static void print_answer(const struct answer *a)
{
	printf("{\"name\":\"%s\",\"peer\":\"%s\",\"getpeername\":\"%s\",\"local\":\"%s\",", a->name,
	       a->peer, a->getpeername, a->local);
	printf("\"error\":\"%s\",\"step\":\"%s\",\"connect_us\":%.1f}",
	       a->error ? errno_name(a->error) : "", a->error ? a->step : "",
	       (double)a->connect_ns / 1000);
}

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Counts by text: a handful of names, so a line of them is enough. */
struct counts {
	char text[NAMES_N][64];
	uint64_t n[NAMES_N];
	int used;
};

static void count_text(struct counts *c, const char *text)
{
	int i = 0;

	while (i < c->used && strcmp(c->text[i], text))
		i++;
	if (i == NAMES_N)
		i--; /* all others in the last one */
	if (i == c->used) {
		snprintf(c->text[i], sizeof(c->text[i]), "%s", text);
		c->used++;
	}
	c->n[i]++;
}

static void print_counts(const char *key, const struct counts *c)
{
	printf("\"%s\":{", key);
	for (int i = 0; i < c->used; i++)
		printf("%s\"%s\":%llu", i ? "," : "", c->text[i], (unsigned long long)c->n[i]);
	printf("}");
}

static void repeat(const struct request *r, const struct address *to)
{
	uint64_t *took = calloc((size_t)r->count, sizeof(*took)), begin = now_ns(), longest = 0;
	struct counts names = {0}, errors = {0};
	int n = 0;

	for (int i = 0; i < r->count; i++) {
		struct answer a = {0};
		uint64_t one = now_ns();
		int fd = make_socket(r, to);

		if (fd < 0 ? fail(&a, "socket") : exchange(fd, r, to, &a)) {
			took[n++] = a.connect_ns;
			count_text(&names, a.name);
		} else {
			count_text(&errors, errno_name(a.error));
		}
		if (fd >= 0)
			close(fd);
		one = now_ns() - one;
		longest = one > longest ? one : longest;
		if (r->pause_us)
			usleep((useconds_t)r->pause_us);
	}
	qsort(took, (size_t)n, sizeof(*took), ascending);
	printf("{\"n\":%d,", r->count);
	print_counts("names", &names);
	printf(",");
	print_counts("errors", &errors);
	printf(",\"p50_us\":%.1f,\"p99_us\":%.1f,\"longest_us\":%.1f,\"took_ms\":%.1f}",
	       n ? (double)took[n / 2] / 1000 : 0, n ? (double)took[n * 99 / 100] / 1000 : 0,
	       (double)longest / 1000, (double)(now_ns() - begin) / 1e6);
	free(took);
}

static void once(const struct request *r, const struct address *to)
{
	struct answer a = {0};
	int fd = make_socket(r, to);

	if (fd < 0)
		fail(&a, "socket");
	else
		exchange(fd, r, to, &a);
	print_answer(&a);
	if (fd >= 0)
		close(fd);
}

/* One unconnected socket: send to all first, so that the answers may mix, then hear them. */
static void many(const struct request *r, struct address *to, int n)
{
	struct sockaddr_storage from;
	int fd = make_socket(r, &to[0]), sent = 0;

	printf("{\"sends\":[");
	for (int i = 0; i < n; i++) {
		ssize_t done = fd < 0 ? -1
				      : sendto(fd, "?", 1, MSG_NOSIGNAL,
					       (struct sockaddr *)&to[i].storage, to[i].length);

		printf("%s\"%s\"", i ? "," : "", done < 0 ? errno_name(errno) : "");
		sent += done >= 0;
	}
	printf("],\"answers\":[");
	for (int i = 0; i < sent; i++) {
		socklen_t length = sizeof(from);
		struct answer a = {0};
		char line[256], text[80] = "";
		ssize_t got;

		if (!wait_for(fd, POLLIN, r->patience_ms))
			break;
		got = recvfrom(fd, line, sizeof(line) - 1, 0, (struct sockaddr *)&from, &length);
		if (got < 0 || !parse_line(line, got, &a))
			snprintf(a.name, sizeof(a.name), "%s", errno_name(errno));
		else
			format_address(&from, text, sizeof(text));
		printf("%s{\"from\":\"%s\",\"name\":\"%s\",\"peer\":\"%s\"}", i ? "," : "", text,
		       a.name, a.peer);
	}
	printf("]}");
	if (fd >= 0)
		close(fd);
}

/* One UDP socket that is connected, freed by AF_UNSPEC and connected again. */
static void again(const struct request *r, struct address *to, int n)
{
	int fd = make_socket(r, &to[0]);

	printf("[");
	for (int i = 0; i < n; i++) {
		struct sockaddr none = {.sa_family = AF_UNSPEC};
		struct answer a = {0};

		if (fd < 0)
			fail(&a, "socket");
		else if (i && connect(fd, &none, sizeof(none)))
			fail(&a, "unspec");
		else
			exchange(fd, r, &to[i], &a);
		printf("%s", i ? "," : "");
		print_answer(&a);
	}
	printf("]");
	if (fd >= 0)
		close(fd);
}

/* Asks over a kept socket. Of an unconnected one, `getpeername` tells who answered. */
static int ask_kept(int key, struct answer *a)
{
	int fd = kept[key].fd;
	const struct address *to = &kept[key].to;
	struct sockaddr_storage from;
	socklen_t length = sizeof(from);

	memset(a, 0, sizeof(*a));
	errno = ENOTCONN;
	if (!fd)
		return fail(a, "send");
	if (!to->length) {
		names_of(fd, a);
		return send(fd, "?", 1, MSG_NOSIGNAL) < 0    ? fail(a, "send")
		       : !hear(fd, kept[key].patience_ms, a) ? fail(a, "receive")
							     : 1;
	}
	if (sendto(fd, "?", 1, MSG_NOSIGNAL, (const struct sockaddr *)&to->storage, to->length) < 0)
		return fail(a, "send");
	if (!wait_for(fd, POLLIN, kept[key].patience_ms))
		return fail(a, "receive");
	/* Looks at the sender without taking the datagram. */
	if (recvfrom(fd, NULL, 0, MSG_PEEK, (struct sockaddr *)&from, &length) < 0 ||
	    !hear(fd, kept[key].patience_ms, a))
		return fail(a, "receive");
	format_address(&from, a->getpeername, sizeof(a->getpeername));
	return 1;
}

static void close_kept(int key)
{
	if (kept[key].fd)
		close(kept[key].fd);
	memset(&kept[key], 0, sizeof(kept[key]));
}

static void keep(int key, int loose, const struct request *r, const struct address *to)
{
	struct answer a = {0};
	int fd = make_socket(r, to);

	close_kept(key);
	if (fd < 0) {
		fail(&a, "socket");
	} else if (!loose && !exchange(fd, r, to, &a) && !strcmp(a.step, "connect")) {
		close(fd);
	} else {
		kept[key].fd = fd;
		kept[key].patience_ms = r->patience_ms;
		if (loose) {
			kept[key].to = *to;
			ask_kept(key, &a);
		}
	}
	print_answer(&a);
}

static void say(int key)
{
	struct answer a;

	ask_kept(key, &a);
	print_answer(&a);
}

/* Options into `r`; returns the index of the first destination. */
static int parse_options(int argc, char **argv, struct request *r)
{
	int option;

	optind = 0; /* both C libraries forget the last command by this */
	while ((option = getopt(argc, argv, "+6b:w:c:p:")) != -1) {
		switch (option) {
		case '6':
			r->mapped = 1;
			break;
		case 'b':
			r->source = optarg;
			break;
		case 'w':
			r->patience_ms = atoi(optarg);
			break;
		case 'c':
			r->count = atoi(optarg);
			break;
		case 'p':
			r->pause_us = atoi(optarg);
			break;
		default:
			exit(2);
		}
	}
	return optind;
}

static void command(int argc, char **argv)
{
	struct request r = {.patience_ms = 2000, .type = SOCK_DGRAM};
	struct address to[ARGS_N];
	const char *verb = argv[0];
	int key = argc > 1 ? atoi(argv[1]) & (KEPT_N - 1) : 0, n = 0;

	if (!strcmp(verb, "say")) {
		say(key);
		return;
	}
	if (!strcmp(verb, "close")) {
		close_kept(key);
		printf("{}");
		return;
	}
	if (!strcmp(verb, "open") && argc > 2) {
		argc -= 2;
		argv += 2;
	}
	if (!strcmp(argv[0], "tcp"))
		r.type = SOCK_STREAM;
	for (int i = parse_options(argc, argv, &r); i < argc && n < ARGS_N; i++) {
		if (!parse_address(argv[i], r.mapped, &to[n++])) {
			fprintf(stderr, "%s is no address with a port\n", argv[i]);
			exit(2);
		}
	}
	if (!n) {
		fprintf(stderr, "%s: no destination\n", verb);
		exit(2);
	}
	if (!strcmp(verb, "open"))
		keep(key, !strcmp(argv[0], "loose"), &r, &to[0]);
	else if (!strcmp(verb, "many"))
		many(&r, to, n);
	else if (!strcmp(verb, "again"))
		again(&r, to, n);
	else if (r.count)
		repeat(&r, &to[0]);
	else
		once(&r, &to[0]);
}

int main(int argc, char **argv)
{
	char line[4096], *words[ARGS_N + 1];

	if (argc > 1) {
		command(argc - 1, argv + 1);
		printf("\n");
		return 0;
	}
	while (fgets(line, sizeof(line), stdin)) {
		int n = 0;

		for (char *word = strtok(line, " \n"); word && n < ARGS_N;
		     word = strtok(NULL, " \n"))
			words[n++] = word;
		words[n] = NULL;
		if (!n)
			continue;
		command(n, words);
		printf("\n");
		fflush(stdout);
	}
	return 0;
}
