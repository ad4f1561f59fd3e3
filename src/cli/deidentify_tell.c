/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/deidentify.h"

#include "dicom/charset.h"
#include "dicom/tag.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

/* What is said of a file and its copy: as a sentence, as JSON, and element by element. */

const char *deidentify_printed(const char *path)
{
	static char text[3 * 4096];
	struct charset utf8 = {.coding = CHARSET_UTF8};
	struct charset_text t;
	charset_to_utf8(&utf8, "ST", CHARSET_NO_BIDI, span_str(path), text, sizeof(text), &t);
	return text;
}

int deidentify_complain(const char *what, const char *why)
{
	fprintf(stderr, "gantry deidentify: %s: %s\n", deidentify_printed(what), why);
	return EXIT_NOTHING;
}

static const char *name_of(uint32_t tag)
{
	static char text[2][64];
	static unsigned turn;
	const char *keyword = tag_keyword(tag);
	turn = !turn;
	snprintf(text[turn], sizeof(text[0]), "%s(%04X,%04X)", keyword, tag >> 16, tag & 0xFFFF);
	return text[turn];
}

/* What a person has to look at of a copy; NULL: nothing. */
static const char *what_to_see(const struct deidentify_said *s, bool cleans, char *text, size_t size)
{
	static const char *const whys[] = {
		[COMPRESSED_LIMIT] = "what is compressed in it is more than is searched",
		[COMPRESSED_OTHER] = "something in it is compressed in a way that is not searched",
		[COMPRESSED_ENCRYPTED] = "something in it is encrypted",
		[COMPRESSED_BROKEN] = "something in it is compressed and broken"};
	size_t n = 0;
	text[0] = 0;
	if (s->left) {
		n += (size_t)snprintf(text, size,
			"copied, but see whether %s, whose value was also that of %s, may stay",
			name_of(s->left_in), name_of(s->left_of));
	}
	if (s->unread > COMPRESSED_READ && s->unread < ARRAY_LEN(whys)) {
		n += (size_t)snprintf(text + n, size - n, "%s %s may stay: %s",
			n > 0 ? "; and whether" : "copied, but see whether", name_of(s->unread_in),
			whys[s->unread]);
	}
	if (s->unsearched) {
		n += (size_t)snprintf(text + n, size - n, "%s more was removed than could be searched for",
			n > 0 ? "; and" : "copied, but");
	}
	if (s->overlays && !cleans) {
		n += (size_t)snprintf(text + n, size - n,
			"%s there may still be overlays in bits of its pixels (--clean-pixels: cleared)",
			n > 0 ? "; and" : "copied, but");
	}
	return n > 0 ? text : NULL;
}

/* With what it is copied all the same. */
static const char *why_denied(const struct deidentify_said *s, bool cleans, char *text, size_t size)
{
	const char *burned =
		cleans ? "it says that text is burned in, Burned In Annotation, and has no pixels that could be cleaned"
		       : "it says that text is burned into its pixels, Burned In Annotation";
	const char *how = cleans ? "--burned-in keep: copied as it is"
	                         : "--clean-pixels: made black; --burned-in keep: copied as it is";
	static const char document[] = "it holds a document or a voice, which cannot be de-identified";
	static const char without[] = "--documents replace: copied without it";
	if (s->both) {
		snprintf(text, size, "%s (%s); and %s (%s): both are needed", burned, how, document, without);
	} else {
		bool is = s->outcome == OUTCOME_BURNED_IN;
		snprintf(text, size, "%s (%s)", is ? burned : document, is ? how : without);
	}
	return text;
}

static const char *why_broken(const struct deidentify_said *s, char *text, size_t size)
{
	bool is_uid = s->wrong != 0 && memcmp(tag_implied_vr(s->wrong), "UI", 2) == 0;
	if (s->wrong && s->error == ERR_VALUE) {
		snprintf(text, size,
			is_uid ? "%s is no UID: it has more than %d characters" : "%s is too long",
			name_of(s->wrong), UID_MAX);
	} else if (s->wrong && s->error == ERR_LIMIT) {
		snprintf(text, size, "%s is too long to be changed, over %u bytes", name_of(s->wrong),
			DEIDENTIFY_VALUE);
	} else {
		snprintf(text, size, "it is broken at byte %" PRIu64 ": %s", s->offset, err_str(s->error));
	}
	return text;
}

const char *deidentify_sentence(const struct deidentify_said *s, bool cleans)
{
	static char text[640];
	switch (s->outcome) {
	case OUTCOME_GOOD:
		return what_to_see(s, cleans, text, sizeof(text));
	case OUTCOME_LEFTOVER:
		snprintf(text, sizeof(text),
			"what was removed from %s is still in %s (--leftovers keep: copied all the same)",
			name_of(s->left_of), name_of(s->left_in));
		return text;
	case OUTCOME_NOT_DICOM:
		return "it is no DICOM file";
	case OUTCOME_DIRECTORY:
		return "a DICOMDIR names what was there, and is not copied";
	case OUTCOME_BURNED_IN:
	case OUTCOME_DOCUMENT:
		return why_denied(s, cleans, text, sizeof(text));
	case OUTCOME_BROKEN:
		return why_broken(s, text, sizeof(text));
	case OUTCOME_NOT_WRITTEN:
		return "the copy could not be written: see whether the disk is full";
	case OUTCOME_ORIGINALS:
		snprintf(text, sizeof(text), "what it was could not be encrypted: %s", err_str(s->error));
		return text;
	case OUTCOME_VIDEO:
		return "it is a video, and what it has beside its pictures could not be taken out (--videos keep: copied with it)";
	case OUTCOME_PIXELS: /* who cleaned them has its sentence */
	case OUTCOME_NONE:
		break;
	}
	return "the process that read it has died";
}

void deidentify_tell_json(
	const struct deidentify_said *s, const char *name, const char *copy, const char *why)
{
	static const char *const words[] = {"no copy", "ok", "leftover", "not DICOM", "DICOMDIR", "broken",
		"burned in", "document", "not written", "originals", "pixels", "video"};
	json_t *o = json_pack("{s:s%, s:s, s:s*, s:s*, s:i, s:i, s:i, s:i, s:i, s:i}", "file", name,
		strlen(name), "outcome", words[s->outcome], "copy", copy, "why", why, "removed",
		(int)s->counts[DONE_REMOVED], "emptied", (int)s->counts[DONE_EMPTIED], "replaced",
		(int)s->counts[DONE_REPLACED], "new_uids", (int)s->counts[DONE_NEW_UID], "cleaned",
		(int)s->counts[DONE_CLEANED], "added", (int)s->counts[DONE_ADDED]);
	char *line = o ? json_dumps(o, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
	printf("%s\n", line ? line : "{\"outcome\":\"unprintable name\"}");
	free(line);
	json_decref(o);
}

static void put_quoted(FILE *to, const char *text)
{
	putc('"', to);
	for (; *text; text++) {
		if (*text == '"') {
			putc('"', to);
		}
		putc(*text, to);
	}
	putc('"', to);
}

/* The child's lines, as long as they are of the letters that such lines have. */
void deidentify_tell_manifest(FILE *to, const struct deidentify_said *s, const char *name, const char *copy)
{
	size_t len = s->list_len;
	for (size_t at = 0; at < len;) {
		const char *end = memchr(s->list + at, '\n', len - at);
		size_t n = end ? (size_t)(end - (s->list + at)) : 0;
		if (n == 0 || strspn(s->list + at, "0123456789ABCDEF(),.[]abcdefghijklmnopqrstuvwxyz-") < n) {
			return;
		}
		put_quoted(to, name);
		putc(',', to);
		put_quoted(to, copy);
		const char *why = memrchr(s->list + at, ',', n);
		const char *what = why ? memrchr(s->list + at, ',', (size_t)(why - (s->list + at))) : NULL;
		size_t path = what ? (size_t)(what - (s->list + at)) : n;
		fprintf(to, ",\"%.*s\"%.*s\n", (int)path, s->list + at, (int)(n - path), s->list + at + path);
		at += n + 1;
	}
}
