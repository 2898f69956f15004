// −errno, libbpf's and the verifier's text → one JavaScript error {code, errno, op, log}.
#pragma once

#include <napi.h>
#include <string>

namespace fl
{

// Name of a positive errno: 'EPERM'. Also of the kernel's own ENOTSUPP (524).
std::string errnoName(int err);

struct Failure {
	std::string code;   // errno name or ERR_*
	int err;	    // positive errno, 0: no system call failed
	std::string op;	    // what was tried, on what
	std::string reason; // what went wrong, and what to do
	std::string log = {};
};

// err: positive or negative errno.
Failure kernelFailure(int err, std::string op, std::string log = {});

Napi::Value makeError(Napi::Env env, const Failure &failure);

// These throw and return the empty value, so that an entry can `return throwErrno(…)`.
Napi::Value throwFailure(Napi::Env env, const Failure &failure);
Napi::Value throwErrno(Napi::Env env, int err, std::string op, std::string log = {});
Napi::Value throwInvalid(Napi::Env env, std::string op, std::string reason);
Napi::Value throwNotFound(Napi::Env env, std::string op, std::string reason);
Napi::Value throwClosed(Napi::Env env, std::string op);
// A batch that stopped: `done` entries were written.
Napi::Value throwPartly(Napi::Env env, int err, std::string op, uint32_t done);

void defineError(Napi::Env env, Napi::Object exports);

} // namespace fl
