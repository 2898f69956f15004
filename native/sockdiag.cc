// Ending sockets that still talk to a removed backend (sock_diag).
#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <vector>

#include "addon.h"
#include "args.h"
#include "error.h"
#include "netlink.h"

namespace fl
{
namespace
{

constexpr uint8_t v4Mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

// Every state but LISTEN and TIME_WAIT: those talk to nobody.
constexpr uint32_t talkingStates = ~((1u << TCP_LISTEN) | (1u << TCP_TIME_WAIT));

struct Target {
	uint8_t family;
	uint8_t protocol;
	uint8_t address[16]; // of the family
	uint16_t port;	     // host order
};

size_t addressBytes(const Target &target)
{
	return target.family == AF_INET ? 4 : 16;
}

// The dump request with the kernel's own filter program: only sockets with that destination.
std::vector<uint8_t> dumpRequest(const Target &target)
{
	struct Condition {
		inet_diag_bc_op op;
		inet_diag_hostcond host;
	};
	const size_t conditionBytes = sizeof(Condition) + addressBytes(target);
	const size_t attributeBytes = RTA_LENGTH(conditionBytes);
	std::vector<uint8_t> bytes(sizeof(inet_diag_req_v2) + RTA_ALIGN(attributeBytes));
	auto *request = reinterpret_cast<inet_diag_req_v2 *>(bytes.data());
	request->sdiag_family = target.family;
	request->sdiag_protocol = target.protocol;
	request->idiag_states = talkingStates;
	auto *attribute = reinterpret_cast<rtattr *>(request + 1);
	attribute->rta_type = INET_DIAG_REQ_BYTECODE;
	attribute->rta_len = static_cast<uint16_t>(attributeBytes);
	auto *condition = static_cast<Condition *>(RTA_DATA(attribute));
	condition->op.code = INET_DIAG_BC_D_COND;
	condition->op.yes = static_cast<uint8_t>(conditionBytes);
	condition->op.no = static_cast<uint16_t>(conditionBytes + 4); // beyond the end: no match
	condition->host.family = target.family;
	condition->host.prefix_len = static_cast<uint8_t>(addressBytes(target) * 8);
	condition->host.port = target.port;
	memcpy(condition->host.addr, target.address, addressBytes(target));
	return bytes;
}

bool isTarget(const Target &target, const inet_diag_msg &found)
{
	return found.idiag_family == target.family && found.id.idiag_dport == htons(target.port) &&
	       memcmp(found.id.idiag_dst, target.address, addressBytes(target)) == 0;
}

// Adds the ids of matching sockets. 0 or negative errno.
int findSockets(Netlink &socket, const Target &target, std::vector<inet_diag_sockid> &ids)
{
	const std::vector<uint8_t> request = dumpRequest(target);
	const int err = socket.dump(SOCK_DIAG_BY_FAMILY, request.data(), request.size(),
				    [&](const nlmsghdr *message) {
					    inet_diag_msg found;
					    if (NLMSG_PAYLOAD(message, 0) < sizeof(found)) {
						    return;
					    }
					    memcpy(&found, NLMSG_DATA(message), sizeof(found));
					    if (isTarget(target, found)) {
						    ids.push_back(found.id);
					    }
				    });
	// A table that changed meanwhile is no error: what came since is not talking to a removed
	// backend any more. No such family, or no diagnostics for it: it has no sockets we can end.
	return err == -EINTR ? 0 : err == -ENOENT ? -EOPNOTSUPP : err;
}

// How many of the target's sockets were ended, or negative errno.
int destroyAll(const Target &target)
{
	Netlink socket;
	int err = socket.open(NETLINK_SOCK_DIAG);
	std::vector<inet_diag_sockid> ids;
	if (!err) {
		err = findSockets(socket, target, ids);
	}
	if (err) {
		return err;
	}
	int destroyed_n = 0;
	for (const inet_diag_sockid &id : ids) {
		inet_diag_req_v2 request = {};
		request.sdiag_family = target.family;
		request.sdiag_protocol = target.protocol;
		request.idiag_states = ~0u;
		request.id = id;
		err = socket.request(SOCK_DESTROY, &request, sizeof(request));
		if (err && err != -ENOENT) { // ENOENT: it ended by itself
			return err;
		}
		destroyed_n += err == 0;
	}
	return destroyed_n;
}

Napi::Value destroySockets(const Napi::CallbackInfo &info)
{
	const Napi::Env env = info.Env();
	const char *op = "destroy sockets";
	const std::optional<uint32_t> protocol = intArg(info, 0, op, "protocol", 0, 255);
	if (protocol && *protocol != IPPROTO_TCP && *protocol != IPPROTO_UDP) {
		return throwInvalid(env, op, "protocol must be 6 (TCP) or 17 (UDP)");
	}
	const std::optional<Bytes> address =
		protocol ? bytesArg(info, 1, op, "address", 16) : std::nullopt;
	const std::optional<uint32_t> port =
		address ? intArg(info, 2, op, "port", 1, 65535) : std::nullopt;
	if (!port) {
		return Napi::Value();
	}
	// An IPv4 destination may also be that of an IPv6 socket, in its v4-mapped form.
	Target target = {
		AF_INET6, static_cast<uint8_t>(*protocol), {}, static_cast<uint16_t>(*port)};
	memcpy(target.address, address->data(), 16);
	int total_n = destroyAll(target);
	if (memcmp(address->data(), v4Mapped, sizeof(v4Mapped)) == 0) {
		const bool hasNoV6 = total_n == -EOPNOTSUPP;
		target.family = AF_INET;
		memcpy(target.address, address->data() + 12, 4);
		const int found = total_n < 0 && !hasNoV6 ? total_n : destroyAll(target);
		total_n = found < 0 || hasNoV6 ? found : total_n + found;
	}
	return total_n < 0 ? throwErrno(env, total_n, op) : Napi::Number::New(env, total_n);
}

} // namespace

void defineSockDiag(Napi::Env env, Napi::Object exports)
{
	exports.Set("destroySockets", Napi::Function::New(env, destroySockets, "destroySockets"));
}

} // namespace fl
