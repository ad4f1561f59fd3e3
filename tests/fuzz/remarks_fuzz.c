/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/remarks.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Coded frames: what is blanked does not depend on how bytes are cut. */

static void apply(struct remarks *r, uint8_t *bytes, size_t len, size_t step)
{
	for (size_t at = 0; at < len;) {
		bool blank = false;
		size_t most = len - at < step ? len - at : step;
		uint8_t *exact = malloc(most);
		if (!exact) {
			abort();
		}
		memcpy(exact, bytes + at, most);
		size_t n = remarks_run(r, span_of(exact, most), &blank);
		free(exact);
		if (n == 0 || n > most) {
			abort();
		}
		if (blank) {
			memset(bytes + at, 0, n);
		}
		at += n;
	}
}

/* In two fragments. */
static bool blank(uint8_t *bytes, size_t len, size_t cut, uint8_t what, size_t step)
{
	struct remarks r;
	struct remarks_about about = {
		what & 7u, 1 + (what >> 3 & 3u), 6, 1 + (what >> 5 & 1u), what & 0x40 ? 16 : 8};
	remarks_begin(&r, what & 0x80 ? REMARKS_RLE : REMARKS_STREAMS, &about);
	remarks_fragment(&r, (uint32_t)cut);
	apply(&r, bytes, cut, step);
	remarks_fragment(&r, (uint32_t)(len - cut));
	apply(&r, bytes + cut, len - cut, step);
	return r.any;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 4) {
		return 0;
	}
	size_t len = size - 4, cut = (size_t)(data[0] | data[1] << 8) % (len + 1), step = data[2] + 1u;
	uint8_t what = data[3];
	uint8_t *whole = malloc(len + 1), *cuts = malloc(len + 1);
	if (!whole || !cuts) {
		abort();
	}
	memcpy(whole, data + 4, len);
	memcpy(cuts, data + 4, len);
	bool any = blank(whole, len, cut, what, len + 1);
	if (blank(cuts, len, cut, what, step) != any || memcmp(whole, cuts, len) != 0 ||
		any != (memcmp(whole, data + 4, len) != 0)) {
		abort();
	}
	free(whole);
	free(cuts);
	return 0;
}
