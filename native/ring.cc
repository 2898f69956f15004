// A BPF ring buffer's records, brought to JavaScript in pieces.
#include <atomic>
#include <cerrno>

#include <bpf/libbpf.h>

#include "addon.h"
#include "args.h"
#include "error.h"
#include "log.h"
#include "map.h"
#include "watch.h"

namespace fl
{
namespace
{

// One wake-up hands over so much at most; the rest waits in the ring, and the kernel drops (and
// its programs count) what does not fit there.
constexpr size_t pieceBytesMax = 1 << 20;

struct RingDeleter {
	void operator()(ring_buffer *ring) const
	{
		ring_buffer__free(ring);
	}
};

struct Reader {
	std::unique_ptr<ring_buffer, RingDeleter> ring;
	Fd map;
	size_t recordBytes = 0;
	std::atomic<uint64_t> lost_n = 0;
	Watch::Piece piece;

	static int take(void *context, void *record, size_t length)
	{
		Reader *self = static_cast<Reader *>(context);
		if (length != self->recordBytes) {
			self->lost_n++;
			return 0;
		}
		const uint8_t *bytes = static_cast<const uint8_t *>(record);
		self->piece.insert(self->piece.end(), bytes, bytes + length);
		const bool isFull = self->piece.size() + length > pieceBytesMax;
		return isFull ? -EAGAIN : 0; // this record is taken, the next one not
	}

	Watch::Piece read()
	{
		piece.clear();
		ring_buffer__consume(ring.get());
		return std::move(piece);
	}
};

class RingBuffer : public Napi::ObjectWrap<RingBuffer>
{
      public:
	static Napi::Function define(Napi::Env env);
	explicit RingBuffer(const Napi::CallbackInfo &info);

      private:
	Napi::Value lost(const Napi::CallbackInfo &info);
	Napi::Value close(const Napi::CallbackInfo &info);

	std::shared_ptr<Reader> reader_;
	std::unique_ptr<Watch> watch_;
};

Napi::Value toBuffer(Napi::Env env, const Watch::Piece &piece)
{
	return Napi::Buffer<uint8_t>::Copy(env, piece.data(), piece.size());
}

RingBuffer::RingBuffer(const Napi::CallbackInfo &info) : ObjectWrap(info)
{
	const Napi::Env env = info.Env();
	Map *map = Map::arg(info, 0, "ring buffer open");
	if (!map) {
		return;
	}
	const std::string op = "ring buffer open " + map->name();
	const std::optional<uint32_t> recordBytes =
		intArg(info, 1, op, "recordSize", 1, pieceBytesMax);
	const std::optional<Napi::Function> callback =
		recordBytes ? functionArg(info, 2, op, "onRecords") : std::nullopt;
	if (!callback) {
		return;
	}
	if (map->kernelInfo().type != BPF_MAP_TYPE_RINGBUF) {
		throwInvalid(env, op, "the map is no RINGBUF");
		return;
	}
	auto reader = std::make_shared<Reader>();
	reader->recordBytes = *recordBytes;
	reader->map = Fd::duplicate(map->fd());
	LogCapture log;
	if (reader->map.isOpen()) {
		reader->ring.reset(
			ring_buffer__new(reader->map.get(), Reader::take, reader.get(), nullptr));
	}
	if (!reader->ring) {
		throwErrno(env, errno, op, log.text());
		return;
	}
	watch_ = Watch::start(
		env, *callback, op, ring_buffer__epoll_fd(reader->ring.get()),
		[reader] { return reader->read(); }, toBuffer);
	if (watch_) {
		reader_ = std::move(reader);
		Ref(); // records come until close(), whoever still holds the object
	}
}

Napi::Value RingBuffer::lost(const Napi::CallbackInfo &info)
{
	if (!watch_) {
		return throwClosed(info.Env(), "ring buffer lost");
	}
	return Napi::Number::New(info.Env(), static_cast<double>(reader_->lost_n));
}

Napi::Value RingBuffer::close(const Napi::CallbackInfo &info)
{
	if (watch_) {
		watch_.reset();
		reader_.reset();
		Unref();
	}
	return info.Env().Undefined();
}

Napi::Function RingBuffer::define(Napi::Env env)
{
	return DefineClass(env, "RingBuffer",
			   {
				   InstanceMethod("lost", &RingBuffer::lost),
				   InstanceMethod("close", &RingBuffer::close),
			   });
}

} // namespace

void defineRing(Napi::Env env, Napi::Object exports)
{
	exports.Set("RingBuffer", RingBuffer::define(env));
}

} // namespace fl
