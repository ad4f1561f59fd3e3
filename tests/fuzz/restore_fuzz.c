/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/restore.h"

#include "dicom/dataset.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * Originals and the data set that they are put into, by two bytes of how both are encoded and two of where the first ends. What comes out can
 * be read as what went in could, and has Patient Identity Removed once.
 */
static void must(bool fact)
{
	if (!fact) {
		abort();
	}
}

struct result {
	uint8_t *bytes;
	size_t n, cap;
};

static int put(void *arg, struct span bytes)
{
	struct result *r = arg;
	must(bytes.len <= r->cap - r->n);
	if (bytes.len > 0) {
		memcpy(r->bytes + r->n, bytes.ptr, bytes.len);
	}
	r->n += bytes.len;
	return 0;
}

/* How often Patient Identity Removed is at the top; -1: it cannot be read. */
static int count(struct span data_set, enum encoding encoding)
{
	static struct dataset d;
	int event, n = 0;
	must(dataset_begin(&d, encoding, NULL) == 0);
	dataset_feed(&d, data_set);
	dataset_last(&d);
	while ((event = dataset_next(&d)) > 0 && event != DATASET_END) {
		n += event == DATASET_ELEMENT && d.depth == 0 && d.tag == 0x00120062;
	}
	return event == DATASET_END ? n : -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct restore r;
	static const char *const syntaxes[] = {
		"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"};
	struct restore_found found[RESTORE_FOUND];
	unsigned n;
	if (size < 4) {
		return 0;
	}
	enum encoding encoding = (enum encoding)(data[0] % 3);
	size_t len = (size_t)data[2] | (size_t)data[3] << 8;
	len = len < size - 4 ? len : size - 4;
	uint8_t *originals = malloc(len + 1), *rest = malloc(size - 4 - len + 1);
	must(originals && rest);
	memcpy(originals, data + 4, len);
	memcpy(rest, data + 4 + len, size - 4 - len);
	struct span data_set = span_of(rest, size - 4 - len);
	if (restore_find(data_set, encoding, found, &n) == 0) {
		must(n > 0 && n <= RESTORE_FOUND && found[0].cms.len > 0);
	}
	if (restore_read(&r, span_of(originals, len), span_str(syntaxes[data[1] % 3])) == 0) {
		struct result to = {.cap = 2 * size + 16ul * RESTORE_MOST};
		struct restore_output out = {put, &to};
		to.bytes = malloc(to.cap);
		must(to.bytes != NULL && r.n > 0);
		if (restore_merge(&r, data_set, encoding, &out) == 0) {
			must(count(span_of(to.bytes, to.n), encoding) >= 1);
		}
		free(to.bytes);
	}
	free(originals);
	free(rest);
	return 0;
}
