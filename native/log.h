// libbpf's messages of one call. libbpf has one print function per process; which call a message
// belongs to is known by the thread, as every call into libbpf stays on its own.
#pragma once

#include <string>

namespace fl
{

// Installs our print function; the same for every environment, so calling it again is harmless.
void captureLibbpfLog();

// While one lives, this thread's libbpf messages go to it, not to stderr. They nest.
class LogCapture
{
      public:
	LogCapture();
	~LogCapture();
	LogCapture(const LogCapture &) = delete;
	LogCapture &operator=(const LogCapture &) = delete;

	// The text so far; the middle is cut from very long ones.
	std::string text() const;
	void add(const std::string &message);

      private:
	std::string text_;
	LogCapture *outer_;
};

} // namespace fl
