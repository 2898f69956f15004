// A compiled BPF object: open, tune, load, take maps and programs out.
#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "addon.h"
#include "args.h"
#include "elf.h"
#include "error.h"
#include "log.h"
#include "map.h"
#include "program.h"

namespace fl
{
namespace
{

struct ObjectDeleter {
	void operator()(bpf_object *object) const
	{
		bpf_object__close(object);
	}
};

class Object : public Napi::ObjectWrap<Object>
{
      public:
	static Napi::Function define(Napi::Env env);
	explicit Object(const Napi::CallbackInfo &info);

      private:
	Napi::Value mapNames(const Napi::CallbackInfo &info);
	Napi::Value programNames(const Napi::CallbackInfo &info);
	Napi::Value setKnob(const Napi::CallbackInfo &info);
	Napi::Value setMaxEntries(const Napi::CallbackInfo &info);
	Napi::Value reuseMap(const Napi::CallbackInfo &info);
	Napi::Value setAutoload(const Napi::CallbackInfo &info);
	Napi::Value load(const Napi::CallbackInfo &info);
	Napi::Value map(const Napi::CallbackInfo &info);
	Napi::Value program(const Napi::CallbackInfo &info);
	Napi::Value close(const Napi::CallbackInfo &info);

	std::string op(const std::string &verb) const
	{
		return verb + " in object " + name_;
	}
	// These throw and return false or null.
	bool isOpen(Napi::Env env, const std::string &op) const;
	bool isTunable(Napi::Env env, const std::string &op) const;
	bpf_map *findMap(const Napi::CallbackInfo &info, const std::string &verb);
	bpf_program *findProgram(const Napi::CallbackInfo &info, const std::string &verb);
	const btf_var_secinfo *findKnob(Napi::Env env, const std::string &knob,
					const std::string &op) const;

	std::string name_;
	std::vector<uint8_t> elf_; // libbpf reads from it until load
	std::unique_ptr<bpf_object, ObjectDeleter> object_;
	std::vector<std::string> reused_;
	enum { tunable, loaded, failed } state_ = tunable;
};

Object::Object(const Napi::CallbackInfo &info) : ObjectWrap(info)
{
	const Napi::Env env = info.Env();
	const std::optional<std::string> name = stringArg(info, 1, "open object", "name");
	if (!name) {
		return;
	}
	name_ = *name;
	const std::string op = "open object " + name_;
	const std::optional<Bytes> elf = bytesArg(info, 0, op, "elf");
	if (!elf) {
		return;
	}
	const std::string why = whyNotBpf(*elf);
	if (!why.empty()) {
		throwInvalid(env, op, why);
		return;
	}
	elf_.assign(elf->begin(), elf->end());
	LogCapture log;
	LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = name_.c_str());
	object_.reset(bpf_object__open_mem(elf_.data(), elf_.size(), &options));
	if (!object_) {
		throwErrno(env, errno, op, log.text());
	}
}

bool Object::isOpen(Napi::Env env, const std::string &op) const
{
	if (!object_) {
		throwClosed(env, op);
	}
	return object_ != nullptr;
}

bool Object::isTunable(Napi::Env env, const std::string &op) const
{
	if (!isOpen(env, op)) {
		return false;
	}
	if (state_ != tunable) {
		throwInvalid(env, op, "only before load()");
	}
	return state_ == tunable;
}

bpf_map *Object::findMap(const Napi::CallbackInfo &info, const std::string &verb)
{
	const std::optional<std::string> name = stringArg(info, 0, op(verb), "map");
	if (!name) {
		return nullptr;
	}
	bpf_map *map = bpf_object__find_map_by_name(object_.get(), name->c_str());
	if (!map) {
		throwNotFound(info.Env(), op(verb + " " + *name), "there is no such map");
	}
	return map;
}

bpf_program *Object::findProgram(const Napi::CallbackInfo &info, const std::string &verb)
{
	const std::optional<std::string> name = stringArg(info, 0, op(verb), "program");
	if (!name) {
		return nullptr;
	}
	bpf_program *program = bpf_object__find_program_by_name(object_.get(), name->c_str());
	if (!program) {
		throwNotFound(info.Env(), op(verb + " " + *name), "there is no such program");
	}
	return program;
}

Napi::Value Object::mapNames(const Napi::CallbackInfo &info)
{
	if (!isOpen(info.Env(), op("list maps"))) {
		return Napi::Value();
	}
	Napi::Array names = Napi::Array::New(info.Env());
	bpf_map *map;
	bpf_object__for_each_map(map, object_.get())
	{
		names.Set(names.Length(), Napi::String::New(info.Env(), bpf_map__name(map)));
	}
	return names;
}

Napi::Value Object::programNames(const Napi::CallbackInfo &info)
{
	if (!isOpen(info.Env(), op("list programs"))) {
		return Napi::Value();
	}
	Napi::Array names = Napi::Array::New(info.Env());
	bpf_program *program;
	bpf_object__for_each_program(program, object_.get())
	{
		names.Set(names.Length(),
			  Napi::String::New(info.Env(), bpf_program__name(program)));
	}
	return names;
}

const btf_var_secinfo *Object::findKnob(Napi::Env env, const std::string &knob,
					const std::string &op) const
{
	const btf *types = bpf_object__btf(object_.get());
	const int section = types ? btf__find_by_name_kind(types, ".rodata", BTF_KIND_DATASEC) : -1;
	if (section < 0) {
		throwNotFound(env, op, "the object has no `const volatile` globals with BTF");
		return nullptr;
	}
	const btf_type *type = btf__type_by_id(types, static_cast<uint32_t>(section));
	const btf_var_secinfo *variables = btf_var_secinfos(type);
	for (uint32_t i = 0; i < btf_vlen(type); i++) {
		const btf_type *variable = btf__type_by_id(types, variables[i].type);
		if (knob == btf__name_by_offset(types, variable->name_off)) {
			return &variables[i];
		}
	}
	throwNotFound(env, op, "there is no such `const volatile` global");
	return nullptr;
}

Napi::Value Object::setKnob(const Napi::CallbackInfo &info)
{
	const Napi::Env env = info.Env();
	if (!isTunable(env, op("set knob"))) {
		return Napi::Value();
	}
	const std::optional<std::string> name = stringArg(info, 0, op("set knob"), "name");
	if (!name) {
		return Napi::Value();
	}
	const std::string what = op("set knob " + *name);
	const btf_var_secinfo *knob = findKnob(env, *name, what);
	if (!knob) {
		return Napi::Value();
	}
	const std::optional<Bytes> value = bytesArg(info, 1, what, "value", knob->size);
	if (!value) {
		return Napi::Value();
	}
	bpf_map *map = bpf_object__find_map_by_name(object_.get(), ".rodata");
	size_t size = 0;
	uint8_t *data =
		map ? static_cast<uint8_t *>(const_cast<void *>(bpf_map__initial_value(map, &size)))
		    : nullptr;
	if (!data || size_t{knob->offset} + knob->size > size) {
		return throwNotFound(env, what, "its .rodata is shorter than its BTF says");
	}
	memcpy(data + knob->offset, value->data(), value->size());
	return env.Undefined();
}

Napi::Value Object::setMaxEntries(const Napi::CallbackInfo &info)
{
	const Napi::Env env = info.Env();
	if (!isTunable(env, op("size map"))) {
		return Napi::Value();
	}
	bpf_map *map = findMap(info, "size map");
	const std::optional<uint32_t> entries =
		map ? intArg(info, 1, op("size map"), "maxEntries", 1, UINT32_MAX) : std::nullopt;
	if (!entries) {
		return Napi::Value();
	}
	LogCapture log;
	const int err = bpf_map__set_max_entries(map, *entries);
	return err ? throwErrno(env, err, op(std::string("size map ") + bpf_map__name(map)),
				log.text())
		   : env.Undefined();
}

Napi::Value Object::reuseMap(const Napi::CallbackInfo &info)
{
	const Napi::Env env = info.Env();
	if (!isTunable(env, op("reuse map"))) {
		return Napi::Value();
	}
	bpf_map *map = findMap(info, "reuse map");
	if (!map) {
		return Napi::Value();
	}
	const std::string what = op(std::string("reuse map ") + bpf_map__name(map));
	Map *existing = Map::arg(info, 1, what);
	if (!existing) {
		return Napi::Value();
	}
	const bpf_map_info &has = existing->kernelInfo();
	const auto differs = [&](const char *field, uint32_t wanted, uint32_t found) {
		throwFailure(env, {"EINVAL", EINVAL, what,
				   std::string(field) + " is " + std::to_string(found) +
					   " where the object has " + std::to_string(wanted) +
					   ": it was made by another version"});
		return Napi::Value();
	};
	if (bpf_map__type(map) != has.type) {
		return differs("type", bpf_map__type(map), has.type);
	}
	if (bpf_map__key_size(map) != has.key_size) {
		return differs("key size", bpf_map__key_size(map), has.key_size);
	}
	if (bpf_map__value_size(map) != has.value_size) {
		return differs("value size", bpf_map__value_size(map), has.value_size);
	}
	LogCapture log;
	const int err = bpf_map__reuse_fd(map, existing->fd());
	if (err) {
		return throwErrno(env, err, what, log.text());
	}
	reused_.push_back(bpf_map__name(map));
	return env.Undefined();
}

Napi::Value Object::setAutoload(const Napi::CallbackInfo &info)
{
	const Napi::Env env = info.Env();
	if (!isTunable(env, op("choose program"))) {
		return Napi::Value();
	}
	bpf_program *program = findProgram(info, "choose program");
	const std::optional<bool> load =
		program ? boolArg(info, 1, op("choose program"), "load") : std::nullopt;
	if (!load) {
		return Napi::Value();
	}
	const int err = bpf_program__set_autoload(program, *load);
	return err ? throwErrno(env, err, op("choose program")) : env.Undefined();
}

Napi::Value Object::load(const Napi::CallbackInfo &info)
{
	const Napi::Env env = info.Env();
	const std::string what = "load object " + name_;
	if (!isTunable(env, what)) {
		return Napi::Value();
	}
	LogCapture log;
	const int err = bpf_object__load(object_.get());
	state_ = err ? failed : loaded;
	return err ? throwErrno(env, err, what, log.text()) : env.Undefined();
}

Napi::Value Object::map(const Napi::CallbackInfo &info)
{
	const Napi::Env env = info.Env();
	if (!isOpen(env, op("take map"))) {
		return Napi::Value();
	}
	bpf_map *map = findMap(info, "take map");
	if (!map) {
		return Napi::Value();
	}
	const std::string name = bpf_map__name(map);
	if (state_ != loaded) {
		return throwInvalid(env, op("take map " + name), "only after load()");
	}
	MapParts parts = {Fd::duplicate(bpf_map__fd(map)), {}};
	if (!parts.fd.isOpen()) {
		return throwErrno(env, errno, op("take map " + name));
	}
	const bool isOurs = std::find(reused_.begin(), reused_.end(), name) == reused_.end();
	const btf *types = bpf_object__btf(object_.get());
	if (isOurs && types) {
		uint32_t size = 0;
		const void *raw = btf__raw_data(types, &size);
		parts.types = {{raw ? btf__new(raw, size) : nullptr, BtfDeleter()},
			       bpf_map__btf_key_type_id(map),
			       bpf_map__btf_value_type_id(map)};
	}
	return Map::make(env, std::move(parts));
}

Napi::Value Object::program(const Napi::CallbackInfo &info)
{
	const Napi::Env env = info.Env();
	if (!isOpen(env, op("take program"))) {
		return Napi::Value();
	}
	bpf_program *program = findProgram(info, "take program");
	if (!program) {
		return Napi::Value();
	}
	const std::string what = op(std::string("take program ") + bpf_program__name(program));
	if (state_ != loaded) {
		return throwInvalid(env, what, "only after load()");
	}
	if (bpf_program__fd(program) < 0) {
		return throwNotFound(env, what, "setAutoload() left it out");
	}
	Fd fd = Fd::duplicate(bpf_program__fd(program));
	return fd.isOpen() ? Program::make(env, std::move(fd)) : throwErrno(env, errno, what);
}

Napi::Value Object::close(const Napi::CallbackInfo &info)
{
	object_.reset();
	elf_ = {};
	return info.Env().Undefined();
}

Napi::Function Object::define(Napi::Env env)
{
	return DefineClass(env, "BpfObject",
			   {
				   InstanceMethod("mapNames", &Object::mapNames),
				   InstanceMethod("programNames", &Object::programNames),
				   InstanceMethod("setKnob", &Object::setKnob),
				   InstanceMethod("setMaxEntries", &Object::setMaxEntries),
				   InstanceMethod("reuseMap", &Object::reuseMap),
				   InstanceMethod("setAutoload", &Object::setAutoload),
				   InstanceMethod("load", &Object::load),
				   InstanceMethod("map", &Object::map),
				   InstanceMethod("program", &Object::program),
				   InstanceMethod("close", &Object::close),
			   });
}

} // namespace

void defineObject(Napi::Env env, Napi::Object exports)
{
	exports.Set("BpfObject", Object::define(env));
}

} // namespace fl
