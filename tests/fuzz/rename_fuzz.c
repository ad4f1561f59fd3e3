/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/rename.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Queries and reports whose names are replaced. The first byte chooses the encoding, and whether it is a question; what comes out is such a data set again. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool fact)
{
	if (!fact) {
		abort();
	}
}

static int uid(void *arg, struct span old, char ret_name[RENAME_NAME])
{
	(void)arg;
	must(old.len > 0);
	snprintf(ret_name, RENAME_NAME, "2.25.1");
	return 0;
}

static int patient(void *arg, struct span issuer, struct span id, char ret_name[RENAME_NAME])
{
	(void)arg;
	(void)issuer;
	must(id.len > 0);
	snprintf(ret_name, RENAME_NAME, "NEW");
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const syntaxes[] = {
		"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"};
	static const struct deidentify_rules rules = {0};
	static const struct rename hows[] = {{uid, patient, NULL, NULL}, {uid, patient, NULL, &rules}};
	static uint8_t once[512 * 1024], twice[512 * 1024];
	if (size < 1) {
		return 0;
	}
	struct span syntax = span_str(syntaxes[data[0] % 4]);
	struct writer w = writer_of(once, sizeof(once)), v = writer_of(twice, sizeof(twice));
	const struct rename *how = &hows[data[0] / 4 % 2];
	uint8_t *copy = malloc(size);
	must(copy != NULL);
	memcpy(copy, data + 1, size - 1);
	int e = rename_data_set(how, syntax, span_of(copy, size - 1), &w, NULL);
	free(copy);
	if (e != 0) {
		return 0;
	}
	/* Renamed once more it stays as it is: every name was replaced, and nothing else was lost. */
	must(rename_data_set(how, syntax, writer_span_of(&w), &v, NULL) == 0);
	must(v.len == w.len && memcmp(once, twice, w.len) == 0);
	return 0;
}
