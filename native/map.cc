#include "map.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "addon.h"
#include "args.h"
#include "batch.h"
#include "error.h"
#include "filesystem.h"

namespace fl
{
namespace
{

constexpr napi_type_tag mapTag = {0x6d61702066616972ull, 0x6c65616400000001ull};

bool isPerCpu(uint32_t type)
{
	return type == BPF_MAP_TYPE_PERCPU_HASH || type == BPF_MAP_TYPE_PERCPU_ARRAY ||
	       type == BPF_MAP_TYPE_LRU_PERCPU_HASH || type == BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE;
}

// "memlock" of the descriptor's fdinfo: the map's kernel memory in bytes, 0 if unknown.
double memoryBytes(int fd)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	FILE *file = fopen(path, "re");
	if (!file) {
		return 0;
	}
	char line[128];
	unsigned long long bytes = 0;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "memlock: %llu", &bytes) == 1) {
			break;
		}
	}
	fclose(file);
	return static_cast<double>(bytes);
}

} // namespace

void BtfDeleter::operator()(btf *types) const
{
	btf__free(types);
}

Napi::Value Map::make(Napi::Env env, MapParts parts)
{
	return Addon::of(env)->mapClass.New({Napi::External<MapParts>::New(env, &parts)});
}

Map *Map::arg(const Napi::CallbackInfo &info, size_t index, const std::string &op)
{
	if (!info[index].IsObject() || !info[index].As<Napi::Object>().CheckTypeTag(&mapTag)) {
		throwInvalid(info.Env(), op, "the map must be a BpfMap");
		return nullptr;
	}
	Map *map = Unwrap(info[index].As<Napi::Object>());
	return map && map->isOpen(info.Env(), op) ? map : nullptr;
}

Map::Map(const Napi::CallbackInfo &info) : ObjectWrap(info)
{
	MapParts *parts = factoryArg<MapParts>(info, "BpfMap");
	if (!parts) {
		return;
	}
	uint32_t length = sizeof(info_);
	const int err = bpf_obj_get_info_by_fd(parts->fd.get(), &info_, &length);
	if (err) {
		throwErrno(info.Env(), err, "map info");
		return;
	}
	info.This().As<Napi::Object>().TypeTag(&mapTag);
	name_.assign(info_.name, strnlen(info_.name, sizeof(info_.name)));
	valueBytes_ = info_.value_size;
	if (isPerCpu(info_.type)) {
		const int cpus = libbpf_num_possible_cpus();
		if (cpus < 0) {
			throwErrno(info.Env(), cpus, op("count CPUs for"));
			return;
		}
		valueBytes_ = (valueBytes_ + 7) / 8 * 8 * static_cast<size_t>(cpus);
	}
	fd_ = std::move(parts->fd);
	types_ = std::move(parts->types);
}

Map::~Map() = default;

std::string Map::op(const char *verb) const
{
	return std::string("map ") + verb + " " + name_;
}

bool Map::isOpen(Napi::Env env, const std::string &op) const
{
	if (!fd_.isOpen()) {
		throwClosed(env, op);
	}
	return fd_.isOpen();
}

Napi::Value Map::open(const Napi::CallbackInfo &info)
{
	const std::optional<std::string> path = pathArg(info, 0, "map open", "pin");
	if (!path) {
		return Napi::Value();
	}
	const std::string op = "map open " + *path;
	Fd fd = openPin(info.Env(), *path, PinKind::map, op);
	return fd.isOpen() ? make(info.Env(), {std::move(fd), {}}) : Napi::Value();
}

Napi::Value Map::info(const Napi::CallbackInfo &info)
{
	const Napi::Env env = info.Env();
	if (!isOpen(env, op("info"))) {
		return Napi::Value();
	}
	Napi::Object result = Napi::Object::New(env);
	result.Set("id", Napi::Number::New(env, info_.id));
	result.Set("name", Napi::String::New(env, name_));
	result.Set("type", Napi::Number::New(env, info_.type));
	result.Set("keySize", Napi::Number::New(env, info_.key_size));
	result.Set("valueSize", Napi::Number::New(env, info_.value_size));
	result.Set("maxEntries", Napi::Number::New(env, info_.max_entries));
	result.Set("flags", Napi::Number::New(env, info_.map_flags));
	result.Set("memoryBytes", Napi::Number::New(env, memoryBytes(fd_.get())));
	return result;
}

Napi::Value Map::layouts(const Napi::CallbackInfo &info)
{
	if (!isOpen(info.Env(), op("layouts"))) {
		return Napi::Value();
	}
	return mapLayouts(info.Env(), info_, types_, op("layouts"));
}

Napi::Value Map::lookup(const Napi::CallbackInfo &info)
{
	const Napi::Env env = info.Env();
	if (!isOpen(env, op("lookup"))) {
		return Napi::Value();
	}
	const std::optional<Bytes> key = bytesArg(info, 0, op("lookup"), "key", info_.key_size);
	if (!key) {
		return Napi::Value();
	}
	Napi::Buffer<uint8_t> value = Napi::Buffer<uint8_t>::New(env, valueBytes_);
	const int err = bpf_map_lookup_elem(fd_.get(), key->data(), value.Data());
	if (err == -ENOENT) {
		return env.Null();
	}
	return err ? throwErrno(env, err, op("lookup")) : value;
}

Napi::Value Map::update(const Napi::CallbackInfo &info)
{
	const Napi::Env env = info.Env();
	if (!isOpen(env, op("update"))) {
		return Napi::Value();
	}
	const std::optional<Bytes> key = bytesArg(info, 0, op("update"), "key", info_.key_size);
	const std::optional<Bytes> value =
		key ? bytesArg(info, 1, op("update"), "value", valueBytes_) : std::nullopt;
	if (!value) {
		return Napi::Value();
	}
	uint32_t flags = BPF_ANY;
	if (!info[2].IsUndefined()) {
		const std::optional<uint32_t> given =
			intArg(info, 2, op("update"), "flags", BPF_ANY, BPF_EXIST);
		if (!given) {
			return Napi::Value();
		}
		flags = *given;
	}
	const int err = bpf_map_update_elem(fd_.get(), key->data(), value->data(), flags);
	return err ? throwErrno(env, err, op("update")) : env.Undefined();
}

Napi::Value Map::remove(const Napi::CallbackInfo &info)
{
	const Napi::Env env = info.Env();
	if (!isOpen(env, op("delete"))) {
		return Napi::Value();
	}
	const std::optional<Bytes> key = bytesArg(info, 0, op("delete"), "key", info_.key_size);
	if (!key) {
		return Napi::Value();
	}
	const int err = bpf_map_delete_elem(fd_.get(), key->data());
	if (err && err != -ENOENT) {
		return throwErrno(env, err, op("delete"));
	}
	return Napi::Boolean::New(env, err == 0);
}

Napi::Value Map::updateBatch(const Napi::CallbackInfo &info)
{
	const Napi::Env env = info.Env();
	const std::string what = op("update");
	if (!isOpen(env, what)) {
		return Napi::Value();
	}
	const std::optional<uint32_t> count = intArg(info, 2, what, "count", 0, UINT32_MAX);
	if (!count) {
		return Napi::Value();
	}
	const std::optional<Bytes> keys =
		bytesArg(info, 0, what, "keys", size_t{*count} * info_.key_size);
	const std::optional<Bytes> values =
		keys ? bytesArg(info, 1, what, "values", size_t{*count} * valueBytes_)
		     : std::nullopt;
	if (!values) {
		return Napi::Value();
	}
	const MapShape shape = {fd_.get(), info_.key_size, valueBytes_, info_.max_entries};
	const BatchResult result = batchUpdate(shape, keys->data(), values->data(), *count);
	return result.err ? throwPartly(env, result.err, what, result.count) : env.Undefined();
}

Napi::Value Map::deleteBatch(const Napi::CallbackInfo &info)
{
	const Napi::Env env = info.Env();
	const std::string what = op("delete");
	if (!isOpen(env, what)) {
		return Napi::Value();
	}
	const std::optional<uint32_t> count = intArg(info, 1, what, "count", 0, UINT32_MAX);
	if (!count) {
		return Napi::Value();
	}
	const std::optional<Bytes> keys =
		bytesArg(info, 0, what, "keys", size_t{*count} * info_.key_size);
	if (!keys) {
		return Napi::Value();
	}
	const MapShape shape = {fd_.get(), info_.key_size, valueBytes_, info_.max_entries};
	const BatchResult result = batchDelete(shape, keys->data(), *count);
	if (result.err) {
		return throwPartly(env, result.err, what, result.count);
	}
	return Napi::Number::New(env, result.count);
}

Napi::Value Map::entries(const Napi::CallbackInfo &info)
{
	const Napi::Env env = info.Env();
	if (!isOpen(env, op("list"))) {
		return Napi::Value();
	}
	const MapShape shape = {fd_.get(), info_.key_size, valueBytes_, info_.max_entries};
	Rows rows;
	const int err = listEntries(shape, rows);
	if (err) {
		return throwErrno(env, err, op("list"));
	}
	Napi::Object result = Napi::Object::New(env);
	result.Set("keys",
		   Napi::Buffer<uint8_t>::Copy(env, rows.keys.data(), rows.count * info_.key_size));
	result.Set("values",
		   Napi::Buffer<uint8_t>::Copy(env, rows.values.data(), rows.count * valueBytes_));
	result.Set("count", Napi::Number::New(env, static_cast<double>(rows.count)));
	return result;
}

Napi::Value Map::mmap(const Napi::CallbackInfo &info)
{
	const Napi::Env env = info.Env();
	if (!isOpen(env, op("mmap"))) {
		return Napi::Value();
	}
	if (!memory_.IsEmpty() && !memory_.Value().IsEmpty() && !memory_.Value().IsDetached()) {
		return memory_.Value();
	}
	const Napi::Value memory = mapMemory(env, fd_.get(), info_, op("mmap"));
	if (!memory.IsEmpty()) {
		memory_ = Napi::Persistent(memory.As<Napi::ArrayBuffer>());
	}
	return memory;
}

Napi::Value Map::pin(const Napi::CallbackInfo &info)
{
	return isOpen(info.Env(), op("pin")) ? pinTo(info, fd_.get(), op("pin")) : Napi::Value();
}

Napi::Value Map::close(const Napi::CallbackInfo &info)
{
	if (!memory_.IsEmpty()) {
		Napi::ArrayBuffer memory = memory_.Value();
		if (!memory.IsEmpty() && !memory.IsDetached()) {
			memory.Detach();
		}
		memory_.Reset();
	}
	fd_.reset();
	types_ = {};
	return info.Env().Undefined();
}

Napi::Function Map::define(Napi::Env env)
{
	return DefineClass(env, "BpfMap",
			   {
				   StaticMethod("open", &Map::open),
				   InstanceMethod("info", &Map::info),
				   InstanceMethod("layouts", &Map::layouts),
				   InstanceMethod("lookup", &Map::lookup),
				   InstanceMethod("update", &Map::update),
				   InstanceMethod("delete", &Map::remove),
				   InstanceMethod("updateBatch", &Map::updateBatch),
				   InstanceMethod("deleteBatch", &Map::deleteBatch),
				   InstanceMethod("entries", &Map::entries),
				   InstanceMethod("mmap", &Map::mmap),
				   InstanceMethod("pin", &Map::pin),
				   InstanceMethod("close", &Map::close),
			   });
}

void defineMap(Napi::Env env, Napi::Object exports)
{
	const Napi::Function constructor = Map::define(env);
	Addon::of(env)->mapClass = Napi::Persistent(constructor);
	exports.Set("BpfMap", constructor);
}

} // namespace fl
