/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/dicomdir.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct said {
	uint64_t hash;
	size_t paths, unread;
	int result;
};

/* All of it, in pieces of step bytes. */
static struct said read_all(const uint8_t *bytes, size_t size, size_t step)
{
	static struct dicomdir d;
	struct said s = {0};
	char path[DICOMDIR_PATH + 1];
	dicomdir_begin(&d);
	for (size_t at = 0; at <= size; at += step) {
		size_t n = step < size - at ? step : size - at;
		if (n > 0) {
			dicomdir_feed(&d, span_of(bytes + at, n));
		}
		if (n == size - at) {
			dicomdir_last(&d);
		}
		while ((s.result = dicomdir_next(&d, path)) > 0) {
			size_t length = strlen(path);
			if (length == 0 || length > DICOMDIR_PATH) {
				abort();
			}
			for (size_t i = 0; i < length; i++) {
				s.hash = (s.hash ^ (uint8_t)path[i]) * 0x100000001B3u;
			}
			if (d.instance[0] && !uid_valid(span_str(d.instance))) {
				abort();
			}
			for (const char *c = d.instance; *c; c++) {
				s.hash = (s.hash ^ (uint8_t)*c) * 0x100000001B3u;
			}
			s.paths++;
		}
		if (s.result < 0 || n == size - at) {
			break;
		}
	}
	s.unread = d.unread;
	return s;
}

/* A DICOMDIR: its first byte says how the rest is cut, and nothing depends on that. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	if (size < 2) {
		return 0;
	}
	struct said whole = read_all(bytes + 1, size - 1, size - 1);
	struct said cut = read_all(bytes + 1, size - 1, (size_t)bytes[0] + 1);
	if (whole.hash != cut.hash || whole.paths != cut.paths || whole.unread != cut.unread ||
		whole.result != cut.result) {
		abort();
	}
	return 0;
}
