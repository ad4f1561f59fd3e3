/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TRANSFORM_COMPRESSED_H
#define TRANSFORM_COMPRESSED_H

#include "dicom/inflater.h"
#include "transform/encoded.h"

/*
 * What is compressed somewhere in a value, inflated while the value streams past: gzip (RFC 1952), zlib (RFC 1950, as in PDF and PNG), members
 * of ZIP files, raw deflate (RFC 1951) that a value begins with, also behind four or eight bytes of a length; all of these in Base64 and in
 * hexadecimal digits, and in one another. It is found by how it begins, wherever that is. What is given does not depend on how the value
 * was cut.
 *
 * It is bounded: COMPRESSED_DEPTH of one in another, of one object COMPRESSED_MOST bytes in and out, of one stream COMPRESSED_RATIO times its
 * length beyond COMPRESSED_FREE bytes. What it cannot read it says: of other ways to compress and to encrypt those that say how they begin.
 */
#define COMPRESSED_DEPTH   5
#define COMPRESSED_STREAMS 10 /* at once */
#define COMPRESSED_MOST    (128u << 20)
#define COMPRESSED_FREE    (16u << 20)
#define COMPRESSED_RATIO   200
#define COMPRESSED_PIECE   (16u * 1024)
#define COMPRESSED_HEAD    30 /* bytes that say what begins there: of ZIP's local file header */

/* A later one says more. */
enum compressed_unread {
	COMPRESSED_READ,      /* nothing is left unread */
	COMPRESSED_BROKEN,    /* the compressed bytes are not whole */
	COMPRESSED_OTHER,     /* they are compressed in a way that is not known here */
	COMPRESSED_ENCRYPTED, /* or encrypted */
	COMPRESSED_LIMIT,
};

struct compressed {
	enum compressed_unread unread; /* of the value */

	/* ---- Its own ---- */
	encoded_take *take;
	void *arg;
	uint64_t left;      /* bytes, of this object */
	unsigned n_streams; /* those that are not idle */
	struct compressed_look {
		unsigned depth;
		uint64_t at;   /* bytes that came */
		bool is_bytes; /* may be raw deflate from its beginning on */
		bool is_pdf;
		unsigned n_head; /* bytes of which it is not known yet whether something begins there */
		uint8_t head[COMPRESSED_HEAD];
		struct compressed_run { /* letters of Base64; digits */
			bool escaped, folded;
			unsigned n_letters, n_bits;
			uint32_t bits;
			unsigned child; /* the stream that takes what they say, from 1 */
			unsigned n;
			uint8_t bytes[96];
		} runs[2];
	} value;
	struct compressed_stream {
		enum { COMPRESSED_IDLE, COMPRESSED_LETTERS, COMPRESSED_WEAK, COMPRESSED_STRONG } kind;
		unsigned parent;            /* 0: the value; else the stream whose bytes it is in, from 1 */
		uint64_t from;              /* the parent's bytes before it are not its own */
		uint64_t total;             /* bytes that have come of it */
		bool open_start, is_summed; /* is_summed: at its end it is known whether it was one */
		size_t n, n_given;
		struct compressed_look look;
		uint8_t bytes[COMPRESSED_PIECE + ENCODED_EDGE];
		struct inflater inflater;
	} streams[COMPRESSED_STREAMS];
};

/* Before the values of an object: nothing of it has been inflated yet. c: half a megabyte and more, not moved while a value comes. */
void compressed_object(struct compressed *c);

/* A value begins. c: zeros before the first. is_bytes: it is no text. take: what is inflated, in pieces that overlap by ENCODED_EDGE; as encoded_read() has it. */
void compressed_begin(struct compressed *c, bool is_bytes, encoded_take *take, void *arg);

/* Its next bytes. */
void compressed_feed(struct compressed *c, struct span bytes);

/* What was fed was all; c->unread is known. */
void compressed_end(struct compressed *c);

#endif
