// A look at an object file before libbpf sees it: a foreign or cut file is refused here.
#pragma once

#include <string>

#include "args.h"

namespace fl
{

// '' if `elf` is a 64-bit little-endian BPF object whose sections lie within it, else why not.
std::string whyNotBpf(Bytes elf);

} // namespace fl
