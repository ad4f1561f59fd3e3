/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_DEIDENTIFY_PIXELS_H
#define CLI_DEIDENTIFY_PIXELS_H

#include "cli/deidentify.h"
#include "cli/pixels_box.h"

/* Pixels are cleaned first, to a scrap, which is then de-identified as the file would be. */
struct deidentify_pixels {
	bool on;
	bool features; /* also what somebody can be recognized by (PS3.15 E.3.2), by the site's rules */
	const char *rules_path; /* NULL: the site has none */
	struct pixels_rules *rules;
	struct pixels_box_how how;
	struct sandbox *sandbox;
	char why[CLEANER_TEXT];  /* OUTCOME_PIXELS: a sentence */
	char note[CLEANER_TEXT]; /* of one that was cleaned, what its user may not expect; "": nothing */
};

/* The site's rules, the module, the sandbox. False: why has a sentence. */
MUST_USE bool deidentify_pixels_begin(struct deidentify_pixels *p);
void deidentify_pixels_done(struct deidentify_pixels *p);

/*
 * in: seekable. *ret_cleaned: the file with its pixels cleaned, or as it was, for who calls to free; SCRAP_NONE where nothing was to
 * clean. *ret_done: it can be said that its pixels are clean of text, and ret_features: of what somebody can be recognized by. False: they cannot or may not be cleaned, why has a sentence. A file
 * that cannot be read passes, and is told of where all are.
 */
MUST_USE bool deidentify_pixels_clean(
	struct deidentify_pixels *p, int in, struct scrap *ret_cleaned, bool *ret_done, bool *ret_features);

#endif
