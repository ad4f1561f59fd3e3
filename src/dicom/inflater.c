/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/inflater.h"

#define RAW_DEFLATE   (-15) /* zlib: negative is without a header; the window's bits */
#define WITH_HEADER   15
#define WITH_GZIP     31
#define ALIGN         16u
#define INFLATER_MOST (1u << 30)

static void *arena_take(void *opaque, unsigned items, unsigned size)
{
	struct inflater *i = opaque;
	size_t left = sizeof(i->arena) - i->used;
	if (items == 0 || size == 0 || size > left / items) {
		return NULL;
	}
	size_t n = (size_t)items * size;
	n += (ALIGN - n % ALIGN) % ALIGN;
	if (n > left) {
		return NULL;
	}
	void *taken = i->arena + i->used;
	i->used += n;
	return taken;
}

/* All of it is given back at once, by the next begin. */
static void arena_give(void *opaque, void *address)
{
}

static int begin(struct inflater *i, int window)
{
	i->used = 0;
	i->failed = 0;
	i->most = 0;
	i->ended = i->trailing = i->padded = false;
	i->in = i->behind = (struct span){0};
	i->z = (z_stream){.zalloc = arena_take, .zfree = arena_give, .opaque = i};
	i->failed = inflateInit2(&i->z, window) == Z_OK ? 0 : ERR_NO_MEMORY;
	return i->failed;
}

int inflater_begin(struct inflater *i)
{
	return begin(i, RAW_DEFLATE);
}

int inflater_begin_zlib(struct inflater *i)
{
	return begin(i, WITH_HEADER);
}

int inflater_begin_gzip(struct inflater *i)
{
	return begin(i, WITH_GZIP);
}

void inflater_feed(struct inflater *i, struct span bytes)
{
	i->in = bytes;
	i->behind = (struct span){0};
}

/* zlib counts in 32 bits. */
static void refill(struct inflater *i)
{
	size_t n = i->in.len < INFLATER_MOST ? i->in.len : INFLATER_MOST;
	i->z.next_in = (uint8_t *)(uintptr_t)i->in.ptr; /* zlib writes nothing there */
	i->z.avail_in = (unsigned)n;
}

static void taken(struct inflater *i)
{
	size_t n = i->in.len < INFLATER_MOST ? i->in.len : INFLATER_MOST;
	n -= i->z.avail_in;
	i->in = n > 0 ? span_of(i->in.ptr + n, i->in.len - n) : i->in;
}

/* PS3.5 A.5: one NUL may follow the stream. */
static void take_padding(struct inflater *i)
{
	if (i->in.len > 0) {
		size_t padding = !i->padded && i->in.ptr[0] == 0;
		i->behind = span_of(i->in.ptr + padding, i->in.len - padding);
		i->trailing |= i->behind.len > 0;
		i->padded = true;
		i->in.len = 0;
	}
}

/* The bytes given out before a fault are given, and then the fault is said: so it does not matter how they were fed. */
static size_t step(struct inflater *i)
{
	refill(i);
	i->z.next_out = i->out;
	i->z.avail_out = sizeof(i->out);
	int r = inflate(&i->z, Z_NO_FLUSH);
	taken(i);
	if (r == Z_STREAM_END) {
		i->ended = true;
	} else if (r != Z_OK && r != Z_BUF_ERROR) {
		i->failed = r == Z_MEM_ERROR ? ERR_NO_MEMORY : ERR_VALUE;
	}
	if (i->most && i->z.total_out > i->most && i->z.total_out / 100 > i->z.total_in && !i->failed) {
		i->failed = ERR_SPACE;
	}
	return sizeof(i->out) - i->z.avail_out;
}

int inflater_next(struct inflater *i, struct span *ret_piece)
{
	size_t n = 0;
	while (n == 0 && !i->failed && !i->ended) {
		bool had = i->in.len > 0;
		n = step(i);
		if (!had) {
			break;
		}
	}
	if (n > 0) {
		*ret_piece = span_of(i->out, n);
		return 0;
	}
	if (i->failed) {
		return i->failed;
	}
	if (i->ended) {
		take_padding(i);
	}
	return ERR_AGAIN;
}
