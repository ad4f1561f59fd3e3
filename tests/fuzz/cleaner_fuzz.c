/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/cleaner.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * What a job that cleans pixels is told, and what it answers. The first byte: in which pieces the bytes come, and which way. However they
 * are cut, both are taken for the same.
 */

static int failing_at;
static uint64_t n_data;
static uint32_t sum;

static void add(struct span bytes)
{
	n_data += bytes.len;
	for (size_t i = 0; i < bytes.len; i++) {
		sum = sum * 31 + bytes.ptr[i];
	}
}

static int on_data(void *arg, struct span bytes)
{
	(void)arg;
	if (bytes.len == 0 || bytes.len > CLEANER_PIECE) {
		abort();
	}
	add(bytes);
	return failing_at-- == 0 ? ERR_SYSTEM : 0;
}

/* So many bytes of it as an allocation of exactly this size. */
static uint8_t *copy_of(struct span s)
{
	uint8_t *copy = malloc(s.len ? s.len : 1);
	if (!copy) {
		abort();
	}
	if (s.len > 0) {
		memcpy(copy, s.ptr, s.len);
	}
	return copy;
}

static int order_in_pieces(struct cleaner_order *o, struct span s, size_t step)
{
	int e = 0;
	size_t at = 0, have = 0;
	n_data = sum = 0;
	cleaner_order_begin(o, on_data, NULL);
	while (e == 0 && at + have < s.len) {
		size_t used = SIZE_MAX;
		have = step < s.len - at - have ? have + step : s.len - at;
		uint8_t *copy = copy_of(span_of(s.ptr + at, have));
		e = cleaner_order_take(o, span_of(copy, have), &used);
		free(copy);
		if (e == 0 && (used > have || have - used >= CLEANER_HEAD)) {
			abort();
		}
		at += e == 0 ? used : 0;
		have -= e == 0 ? used : 0;
	}
	if (o->n_rules > LIMIT_PIXEL_RULES || o->n_data > LIMIT_CLEANED ||
		(failing_at > 0 && o->n_data != n_data)) {
		abort();
	}
	return e;
}

static void orders(struct span s, size_t step, int fails)
{
	static struct cleaner_order a, b;
	failing_at = fails;
	int e = order_in_pieces(&a, s, s.len + 1);
	uint64_t n = n_data;
	uint32_t is = sum;
	failing_at = INT32_MAX;
	int again = order_in_pieces(&b, s, step);
	if (fails == INT32_MAX && (e != again || n != n_data || is != sum || a.n_rules != b.n_rules ||
					  memcmp(a.rules, b.rules, a.n_rules) != 0 ||
					  a.features != b.features || a.native != b.native)) {
		abort();
	}
}

/* All that an association keeps of an answer, which comes in pieces. */
static int reply_in_pieces(struct cleaner_reply *r, struct span s, size_t step)
{
	int e = ERR_AGAIN;
	size_t at = 0, have = 0;
	n_data = sum = 0;
	cleaner_reply_begin(r);
	while (r->outcome == CLEANER_PENDING && (e == 0 || (e == ERR_AGAIN && at + have < s.len))) {
		size_t used = SIZE_MAX;
		struct span bytes = {0};
		have = e == 0 ? have : step < s.len - at - have ? have + step : s.len - at;
		uint8_t *copy = copy_of(span_of(s.ptr + at, have));
		e = cleaner_reply_next(r, span_of(copy, have), &used, &bytes);
		if ((e == 0 || e == ERR_AGAIN) && used > have) {
			abort();
		}
		if (e == 0) {
			if ((bytes.len > 0) != (r->outcome == CLEANER_PENDING)) {
				abort();
			}
			add(bytes);
		}
		free(copy);
		at += e == 0 || e == ERR_AGAIN ? used : 0;
		have -= e == 0 || e == ERR_AGAIN ? used : 0;
	}
	bool cleaned = cleaner_has_file(r->outcome);
	if (r->outcome >= CLEANER_OUTCOMES || !memchr(r->text, 0, sizeof(r->text)) ||
		(cleaned && n_data == 0) ||
		(n_data > 0 && r->outcome != CLEANER_PENDING && !cleaned && r->outcome != CLEANER_LOST)) {
		abort();
	}
	return e;
}

static void replies(struct span s, size_t step)
{
	struct cleaner_reply a, b;
	int e = reply_in_pieces(&a, s, s.len + 1);
	uint64_t n = n_data;
	uint32_t is = sum;
	int again = reply_in_pieces(&b, s, step);
	if (e != again || n != n_data || is != sum || a.outcome != b.outcome || strcmp(a.text, b.text) != 0) {
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0) {
		return 0;
	}
	struct span s = span_of(data + 1, size - 1);
	size_t step = 1 + (data[0] >> 1) % 60;
	struct cleaner_head h = {.kind = CLEANER_END};
	if (cleaner_read_head(CLEANER_FROM_BOX, s, &h) == 0 && h.len > CLEANER_PIECE) {
		abort();
	}
	if (data[0] & 1) {
		orders(s, step, data[0] > 240 ? data[0] % 4 : INT32_MAX);
	} else {
		replies(s, step);
	}
	return 0;
}
