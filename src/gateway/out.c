/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/out.h"

#include <string.h>

static void append(struct out *o, const uint8_t *ptr, size_t len)
{
	o->queued += len;
	if (o->n > o->head) {
		struct iovec *last = &o->segment[o->n - 1];
		if ((const uint8_t *)last->iov_base + last->iov_len == ptr) {
			last->iov_len += len;
			return;
		}
	}
	/* iovec has no const; nothing writes through it. */
	o->segment[o->n++] = (struct iovec){.iov_base = (void *)(uintptr_t)ptr, .iov_len = len};
}

void out_borrow(struct out *o, const uint8_t *ptr, size_t len)
{
	if (len > 0) {
		o->borrows = true;
		append(o, ptr, len);
	}
}

uint8_t *out_control(struct out *o, size_t len)
{
	if (!out_room(o, 1, len)) {
		return NULL;
	}
	uint8_t *at = o->control + o->control_len;
	o->control_len += len;
	append(o, at, len);
	return at;
}

void out_drop(struct out *o)
{
	o->head = o->n = 0;
	o->control_len = 0;
	o->borrows = false;
	o->sent = o->queued; /* what was dropped is nobody's any more */
}

static void advance(struct out *o, size_t n)
{
	o->sent += n;
	while (n > 0) {
		struct iovec *s = &o->segment[o->head];
		size_t step = n < s->iov_len ? n : s->iov_len;
		s->iov_base = (uint8_t *)s->iov_base + step;
		s->iov_len -= step;
		n -= step;
		if (s->iov_len == 0) {
			o->head++;
		}
	}
}

/* One write, of what stands before `until`. */
static int write_some(struct out *o, struct stream *t, uint64_t until, bool *ret_moved)
{
	struct iovec *first = &o->segment[o->head], cut;
	uint64_t left = until - o->sent;
	unsigned n = 0;
	size_t moved = 0;
	for (uint64_t sum = 0; n < o->n - o->head && sum + first[n].iov_len <= left; n++) {
		sum += first[n].iov_len;
	}
	if (n == 0) {
		cut = (struct iovec){.iov_base = first->iov_base, .iov_len = (size_t)left};
		first = &cut;
		n = 1;
	}
	int e = stream_write(t, first, n, &moved);
	if (moved > 0) {
		*ret_moved = true;
		advance(o, moved);
	}
	return e;
}

/* What has left makes room for what is queued behind a bar. */
static void close_up(struct out *o)
{
	o->n -= o->head;
	memmove(o->segment, o->segment + o->head, o->n * sizeof(o->segment[0]));
	o->head = 0;
}

int out_flush(struct out *o, struct stream *t, uint64_t until, bool *ret_moved)
{
	while (!out_empty(o) && o->sent < until) {
		int e = write_some(o, t, until, ret_moved);
		if (e != 0) {
			return e;
		}
	}
	bool all = out_empty(o);
	if (all) {
		out_drop(o);
	} else if (o->head >= OUT_SEGMENTS / 8) {
		close_up(o);
	}
	bool was_pending = t->flush_pending;
	int e = stream_flush(t);
	if (was_pending && e == 0) {
		*ret_moved = true;
	}
	return e == 0 && !all ? ERR_AGAIN : e;
}

static bool lies_in(const struct iovec *v, const uint8_t *base, size_t len)
{
	const uint8_t *at = v->iov_base;
	return at >= base && at < base + len;
}

const uint8_t *out_first_borrowed(const struct out *o, const uint8_t *base, size_t len)
{
	const uint8_t *first = base + len;
	for (unsigned i = o->head; i < o->n; i++) {
		const uint8_t *at = o->segment[i].iov_base;
		first = lies_in(&o->segment[i], base, len) && at < first ? at : first;
	}
	return first;
}

void out_moved(struct out *o, const uint8_t *base, size_t len, size_t by)
{
	for (unsigned i = o->head; i < o->n; i++) {
		if (lies_in(&o->segment[i], base, len)) {
			o->segment[i].iov_base = (uint8_t *)o->segment[i].iov_base - by;
		}
	}
}

void out_cut(struct out *o, uint64_t from)
{
	while (!out_empty(o) && o->queued > from) {
		struct iovec *last = &o->segment[o->n - 1];
		uint64_t over = o->queued - from;
		size_t n = over < last->iov_len ? (size_t)over : last->iov_len;
		last->iov_len -= n;
		o->queued -= n;
		o->n -= last->iov_len == 0;
	}
}
