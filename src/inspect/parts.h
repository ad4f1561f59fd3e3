/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INSPECT_PARTS_H
#define INSPECT_PARTS_H

#include "inspect/inspect.h"
#include "inspect/marks.h"
#include "inspect/signature.h"

/* The inspection's own parts, one file each. */

/* ---- finding.c: one more; at the present element, or at an offset ---- */
void found(struct inspect *i, enum inspect_check check, struct span excerpt);
void found_say(struct inspect *i, enum inspect_check check, const char *format, ...) PRINTF(3, 4);
void found_at(struct inspect *i, enum inspect_check check, uint64_t offset, struct span excerpt);

/* ---- preamble.c ---- */
void preamble_check(struct inspect *i);
void preamble_watch(struct inspect *i, struct span raw);
void preamble_end(struct inspect *i);

/* ---- element.c: what the parser says ---- */
void element_event(struct inspect *i, int event);
void element_failed(struct inspect *i, int err);

/* ---- kind.c: what an element is, as far as its tag and VR say ---- */
enum family { FAMILY_ANY, FAMILY_TEXT, FAMILY_UID, FAMILY_NUMBER, FAMILY_BYTES, FAMILY_SEQUENCE };
enum row {
	ROW_NONE,
	ROW_IDENTITY,
	ROW_PIXEL,
	ROW_CHARSET,
	ROW_MIME,
	ROW_DOCUMENT,
	ROW_TABLE,
	ROW_PALETTE,
	ROW_PALETTE_DATA,
	ROW_WINDOW,
	ROW_DIRECTORY,
	ROW_REFERENCE,
	ROW_SHAPE,
	ROW_SHAPE_DATA
};
struct element_kind {
	uint32_t tag;
	char vr[2];
	uint8_t family, unit; /* enum family; unit: bytes of one value; 1: no matter */
	uint8_t row, which;   /* enum row: how it is read for itself, and which of those it is */
	bool vr_fits;         /* kind_check_vr() has nothing to say of it */
};
const struct element_kind *kind_of_element(struct inspect *i); /* the present one; until the next call */
unsigned kind_family(const char *vr);                          /* enum family */
void kind_check_vr(struct inspect *i);

/* ---- value.c: a value's bytes, as they come ---- */
enum value_kind { VALUE_PIXELS, VALUE_SKIPPED, VALUE_TEXT, VALUE_BINARY, VALUE_DOCUMENT, VALUE_TABLE };
void value_begin(struct inspect *i, enum value_kind kind);
void value_piece(struct inspect *i, struct span piece, bool last);
void value_mark(
	struct inspect *i, const struct mark *m, uint64_t at, struct span rest); /* at: where rest begins */
void value_search(struct inspect *i, struct span piece);                         /* as i->s says where */
/* Nothing was read of it, and length bytes of it will come. */
void value_anew(struct inspect *i, uint64_t length);
void value_end(struct inspect *i);
uint64_t number_of(const struct inspect *i, struct span value); /* US, UL, UV, in the data set's byte order */

/* ---- text.c ---- */
uint32_t text_classes(struct span s);
void text_whole(struct inspect *i, struct span value);
void text_streamed(struct inspect *i);
void text_unknown(struct inspect *i, struct span value);
void text_unknown_piece(struct inspect *i, struct span piece, bool last); /* … that does not fit */
void text_unknown_end(struct inspect *i);
uint32_t text_classes_of_piece(struct span piece, bool last);
void text_charset(struct inspect *i, struct span value);
const struct charset *text_charset_of(const struct inspect *i); /* NULL: there is none */
struct span text_plain(struct span s);   /* its beginning that is in ASCII, and without escape sequences */
uint64_t text_bit(const struct mark *m); /* of a mask of what was said */
#define LEAST_IN_NUMBERS                                                                                     \
	7 /* bytes of a mark of markup that may not stand by chance in a document that is no text */

/* ---- handlers.c: is there an element of a web page, and behind that what one runs? The next bytes; h->met says so ---- */
void handlers_look(struct inspect_handlers *h, struct span s);

/* ---- text_long.c: texts that are not held whole; text_fold(): as programs do that make plain letters of wide ones ---- */
void text_long_piece(struct inspect *i, struct span piece, bool last);
void text_long_end(struct inspect *i, struct span beginning, bool undeclared, bool controls);
size_t text_fold(char *text, size_t n); /* in place; 0: there was nothing to fold */

/* ---- pdf.c: i->s.pdf, of the value that is read ---- */
void pdf_piece(struct inspect *i, struct span piece);
uint32_t pdf_end(struct inspect *i); /* a mask of what it has */
/* ---- and i->s.coded_pdf, which stands in base64: behind a mark of it, and what comes then; at: where it stands ---- */
void pdf_base64_begin(struct inspect *i, uint64_t at, struct span rest);
void pdf_base64(struct inspect *i, uint64_t at, struct span piece);
uint32_t pdf_base64_end(struct inspect *i);
/* The name of the one with this number; NULL: the mask has it not. */
#define PDF_NAMES 32
const char *pdf_found(uint32_t has, unsigned number, enum inspect_check *ret_check);

/* ---- document.c: encapsulated documents, and what private and binary values begin as ---- */
void document_begin(struct inspect *i);
void document_piece(struct inspect *i, struct span piece);
void document_end(struct inspect *i);
void document_object_end(struct inspect *i);
void binary_end(struct inspect *i);
void document_found(struct inspect *i, enum signature is, struct span what); /* at the present element */

/* ---- pixel.c, fragments.c ---- */
enum pixel_element {
	PIXEL_SAMPLES,
	PIXEL_PHOTOMETRIC,
	PIXEL_PLANAR,
	PIXEL_FRAMES,
	PIXEL_ROWS,
	PIXEL_COLUMNS,
	PIXEL_ALLOCATED,
	PIXEL_STORED,
	PIXEL_HIGH,
	PIXEL_REPRESENTATION,
	PIXEL_PALETTE /* a table of colours is described */
};
struct inspect_pixels *pixels_of(struct inspect *i);
void pixel_element(struct inspect *i, enum pixel_element which, struct span value);
void pixel_palette(struct inspect *i);               /* the present element describes a table */
void pixel_native(struct inspect *i, unsigned bits); /* bits: of a float; 0 of integers */
void pixel_begin(struct inspect *i, unsigned bits);  /* before the value; bits as below */
bool pixel_description(struct inspect *i, unsigned bits);
void pixel_codec(struct inspect *i, struct span value);
void fragments_begin(struct inspect *i);
void fragment_begin(struct inspect *i);
void fragment_piece(struct inspect *i, struct span piece, bool last);
void fragments_end(struct inspect *i);
/* What goes on with an image begins with any bytes: is there more of a file than its first four? */
bool fragment_is_file(struct span v, enum signature is);
void table_take(struct inspect_table *t, struct span piece, unsigned size);
struct inspect_table *table_of(struct inspect *i);

/* ---- shape.c: overlays and waveforms, which have a size of their own, as an image has ---- */
enum shape_element { SHAPE_ROWS, SHAPE_COLUMNS, SHAPE_FRAMES, SHAPE_CHANNELS, SHAPE_SAMPLES, SHAPE_BITS };
void shape_element(struct inspect *i, enum shape_element which, struct span value);
void shape_data(struct inspect *i);

/* ---- coded.c: what of a compressed frame is not the image ---- */
enum codec { CODEC_OTHER, CODEC_JPEG, CODEC_J2K, CODEC_RLE, CODEC_JXL, CODEC_DEFLATED, CODEC_VIDEO };
void coded_fragment(struct inspect *i);
void coded_search(struct inspect *i, struct span s); /* … as what is not the image */
void coded_search_anew(
	struct inspect *i); /* what follows is not of one piece with what was searched before */
void coded_behind(struct inspect *i,
	struct span s);               /* the image was over before s, which was taken; so is all that comes */
void coded_unread(struct inspect *i); /* all is searched, from here on */
void coded_begin(struct inspect *i, bool frame); /* frame: a fragment begins as a frame does */
void coded_piece(struct inspect *i, struct span piece);
void coded_end(struct inspect *i);
void coded_video_end(struct inspect *i); /* no more fragments come */

/* ---- video.c: what of a video is neither pictures nor sound ---- */
void video_begin(struct inspect *i);
size_t video_step(struct inspect *i, struct span s); /* how many bytes were taken */
void video_end(struct inspect *i);

/* ---- zip_end.c: what makes an archive of the object, in the last of its pixels; left: of the value, this piece included ---- */
void zip_end_piece(struct inspect *i, struct span piece, uint64_t left);
void zip_end_over(struct inspect *i); /* that was all of the value */

/* ---- codestream.c: the first bytes of a compressed frame, its signature included ---- */
void codestream_j2k(struct inspect *i, struct span value);
/* … and each segment of a JPEG: its marker's second byte, what is held of its bytes, and how many it has. */
void codestream_jpeg(struct inspect *i, unsigned code, struct span head, size_t length);

/* ---- directory.c: the records of a DICOMDIR ---- */
enum directory_element {
	DIRECTORY_FIRST,
	DIRECTORY_LAST,
	DIRECTORY_NEXT,
	DIRECTORY_IN_USE,
	DIRECTORY_LOWER,
	DIRECTORY_TYPE
};
#define INSPECT_DIRECTORY "1.2.840.10008.1.3.10" /* DICOMDIR: has no identity of its own */
void directory_item(struct inspect *i);
void directory_element(struct inspect *i, enum directory_element which, struct span value);
void directory_end(struct inspect *i);

/* ---- identity.c: whose it is, and what ---- */
enum identity_element {
	IDENTITY_SOP_CLASS,
	IDENTITY_SOP_INSTANCE,
	IDENTITY_META_CLASS,
	IDENTITY_META_INSTANCE,
	IDENTITY_PATIENT,
	IDENTITY_STUDY,
	IDENTITY_SERIES,
	IDENTITY_MODALITY,
	IDENTITY_BODY_PART,
	IDENTITY_BURNED_IN,
	IDENTITY_SYNTAX
};
void identity_element(struct inspect *i, enum identity_element which, struct span value);
void identity_end(struct inspect *i);

/* ---- tail.c: bytes behind the object ---- */
bool tail_is_here(struct inspect *i);     /* not at an element, though it was read as one */
void tail_in_sequence(struct inspect *i); /* a file that begins with the head of the present element */
void tail_begin(struct inspect *i, uint64_t offset);
void tail_feed(struct inspect *i, struct span raw);    /* of what is not deflated */
void tail_inflate(struct inspect *i, struct span raw); /* raw: what the parser was not given */
void tail_end(struct inspect *i);

#endif
