/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/encoded.h"

#include <stdlib.h>
#include <string.h>

/* Bytes in which something may be encoded; and they themselves, encoded, which must be found again. */

#define LONGEST 128

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool fact)
{
	if (!fact) {
		abort();
	}
}

struct wanted {
	struct span bytes;
	bool found;
};

static void take(void *arg, const struct encoded_piece *piece)
{
	struct wanted *w = arg;
	must(piece->bytes.len >= 4 && piece->bytes.len <= ENCODED_PIECE);
	w->found = w->found || (w->bytes.len > 0 && memmem(piece->bytes.ptr, piece->bytes.len, w->bytes.ptr,
							    w->bytes.len) != NULL);
}

static void find(const uint8_t *data, size_t size, const char *in, size_t n)
{
	struct wanted w = {span_of(data, size), false};
	const struct encoded_piece all = {span_of((const uint8_t *)in, n), false, false, false};
	encoded_read(&all, take, &w);
	must(w.found);
}

/* Each byte as digits, with something before it. */
static void find_each(const uint8_t *data, size_t size, const char *before, unsigned base, const char *digits)
{
	char text[8 * LONGEST];
	size_t n = 0;
	for (size_t i = 0; i < size; i++) {
		for (const char *c = before; *c; c++) {
			text[n++] = *c;
		}
		for (unsigned power = base == 8 ? 64 : 16; power > 0; power /= base) {
			text[n++] = digits[data[i] / power % base];
		}
	}
	find(data, size, text, n);
}

static void find_base64(const uint8_t *data, size_t size)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char text[2 * LONGEST];
	size_t n = 0;
	uint32_t v = 0;
	unsigned bits = 0;
	for (size_t i = 0; i < size || bits > 0; i++) {
		v = v << 8 | (i < size ? data[i] : 0);
		for (bits += 8; bits >= 6 && (i < size || bits > 8); bits -= 6) {
			text[n++] = letters[v >> (bits - 6) & 63];
		}
		bits = i < size ? bits : 0;
	}
	find(data, size, text, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wanted none = {{NULL, 0}, false};
	uint8_t *copy = malloc(size ? size : 1);
	must(copy != NULL);
	memcpy(copy, data, size);
	const struct encoded_piece all = {span_of(copy, size), false, size % 2, size % 3};
	encoded_read(&all, take, &none);
	size = size < LONGEST ? size : LONGEST;
	if (size >= 4) {
		find_each(copy, size, "%", 16, "0123456789abcdef");
		find_each(copy, size, "=", 16, "0123456789ABCDEF");
		find_each(copy, size, "\\", 8, "01234567");
		find_each(copy, size, "", 16, "0123456789ABCDEF");
		find_each(copy, size, " ", 16, "0123456789abcdef");
		find_base64(copy, size);
	}
	free(copy);
	return 0;
}
