// A file descriptor that is closed once.
#pragma once

#include <fcntl.h>
#include <unistd.h>
#include <utility>

namespace fl
{

class Fd
{
      public:
	Fd() = default;
	explicit Fd(int fd) : fd_(fd)
	{
	}
	Fd(Fd &&other) noexcept : fd_(std::exchange(other.fd_, -1))
	{
	}
	Fd &operator=(Fd &&other) noexcept
	{
		if (this != &other) {
			reset();
			fd_ = std::exchange(other.fd_, -1);
		}
		return *this;
	}
	~Fd()
	{
		reset();
	}

	int get() const
	{
		return fd_;
	}
	bool isOpen() const
	{
		return fd_ >= 0;
	}
	void reset()
	{
		if (fd_ >= 0) {
			close(std::exchange(fd_, -1));
		}
	}
	// A second descriptor of the same kernel object; not open (errno set) if there is none
	// left.
	static Fd duplicate(int fd)
	{
		return Fd(fcntl(fd, F_DUPFD_CLOEXEC, 0));
	}

      private:
	int fd_ = -1;
};

} // namespace fl
