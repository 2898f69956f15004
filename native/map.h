// A BPF map: one file descriptor, independent of the object it came from.
#pragma once

#include <cstdint>
#include <linux/bpf.h>
#include <memory>
#include <napi.h>
#include <string>

#include "fd.h"

struct btf;

namespace fl
{

struct BtfDeleter {
	void operator()(btf *types) const;
};

// BTF that a map was created with, for agents that may not ask the kernel for it (see layout.cc).
struct MapTypes {
	std::shared_ptr<btf> types;
	uint32_t keyId = 0;
	uint32_t valueId = 0;
};

struct MapParts {
	Fd fd;
	MapTypes types;
};

class Map : public Napi::ObjectWrap<Map>
{
      public:
	static Napi::Function define(Napi::Env env);
	// A new JavaScript object that owns `parts`.
	static Napi::Value make(Napi::Env env, MapParts parts);
	// The open map that argument `index` is, or null with an exception thrown.
	static Map *arg(const Napi::CallbackInfo &info, size_t index, const std::string &op);

	explicit Map(const Napi::CallbackInfo &info);
	~Map() override;

	int fd() const
	{
		return fd_.get();
	}
	const bpf_map_info &kernelInfo() const
	{
		return info_;
	}
	const std::string &name() const
	{
		return name_;
	}

      private:
	static Napi::Value open(const Napi::CallbackInfo &info);
	Napi::Value info(const Napi::CallbackInfo &info);
	Napi::Value layouts(const Napi::CallbackInfo &info);
	Napi::Value lookup(const Napi::CallbackInfo &info);
	Napi::Value update(const Napi::CallbackInfo &info);
	Napi::Value remove(const Napi::CallbackInfo &info);
	Napi::Value updateBatch(const Napi::CallbackInfo &info);
	Napi::Value deleteBatch(const Napi::CallbackInfo &info);
	Napi::Value entries(const Napi::CallbackInfo &info);
	Napi::Value mmap(const Napi::CallbackInfo &info);
	Napi::Value pin(const Napi::CallbackInfo &info);
	Napi::Value close(const Napi::CallbackInfo &info);

	std::string op(const char *verb) const;
	// False with ERR_CLOSED thrown.
	bool isOpen(Napi::Env env, const std::string &op) const;
	// Bytes of one value as user space sees it: per-CPU maps have one per possible CPU.
	size_t valueBytes() const
	{
		return valueBytes_;
	}

	Fd fd_;
	MapTypes types_;
	bpf_map_info info_ = {};
	std::string name_;
	size_t valueBytes_ = 0;
	Napi::Reference<Napi::ArrayBuffer> memory_;
};

// layout.cc: {key, value} of a map; throws.
Napi::Value mapLayouts(Napi::Env env, const bpf_map_info &info, const MapTypes &own,
		       const std::string &op);
// memory.cc: the memory of a BPF_F_MMAPABLE array; throws.
Napi::Value mapMemory(Napi::Env env, int fd, const bpf_map_info &info, const std::string &op);

} // namespace fl
