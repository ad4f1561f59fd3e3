/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TRANSFORM_DEIDENTIFY_PARTS_H
#define TRANSFORM_DEIDENTIFY_PARTS_H

#include "transform/deidentify.h"

/* Between the files of the de-identification. */
#define DEIDENTIFY_NONE UINT32_MAX

/* What is done with the value that comes. */
enum {
	VALUE_SKIP,
	VALUE_COPY,
	VALUE_UID,      /* becomes another */
	VALUE_SHIFT,    /* its dates are moved */
	VALUE_CLEAN,    /* its words are looked at */
	VALUE_ORIGINAL, /* it is left out, and told */
	VALUE_BURNED_IN,
	VALUE_CREATOR,
	VALUE_NUMBER,      /* it is copied if it is one */
	VALUE_HEARD,       /* it is copied, and says what a content item is */
	VALUE_CODE,        /* what becomes of it is known when its scheme is */
	VALUE_CODED,       /* bytes of a frame, whose remarks go */
	VALUE_OVERLAY_BIT, /* it goes, and says whether an overlay is in the pixels */
};

/* Of an item of content (PS3.3 C.17.3), by the depth of its elements. */
enum item_state { ITEM_PLAIN, ITEM_UNDECIDED, ITEM_DECIDED };

/* ---- deidentify_write.c: elements as bytes ---- */
void write_head(struct deidentify *t, uint32_t tag, const char *vr, uint32_t length);
void write_element(struct deidentify *t, uint32_t tag, const char *vr, struct span value);
void write_item(struct deidentify *t);
void write_fragment(struct deidentify *t, uint32_t length);
void write_delimiter(struct deidentify *t, uint32_t tag);
void write_additions(struct deidentify *t, uint32_t before);
/* The items that say what was done: of De-identification Method Code Sequence (0012,0064). */
void write_method_items(struct deidentify *t);
bool take_method_codes(struct deidentify *t);
/* Is it one of those that are added, so that the one that was there goes? */
bool is_added(const struct deidentify *t, uint32_t tag);
void added_was_there(struct deidentify *t, uint32_t tag);

/* Bytes go out as they are, long ones by reference. */
void give(struct deidentify *t, struct span bytes);

/* ---- deidentify_decide.c: what is done with an element ---- */
/* has_items: it is a sequence that is gone through. The VR of what came as UN becomes what it is known to be. */
enum confidentiality decide(struct deidentify *t, bool has_items);
/* The same of an element in a message that is no object: no items of content, no private attribute that is safe. */
enum confidentiality decide_alone(struct dataset *d, unsigned options);
/* Content items: an item begins; a value that tells what it is begins, has come; its concept is complete, or the item. */
void item_begins(struct deidentify *t);
bool item_wants(const struct deidentify *t);
void item_hears(struct deidentify *t);
void item_is_decided(struct deidentify *t, unsigned depth);
bool is_content(const struct deidentify *t, uint32_t sequence);
/* A code, whose meaning may be anybody's words. */
bool is_cleaned_code(const struct deidentify *t);

/* What is in it cannot be judged: a file of another kind, or a voice. */
bool is_document(const struct deidentify *t);
/*
 * Its Code Value, which stands before the scheme that says whether it is anybody's word too: it begins, has come; and is written, when
 * the scheme has come or something else of its item has. True: it was changed.
 */
bool code_waits(const struct deidentify *t);
void code_is_heard(struct deidentify *t);
bool code_is_known(struct deidentify *t);
void restore_vr(struct dataset *d);

static inline bool is_left_out(const struct deidentify *t)
{
	return t->skip_depth != DEIDENTIFY_NONE || t->skip_item != DEIDENTIFY_NONE;
}

/* ---- deidentify_pixels.c: pixel data in fragments ---- */
void pixels_begin(struct deidentify *t);
void pixels_fragment(struct deidentify *t);
void pixels_end(struct deidentify *t);
/* A value that is copied, if it says how many frames there are. */
void pixels_count(struct deidentify *t);
/* The next of t->coded goes out. */
void pixels_give(struct deidentify *t);
/* What Burned In Annotation (0028,0301) says, whole; every event, for the pixels of which it says so. ERR_DENIED */
MUST_USE int pixels_burned_in(struct deidentify *t);
MUST_USE int pixels_hear(struct deidentify *t, int event);

/* ---- deidentify_event.c ---- */
void tell(struct deidentify *t, enum confidentiality what);
MUST_USE int take_event(struct deidentify *t, int event);

#endif
