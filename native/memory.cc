// Memory shared with the kernel: the ArrayBuffer of a BPF_F_MMAPABLE array, and aligned 8-byte
// loads and stores in it, which programs see whole.
#include <atomic>
#include <cerrno>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include "addon.h"
#include "args.h"
#include "error.h"
#include "map.h"

namespace fl
{
namespace
{

static_assert(std::atomic_ref<uint64_t>::is_always_lock_free);
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "store32x2 puts `low` first");

struct Mapping {
	void *address;
	size_t bytes;
};

// Runs once, when V8 lets go of the buffer: after close() detached it, when it is collected, or
// at the end of the environment.
void unmap(napi_env, void *, void *hint)
{
	Mapping *mapping = static_cast<Mapping *>(hint);
	munmap(mapping->address, mapping->bytes);
	delete mapping;
}

// The 8 bytes that arguments (memory, offset) name; null with an exception thrown.
uint64_t *cell(const Napi::CallbackInfo &info, const char *op)
{
	if (!info[0].IsArrayBuffer()) {
		throwInvalid(info.Env(), op, "memory must be an ArrayBuffer");
		return nullptr;
	}
	Napi::ArrayBuffer memory = info[0].As<Napi::ArrayBuffer>();
	if (memory.IsDetached()) {
		throwClosed(info.Env(), op);
		return nullptr;
	}
	const std::optional<uint32_t> offset = intArg(info, 1, op, "offset", 0, UINT32_MAX);
	if (!offset) {
		return nullptr;
	}
	const size_t length = memory.ByteLength();
	if (*offset % 8 != 0 || length < 8 || *offset > length - 8) {
		throwInvalid(info.Env(), op,
			     "offset " + std::to_string(*offset) +
				     " must be a multiple of 8 with 8 bytes behind it, of " +
				     std::to_string(length));
		return nullptr;
	}
	return reinterpret_cast<uint64_t *>(static_cast<uint8_t *>(memory.Data()) + *offset);
}

Napi::Value store64(const Napi::CallbackInfo &info)
{
	uint64_t *target = cell(info, "store64");
	if (!target) {
		return Napi::Value();
	}
	if (!info[2].IsBigInt()) {
		return throwInvalid(info.Env(), "store64", "value must be a bigint");
	}
	bool isLossless = false;
	const uint64_t value = info[2].As<Napi::BigInt>().Uint64Value(&isLossless);
	if (!isLossless) {
		return throwInvalid(info.Env(), "store64", "value must fit 64 bits unsigned");
	}
	std::atomic_ref(*target).store(value, std::memory_order_seq_cst);
	return info.Env().Undefined();
}

Napi::Value load64(const Napi::CallbackInfo &info)
{
	uint64_t *source = cell(info, "load64");
	if (!source) {
		return Napi::Value();
	}
	return Napi::BigInt::New(info.Env(),
				 std::atomic_ref(*source).load(std::memory_order_seq_cst));
}

Napi::Value store32x2(const Napi::CallbackInfo &info)
{
	uint64_t *target = cell(info, "store32x2");
	if (!target) {
		return Napi::Value();
	}
	const std::optional<uint32_t> low = intArg(info, 2, "store32x2", "low", 0, UINT32_MAX);
	const std::optional<uint32_t> high =
		low ? intArg(info, 3, "store32x2", "high", 0, UINT32_MAX) : std::nullopt;
	if (!high) {
		return Napi::Value();
	}
	const uint64_t value = uint64_t{*high} << 32 | *low;
	std::atomic_ref(*target).store(value, std::memory_order_seq_cst);
	return info.Env().Undefined();
}

} // namespace

Napi::Value mapMemory(Napi::Env env, int fd, const bpf_map_info &info, const std::string &op)
{
	if (info.type != BPF_MAP_TYPE_ARRAY || !(info.map_flags & BPF_F_MMAPABLE)) {
		return throwInvalid(env, op, "only an ARRAY with BPF_F_MMAPABLE can be mapped");
	}
	const size_t stride = (size_t{info.value_size} + 7) / 8 * 8;
	const size_t bytes = stride * info.max_entries;
	const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
	const size_t mapped = (bytes + page - 1) / page * page;
	void *address = ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (address == MAP_FAILED) {
		return throwErrno(env, errno, op);
	}
	Mapping *mapping = new Mapping{address, mapped};
	napi_value buffer = nullptr;
	const napi_status status =
		napi_create_external_arraybuffer(env, address, bytes, unmap, mapping, &buffer);
	if (status != napi_ok) {
		unmap(env, address, mapping);
		return throwFailure(env,
				    {"ENOTSUP", ENOTSUP, op,
				     "this runtime allows no memory of others in ArrayBuffers"});
	}
	return Napi::Value(env, buffer);
}

void defineMemory(Napi::Env env, Napi::Object exports)
{
	exports.Set("store64", Napi::Function::New(env, store64, "store64"));
	exports.Set("load64", Napi::Function::New(env, load64, "load64"));
	exports.Set("store32x2", Napi::Function::New(env, store32x2, "store32x2"));
}

} // namespace fl
