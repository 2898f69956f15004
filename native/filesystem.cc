#include "filesystem.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <bpf/bpf.h>

#include "addon.h"
#include "args.h"
#include "error.h"

namespace fl
{
namespace
{

constexpr decltype(statfs::f_type) bpffsMagic = 0xcafe4a11;
constexpr decltype(statfs::f_type) cgroup2Magic = 0x63677270;

const char *kindName(PinKind kind)
{
	switch (kind) {
	case PinKind::map:
		return "map";
	case PinKind::program:
		return "prog";
	default:
		return "link";
	}
}

// A program's descriptor given to a map's calls would be read as garbage: look what it is.
bool isKind(int fd, PinKind kind)
{
	char path[64];
	char target[64] = {};
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (readlink(path, target, sizeof(target) - 1) < 0) {
		return true; // without /proc the kernel's own checks remain
	}
	// "anon_inode:bpf-map"; links are "bpf_link" or "bpf-link" by kernel version.
	const char *bpf = strstr(target, "bpf");
	return bpf && strcmp(bpf + 4, kindName(kind)) == 0;
}

Napi::Value liesOn(const Napi::CallbackInfo &info, const char *what, decltype(statfs::f_type) magic)
{
	const Napi::Env env = info.Env();
	const std::optional<std::string> path = pathArg(info, 0, what, "path");
	if (!path) {
		return Napi::Value();
	}
	struct statfs found;
	if (statfs(path->c_str(), &found) != 0) {
		return throwErrno(env, errno, std::string(what) + " " + *path);
	}
	return Napi::Boolean::New(env, static_cast<uint32_t>(found.f_type) ==
					       static_cast<uint32_t>(magic));
}

Napi::Value isBpffs(const Napi::CallbackInfo &info)
{
	return liesOn(info, "look for bpffs at", bpffsMagic);
}

Napi::Value isCgroup2(const Napi::CallbackInfo &info)
{
	return liesOn(info, "look for cgroup2 at", cgroup2Magic);
}

Napi::Value mountBpffs(const Napi::CallbackInfo &info)
{
	const Napi::Env env = info.Env();
	const std::optional<std::string> path = pathArg(info, 0, "mount bpffs", "path");
	if (!path) {
		return Napi::Value();
	}
	const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
	if (mount("bpffs", path->c_str(), "bpf", flags, "mode=0700") == 0) {
		return env.Undefined();
	}
	Failure failure = kernelFailure(errno, "mount bpffs at " + *path);
	if (failure.err == EPERM) {
		failure.reason = "needs CAP_SYS_ADMIN; let the host mount it before";
	}
	return throwFailure(env, failure);
}

} // namespace

Fd openPin(Napi::Env env, const std::string &path, PinKind kind, const std::string &op)
{
	Fd fd(bpf_obj_get(path.c_str()));
	if (!fd.isOpen()) {
		throwErrno(env, errno, op);
		return Fd();
	}
	if (!isKind(fd.get(), kind)) {
		throwFailure(env, {"EINVAL", EINVAL, op,
				   std::string("there is no ") + kindName(kind) +
					   " pinned but another kind of object"});
		return Fd();
	}
	return fd;
}

Napi::Value pinTo(const Napi::CallbackInfo &info, int fd, const std::string &op)
{
	const Napi::Env env = info.Env();
	const std::optional<std::string> path = pathArg(info, 0, op, "path");
	if (!path) {
		return Napi::Value();
	}
	const int err = bpf_obj_pin(fd, path->c_str());
	return err ? throwErrno(env, err, op + " to " + *path) : env.Undefined();
}

void defineFilesystem(Napi::Env env, Napi::Object exports)
{
	exports.Set("isBpffs", Napi::Function::New(env, isBpffs, "isBpffs"));
	exports.Set("isCgroup2", Napi::Function::New(env, isCgroup2, "isCgroup2"));
	exports.Set("mountBpffs", Napi::Function::New(env, mountBpffs, "mountBpffs"));
}

} // namespace fl
