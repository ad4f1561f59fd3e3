/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_DEIDENTIFY_PIXELS_H
#define CLI_DEIDENTIFY_PIXELS_H

#include "cli/deidentify.h"
#include "cli/pixels_box.h"

/* Pixels are cleaned first, to a scrap, which is then de-identified as the file would be. */
struct deidentify_pixels {
	bool on;
	const char *rules_path; /* NULL: the site has none */
	struct pixels_rules *rules;
	struct pixels_box_how how;
	struct sandbox *sandbox;
	char why[200]; /* OUTCOME_PIXELS: a sentence */
};

/* The site's rules, the module, the sandbox. False: why has a sentence. */
MUST_USE bool deidentify_pixels_begin(struct deidentify_pixels *p);
void deidentify_pixels_done(struct deidentify_pixels *p);

/* As deidentify_file(); where pixels can or may not be cleaned the outcome is OUTCOME_PIXELS. */
void deidentify_pixels_file(struct deidentify_pixels *p, struct deidentify_how *how, int in, int out,
	struct deidentify_said *said);

#endif
