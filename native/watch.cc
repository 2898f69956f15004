#include "watch.h"

#include <atomic>
#include <cerrno>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>

#include "error.h"
#include "fd.h"

namespace fl
{

struct Watch::Shared {
	Fd wake; // readable: the thread shall end
	int fd = -1;
	Read read;
	Convert convert;
	napi_env env = nullptr;
	napi_threadsafe_function call = nullptr;
	pthread_t thread = {};
	std::atomic<bool> isStopped = false;

	static void *run(void *argument);
	static void deliver(napi_env env, napi_value callback, void *context, void *data);
	static void endOfEnvironment(void *argument);
	void stop();
};

namespace
{

// A piece on its way. It keeps what it needs alive: the queue may be emptied after the end.
template <typename Shared> struct Delivery {
	std::shared_ptr<Shared> shared;
	Watch::Piece piece;
};

} // namespace

void *Watch::Shared::run(void *argument)
{
	const std::unique_ptr<std::shared_ptr<Shared>> owned(
		static_cast<std::shared_ptr<Shared> *>(argument));
	const std::shared_ptr<Shared> self = *owned;
	for (;;) {
		pollfd ready[] = {{self->fd, POLLIN, 0}, {self->wake.get(), POLLIN, 0}};
		const int count = poll(ready, 2, -1);
		if (self->isStopped || (count < 0 && errno != EINTR)) {
			break;
		}
		if (count <= 0 || ready[0].revents == 0) {
			continue;
		}
		Piece piece = self->read();
		if (piece.empty()) {
			continue;
		}
		auto *delivery = new Delivery<Shared>{self, std::move(piece)};
		const napi_status status =
			napi_call_threadsafe_function(self->call, delivery, napi_tsfn_blocking);
		if (status != napi_ok) {
			delete delivery;
			if (status == napi_closing) {
				return nullptr; // it counts as released
			}
			break;
		}
	}
	napi_release_threadsafe_function(self->call, napi_tsfn_release);
	return nullptr;
}

void Watch::Shared::deliver(napi_env env, napi_value callback, void *, void *data)
{
	const std::unique_ptr<Delivery<Shared>> delivery(static_cast<Delivery<Shared> *>(data));
	if (!env || !callback || delivery->shared->isStopped) {
		return;
	}
	const Napi::HandleScope scope(env);
	const Napi::Value value = delivery->shared->convert(env, delivery->piece);
	if (!value.IsEmpty()) {
		Napi::Function(env, callback).Call({value});
	}
}

void Watch::Shared::endOfEnvironment(void *argument)
{
	static_cast<Shared *>(argument)->stop();
}

// In JavaScript's thread. Our own thread never waits for JavaScript to run, only for room in the
// queue, which the abort ends: so joining it here cannot hang.
void Watch::Shared::stop()
{
	if (isStopped.exchange(true)) {
		return;
	}
	const uint64_t one = 1;
	[[maybe_unused]] const ssize_t written = write(wake.get(), &one, sizeof(one));
	napi_release_threadsafe_function(call, napi_tsfn_abort);
	pthread_join(thread, nullptr);
	read = nullptr;
}

std::unique_ptr<Watch> Watch::start(Napi::Env env, Napi::Function callback, const std::string &name,
				    int fd, Read read, Convert convert)
{
	auto shared = std::make_shared<Shared>();
	shared->wake = Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	if (!shared->wake.isOpen()) {
		throwErrno(env, errno, name);
		return nullptr;
	}
	shared->fd = fd;
	shared->read = std::move(read);
	shared->convert = std::move(convert);
	shared->env = env;
	// A queue of one piece; two holders: the thread and us.
	napi_status status = napi_create_threadsafe_function(
		env, callback, nullptr, Napi::String::New(env, name), 1, 2, nullptr, nullptr,
		nullptr, Shared::deliver, &shared->call);
	if (status != napi_ok) {
		throwFailure(env, {"ENOMEM", ENOMEM, name, "no thread-safe function to be had"});
		return nullptr;
	}
	napi_unref_threadsafe_function(env, shared->call);
	auto *argument = new std::shared_ptr<Shared>(shared);
	const int err = pthread_create(&shared->thread, nullptr, Shared::run, argument);
	if (err) {
		delete argument;
		shared->isStopped = true;
		napi_release_threadsafe_function(shared->call, napi_tsfn_release);
		napi_release_threadsafe_function(shared->call, napi_tsfn_release);
		throwErrno(env, err, name);
		return nullptr;
	}
	pthread_setname_np(shared->thread, "fairlead-watch");
	napi_add_env_cleanup_hook(env, Shared::endOfEnvironment, shared.get());
	return std::unique_ptr<Watch>(new Watch(std::move(shared)));
}

Watch::Watch(std::shared_ptr<Shared> shared) : shared_(std::move(shared))
{
}

Watch::~Watch()
{
	napi_remove_env_cleanup_hook(shared_->env, Shared::endOfEnvironment, shared_.get());
	shared_->stop();
}

} // namespace fl
