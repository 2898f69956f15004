#include "program.h"

#include <cerrno>
#include <cstring>
#include <vector>

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include "addon.h"
#include "args.h"
#include "error.h"
#include "filesystem.h"

namespace fl
{
namespace
{

constexpr napi_type_tag programTag = {0x70726f6766616972ull, 0x6c65616400000002ull};
// What a program may add to a packet: heads and options, not another packet.
constexpr size_t testRoom = 4096;

} // namespace

Napi::Value Program::make(Napi::Env env, Fd fd)
{
	return Addon::of(env)->programClass.New({Napi::External<Fd>::New(env, &fd)});
}

Program *Program::arg(const Napi::CallbackInfo &info, size_t index, const std::string &op)
{
	if (!info[index].IsObject() || !info[index].As<Napi::Object>().CheckTypeTag(&programTag)) {
		throwInvalid(info.Env(), op, "the program must be a BpfProgram");
		return nullptr;
	}
	Program *program = Unwrap(info[index].As<Napi::Object>());
	return program && program->isOpen(info.Env(), op) ? program : nullptr;
}

Program::Program(const Napi::CallbackInfo &info) : ObjectWrap(info)
{
	Fd *fd = factoryArg<Fd>(info, "BpfProgram");
	if (!fd) {
		return;
	}
	bpf_prog_info found = {};
	uint32_t length = sizeof(found);
	const int err = bpf_obj_get_info_by_fd(fd->get(), &found, &length);
	if (err) {
		throwErrno(info.Env(), err, "program info");
		return;
	}
	info.This().As<Napi::Object>().TypeTag(&programTag);
	name_.assign(found.name, strnlen(found.name, sizeof(found.name)));
	fd_ = std::move(*fd);
}

std::string Program::op(const char *verb) const
{
	return std::string("program ") + verb + " " + name_;
}

bool Program::isOpen(Napi::Env env, const std::string &op) const
{
	if (!fd_.isOpen()) {
		throwClosed(env, op);
	}
	return fd_.isOpen();
}

Napi::Value Program::open(const Napi::CallbackInfo &info)
{
	const std::optional<std::string> path = pathArg(info, 0, "program open", "pin");
	if (!path) {
		return Napi::Value();
	}
	Fd fd = openPin(info.Env(), *path, PinKind::program, "program open " + *path);
	return fd.isOpen() ? make(info.Env(), std::move(fd)) : Napi::Value();
}

Napi::Value Program::info(const Napi::CallbackInfo &info)
{
	const Napi::Env env = info.Env();
	if (!isOpen(env, op("info"))) {
		return Napi::Value();
	}
	bpf_prog_info found = {};
	uint32_t length = sizeof(found);
	const int err = bpf_obj_get_info_by_fd(fd_.get(), &found, &length);
	if (err) {
		return throwErrno(env, err, op("info"));
	}
	Napi::Object result = Napi::Object::New(env);
	result.Set("id", Napi::Number::New(env, found.id));
	result.Set("name", Napi::String::New(env, name_));
	result.Set("type", Napi::Number::New(env, found.type));
	result.Set("verifiedInstructions", Napi::Number::New(env, found.verified_insns));
	result.Set("runTimeNs", Napi::BigInt::New(env, uint64_t{found.run_time_ns}));
	result.Set("runCount", Napi::BigInt::New(env, uint64_t{found.run_cnt}));
	return result;
}

Napi::Value Program::pin(const Napi::CallbackInfo &info)
{
	return isOpen(info.Env(), op("pin")) ? pinTo(info, fd_.get(), op("pin")) : Napi::Value();
}

Napi::Value Program::testRun(const Napi::CallbackInfo &info)
{
	const Napi::Env env = info.Env();
	const std::string what = op("test run");
	if (!isOpen(env, what)) {
		return Napi::Value();
	}
	if (!info[0].IsObject()) {
		return throwInvalid(env, what, "options must be an object");
	}
	// All values before the first pointer: a getter may do anything to the others' memory.
	const Napi::Object given = info[0].As<Napi::Object>();
	const Napi::Value dataValue = given.Get("data");
	const Napi::Value contextValue = given.Get("context");
	const Napi::Value repeatValue = given.Get("repeat");
	if (env.IsExceptionPending()) {
		return Napi::Value();
	}
	const std::optional<Bytes> data = bytesOf(dataValue, what, "data");
	if (!data) {
		return Napi::Value();
	}
	Bytes context;
	if (!contextValue.IsUndefined()) {
		const std::optional<Bytes> bytes = bytesOf(contextValue, what, "context");
		if (!bytes) {
			return Napi::Value();
		}
		context = *bytes;
	}
	uint32_t repeat = 1;
	if (!repeatValue.IsUndefined()) {
		const std::optional<uint32_t> times =
			intOf(repeatValue, what, "repeat", 1, 1000000000);
		if (!times) {
			return Napi::Value();
		}
		repeat = *times;
	}
	std::vector<uint8_t> out(data->size() + testRoom);
	std::vector<uint8_t> contextOut(context.size());
	LIBBPF_OPTS(bpf_test_run_opts, run);
	run.data_in = data->data();
	run.data_size_in = static_cast<uint32_t>(data->size());
	run.data_out = out.data();
	run.data_size_out = static_cast<uint32_t>(out.size());
	run.ctx_in = context.empty() ? nullptr : context.data();
	run.ctx_size_in = static_cast<uint32_t>(context.size());
	run.ctx_out = context.empty() ? nullptr : contextOut.data();
	run.ctx_size_out = static_cast<uint32_t>(contextOut.size());
	run.repeat = static_cast<int>(repeat);
	const int err = bpf_prog_test_run_opts(fd_.get(), &run);
	if (err) {
		return throwErrno(env, err, what);
	}
	Napi::Object result = Napi::Object::New(env);
	result.Set("returnValue", Napi::Number::New(env, run.retval));
	result.Set("data", Napi::Buffer<uint8_t>::Copy(env, out.data(), run.data_size_out));
	result.Set("context",
		   Napi::Buffer<uint8_t>::Copy(env, contextOut.data(), run.ctx_size_out));
	result.Set("durationNs", Napi::Number::New(env, run.duration));
	return result;
}

Napi::Value Program::close(const Napi::CallbackInfo &info)
{
	fd_.reset();
	return info.Env().Undefined();
}

Napi::Function Program::define(Napi::Env env)
{
	return DefineClass(env, "BpfProgram",
			   {
				   StaticMethod("open", &Program::open),
				   InstanceMethod("info", &Program::info),
				   InstanceMethod("pin", &Program::pin),
				   InstanceMethod("testRun", &Program::testRun),
				   InstanceMethod("close", &Program::close),
			   });
}

void defineProgram(Napi::Env env, Napi::Object exports)
{
	const Napi::Function constructor = Program::define(env);
	Addon::of(env)->programClass = Napi::Persistent(constructor);
	exports.Set("BpfProgram", constructor);
}

} // namespace fl
