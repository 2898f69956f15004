// BTF of a map's key and value as plain data: what the kernel believes the layout to be.
#include <cerrno>
#include <string>

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include "error.h"
#include "map.h"

namespace fl
{
namespace
{

// A type as C writes it; typedef names stay (`__be16` tells the byte order).
std::string typeText(const btf *types, uint32_t id)
{
	std::string dimensions;
	for (int depth = 0; depth < 32; depth++) {
		const btf_type *type = btf__type_by_id(types, id);
		const char *name = type ? btf__name_by_offset(types, type->name_off) : "";
		if (!type || btf_is_void(type)) {
			return "void" + dimensions;
		}
		if (btf_is_array(type)) {
			dimensions += "[" + std::to_string(btf_array(type)->nelems) + "]";
			id = btf_array(type)->type;
		} else if (btf_is_const(type) || btf_is_volatile(type) || btf_is_restrict(type) ||
			   btf_is_type_tag(type)) {
			id = type->type;
		} else if (btf_is_ptr(type)) {
			dimensions = "*" + dimensions;
			id = type->type;
		} else if (btf_is_struct(type)) {
			return std::string("struct ") + name + dimensions;
		} else if (btf_is_union(type)) {
			return std::string("union ") + name + dimensions;
		} else if (btf_is_any_enum(type)) {
			return std::string("enum ") + name + dimensions;
		} else {
			return name + dimensions;
		}
	}
	return "?";
}

Napi::Value layoutOf(Napi::Env env, const btf *types, uint32_t id)
{
	const int resolved = btf__resolve_type(types, id);
	const btf_type *type =
		resolved > 0 ? btf__type_by_id(types, static_cast<uint32_t>(resolved)) : nullptr;
	if (!type || !btf_is_composite(type)) {
		return env.Null();
	}
	Napi::Array fields = Napi::Array::New(env, btf_vlen(type));
	const btf_member *members = btf_members(type);
	for (uint32_t i = 0; i < btf_vlen(type); i++) {
		const int64_t size = btf__resolve_size(types, members[i].type);
		const char *name = btf__name_by_offset(types, members[i].name_off);
		Napi::Object field = Napi::Object::New(env);
		field.Set("name", Napi::String::New(env, name));
		field.Set("type", Napi::String::New(env, typeText(types, members[i].type)));
		field.Set("offset", Napi::Number::New(env, btf_member_bit_offset(type, i) / 8));
		field.Set("size", Napi::Number::New(env, static_cast<double>(size)));
		fields.Set(i, field);
	}
	Napi::Object layout = Napi::Object::New(env);
	layout.Set("name", Napi::String::New(env, btf__name_by_offset(types, type->name_off)));
	layout.Set("size", Napi::Number::New(env, type->size));
	layout.Set("fields", fields);
	return layout;
}

} // namespace

Napi::Value mapLayouts(Napi::Env env, const bpf_map_info &info, const MapTypes &own,
		       const std::string &op)
{
	Napi::Object result = Napi::Object::New(env);
	result.Set("key", env.Null());
	result.Set("value", env.Null());
	if (info.btf_id == 0) {
		return result;
	}
	MapTypes found = {{btf__load_from_kernel_by_id(info.btf_id), BtfDeleter()},
			  info.btf_key_type_id,
			  info.btf_value_type_id};
	if (!found.types && errno != EPERM) {
		return throwErrno(env, errno, op);
	}
	if (!found.types) {
		// Asking by id needs CAP_SYS_ADMIN, which the agent does without. Of a map that
		// this process made, the BTF it gave to the kernel is at hand; of others only the
		// sizes are.
		if (!own.types) {
			return result;
		}
		found = own;
	}
	result.Set("key", layoutOf(env, found.types.get(), found.keyId));
	result.Set("value", layoutOf(env, found.types.get(), found.valueId));
	return result;
}

} // namespace fl
