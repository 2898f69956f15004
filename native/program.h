// A loaded BPF program: one file descriptor, independent of the object it came from.
#pragma once

#include <napi.h>
#include <string>

#include "fd.h"

namespace fl
{

class Program : public Napi::ObjectWrap<Program>
{
      public:
	static Napi::Function define(Napi::Env env);
	static Napi::Value make(Napi::Env env, Fd fd);
	// The open program that argument `index` is, or null with an exception thrown.
	static Program *arg(const Napi::CallbackInfo &info, size_t index, const std::string &op);

	explicit Program(const Napi::CallbackInfo &info);

	int fd() const
	{
		return fd_.get();
	}
	const std::string &name() const
	{
		return name_;
	}

      private:
	static Napi::Value open(const Napi::CallbackInfo &info);
	Napi::Value info(const Napi::CallbackInfo &info);
	Napi::Value pin(const Napi::CallbackInfo &info);
	Napi::Value testRun(const Napi::CallbackInfo &info);
	Napi::Value close(const Napi::CallbackInfo &info);

	std::string op(const char *verb) const;
	bool isOpen(Napi::Env env, const std::string &op) const;

	Fd fd_;
	std::string name_;
};

} // namespace fl
