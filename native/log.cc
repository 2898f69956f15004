#include "log.h"

#include <cstdarg>
#include <cstdio>

#include <bpf/libbpf.h>

namespace fl
{
namespace
{

// A failed load of a large program can print 16 MB; what helps is its beginning and its end.
constexpr size_t keptHead = 16 * 1024;
constexpr size_t keptTail = 240 * 1024;

thread_local LogCapture *current = nullptr;

int print(enum libbpf_print_level level, const char *format, va_list args)
{
	if (level == LIBBPF_DEBUG || current == nullptr) {
		return 0;
	}
	va_list again;
	va_copy(again, args);
	const int length = vsnprintf(nullptr, 0, format, again);
	va_end(again);
	if (length <= 0) {
		return 0;
	}
	std::string message(static_cast<size_t>(length), '\0');
	vsnprintf(message.data(), message.size() + 1, format, args);
	current->add(message);
	return length;
}

} // namespace

void captureLibbpfLog()
{
	libbpf_set_print(print);
}

LogCapture::LogCapture() : outer_(current)
{
	current = this;
}

LogCapture::~LogCapture()
{
	current = outer_;
}

void LogCapture::add(const std::string &message)
{
	text_ += message;
	if (text_.size() > keptHead + 2 * keptTail) {
		text_.erase(keptHead, text_.size() - keptHead - keptTail);
		text_.insert(keptHead, "\n[… cut …]\n");
	}
}

std::string LogCapture::text() const
{
	return text_;
}

} // namespace fl
