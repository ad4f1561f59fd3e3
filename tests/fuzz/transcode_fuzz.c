/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/mac.h"
#include "dicom/transcode.h"

#include <stdlib.h>
#include <string.h>

/*
 * A DICOM file, made one in Explicit VR Little Endian. What it becomes can be read, becomes itself, does not depend on how the bytes were
 * cut, and signatures are over the same bytes as before.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MOST (1u << 20)

static void must(bool fact)
{
	if (!fact) {
		abort();
	}
}

static int put(void *arg, struct span bytes)
{
	must(bytes.len > 0);
	writer_span(arg, bytes);
	return writer_end(arg);
}

static int run(struct span file, size_t piece, struct writer *to)
{
	static struct transcode t;
	transcode_begin(&t, false, put, to);
	for (size_t at = 0; at < file.len; at += piece) {
		int e = transcode_feed(
			&t, span_of(file.ptr + at, file.len - at < piece ? file.len - at : piece));
		if (e < 0) {
			must(e != ERR_UNSUPPORTED || t.why);
			return e;
		}
	}
	int e = transcode_end(&t);
	must(e < 0 || t.data_at <= to->len);
	return e;
}

static uint32_t tags[MAC_TAGS_MOST];
static struct mac_scope top;

static void hash(void *arg, struct span bytes)
{
	uint64_t *sum = arg;
	for (size_t i = 0; i < bytes.len; i++) {
		*sum = (*sum ^ bytes.ptr[i]) * 0x100000001B3u;
	}
}

/* False: the file says it in more than one way. */
static bool each(struct span file, struct mac_list *l, struct mac *m)
{
	static struct dicom_file f;
	static struct inflater inflater;
	int event;
	file_begin(&f, &inflater);
	file_feed(&f, file);
	file_last(&f);
	while ((event = file_next(&f)) != DATASET_END) {
		must(event >= 0);
		enum encoding e = dataset_encoding(&f.d);
		if (!f.in_meta &&
			(l ? mac_list_event(l, &f.d, event, e) : mac_event(m, &f.d, event, e)) < 0) {
			return false;
		}
	}
	return (f.d.noted & MAC_BAD_NOTES) == 0;
}

static bool sum_of(struct span file, uint64_t *ret_sum)
{
	*ret_sum = 0xCBF29CE484222325u;
	struct mac_list l = {.scope = &top, .tags = tags};
	if (!each(file, &l, NULL)) {
		return false;
	}
	struct mac m = {.scope = &top, .tags = tags, .n_tags = l.n, .sink = hash, .arg = ret_sum};
	return each(file, NULL, &m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t first[MOST], second[MOST];
	uint8_t *copy = malloc(size ? size : 1);
	must(copy != NULL);
	if (size > 0) {
		memcpy(copy, data, size);
	}
	struct span file = span_of(copy, size);
	struct writer a = writer_of(first, sizeof(first)), b = writer_of(second, sizeof(second));
	int e = run(file, size ? size : 1, &a);
	int cut = run(file, 1 + size / 3, &b);
	must((e == 0) == (cut == 0));
	if (e == 0) {
		struct span made = writer_span_of(&a);
		uint64_t before, after;
		must(a.len == b.len && memcmp(first, second, a.len) == 0);
		if (sum_of(file, &before)) {
			must(sum_of(made, &after) && before == after);
		}
		b = writer_of(second, sizeof(second));
		must(run(made, 4096, &b) == 0);
		must(b.len == a.len && memcmp(first, second, a.len) == 0);
	}
	free(copy);
	return 0;
}
