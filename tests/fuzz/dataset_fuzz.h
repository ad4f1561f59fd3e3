/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_DATASET_FUZZ_H
#define TESTS_DATASET_FUZZ_H

#include "dicom/file.h"
#include "dicom/header_scan.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * A data set or file: its first two bytes say how the rest is cut. What the parser says of the whole and of the pieces
 * must be the same, and hold together; a scan of its head too.
 */
struct said {
	uint64_t hash, events, noted, offset;
	int result;
};

static struct dicom_file file;
static bool tries; /* dataset_try_un() */
static struct header_scan scan;
static struct inflater inflater;

static inline void must(bool good)
{
	if (!good) {
		abort();
	}
}

static inline void mix(struct said *s, uint64_t v)
{
	s->hash = (s->hash ^ v) * 0x9E3779B97F4A7C15u;
	s->hash ^= s->hash >> 31;
}

static inline void take_value(struct said *s, const struct dataset *d, struct span piece, const uint8_t *own)
{
	bool in_piece = d->value.ptr >= piece.ptr && d->value.ptr + d->value.len <= piece.ptr + piece.len;
	bool in_inflated =
		d->value.ptr >= inflater.out && d->value.ptr + d->value.len <= inflater.out + INFLATER_STEP;
	bool in_stash = tries && d->value.ptr == d->stash;
	must(d->value.len == 0 || in_piece || in_inflated || in_stash || d->value.ptr == own);
	for (size_t i = 0; i < d->value.len; i++) {
		s->hash = (s->hash ^ d->value.ptr[i]) * 0x100000001B3u;
	}
	if (d->last_piece) {
		mix(s, d->truncated);
	}
}

static inline void take_event(
	struct said *s, struct dataset *d, int event, struct span piece, uint8_t own[16])
{
	if (event == DATASET_VALUE) {
		take_value(s, d, piece, own);
		return;
	}
	s->events++;
	mix(s, (uint64_t)event << 32 | d->tag);
	mix(s, (uint64_t)d->length << 32 | (uint32_t)d->vr[0] << 8 | (uint8_t)d->vr[1]);
	mix(s, d->offset << 8 | (event == DATASET_NOTE ? d->note : d->depth));
	must(d->depth <= LIMIT_SEQUENCE_DEPTH && d->note < NOTE_N);
	must(event != DATASET_VALUE && d->offset >= s->offset);
	s->offset = d->offset;
	for (unsigned i = 0; i < d->depth; i++) {
		mix(s, (uint64_t)d->path[i] << 32 | dataset_item_number(d, i));
	}
	if (event == DATASET_ELEMENT || event == DATASET_FRAGMENT) {
		switch (d->tag % 3) {
		case 0:
			dataset_collect(d, own, 16);
			break;
		case 1:
			dataset_pieces(d);
			break;
		default:
			break;
		}
	}
}

static inline int next(bool is_file)
{
	return is_file ? file_next(&file) : dataset_next(&file.d);
}

static inline void pull(struct said *s, bool is_file, struct span piece)
{
	static uint8_t own[16];
	while ((s->result = next(is_file)) > 0 && s->result != DATASET_END) {
		take_event(s, &file.d, s->result, piece, own);
	}
	must(s->result >= 0 || next(is_file) == s->result);
}

/* The pieces' sizes: three in turn, so that all phases meet. */
static inline size_t cut(const uint8_t how[2], size_t turn, size_t left)
{
	size_t sizes[3] = {how[0] % 16u + 1, how[1] % 64u + 1, (how[0] ^ how[1]) % 5u + 1};
	return sizes[turn % 3] < left ? sizes[turn % 3] : left;
}

static inline struct said say(struct span bytes, enum encoding encoding, bool is_file, const uint8_t *how)
{
	struct said s = {.hash = 1};
	if (is_file) {
		file_begin(&file, &inflater);
	} else {
		must(dataset_begin(&file.d, encoding, &inflater) == 0);
	}
	if (tries) {
		dataset_try_un(&file.d);
	}
	for (size_t at = 0, turn = 0; at < bytes.len && s.result == DATASET_MORE; turn++) {
		size_t n = how ? cut(how, turn, bytes.len - at) : bytes.len - at;
		uint8_t *copy = malloc(n);
		must(copy != NULL);
		memcpy(copy, bytes.ptr + at, n);
		dataset_feed(&file.d, span_of(copy, n));
		pull(&s, is_file, span_of(copy, n));
		free(copy);
		at += n;
	}
	if (s.result == DATASET_MORE) {
		dataset_last(&file.d);
		pull(&s, is_file, (struct span){0});
		must(s.result != DATASET_MORE && next(is_file) == s.result);
	}
	s.offset = file.d.offset;
	s.noted = file.d.noted;
	return s;
}

static inline uint64_t scan_head(struct span bytes, const char *uid, const uint8_t *how)
{
	struct said s = {.hash = 1};
	must(header_scan_begin(&scan, span_str(uid), &inflater) == 0);
	int r = HEADER_MORE;
	for (size_t at = 0, turn = 0; at < bytes.len && r == HEADER_MORE; turn++) {
		size_t n = how ? cut(how, turn, bytes.len - at) : bytes.len - at;
		r = header_scan_feed(&scan, span_of(bytes.ptr + at, n));
		at += n;
	}
	int end = header_scan_end(&scan);
	must(r == HEADER_MORE || end == r);
	mix(&s, (uint64_t)(int64_t)end);
	for (int i = 0; i < HEADER_N; i++) {
		struct span v = header_value(&scan, (enum header_field)i);
		must(v.len == 0 || (v.ptr >= scan.bytes && v.ptr + v.len <= scan.bytes + sizeof(scan.bytes)));
		mix(&s, v.len << 3 | scan.values[i].present << 2 | scan.values[i].truncated << 1 |
				scan.values[i].repeated);
		for (size_t k = 0; k < v.len; k++) {
			mix(&s, v.ptr[k]);
		}
	}
	return s.hash;
}

/* uid: of the transfer syntax; NULL: a file. */
static inline int fuzz(const uint8_t *data, size_t size, const char *uid)
{
	enum encoding encoding = ENCODING_EXPLICIT_LE;
	if (size < 2) {
		return 0;
	}
	if (uid) {
		must(encoding_of(span_str(uid), &encoding) == 0);
	}
	struct span bytes = span_of(data + 2, size - 2);
	tries = data[0] >= 0x80;
	struct said whole = say(bytes, encoding, !uid, NULL), pieces = say(bytes, encoding, !uid, data);
	must(whole.hash == pieces.hash && whole.events == pieces.events && whole.result == pieces.result);
	must(whole.noted == pieces.noted && whole.offset == pieces.offset);
	if (uid) {
		must(scan_head(bytes, uid, NULL) == scan_head(bytes, uid, data));
	}
	return 0;
}

#endif
