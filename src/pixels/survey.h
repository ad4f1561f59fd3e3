/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PIXELS_SURVEY_H
#define PIXELS_SURVEY_H

#include "base/attr.h"
#include "base/err.h"
#include "dicom/encoding.h"
#include "pixels/shape.h"

/* A DICOM file, read once from its beginning: what rules ask about, and where that lies which cleaning changes. */

enum pixels_fact {
	PIXELS_MODALITY,
	PIXELS_MANUFACTURER,
	PIXELS_MODEL,
	PIXELS_ROWS, /* as decimal text, the next too */
	PIXELS_COLUMNS,
	PIXELS_IMAGE_TYPE,
	PIXELS_SERIES,
	PIXELS_PROTOCOL,
	PIXELS_IMPLEMENTATION,
	PIXELS_DOSE_COMMENT,
	PIXELS_BURNED_IN,
	PIXELS_WINDOW_WIDTH,
	PIXELS_SOP_CLASS,
	PIXELS_CONVERSION,
	PIXELS_FACTS
};

#define PIXELS_TEXT 128 /* bytes of a value that are looked at, and a NUL */

/* Elements at the top that are left out or written anew. */
enum pixels_place {
	PLACE_META_LENGTH,
	PLACE_SYNTAX,
	PLACE_FRAME_TIME,
	PLACE_GROUP_LENGTH, /* (0028,0000) */
	PLACE_PHOTOMETRIC,
	PLACE_PLANAR,
	PLACE_FRAMES,
	PLACE_POINTER, /* Frame Increment Pointer */
	PLACE_ASPECT,  /* Pixel Aspect Ratio */
	PLACE_BURNED_IN,
	PLACE_LOSSY, /* Lossy Image Compression, its ratio and its method */
	PLACE_RATIO,
	PLACE_METHOD,
	PLACE_ICON,         /* a picture of the picture */
	PLACE_PIXEL_LENGTH, /* (7FE0,0000) */
	PLACE_OFFSETS,      /* (7FE0,0001) */
	PLACE_LENGTHS,      /* (7FE0,0002) */
	PLACE_PIXELS,
	PLACES
};

#define SURVEY_END UINT64_MAX /* the end, wherever that is */

struct survey_place {
	uint64_t from, to; /* from == to: it is not there */
	uint64_t belongs;  /* where in the data set it stands or would stand; SURVEY_END: at its end */
};

struct survey_fragment {
	uint64_t offset; /* of its bytes */
	uint32_t len;
	bool begins; /* with the marker that a JPEG or JPEG 2000 stream begins with */
};

struct survey {
	char text[PIXELS_FACTS][PIXELS_TEXT]; /* "": none */
	struct pixels_shape shape;
	bool has_pixels, has_other_pixels,
		encapsulated; /* other: more of them than one, or none that can be */
	bool has_rate,
		has_per_frame; /* how fast frames follow each other is said; something is said of each of them */
	bool has_regions, regions_left_out; /* (0018,6011); more than PIXELS_RECTS */
	unsigned n_regions;
	struct pixels_rect regions[PIXELS_RECTS];
	char syntax[65];
	enum encoding encoding;
	uint32_t tag;    /* of the pixel data: (7FE0,0010), or float's */
	char vr[3];      /* of it */
	uint64_t data;   /* where the data set begins */
	uint64_t value;  /* the native pixel data's value */
	uint32_t length; /* of it */
	bool is_lossy;   /* (0028,2110) says so */
	uint32_t meta_length;
	struct survey_place places[PLACES];
	struct survey_fragment *fragments;
	size_t n_fragments, cap;
	bool has_table;                   /* the basic offset table is not empty */
	bool icon_encoded, other_encoded; /* the icon is encapsulated; so are pixels of another sequence */
	bool elsewhere;                   /* Pixel Data Provider URL (0028,7FE0): they are not in the file */
	bool is_signed;                   /* there is a digital signature, or its parameters, at any depth */
	bool signs_private; /* one may be over private elements: it lists some, or they are in sequences that are not */
};

/* What is read from. Its size is what reading finds. */
struct pixels_input {
	void *arg;
	/* n bytes at most; 0: there are no more. ERR_SYSTEM. */
	ptrdiff_t (*read_at)(void *arg, uint64_t offset, void *to, size_t n);
};

/*
 * Offsets count as those of dicom/file.h: in a deflated file as if it were inflated. Errors as of file_next(), and ERR_SYSTEM,
 * ERR_NO_MEMORY; ERR_LIMIT: more than SURVEY_FRAGMENTS, or inflated than LIMIT_CLEANED; ERR_DUPLICATE: an element that is asked about, or that cleaning changes,
 * stands twice.
 * survey_done() in any case.
 */
#define SURVEY_FRAGMENTS (1u << 20)
MUST_USE int survey_read(struct survey *s, const struct pixels_input *in);
void survey_done(struct survey *s);

#endif
