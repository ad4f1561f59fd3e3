/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TRANSFORM_LEFTOVERS_H
#define TRANSFORM_LEFTOVERS_H

#include "dicom/charset.h"
#include "dicom/dataset.h"
#include "transform/compressed.h"
#include "transform/encoded.h"
#include "transform/sieve.h"
#include "transform/value.h"

/*
 * Is anything of the values that a de-identification has removed or replaced still in the result? Values of four characters and more
 * are searched for in all values of the result, without regard to case: as they are, in UTF-8, UTF-16, Latin-1, and in Base64; in text and in
 * bytes also in whatever encoded.h reads, and in what that reads in it. There a word below eight letters must be among text.
 * Of names each part, and family and given name with each other; of several values each. Not searched for are numbers, codes and times,
 * which are no names and are everywhere, texts that consist of words of data/clean_words.tsv alone, and values that were value_dummy()'s
 * before. Dates are searched for in eight more notations, as 03.02.1961 and 1961-02-03, that of birth in a dozen beside them. In pixel
 * data, waveforms and values that are numbers, only what is at least eight bytes long: shorter ones occur there by chance. In other
 * bytes, as of private attributes and documents, all.
 * What is compressed is inflated, and searched as other bytes are (compressed.h): in all values but pixel data, waveforms and what is encrypted
 * by us.
 * Nor is the word of a Value Type or a Relationship Type that the standard has there.
 *
 * It is grave if what is left is a person's name, a UID, a date, or of the patient or the visit (groups 0010 and 0038, the accession
 * number), but in the manufacturer's or the model's name. Anything else, as an institution's name that is the manufacturer's too, is
 * for a person to judge.
 */
#define LEFTOVERS_LEAST 4
#define LEFTOVERS_LONG  64 /* of a longer value only so much is compared */
#define LEFTOVERS_MOST  4096
#define LEFTOVERS_ROOM  (512u * 1024)
#define LEFTOVERS_SLOTS 16384
/* Beside those of one object, of objects before it. */
#define LEFTOVERS_STALE      512
#define LEFTOVERS_STALE_ROOM (64u * 1024)
/* What is remembered of values. */
#define LEFTOVERS_VALUES     1024
#define LEFTOVERS_USES       16384
#define LEFTOVERS_VALUE_ROOM (64u * 1024)

struct leftovers {
	bool found, grave;
	uint32_t of, in; /* the tag of the value, and that of the element where it is left */
	bool full;       /* there were more values than are searched for */
	enum compressed_unread
		unread; /* something is compressed or encrypted, and was not searched: the first, and where */
	uint32_t unread_in;
	/* To look into what is compressed with, of who calls, who sets it; NULL: it is not looked into. */
	struct compressed *compressed;

	/* ---- Its own ---- */
	unsigned options; /* OPTION_…: what was to stay */
	struct charset charset;
	char charset_text[LEFTOVERS_LONG];
	size_t charset_len;
	bool numbers, plain, in_uid, in_date; /* plain: text of digits alone, in which nothing is encoded */
	bool inflates;                        /* the value that comes */
	unsigned depth, n_derived;
	uint32_t here;
	uint32_t object;                 /* a number */
	unsigned n_patterns, n_searched; /* n_searched: those of this object, with bytes_searched */
	uint32_t n_bytes, bytes_searched;
	unsigned n_carry;
	uint64_t seen;                   /* of the value, so far */
	uint8_t word[32];                /* a value that may be one of the standard's words */
	uint8_t carry[ENCODED_EDGE];     /* the end of the piece before */
	uint16_t slots[LEFTOVERS_SLOTS]; /* the first of the patterns, from 1, by their first four bytes */
	struct sieve binary,
		any; /* any four bytes at the beginning of those for binary values; the first four of each */
	struct leftover_pattern {
		uint32_t at;   /* in bytes[] */
		uint32_t tag;  /* whose value it was */
		uint16_t next; /* of the same slot, from 1 */
		uint8_t len;
		bool whole; /* only where no letter or digit is beside it */
		bool uid;   /* … nor a dot */
		bool grave;
		bool date;
		uint32_t object; /* that it was last searched for in */
	} patterns[2 * LEFTOVERS_MOST + LEFTOVERS_STALE];
	uint8_t bytes[2 * LEFTOVERS_ROOM + LEFTOVERS_STALE_ROOM];
	/*
	 * Objects of one patient have mostly the same values: which patterns are theirs is remembered from one object to the next, and what is
	 * searched for in each is what would be without. Patterns of other objects' values are still there, and pass for none.
	 */
	struct leftovers_memory {
		char charset[LEFTOVERS_LONG]; /* that the values were of */
		size_t charset_len;
		unsigned n_values, n_uses, n_bytes,
			began; /* began: the first use of the value that is being added */
		bool adding;
		uint16_t slots[2 * LEFTOVERS_VALUES]; /* the first of the values, from 1 */
		struct leftover_value {
			uint32_t tag;
			char vr[2];
			uint16_t at, len; /* in bytes[] */
			uint16_t next, first, n;
		} values[LEFTOVERS_VALUES];
		struct leftover_use {
			uint16_t pattern;
			bool whole, uid, grave, date;
		} uses[LEFTOVERS_USES];
		uint8_t bytes[LEFTOVERS_VALUE_ROOM];
	} memory;
};

/*
 * l: zeros before the first object; from then on it remembers.
 *
 * options: OPTION_…, of what was to stay. With OPTION_UIDS no UIDs are searched for, and a date that is part of one is not grave; with
 * OPTION_FULL_DATES none that is found in a date (DA, DT), but for the date of birth, which is not grave there.
 */
void leftovers_begin(struct leftovers *l, unsigned options);

/* Specific Character Set (0008,0005) of the values that are added from here on; before, and where they are not of it, they are UTF-8 or Latin-1. */
void leftovers_charset(struct leftovers *l, struct span specific_character_set);

/* A value that was, of the charset's bytes as they were. Values of binary VRs are passed over. */
void leftovers_add(struct leftovers *l, uint32_t tag, const char *vr, struct span value);

/*
 * Every event of the result's data set; asks for every value. What was found first is told (l->found, l->of, l->in), but after the
 * first that is grave nothing more is looked for.
 */
void leftovers_event(struct leftovers *l, struct dataset *d, int event);

#endif
