// A netlink socket: dumps, single requests, and walking through attributes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string>

#include "fd.h"

namespace fl
{

class Netlink
{
      public:
	// `protocol`: NETLINK_*; `groups`: RTMGRP_* to listen to. 0 or negative errno.
	int open(int protocol, uint32_t groups = 0);
	int fd() const
	{
		return fd_.get();
	}

	// Sends a dump request and calls `each` for every message of the answer. 0 or negative
	// errno; -EINTR if the kernel's table changed meanwhile (the dump may lack something).
	int dump(uint16_t type, const void *body, size_t bodyBytes,
		 const std::function<void(const nlmsghdr *)> &each);
	// Sends one request and waits for its acknowledgement: 0 or negative errno.
	int request(uint16_t type, const void *body, size_t bodyBytes);

      private:
	// Calls `each` for what the kernel answers to the last request until it returns false.
	int answers(const std::function<bool(const nlmsghdr *)> &each);
	int send(uint16_t type, uint16_t flags, const void *body, size_t bodyBytes);

	Fd fd_;
	uint32_t sequence_ = 0;
};

// Calls `each` for every attribute behind `headBytes` of the message's body.
template <typename Each> void eachAttribute(const nlmsghdr *message, size_t headBytes, Each each)
{
	const size_t head = NLMSG_ALIGN(headBytes);
	const size_t body = NLMSG_PAYLOAD(message, 0);
	if (body < head) {
		return;
	}
	const auto *attribute = reinterpret_cast<const rtattr *>(
		static_cast<const uint8_t *>(NLMSG_DATA(message)) + head);
	for (int left = static_cast<int>(body - head); RTA_OK(attribute, left);
	     attribute = RTA_NEXT(attribute, left)) {
		each(attribute);
	}
}

uint32_t attributeU32(const rtattr *attribute);
std::string attributeText(const rtattr *attribute);

} // namespace fl
