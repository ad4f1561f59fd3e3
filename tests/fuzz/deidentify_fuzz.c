/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/deidentify.h"

#include "dicom/tag.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * A data set: the first byte says its transfer syntax, the next three options and how the rest is cut. What comes out is the same of
 * the whole and of the pieces, can be read again, and has nothing that the profile removes whatever the options are.
 */
#define OUT_MOST (4u << 20)

static uint8_t key[PSEUDONYM_KEY];
static struct deidentify transform;
static struct dataset d;
static struct inflater inflater;

struct result {
	int result;
	size_t n;
	uint8_t *bytes;
};

static void must(bool fact)
{
	if (!fact) {
		abort();
	}
}

static int pull(struct result *r)
{
	struct span s;
	int e;
	while ((e = deidentify_next(&transform, &s)) == DEIDENTIFY_BYTES) {
		must(s.len > 0);
		if (s.len > OUT_MOST - r->n) {
			return ERR_SPACE;
		}
		memcpy(r->bytes + r->n, s.ptr, s.len);
		r->n += s.len;
	}
	must(e >= 0 || deidentify_next(&transform, &s) == e);
	return e;
}

static void run(struct result *r, const struct deidentify_rules *rules, struct span syntax, struct span in,
	const uint8_t *how)
{
	const struct pseudonyms p = {.make = pseudonym_make, .arg = key};
	must(deidentify_begin(&transform, rules, &p, syntax, NULL) == 0);
	r->n = 0;
	r->result = DEIDENTIFY_MORE;
	for (size_t at = 0; at < in.len && r->result == DEIDENTIFY_MORE;) {
		size_t n = how ? how[at & 1] % 63u + 1 : in.len;
		n = n < in.len - at ? n : in.len - at;
		uint8_t *piece = malloc(n);
		must(piece != NULL);
		memcpy(piece, in.ptr + at, n);
		deidentify_feed(&transform, span_of(piece, n));
		r->result = pull(r);
		free(piece);
		at += n;
	}
	if (r->result == DEIDENTIFY_MORE) {
		deidentify_last(&transform);
		r->result = pull(r);
		must(r->result != DEIDENTIFY_MORE);
	}
	deidentify_done(&transform);
}

/* Nothing that nobody looked at: pixels in sequences, and text where the dictionary has something else. */
static bool is_out_of_place(const struct dataset *e)
{
	bool is_text = strstr("LO LT PN SH ST UC UT", e->vr) != NULL;
	return (e->tag >> 24 == 0x7F && e->depth > 0) ||
	       (is_text && (e->tag >> 16 & 1) == 0 &&
		       !strstr("AE AS CS DA DS DT IS LO LT PN SH ST TM UC UI UR UT", tag_implied_vr(e->tag)));
}

static bool may_stand(uint32_t tag, unsigned options)
{
	unsigned group = tag >> 16;
	uint32_t element = tag & 0xFFFF;
	if (group & 1) {
		return options & OPTION_SAFE_PRIVATE && element >= 0x10;
	}
	return group >= 8 && element != 0 && group >> 8 != 0x50 && group >> 8 != 0x60 && group != 0xFFFA;
}

/* It is read as anybody would. A key without its own order of elements stays so: notes do not matter. */
static void read_again(const struct result *r, enum encoding encoding, unsigned options)
{
	int event;
	bool is_told = false;
	must(dataset_begin(&d, encoding, &inflater) == 0);
	dataset_feed(&d, span_of(r->bytes, r->n));
	dataset_last(&d);
	while ((event = dataset_next(&d)) > 0 && event != DATASET_END) {
		bool begins = event == DATASET_ELEMENT || event == DATASET_SEQUENCE ||
		              event == DATASET_ENCAPSULATED;
		must(!begins || (may_stand(d.tag, options) && !is_out_of_place(&d)));
		is_told = is_told || (event == DATASET_ELEMENT && d.depth == 0 && d.tag == 0x00120062);
	}
	must(event == DATASET_END && is_told);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const syntaxes[] = {
		"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"};
	static struct result whole, pieces;
	enum encoding encoding;
	if (size < 6) {
		return 0;
	}
	if (!whole.bytes) {
		whole.bytes = malloc(OUT_MOST);
		pieces.bytes = malloc(OUT_MOST);
		must(whole.bytes && pieces.bytes);
	}
	struct span syntax = span_str(syntaxes[data[0] % 4]), in = span_of(data + 6, size - 6);
	struct deidentify_rules rules = {.options = (data[1] | data[2] << 8) & 0x3FF,
		.pixels_cleaned = data[3] & 1,
		.keep_burned_in = data[3] & 2,
		.replace_documents = data[3] & 4};
	must(encoding_of(syntax, &encoding) == 0);
	run(&whole, &rules, syntax, in, NULL);
	run(&pieces, &rules, syntax, in, data + 4);
	if (whole.result == ERR_SPACE || pieces.result == ERR_SPACE) {
		return 0;
	}
	must(whole.result == pieces.result);
	if (whole.result == DEIDENTIFY_END) {
		must(whole.n == pieces.n && memcmp(whole.bytes, pieces.bytes, whole.n) == 0);
		read_again(&whole, encoding, rules.options);
	}
	return 0;
}
