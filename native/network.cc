// Links, addresses and routes of the caller's network namespace.
#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <net/if.h>
#include <linux/if_link.h>

#include "addon.h"
#include "error.h"
#include "netlink.h"

namespace fl
{
namespace
{

// Linux 6.1's headers and older kernels alike; a dump that changed under us is read again.
constexpr int dumpTries = 10;

template <typename T> const T *bodyOf(const nlmsghdr *message)
{
	return NLMSG_PAYLOAD(message, 0) >= sizeof(T) ? static_cast<const T *>(NLMSG_DATA(message))
						      : nullptr;
}

// 16 bytes, IPv4 as v4-mapped.
Napi::Value addressOf(Napi::Env env, uint8_t family, const void *bytes, size_t length)
{
	uint8_t address[16] = {};
	if (family == AF_INET) {
		address[10] = address[11] = 0xff;
		memcpy(address + 12, bytes, length < 4 ? length : 4);
	} else {
		memcpy(address, bytes, length < 16 ? length : 16);
	}
	return Napi::Buffer<uint8_t>::Copy(env, address, sizeof(address));
}

void addLink(Napi::Env env, Napi::Array &rows, const nlmsghdr *message)
{
	const ifinfomsg *link = bodyOf<ifinfomsg>(message);
	if (!link || message->nlmsg_type != RTM_NEWLINK) {
		return;
	}
	std::string name;
	std::string kind;
	uint32_t master = 0;
	uint32_t lower = 0;
	int netnsId = -1;
	eachAttribute(message, sizeof(*link), [&](const rtattr *attribute) {
		switch (attribute->rta_type & NLA_TYPE_MASK) {
		case IFLA_IFNAME:
			name = attributeText(attribute);
			break;
		case IFLA_MASTER:
			master = attributeU32(attribute);
			break;
		case IFLA_LINK:
			lower = attributeU32(attribute);
			break;
		case IFLA_LINK_NETNSID:
			netnsId = static_cast<int>(attributeU32(attribute));
			break;
		case IFLA_LINKINFO: {
			const auto *inner = static_cast<const rtattr *>(RTA_DATA(attribute));
			for (int left = static_cast<int>(RTA_PAYLOAD(attribute));
			     RTA_OK(inner, left); inner = RTA_NEXT(inner, left)) {
				if (inner->rta_type == IFLA_INFO_KIND) {
					kind = attributeText(inner);
				}
			}
			break;
		}
		}
	});
	Napi::Object row = Napi::Object::New(env);
	row.Set("ifindex", Napi::Number::New(env, link->ifi_index));
	row.Set("name", Napi::String::New(env, name));
	row.Set("kind", Napi::String::New(env, kind));
	row.Set("up", Napi::Boolean::New(env, (link->ifi_flags & IFF_UP) != 0));
	row.Set("master", Napi::Number::New(env, master));
	row.Set("loopback", Napi::Boolean::New(env, (link->ifi_flags & IFF_LOOPBACK) != 0));
	row.Set("link", Napi::Number::New(env, lower));
	row.Set("linkNetnsId", Napi::Number::New(env, netnsId));
	rows.Set(rows.Length(), row);
}

void addAddress(Napi::Env env, Napi::Array &rows, const nlmsghdr *message)
{
	const ifaddrmsg *found = bodyOf<ifaddrmsg>(message);
	if (!found || message->nlmsg_type != RTM_NEWADDR ||
	    (found->ifa_family != AF_INET && found->ifa_family != AF_INET6)) {
		return;
	}
	// On point-to-point devices IFA_ADDRESS is the other end, IFA_LOCAL ours.
	const rtattr *address = nullptr;
	eachAttribute(message, sizeof(*found), [&](const rtattr *attribute) {
		if (attribute->rta_type == IFA_LOCAL ||
		    (attribute->rta_type == IFA_ADDRESS && !address)) {
			address = attribute;
		}
	});
	if (!address) {
		return;
	}
	Napi::Object row = Napi::Object::New(env);
	row.Set("ifindex", Napi::Number::New(env, found->ifa_index));
	row.Set("address",
		addressOf(env, found->ifa_family, RTA_DATA(address), RTA_PAYLOAD(address)));
	row.Set("prefixLength", Napi::Number::New(env, found->ifa_prefixlen));
	row.Set("scope", Napi::Number::New(env, found->ifa_scope));
	rows.Set(rows.Length(), row);
}

// One row a next hop.
void addRoute(Napi::Env env, Napi::Array &rows, const nlmsghdr *message)
{
	const rtmsg *route = bodyOf<rtmsg>(message);
	if (!route || message->nlmsg_type != RTM_NEWROUTE ||
	    (route->rtm_family != AF_INET && route->rtm_family != AF_INET6) ||
	    (route->rtm_flags & RTM_F_CLONED)) {
		return;
	}
	const rtattr *destination = nullptr;
	const rtattr *hops = nullptr;
	uint32_t device = 0;
	uint32_t table = route->rtm_table;
	eachAttribute(message, sizeof(*route), [&](const rtattr *attribute) {
		switch (attribute->rta_type & NLA_TYPE_MASK) {
		case RTA_DST:
			destination = attribute;
			break;
		case RTA_OIF:
			device = attributeU32(attribute);
			break;
		case RTA_TABLE:
			table = attributeU32(attribute);
			break;
		case RTA_MULTIPATH:
			hops = attribute;
			break;
		}
	});
	const auto add = [&](uint32_t ifindex) {
		static const uint8_t zero[16] = {};
		Napi::Object row = Napi::Object::New(env);
		row.Set("family", Napi::Number::New(env, route->rtm_family == AF_INET ? 4 : 6));
		row.Set("destination",
			destination ? addressOf(env, route->rtm_family, RTA_DATA(destination),
						RTA_PAYLOAD(destination))
				    : addressOf(env, AF_INET6, zero, sizeof(zero)));
		row.Set("prefixLength", Napi::Number::New(env, route->rtm_dst_len));
		row.Set("ifindex", Napi::Number::New(env, ifindex));
		row.Set("table", Napi::Number::New(env, table));
		row.Set("type", Napi::Number::New(env, route->rtm_type));
		rows.Set(rows.Length(), row);
	};
	if (!hops) {
		add(device);
		return;
	}
	const auto *hop = static_cast<const rtnexthop *>(RTA_DATA(hops));
	for (size_t left = RTA_PAYLOAD(hops);
	     left >= sizeof(*hop) && hop->rtnh_len >= sizeof(*hop) && hop->rtnh_len <= left;) {
		add(static_cast<uint32_t>(hop->rtnh_ifindex));
		const size_t step = RTNH_ALIGN(hop->rtnh_len);
		left -= step < left ? step : left;
		hop = RTNH_NEXT(hop);
	}
}

using AddRow = void (*)(Napi::Env, Napi::Array &, const nlmsghdr *);

Napi::Value list(Napi::Env env, const char *op, uint16_t type, const void *body, size_t bodyBytes,
		 AddRow add)
{
	int err = 0;
	for (int i = 0; i < dumpTries; i++) {
		Netlink socket;
		Napi::Array rows = Napi::Array::New(env);
		err = socket.open(NETLINK_ROUTE);
		if (!err) {
			err = socket.dump(type, body, bodyBytes, [&](const nlmsghdr *message) {
				const Napi::HandleScope scope(env);
				add(env, rows, message);
			});
		}
		if (!err) {
			return rows;
		}
		if (err != -EINTR) {
			break;
		}
	}
	return throwErrno(env, err, op);
}

Napi::Value netLinks(const Napi::CallbackInfo &info)
{
	const ifinfomsg any = {};
	return list(info.Env(), "list links", RTM_GETLINK, &any, sizeof(any), addLink);
}

Napi::Value netAddresses(const Napi::CallbackInfo &info)
{
	const ifaddrmsg any = {};
	return list(info.Env(), "list addresses", RTM_GETADDR, &any, sizeof(any), addAddress);
}

Napi::Value netRoutes(const Napi::CallbackInfo &info)
{
	const rtmsg any = {};
	return list(info.Env(), "list routes", RTM_GETROUTE, &any, sizeof(any), addRoute);
}

} // namespace

void defineNetwork(Napi::Env env, Napi::Object exports)
{
	exports.Set("netLinks", Napi::Function::New(env, netLinks, "netLinks"));
	exports.Set("netAddresses", Napi::Function::New(env, netAddresses, "netAddresses"));
	exports.Set("netRoutes", Napi::Function::New(env, netRoutes, "netRoutes"));
}

} // namespace fl
