// Pins and the file systems they need.
#pragma once

#include <napi.h>
#include <string>

#include "fd.h"

namespace fl
{

enum class PinKind { map, program, link };

// The pinned object of that kind; throws and returns a closed Fd if there is none or another kind.
Fd openPin(Napi::Env env, const std::string &path, PinKind kind, const std::string &op);
// Pins the object to the path that argument 0 names.
Napi::Value pinTo(const Napi::CallbackInfo &info, int fd, const std::string &op);

} // namespace fl
