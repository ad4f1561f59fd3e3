/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TRANSFORM_VALUE_H
#define TRANSFORM_VALUE_H

#include "base/span.h"
#include "base/writer.h"
#include "dicom/encoding.h"

/* Values that stand for others. All are written padded to an even length; ERR_SPACE sticks in the writer. */

/* A value of that VR that says nothing (PS3.15 E.1, D), never empty but for VRs that have no such value, as SQ. */
void value_dummy(const char *vr, struct writer *w);

/*
 * DA and DT with their date moved by some days, each value of several; time and time zone stay. Of a DT that names only
 * a year or a month, as much as it names. What is no date becomes empty.
 */
void value_shift(const char *vr, struct span value, int days, struct writer *w);

/* Names of those whom an object is about: what a cleaned text may not have, whatever else it may. */
struct value_names {
	struct span of[4]; /* values of PN, LO, DA; empty: none */
};

/*
 * Text, of which the words are left that data/clean_words.tsv has, and numbers of one or two digits that stand alone, not in dates,
 * telephone numbers and ages, or at such a word (PS3.15 E.3.5). Everything else is left out, what is not ASCII as well.
 */
void value_clean(struct span text, const struct value_names *names, struct writer *w);

/* The same, of each of several values. */
void value_clean_each(struct span text, const struct value_names *names, struct writer *w);

/* Is it an offset from UTC (PS3.3 C.12.1.1.8), as +0100, padding included? */
bool value_is_zone(struct span value);

/* Nothing but what numbers, times and ages consist of (PS3.5 6.2: AS, DS, IS, TM), of several values too. */
bool value_is_number(struct span value);

/* Is there nothing in it that value_clean() would leave out? */
bool value_is_clean(struct span text, const struct value_names *names);

#endif
