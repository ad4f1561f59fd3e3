/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/disc_sequences.h"
#include "dicom/dataset.h"

#include <stdlib.h>
#include <string.h>

/*
 * What a DICOMDIR's records copy of an object's sequences: the data set, after a byte that says its encoding. Each copy is one sequence in
 * explicit VR little endian that can be read, and does not depend on how the bytes were cut.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool fact)
{
	if (!fact) {
		abort();
	}
}

static void run(struct disc_copier *c, enum encoding encoding, struct span bytes, size_t piece)
{
	static struct dataset d;
	int event = DATASET_MORE;
	disc_copier_begin(c);
	must(dataset_begin(&d, encoding, NULL) == 0);
	for (size_t at = 0; event == DATASET_MORE; at += piece) {
		if (at < bytes.len) {
			size_t n = bytes.len - at < piece ? bytes.len - at : piece;
			dataset_feed(&d, span_of(bytes.ptr + at, n));
		} else {
			dataset_last(&d);
		}
		while ((event = dataset_next(&d)) > 0 && event != DATASET_END) {
			(void)disc_copier_take(c, &d, event);
		}
	}
}

/* One sequence, and nothing behind it. */
static void look(struct span copy)
{
	static struct dataset d;
	int event;
	unsigned top = 0;
	must(copy.len % 2 == 0 && copy.len <= DISC_SEQUENCE_MOST);
	must(dataset_begin(&d, ENCODING_EXPLICIT_LE, NULL) == 0);
	dataset_feed(&d, copy);
	dataset_last(&d);
	while ((event = dataset_next(&d)) != DATASET_END) {
		must(event > 0);
		top += event == DATASET_SEQUENCE && d.depth == 0;
		must(event != DATASET_ELEMENT || d.depth > 0);
	}
	must(top == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct disc_copier whole, cut;
	if (size == 0) {
		return 0;
	}
	uint8_t *copy = malloc(size);
	must(copy != NULL);
	memcpy(copy, data + 1, size - 1);
	struct span bytes = span_of(copy, size - 1);
	enum encoding encoding = (enum encoding)(data[0] % 3);
	run(&whole, encoding, bytes, size);
	run(&cut, encoding, bytes, 1 + size / 7);
	must(strcmp(whole.verified, cut.verified) == 0);
	for (unsigned i = 0; i < DISC_SEQUENCES; i++) {
		must(whole.len[i] == cut.len[i]);
		if (whole.len[i] > 0) {
			must(memcmp(whole.bytes[i], cut.bytes[i], whole.len[i]) == 0);
			look(span_of(whole.bytes[i], whole.len[i]));
		}
	}
	free(copy);
	return 0;
}
