// What this kernel can do, found by trying it: versions lie on distribution kernels. Nothing here
// attaches or changes anything that lives on.
#include <cerrno>
#include <cstring>
#include <functional>
#include <linux/bpf.h>
#include <linux/membarrier.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

#include <bpf/bpf.h>

#include "addon.h"
#include "error.h"
#include "fd.h"
#include "log.h"
#include "netlink.h"

namespace fl
{
namespace
{

// Helpers and attach types by number: Debian 12's headers do not know all.
constexpr int helperSkStorageGet = 107;
constexpr int helperNetnsCookie = 122;
constexpr int helperSetRetval = 187;
constexpr uint32_t attachTcxIngress = 46;
constexpr int optionNetnsCookie = 71;
constexpr int noDevice = INT32_MAX;

std::string errnoText(int err)
{
	return errnoName(err < 0 ? -err : err);
}

// Loads `instructions`; the descriptor, or not open with the kernel's words in `why`.
Fd loadProgram(bpf_prog_type type, uint32_t attachType, const std::vector<bpf_insn> &instructions,
	       std::string &why)
{
	std::vector<char> log(16 * 1024);
	LIBBPF_OPTS(bpf_prog_load_opts, options);
	options.expected_attach_type = static_cast<bpf_attach_type>(attachType);
	options.log_buf = log.data();
	options.log_size = static_cast<uint32_t>(log.size());
	options.log_level = 1;
	const int fd = bpf_prog_load(type, "fl_probe", "Dual BSD/GPL", instructions.data(),
				     instructions.size(), &options);
	if (fd < 0) {
		log.back() = '\0';
		why = errnoText(fd) + (log[0] ? std::string(": ") + log.data() : "");
	}
	return Fd(fd);
}

constexpr bpf_insn exitInstruction = {.code = BPF_JMP | BPF_EXIT};

std::vector<bpf_insn> returning(int32_t value)
{
	return {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = value},
		exitInstruction};
}

// '' or why not. A call without its arguments never loads; what matters is what the verifier
// objects to. It has had three wordings for "no such helper here".
std::string tryHelper(bpf_prog_type type, uint32_t attachType, int helper)
{
	std::string why;
	const Fd fd =
		loadProgram(type, attachType,
			    {{.code = BPF_JMP | BPF_CALL, .imm = helper}, exitInstruction}, why);
	if (fd.isOpen()) {
		return "";
	}
	for (const char *words : {"invalid func ", "unknown func ", "cannot use helper"}) {
		if (why.find(words) != std::string::npos) {
			return why.substr(0, why.find_last_not_of('\n') + 1);
		}
	}
	const bool isJudged = why.find(": ") != std::string::npos;
	return isJudged ? "" : why; // without a log the verifier never saw it
}

std::string trySetRetval()
{
	return tryHelper(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_CONNECT, helperSetRetval);
}

std::string trySkStorage()
{
	return tryHelper(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_UDP4_SENDMSG,
			 helperSkStorageGet);
}

std::string tryNetnsCookie()
{
	return tryHelper(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_CONNECT,
			 helperNetnsCookie);
}

std::string tryGetpeername()
{
	std::string why;
	loadProgram(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_GETPEERNAME, returning(1),
		    why);
	return why;
}

std::string tryCgroupLink()
{
	std::string why;
	const Fd program = loadProgram(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_CONNECT,
				       returning(1), why);
	if (!program.isOpen()) {
		return why;
	}
	// A kernel that knows cgroup links looks for the cgroup first.
	const int created = bpf_link_create(program.get(), -1, BPF_CGROUP_INET4_CONNECT, nullptr);
	if (created != -EBADF) {
		return "link: " + errnoText(created);
	}
	const int updated = bpf_link_update(-1, program.get(), nullptr);
	return updated == -EBADF ? "" : "update: " + errnoText(updated);
}

std::string tryTcx()
{
	std::string why;
	const Fd program = loadProgram(BPF_PROG_TYPE_SCHED_CLS, 0, returning(-1), why);
	if (!program.isOpen()) {
		return why;
	}
	// A kernel that knows tcx looks for the device first.
	const int created = bpf_link_create(
		program.get(), noDevice, static_cast<bpf_attach_type>(attachTcxIngress), nullptr);
	return created == -ENODEV ? "" : errnoText(created);
}

// The new map, or not open with `why`.
Fd createMap(bpf_map_type type, uint32_t keyBytes, uint32_t valueBytes, uint32_t entries,
	     uint32_t flags, std::string &why)
{
	LIBBPF_OPTS(bpf_map_create_opts, options);
	options.map_flags = flags;
	const int fd = bpf_map_create(type, "fl_probe", keyBytes, valueBytes, entries, &options);
	if (fd < 0) {
		why = errnoText(fd);
	}
	return Fd(fd);
}

std::string tryRingbuf()
{
	std::string why;
	createMap(BPF_MAP_TYPE_RINGBUF, 0, 0, static_cast<uint32_t>(sysconf(_SC_PAGESIZE)), 0, why);
	return why;
}

std::string tryMmapable()
{
	std::string why;
	createMap(BPF_MAP_TYPE_ARRAY, 4, 8, 1, BPF_F_MMAPABLE, why);
	return why;
}

std::string tryBatch()
{
	std::string why;
	const Fd map = createMap(BPF_MAP_TYPE_HASH, 4, 4, 2, 0, why);
	if (!map.isOpen()) {
		return why;
	}
	LIBBPF_OPTS(bpf_map_batch_opts, options);
	const uint32_t keys[2] = {1, 2};
	uint32_t count = 2;
	const int err = bpf_map_update_batch(map.get(), keys, keys, &count, &options);
	return err ? errnoText(err) : "";
}

std::string tryMembarrier()
{
	const long commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
	if (commands < 0) {
		return errnoText(errno);
	}
	return commands & MEMBARRIER_CMD_GLOBAL ? "" : "the kernel has no global one (nohz_full?)";
}

std::string trySockDestroy()
{
	Netlink socket;
	int err = socket.open(NETLINK_SOCK_DIAG);
	if (err) {
		return errnoText(err);
	}
	inet_diag_req_v2 nobody = {};
	nobody.sdiag_family = AF_INET;
	nobody.sdiag_protocol = IPPROTO_TCP;
	nobody.idiag_states = ~0u;
	err = socket.request(SOCK_DESTROY, &nobody, sizeof(nobody));
	return err == -ENOENT || err == 0 ? "" : errnoText(err);
}

std::string trySocketCookie()
{
	const Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	uint64_t cookie = 0;
	socklen_t length = sizeof(cookie);
	const int err = getsockopt(fd.get(), SOL_SOCKET, optionNetnsCookie, &cookie, &length);
	return err ? errnoText(errno) : "";
}

struct Probe {
	const char *name;
	const char *since;
	std::string (*attempt)();
};

constexpr Probe probes[] = {
	{"mmapable", "5.5", tryMmapable},	 {"batch", "5.6", tryBatch},
	{"cgroup_link", "5.7", tryCgroupLink},	 {"netns_cookie", "5.7", tryNetnsCookie},
	{"getpeername", "5.8", tryGetpeername},	 {"ringbuf", "5.8", tryRingbuf},
	{"sk_storage", "5.8", trySkStorage},	 {"membarrier", "4.3", tryMembarrier},
	{"sock_destroy", "4.5", trySockDestroy}, {"so_netns_cookie", "5.14", trySocketCookie},
	{"set_retval", "6.1", trySetRetval},	 {"tcx", "6.6", tryTcx},
};

Napi::Value probeFeatures(const Napi::CallbackInfo &info)
{
	const Napi::Env env = info.Env();
	const LogCapture quiet;
	Napi::Array rows = Napi::Array::New(env, std::size(probes));
	for (uint32_t i = 0; i < std::size(probes); i++) {
		const std::string why = probes[i].attempt();
		Napi::Object row = Napi::Object::New(env);
		row.Set("name", Napi::String::New(env, probes[i].name));
		row.Set("available", Napi::Boolean::New(env, why.empty()));
		row.Set("since", Napi::String::New(env, probes[i].since));
		row.Set("why", Napi::String::New(env, why));
		rows.Set(i, row);
	}
	return rows;
}

} // namespace

void defineFeatures(Napi::Env env, Napi::Object exports)
{
	exports.Set("probeFeatures", Napi::Function::New(env, probeFeatures, "probeFeatures"));
}

} // namespace fl
