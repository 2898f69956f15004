// Checks of what JavaScript hands in. Each throws ERR_INVALID_ARG itself and returns false (or
// an empty optional): the entry then just returns.
#pragma once

#include <cstdint>
#include <napi.h>
#include <optional>
#include <span>
#include <string>

#include "error.h"

namespace fl
{

using Bytes = std::span<const uint8_t>;

// A Uint8Array (or Buffer) of any length. Valid until JavaScript runs again.
std::optional<Bytes> bytesArg(const Napi::CallbackInfo &info, size_t index, const std::string &op,
			      const char *name);
// … of exactly `length` bytes.
std::optional<Bytes> bytesArg(const Napi::CallbackInfo &info, size_t index, const std::string &op,
			      const char *name, size_t length);
// Without NUL.
std::optional<std::string> stringArg(const Napi::CallbackInfo &info, size_t index,
				     const std::string &op, const char *name);
// A path: a string that is not empty.
std::optional<std::string> pathArg(const Napi::CallbackInfo &info, size_t index,
				   const std::string &op, const char *name);
// An integer within [low, high].
std::optional<uint32_t> intArg(const Napi::CallbackInfo &info, size_t index, const std::string &op,
			       const char *name, uint32_t low, uint32_t high);
std::optional<bool> boolArg(const Napi::CallbackInfo &info, size_t index, const std::string &op,
			    const char *name);
std::optional<Napi::Function> functionArg(const Napi::CallbackInfo &info, size_t index,
					  const std::string &op, const char *name);

// The same checks on a value that is no argument.
std::optional<Bytes> bytesOf(Napi::Value value, const std::string &op, const char *name);
std::optional<uint32_t> intOf(Napi::Value value, const std::string &op, const char *name,
			      uint32_t low, uint32_t high);

// What a class's constructor gets from its own factory; JavaScript cannot make one.
template <typename T> T *factoryArg(const Napi::CallbackInfo &info, const char *className)
{
	if (info.Length() == 1 && info[0].IsExternal()) {
		return info[0].As<Napi::External<T>>().Data();
	}
	throwInvalid(info.Env(), std::string("new ") + className,
		     "it has no public constructor: it comes from open() or another object");
	return nullptr;
}

} // namespace fl
