// The clock and the barrier that the agent shares with the programs.
#include <cerrno>
#include <ctime>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "addon.h"
#include "error.h"

namespace fl
{
namespace
{

class Barrier : public Napi::AsyncWorker
{
      public:
	explicit Barrier(Napi::Env env)
	    : AsyncWorker(env, "fairlead membarrier"), promise_(Napi::Promise::Deferred::New(env))
	{
	}
	Napi::Promise promise() const
	{
		return promise_.Promise();
	}

      protected:
	// 15–20 ms: it waits for a grace period, so it must not stand in JavaScript's thread.
	void Execute() override
	{
		err_ = syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0 ? 0 : errno;
	}
	void OnOK() override
	{
		if (err_ == 0) {
			promise_.Resolve(Env().Undefined());
		} else {
			promise_.Reject(makeError(Env(), kernelFailure(err_, "membarrier")));
		}
	}

      private:
	Napi::Promise::Deferred promise_;
	int err_ = 0;
};

Napi::Value membarrier(const Napi::CallbackInfo &info)
{
	Barrier *barrier = new Barrier(info.Env()); // deletes itself when done
	const Napi::Promise promise = barrier->promise();
	barrier->Queue();
	return promise;
}

Napi::Value bootTimeNs(const Napi::CallbackInfo &info)
{
	timespec now;
	if (clock_gettime(CLOCK_BOOTTIME, &now) != 0) {
		return throwErrno(info.Env(), errno, "read CLOCK_BOOTTIME");
	}
	const uint64_t ns = static_cast<uint64_t>(now.tv_sec) * 1000000000u +
			    static_cast<uint64_t>(now.tv_nsec);
	return Napi::BigInt::New(info.Env(), ns);
}

} // namespace

void defineClock(Napi::Env env, Napi::Object exports)
{
	exports.Set("membarrier", Napi::Function::New(env, membarrier, "membarrier"));
	exports.Set("bootTimeNs", Napi::Function::New(env, bootTimeNs, "bootTimeNs"));
}

} // namespace fl
