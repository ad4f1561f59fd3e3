/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/door.h"
#include "cli/media.h"
#include "cli/scu.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TITLE "GANTRY"
#define WIDTH 40 /* of the bar */

struct sending {
	struct media *m;
	const char *control;
	size_t done;
	char said[256]; /* why the door did not open */
};

static int on_open(void *arg, int *ret_fd)
{
	struct sending *s = arg;
	const struct media *m = s->m;
	struct door d = {.why = DOOR_IMPORT,
		.makes = (m->deidentifies ? DOOR_DEIDENTIFIES : 0) | (m->signs ? DOOR_SIGNS : 0)};
	if (strlen(m->to) >= sizeof(d.to)) {
		snprintf(s->said, sizeof(s->said), "no node has so long a name");
		return ERR_LIMIT;
	}
	snprintf(d.to, sizeof(d.to), "%s", m->to);
	snprintf(d.flow, sizeof(d.flow), "%s", m->by);
	snprintf(d.note, sizeof(d.note), "%s", m->note);
	return door_open(s->control, &d, ret_fd, s->said, sizeof(s->said));
}

static void tell_progress(const struct sending *s)
{
	size_t n = s->m->n_objects, filled = s->done * WIDTH / n;
	if (s->m->progress) {
		fprintf(stderr, "\rsending [%.*s%.*s] %zu of %zu", (int)filled,
			"########################################", (int)(WIDTH - filled),
			"                                        ", s->done, n);
	}
}

static void on_told(void *arg, size_t index, int status, const char *comment)
{
	struct sending *s = arg;
	struct media_object *o = &s->m->objects[index];
	bool taken = scu_is_taken(status);
	o->status = status;
	o->comment = comment[0] ? strdup(media_printed(comment)) : NULL;
	s->m->n_sent += taken;
	s->m->n_failed += !taken;
	s->done++;
	tell_progress(s);
}

/* ---- Until somebody has had enough ---- */

static const int ends[] = {SIGINT, SIGTERM, SIGHUP};

static void end(int signal)
{
	static const char text[] =
		"\ngantry media: ends when the object that is on its way has its answer; at once if told again\n";
	(void)signal;
	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	scu_stop();
}

/* What was sent is there: that is said before the end. What is ignored, as by nohup(1), stays so. */
static void end_in_words(bool yes)
{
	const struct sigaction a = {.sa_handler = yes ? end : SIG_DFL, .sa_flags = (int)SA_RESETHAND};
	for (unsigned i = 0; i < ARRAY_LEN(ends); i++) {
		struct sigaction before;
		if (sigaction(ends[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN) {
			(void)sigaction(ends[i], &a, NULL);
		}
	}
}

bool media_send(struct media *m, const char *control)
{
	struct sending s = {.m = m, .control = control};
	struct scu_object *objects = calloc(m->n_objects, sizeof(*objects));
	if (!objects) {
		fprintf(stderr, "gantry media import: %s\n", err_str(ERR_NO_MEMORY));
		return false;
	}
	for (size_t i = 0; i < m->n_objects; i++) {
		const struct media_object *o = &m->objects[i];
		objects[i] = (struct scu_object){.sop_class = o->d.sop_class,
			.sop_instance = o->d.sop_instance,
			.transfer_syntax = o->d.transfer_syntax,
			.fd = m->spool.fd,
			.at = o->at + o->d.data_at,
			.len = o->len - o->d.data_at};
	}
	(void)signal(SIGPIPE, SIG_IGN);
	tell_progress(&s);
	end_in_words(true);
	(void)scu_store(on_open, &s, TITLE, TITLE, objects, m->n_objects, on_told);
	end_in_words(false);
	if (m->progress) {
		fputs("\r\033[K", stderr);
	}
	free(objects);
	if (s.said[0]) {
		fprintf(stderr, "gantry media import: %s\n", s.said);
	}
	return m->n_sent > 0 || !s.said[0];
}
