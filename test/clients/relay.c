// SPDX-License-Identifier: Apache-2.0
/*
 * A way from one network namespace into another for a test process that can't change its own:
 * listens here, connects there.
 *
 * relay PORT NETNS_FILE DST: listens on 127.0.0.1:PORT (0: a free one) where it was started, and
 * joins each connection to DST as seen from the namespace of the file. Prints the port.
 */
#define _GNU_SOURCE
#include "net.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>

/* Copies one readable end into the other; 0 when that end is done. */
static int copy(int from, int to)
{
	char chunk[65536];
	ssize_t n = read(from, chunk, sizeof(chunk));

	for (ssize_t at = 0; at < n;) {
		ssize_t done = write(to, chunk + at, (size_t)(n - at));

		if (done <= 0)
			return 0;
		at += done;
	}
	return n > 0;
}

static void join_ends(int near, int far)
{
	struct pollfd ends[2] = {{.fd = near, .events = POLLIN}, {.fd = far, .events = POLLIN}};

	while (poll(ends, 2, -1) > 0) {
		for (int i = 0; i < 2; i++) {
			if (!ends[i].revents || copy(ends[i].fd, ends[!i].fd))
				continue;
			/* TLS says itself when it is done: no half-closed connections to mind. */
			return;
		}
	}
}

static void serve(int near, const struct address *to)
{
	int far = socket(to->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct linger reset = {.l_onoff = 1};

	if (far >= 0 && !connect(far, (const struct sockaddr *)&to->storage, to->length))
		join_ends(near, far);
	else
		setsockopt(near, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	exit(0);
}

int main(int argc, char **argv)
{
	struct sockaddr_storage own;
	socklen_t length = sizeof(own);
	struct address at, to;
	char text[64];
	int one = 1;

	snprintf(text, sizeof(text), "127.0.0.1:%s", argc == 4 ? argv[1] : "");
	if (argc != 4 || !parse_address(text, 0, &at) || !parse_address(argv[3], 0, &to))
		return 2;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&at.storage, at.length) || listen(listener, 128))
		die("listen");
	getsockname(listener, (struct sockaddr *)&own, &length);
	int netns = open(argv[2], O_RDONLY | O_CLOEXEC);

	/* The listener stays in the namespace where it was made; new sockets come from this one. */
	if (netns < 0 || setns(netns, CLONE_NEWNET))
		die("setns");
	signal(SIGCHLD, SIG_IGN);
	printf("%u\n", ntohs(((struct sockaddr_in *)&own)->sin_port));
	fflush(stdout);
	for (;;) {
		int near = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (near < 0)
			continue;
		if (!fork()) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			close(listener);
			serve(near, &to);
		}
		close(near);
	}
}
