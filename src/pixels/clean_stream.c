/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/clean_parts.h"

/* ---- What is read ---- */

void clean_source_begin(struct clean_source *f, const struct survey *s, const struct pixels_input *in)
{
	f->in = in;
	f->deflated = s->encoding == ENCODING_DEFLATED_LE;
	f->ended = false;
	f->data = s->data;
	f->raw = f->at = 0;
	f->left = span_of(NULL, 0);
}

static int read_more(struct clean_source *f)
{
	uint64_t most = sizeof(f->piece);
	if (f->deflated && f->raw < f->data && f->data - f->raw < most) {
		most = f->data - f->raw;
	}
	ptrdiff_t n = f->in->read_at(f->in->arg, f->raw, f->piece, (size_t)most);
	if (n < 0) {
		return ERR_SYSTEM;
	}
	f->ended = n == 0;
	f->left = span_of(f->piece, (size_t)n);
	f->raw += (size_t)n;
	return 0;
}

/* Inflated bytes into left. */
static int inflate_more(struct clean_source *f)
{
	for (;;) {
		int e = inflater_next(&f->inflater, &f->left);
		if (e != ERR_AGAIN) {
			return e;
		}
		if (f->inflater.ended || f->ended) {
			f->left = span_of(NULL, 0);
			f->ended = true;
			return 0;
		}
		e = read_more(f);
		if (e < 0) {
			return e;
		}
		inflater_feed(&f->inflater, f->left);
		f->left = span_of(NULL, 0);
	}
}

int clean_source_next(struct clean_source *f, uint64_t n, struct span *ret_bytes)
{
	int e = 0;
	if (f->left.len == 0) {
		if (f->deflated && f->at >= f->data) {
			e = f->at == f->data ? inflater_begin(&f->inflater) : 0;
			e = e ? e : inflate_more(f);
		} else {
			e = read_more(f);
		}
	}
	if (e < 0) {
		return e;
	}
	if (f->left.len == 0) {
		*ret_bytes = span_of(NULL, 0);
		return 0;
	}
	size_t take = n < f->left.len ? (size_t)n : f->left.len;
	*ret_bytes = span_of(f->left.ptr, take);
	f->left = span_of(f->left.ptr + take, f->left.len - take);
	f->at += take;
	return 0;
}

/* ---- What is written ---- */

static int put_raw(struct clean *c, struct span bytes)
{
	c->written += bytes.len;
	return bytes.len > 0 ? c->out->write(c->out->arg, bytes) : 0;
}

static int deflate_all(struct clean *c, struct span bytes, int flush)
{
	int z;
	c->deflater.next_in = (Bytef *)bytes.ptr;
	c->deflater.avail_in = (uInt)bytes.len;
	do {
		c->deflater.next_out = c->deflated;
		c->deflater.avail_out = sizeof(c->deflated);
		z = deflate(&c->deflater, flush);
		int e = z < 0 && z != Z_BUF_ERROR ? ERR_NO_MEMORY : 0;
		e = e ? e : put_raw(c, span_of(c->deflated, sizeof(c->deflated) - c->deflater.avail_out));
		if (e < 0) {
			return e;
		}
	} while (c->deflater.avail_out == 0 || (flush == Z_FINISH && z != Z_STREAM_END));
	return 0;
}

int clean_put(struct clean *c, struct span bytes)
{
	if (c->looks) {
		return 0;
	}
	return c->deflating ? deflate_all(c, bytes, Z_NO_FLUSH) : put_raw(c, bytes);
}

int clean_deflate_begin(struct clean *c)
{
	int z = deflateInit2(
		&c->deflater, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
	c->deflating = z == Z_OK;
	return z == Z_OK ? 0 : ERR_NO_MEMORY;
}

/* PS3.5 A.5: an even number of bytes. */
int clean_deflate_end(struct clean *c)
{
	int e = deflate_all(c, span_of(NULL, 0), Z_FINISH);
	c->deflating = false;
	(void)deflateEnd(&c->deflater);
	return e == 0 && c->written % 2 ? put_raw(c, span_of("", 1)) : e;
}

static void put_number(uint8_t *to, uint32_t value, unsigned n, bool big)
{
	for (unsigned i = 0; i < n; i++) {
		to[big ? n - 1 - i : i] = (uint8_t)(value >> 8 * i);
	}
}

int clean_put_element(
	struct clean *c, enum encoding encoding, uint32_t tag, const char *vr, struct span value)
{
	uint8_t head[12];
	bool big = encoding == ENCODING_EXPLICIT_BE;
	size_t n = 8;
	put_number(head, tag >> 16, 2, big);
	put_number(head + 2, tag & 0xFFFF, 2, big);
	if (encoding == ENCODING_IMPLICIT_LE) {
		put_number(head + 4, (uint32_t)value.len, 4, false);
	} else if (vr[0] == 'O') {
		memcpy(head + 4, vr, 2);
		memset(head + 6, 0, 2);
		put_number(head + 8, (uint32_t)value.len, 4, big);
		n = 12;
	} else {
		memcpy(head + 4, vr, 2);
		put_number(head + 6, (uint32_t)value.len, 2, big);
	}
	int e = clean_put(c, span_of(head, n));
	return e ? e : clean_put(c, value);
}
