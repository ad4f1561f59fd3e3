/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/object_splice.h"
#include "keys/vouch.h"

#include <stdlib.h>
#include <string.h>

/*
 * A file's data set that is signed as it passes, in pieces whose size the last byte says. What leaves can be read, has one signature more, and
 * what is signed of it is the same: all of what was before.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool fact)
{
	if (!fact) {
		abort();
	}
}

static int nothing(void *arg, struct dataset *d, int event, enum encoding encoding)
{
	return 0;
}

static int sum_of(const char *syntax, enum object_hash hash, struct span data, size_t piece,
	struct vouch_sum *ret_sum, struct vouch **ret_vouch)
{
	must(vouch_new(span_str(syntax), hash, ret_vouch) == 0);
	for (size_t at = 0; at < data.len; at += piece) {
		size_t n = data.len - at < piece ? data.len - at : piece;
		vouch_feed(*ret_vouch, span_of(data.ptr + at, n));
	}
	memset(ret_sum, 0, sizeof(*ret_sum));
	int e = vouch_end(*ret_vouch, VOUCH_BASE, ret_sum);
	must(e == 0 || vouch_why(*ret_vouch)[0]);
	return e;
}

static size_t pass(const struct object_signed *edits, uint64_t length, bool deflated, struct span data,
	size_t piece, uint8_t *out, size_t cap)
{
	static struct splice s;
	size_t at = 0, n_out = 0;
	struct span bytes;
	int e;
	must(splice_begin(&s, edits, length, deflated) == 0);
	while ((e = splice_next(&s, &bytes)) != SPLICE_END) {
		must(e >= 0);
		if (e == SPLICE_BYTES) {
			must(bytes.len > 0 && bytes.len <= cap - n_out);
			memcpy(out + n_out, bytes.ptr, bytes.len);
			n_out += bytes.len;
		} else if (at == data.len) {
			splice_last(&s);
		} else {
			size_t n = data.len - at < piece ? data.len - at : piece;
			splice_feed(&s, span_of(data.ptr + at, n));
			at += n;
		}
	}
	splice_done(&s);
	return n_out;
}

static void sign(const char *syntax, struct span data, size_t piece)
{
	static struct object_signed edits;
	struct vouch *v = NULL, *again = NULL;
	struct vouch_sum sum, after;
	const struct vouch_made made = {.uid = "1.2.3",
		.time = "20261126083000.000+0000",
		.value = span_str("signature"),
		.certificate = span_str("certificate")};
	enum object_hash hash = (enum object_hash)(data.len % OBJECT_HASHES);
	if (sum_of(syntax, hash, data, piece, &sum, &v) == 0 && vouch_edits(v, &made, &edits) == 0) {
		bool deflated = vouch_encoding(v) == ENCODING_DEFLATED_LE;
		/* What is deflated may have been of much. */
		size_t cap = (deflated ? 2 * (size_t)vouch_length(v) : data.len) + OBJECT_BYTES + 1024;
		uint8_t *out = malloc(cap);
		must(out != NULL);
		size_t n = pass(&edits, vouch_length(v), deflated, data, piece, out, cap);
		int e = sum_of(syntax, hash, span_of(out, n), SIZE_MAX / 2, &after, &again);
		must(e == 0 || e == ERR_LIMIT); /* of 64 signatures, and one more */
		must(e != 0 || (after.id != sum.id && after.done == sum.done &&
				       vouch_count(v) == vouch_count(again) &&
				       memcmp(after.state, sum.state, sizeof(sum.state)) == 0 &&
				       memcmp(after.rest, sum.rest, sizeof(sum.rest)) == 0));
		free(out);
	}
	vouch_free(v);
	vouch_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);
	must(copy != NULL);
	memcpy(copy, data, size);
	struct object_pass p = {.file = span_of(copy, size), .each = nothing};
	enum encoding encoding;
	if (object_pass(&p) == 0 && p.data_at > 0 && encoding_of(span_str(p.syntax), &encoding) == 0) {
		size_t piece = 1 + copy[size - 1] * 37u;
		sign(p.syntax, span_of(copy + p.data_at, size - (size_t)p.data_at), piece);
	}
	free(copy);
	return 0;
}
