/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TRANSFORM_CONFIDENTIALITY_H
#define TRANSFORM_CONFIDENTIALITY_H

#include "base/span.h"

#include <stdint.h>

/*
 * The tables of the attribute confidentiality profiles (PS3.15 Annex E), from data/confidentiality*.tsv and
 * data/safe_private.tsv.
 */

/* The options of the Basic Profile, as bits; in the order of the tables' columns. */
enum deidentify_option {
	OPTION_SAFE_PRIVATE = 1 << 0,  /* E.3.10 Retain Safe Private */
	OPTION_UIDS = 1 << 1,          /* E.3.9 Retain UIDs */
	OPTION_DEVICE = 1 << 2,        /* E.3.8 Retain Device Identity */
	OPTION_INSTITUTION = 1 << 3,   /* E.3.11 Retain Institution Identity */
	OPTION_PATIENT = 1 << 4,       /* E.3.7 Retain Patient Characteristics */
	OPTION_FULL_DATES = 1 << 5,    /* E.3.6 Retain Longitudinal Temporal Information with Full Dates */
	OPTION_SHIFTED_DATES = 1 << 6, /* E.3.6 … with Modified Dates */
	OPTION_DESCRIPTORS = 1 << 7,   /* E.3.5 Clean Descriptors */
	OPTION_STRUCTURED_CONTENT = 1 << 8, /* E.3.4 Clean Structured Content */
	OPTION_GRAPHICS = 1 << 9,           /* E.3.3 Clean Graphics */
};

/* Table E.1-1a. */
enum confidentiality {
	CONFIDENTIALITY_KEEP, /* K, and what no table names: a sequence is gone through */
	CONFIDENTIALITY_D,
	CONFIDENTIALITY_Z,
	CONFIDENTIALITY_X,
	CONFIDENTIALITY_U,
	CONFIDENTIALITY_CLEAN, /* C */
	/* Those that depend on the attribute's type; confidentiality_of() resolves them. */
	CONFIDENTIALITY_ZD,
	CONFIDENTIALITY_XZ,
	CONFIDENTIALITY_XD,
	CONFIDENTIALITY_XZD,
	CONFIDENTIALITY_XZU,
};

/*
 * What to do with an attribute of the standard (an even group). options: a mask of enum deidentify_option. class: the SOP
 * class's UID; top: whether the attribute stands at the top of the data set.
 */
enum confidentiality confidentiality_of(uint32_t tag, unsigned options, struct span sop_class, bool top);

/* What Table E.1-1 itself has for it, unresolved, without options. For tests. */
enum confidentiality confidentiality_basic(uint32_t tag);

/* What to do with one that the table does not name and that tells of somebody all the same; KEEP: it is none of those either. */
enum confidentiality confidentiality_more(uint32_t tag, unsigned options);

/*
 * What to do with a content item of this concept and value type (Table E.3.4-1); a concept that it does not name: X for text and
 * persons' names, dates, times and UIDs as the options have them, else KEEP.
 */
enum confidentiality confidentiality_of_concept(
	struct span code, struct span scheme, struct span type, unsigned options);

/* Is it the designator of a coding scheme of which everybody can look up what a code means (PS3.16 chapter 8)? */
bool confidentiality_is_public_scheme(struct span designator);

/*
 * Is (gggg,xxee) one of those of that creator that are known to be safe (Table E.3.10-1)? Then its VR: "US", "OW/OB" for either, "" or
 * "vr" where the table does not know; static storage. NULL: it is not.
 */
const char *confidentiality_safe_vr(struct span creator, uint32_t tag);

/* Does the table know anything of this creator in that group? */
bool confidentiality_knows_creator(struct span creator, uint16_t group);

#endif
