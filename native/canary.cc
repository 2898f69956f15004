// Sockets that run each of our socket hooks once, so that status is measured and not assumed.
#include <arpa/inet.h>
#include <cerrno>
#include <netinet/in.h>
#include <sys/socket.h>

#include "addon.h"
#include "args.h"
#include "error.h"
#include "fd.h"

namespace fl
{
namespace
{

constexpr int optionNetnsCookie = 71; // SO_NETNS_COOKIE, since 5.14
constexpr uint16_t discardPort = 9;

struct Destination {
	socklen_t bytes;
	sockaddr_storage address;
};

Destination destinationOf(int family, const char *text)
{
	Destination to = {};
	if (family == AF_INET) {
		auto *v4 = reinterpret_cast<sockaddr_in *>(&to.address);
		v4->sin_family = AF_INET;
		v4->sin_port = htons(discardPort);
		inet_pton(AF_INET, text, &v4->sin_addr);
		to.bytes = sizeof(*v4);
	} else {
		auto *v6 = reinterpret_cast<sockaddr_in6 *>(&to.address);
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(discardPort);
		inet_pton(AF_INET6, text, &v6->sin6_addr);
		to.bytes = sizeof(*v6);
	}
	return to;
}

// A marked datagram socket on the loopback device: should a hook not be there to refuse the
// canary, its packet still finds no way out. Not open with errno set.
Fd markedSocket(int family, uint32_t mark)
{
	Fd fd(socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP));
	if (!fd.isOpen()) {
		return fd;
	}
	if (setsockopt(fd.get(), SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) != 0) {
		return Fd();
	}
	const char loopback[] = "lo";
	setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, loopback, sizeof(loopback));
	const int hops = 1;
	if (family == AF_INET) {
		setsockopt(fd.get(), IPPROTO_IP, IP_TTL, &hops, sizeof(hops));
	} else {
		setsockopt(fd.get(), IPPROTO_IPV6, IPV6_UNICAST_HOPS, &hops, sizeof(hops));
	}
	return fd;
}

// 0, or the errno that kept the hooks from running. What connect and sendmsg say themselves does
// not count: the hooks ran before there was a route to look for.
int sing(int family, uint32_t mark)
{
	const Destination to = destinationOf(family, family == AF_INET ? "192.0.0.8" : "100::1");
	const sockaddr *address = reinterpret_cast<const sockaddr *>(&to.address);
	const Fd connected = markedSocket(family, mark);
	if (!connected.isOpen()) {
		return errno;
	}
	if (connect(connected.get(), address, to.bytes) != 0 && family == AF_INET6) {
		// getpeername has a hook only on what is connected. A node without a route for IPv6
		// still connects such a socket to an IPv4 destination.
		const Destination mapped = destinationOf(AF_INET6, "::ffff:192.0.0.8");
		connect(connected.get(), reinterpret_cast<const sockaddr *>(&mapped.address),
			mapped.bytes);
	}
	sockaddr_storage peer;
	socklen_t peerBytes = sizeof(peer);
	getpeername(connected.get(), reinterpret_cast<sockaddr *>(&peer), &peerBytes);

	const Fd unconnected = markedSocket(family, mark);
	if (!unconnected.isOpen()) {
		return errno;
	}
	sendto(unconnected.get(), "", 0, MSG_DONTWAIT | MSG_NOSIGNAL, address, to.bytes);
	return 0;
}

Napi::Value canary(const Napi::CallbackInfo &info)
{
	const Napi::Env env = info.Env();
	const std::optional<uint32_t> mark = intArg(info, 0, "canary", "mark", 1, UINT32_MAX);
	if (!mark) {
		return Napi::Value();
	}
	for (const int family : {AF_INET, AF_INET6}) {
		const int err = sing(family, *mark);
		if (err && err != EAFNOSUPPORT) {
			return throwErrno(env, err, "canary");
		}
	}
	return env.Undefined();
}

Napi::Value netnsCookie(const Napi::CallbackInfo &info)
{
	const Napi::Env env = info.Env();
	const Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	if (!fd.isOpen()) {
		return throwErrno(env, errno, "read netns cookie");
	}
	uint64_t cookie = 0;
	socklen_t length = sizeof(cookie);
	if (getsockopt(fd.get(), SOL_SOCKET, optionNetnsCookie, &cookie, &length) != 0) {
		if (errno != ENOPROTOOPT) {
			return throwErrno(env, errno, "read netns cookie");
		}
		cookie = 0;
	}
	return Napi::BigInt::New(env, cookie);
}

} // namespace

void defineCanary(Napi::Env env, Napi::Object exports)
{
	exports.Set("canary", Napi::Function::New(env, canary, "canary"));
	exports.Set("netnsCookie", Napi::Function::New(env, netnsCookie, "netnsCookie"));
}

} // namespace fl
