// Many entries of a map by few system calls; one by one where the kernel has no batch for its type.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace fl
{

struct MapShape {
	int fd;
	uint32_t keyBytes;
	size_t valueBytes; // of all CPUs
	uint32_t maxEntries;
};

struct BatchResult {
	int err;	// 0 or negative errno
	uint32_t count; // entries written, or found and deleted
};

struct Rows {
	std::vector<uint8_t> keys;
	std::vector<uint8_t> values;
	size_t count = 0;
};

BatchResult batchUpdate(const MapShape &map, const uint8_t *keys, const uint8_t *values,
			uint32_t count);
BatchResult batchDelete(const MapShape &map, const uint8_t *keys, uint32_t count);
// Every entry. Entries that come or go meanwhile may or may not be among them.
int listEntries(const MapShape &map, Rows &rows);

} // namespace fl
