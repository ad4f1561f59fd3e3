/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DICOM_MAC_H
#define DICOM_MAC_H

#include "dicom/implied.h"

/*
 * The bytes that a digital signature is over (PS3.3 C.12.1.1.3.1.2), while a data set streams past: its elements in
 * explicit VR little endian, whatever it is encoded in. Each is its tag, its VR, the reserved bytes and the length where
 * it is defined, and its value. Of sequences and fragments lengths are left out, and delimiters of items; what is left
 * are the tags of items and of the sequence's delimiter. What mac_is_signable() says no to is left out of items too.
 *
 * Feed it every event of the data set, before the next is asked for: it asks for the values that it wants.
 */

/* A data set within a data set: the items that lead to it. depth 0: the whole. */
struct mac_scope {
	unsigned depth;
	uint32_t path[LIMIT_SEQUENCE_DEPTH];
	uint32_t item[LIMIT_SEQUENCE_DEPTH]; /* from 1 */
};

/* Is the event about an element of just that data set? */
bool mac_scope_is_here(const struct mac_scope *s, const struct dataset *d);
bool mac_scope_same(const struct mac_scope *a, const struct mac_scope *b);

/* PS3.3 C.12.1.1.3.1.1: lengths, file meta information, signatures and padding are never signed. */
bool mac_is_signable(uint32_t tag);

/* As many tags as an AT of explicit VR has room for. */
#define MAC_TAGS_MOST 16383

typedef void mac_sink(void *arg, struct span bytes);

struct mac {
	const struct mac_scope *scope;
	const uint32_t
		*tags; /* ascending, of the scope's elements: these, or all that are signable but these */
	size_t n_tags;
	bool but;
	mac_sink *sink;
	void *arg;
	size_t n_signed; /* elements of the scope so far */
	/*
	 * Of implicit VR: the VR that comes next, two bytes of the sink's, is US, and may have to be SS: Pixel Representation has not come yet. The
	 * caller says false again. Who knows it before says so (mac_representation()).
	 */
	bool guesses;

	/* ---- Its own ---- */
	bool inside, apart;
	unsigned depth;       /* of the element that it is inside of */
	unsigned apart_depth; /* of a sequence in it that is left out: the signatures of an item */
	bool has_value;       /* the value that comes was asked for */
	uint8_t unit, n_carry, carry[8];
	struct implied implied; /* VRs of implicit VR */
	uint8_t representation[2];
	bool wants_representation;
};

/* Pixel Representation (0028,0103) of the data set, before its first event; false too where it has none. */
void mac_representation(struct mac *m, bool is_signed);
/* What it was, after the last. */
bool mac_is_signed(const struct mac *m);

/*
 * encoding: of the data set, not of the file meta information, whose events are not to be shown. 0; or, for good: ERR_UNSUPPORTED:
 * an element that cannot be signed (of VR UN, or in a sequence with one), ERR_LENGTH: its value is too long for its VR in explicit VR.
 */
MUST_USE int mac_event(struct mac *m, struct dataset *d, int event, enum encoding encoding);

/* What can be signed in a scope: the tags of elements, but for those that hold, at whatever depth, one of VR UN. */
struct mac_list {
	const struct mac_scope *scope;
	uint32_t *tags; /* MAC_TAGS_MOST of them */
	size_t n;
	bool inside, spoilt;
};

/* The same; ERR_LIMIT: more than MAC_TAGS_MOST. */
MUST_USE int mac_list_event(struct mac_list *l, const struct dataset *d, int event, enum encoding encoding);

/* Notes of a data set whose bytes can be read in more than one way: nothing of it is signed, and nothing verified. */
#define MAC_BAD_NOTES                                                                                        \
	(1u << NOTE_ORDER | 1u << NOTE_DUPLICATE | 1u << NOTE_ODD_LENGTH | 1u << NOTE_VR_UNKNOWN |           \
		1u << NOTE_VR_MALFORMED | 1u << NOTE_RESERVED | 1u << NOTE_UNDEFINED_LENGTH |                \
		1u << NOTE_DELIMITER_STRAY | 1u << NOTE_DELIMITER_MISSING | 1u << NOTE_TRAILING)

#endif
