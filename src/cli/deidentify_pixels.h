/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_DEIDENTIFY_PIXELS_H
#define CLI_DEIDENTIFY_PIXELS_H

#include "cli/deidentify.h"
#include "cli/pixels_box.h"

/* Pixels are cleaned first, to a scrap, which is then de-identified as the file would be; so are videos of what they have beside their pictures. */
struct deidentify_pixels {
	bool on;
	bool features;     /* also what somebody can be recognized by (PS3.15 E.3.2), by the site's rules */
	bool keeps_videos; /* those that need no cleaning, as they are */
	const char *rules_path; /* NULL: the site has none */
	struct pixels_rules *rules;
	struct pixels_box_how how;
	struct sandbox *sandbox;
	char why[CLEANER_TEXT];  /* OUTCOME_PIXELS: a sentence */
	char note[CLEANER_TEXT]; /* of one that was cleaned, what its user may not expect; "": nothing */
};

/* What can be said of a file: its pixels are clean of text, and of what somebody can be recognized by; a video has its pictures alone. */
struct deidentify_pixels_said {
	bool cleaned, features, stripped;
};

/* The site's rules, the module, the sandbox. False: why has a sentence. */
MUST_USE bool deidentify_pixels_begin(struct deidentify_pixels *p);
void deidentify_pixels_done(struct deidentify_pixels *p);

/* Is anything to be done to this file? Where pixels are not cleaned, to videos alone. in: seekable. */
bool deidentify_pixels_wanted(const struct deidentify_pixels *p, int in);

/*
 * in: seekable. *ret_cleaned: the file with its pixels cleaned, or as it was, for who calls to free; SCRAP_NONE where nothing was to
 * clean. False: they cannot or may not be cleaned, why has a sentence. A file
 * that cannot be read passes, and is told of where all are.
 */
MUST_USE bool deidentify_pixels_clean(struct deidentify_pixels *p, int in, struct scrap *ret_cleaned,
	struct deidentify_pixels_said *ret_said);

#endif
