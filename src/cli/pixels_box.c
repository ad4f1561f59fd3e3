/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/pixels_box.h"

#include "base/limits.h"
#include "base/module.h"
#include "cli/boxed.h"
#include "pixels/clean.h"

#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of GDCM, which holds a frame several times over, and OpenJPEG, which has 32 bits for each sample. */
#define MEMORY (3ull << 30)

#define PIECE  (64u * 1024)

enum { SAY_DATA = 'D', SAY_PATCH = 'P', SAY_END = 'E' };

struct head {
	uint8_t kind, code;
	uint16_t zero;
	uint32_t len;
	uint64_t offset; /* SAY_PATCH */
};

/* ---- The child ---- */

struct child {
	const struct pixels_box_how *how;
	int file, out;
};

static ptrdiff_t read_at(void *arg, uint64_t offset, void *to, size_t n)
{
	const struct child *c = arg;
	ssize_t got;
	if (lseek(c->file, (off_t)offset, SEEK_SET) < 0) {
		return ERR_SYSTEM;
	}
	do {
		got = read(c->file, to, n);
	} while (got < 0 && errno == EINTR);
	return got < 0 ? ERR_SYSTEM : got;
}

static int say(const struct child *c, int kind, int code, uint64_t offset, struct span bytes)
{
	struct head h = {
		.kind = (uint8_t)kind, .code = (uint8_t)code, .len = (uint32_t)bytes.len, .offset = offset};
	bool good = boxed_write(c->out, &h, sizeof(h)) && boxed_write(c->out, bytes.ptr, bytes.len);
	return good ? 0 : ERR_CLOSED;
}

static int on_write(void *arg, struct span bytes)
{
	int e = 0;
	for (size_t at = 0; at < bytes.len && e == 0; at += PIECE) {
		size_t n = bytes.len - at < PIECE ? bytes.len - at : PIECE;
		e = say(arg, SAY_DATA, 0, 0, span_of(bytes.ptr + at, n));
	}
	return e;
}

static int on_patch(void *arg, uint64_t offset, struct span bytes)
{
	return say(arg, SAY_PATCH, 0, offset, bytes);
}

static enum pixels_boxed work(struct child *c, struct survey *s, const char **ret_why)
{
	struct pixels_regions regions = {0};
	const struct pixels_input in = {c, read_at};
	const struct pixels_output out = {c, on_write, on_patch};
	int e = survey_read(s, &in);
	if (e < 0) {
		*ret_why = err_str(e);
		return PIXELS_BOX_BROKEN;
	}
	if (!s->has_pixels && !s->has_other_pixels) {
		return PIXELS_BOX_NO_IMAGE;
	}
	enum pixels_decision decision = pixels_decide(s, c->how->site, &regions, ret_why);
	if (decision != PIXELS_REFUSE && c->how->features && !regions.unrecognizable) {
		*ret_why =
			"no rule of the site says that nobody can be recognized in it (`recognizable: no`)";
		return PIXELS_BOX_REFUSED;
	}
	switch (decision) {
	case PIXELS_PASS:
		return PIXELS_BOX_PASS;
	case PIXELS_UNKNOWN:
		return PIXELS_BOX_UNKNOWN;
	case PIXELS_REFUSE:
		return PIXELS_BOX_REFUSED;
	default:
		break;
	}
	const char *rule = *ret_why;
	e = pixels_clean(s, &regions, &in, &out, c->how->codec, ret_why);
	if (e == 0) {
		*ret_why = rule;
	}
	return e == 0 ? PIXELS_BOX_CLEANED : PIXELS_BOX_REFUSED;
}

static int child(void *arg, int file, int out)
{
	static struct survey s;
	const char *why = "";
	struct child c = {arg, file, out};
	enum pixels_boxed said = work(&c, &s, &why);
	survey_done(&s);
	return say(&c, SAY_END, (int)said, 0, span_str(why)) == 0 ? 0 : 1;
}

/* ---- The parent ---- */

static bool put_at(int fd, const uint8_t *bytes, size_t n, uint64_t at)
{
	while (n > 0) {
		ssize_t put = pwrite(fd, bytes, n, (off_t)at);
		if (put < 0 && errno == EINTR) {
			continue;
		}
		if (put <= 0) {
			return false;
		}
		bytes += put;
		n -= (size_t)put;
		at += (uint64_t)put;
	}
	return true;
}

/* Printable, whatever it says. */
static void sentence(const uint8_t *bytes, size_t n, char *why, size_t cap)
{
	size_t i = 0;
	for (; i < n && i + 1 < cap; i++) {
		why[i] = (char)(bytes[i] >= ' ' && bytes[i] < 127 ? bytes[i] : '?');
	}
	why[i] = '\0';
}

static enum pixels_boxed lost(char *why, size_t cap, const char *what)
{
	snprintf(why, cap, "%s", what);
	return PIXELS_BOX_LOST;
}

static bool put(struct scrap *out, const uint8_t *bytes, size_t n, const uint64_t *at)
{
	return at ? put_at(out->fd, bytes, n, *at) : scrap_add(out, span_of(bytes, n)) == 0;
}

static enum pixels_boxed hear(
	struct boxed *b, const struct pixels_box_how *how, struct scrap *out, char *why, size_t cap)
{
	static uint8_t piece[PIECE];
	for (;;) {
		struct head h;
		int e = boxed_read(b, &h, sizeof(h), (int)how->seconds * 1000);
		e = e == 0 && h.len > PIECE ? ERR_PEER : e;
		e = e ? e : boxed_read(b, piece, h.len, (int)how->seconds * 1000);
		if (e < 0) {
			return lost(why, cap,
				e == ERR_TIMEOUT ? "its pixels took too long to clean"
						 : "the process that cleaned its pixels has died");
		}
		bool patch = h.kind == SAY_PATCH && h.offset <= out->len && h.len <= out->len - h.offset;
		if (h.kind == SAY_END && h.code < PIXELS_BOX_LOST) {
			sentence(piece, h.len, why, cap);
			return (enum pixels_boxed)h.code;
		}
		if (!(patch || h.kind == SAY_DATA) || h.len > LIMIT_MEMBER_BYTES - out->len) {
			return lost(why, cap, "the process that cleaned its pixels said what it must not");
		}
		if (!put(out, piece, h.len, patch ? &h.offset : NULL)) {
			return lost(why, cap, "its cleaned pixels could not be written");
		}
	}
}

int pixels_box_codec(const struct codec **ret_codec, char *why, size_t cap)
{
	module_function *f;
	int e = module_open(CODEC_MODULE, "pixels_codec", &f, why, cap);
	if (e < 0) {
		return e;
	}
	*ret_codec = ((codec_function *)(void *)f)();
	return 0;
}

enum pixels_boxed pixels_box(
	const struct pixels_box_how *how, int in, struct scrap *out, char *why, size_t cap)
{
	struct boxed b = BOXED_NONE;
	const struct boxed_how box = {.sandbox = how->sandbox, .memory = MEMORY};
	if (boxed_start(&b, &box, in, child, (void *)how) < 0) {
		return lost(why, cap, strerror(errno));
	}
	enum pixels_boxed said = hear(&b, how, out, why, cap);
	(void)boxed_end(&b);
	return said;
}
