/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/inspect_job.h"
#include "cli/media.h"
#include "base/clock.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- Is it good? ---- */

static int inspect(const struct media *m, int fd, struct inspect_job *j)
{
	const struct inspect_how how = {.sandbox = m->sandbox, .seconds = m->seconds};
	int err = inspect_job_start(j, &how, fd);
	while (err == 0) {
		int64_t left = j->deadline_ms - clock_mono_ms();
		struct pollfd p = {.fd = j->fd, .events = POLLIN};
		(void)poll(&p, 1, left > 0 ? (int)left : 0);
		if (inspect_job_go_on(j, clock_mono_ms())) {
			break;
		}
	}
	return err;
}

int media_inspect(const struct media *m, const struct scrap *bytes, struct inspect_job *j,
	const struct inspect_check_row **ret_refused)
{
	const struct inspect_policy policy = inspect_policy_default();
	scrap_rewind(bytes);
	int err = inspect(m, bytes->fd, j);
	if (err == 0) {
		struct inspect_verdict v = inspect_judge(&j->said, &policy);
		*ret_refused = v.action >= ACTION_REFUSE ? inspect_check_row(v.check) : NULL;
	}
	return err;
}

/* ---- Is it there already? ---- */

static size_t *slot_of(const struct media *m, const char *sop_instance)
{
	uint64_t hash = 0xCBF29CE484222325u; /* FNV-1a; a disc that has collisions costs itself time */
	for (const char *c = sop_instance; *c; c++) {
		hash = (hash ^ (uint8_t)*c) * 0x100000001B3u;
	}
	size_t i = (size_t)hash & (m->n_by_uid - 1);
	while (m->by_uid[i] && strcmp(m->objects[m->by_uid[i] - 1].d.sop_instance, sop_instance) != 0) {
		i = (i + 1) & (m->n_by_uid - 1);
	}
	return &m->by_uid[i];
}

/* Room for one more, half of it free. */
static int make_room(struct media *m)
{
	if (m->n_by_uid > 2 * m->n_objects) {
		return 0;
	}
	size_t n = m->n_by_uid ? 2 * m->n_by_uid : 1024;
	size_t *more = calloc(n, sizeof(*more));
	if (!more) {
		return ERR_NO_MEMORY;
	}
	free(m->by_uid);
	m->by_uid = more;
	m->n_by_uid = n;
	for (size_t i = 0; i < m->n_objects; i++) {
		*slot_of(m, m->objects[i].d.sop_instance) = i + 1;
	}
	return 0;
}

static int again(struct media *m, const char *name, const struct scrap *bytes, const struct media_object *o)
{
	if (o->len == bytes->len && scrap_same(m->spool.fd, o->at, bytes->fd, 0, o->len)) {
		m->repeated++;
		return 0;
	}
	char why[1200];
	snprintf(why, sizeof(why), "it has the SOP Instance UID of %s, and other content", o->file);
	return media_add(&m->refused, name, NULL, why);
}

/* Of what was said of it: what is no mere note, and yet let it pass. */
static void keep_warnings(const struct inspect *said, struct media_object *o)
{
	for (unsigned c = 0; c < CHECK_N; c++) {
		if (said->counts[c] > 0 &&
			inspect_check_row((enum inspect_check)c)->severity == INSPECT_WARNING) {
			o->warned[c / 64] |= UINT64_C(1) << (c % 64);
		}
	}
}

static int keep(struct media *m, const char *name, const struct scrap *bytes, const struct described *d,
	const struct inspect *said)
{
	int err = media_add_object(m, name, d);
	if (err) {
		return err;
	}
	struct media_object *o = &m->objects[m->n_objects - 1];
	o->at = m->spool.len;
	o->len = bytes->len;
	keep_warnings(said, o);
	return scrap_copy(&m->spool, bytes->fd, bytes->len);
}

/* ---- A DICOMDIR ---- */

struct listing {
	struct media *m;
	const char *folder; /* that it stands in, */
	int length;         /* with its slash; 0: the root */
};

static int on_listed(void *arg, const char *path, const char *instance)
{
	const struct listing *l = arg;
	char whole[2048];
	(void)instance;
	snprintf(whole, sizeof(whole), "%.*s%s", l->length, l->folder, path);
	return media_add(&l->m->listed, whole, NULL, "");
}

static int take_directory(struct media *m, const char *name, int fd)
{
	size_t unread = 0;
	const char *slash = strrchr(name, '/');
	struct listing l = {.m = m, .folder = name, .length = slash ? (int)(slash - name) + 1 : 0};
	int err = describe_directory(m->sandbox, fd, m->seconds, on_listed, &l, &unread);
	m->directories++;
	m->unread += unread;
	return err == ERR_VALUE || err == ERR_TIMEOUT
	               ? media_add(&m->refused, name, NULL, "it is a DICOMDIR that cannot be read")
	               : err;
}

/* ---- All of it ---- */

int media_take_file(struct media *m, const char *name, const struct scrap *bytes)
{
	static struct inspect_job job;
	const struct inspect_check_row *row = NULL;
	struct described d;
	int err = media_inspect(m, bytes, &job, &row);
	if (err) {
		return err;
	}
	if (row) {
		return media_add(&m->refused, name, row->name, row->sentence);
	}
	err = describe(m->sandbox, bytes->fd, m->seconds, &d);
	if (err == ERR_VALUE || err == ERR_TIMEOUT) {
		return media_add(&m->refused, name, NULL, "it cannot be read to where it says whose it is");
	}
	if (err || d.directory) {
		return err ? err : take_directory(m, name, bytes->fd);
	}
	if (!d.sop_class[0] || !d.sop_instance[0] || d.data_at > bytes->len) {
		return media_add(&m->refused, name, NULL,
			"it does not say which object it is (SOP Class and Instance UID)");
	}
	err = make_room(m);
	if (err) {
		return err;
	}
	size_t *slot = slot_of(m, d.sop_instance);
	if (*slot) {
		return again(m, name, bytes, &m->objects[*slot - 1]);
	}
	err = keep(m, name, bytes, &d, &job.said);
	*slot = err ? 0 : m->n_objects;
	return err;
}
