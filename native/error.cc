#include "error.h"

#include <cerrno>
#include <cstring>

#include "addon.h"

namespace fl
{
namespace
{

// BPF system calls leak this one, which user space has no name for.
constexpr int kernelNotSupported = 524;

// What to do about errors that have one usual cause here.
const char *remedy(int err, const std::string &op)
{
	const bool isWrite = op.find(" update") != std::string::npos;
	switch (err) {
	case EPERM:
		return "; needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON (before 5.11 also "
		       "CAP_SYS_RESOURCE for locked memory)";
	case E2BIG:
		return isWrite ? "; the map is full: raise its size" : "";
	case ENOSPC:
		return isWrite ? "; no room in the map: raise its size" : "";
	case EMFILE:
		return "; raise the limit of open files";
	default:
		return "";
	}
}

// The verifier says what is wrong in its last lines, before its statistics.
std::string lastWords(const std::string &log)
{
	const size_t marker = log.rfind("-- END PROG LOAD LOG");
	std::string text = log.substr(0, marker);
	std::string last;
	while (!text.empty()) {
		const size_t start = text.find_last_of('\n', text.size() - 1);
		const size_t from = start == std::string::npos ? 0 : start + 1;
		const std::string line = text.substr(from);
		text.resize(start == std::string::npos ? 0 : start);
		if (line.empty() || line.rfind("processed ", 0) == 0 ||
		    line.rfind("libbpf: --", 0) == 0) {
			continue;
		}
		last = line;
		break;
	}
	return last.size() > 300 ? last.substr(0, 300) + "…" : last;
}

const char *errorClassSource = R"((class NativeError extends Error {
  constructor(message, code, errno, op, log) {
    super(message)
    this.name = 'NativeError'
    this.code = code
    this.errno = errno
    this.op = op
    Object.defineProperty(this, 'log', { value: log, enumerable: false })
  }
}))";

} // namespace

std::string errnoName(int err)
{
	if (err == kernelNotSupported) {
		return "ENOTSUPP";
	}
	const char *name = strerrorname_np(err);
	return name ? name : "E" + std::to_string(err);
}

Failure kernelFailure(int err, std::string op, std::string log)
{
	const int positive = err < 0 ? -err : err;
	const char *text = positive == kernelNotSupported ? "Operation not supported by this kernel"
							  : strerrordesc_np(positive);
	std::string reason = std::string(text ? text : "unknown error") + remedy(positive, op);
	const std::string words = lastWords(log);
	if (!words.empty()) {
		reason += ": " + words;
	}
	return {errnoName(positive), positive, std::move(op), std::move(reason), std::move(log)};
}

Napi::Value makeError(Napi::Env env, const Failure &failure)
{
	const std::string message = failure.op + ": " + failure.code + ": " + failure.reason;
	Napi::FunctionReference &errorClass = Addon::of(env)->errorClass;
	return errorClass.New({
		Napi::String::New(env, message),
		Napi::String::New(env, failure.code),
		Napi::Number::New(env, failure.err),
		Napi::String::New(env, failure.op),
		Napi::String::New(env, failure.log),
	});
}

Napi::Value throwFailure(Napi::Env env, const Failure &failure)
{
	const Napi::Value error = makeError(env, failure);
	if (!env.IsExceptionPending()) {
		napi_throw(env, error);
	}
	return Napi::Value();
}

Napi::Value throwErrno(Napi::Env env, int err, std::string op, std::string log)
{
	return throwFailure(env, kernelFailure(err, std::move(op), std::move(log)));
}

Napi::Value throwInvalid(Napi::Env env, std::string op, std::string reason)
{
	return throwFailure(env, {"ERR_INVALID_ARG", 0, std::move(op), std::move(reason)});
}

Napi::Value throwNotFound(Napi::Env env, std::string op, std::string reason)
{
	return throwFailure(env, {"ERR_NOT_FOUND", 0, std::move(op), std::move(reason)});
}

Napi::Value throwClosed(Napi::Env env, std::string op)
{
	return throwFailure(env, {"ERR_CLOSED", 0, std::move(op), "it was closed before"});
}

Napi::Value throwPartly(Napi::Env env, int err, std::string op, uint32_t done)
{
	const Napi::Value error = makeError(env, kernelFailure(err, std::move(op)));
	if (env.IsExceptionPending()) {
		return Napi::Value();
	}
	error.As<Napi::Object>().Set("done", Napi::Number::New(env, done));
	napi_throw(env, error);
	return Napi::Value();
}

void defineError(Napi::Env env, Napi::Object exports)
{
	const Napi::Value made = env.RunScript(errorClassSource);
	if (made.IsEmpty()) {
		return;
	}
	Addon::of(env)->errorClass = Napi::Persistent(made.As<Napi::Function>());
	exports.Set("NativeError", made);
}

} // namespace fl
