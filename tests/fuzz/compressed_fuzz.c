/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/compressed.h"

#include <stdlib.h>
#include <string.h>

/* A value in which something may be compressed: what is given of it does not depend on how it was cut. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct given {
	uint64_t hash, n;
};

static void must(bool fact)
{
	if (!fact) {
		abort();
	}
}

static void take(void *arg, const struct encoded_piece *piece)
{
	struct given *g = arg;
	must(piece->bytes.len > 0 && piece->bytes.len <= COMPRESSED_PIECE + ENCODED_EDGE);
	uint64_t hash = 0xCBF29CE484222325u ^ piece->bytes.len;
	for (size_t i = 0; i < piece->bytes.len; i++) {
		hash = (hash ^ piece->bytes.ptr[i]) * 0x100000001B3u;
	}
	g->hash += hash; /* streams beside one another are given in another order */
	g->n++;
}

static struct given read_all(struct compressed *c, const uint8_t *data, size_t size, size_t step)
{
	struct given g = {0};
	compressed_object(c);
	compressed_begin(c, size % 2, take, &g);
	for (size_t at = 0; at < size; at += step) {
		size_t n = step < size - at ? step : size - at;
		uint8_t *copy = malloc(n);
		must(copy != NULL);
		memcpy(copy, data + at, n);
		compressed_feed(c, span_of(copy, n));
		free(copy);
	}
	compressed_end(c);
	return g;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct compressed c;
	struct given whole = read_all(&c, data, size, size ? size : 1);
	bool is_limited =
		c.unread == COMPRESSED_LIMIT; /* which are too many at once depends on when they end */
	enum compressed_unread unread = c.unread;
	for (size_t step = 1; step < 90 && size < 4096; step += 11) {
		struct given cut = read_all(&c, data, size, step);
		is_limited = is_limited || c.unread == COMPRESSED_LIMIT;
		must(is_limited || (cut.hash == whole.hash && cut.n == whole.n && c.unread == unread));
	}
	return 0;
}
