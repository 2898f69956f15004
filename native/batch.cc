#include "batch.h"

#include <algorithm>
#include <cerrno>

#include <bpf/bpf.h>

namespace fl
{
namespace
{

constexpr int kernelNotSupported = 524; // ENOTSUPP, which only BPF calls return

// Before 5.6 the command is unknown (EINVAL); later each map type has its own set of batches.
bool hasNoBatch(int err)
{
	return err == -kernelNotSupported || err == -EOPNOTSUPP || err == -EINVAL;
}

BatchResult updateSingly(const MapShape &map, const uint8_t *keys, const uint8_t *values,
			 uint32_t from, uint32_t count)
{
	for (uint32_t i = from; i < count; i++) {
		const int err = bpf_map_update_elem(map.fd, keys + size_t{i} * map.keyBytes,
						    values + i * map.valueBytes, BPF_ANY);
		if (err) {
			return {err, i};
		}
	}
	return {0, count};
}

BatchResult deleteSingly(const MapShape &map, const uint8_t *keys, uint32_t count)
{
	uint32_t found = 0;
	for (uint32_t i = 0; i < count; i++) {
		const int err = bpf_map_delete_elem(map.fd, keys + size_t{i} * map.keyBytes);
		if (err && err != -ENOENT) {
			return {err, found};
		}
		found += err == 0;
	}
	return {0, found};
}

int listSingly(const MapShape &map, Rows &rows)
{
	std::vector<uint8_t> key(std::max<size_t>(map.keyBytes, 1));
	std::vector<uint8_t> next(key.size());
	std::vector<uint8_t> value(map.valueBytes);
	// A key that is deleted meanwhile makes the kernel begin anew: bounded.
	const uint64_t steps_max = uint64_t{map.maxEntries} * 4 + 16;
	bool isFirst = true;
	for (uint64_t step = 0; step < steps_max; step++) {
		int err = bpf_map_get_next_key(map.fd, isFirst ? nullptr : key.data(), next.data());
		if (err == -ENOENT) {
			return 0;
		}
		if (err) {
			return err;
		}
		isFirst = false;
		key.swap(next);
		err = bpf_map_lookup_elem(map.fd, key.data(), value.data());
		if (err == -ENOENT) {
			continue;
		}
		if (err) {
			return err;
		}
		rows.keys.insert(rows.keys.end(), key.begin(), key.begin() + map.keyBytes);
		rows.values.insert(rows.values.end(), value.begin(), value.end());
		rows.count++;
	}
	return -EAGAIN;
}

} // namespace

BatchResult batchUpdate(const MapShape &map, const uint8_t *keys, const uint8_t *values,
			uint32_t count)
{
	if (count == 0) {
		return {0, 0};
	}
	LIBBPF_OPTS(bpf_map_batch_opts, options);
	uint32_t done = count;
	const int err = bpf_map_update_batch(map.fd, keys, values, &done, &options);
	if (err == 0) {
		return {0, count};
	}
	// Only a batch that began reports how far it came; else the count stays as given.
	if (done >= count) {
		done = 0;
	}
	if (hasNoBatch(err) && done == 0) {
		return updateSingly(map, keys, values, 0, count);
	}
	return {err, done};
}

BatchResult batchDelete(const MapShape &map, const uint8_t *keys, uint32_t count)
{
	LIBBPF_OPTS(bpf_map_batch_opts, options);
	uint32_t at = 0;
	uint32_t found = 0;
	while (at < count) {
		uint32_t done = count - at;
		const int err = bpf_map_delete_batch(map.fd, keys + size_t{at} * map.keyBytes,
						     &done, &options);
		if (err == 0) {
			return {0, found + done};
		}
		if (done >= count - at) {
			done = 0;
		}
		if (hasNoBatch(err) && at == 0 && done == 0) {
			return deleteSingly(map, keys, count);
		}
		found += done;
		if (err != -ENOENT) {
			return {err, found};
		}
		// The batch stopped at an absent key: go on behind it.
		at += done + 1;
	}
	return {0, found};
}

int listEntries(const MapShape &map, Rows &rows)
{
	LIBBPF_OPTS(bpf_map_batch_opts, options);
	const size_t tokenBytes = std::max<size_t>(map.keyBytes, 8);
	std::vector<uint8_t> token(tokenBytes);
	std::vector<uint8_t> nextToken(tokenBytes);
	size_t chunk = std::clamp<size_t>(map.maxEntries, 1, 4096);
	bool isFirst = true;
	int interrupted_n = 0;
	for (;;) {
		rows.keys.resize((rows.count + chunk) * map.keyBytes);
		rows.values.resize((rows.count + chunk) * map.valueBytes);
		uint32_t got = static_cast<uint32_t>(chunk);
		const int err = bpf_map_lookup_batch(
			map.fd, isFirst ? nullptr : token.data(), nextToken.data(),
			rows.keys.data() + rows.count * map.keyBytes,
			rows.values.data() + rows.count * map.valueBytes, &got, &options);
		if (err == 0 || err == -ENOENT) {
			rows.count += got; // the kernel sets it also when it reached the end
			if (err == -ENOENT) {
				return 0;
			}
			isFirst = false;
			token.swap(nextToken);
		} else if (err == -ENOSPC && chunk <= map.maxEntries) {
			chunk *= 2; // one hash bucket holds more than that
		} else if ((err == -EINTR || err == -EAGAIN) && interrupted_n++ < 100) {
			continue;
		} else if (hasNoBatch(err) && isFirst) {
			rows = {};
			return listSingly(map, rows);
		} else {
			return err;
		}
	}
}

} // namespace fl
