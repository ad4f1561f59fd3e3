/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/log.h"
#include "gateway/lookup_state.h"
#include "pixels/cleaner_run.h"
#include "priv/sandbox.h"
#include "priv/spawn.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * Objects whose pixels are cleaned, each by a job: decoders of others run in it on bytes that nobody trusts. It has the stream that the
 * object comes and goes over, two files in memory, and nothing else, neither the log nor what its siblings have.
 */

#define CLEAN_MS    (300 * 1000LL)

#define OF_ONE      4                    /* objects of one association at once */
#define OF_ONE_NODE (CLEANS_WAITING / 2) /* and waiting ones of one node, so that others find a place */

/* Said in the parent's name: there is no job that could. */
static void refuse(int fd, const char *why)
{
	uint8_t bytes[CLEANER_END_MOST];
	struct span end = cleaner_put_end(CLEANER_LOST, why, bytes);
	(void)!send(fd, end.ptr, end.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	/* What is on its way to us must not take the reply with it: the other end closes first, or is not there. */
	(void)shutdown(fd, SHUT_WR);
	close(fd);
}

static unsigned cleans_of(const struct lookup *l, int64_t id)
{
	unsigned n = 0;
	for (unsigned i = 0; i < JOBS_MOST; i++) {
		n += l->jobs[i].kind == JOB_CLEAN && l->jobs[i].id == id;
	}
	for (unsigned i = 0; i < l->cleaning.n_waiting; i++) {
		n += l->cleaning.waiting[i].id == id;
	}
	return n;
}

/*
 * Loaded once, when the first object comes that needs it: it takes tens of milliseconds, that of videos hundreds, and a job a few. Nothing of it runs here, but what its libraries
 * do when they are loaded. Where it is not there it is looked for again.
 */
static void load_modules(struct cleaning *c, bool video)
{
	struct clean_job *j = &c->job;
	if (!j->codec &&
		cleaner_codec(c->module ? c->module : CODEC_MODULE, &j->codec, j->why, sizeof(j->why)) < 0) {
		j->codec = NULL;
	}
	if (video && j->codec && !j->video &&
		cleaner_video(c->video ? c->video : VIDEO_MODULE, &j->video, j->why, sizeof(j->why)) < 0) {
		j->video = NULL;
	}
}

/* ---- Whose turn it is ---- */

/* What is before what: those of nodes that have no job, and of associations that have none, and then as they came. */
struct place {
	bool node_has, has;
	uint64_t node_turn, turn;
};

static struct place place_of(const struct lookup *l, const struct waiting_object *w)
{
	struct place p = {false, false, w->node_turn, w->turn};
	for (unsigned i = 0; i < JOBS_MOST; i++) {
		bool is = l->jobs[i].kind == JOB_CLEAN;
		p.node_has = p.node_has || (is && l->jobs[i].node == w->node);
		p.has = p.has || (is && l->jobs[i].id == w->id);
	}
	return p;
}

static bool is_before(const struct place *a, const struct place *b)
{
	if (a->node_has != b->node_has) {
		return b->node_has;
	}
	if (a->node_turn != b->node_turn) {
		return a->node_turn < b->node_turn;
	}
	return a->has != b->has ? b->has : a->turn < b->turn;
}

/* The first of those of an association. NULL: none waits. */
static struct waiting_object *first_of(struct cleaning *c, int64_t id)
{
	for (unsigned i = 0; i < c->n_waiting; i++) {
		if (c->waiting[i].id == id) {
			return &c->waiting[i];
		}
	}
	return NULL;
}

/*
 * Round robin over the nodes, so that many associations of one have no more than one of another, and of each over its associations: who
 * waits has one object in the row, and comes to its end again when that begins. One that has a job already has another only where nobody
 * else waits.
 */
static unsigned next_of(const struct lookup *l)
{
	const struct cleaning *c = &l->cleaning;
	unsigned best = 0; /* the first that came is its association's first */
	struct place best_place = place_of(l, &c->waiting[0]);
	for (unsigned i = 1; i < c->n_waiting; i++) {
		struct place p = place_of(l, &c->waiting[i]);
		if (p.turn > 0 && is_before(&p, &best_place)) {
			best = i;
			best_place = p;
		}
	}
	return best;
}

struct waiting_object clean_take_next(struct lookup *l)
{
	struct cleaning *c = &l->cleaning;
	unsigned at = next_of(l);
	struct waiting_object w = c->waiting[at];
	memmove(c->waiting + at, c->waiting + at + 1, (--c->n_waiting - at) * sizeof(w));
	struct waiting_object *again = first_of(c, w.id);
	uint64_t turn = ++c->turns;
	if (again) {
		again->turn = turn;
	}
	for (unsigned i = 0; i < c->n_waiting; i++) {
		if (c->waiting[i].node == w.node) {
			c->waiting[i].node_turn = turn;
		}
	}
	return w;
}

void clean_asked(struct lookup *l, const struct message *m)
{
	struct cleaning *c = &l->cleaning;
	const struct waiting_object *other = NULL;
	struct waiting_object w = {.fd = m->fd,
		.id = MSG_CLEANING_ID(m->number),
		.node = MSG_CLEANING_NODE(m->number),
		.codec = MSG_CLEANING_CODEC(m->number),
		.video = MSG_CLEANING_VIDEO(m->number)};
	unsigned n_of_node = 0;
	for (unsigned i = 0; i < c->n_waiting; i++) {
		if (c->waiting[i].node == w.node) {
			other = &c->waiting[i];
			n_of_node++;
		}
	}
	if (c->n_waiting == CLEANS_WAITING || n_of_node >= OF_ONE_NODE || cleans_of(l, w.id) >= OF_ONE) {
		refuse(m->fd, "the pixels of too many objects are being cleaned at once");
		return;
	}
	if (w.codec) {
		load_modules(c, w.video);
	}
	w.turn = first_of(c, w.id) ? 0 : ++c->turns;
	w.node_turn = other ? other->node_turn : ++c->turns;
	c->waiting[c->n_waiting++] = w;
}

static void start(struct lookup *l, const struct waiting_object *w)
{
	struct job *j;
	bool child;
	l->cleaning.job.fd = w->fd;
	l->cleaning.job.decodes = w->codec;
	l->cleaning.job.is_video = w->video;
	if (job_fork(l, JOB_CLEAN, NULL, CLEAN_MS, &j, &child) != 0) {
		refuse(w->fd, "no process could be had to clean its pixels");
		return;
	}
	if (child) {
		_exit(job_clean(&l->cleaning.job));
	}
	j->id = w->id;
	j->node = w->node;
	close(w->fd);
}

void clean_start(struct lookup *l)
{
	struct cleaning *c = &l->cleaning;
	while (c->n_waiting > 0 && jobs_of(l, JOB_CLEAN) < JOBS_MOST_CLEAN) {
		struct waiting_object w = clean_take_next(l);
		start(l, &w);
	}
}

/* Who waits for it hears that it has ended; what a decoder did is told here. */
void clean_ended(const struct job *j, int status)
{
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGIO) {
		return; /* nobody waited for it any more */
	}
	if (WIFSIGNALED(status) && clock_mono_ms() >= j->deadline_ms) {
		log_event(LOG_LEVEL_ERROR, "pixels.slow",
			"a process that cleaned an object's pixels took too long, and was ended",
			LOG_NUMBER("seconds", CLEAN_MS / 1000));
	} else if (WIFSIGNALED(status)) {
		log_event(LOG_LEVEL_ERROR, "pixels.died",
			"a process that cleaned an object's pixels has died",
			LOG_NUMBER("signal", WTERMSIG(status)));
	}
}

/* ---- In the job ---- */

static void limit(int what, rlim_t most)
{
	const struct rlimit l = {.rlim_cur = most, .rlim_max = most};
	if (setrlimit(what, &l) < 0) {
		_exit(1);
	}
}

void clean_before_sandbox(struct lookup *l, bool ours, int channel)
{
	struct cleaning *c = &l->cleaning;
	for (unsigned i = 0; i < c->n_waiting; i++) {
		close(c->waiting[i].fd);
	}
	if (!ours) {
		return;
	}
	struct clean_job *j = &c->job;
	j->file = memfd_create("gantry-object", MFD_CLOEXEC);
	j->result = memfd_create("gantry-cleaned", MFD_CLOEXEC);
	if (j->file < 0 || j->result < 0) {
		_exit(1);
	}
	limit(RLIMIT_FSIZE, LIMIT_CLEANED);
#ifndef __SANITIZE_ADDRESS__
	limit(RLIMIT_AS, CLEAN_JOB_MEMORY);
#endif
	const int kept[] = {channel, j->fd, j->file, j->result, sandbox_fd(l->module_sandbox)};
	descriptors_keep(kept, ARRAY_LEN(kept));
}
