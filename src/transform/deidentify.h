/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TRANSFORM_DEIDENTIFY_H
#define TRANSFORM_DEIDENTIFY_H

#include "dicom/header_scan.h"
#include "transform/confidentiality.h"
#include "transform/pseudonym.h"
#include "transform/remarks.h"
#include "transform/value.h"

#include <zlib.h>

/*
 * A data set that is made anew while it streams, de-identified by the Basic Profile of PS3.15 Annex E and its options:
 *
 *	deidentify_begin(&t, &rules, &pseudonyms, transfer_syntax, NULL)
 *	for each piece: deidentify_feed(&t, piece), then while ((e = deidentify_next(&t, &bytes)) == DEIDENTIFY_BYTES) …
 *	deidentify_last(&t), then the same loop, to DEIDENTIFY_END
 *
 * What comes out is in the same transfer syntax, whichever it is, unless the rules say `implicit`; sequences have undefined length. It does not depend on how the
 * bytes were cut. Memory: the struct, and nothing else; pixel data passes by reference. The beginning of a data set, up to its
 * series, is kept until it has been seen whose it is, DEIDENTIFY_HEAD bytes at most.
 *
 * Beyond the table: attributes that are not in the dictionary and group lengths are removed; so are whole groups of overlays and curves
 * with their data. Names of persons, and dates, which the table does not name (a later edition may have them) are replaced or moved
 * as those that it names; so are UIDs, but those that say what a thing is, and a few more attributes that tell of somebody. What is text by
 * the dictionary is so whatever VR it came with; text where the dictionary has anything else is removed. So are pixels elsewhere than at
 * the top, and what another has encrypted (0400,0500). The patient's name and ID become a pseudonym of the key, which Z and D permit, so that studies stay
 * together. Comments and the like in coded frames become zeros (remarks.h). A value under C is cleaned by its VR: dates are moved, texts are left the words of data/clean_words.tsv.
 */
#define DEIDENTIFY_HEAD        (1u << 20)
#define DEIDENTIFY_METHOD_TEXT "Gantry: PS3.15 Annex E Basic Profile" /* (0012,0063) */
#define DEIDENTIFY_VALUE       (64u * 1024) /* the longest value that is changed by what it was */
#define DEIDENTIFY_ENCRYPTED   (128u * 1024)
#define DEIDENTIFY_OUT         (256u * 1024)

struct deidentify_rules {
	unsigned options; /* enum deidentify_option */
	bool pixels_cleaned; /* by who calls: says so in the object (113101), and Burned In Annotation becomes NO */
	bool features_cleaned; /* by who calls: 113102, and Recognizable Visual Features becomes NO */
	/*
	 * CMS of what the object was, made by originals.h in a run before this one: becomes its Encrypted Attributes Sequence. Borrowed
	 * to the end; DEIDENTIFY_ENCRYPTED bytes at most, else ERR_LIMIT. Empty: none.
	 */
	struct span encrypted;
	struct span mark; /* beside it: originals_mark(). Borrowed as well; empty: none */
	/*
	 * Objects with Burned In Annotation YES pass; otherwise they fail. Of an encapsulated document it is said of the document, and becomes NO
	 * with it; of reports and others that have no pixels it is said of nothing, and goes.
	 */
	bool keep_burned_in;
	/* Videos pass as they are, with their sound and what their container says; otherwise they fail, but where who calls has taken that out (pixels/strip.h). */
	bool keep_videos, videos_stripped;
	bool implicit; /* what comes in Explicit VR Little Endian, not encapsulated, leaves in Implicit */
	bool replace_documents; /* encapsulated documents lose their document; otherwise they fail */
};

/* For a list of what was done, and for who looks for what is left of it. Any may be NULL. */
struct deidentify_log {
	/* An element, a sequence, or an item of one, which was not kept. vr: as it was. */
	void (*done)(void *arg, const struct dataset *where, enum confidentiality what);
	/* A value that is not in the result, or its first DEIDENTIFY_VALUE bytes; not of binary VRs, but short ones of UN. */
	void (*original)(void *arg, const struct dataset *where, struct span value);
	void *arg;
	/* What the profile itself writes at the top, to say what was done; was: the object had it too. Not what tells of pixels. */
	void (*added)(void *arg, uint32_t tag, bool was);
};

enum { DEIDENTIFY_MORE, DEIDENTIFY_BYTES, DEIDENTIFY_END };

/* Why it failed with ERR_DENIED. */
enum deidentify_why { DEIDENTIFY_FINE, DEIDENTIFY_BURNED_IN, DEIDENTIFY_DOCUMENT, DEIDENTIFY_VIDEO };

struct deidentify {
	/* ---- To be read, after the first BYTES ---- */
	char patient[PSEUDONYM_PATIENT_SIZE];
	char sop_class[UID_MAX + 1], sop_instance[UID_MAX + 1], study[UID_MAX + 1],
		series[UID_MAX + 1]; /* as they are now */
	enum deidentify_why why;
	uint32_t
		wrong; /* ERR_VALUE, ERR_LIMIT: of the element that is no UID, or is too long; 0: another reason */
	bool overlays_in_pixels; /* at the end: it has said that there are some in bits of them (PS3.5 8.1.2), where they still are */
	struct header_scan head_scan; /* what the object was */
	struct dataset d;             /* d.offset: where it failed */

	/* ---- Its own ---- */
	struct deidentify_rules rules;
	const struct pseudonyms *pseudonyms;
	struct deidentify_log log;
	enum encoding encoding;
	struct value_names names;
	int days;
	uint8_t stage, what, next_addition;
	uint8_t added_before; /* a mask of those that are added and were there */
	bool last_fed, last_told, flushed, held;
	bool is_video; /* its transfer syntax is a video's */
	bool burned_in,
		has_pixels; /* burned_in: it says so, is of a kind that has no pixels, and has none so far */
	int failed;
	/* Of the sequence that is left out, whose contents are replaced, or cleaned; of the item that is left out: DEIDENTIFY_NONE. */
	unsigned skip_depth, dummy_depth, clean_depth, skip_item;
	struct span chunk, rest, borrowed; /* not learned from; after the head; of a value, to be given out */
	enum remarks_kind has_remarks;     /* frames of its transfer syntax may have some */
	struct remarks_about about;        /* of its pixels, as far as it has come */
	uint8_t n_about[4];                /* bytes of numbers of it */
	struct span coded;                 /* of a frame, to be looked through */
	struct remarks remarks;
	struct deidentify_item {
		uint8_t state;               /* enum item_state */
		bool has_public_scheme;      /* of a code */
		enum confidentiality action; /* of the value of a content item */
		size_t mark;                 /* where in out it begins */
		char type[17], code[65], scheme[17];
	} items[LIMIT_SEQUENCE_DEPTH + 1];
	struct deidentify_code { /* a Code Value that waits for its scheme, which stands behind it */
		bool waits;
		unsigned depth;
		char vr[3];
		uint8_t len, bytes[64];
	} code;
	struct deidentify_creator {
		unsigned depth;
		uint16_t group;
		uint8_t block;
		char name[65];
	} creators[32];
	unsigned n_creators;
	struct inflater inflater, head_inflater;
	struct writer out;
	z_stream deflater;
	size_t head_len;
	uint8_t value[DEIDENTIFY_VALUE], changed[DEIDENTIFY_VALUE + 1024];
	uint8_t out_bytes[DEIDENTIFY_OUT], deflated[DEIDENTIFY_OUT + 4096];
	uint8_t head[DEIDENTIFY_HEAD];
};

/*
 * t: over a megabyte, not moved until deidentify_done(); nothing else needs to be in it. rules and log are copied; pseudonyms lives
 * as long. ERR_NOT_FOUND: not a transfer syntax of the standard. ERR_NO_MEMORY.
 */
MUST_USE int deidentify_begin(struct deidentify *t, const struct deidentify_rules *rules,
	const struct pseudonyms *pseudonyms, struct span transfer_syntax, const struct deidentify_log *log);

/* Bytes of the data set, borrowed until deidentify_next() says MORE; it must have said so of those before. */
void deidentify_feed(struct deidentify *t, struct span bytes);

/* What was fed was all. */
void deidentify_last(struct deidentify *t);

/*
 * BYTES: *ret_bytes, borrowed until the next call. MORE, END; or, for good, dataset_next()'s errors and: ERR_DENIED: t->why.
 * ERR_LIMIT: more than DEIDENTIFY_HEAD before it is known whose it is, or a value over DEIDENTIFY_VALUE that must be changed.
 * ERR_VALUE: a UID that is none. ERR_ORDER: what says whose it is stands behind where it belongs. What has been given out before an error is of no use and must not be passed on.
 */
MUST_USE int deidentify_next(struct deidentify *t, struct span *ret_bytes);

void deidentify_done(struct deidentify *t);

#endif
