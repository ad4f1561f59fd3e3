/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/extract.h"

#include <stdlib.h>

/*
 * What is shown to a virus scanner, of a file (bit 0 of the first byte) or of a data set in the transfer syntax that the next bits
 * say, cut at the length that the second byte says: the same as of it uncut.
 */
static const char *const syntaxes[] = {
	"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"};

struct sum {
	uint64_t rest, parts; /* FNV-1a, of the bytes and of where parts end */
};

static struct extract x;
static struct inflater inflater;

static uint64_t add(uint64_t h, struct span s)
{
	for (size_t k = 0; k < s.len; k++) {
		h = (h ^ s.ptr[k]) * 1099511628211u;
	}
	return h;
}

static void drain(struct sum *sum)
{
	struct extract_piece p;
	while (extract_next(&x, &p)) {
		if (p.to == EXTRACT_REST) {
			sum->rest = add(sum->rest, p.bytes);
		} else {
			sum->parts = add(sum->parts, p.to == EXTRACT_PART ? p.bytes : span_str("end"));
		}
	}
}

static struct sum run(uint8_t how, const uint8_t *data, size_t size, size_t step)
{
	struct sum sum = {1, 1};
	extract_begin(&x, how & 1, span_str(syntaxes[how >> 1 & 3]), &inflater);
	for (size_t at = 0; at < size; at += step) {
		size_t n = step < size - at ? step : size - at;
		uint8_t *copy = malloc(n);
		if (!copy) {
			abort();
		}
		memcpy(copy, data + at, n);
		extract_feed(&x, span_of(copy, n));
		drain(&sum);
		free(copy);
	}
	extract_last(&x);
	drain(&sum);
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2) {
		return 0;
	}
	struct sum whole = run(data[0], data + 2, size - 2, size);
	struct sum cut = run(data[0], data + 2, size - 2, data[1] ? data[1] : 256);
	if (whole.rest != cut.rest || whole.parts != cut.parts) {
		abort();
	}
	return 0;
}
