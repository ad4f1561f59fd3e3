/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/cms_inflate.h"

#include "base/put.h"

#include <limits.h>
#include <zlib.h>

#define STEP (64u * 1024)

struct job {
	z_stream z;
	uint64_t *room;
	int file;
	bool ended;
	uint8_t out[STEP];
};

/* zlib counts in unsigned int. */
static struct span take(struct span *left)
{
	struct span s = span_of(left->ptr, left->len < UINT_MAX ? left->len : UINT_MAX);
	*left = span_of(left->ptr + s.len, left->len - s.len);
	return s;
}

/* What these bytes say. */
static int inflate_some(struct job *j, struct span in)
{
	j->z.next_in = (Bytef *)(uintptr_t)in.ptr;
	j->z.avail_in = (uInt)in.len;
	do {
		j->z.next_out = j->out;
		j->z.avail_out = sizeof(j->out);
		int z = inflate(&j->z, Z_NO_FLUSH);
		size_t n = sizeof(j->out) - j->z.avail_out;
		if (z != Z_OK && z != Z_STREAM_END && z != Z_BUF_ERROR) {
			return z == Z_MEM_ERROR ? ERR_NO_MEMORY : ERR_VALUE;
		}
		if (n > *j->room) {
			return ERR_LIMIT;
		}
		*j->room -= n;
		j->ended = z == Z_STREAM_END;
		int e = put_all(j->file, span_of(j->out, n));
		if (e < 0) {
			return e;
		}
	} while (!j->ended && j->z.avail_out == 0);
	return j->ended && j->z.avail_in > 0 ? ERR_VALUE : 0;
}

static int inflate_all(struct job *j, struct cms_pieces pieces)
{
	struct span piece;
	int more, e = 0;
	while ((more = cms_pieces_next(&pieces, &piece)) > 0) {
		while (piece.len > 0) {
			e = j->ended ? ERR_VALUE : inflate_some(j, take(&piece));
			if (e < 0) {
				return e;
			}
		}
	}
	return more < 0 ? more : j->ended ? 0 : ERR_TRUNCATED;
}

int cms_inflate(const struct cms_parts *parts, int file, uint64_t *room)
{
	static struct job j;
	j = (struct job){.room = room, .file = file};
	if (inflateInit(&j.z) != Z_OK) {
		return ERR_NO_MEMORY;
	}
	int e = inflate_all(&j, cms_pieces_of(parts));
	(void)inflateEnd(&j.z);
	return e;
}
