/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/media_convert.h"
#include "cli/inspect_job.h"
#include "cli/pixels_box.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SILENCE 120 /* seconds; a frame of a whole slide takes some */
#define MEMORY  (64u * 1024 * 1024)

bool media_is_other_syntax(const struct media_object *o)
{
	return strcmp(o->d.transfer_syntax, SYNTAX_EXPLICIT_LE) != 0;
}

/* ---- One object ---- */

static bool is_coded(const struct media_object *o)
{
	return encoding_coded(span_str(o->d.transfer_syntax)) != NULL;
}

/* RLE, what is deflated and frames as they are, are our own: the libraries of others are loaded for what needs them alone. */
static bool needs_codec(const struct media_object *o)
{
	const struct encoding_coded *c = encoding_coded(span_str(o->d.transfer_syntax));
	return c && !encoding_is_ours(c->coding);
}

static int copy_out(const struct media *m, const struct media_object *o, struct scrap *to)
{
	static uint8_t buf[64 * 1024];
	uint64_t at = o->at, left = o->len;
	while (left > 0) {
		ssize_t n =
			pread(m->spool.fd, buf, left < sizeof(buf) ? (size_t)left : sizeof(buf), (off_t)at);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		int e = n <= 0 ? ERR_SYSTEM : scrap_add(to, span_of(buf, (size_t)n));
		if (e < 0) {
			return e;
		}
		at += (uint64_t)n;
		left -= (uint64_t)n;
	}
	return 0;
}

/* What made it ran decoders of others on bytes of others: it is looked at once more, and is of whom the object was. */
static int look(struct media *m, const struct media_object *o, const struct scrap *fresh,
	struct described *ret_d, const char **ret_why)
{
	static struct inspect_job job;
	const struct inspect_check_row *refused = NULL;
	int e = media_inspect(m, fresh, &job, &refused);
	scrap_rewind(fresh);
	e = e ? e : describe(m->sandbox, fresh->fd, m->seconds, ret_d);
	if (e < 0 && e != ERR_VALUE && e != ERR_TIMEOUT) {
		return e;
	}
	const struct described *d = ret_d, *was = &o->d;
	bool same = e == 0 && strcmp(d->transfer_syntax, SYNTAX_EXPLICIT_LE) == 0 &&
	            strcmp(d->sop_class, was->sop_class) == 0 &&
	            strcmp(d->sop_instance, was->sop_instance) == 0 && strcmp(d->study, was->study) == 0 &&
	            strcmp(d->series, was->series) == 0 && strcmp(d->id, was->id) == 0 &&
	            strcmp(d->name, was->name) == 0;
	*ret_why = !same ? "it became something else" : refused ? refused->sentence : NULL;
	return *ret_why ? ERR_VALUE : 0;
}

/* Behind all others; the room of the old one is given back where the file system can. */
static int take_place(
	struct media *m, struct media_object *o, const struct scrap *fresh, const struct described *d)
{
	uint64_t at = m->spool.len;
	int e = scrap_copy(&m->spool, fresh->fd, fresh->len);
	if (e < 0) {
		return e == ERR_TRUNCATED ? ERR_SYSTEM : e;
	}
	(void)fallocate(m->spool.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)o->at, (off_t)o->len);
	o->at = at;
	o->len = fresh->len;
	o->d = *d;
	return 0;
}

/* ERR_VALUE: it cannot be, and why. */
static int make(struct media *m, const struct pixels_box_how *how, struct media_object *o, struct scrap *old,
	struct scrap *fresh, char *why, size_t cap)
{
	struct described d;
	const char *wrong = NULL;
	int e = scrap_new(old, MEMORY);
	e = e ? e : scrap_new(fresh, MEMORY);
	e = e ? e : copy_out(m, o, old);
	if (e < 0) {
		return e;
	}
	if (pixels_box(how, old->fd, fresh, why, cap) != CLEANER_CLEANED) {
		return ERR_VALUE;
	}
	e = look(m, o, fresh, &d, &wrong);
	if (e == ERR_VALUE) {
		snprintf(why, cap, "%s", wrong);
	}
	e = e < 0 ? e : take_place(m, o, fresh, &d);
	if (e == ERR_SYSTEM && errno == ENOSPC) {
		snprintf(why, cap, "there is no room in TMPDIR for what it would become");
		return ERR_VALUE;
	}
	return e;
}

static int convert_one(
	struct media *m, const struct pixels_box_how *how, struct media_conversion *c, struct media_object *o)
{
	char why[CLEANER_TEXT];
	struct scrap old = SCRAP_NONE, fresh = SCRAP_NONE;
	bool coded = is_coded(o);
	int e = make(m, how, o, &old, &fresh, why, sizeof(why));
	int kept = errno;
	scrap_done(&old);
	scrap_done(&fresh);
	errno = kept;
	c->converted += e == 0;
	c->decoded += e == 0 && coded;
	return e == ERR_VALUE ? media_add(&c->kept, o->file, NULL, why) : e;
}

/* ---- All of them ---- */

static void tell_progress(const struct media *m, size_t i)
{
	if (m->progress && i < m->n_objects) {
		fprintf(stderr, "\rconverting: %zu of %zu", i + 1, m->n_objects);
	} else if (m->progress) {
		fputs("\r\033[K", stderr);
	}
}

static int convert_all(struct media *m, struct media_conversion *c, struct pixels_box_how *how)
{
	char why[160];
	bool tried = false;
	for (size_t i = 0; i < m->n_objects; i++) {
		struct media_object *o = &m->objects[i];
		if (!media_is_other_syntax(o)) {
			continue;
		}
		tell_progress(m, i);
		if (!c->keep_coded && !tried && needs_codec(o)) {
			/* Without it what needs it stays, and says so. */
			tried = true;
			(void)!cleaner_codec(CODEC_MODULE, &how->cleaner.codecs.codec, why, sizeof(why));
		}
		int e = convert_one(m, how, c, o);
		if (e < 0) {
			return e;
		}
	}
	tell_progress(m, m->n_objects);
	return 0;
}

int media_convert(struct media *m, struct media_conversion *c)
{
	struct sandbox *sandbox = NULL;
	int e = 0;
	if (!c->off) {
		e = sandbox_new(SANDBOX_PROOF, NULL, 0, &sandbox);
		struct pixels_box_how how = {.sandbox = sandbox,
			.cleaner = {.converts = true, .decodes = !c->keep_coded},
			.seconds = SILENCE};
		e = e ? e : convert_all(m, c, &how);
		sandbox_free(sandbox);
	}
	for (size_t i = 0; i < m->n_objects; i++) {
		c->others += media_is_other_syntax(&m->objects[i]);
	}
	return e;
}

/* ---- What is said of it ---- */

void media_conversion_show(const struct media_conversion *c, size_t n_objects)
{
	if (c->converted > 0) {
		printf("\n%zu of %zu objects become Explicit VR Little Endian", c->converted, n_objects);
		if (c->decoded > 0) {
			printf(", %zu of them decompressed (larger; --keep-compressed and --keep-transfer-syntax leave them)",
				c->decoded);
		}
		putchar('\n');
	}
	if (c->others > 0) {
		printf("\n%zu of %zu objects %s not in Explicit VR Little Endian, the one transfer syntax of STD-GEN-SEC (PS3.11 D.3.1), and "
		       "%s: not every reader of such discs can read %s\n",
			c->others, n_objects, c->others == 1 ? "is" : "are",
			c->others == 1 ? "stays as it is" : "stay as they are",
			c->others == 1 ? "it" : "them");
	}
	media_show_names(&c->kept, true);
}
