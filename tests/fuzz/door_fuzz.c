/* SPDX-License-Identifier: Apache-2.0 */
#include "net/door.h"

#include <stdlib.h>
#include <string.h>

/* The header of the local door: what is read can be written, and is then read as the same. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool fact)
{
	if (!fact) {
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct door d, again;
	uint8_t *copy = malloc(size ? size : 1), buf[DOOR_MOST];
	size_t used = 0;
	if (!copy) {
		return 0;
	}
	memcpy(copy, data, size);
	if (door_read(span_of(copy, size), &d, &used) == 0) {
		struct writer w = writer_of(buf, sizeof(buf));
		must(used <= size);
		door_write(&w, &d);
		must(writer_end(&w) == 0 && w.len <= used);
		must(door_read(writer_span_of(&w), &again, &used) == 0 && used == w.len);
		must(strcmp(d.to, again.to) == 0 && strcmp(d.note, again.note) == 0 && d.why == again.why);
	}
	free(copy);
	return 0;
}
