/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PIXELS_CLEAN_PARTS_H
#define PIXELS_CLEAN_PARTS_H

#include "base/writer.h"
#include "dicom/inflater.h"
#include "pixels/blank.h"
#include "pixels/clean.h"
#include "pixels/trim.h"
#include "pixels/video.h"

#define CLEAN_PIECE (64u * 1024)
#define CLEAN_NEW   32 /* bytes of such an element's value */

/* The file's bytes, one after another, as survey.h counts them. */
struct clean_source {
	const struct pixels_input *in;
	bool deflated;
	bool ended;
	uint64_t data;    /* where what is deflated begins */
	uint64_t raw;     /* read from the file so far */
	uint64_t at;      /* and given */
	struct span left; /* read and not given yet */
	struct inflater inflater;
	uint8_t piece[CLEAN_PIECE];
};

struct clean {
	const struct survey *s;
	const struct pixels_regions *regions; /* NULL: only what is beside the pixels goes */
	const struct pixels_output *out;
	struct pixels_codecs codecs;
	const char *why;
	bool native;  /* what is encapsulated becomes native */
	bool decodes; /* … and that is all: nothing goes */
	struct clean_source source;
	uint64_t written;
	bool deflating;
	z_stream deflater;
	uint8_t deflated[CLEAN_PIECE];
	struct blanker blanker;
	struct trimmer trimmer;
	bool trims;          /* it is in use; of frames: of this one */
	uint32_t coded_bits; /* of a sample, that this frame says */
	bool looks;          /* nothing is written */
	bool changed;        /* by it */
	struct {
		uint8_t value[CLEAN_NEW]; /* n of them; 0: what stands there, if anything, is not said anew */
		size_t n;
		bool written;
	} news[PLACES]; /* elements of the data set that are written where they belong */

	/* ---- Of encapsulated images ---- */
	const struct encoding_coded *syntax;
	const char *target;             /* transfer syntax of what is written */
	struct pixels_shape shape;      /* as decoded: by pixel, but where it was deflated */
	char photometric[17];           /* of what is written */
	uint32_t frames;                /* that there are */
	size_t *first;                  /* fragment of each frame, and one more */
	uint64_t *offsets, *lengths;    /* of what is written */
	uint8_t *frame, *again, *coded; /* samples; the same, decoded again; a frame as it came, or our own */
	uint8_t *wide; /* of one bit each, a byte for each: where others decode and encode them */
	size_t frame_len;
	uint8_t bits; /* of one bit a pixel, native: those that fill no byte yet, n_bits of them */
	unsigned n_bits;
	uint64_t offsets_at, lengths_at,
		table_at; /* where in the output tables stand that are filled in later; 0: none */

	/* ---- Of videos ---- */
	struct clean_stream *stream; /* NULL: it is none */
	struct pixels_aside aside;
};

/* ---- clean.c ---- */

/* An element of the data set, written where it belongs instead of what stands there. text: of less than CLEAN_NEW bytes. */
void clean_say(struct clean *c, enum pixels_place place, const char *text);

/* ---- clean_stream.c ---- */
void clean_source_begin(struct clean_source *f, const struct survey *s, const struct pixels_input *in);

/* The next bytes, n at most, borrowed until the next call; none at the end. */
MUST_USE int clean_source_next(struct clean_source *f, uint64_t n, struct span *ret_bytes);

MUST_USE int clean_put(struct clean *c, struct span bytes);
MUST_USE int clean_deflate_begin(struct clean *c);
MUST_USE int clean_deflate_end(struct clean *c);

/* An element's head and a short value, in the data set's encoding. */
MUST_USE int clean_put_element(
	struct clean *c, enum encoding encoding, uint32_t tag, const char *vr, struct span value);

/* ---- clean_coding.c: one frame, in the coding of c->syntax ---- */
/* That it is not known; static. */
const char *clean_coding_unknown(const struct clean *c);
/* Without a library. */
bool clean_coding_is_ours(const struct clean *c);
/* Its bytes are those of native pixels. */
bool clean_coding_is_native(const struct clean *c);
/* Each frame is one fragment. */
bool clean_coding_is_single(const struct clean *c);
/* All frames are one stream (clean_video.c). */
bool clean_coding_is_video(const struct clean *c);
/* Why pixels of such a kind cannot have been encoded so, or not be encoded again; static. NULL: they can. */
const char *clean_coding_why_not(const struct clean *c);
/* Bytes of a frame, decoded; that it needs of c->coded where it is ours; of c->wide. */
uint64_t clean_coding_frame(const struct clean *c);
size_t clean_coding_most(const struct clean *c);
size_t clean_coding_wide(const struct clean *c);
/* May the frame have anything beside its pixels (trim.h)? Its head says so. */
bool clean_coding_may_trim(struct clean *c, struct span in);
/* To c->frame. Of others than ours the head is read first. */
MUST_USE int clean_coding_decode(struct clean *c, struct span in, char ret_photometric[17]);
/* From c->frame; shown to be without loss. *ret_bytes: until the next call. */
MUST_USE int clean_coding_encode(struct clean *c, struct span *ret_bytes, char ret_photometric[17]);

/* ---- clean_frames.c ---- */
/* err, and its sentence. */
int clean_refuse(struct clean *c, int err, const char *why);

/* Has any frame something beside its pixels, which goes? c->changed. What cannot be decoded has nothing. */
MUST_USE int clean_frames_look(struct clean *c, const struct pixels_input *in);
/* Decode and encode the first frame: what it is like, and how all of them will be called. Without regions: neither. */
MUST_USE int clean_frames_begin(struct clean *c, const struct pixels_input *in);
MUST_USE int clean_frames_write(struct clean *c, const struct pixels_input *in);
void clean_frames_done(struct clean *c);

/* ---- clean_fragments.c: all fragments as one stream, of a video ---- */

/* s, in: borrowed to the end. NULL: there is no memory. */
struct clean_fragments *clean_fragments_new(const struct survey *s, const struct pixels_input *in);
const struct video_source *clean_fragments_source(const struct clean_fragments *t);
/* Where in the file a byte of the stream is, which is not behind its end; *ret_left: so many of them stand in a row. */
uint64_t clean_fragments_place(const struct clean_fragments *t, uint64_t at, uint64_t *ret_left);
void clean_fragments_free(struct clean_fragments *t);

/* What videos are, by the transfer syntax; only where encoding_is_video(). */
enum video_kind clean_video_kind(enum coding coding);

/* ---- clean_video.c ---- */

/*
 * All of it, decoded once: how many frames there are, whether they can be decoded, and what is said of them anew. c->shape, frame_len and syntax are known. The
 * next frame is the first.
 */
MUST_USE int clean_video_begin(struct clean *c, const struct pixels_input *in);

/* The next frame into c->frame. One that is not there any more is ERR_VALUE. */
MUST_USE int clean_video_next(struct clean *c);
void clean_video_done(struct clean *c);

#endif
