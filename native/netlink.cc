#include "netlink.h"

#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <vector>

namespace fl
{
namespace
{

constexpr size_t receiveBytes = 64 * 1024; // the kernel fills 32 KB at most for a dump

// Receives one datagram from the kernel itself: its length, or negative errno.
ssize_t receive(int fd, std::vector<uint8_t> &buffer)
{
	for (;;) {
		sockaddr_nl from = {};
		iovec part = {buffer.data(), buffer.size()};
		msghdr message = {};
		message.msg_name = &from;
		message.msg_namelen = sizeof(from);
		message.msg_iov = &part;
		message.msg_iovlen = 1;
		const ssize_t length = recvmsg(fd, &message, 0);
		if (length < 0 && errno == EINTR) {
			continue;
		}
		if (length < 0) {
			return -errno;
		}
		if (message.msg_flags & MSG_TRUNC) {
			return -EMSGSIZE;
		}
		if (from.nl_pid == 0) {
			return length;
		}
	}
}

} // namespace

int Netlink::open(int protocol, uint32_t groups)
{
	fd_ = Fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
	if (!fd_.isOpen()) {
		return -errno;
	}
	sockaddr_nl local = {};
	local.nl_family = AF_NETLINK;
	local.nl_groups = groups;
	if (bind(fd_.get(), reinterpret_cast<sockaddr *>(&local), sizeof(local)) != 0) {
		return -errno;
	}
	return 0;
}

int Netlink::send(uint16_t type, uint16_t flags, const void *body, size_t bodyBytes)
{
	std::vector<uint8_t> bytes(NLMSG_SPACE(bodyBytes));
	auto *head = reinterpret_cast<nlmsghdr *>(bytes.data());
	head->nlmsg_len = static_cast<uint32_t>(NLMSG_LENGTH(bodyBytes));
	head->nlmsg_type = type;
	head->nlmsg_flags = flags;
	head->nlmsg_seq = ++sequence_;
	memcpy(NLMSG_DATA(head), body, bodyBytes);
	sockaddr_nl kernel = {};
	kernel.nl_family = AF_NETLINK;
	const ssize_t sent = sendto(fd_.get(), bytes.data(), head->nlmsg_len, 0,
				    reinterpret_cast<sockaddr *>(&kernel), sizeof(kernel));
	return sent < 0 ? -errno : 0;
}

int Netlink::answers(const std::function<bool(const nlmsghdr *)> &each)
{
	std::vector<uint8_t> buffer(receiveBytes);
	for (;;) {
		const ssize_t length = receive(fd_.get(), buffer);
		if (length < 0) {
			return static_cast<int>(length);
		}
		size_t left = static_cast<size_t>(length);
		for (auto *message = reinterpret_cast<nlmsghdr *>(buffer.data());
		     NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
			if (message->nlmsg_seq == sequence_ && !each(message)) {
				return 0;
			}
		}
	}
}

int Netlink::dump(uint16_t type, const void *body, size_t bodyBytes,
		  const std::function<void(const nlmsghdr *)> &each)
{
	int err = send(type, NLM_F_REQUEST | NLM_F_DUMP, body, bodyBytes);
	if (err) {
		return err;
	}
	bool isInterrupted = false;
	int status = 0;
	err = answers([&](const nlmsghdr *message) {
		isInterrupted |= (message->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
		const bool isError = message->nlmsg_type == NLMSG_ERROR;
		if (!isError && message->nlmsg_type != NLMSG_DONE) {
			each(message);
			return true;
		}
		// Both begin with a status: a dump that failed on its way says so when it is done.
		if (NLMSG_PAYLOAD(message, 0) >= sizeof(status)) {
			memcpy(&status, NLMSG_DATA(message), sizeof(status));
		}
		return false;
	});
	if (err || status < 0) {
		return err ? err : status;
	}
	return isInterrupted ? -EINTR : 0;
}

int Netlink::request(uint16_t type, const void *body, size_t bodyBytes)
{
	int err = send(type, NLM_F_REQUEST | NLM_F_ACK, body, bodyBytes);
	if (err) {
		return err;
	}
	int status = -EPROTO;
	err = answers([&](const nlmsghdr *message) {
		const bool isVerdict = message->nlmsg_type == NLMSG_ERROR &&
				       NLMSG_PAYLOAD(message, 0) >= sizeof(status);
		if (isVerdict) {
			memcpy(&status, NLMSG_DATA(message), sizeof(status));
		}
		return !isVerdict;
	});
	return err ? err : status;
}

uint32_t attributeU32(const rtattr *attribute)
{
	uint32_t value = 0;
	if (RTA_PAYLOAD(attribute) >= sizeof(value)) {
		memcpy(&value, RTA_DATA(attribute), sizeof(value));
	}
	return value;
}

std::string attributeText(const rtattr *attribute)
{
	const char *text = static_cast<const char *>(RTA_DATA(attribute));
	return std::string(text, strnlen(text, RTA_PAYLOAD(attribute)));
}

} // namespace fl
