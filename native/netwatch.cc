// Tells JavaScript which of links, addresses and routes changed; what they are now, it lists.
#include <array>
#include <cerrno>
#include <sys/socket.h>

#include "addon.h"
#include "args.h"
#include "error.h"
#include "netlink.h"
#include "watch.h"

namespace fl
{
namespace
{

constexpr uint8_t changedLinks = 1;
constexpr uint8_t changedAddresses = 2;
constexpr uint8_t changedRoutes = 4;
constexpr uint8_t changedAll = changedLinks | changedAddresses | changedRoutes;

uint8_t changeOf(uint16_t type)
{
	switch (type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		return changedLinks;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		return changedAddresses;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		return changedRoutes;
	default:
		return 0;
	}
}

// Everything that waits in the socket, as one piece: a burst makes few callbacks.
Watch::Piece readChanges(int fd)
{
	alignas(nlmsghdr) std::array<uint8_t, 32 * 1024> buffer;
	uint8_t changed = 0;
	for (;;) {
		const ssize_t length = recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
		if (length < 0 && errno == EINTR) {
			continue;
		}
		if (length < 0 && errno == ENOBUFS) {
			changed = changedAll; // the kernel had to drop messages
			continue;
		}
		if (length <= 0) {
			break;
		}
		size_t left = static_cast<size_t>(length);
		for (auto *message = reinterpret_cast<nlmsghdr *>(buffer.data());
		     NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
			changed |= changeOf(message->nlmsg_type);
		}
	}
	return changed ? Watch::Piece{changed} : Watch::Piece{};
}

Napi::Value toObject(Napi::Env env, const Watch::Piece &piece)
{
	Napi::Object what = Napi::Object::New(env);
	what.Set("links", Napi::Boolean::New(env, (piece[0] & changedLinks) != 0));
	what.Set("addresses", Napi::Boolean::New(env, (piece[0] & changedAddresses) != 0));
	what.Set("routes", Napi::Boolean::New(env, (piece[0] & changedRoutes) != 0));
	return what;
}

class NetWatch : public Napi::ObjectWrap<NetWatch>
{
      public:
	static Napi::Function define(Napi::Env env);
	explicit NetWatch(const Napi::CallbackInfo &info);

      private:
	Napi::Value close(const Napi::CallbackInfo &info);

	Netlink socket_;
	std::unique_ptr<Watch> watch_; // ends before the socket does
};

NetWatch::NetWatch(const Napi::CallbackInfo &info) : ObjectWrap(info)
{
	const std::string op = "watch the network";
	const std::optional<Napi::Function> callback = functionArg(info, 0, op, "onChange");
	if (!callback) {
		return;
	}
	const int err =
		socket_.open(NETLINK_ROUTE, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
						    RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE);
	if (err) {
		throwErrno(info.Env(), err, op);
		return;
	}
	const int fd = socket_.fd();
	watch_ = Watch::start(
		info.Env(), *callback, op, fd, [fd] { return readChanges(fd); }, toObject);
	if (watch_) {
		Ref(); // changes come until close(), whoever still holds the object
	}
}

Napi::Value NetWatch::close(const Napi::CallbackInfo &info)
{
	if (watch_) {
		watch_.reset();
		socket_ = Netlink();
		Unref();
	}
	return info.Env().Undefined();
}

Napi::Function NetWatch::define(Napi::Env env)
{
	return DefineClass(env, "NetWatch", {InstanceMethod("close", &NetWatch::close)});
}

} // namespace

void defineNetWatch(Napi::Env env, Napi::Object exports)
{
	exports.Set("NetWatch", NetWatch::define(env));
}

} // namespace fl
