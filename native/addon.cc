// The addon's entry: exports, nothing else.
#include "addon.h"
#include "error.h"
#include "log.h"

static Napi::Object init(Napi::Env env, Napi::Object exports)
{
	env.SetInstanceData(new fl::Addon);
	fl::captureLibbpfLog();
	fl::defineError(env, exports);
	fl::defineObject(env, exports);
	fl::defineMap(env, exports);
	fl::defineMemory(env, exports);
	fl::defineProgram(env, exports);
	fl::defineLink(env, exports);
	fl::defineRing(env, exports);
	fl::defineClock(env, exports);
	fl::defineFeatures(env, exports);
	fl::defineNetwork(env, exports);
	fl::defineNetWatch(env, exports);
	fl::defineSockDiag(env, exports);
	fl::defineCanary(env, exports);
	fl::defineLock(env, exports);
	fl::defineFilesystem(env, exports);
	return exports;
}

NODE_API_MODULE(NODE_GYP_MODULE_NAME, init)
