/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/site.h"

#include <stdlib.h>
#include <string.h>

/* A packed site as another role receives it: what is read must pack to the same bytes. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool fact)
{
	if (!fact) {
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1), *bytes;
	size_t len;
	struct site *s = NULL;
	struct mistakes m;
	if (!copy) {
		return 0;
	}
	memcpy(copy, data, size);
	int err = site_unpack(span_of(copy, size), &s, &m);
	must((err == 0) == (s != NULL));
	if (s) {
		must(site_pack(s, &bytes, &len) == 0);
		must(len == size);
		free(bytes);
	}
	mistakes_done(&m);
	site_free(s);
	free(copy);
	return 0;
}
