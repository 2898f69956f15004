// A thread that waits for one descriptor and brings what it reads to JavaScript, in order and
// with back-pressure: it reads no further while JavaScript has not taken the last piece.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <napi.h>
#include <string>
#include <vector>

namespace fl
{

class Watch
{
      public:
	using Piece = std::vector<uint8_t>;
	// In the thread, when `fd` is readable: what to deliver; empty for nothing.
	using Read = std::function<Piece()>;
	// In JavaScript's thread: the argument of the callback.
	using Convert = std::function<Napi::Value(Napi::Env, const Piece &)>;

	// Null with an exception thrown if there is no thread to be had. `fd` must outlive it.
	static std::unique_ptr<Watch> start(Napi::Env env, Napi::Function callback,
					    const std::string &name, int fd, Read read,
					    Convert convert);
	// Ends the thread before it returns; no callback comes after it. Also from a callback.
	~Watch();
	Watch(const Watch &) = delete;
	Watch &operator=(const Watch &) = delete;

      private:
	struct Shared;
	explicit Watch(std::shared_ptr<Shared> shared);
	std::shared_ptr<Shared> shared_;
};

} // namespace fl
