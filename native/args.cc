#include "args.h"

#include <cmath>

#include "error.h"

namespace fl
{
namespace
{

const char *typeName(Napi::Value value)
{
	switch (value.Type()) {
	case napi_undefined:
		return "undefined";
	case napi_null:
		return "null";
	case napi_boolean:
		return "a boolean";
	case napi_number:
		return "a number";
	case napi_string:
		return "a string";
	case napi_symbol:
		return "a symbol";
	case napi_function:
		return "a function";
	case napi_bigint:
		return "a bigint";
	default:
		return "an object";
	}
}

void wrongType(Napi::Value value, const std::string &op, const char *name, const char *wanted)
{
	const std::string reason =
		std::string(name) + " must be " + wanted + ", got " + typeName(value);
	throwInvalid(value.Env(), op, reason);
}

} // namespace

std::optional<Bytes> bytesOf(Napi::Value value, const std::string &op, const char *name)
{
	if (!value.IsTypedArray() ||
	    value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
		wrongType(value, op, name, "a Uint8Array");
		return std::nullopt;
	}
	const Napi::Uint8Array array = value.As<Napi::Uint8Array>();
	return Bytes(array.Data(), array.ByteLength());
}

std::optional<uint32_t> intOf(Napi::Value value, const std::string &op, const char *name,
			      uint32_t low, uint32_t high)
{
	if (!value.IsNumber()) {
		wrongType(value, op, name, "a number");
		return std::nullopt;
	}
	const double number = value.As<Napi::Number>().DoubleValue();
	if (!(number >= low && number <= high) || std::floor(number) != number) {
		throwInvalid(value.Env(), op,
			     std::string(name) + " must be an integer from " + std::to_string(low) +
				     " to " + std::to_string(high) + ", got " +
				     value.ToString().Utf8Value());
		return std::nullopt;
	}
	return static_cast<uint32_t>(number);
}

std::optional<Bytes> bytesArg(const Napi::CallbackInfo &info, size_t index, const std::string &op,
			      const char *name)
{
	return bytesOf(info[index], op, name);
}

std::optional<Bytes> bytesArg(const Napi::CallbackInfo &info, size_t index, const std::string &op,
			      const char *name, size_t length)
{
	const std::optional<Bytes> bytes = bytesOf(info[index], op, name);
	if (bytes && bytes->size() != length) {
		throwInvalid(info.Env(), op,
			     std::string(name) + " must be " + std::to_string(length) +
				     " bytes, got " + std::to_string(bytes->size()));
		return std::nullopt;
	}
	return bytes;
}

std::optional<std::string> stringArg(const Napi::CallbackInfo &info, size_t index,
				     const std::string &op, const char *name)
{
	if (!info[index].IsString()) {
		wrongType(info[index], op, name, "a string");
		return std::nullopt;
	}
	std::string text = info[index].As<Napi::String>().Utf8Value();
	if (text.find('\0') != std::string::npos) {
		throwInvalid(info.Env(), op, std::string(name) + " must not hold a NUL");
		return std::nullopt;
	}
	return text;
}

std::optional<std::string> pathArg(const Napi::CallbackInfo &info, size_t index,
				   const std::string &op, const char *name)
{
	std::optional<std::string> path = stringArg(info, index, op, name);
	if (path && path->empty()) {
		throwInvalid(info.Env(), op, std::string(name) + " must not be empty");
		return std::nullopt;
	}
	return path;
}

std::optional<uint32_t> intArg(const Napi::CallbackInfo &info, size_t index, const std::string &op,
			       const char *name, uint32_t low, uint32_t high)
{
	return intOf(info[index], op, name, low, high);
}

std::optional<bool> boolArg(const Napi::CallbackInfo &info, size_t index, const std::string &op,
			    const char *name)
{
	if (!info[index].IsBoolean()) {
		wrongType(info[index], op, name, "a boolean");
		return std::nullopt;
	}
	return info[index].As<Napi::Boolean>().Value();
}

std::optional<Napi::Function> functionArg(const Napi::CallbackInfo &info, size_t index,
					  const std::string &op, const char *name)
{
	if (!info[index].IsFunction()) {
		wrongType(info[index], op, name, "a function");
		return std::nullopt;
	}
	return info[index].As<Napi::Function>();
}

} // namespace fl
