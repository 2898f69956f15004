// What the addon keeps per JavaScript environment (main thread, each worker): nothing is static.
#pragma once

#include <napi.h>

namespace fl
{

struct Addon {
	Napi::FunctionReference errorClass;
	Napi::FunctionReference mapClass;
	Napi::FunctionReference programClass;
	Napi::FunctionReference linkClass;
	Napi::FunctionReference lockClass;

	static Addon *of(Napi::Env env)
	{
		return env.GetInstanceData<Addon>();
	}
};

// Each file adds its exports.
void defineObject(Napi::Env env, Napi::Object exports);
void defineMap(Napi::Env env, Napi::Object exports);
void defineMemory(Napi::Env env, Napi::Object exports);
void defineProgram(Napi::Env env, Napi::Object exports);
void defineLink(Napi::Env env, Napi::Object exports);
void defineRing(Napi::Env env, Napi::Object exports);
void defineClock(Napi::Env env, Napi::Object exports);
void defineFeatures(Napi::Env env, Napi::Object exports);
void defineNetwork(Napi::Env env, Napi::Object exports);
void defineNetWatch(Napi::Env env, Napi::Object exports);
void defineSockDiag(Napi::Env env, Napi::Object exports);
void defineCanary(Napi::Env env, Napi::Object exports);
void defineLock(Napi::Env env, Napi::Object exports);
void defineFilesystem(Napi::Env env, Napi::Object exports);

} // namespace fl
