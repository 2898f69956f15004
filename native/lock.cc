// One agent per set of pins: flock(2) on their directory.
#include <cerrno>
#include <cstdio>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "addon.h"
#include "args.h"
#include "error.h"
#include "fd.h"

namespace fl
{
namespace
{

class FileLock : public Napi::ObjectWrap<FileLock>
{
      public:
	static Napi::Function define(Napi::Env env);
	explicit FileLock(const Napi::CallbackInfo &info);

      private:
	static Napi::Value take(const Napi::CallbackInfo &info);
	static Napi::Value holder(const Napi::CallbackInfo &info);
	Napi::Value close(const Napi::CallbackInfo &info);

	Fd fd_;
};

FileLock::FileLock(const Napi::CallbackInfo &info) : ObjectWrap(info)
{
	Fd *fd = factoryArg<Fd>(info, "FileLock");
	if (fd) {
		fd_ = std::move(*fd);
	}
}

Napi::Value FileLock::take(const Napi::CallbackInfo &info)
{
	const Napi::Env env = info.Env();
	const std::optional<std::string> path = pathArg(info, 0, "lock", "path");
	if (!path) {
		return Napi::Value();
	}
	Fd fd(::open(path->c_str(), O_RDONLY | O_CLOEXEC));
	if (!fd.isOpen()) {
		return throwErrno(env, errno, "lock " + *path);
	}
	if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
		return errno == EWOULDBLOCK ? env.Null() : throwErrno(env, errno, "lock " + *path);
	}
	return Addon::of(env)->lockClass.New({Napi::External<Fd>::New(env, &fd)});
}

// A row of /proc/locks: "4: FLOCK  ADVISORY  WRITE 1234 00:1b:77 0 EOF"; waiters have "->".
int pidOfRow(const char *row, const struct stat &wanted)
{
	int pid = 0;
	unsigned int major = 0;
	unsigned int minor = 0;
	unsigned long long inode = 0;
	const int got =
		sscanf(row, "%*d: FLOCK %*s WRITE %d %x:%x:%llu", &pid, &major, &minor, &inode);
	const bool isIt =
		got == 4 && inode == wanted.st_ino && makedev(major, minor) == wanted.st_dev;
	return isIt && pid > 0 ? pid : 0;
}

Napi::Value FileLock::holder(const Napi::CallbackInfo &info)
{
	const Napi::Env env = info.Env();
	const std::optional<std::string> path = pathArg(info, 0, "find lock holder", "path");
	if (!path) {
		return Napi::Value();
	}
	struct stat wanted;
	if (stat(path->c_str(), &wanted) != 0) {
		return throwErrno(env, errno, "find lock holder of " + *path);
	}
	int pid = 0;
	FILE *locks = fopen("/proc/locks", "re");
	char row[256];
	while (locks && pid == 0 && fgets(row, sizeof(row), locks)) {
		pid = pidOfRow(row, wanted);
	}
	if (locks) {
		fclose(locks);
	}
	return Napi::Number::New(env, pid);
}

Napi::Value FileLock::close(const Napi::CallbackInfo &info)
{
	fd_.reset();
	return info.Env().Undefined();
}

Napi::Function FileLock::define(Napi::Env env)
{
	return DefineClass(env, "FileLock",
			   {
				   StaticMethod("take", &FileLock::take),
				   StaticMethod("holder", &FileLock::holder),
				   InstanceMethod("close", &FileLock::close),
			   });
}

} // namespace

void defineLock(Napi::Env env, Napi::Object exports)
{
	const Napi::Function constructor = FileLock::define(env);
	Addon::of(env)->lockClass = Napi::Persistent(constructor);
	exports.Set("FileLock", constructor);
}

} // namespace fl
