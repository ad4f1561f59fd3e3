/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PIXELS_STRIP_PARTS_H
#define PIXELS_STRIP_PARTS_H

#include "pixels/strip.h"
#include "pixels/strip_units.h"

#define STRIP_PIECE (188u * 192) /* bytes: whole packets of 188 and of 192 */

struct strip {
	enum video_kind kind;
	const struct video_source *source;
	const struct strip_output *out; /* NULL: nothing is put */
	struct strip_found found;
	const char *why;
	uint8_t piece[STRIP_PIECE];
};

/* err, and its sentence. */
int strip_refuse(struct strip *s, int err, const char *why);

/* n bytes, all of them. ERR_TRUNCATED: there are not so many. */
MUST_USE int strip_read(struct strip *s, uint64_t at, void *to, size_t n);

/* Instead of what stands there; the same is not put. */
MUST_USE int strip_write(struct strip *s, uint64_t at, struct span bytes);
MUST_USE int strip_fill(struct strip *s, uint64_t from, uint64_t to, uint8_t with);

/* All bytes from here to there, a piece of STRIP_PIECE at a time: *ret_changed: it is put back. */
typedef int strip_each(void *arg, uint8_t *bytes, size_t n, bool *ret_changed);
MUST_USE int strip_walk(struct strip *s, uint64_t from, uint64_t to, strip_each *each, void *arg);

/* ---- PES packets, in both kinds of stream: ISO 13818-1 2.4.3.6, ISO 11172-1 2.4.3.3 ---- */

struct strip_pes {
	struct strip_units units;
	bool in_header, mpeg1, has_private;
	unsigned at; /* bytes of the header so far */
	unsigned end,
		ext; /* where it ends, and its extension stands; 0: it is not known yet, or there is none */
};

void strip_pes_begin(struct strip_pes *p, enum video_kind kind);

/* A packet begins: with its start code (from 0), or behind the length (from 6). */
void strip_pes_packet(struct strip_pes *p, unsigned from);

/* True: something was changed. *ret_bad: it is no packet of a video. */
bool strip_pes_feed(struct strip_pes *p, uint8_t *bytes, size_t n, bool *ret_bad);

/* ---- The containers ---- */

/* size: of a packet, 188 or 192. */
MUST_USE int strip_transport(struct strip *s, unsigned size);
MUST_USE int strip_program(struct strip *s);
MUST_USE int strip_mp4(struct strip *s);

/* strip_samples.c: a track's samples, by its `stbl`, of which these are the bytes. */
struct strip_sample {
	uint64_t at;
	uint32_t len;
	uint8_t unit_size;
};

struct strip_samples {
	struct strip_sample *of; /* in the order of their places, once sorted */
	size_t n, cap;
};

/* Where these boxes are, behind their heads. */
struct strip_table {
	uint64_t at, len;
};

struct strip_tables {
	struct strip_table sizes, chunks, offsets; /* stsz, stsc, stco or co64 */
	bool wide;                                 /* co64 */
};

MUST_USE int strip_samples_add(struct strip *s, const struct strip_tables *tables, unsigned unit_size,
	struct strip_samples *samples);
/* Sort them. ERR_VALUE: they overlap. */
MUST_USE int strip_samples_sort(struct strip *s, struct strip_samples *samples);

#endif
