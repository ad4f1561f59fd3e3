/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/object_splice.h"

int splice_begin(struct splice *s, const struct object_signed *edits, uint64_t length, bool deflated)
{
	*s = (struct splice){.edits = edits, .length = length, .deflated = deflated};
	if (!deflated) {
		return 0;
	}
	if (inflater_begin(&s->inflater) < 0 || deflateInit2(&s->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED,
							-MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
		return ERR_NO_MEMORY;
	}
	return 0;
}

void splice_done(struct splice *s)
{
	if (s->deflated) {
		(void)deflateEnd(&s->z);
	}
	s->deflated = false;
}

void splice_feed(struct splice *s, struct span bytes)
{
	if (s->deflated) {
		inflater_feed(&s->inflater, bytes);
	} else {
		s->in = bytes;
	}
}

void splice_last(struct splice *s)
{
	s->last = true;
}

/* More of what is edited. SPLICE_MORE: there is none, or none yet. */
static int take_in(struct splice *s)
{
	if (s->in.len > 0) {
		return SPLICE_BYTES;
	}
	if (!s->deflated) {
		return SPLICE_MORE;
	}
	int e = inflater_next(&s->inflater, &s->in);
	return e == 0 ? SPLICE_BYTES : e == ERR_AGAIN ? SPLICE_MORE : e;
}

/* The next bytes of the data set as it becomes. */
static int edited(struct splice *s, struct span *ret_bytes)
{
	const struct object_signed *r = s->edits;
	for (;;) {
		const struct object_edit *e = s->next < r->n_edits ? &r->edits[s->next] : NULL;
		if (e && e->at == s->at && s->leave_out == 0) {
			s->next++;
			s->leave_out = e->leave_out;
			if (e->len > 0) {
				*ret_bytes = span_of(r->bytes + e->from, e->len);
				return SPLICE_BYTES;
			}
			continue;
		}
		int got = take_in(s);
		if (got == SPLICE_MORE && s->last) {
			return s->at == s->length && !e && s->leave_out == 0 ? SPLICE_END : ERR_ORDER;
		}
		if (got != SPLICE_BYTES) {
			return got;
		}
		uint64_t most = s->leave_out > 0 ? s->leave_out : e ? e->at - s->at : UINT64_MAX;
		size_t n = s->in.len < most ? s->in.len : (size_t)most;
		struct span bytes = span_of(s->in.ptr, n);
		s->in = span_of(s->in.ptr + n, s->in.len - n);
		s->at += n;
		if (s->at > s->length) {
			return ERR_ORDER;
		}
		if (s->leave_out == 0) {
			*ret_bytes = bytes;
			return SPLICE_BYTES;
		}
		s->leave_out -= n;
	}
}

/* What zlib has for us: BYTES, or MORE when it wants some. */
static int deflated(struct splice *s, struct span *ret_bytes)
{
	for (;;) {
		s->z.next_out = s->out;
		s->z.avail_out = sizeof(s->out);
		int z = deflate(&s->z, s->flushed ? Z_FINISH : Z_NO_FLUSH);
		size_t n = sizeof(s->out) - s->z.avail_out;
		if (z != Z_OK && z != Z_STREAM_END && z != Z_BUF_ERROR) {
			return ERR_SYSTEM;
		}
		s->n_out += n;
		if (z == Z_STREAM_END && s->n_out % 2 == 1 && s->z.avail_out > 0) {
			s->out[n++] = 0; /* PS3.5 A.5: of even length */
			s->n_out++;
		}
		s->ended = z == Z_STREAM_END && s->n_out % 2 == 0;
		if (n > 0) {
			*ret_bytes = span_of(s->out, n);
			return SPLICE_BYTES;
		}
		if (s->ended) {
			return SPLICE_END;
		}
		struct span bytes;
		int e = s->flushed ? ERR_SYSTEM : edited(s, &bytes);
		if (e == SPLICE_BYTES) {
			s->z.next_in = (Bytef *)(uintptr_t)bytes.ptr;
			s->z.avail_in = (uInt)bytes.len;
		} else if (e == SPLICE_END) {
			s->flushed = true;
		} else {
			return e;
		}
	}
}

int splice_next(struct splice *s, struct span *ret_bytes)
{
	if (s->ended) {
		return SPLICE_END;
	}
	return s->deflated ? deflated(s, ret_bytes) : edited(s, ret_bytes);
}
