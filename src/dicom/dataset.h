/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DICOM_DATASET_H
#define DICOM_DATASET_H

#include "base/attr.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/span.h"
#include "dicom/element.h"
#include "dicom/inflater.h"

/*
 * A data set (PS3.5 chapter 7), read while it streams past. Bytes are fed in pieces of any size, and what they say is
 * pulled as events; the events do not depend on how the bytes were cut. Nothing is allocated, and the state's size
 * does not depend on the input:
 *
 *	dataset_begin(&d, encoding, inflater);
 *	for each piece: dataset_feed(&d, piece), then while ((event = dataset_next(&d)) > 0) …
 *	dataset_last(&d), then the same loop, to DATASET_END
 *
 * An element's value is skipped, by arithmetic alone, unless the caller asks for it when the element begins: for the
 * whole (dataset_collect) or for pieces as they come (dataset_pieces).
 *
 * What is wrong with the structure is of two kinds. Where the standard is broken and yet only one reading is left, a
 * note says so, and the parser goes on: enum dataset_note lists them; which of them is refused is the caller's choice.
 * Where it cannot be known what a byte belongs to, dataset_next() fails, and says the same ever after:
 *
 *	ERR_TRUNCATED    the input ends inside a head, a value, or something of undefined length
 *	ERR_LENGTH       a length reaches beyond what is around it, or is undefined where none may be
 *	ERR_ORDER        an item or delimiter where an element must stand, or the reverse
 *	ERR_VALUE        no VR where one must stand: these bytes are not in this encoding; or not deflated
 *	ERR_LIMIT        sequences deeper than LIMIT_SEQUENCE_DEPTH
 *	ERR_NO_MEMORY    from the inflater
 */
enum dataset_event {
	DATASET_MORE,     /* all that was fed is read */
	DATASET_ELEMENT,  /* a value of defined length begins: collect, pieces, or skip */
	DATASET_VALUE,    /* of what began last, if it was asked for; d->last_piece: its end */
	DATASET_SEQUENCE, /* an SQ, or a UN of undefined length, begins */
	DATASET_SEQUENCE_END,
	DATASET_ITEM,
	DATASET_ITEM_END,
	DATASET_ENCAPSULATED, /* pixel data begins that is a list of fragments (PS3.5 A.4) */
	DATASET_FRAGMENT, /* the offset table (number 0) or a fragment (from 1) begins; as an element does */
	DATASET_ENCAPSULATED_END,
	DATASET_NOTE, /* d->note, about the event that comes next */
	DATASET_END,
};

enum dataset_note {
	NOTE_ORDER,        /* a tag lower than one before it on its level (PS3.5 7.1) */
	NOTE_DUPLICATE,    /* the same tag as the one before it */
	NOTE_ODD_LENGTH,   /* (PS3.5 7.1.1) */
	NOTE_VR_UNKNOWN,   /* two capital letters, read with a 32-bit length (PS3.5 6.2) */
	NOTE_VR_MALFORMED, /* other printable text, read with a 16-bit length */
	NOTE_RESERVED,     /* the bytes after a VR are not zero (PS3.5 7.1.2) */
	NOTE_UNDEFINED_LENGTH, /* that its VR may not have; read as a sequence in implicit VR, as fragments else */
	NOTE_DELIMITER_LENGTH,  /* a delimiter with a length, which is not followed (PS3.5 7.5) */
	NOTE_DELIMITER_STRAY,   /* where a length is defined, or at the top; it is stepped over */
	NOTE_DELIMITER_MISSING, /* the sequence's delimiter ended its last item too */
	NOTE_FILE_META_LENGTH, /* the group length of a file's meta information is absent or wrong (PS3.10 7.1) */
	NOTE_TRAILING,         /* bytes after the end of a deflated stream and its padding (PS3.5 A.5) */
	NOTE_UNKNOWN_BROKEN, /* dataset_try_un(): here it stops being a sequence */
	NOTE_N
};

/* For texts: "order", "odd-length", …; static storage. */
const char *dataset_note_name(enum dataset_note note);

struct dataset {
	/* ---- To be read, after an event ---- */
	uint32_t tag;    /* of the element; of an item its own tag; of a fragment too */
	uint32_t length; /* as encoded, or UNDEFINED_LENGTH */
	char vr[3];   /* as encoded; in implicit VR the dictionary's, "UN" where it has none; "" of items */
	uint8_t note; /* DATASET_NOTE: enum dataset_note */
	bool last_piece; /* DATASET_VALUE: the value ends with this piece */
	bool truncated;  /* … it is longer than what was collected */
	unsigned depth;  /* of sequences around; 0 at the top */
	uint32_t number; /* DATASET_ITEM, DATASET_FRAGMENT: which of its sequence; items from 1 */
	uint64_t
		offset; /* of the head of all that; of a failure where it was found. Bytes since begin, inflated */
	struct span value; /* DATASET_VALUE: borrowed until the next call; a whole value may be one piece */
	uint32_t
		path[LIMIT_SEQUENCE_DEPTH]; /* tags of the sequences around, outermost first: depth of them */
	uint32_t noted;                     /* every note so far, as a mask of 1 << enum dataset_note */

	/* ---- The parser's own ---- */
	struct span chunk;
	size_t pos;    /* in chunk */
	uint64_t base; /* offset of chunk's first byte */
	struct inflater *inflater;
	uint8_t stash[ELEMENT_HEAD_MAX]; /* the beginning of a head, from chunks before this one */
	uint8_t n_stash;
	bool is_last;       /* nothing will be fed after chunk */
	uint8_t opens_un;   /* dataset_open_un(), dataset_try_un() */
	uint8_t only_group; /* the data set ends before an element of another group; 0: no matter */
	uint8_t n_frames;   /* 1: at the top; then a sequence and an item in turn */
	uint8_t held;       /* the event that waits behind notes */
	uint32_t pending;   /* notes to be said */
	uint8_t wish, state;
	int failed;
	uint64_t left;  /* of the value */
	uint64_t tried; /* the sequences around that dataset_try_un() opened: a mask of 1 << level */
	uint8_t *buf;   /* collect here */
	size_t cap, fill;
	uint8_t *mirror; /* a copy of the value goes here, whatever was asked for */
	size_t mirror_cap, mirror_len;
	struct dataset_frame {
		uint64_t end;         /* no byte at or after this belongs to it */
		uint32_t last;        /* an item: the highest tag so far; a sequence: how many items */
		uint8_t encoding;     /* a UN of undefined length holds implicit VR (PS3.5 6.2.2) */
		bool until_delimiter; /* undefined length; end is then its parent's */
		bool fragments;       /* a sequence of them */
		bool seen;            /* an item: last is set */
	} frames[2 * LIMIT_SEQUENCE_DEPTH + 1];
};

static_assert(sizeof(struct dataset) <= 3072, "one for each direction of an association");

/*
 * inflater: for ENCODING_DEFLATED_LE, otherwise it may be NULL; the data set uses it to its end, and neither struct
 * may be moved. ERR_UNSUPPORTED: deflated and no inflater. ERR_NO_MEMORY: see inflater_begin().
 */
MUST_USE int dataset_begin(struct dataset *d, enum encoding encoding, struct inflater *inflater);

/* More bytes, borrowed until dataset_next() says DATASET_MORE; it must have said so of the bytes before. */
void dataset_feed(struct dataset *d, struct span chunk);

/* What was fed was all. */
void dataset_last(struct dataset *d);

/*
 * The next event: DATASET_MORE (0), another positive one with the fields above, or an error. DATASET_END is said again
 * when asked again.
 */
MUST_USE int dataset_next(struct dataset *d);

/*
 * After DATASET_ELEMENT or DATASET_FRAGMENT. One DATASET_VALUE comes, when the value is complete, with all of it or its
 * first cap bytes; it borrows the chunk if the value lies in it whole, otherwise buf, which must live as long. An empty
 * value gives an empty piece.
 */
void dataset_collect(struct dataset *d, void *buf, size_t cap);

/* The same, but a DATASET_VALUE for each piece. How a value is cut depends on the chunks. An empty value is one piece. */
void dataset_pieces(struct dataset *d);

/*
 * From here on, what the dictionary has as a sequence is one also where it came as UN of defined length: implicit VR (PS3.5 6.2.2, note 2).
 * Errors as of any sequence if it is none. Without, it is a value like any other.
 */
void dataset_open_un(struct dataset *d);

/*
 * From here on, a UN of defined length that the dictionary has as a sequence, or does not have, is one if it begins with the head of an item
 * that fits (PS3.5 6.2.2, note 2). Where it does not go on as one, NOTE_UNKNOWN_BROKEN is said, then DATASET_ELEMENT: all that is left of the
 * innermost such UN, as a value of its tag, in the place of the ends of what is open in it.
 */
void dataset_try_un(struct dataset *d);

/*
 * For dicom/file.c: after DATASET_END the same bytes go on as a data set of another encoding. With only_group set, at
 * most one byte is stashed then. Errors as of dataset_begin().
 */
MUST_USE int dataset_go_on(struct dataset *d, enum encoding encoding, struct inflater *inflater);

/* How what is read now is encoded: implicit VR inside a UN of undefined length (PS3.5 6.2.2), else as the data set. */
static inline enum encoding dataset_encoding(const struct dataset *d)
{
	return (enum encoding)d->frames[d->n_frames - 1].encoding;
}

/* The number of the item that the current path leads through at this level (< d->depth), from 1; 0: in none yet. */
static inline uint32_t dataset_item_number(const struct dataset *d, unsigned level)
{
	return d->frames[2 * level + 1].last;
}

#endif
