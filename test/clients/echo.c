// SPDX-License-Identifier: Apache-2.0
/*
 * A backend: every connection gets one line at once, and one more for each chunk it sends; every
 * datagram gets one. The line is `NAME peer=ADDR:PORT`: who answered, and whom it saw.
 *
 * echo -n NAME -p PORT [-b ADDR] [-t] [-u]
 * NAME @: over TCP it is called by the address and port at which it was reached, so one server can
 * stand for thousands of backends.
 * Both families by one socket (::, so IPv4 peers show mapped) unless -b names an address (IPv6 in
 * brackets). -t: TCP only, -u: UDP only. Prints READY when both listen.
 */
#define _GNU_SOURCE
#include "net.h"

#include <sys/epoll.h>

static const char *name = "echo";

static int listen_on(const struct address *at, int type)
{
	int one = 1, zero = 0;
	int fd = socket(at->storage.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (at->storage.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (bind(fd, (const struct sockaddr *)&at->storage, at->length))
		die("bind");
	if (type == SOCK_STREAM && listen(fd, 4096))
		die("listen");
	return fd;
}

/* Addresses of a dual-stack socket are printed as the IPv4 addresses they are. */
static const char *plain_address(const struct sockaddr_storage *from, char *text, size_t size)
{
	format_address(from, text, size);
	if (!strncmp(text, "[::ffff:", 8) && strchr(text, '.')) {
		char *close = strchr(text, ']');

		memmove(close, close + 1, strlen(close));
		return text + 8;
	}
	return text;
}

static int line_for(const char *who, const struct sockaddr_storage *peer, char *line, size_t size)
{
	char text[80];

	return snprintf(line, size, "%s peer=%s\n", who, plain_address(peer, text, sizeof(text)));
}

static void answer_connection(int fd)
{
	struct sockaddr_storage own, peer;
	socklen_t length = sizeof(peer), own_length = sizeof(own);
	char line[192], text[80];
	const char *who = name;

	if (getpeername(fd, (struct sockaddr *)&peer, &length) ||
	    getsockname(fd, (struct sockaddr *)&own, &own_length))
		return;
	if (!strcmp(name, "@"))
		who = plain_address(&own, text, sizeof(text));
	if (send(fd, line, (size_t)line_for(who, &peer, line, sizeof(line)), MSG_NOSIGNAL) < 0)
		return; /* the client is gone: reading will tell */
}

static void accept_all(int listener, int poller)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

		answer_connection(fd);
		if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event))
			close(fd);
	}
}

static void answer_datagrams(int fd)
{
	struct sockaddr_storage peer;
	socklen_t length = sizeof(peer);
	char chunk[2048], line[128];

	while (recvfrom(fd, chunk, sizeof(chunk), 0, (struct sockaddr *)&peer, &length) >= 0) {
		int n = line_for(name, &peer, line, sizeof(line));

		sendto(fd, line, (size_t)n, MSG_NOSIGNAL, (struct sockaddr *)&peer, length);
		length = sizeof(peer);
	}
}

static void serve(int tcp, int udp)
{
	int poller = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event events[64];

	for (int i = 0; i < 2; i++) {
		int fd = i ? udp : tcp;
		struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

		if (fd >= 0 && epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event))
			die("epoll_ctl");
	}
	for (;;) {
		int n = epoll_wait(poller, events, 64, -1);

		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;
			char chunk[2048];

			if (fd == tcp)
				accept_all(tcp, poller);
			else if (fd == udp)
				answer_datagrams(udp);
			else if (read(fd, chunk, sizeof(chunk)) > 0)
				answer_connection(fd);
			else
				close(fd);
		}
	}
}

int main(int argc, char **argv)
{
	const char *bind_to = "[::]", *port = "8080";
	int option, with_tcp = 1, with_udp = 1;
	struct address at;
	char text[96];

	while ((option = getopt(argc, argv, "n:p:b:tu")) != -1) {
		switch (option) {
		case 'n':
			name = optarg;
			break;
		case 'p':
			port = optarg;
			break;
		case 'b':
			bind_to = optarg;
			break;
		case 't':
			with_udp = 0;
			break;
		case 'u':
			with_tcp = 0;
			break;
		default:
			return 2;
		}
	}
	snprintf(text, sizeof(text), "%s:%s", bind_to, port);
	if (!parse_address(text, 0, &at)) {
		fprintf(stderr, "%s is no address\n", text);
		return 2;
	}
	int tcp = with_tcp ? listen_on(&at, SOCK_STREAM) : -1;
	int udp = with_udp ? listen_on(&at, SOCK_DGRAM) : -1;

	printf("READY\n");
	fflush(stdout);
	serve(tcp, udp);
}
