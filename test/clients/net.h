/* SPDX-License-Identifier: Apache-2.0 */
/* What the test clients share: addresses as text, errno as names, clocks. One includer a program.
 */
#ifndef TEST_CLIENTS_NET_H
#define TEST_CLIENTS_NET_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct address {
	struct sockaddr_storage storage;
	socklen_t length;
};

/* The C library's own name table is a GNU extension that musl lacks. */
static inline const char *errno_name(int code)
{
	static const struct {
		int code;
		const char *name;
	} names[] = {
		{ECONNREFUSED, "ECONNREFUSED"},
		{EHOSTUNREACH, "EHOSTUNREACH"},
		{ENETUNREACH, "ENETUNREACH"},
		{ETIMEDOUT, "ETIMEDOUT"},
		{EPERM, "EPERM"},
		{EACCES, "EACCES"},
		{ECONNRESET, "ECONNRESET"},
		{EADDRNOTAVAIL, "EADDRNOTAVAIL"},
		{EADDRINUSE, "EADDRINUSE"},
		{EINVAL, "EINVAL"},
		{EAGAIN, "EAGAIN"},
		{EINTR, "EINTR"},
		{ENOTCONN, "ENOTCONN"},
		{EPIPE, "EPIPE"},
		{EMFILE, "EMFILE"},
		{EINPROGRESS, "EINPROGRESS"},
		{EAFNOSUPPORT, "EAFNOSUPPORT"},
		{ENOBUFS, "ENOBUFS"},
		{EIO, "EIO"},
		{EBADMSG, "EBADMSG"},
	};
	static char other[16];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].code == code)
			return names[i].name;
	snprintf(other, sizeof(other), "E%d", code);
	return other;
}

/*
 * "10.0.0.1:80", "[fd00::1]:80" or "[fe80::1%2]:80" (scope by number); 0 if it is none. With
 * `mapped` an IPv4 address becomes ::ffff:10.0.0.1 of AF_INET6.
 */
static inline int parse_address(const char *text, int mapped, struct address *out)
{
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + 16];
	size_t n;

	memset(out, 0, sizeof(*out));
	if (!colon || (n = (size_t)(colon - text)) >= sizeof(host) - 8)
		return 0;
	memcpy(host, text, n);
	host[n] = 0;
	if (host[0] == '[' || mapped) {
		struct sockaddr_in6 *six = (struct sockaddr_in6 *)&out->storage;
		char inner[sizeof(host) + 8];
		char *scope;

		if (host[0] == '[') {
			if (host[n - 1] != ']')
				return 0;
			snprintf(inner, sizeof(inner), "%.*s", (int)(n - 2), host + 1);
		} else {
			snprintf(inner, sizeof(inner), "::ffff:%s", host);
		}
		if ((scope = strchr(inner, '%'))) {
			six->sin6_scope_id = (uint32_t)atoi(scope + 1);
			*scope = 0;
		}
		six->sin6_family = AF_INET6;
		six->sin6_port = htons((uint16_t)atoi(colon + 1));
		out->length = sizeof(*six);
		return inet_pton(AF_INET6, inner, &six->sin6_addr) == 1;
	}
	struct sockaddr_in *four = (struct sockaddr_in *)&out->storage;

	four->sin_family = AF_INET;
	four->sin_port = htons((uint16_t)atoi(colon + 1));
	out->length = sizeof(*four);
	return inet_pton(AF_INET, host, &four->sin_addr) == 1;
}

/* The inverse of parse_address; v4-mapped addresses keep their mapped form. */
static inline const char *format_address(const struct sockaddr_storage *from, char *text,
					 size_t size)
{
	char host[INET6_ADDRSTRLEN] = "?";

	if (from->ss_family == AF_INET) {
		const struct sockaddr_in *four = (const struct sockaddr_in *)from;

		inet_ntop(AF_INET, &four->sin_addr, host, sizeof(host));
		snprintf(text, size, "%s:%u", host, ntohs(four->sin_port));
	} else if (from->ss_family == AF_INET6) {
		const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)from;

		inet_ntop(AF_INET6, &six->sin6_addr, host, sizeof(host));
		snprintf(text, size, "[%s]:%u", host, ntohs(six->sin6_port));
	} else {
		snprintf(text, size, "family %u", from->ss_family);
	}
	return text;
}

static inline uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static inline void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(2);
}

#endif
