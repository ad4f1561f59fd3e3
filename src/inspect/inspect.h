/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INSPECT_INSPECT_H
#define INSPECT_INSPECT_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"
#include "dicom/charset.h"
#include "dicom/file.h"
#include "inspect/check.h"

/*
 * What is in an object, judged while it streams past: a DICOM file, or the data set of a C-STORE. Bytes are fed in pieces
 * of any size; what is found does not depend on how they were cut. Nothing is allocated, and no more of the object is kept
 * than INSPECT_VALUE bytes of one value:
 *
 *	inspect_begin(&i, &about, inflater);
 *	for each piece: inspect_feed(&i, piece)
 *	inspect_end(&i), then inspect_judge(&i, &policy), i.findings, i.counts, i.facts
 *
 * Findings only become more: a verdict may be asked for at any time, and what is refused once stays refused.
 */
struct inspect_about {
	bool file;                   /* a file (PS3.10), or what should be one; otherwise a data set in */
	struct span transfer_syntax; /* … this one */
	struct span sop_class, sop_instance; /* as the DIMSE command said; empty: not known */
};

#define INSPECT_FINDINGS 48 /* kept in all */
#define INSPECT_OF_EACH  4  /* and of one check; all are counted */
#define INSPECT_EXCERPT  64
#define INSPECT_LEVELS   4 /* of sequences around, outermost first, that a finding names */

struct inspect_finding {
	uint8_t check;   /* enum inspect_check */
	uint8_t depth;   /* of sequences around: may be more than are named */
	uint32_t tag;    /* 0: of the object as a whole */
	uint64_t offset; /* in the object; in a deflated one as if it were inflated */
	uint32_t path[INSPECT_LEVELS], item[INSPECT_LEVELS];
	char excerpt
		[INSPECT_EXCERPT]; /* printable ASCII; what was not is \xNN. May be of the patient's data */
};

/* For the rules of a flow, as they were encoded, without padding; "" absent. */
struct inspect_facts {
	char modality[17], body_part[17], burned_in[17], photometric[17];
	char sop_class[UID_MAX + 1], sop_instance[UID_MAX + 1];
	uint64_t bytes; /* that were fed */
};

/* Bytes of a value that are held at once. */
#define INSPECT_VALUE 4096

/* What describes pixels (PS3.3 C.7.6.3): of the image, or of an icon inside it. */
struct inspect_pixels {
	uint32_t seen; /* a mask of which were there */
	uint16_t samples, rows, columns, allocated, stored, high, planar, representation;
	uint64_t frames; /* 1 unless it says otherwise */
	char photometric[17];
};

/* What says how large an overlay or a waveform is (PS3.3 C.9.2, C.10.9). */
struct inspect_shape {
	uint32_t group; /* of an overlay; 0x54000000: a waveform */
	uint8_t seen;
	uint64_t numbers[6]; /* enum shape_element */
};

/* An offset table, as numbers that can be compared with the fragments as those come. */
struct inspect_table {
	uint64_t n, hash, even_hash, last, number; /* number: what is read of the next entry */
	uint8_t fill;                              /* bytes of it */
	bool bad, present;
	uint32_t n_kept;
	uint32_t *kept; /* the first ones, INSPECT_KEPT at most; NULL: none are */
};

#define INSPECT_KEPT (INSPECT_VALUE / 8)

/* Records of a DICOMDIR, and what points to them: how many, and sums that do not depend on the order. */
struct inspect_directory {
	uint64_t records, pointers, n_loose, record_sum, active_sum, pointer_sum;
	uint64_t at, last; /* the present record's offset; the one that the last should have */
	bool loose, last_met;
};

/* What a deflated data set may become, if that is more than a hundred times what it was. */
#define INSPECT_INFLATED (1u << 30)

/* What a PDF document may have in object streams, before they are told instead of being looked into. */
#define INSPECT_PDF_INFLATED (64u << 20)

struct inspect_name { /* of a PDF document, that is being read */
	bool in;
	uint8_t len, hex;
	char text[20];
};

struct inspect_pdf {
	struct inspect_name raw, inside; /* as it came; in an object stream */
	uint32_t has;                    /* a mask of what it has */
	enum { STREAM_NONE, STREAM_WANTED, STREAM_INFLATED } stream;
	bool stream_ended;
	uint8_t n_keyword, n_looked;
	uint64_t inflated;
};

struct inspect_base64 { /* a PDF document that stands so in another, as a CDA document has it */
	bool in, met;
	uint8_t n_bits;
	uint16_t bits; /* n_bits of them, which are no byte yet */
	uint64_t end;  /* where it was over */
};

/* What of an element of a web page, and of its attributes, has come: handlers.c's. */
struct inspect_handlers {
	uint8_t state, n;   /* n: letters of the name, behind "on" */
	uint8_t first, end; /* of the rows of names that begin so */
	bool met;
};

/* A text that is longer than INSPECT_VALUE, decoded as it comes: text_long.c's. */
struct inspect_long_text {
	bool begun, folding, in_escape;
	uint8_t n_left;
	uint8_t left[CHARSET_AHEAD]; /* what may be a part of a character */
	struct charset_state state;
	uint16_t marks, folded_marks, bare_marks;
	struct inspect_handlers came, shown, folded, bare; /* as it came; and as the marks are looked for */
	unsigned replaced, bidi, controls;
	uint64_t said; /* a mask of what the marks said */
};

/* Of a value, or of what is behind the object. */
struct inspect_stream {
	uint8_t kind, where;
	bool strict; /* there is so much of it that marks may stand there by chance */
	uint16_t marks, wide_marks;
	struct inspect_handlers handlers, wide_handlers; /* of a document */
	uint32_t classes;                                /* of all its bytes */
	uint64_t at, said;                               /* bytes so far; a mask of what was said of it */
	uint64_t said_short;      /* … of a document, by marks that may stand in numbers */
	const struct mark *claim; /* one that must be followed by what it says; NULL */
	uint64_t claim_at;        /* where it begins */
	uint32_t n_claim;         /* bytes that followed it */
	bool claim_code;          /* code was among them */
	uint8_t n_head;
	uint8_t head[128];
	bool is_pdf, has_markup, was_items; /* was_items: it is the rest of a sequence */
	struct inspect_pdf pdf;             /* if it is one */
	struct inspect_base64 base64;
	struct inspect_pdf coded_pdf;  /* what stands in base64 */
	struct inspect_long_text text; /* if it is one */
};

/* A compressed frame as it comes, through all fragments that it is in: what of it is the image, and what is not. */
struct inspect_coded {
	uint8_t state, n; /* coded.c's; bytes of the head */
	uint8_t head[12]; /* of a segment, its marker included */
	bool begins;      /* the fragment's first bytes are still to come: INSPECT_FRAGMENT of them, or all */
	bool fresh;       /* the frame began with this fragment */
	bool dirty;       /* what is behind the end is more than padding */
	bool ls;          /* JPEG-LS */
	uint8_t bits;     /* JPEG: of the frame header; 0: there was none yet */
	uint16_t n_begin; /* how many came */
	uint64_t at;      /* in the frame */
	uint64_t left;    /* to be stepped over, or searched */
	uint64_t tile_end;     /* JPEG 2000: where the tile-part ends; 0: with the frame */
	uint64_t texts;        /* a mask of what a comment has */
	uint64_t behind;       /* bytes of the fragment that are behind the end of a frame or a segment */
	uint64_t out, want;    /* RLE: bytes that the segment has become, and that it must */
	uint32_t segments[16]; /* … where it begins, and its end */
	uint8_t n_segments, segment;
};

/* What may be the last record of a ZIP archive. */
struct inspect_zip {
	uint8_t n, record[22];
	bool met;
};

/* A video's container: video.c's. */
struct inspect_video {
	uint8_t state, n; /* n: bytes of the head */
	uint8_t before;   /* bytes before each packet */
	uint8_t n_maps;
	uint16_t maps
		[16]; /* packets' identifiers that tables of programs have; and those of streams of pictures and sound */
	uint64_t left; /* of a box or a packet */
	uint8_t head[192];
	uint8_t shown[8192 / 8];
};

#define INSPECT_FRAGMENT 512 /* bytes of a fragment that are held at once */

struct inspect {
	/* ---- To be read ---- */
	struct inspect_finding findings[INSPECT_FINDINGS]; /* in the order of being found */
	unsigned n_findings;
	uint32_t counts[CHECK_N];
	struct inspect_facts facts;
	bool is_file; /* it has file meta information */

	/* ---- Its own ---- */
	struct inflater *inflater;
	bool file, begun, over, bare, failed;
	uint8_t n_head;
	uint8_t head[FILE_PREAMBLE + 4]; /* the first bytes of a file */
	uint64_t shift;                  /* what offsets of f.d are more than ours */
	uint64_t fed;                    /* raw bytes before the present chunk */
	uint8_t ring[16];                /* the last of them */
	uint64_t watch;                  /* a raw offset that is looked at; 0: none */
	uint8_t watched[8], n_watched, watch_for;
	uint64_t tail_at; /* what is behind the object begins here, as f.d counts */
	bool tail, tail_inflating, tail_dirty, after_pixels, pixel_fragments;
	bool items_broken; /* the value that comes next is what was left of a UN that had items */
	struct inspect_stream s;
	struct {
		uint32_t tag, length;
		uint64_t offset;
		char vr[3];
		uint8_t row, which; /* how it is read for itself: kind.c's */
	} e;                        /* the element whose value is read */
	char sop_class[UID_MAX + 1],
		sop_instance[UID_MAX + 1]; /* as announced: by the command or the meta information */
	char syntax[UID_MAX + 1];
	uint32_t seen;        /* of identifying elements */
	uint32_t group_known; /* the group whose length is known, and where it must end */
	uint64_t group_end;
	struct charset charset[2]; /* the data set's, and the present item's */
	bool has_charset[2];
	struct inspect_pixels pixels[2]; /* the image's, and an icon's */
	uint64_t pixels_end; /* of native pixel data: where its image ends; UINT64_MAX: it is not longer */
	struct inspect_shape shape;
	struct inspect_table basic, extended, lengths;
	uint64_t first_fragment, last_fragment, fragments, fragment_hash, length_hash, uncoded;
	uint32_t next_kept; /* of the basic table: the next entry that must be met */
	bool kept_missed, fragment_odd;
	uint8_t codec;
	struct inspect_coded coded;
	struct inspect_zip zip;
	uint64_t fragment_at; /* bytes of the fragment so far */
	char mime[64];
	bool has_document, document_is_pdf;
	uint8_t document[128]; /* an encapsulated document's beginning */
	uint8_t n_document;
	uint32_t document_length, document_classes, document_pdf, document_coded_pdf;
	uint64_t document_said, document_said_short;
	uint64_t document_offset;
	struct inspect_directory directory;
	uint16_t palette[3];  /* entries that the descriptors name, and */
	bool palette_wide[3]; /* whether these have 16 bits */
	bool has_palette[3];

	/* ---- Large, and like the findings not cleared for each object: what is above says what of it is of this one ---- */
	struct dicom_file f;         /* f.d alone if it has no meta information */
	struct inspect_video video;  /* begun anew by each */
	uint32_t kept[INSPECT_KEPT]; /* of the basic table */
	uint8_t value[INSPECT_VALUE];
};

static_assert(sizeof(struct inspect) <= 24 * 1024, "one for each object that streams");

/*
 * about is copied. inflater: for deflated objects; without one they are found `not-inspected`. It is used to the end, and
 * neither struct may be moved. A transfer syntax that is not known is a finding, and the data set is not looked at.
 */
void inspect_begin(struct inspect *i, const struct inspect_about *about, struct inflater *inflater);

/* More bytes; nothing of them is borrowed afterwards. */
void inspect_feed(struct inspect *i, struct span bytes);

/* It was all. */
void inspect_end(struct inspect *i);

/* For a process that looked at a file and died: one finding of CHECK_INSPECTION_FAILED, with these words. */
void inspect_failed(struct inspect *i, const char *why);

/* ---- What a flow takes ---- */

/* Words between backslashes, "\\CT\\MR\\"; "": nothing is asked. */
#define INSPECT_WORDS 256
struct inspect_wanted {
	char modalities[INSPECT_WORDS], not_modalities[INSPECT_WORDS];
	char body_parts[INSPECT_WORDS], not_body_parts[INSPECT_WORDS];
};

/*
 * After inspect_end(): CHECK_MODALITY_UNWANTED, CHECK_BODY_PART_UNWANTED (PS3.3 C.7.3.1). Where some are wanted, an object
 * that does not say what it is is none of them.
 */
void inspect_want(struct inspect *i, const struct inspect_wanted *wanted);

/* What somebody else found in the same object, as a virus scanner does; with their words. */
void inspect_told(struct inspect *i, enum inspect_check check, const char *words);

/* ---- The verdict ---- */

enum inspect_action { ACTION_UNSET, ACTION_ALLOW, ACTION_LOG, ACTION_REFUSE, ACTION_QUARANTINE, ACTION_N };

struct inspect_policy {
	uint8_t by_severity[INSPECT_SEVERITIES]; /* enum inspect_action */
	uint8_t by_check[CHECK_N];               /* ACTION_UNSET: as its severity says */
};

/* Notes are allowed, warnings logged, dangers refused. */
struct inspect_policy inspect_policy_default(void);

/* The strictest action that it has for anything. */
enum inspect_action inspect_policy_strictest(const struct inspect_policy *policy);

struct inspect_verdict {
	enum inspect_action action; /* the strictest of all that was found; ACTION_ALLOW without findings */
	enum inspect_check check;   /* why; CHECK_N: nothing was found */
};

struct inspect_verdict inspect_judge(const struct inspect *i, const struct inspect_policy *policy);

/* "refuse"; static storage. */
const char *inspect_action_name(enum inspect_action action);

/* The most severe of what was found; -1: nothing. */
int inspect_worst(const struct inspect *i);

/* "(0040,A730)[2].(0008,0104)", or "" of the object as a whole. Longer paths are cut with "…". */
#define INSPECT_PATH 96
void inspect_path(const struct inspect_finding *f, char to[INSPECT_PATH]);

#endif
