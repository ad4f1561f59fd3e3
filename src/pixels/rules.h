/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PIXELS_RULES_H
#define PIXELS_RULES_H

#include "base/span.h"
#include "pixels/survey.h"

/* Which pixels of which images are to go: what is known of devices (data/pixel_regions.tsv), and what a site says of its own. */
struct pixels_rule {
	const char *name;
	/*
	 * Each that is not NULL must hold: alternatives with `|` between them, of which one is anywhere in the value, in any
	 * case; rows, columns and window width are the value.
	 */
	const char *when[PIXELS_FACTS];
	struct pixels_regions regions;
	bool pass; /* a site's: there is nothing burned in */
};

/* A site's rules. */
struct pixels_rules;

/*
 * YAML: a list `rules`, each a map with `name`, `when` (modality, manufacturer, model, rows, columns, image-type, series, protocol,
 * implementation, sop-class) one of `blank`, `keep` (lists of [x, y, width, height]) and `pass: yes`, and `recognizable: no`. ERR_VALUE with a
 * sentence; ERR_NO_MEMORY.
 */
MUST_USE int pixels_rules_read(struct span yaml, struct pixels_rules **ret_rules, char *why, size_t cap);
void pixels_rules_free(struct pixels_rules *r);

enum pixels_decision {
	PIXELS_PASS,    /* nothing is burned in: a rule or the object says so */
	PIXELS_UNKNOWN, /* nobody says anything of it, and images of its kind usually have nothing burned in */
	PIXELS_CLEAN,   /* what the regions say */
	PIXELS_REFUSE,  /* something is, or may well be, and it is not known where */
};

/*
 * site: may be NULL. The first of its rules that holds decides alone; one of whose rectangles to blank none has a part of the image refuses. Else the regions of (0018,6011) are all that is kept of an
 * ultrasound image, and what the table knows goes too. Without either, an object that says Burned In Annotation YES, or is of a kind
 * that usually has text burned in and does not say NO, is refused. *ret_why: a sentence, of refusal or the name of the rule, until the next call; where no
 * rule says anything, with what pixels_such() writes.
 * ret_regions->unrecognizable: the rule says that nobody can be recognized in what is left (PS3.15 E.3.2).
 */
enum pixels_decision pixels_decide(const struct survey *s, const struct pixels_rules *site,
	struct pixels_regions *ret_regions, const char **ret_why);

/*
 * What would hold for it, as it can be put into a site's rule: `when: { modality: "US", … }` of modality, manufacturer, model, rows and columns, the
 * texts in ASCII as far as they are, and not whole where they are long, which hold too; and of the SOP class of a secondary capture, or of an
 * image without modality. Nothing else of the object.
 */
#define PIXELS_WHEN 240
void pixels_when(const struct survey *s, char ret_text[PIXELS_WHEN]);

/* The same with what else it holds for: "for such images: `when: { … }`, which holds for all images of that …". */
#define PIXELS_SUCH (PIXELS_WHEN + 200)
void pixels_such(const struct survey *s, char ret_text[PIXELS_SUCH]);

#endif
