// An attachment of a program to a hook. It ends with its last descriptor unless it is pinned.
#include <cerrno>
#include <cstring>
#include <optional>

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include "addon.h"
#include "args.h"
#include "error.h"
#include "filesystem.h"
#include "program.h"

namespace fl
{
namespace
{

constexpr napi_type_tag linkTag = {0x6c696e6b66616972ull, 0x6c65616400000003ull};

// Numbers of our own: Debian 12's headers know no tcx.
constexpr uint32_t linkTypeCgroup = 3;
constexpr uint32_t linkTypeTcx = 11;
constexpr uint32_t attachTcxIngress = 46;
constexpr uint32_t attachTcxEgress = 47;
constexpr uint32_t flagBefore = 1u << 3;

struct Hook {
	const char *name;
	bpf_attach_type type;
};
constexpr Hook cgroupHooks[] = {
	{"connect4", BPF_CGROUP_INET4_CONNECT},
	{"connect6", BPF_CGROUP_INET6_CONNECT},
	{"sendmsg4", BPF_CGROUP_UDP4_SENDMSG},
	{"sendmsg6", BPF_CGROUP_UDP6_SENDMSG},
	{"recvmsg4", BPF_CGROUP_UDP4_RECVMSG},
	{"recvmsg6", BPF_CGROUP_UDP6_RECVMSG},
	{"getpeername4", BPF_CGROUP_INET4_GETPEERNAME},
	{"getpeername6", BPF_CGROUP_INET6_GETPEERNAME},
};

std::optional<bpf_attach_type> hookArg(const Napi::CallbackInfo &info, size_t index,
				       const std::string &op)
{
	const std::optional<std::string> name = stringArg(info, index, op, "hook");
	if (!name) {
		return std::nullopt;
	}
	for (const Hook &hook : cgroupHooks) {
		if (*name == hook.name) {
			return hook.type;
		}
	}
	throwInvalid(info.Env(), op, "there is no hook " + *name);
	return std::nullopt;
}

class Link : public Napi::ObjectWrap<Link>
{
      public:
	static Napi::Function define(Napi::Env env);
	explicit Link(const Napi::CallbackInfo &info);

      private:
	static Napi::Value make(Napi::Env env, Fd fd);
	static Napi::Value attachCgroup(const Napi::CallbackInfo &info);
	static Napi::Value attachTcx(const Napi::CallbackInfo &info);
	static Napi::Value open(const Napi::CallbackInfo &info);
	Napi::Value info(const Napi::CallbackInfo &info);
	Napi::Value update(const Napi::CallbackInfo &info);
	Napi::Value pin(const Napi::CallbackInfo &info);
	Napi::Value detach(const Napi::CallbackInfo &info);
	Napi::Value close(const Napi::CallbackInfo &info);

	std::string op(const char *verb) const
	{
		return std::string("link ") + verb + " " + std::to_string(id_);
	}
	bool isOpen(Napi::Env env, const std::string &op) const
	{
		if (!fd_.isOpen()) {
			throwClosed(env, op);
		}
		return fd_.isOpen();
	}

	Fd fd_;
	uint32_t id_ = 0;
};

Napi::Value Link::make(Napi::Env env, Fd fd)
{
	return Addon::of(env)->linkClass.New({Napi::External<Fd>::New(env, &fd)});
}

Link::Link(const Napi::CallbackInfo &info) : ObjectWrap(info)
{
	Fd *fd = factoryArg<Fd>(info, "BpfLink");
	if (!fd) {
		return;
	}
	bpf_link_info found = {};
	uint32_t length = sizeof(found);
	const int err = bpf_obj_get_info_by_fd(fd->get(), &found, &length);
	if (err) {
		throwErrno(info.Env(), err, "link info");
		return;
	}
	info.This().As<Napi::Object>().TypeTag(&linkTag);
	id_ = found.id;
	fd_ = std::move(*fd);
}

Napi::Value Link::attachCgroup(const Napi::CallbackInfo &info)
{
	const Napi::Env env = info.Env();
	Program *program = Program::arg(info, 0, "attach to cgroup");
	if (!program) {
		return Napi::Value();
	}
	std::string op = "attach " + program->name();
	const std::optional<std::string> path = pathArg(info, 1, op, "cgroup");
	if (!path) {
		return Napi::Value();
	}
	op += " to " + *path;
	const std::optional<bpf_attach_type> type = hookArg(info, 2, op);
	if (!type) {
		return Napi::Value();
	}
	const Fd cgroup(::open(path->c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (!cgroup.isOpen()) {
		return throwErrno(env, errno, op);
	}
	Fd fd(bpf_link_create(program->fd(), cgroup.get(), *type, nullptr));
	return fd.isOpen() ? make(env, std::move(fd)) : throwErrno(env, errno, op);
}

Napi::Value Link::attachTcx(const Napi::CallbackInfo &info)
{
	const Napi::Env env = info.Env();
	Program *program = Program::arg(info, 0, "attach to device");
	if (!program) {
		return Napi::Value();
	}
	std::string op = "attach " + program->name();
	const std::optional<uint32_t> ifindex = intArg(info, 1, op, "ifindex", 1, INT32_MAX);
	const std::optional<std::string> side =
		ifindex ? stringArg(info, 2, op, "side") : std::nullopt;
	if (!side) {
		return Napi::Value();
	}
	if (*side != "ingress" && *side != "egress") {
		return throwInvalid(env, op, "side must be ingress or egress");
	}
	op += " to tcx " + *side + " of device " + std::to_string(*ifindex);
	const std::optional<bool> isFirst = boolArg(info, 3, op, "first");
	if (!isFirst) {
		return Napi::Value();
	}
	LIBBPF_OPTS(bpf_link_create_opts, options);
	options.flags = *isFirst ? flagBefore : 0;
	const auto type = static_cast<bpf_attach_type>(*side == "ingress" ? attachTcxIngress
									  : attachTcxEgress);
	Fd fd(bpf_link_create(program->fd(), static_cast<int>(*ifindex), type, &options));
	return fd.isOpen() ? make(env, std::move(fd)) : throwErrno(env, errno, op);
}

Napi::Value Link::open(const Napi::CallbackInfo &info)
{
	const std::optional<std::string> path = pathArg(info, 0, "link open", "pin");
	if (!path) {
		return Napi::Value();
	}
	Fd fd = openPin(info.Env(), *path, PinKind::link, "link open " + *path);
	return fd.isOpen() ? make(info.Env(), std::move(fd)) : Napi::Value();
}

Napi::Value Link::info(const Napi::CallbackInfo &info)
{
	const Napi::Env env = info.Env();
	if (!isOpen(env, op("info"))) {
		return Napi::Value();
	}
	bpf_link_info found = {};
	uint32_t length = sizeof(found);
	const int err = bpf_obj_get_info_by_fd(fd_.get(), &found, &length);
	if (err) {
		return throwErrno(env, err, op("info"));
	}
	const bool isCgroup = found.type == linkTypeCgroup;
	const bool isTcx = found.type == linkTypeTcx;
	// {ifindex, attach_type} of tcx lie where netns has {inode, attach_type}.
	const uint32_t ifindex = isTcx ? found.netns.netns_ino : 0;
	const uint32_t attachType = isCgroup ? found.cgroup.attach_type
				    : isTcx  ? found.netns.attach_type
					     : 0;
	Napi::Object result = Napi::Object::New(env);
	result.Set("id", Napi::Number::New(env, found.id));
	result.Set("programId", Napi::Number::New(env, found.prog_id));
	result.Set("kind", Napi::String::New(env, isCgroup ? "cgroup" : isTcx ? "tcx" : "other"));
	result.Set("attachType", Napi::Number::New(env, attachType));
	result.Set("cgroupId",
		   Napi::BigInt::New(env, uint64_t{isCgroup ? found.cgroup.cgroup_id : 0}));
	result.Set("ifindex", Napi::Number::New(env, ifindex));
	return result;
}

Napi::Value Link::update(const Napi::CallbackInfo &info)
{
	const Napi::Env env = info.Env();
	if (!isOpen(env, op("update"))) {
		return Napi::Value();
	}
	Program *program = Program::arg(info, 0, op("update"));
	if (!program) {
		return Napi::Value();
	}
	const int err = bpf_link_update(fd_.get(), program->fd(), nullptr);
	return err ? throwErrno(env, err, "link " + std::to_string(id_) + " to " + program->name())
		   : env.Undefined();
}

Napi::Value Link::pin(const Napi::CallbackInfo &info)
{
	return isOpen(info.Env(), op("pin")) ? pinTo(info, fd_.get(), op("pin")) : Napi::Value();
}

Napi::Value Link::detach(const Napi::CallbackInfo &info)
{
	const Napi::Env env = info.Env();
	if (!isOpen(env, op("detach"))) {
		return Napi::Value();
	}
	const int err = bpf_link_detach(fd_.get());
	return err ? throwErrno(env, err, op("detach")) : env.Undefined();
}

Napi::Value Link::close(const Napi::CallbackInfo &info)
{
	fd_.reset();
	return info.Env().Undefined();
}

Napi::Function Link::define(Napi::Env env)
{
	return DefineClass(env, "BpfLink",
			   {
				   StaticMethod("attachCgroup", &Link::attachCgroup),
				   StaticMethod("attachTcx", &Link::attachTcx),
				   StaticMethod("open", &Link::open),
				   InstanceMethod("info", &Link::info),
				   InstanceMethod("update", &Link::update),
				   InstanceMethod("pin", &Link::pin),
				   InstanceMethod("detach", &Link::detach),
				   InstanceMethod("close", &Link::close),
			   });
}

} // namespace

void defineLink(Napi::Env env, Napi::Object exports)
{
	const Napi::Function constructor = Link::define(env);
	Addon::of(env)->linkClass = Napi::Persistent(constructor);
	exports.Set("BpfLink", constructor);
}

} // namespace fl
