/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "keys/mime.h"

#include <stdlib.h>
#include <string.h>

/* A mail that is taken apart: parts lie in what they are parts of, one behind the other, and decoding makes nothing longer, but for line ends. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DEPTH 8

static void must(bool fact)
{
	if (!fact) {
		abort();
	}
}

static int count(void *arg, struct span bytes)
{
	*(size_t *)arg += bytes.len;
	return 0;
}

static void take(struct span bytes, unsigned depth)
{
	struct mime_entity e;
	struct span part;
	const uint8_t *at = bytes.ptr, *end = bytes.ptr + bytes.len;
	size_t len = 0;
	if (mime_read(bytes, &e) != 0) {
		return;
	}
	must(e.body.ptr >= at && e.body.ptr + e.body.len == end);
	must(strlen(e.id) < sizeof(e.id) && strlen(e.boundary) <= MIME_BOUNDARY_MOST);
	for (enum mime_encoding how = MIME_PLAIN; how <= MIME_UNKNOWN; how++) {
		len = 0;
		(void)!mime_decode(how, e.body, count, &len);
		must(len <= (how == MIME_QUOTED ? 2 * e.body.len : e.body.len));
	}
	if (e.kind != MIME_MULTIPART && e.kind != MIME_SIGNED) {
		return;
	}
	must(e.boundary[0] != '\0');
	struct mime_parts parts = mime_parts_of(&e);
	at = e.body.ptr;
	while (mime_parts_next(&parts, &part) > 0) {
		must(part.ptr >= at && part.ptr + part.len <= end);
		at = part.ptr + part.len;
		if (depth < DEPTH) {
			take(part, depth + 1);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);
	must(copy);
	memcpy(copy, data, size);
	take(span_of(copy, size), 0);
	free(copy);
	return 0;
}
