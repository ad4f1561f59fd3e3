/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/deidentify_pixels.h"
#include "base/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SILENCE 120 /* seconds; a frame of a whole slide takes some */
#define MEMORY  (64u * 1024 * 1024)

static bool read_rules(struct deidentify_pixels *p)
{
	char why[160];
	char *text = malloc(LIMIT_PIXEL_RULES);
	int fd = text ? open(p->rules_path, O_RDONLY | O_CLOEXEC | O_NOCTTY) : -1;
	ssize_t n = fd < 0 ? -1 : read(fd, text, LIMIT_PIXEL_RULES);
	snprintf(why, sizeof(why), "%s", n == LIMIT_PIXEL_RULES ? "it is too long" : strerror(errno));
	bool good = n >= 0 && n < LIMIT_PIXEL_RULES &&
	            pixels_rules_read(span_of(text, (size_t)n), &p->rules, why, sizeof(why)) == 0;
	if (!good) {
		snprintf(p->why, sizeof(p->why), "%s", why);
	}
	if (fd >= 0) {
		close(fd);
	}
	free(text);
	return good;
}

bool deidentify_pixels_begin(struct deidentify_pixels *p)
{
	if (p->rules_path && !read_rules(p)) {
		return false;
	}
	if (cleaner_codec(CODEC_MODULE, &p->how.cleaner.codec, p->why, sizeof(p->why)) < 0) {
		return false;
	}
	if (sandbox_new(SANDBOX_PROOF, NULL, 0, &p->sandbox) < 0) {
		snprintf(p->why, sizeof(p->why),
			"the sandbox for the processes that clean pixels could not be made");
		return false;
	}
	p->how.sandbox = p->sandbox;
	p->how.cleaner.site = p->rules;
	p->how.seconds = SILENCE;
	p->how.cleaner.features = p->features;
	return true;
}

void deidentify_pixels_done(struct deidentify_pixels *p)
{
	pixels_rules_free(p->rules);
	sandbox_free(p->sandbox);
}

bool deidentify_pixels_clean(
	struct deidentify_pixels *p, int in, struct scrap *ret_cleaned, bool *ret_done, bool *ret_features)
{
	struct scrap cleaned = SCRAP_NONE;
	if (scrap_new(&cleaned, MEMORY) < 0) {
		snprintf(p->why, sizeof(p->why), "%s", strerror(errno));
		return false;
	}
	enum cleaner_outcome outcome = pixels_box(&p->how, in, &cleaned, p->why, sizeof(p->why));
	if (cleaner_has_file(outcome)) {
		scrap_rewind(&cleaned);
		*ret_cleaned = cleaned;
	} else {
		scrap_done(&cleaned);
	}
	*ret_done = outcome == CLEANER_CLEANED || outcome == CLEANER_PASS;
	*ret_features = *ret_done && p->features;
	return outcome != CLEANER_REFUSED && outcome != CLEANER_LOST;
}
