/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/identifier.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The identifier of a query. The first byte chooses the encoding. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum encoding encodings[] = {
		ENCODING_IMPLICIT_LE, ENCODING_EXPLICIT_LE, ENCODING_EXPLICIT_BE};
	static struct identifier_walk walk;
	struct element e;
	if (size == 0) {
		return 0;
	}
	enum encoding encoding = encodings[data[0] % ARRAY_LEN(encodings)];
	struct span bytes = span_of(data + 1, size - 1);
	uint32_t last = 0;
	int r;
	identifier_begin(&walk, bytes, encoding);
	while ((r = identifier_next(&walk, &e)) == 1) {
		/* A value lies within the data set, and a path has one tag a level. */
		if (e.value.len > 0 &&
			(e.value.ptr < bytes.ptr || e.value.ptr + e.value.len > bytes.ptr + bytes.len)) {
			abort();
		}
		for (unsigned i = 0; i < e.depth; i++) {
			last ^= e.path[i];
		}
		last ^= e.tag;
	}
	/* Looking for what was met last says well-formed or not, as the walk did. */
	struct span value;
	int found = identifier_find(bytes, encoding, last, &value);
	if ((r < 0) != (found < 0 && found != ERR_NOT_FOUND)) {
		abort();
	}
	return 0;
}
