/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/deidentify_pixels.h"

#include "base/limits.h"
#include "dicom/encoding.h"
#include "dicom/part10.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SILENCE        120 /* seconds; a frame of a whole slide takes some */
#define MEMORY         (64u * 1024 * 1024)
#define MEMORY_OF_MANY (4u * 1024 * 1024) /* where several are held at once */
#define HEAD           4096               /* bytes of a file; its transfer syntax is in them, or it is odd */

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
	if (p->on && cleaner_codec(CODEC_MODULE, &p->how.cleaner.codecs.codec, p->why, sizeof(p->why)) < 0) {
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
	p->how.cleaner.strips = !p->on;
	p->how.cleaner.keeps_videos = p->keeps_videos;
	return true;
}

/* A file that cannot be read is none. */
static bool is_video(int in)
{
	static uint8_t head[HEAD];
	struct part10_meta meta;
	struct parse_fail fail;
	size_t data;
	ptrdiff_t n = pread(in, head, sizeof(head), 0);
	if (n <= 0 || part10_read(span_of(head, (size_t)n), &meta, &data, &fail) < 0) {
		return false;
	}
	const struct encoding_coded *c = encoding_coded(meta.transfer_syntax);
	return c && encoding_is_video(c->coding);
}

bool deidentify_pixels_wanted(const struct deidentify_pixels *p, int in)
{
	return p->on || (!p->keeps_videos && is_video(in));
}

/* What decodes videos is loaded for the first of them: it is large. */
static bool open_video(struct deidentify_pixels *p, int in)
{
	return !p->on || p->how.cleaner.codecs.video || !is_video(in) ||
	       cleaner_video(VIDEO_MODULE, &p->how.cleaner.codecs.video, p->why, sizeof(p->why)) == 0;
}

static void note(struct deidentify_pixels *p)
{
	const char *aside = strstr(p->why, CLEANER_ASIDE);
	if (aside) {
		snprintf(p->note, sizeof(p->note), "copied, but %.300s", aside + 2);
	}
}

void deidentify_pixels_done(struct deidentify_pixels *p)
{
	pixels_rules_free(p->rules);
	sandbox_free(p->sandbox);
}

bool deidentify_pixels_clean(struct deidentify_pixels *p, int in, struct scrap *ret_cleaned,
	struct deidentify_pixels_said *ret_said)
{
	struct scrap cleaned = SCRAP_NONE;
	p->note[0] = '\0';
	if (!open_video(p, in)) {
		return false;
	}
	if (scrap_new(&cleaned, p->on ? MEMORY : MEMORY_OF_MANY) < 0) {
		snprintf(p->why, sizeof(p->why), "%s", strerror(errno));
		return false;
	}
	enum cleaner_outcome outcome = pixels_box(&p->how, in, &cleaned, p->why, sizeof(p->why));
	if (cleaner_has_file(outcome)) {
		scrap_rewind(&cleaned);
		*ret_cleaned = cleaned;
		note(p);
	} else {
		scrap_done(&cleaned);
	}
	if (outcome == CLEANER_REFUSED && strstr(p->why, CLEANER_BESIDE)) {
		size_t n = strlen(p->why);
		snprintf(p->why + n, sizeof(p->why) - n, " (--videos keep: copied with it)");
	}
	ret_said->stripped = outcome != CLEANER_BROKEN && !p->keeps_videos;
	ret_said->cleaned = outcome == CLEANER_CLEANED || outcome == CLEANER_PASS;
	ret_said->features = ret_said->cleaned && p->features;
	return outcome != CLEANER_REFUSED && outcome != CLEANER_LOST;
}
