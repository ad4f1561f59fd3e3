/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/inspect.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * A file, or a data set: the first byte says which, the next two how it is cut. What is found in the whole and in the pieces
 * must be the same, and within bounds.
 */
static struct inspect whole, pieces;
static struct inflater inflater;

static void must(bool good)
{
	if (!good) {
		abort();
	}
}

static void look(struct inspect *i, uint8_t kind, struct span s, const uint8_t *how)
{
	static const char *const syntaxes[] = {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1",
		"1.2.840.10008.1.2.2", "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.5",
		"1.2.840.10008.1.2.1.99", NULL, NULL, "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.80",
		"1.2.840.10008.1.2.4.110", "1.2.840.10008.1.2.4.57"};
	const char *syntax = kind >= 0xFE ? "1.2.840.10008.1.2.4.102" /* a video */
	                                  : syntaxes[kind % ARRAY_LEN(syntaxes)];
	struct inspect_about about = {.file = !syntax};
	if (syntax) {
		about.transfer_syntax = span_str(syntax);
		about.sop_class = span_str("1.2.840.10008.5.1.4.1.1.2");
	}
	inspect_begin(i, &about, &inflater);
	for (size_t at = 0, turn = 0; at < s.len; turn++) {
		size_t n = how ? how[turn % 2] % (turn % 3 == 0 ? 256u : 16u) + 1u : s.len - at;
		n = n < s.len - at ? n : s.len - at;
		uint8_t *copy = malloc(n);
		must(copy != NULL);
		memcpy(copy, s.ptr + at, n);
		inspect_feed(i, span_of(copy, n));
		free(copy);
		at += n;
	}
	inspect_end(i);
}

static void compare(const struct inspect_finding *a, const struct inspect_finding *b)
{
	char path[INSPECT_PATH];
	must(a->check == b->check && a->tag == b->tag && a->depth == b->depth && a->offset == b->offset);
	must(memcmp(a->path, b->path, sizeof(a->path)) == 0 &&
		memcmp(a->item, b->item, sizeof(a->item)) == 0);
	must(strcmp(a->excerpt, b->excerpt) == 0 && strlen(a->excerpt) < INSPECT_EXCERPT);
	for (const char *c = a->excerpt; *c; c++) {
		must(*c >= ' ' && *c <= '~');
	}
	inspect_path(a, path);
	must(strlen(path) < INSPECT_PATH);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 3) {
		return 0;
	}
	struct span s = span_of(data + 3, size - 3);
	look(&whole, data[0], s, NULL);
	look(&pieces, data[0], s, data + 1);
	must(memcmp(whole.counts, pieces.counts, sizeof(whole.counts)) == 0);
	must(whole.n_findings == pieces.n_findings && whole.n_findings <= INSPECT_FINDINGS);
	for (unsigned k = 0; k < whole.n_findings; k++) {
		compare(&whole.findings[k], &pieces.findings[k]);
	}
	struct inspect_policy policy = inspect_policy_default();
	must(inspect_judge(&whole, &policy).action == inspect_judge(&pieces, &policy).action);
	must(strcmp(whole.facts.sop_instance, pieces.facts.sop_instance) == 0);
	return 0;
}
