/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/cleaner_run.h"

#include "base/module.h"
#include "dicom/transcode.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int cleaner_codec(const char *name, const struct codec **ret_codec, char *why, size_t cap)
{
	module_function *f;
	int e = module_open(name, "pixels_codec", &f, why, cap);
	if (e < 0) {
		return e;
	}
	*ret_codec = ((codec_function *)(void *)f)();
	return 0;
}

/*
 * Some of the libraries that FFmpeg's bring say on stderr, when they are loaded, what they miss in a sandbox: nothing that is wanted for decoding. That is no line of a log,
 * nor for who waits for a verb. *ret_stderr: to be given back; -1: it was left.
 */
static void mute(int *ret_stderr)
{
	int nowhere = memfd_create("gantry-said", MFD_CLOEXEC);
	*ret_stderr = nowhere < 0 ? -1 : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	if (*ret_stderr >= 0) {
		(void)dup2(nowhere, STDERR_FILENO);
	}
	if (nowhere >= 0) {
		close(nowhere);
	}
}

static void unmute(int was)
{
	if (was >= 0) {
		(void)dup2(was, STDERR_FILENO);
		close(was);
	}
}

int cleaner_video(const char *name, const struct video_codec **ret_video, char *why, size_t cap)
{
	module_function *f;
	int was;
	mute(&was);
	int e = module_open(name, "pixels_video", &f, why, cap);
	unmute(was);
	if (e < 0) {
		return e;
	}
	*ret_video = ((video_function *)(void *)f)();
	return 0;
}

ptrdiff_t cleaner_read_at(void *arg, uint64_t offset, void *to, size_t n)
{
	const int *fd = arg;
	ssize_t got;
	if (lseek(*fd, (off_t)offset, SEEK_SET) < 0) {
		return ERR_SYSTEM;
	}
	do {
		got = read(*fd, to, n);
	} while (got < 0 && errno == EINTR);
	return got < 0 ? ERR_SYSTEM : got;
}

/* ---- Whose fault it is ---- */

static enum cleaner_outcome unread(int e, const char **ret_why)
{
	static char said[CLEANER_TEXT];
	snprintf(said, sizeof(said), "it cannot be read: %s", err_str(e));
	*ret_why = said;
	if (e == ERR_SYSTEM || e == ERR_NO_MEMORY) {
		return CLEANER_LOST;
	}
	/* Others may well be able to: what is burned in is not known. */
	if (e == ERR_DUPLICATE || e == ERR_LIMIT) {
		*ret_why = e == ERR_LIMIT
		                   ? "it has more parts, or inflates to more, than is looked at for pixels"
		                   : "an element that says what its pixels are stands twice in it";
		return CLEANER_REFUSED;
	}
	return CLEANER_BROKEN;
}

/* What is written to, and whether it failed. */
struct watched {
	const struct pixels_output *out;
	bool failed;
};

static int on_write(void *arg, struct span bytes)
{
	struct watched *w = arg;
	int e = w->out->write(w->out->arg, bytes);
	w->failed = w->failed || e < 0;
	return e;
}

static int on_patch(void *arg, uint64_t offset, struct span bytes)
{
	struct watched *w = arg;
	int e = w->out->patch(w->out->arg, offset, bytes);
	w->failed = w->failed || e < 0;
	return e;
}

/* The rule, and what its user may not expect. */
static const char *with_aside(const char *rule, const struct pixels_aside *aside)
{
	static char said[CLEANER_TEXT];
	char frames[80] = "";
	if (!aside->others && aside->frames == 0) {
		return rule;
	}
	if (aside->frames > 0) {
		snprintf(frames, sizeof(frames), CLEANER_ASIDE "%u frames are there, and %u were said",
			aside->frames, aside->said);
	}
	snprintf(said, sizeof(said), "%.*s%s%s", CLEANER_TEXT / 2, rule,
		aside->others ? CLEANER_ASIDE "only the pictures are left, no sound or titles" : "", frames);
	return said;
}

static enum cleaner_outcome write_cleaned(const struct cleaner_how *how, const struct survey *s,
	const struct pixels_regions *regions, const struct pixels_input *in, const struct pixels_output *out,
	const char **ret_why)
{
	struct watched w = {out, false};
	const struct pixels_output watched = {&w, on_write, on_patch};
	const char *rule = *ret_why;
	struct pixels_aside aside = {0};
	int e = pixels_clean(s, regions, in, &watched, &how->codecs, how->native, &aside, ret_why);
	if (e == 0) {
		*ret_why = with_aside(rule, &aside);
		return CLEANER_CLEANED;
	}
	return w.failed || e == ERR_NO_MEMORY || e == ERR_SYSTEM ? CLEANER_LOST : CLEANER_REFUSED;
}

/* Nothing of its pixels goes; what lies beside them does. */
static enum cleaner_outcome trim(const struct cleaner_how *how, const struct survey *s,
	enum cleaner_outcome otherwise, const struct pixels_input *in, const struct pixels_output *out,
	const char **ret_why)
{
	bool any = false;
	int e = pixels_beside(s, in, how->codecs.codec, &any);
	if (e < 0) {
		return unread(e, ret_why);
	}
	enum cleaner_outcome outcome = any ? write_cleaned(how, s, NULL, in, out, ret_why) : otherwise;
	return outcome == CLEANER_CLEANED && otherwise == CLEANER_UNKNOWN ? CLEANER_TRIMMED : outcome;
}

/* Of a video what is beside its pictures goes. */
static enum cleaner_outcome strip(const struct survey *s, enum cleaner_outcome otherwise,
	const struct pixels_input *in, const struct pixels_output *out, const char **ret_why)
{
	struct watched w = {out, false};
	const struct pixels_output watched = {&w, on_write, on_patch};
	struct pixels_aside aside = {0};
	const char *rule = *ret_why;
	bool any = false;
	int e = pixels_strip(s, in, &watched, &any, &aside, ret_why);
	if (e < 0) {
		static char said[CLEANER_TEXT];
		snprintf(said, sizeof(said), CLEANER_BESIDE "%s", *ret_why);
		*ret_why = said;
		return w.failed || e == ERR_NO_MEMORY || e == ERR_SYSTEM ? CLEANER_LOST : CLEANER_REFUSED;
	}
	*ret_why = with_aside(rule, &aside);
	return !any ? otherwise : otherwise == CLEANER_UNKNOWN ? CLEANER_TRIMMED : CLEANER_CLEANED;
}

static bool is_video(const struct survey *s)
{
	const struct encoding_coded *c = encoding_coded(span_str(s->syntax));
	return c && encoding_is_video(c->coding);
}

/* What becomes of pixels that nothing is burned into. */
static enum cleaner_outcome pass(const struct cleaner_how *how, const struct survey *s,
	enum cleaner_outcome otherwise, const struct pixels_input *in, const struct pixels_output *out,
	const char **ret_why)
{
	if (!is_video(s)) {
		return trim(how, s, otherwise, in, out, ret_why);
	}
	return how->keeps_videos ? otherwise : strip(s, otherwise, in, out, ret_why);
}

/* ---- In another encoding ---- */

static enum cleaner_outcome refuse(const char **ret_why, const char *why)
{
	*ret_why = why;
	return CLEANER_REFUSED;
}

static int transcode_all(struct transcode *t, const struct pixels_input *in)
{
	static uint8_t piece[CLEANER_PIECE];
	uint64_t at = 0;
	for (;;) {
		ptrdiff_t n = in->read_at(in->arg, at, piece, sizeof(piece));
		if (n <= 0) {
			return n < 0 ? ERR_SYSTEM : transcode_end(t);
		}
		at += (size_t)n;
		int e = transcode_feed(t, span_of(piece, (size_t)n));
		if (e < 0) {
			return e;
		}
	}
}

static enum cleaner_outcome transcode(const struct survey *s, const struct pixels_input *in,
	const struct pixels_output *out, const char **ret_why)
{
	struct transcode *t = malloc(sizeof(*t));
	if (!t) {
		*ret_why = err_str(ERR_NO_MEMORY);
		return CLEANER_LOST;
	}
	transcode_begin(t, s->shape.is_signed == 1, out->write, out->arg);
	int e = transcode_all(t, in);
	const char *why = t->why;
	free(t);
	if (e == 0) {
		return CLEANER_CLEANED;
	}
	return e == ERR_UNSUPPORTED && why ? refuse(ret_why, why) : unread(e, ret_why);
}

/* Who signed it, signed its pixels as they are encoded (PS3.3 C.12.1.1.3.1.2). */
static enum cleaner_outcome convert(const struct cleaner_how *how, const struct survey *s,
	const struct pixels_input *in, const struct pixels_output *out, const char **ret_why)
{
	bool encoded = s->encapsulated || s->icon_encoded || s->other_encoded;
	if (s->elsewhere) {
		return refuse(ret_why, "its pixels are not in it, but where it says");
	}
	if (!encoded && s->has_pixels && s->encoding == ENCODING_EXPLICIT_LE) {
		return refuse(ret_why,
			"its pixel data is not encapsulated, as its transfer syntax says that it is");
	}
	/* PS3.5 6.2.2: they become UN, which is not signed; who signed them knew more (PS3.3 C.12.1.1.3.1.1). */
	if (s->encoding == ENCODING_IMPLICIT_LE && s->is_signed && s->signs_private) {
		return refuse(ret_why,
			"private elements of it are digitally signed, of which implicit VR does not say what they are: the signature would not hold");
	}
	if (!encoded) {
		return transcode(s, in, out, ret_why);
	}
	if (!how->decodes) {
		return refuse(ret_why, "it stays compressed, as --keep-compressed has it");
	}
	if (s->is_signed) {
		return refuse(ret_why,
			"its pixels are compressed, and digitally signed so: the signature would not hold");
	}
	int e = pixels_decode(s, in, out, how->codecs.codec, ret_why);
	return e == 0                                  ? CLEANER_CLEANED
	       : e == ERR_NO_MEMORY || e == ERR_SYSTEM ? CLEANER_LOST
	                                               : CLEANER_REFUSED;
}

/* ---- One file ---- */

static enum cleaner_outcome look(const struct cleaner_how *how, struct survey *s,
	const struct pixels_input *in, const struct pixels_output *out, const char **ret_why)
{
	struct pixels_regions regions = {0};
	int e = survey_read(s, in);
	if (e < 0) {
		return unread(e, ret_why);
	}
	if (how->converts) {
		return convert(how, s, in, out, ret_why);
	}
	if (!s->has_pixels && !s->has_other_pixels) {
		return CLEANER_NO_IMAGE;
	}
	if (how->strips) {
		return strip(s, CLEANER_UNKNOWN, in, out, ret_why);
	}
	enum pixels_decision decision = pixels_decide(s, how->site, &regions, ret_why);
	if (decision != PIXELS_REFUSE && how->features && !regions.unrecognizable) {
		static char said[CLEANER_TEXT];
		char such[PIXELS_SUCH];
		pixels_such(s, such);
		snprintf(said, sizeof(said),
			"no rule of the site says that nobody can be recognized in it (`recognizable: no`); %s",
			such);
		*ret_why = said;
		return CLEANER_REFUSED;
	}
	switch (decision) {
	case PIXELS_PASS:
		return pass(how, s, CLEANER_PASS, in, out, ret_why);
	case PIXELS_UNKNOWN:
		return pass(how, s, CLEANER_UNKNOWN, in, out, ret_why);
	case PIXELS_REFUSE:
		return CLEANER_REFUSED;
	default:
		return write_cleaned(how, s, &regions, in, out, ret_why);
	}
}

enum cleaner_outcome cleaner_run(const struct cleaner_how *how, const struct pixels_input *in,
	const struct pixels_output *out, const char **ret_why)
{
	struct survey s = {0};
	*ret_why = "";
	enum cleaner_outcome outcome = look(how, &s, in, out, ret_why);
	survey_done(&s);
	return outcome;
}
