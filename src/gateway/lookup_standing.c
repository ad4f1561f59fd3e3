/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/log.h"
#include "gateway/lookup_state.h"

#include <limits.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What authorities say of certificates, remembered; revocation lists that are fetched; our own certificates' answers. */

#define STANDING_MS 7000 /* the association waits a little longer */
#define LIST_MS     30000
#define RETRY_S     30

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Milliseconds until something that holds until until_s is asked for again. */
static int64_t again_in_ms(const struct lookup *l, int64_t until_s)
{
	int64_t left = (until_s - clock_wall_ms() / 1000) / 2;
	left = left < 1 ? 1 : left;
	return least(left, l->site->revocation_again) * 1000;
}

static int64_t retry_in_ms(const struct lookup *l)
{
	return least(RETRY_S, l->site->revocation_again) * 1000;
}

/* ---- The site ---- */

static int read_lists(const struct site *s, struct fetched *ret, const struct fetched *old, unsigned n_old)
{
	unsigned n = 0;
	for (unsigned i = 0; i < s->n_crl; i++) {
		if (!blob_is_url(&s->crl[i])) {
			continue;
		}
		ret[n] = (struct fetched){.url = s->crl[i].path, .fd = -1};
		for (unsigned k = 0; k < n_old; k++) {
			if (strcmp(old[k].url, ret[n].url) == 0 && old[k].fd >= 0) {
				ret[n].fd = dup(old[k].fd);
			}
		}
		n++;
	}
	return (int)n;
}

static void forget(struct lookup *l)
{
	for (unsigned i = 0; i < l->n_lists; i++) {
		if (l->lists[i].fd >= 0) {
			close(l->lists[i].fd);
		}
	}
	free(l->lists);
	free(l->own);
	free(l->trust);
	site_free(l->site);
	l->lists = NULL;
	l->own = NULL;
	l->trust = NULL;
	l->site = NULL;
	l->n_lists = 0;
}

/* What was said under another configuration is not known any more; who waits for it is answered by the new one. */
static void ask_all_again(struct lookup *l)
{
	for (unsigned i = 0; i < l->n_entries; i++) {
		struct entry *e = l->entries[i];
		e->said = (struct standing){.state = STANDING_UNKNOWN};
		e->again_ms = 0;
		e->due = e->due || e->asking || e->n_waiting > 0;
		e->asking = false;
	}
}

void standing_site(struct lookup *l, struct site *fresh)
{
	struct fetched *lists = calloc(fresh->n_crl + 1, sizeof(*lists));
	struct own *own = calloc(fresh->n_identities + 1, sizeof(*own));
	struct span *trust = calloc(fresh->n_trust + 1, sizeof(*trust));
	if (!lists || !own || !trust) {
		log_say(LOG_LEVEL_ERROR, "lookup.failed", "%s", err_str(ERR_NO_MEMORY));
		free(lists);
		free(own);
		free(trust);
		site_free(fresh);
		return;
	}
	int n = read_lists(fresh, lists, l->lists, l->n_lists);
	forget(l);
	for (unsigned i = 0; i < fresh->n_trust; i++) {
		trust[i] = fresh->trust[i].bytes;
	}
	l->site = fresh;
	l->number++;
	l->lists = lists;
	l->n_lists = (unsigned)n;
	l->own = own;
	l->trust = trust;
	ask_all_again(l);
}

/* ---- Who asks ---- */

static void answer(struct lookup *l, int64_t id, const struct standing *s, int64_t again_ms)
{
	static struct message m;
	int64_t left = (again_ms - clock_mono_ms()) / 1000;
	m = (struct message){.type = MSG_STANDING, .fd = -1};
	m.number = id;
	m.standing.state = (uint8_t)s->state;
	m.standing.again_s = left < 1 ? 1 : (uint32_t)least(left, UINT32_MAX);
	snprintf(m.text, sizeof(m.text), "%s", s->why);
	lookup_tell_gate(l, &m);
}

static void answer_none(struct lookup *l, int64_t id, const char *why)
{
	struct standing none = {.state = STANDING_UNKNOWN};
	snprintf(none.why, sizeof(none.why), "may have been revoked: %s", why);
	answer(l, id, &none, clock_mono_ms());
}

/* The one that was unused longest, of those that nobody waits for, makes room. */
static bool make_room(struct lookup *l)
{
	unsigned oldest = ENTRIES_MOST;
	if (l->n_entries < ENTRIES_MOST) {
		return true;
	}
	for (unsigned i = 0; i < l->n_entries; i++) {
		const struct entry *e = l->entries[i];
		if (e->n_waiting == 0 && !e->asking &&
			(oldest == ENTRIES_MOST || e->used < l->entries[oldest]->used)) {
			oldest = i;
		}
	}
	if (oldest == ENTRIES_MOST) {
		return false;
	}
	/* It stays in its place, empty: jobs name entries by their places. */
	struct entry *e = l->entries[oldest];
	free(e->chain);
	free(e->staple);
	free(e->waiting);
	*e = (struct entry){0};
	return true;
}

static struct entry *find(struct lookup *l, const uint8_t key[32])
{
	for (unsigned i = 0; i < l->n_entries; i++) {
		if (memcmp(l->entries[i]->key, key, 32) == 0) {
			return l->entries[i];
		}
	}
	return NULL;
}

static struct entry *add(struct lookup *l, const uint8_t key[32])
{
	struct entry *e = NULL;
	if (!make_room(l)) {
		return NULL;
	}
	for (unsigned i = 0; i < l->n_entries && !e; i++) {
		e = l->entries[i]->chain ? NULL : l->entries[i];
	}
	if (!e) {
		e = calloc(1, sizeof(*e));
		if (!e) {
			return NULL;
		}
		l->entries[l->n_entries++] = e;
	}
	memcpy(e->key, key, 32);
	return e;
}

static int copy_of(struct span s, uint8_t **ret_copy)
{
	uint8_t *copy = malloc(s.len);
	if (!copy) {
		return ERR_NO_MEMORY;
	}
	memcpy(copy, s.ptr, s.len);
	*ret_copy = copy;
	return 0;
}

static int keep_chain(struct entry *e, struct span chain)
{
	int err = e->chain ? 0 : copy_of(chain, &e->chain);
	e->len = e->chain ? chain.len : 0;
	return err;
}

/* The last one counts; without memory for it the authority is asked. */
static void keep_staple(struct entry *e, struct span staple)
{
	uint8_t *copy = NULL;
	if (staple.len > 0 && copy_of(staple, &copy) == 0) {
		free(e->staple);
		e->staple = copy;
		e->staple_len = staple.len;
	}
}

static int add_waiting(struct entry *e, int64_t id)
{
	if (e->n_waiting == e->cap_waiting) {
		unsigned cap = e->cap_waiting * 2 + 4;
		int64_t *grown = realloc(e->waiting, cap * sizeof(*grown));
		if (!grown) {
			return ERR_NO_MEMORY;
		}
		e->waiting = grown;
		e->cap_waiting = cap;
	}
	e->waiting[e->n_waiting++] = id;
	return 0;
}

void standing_asked(struct lookup *l, const struct message *m)
{
	struct span chain, staple;
	uint8_t key[SHA256_DIGEST_LENGTH];
	if (!l->site || chain_split(m->bytes, &chain, &staple) != 0) {
		answer_none(l, m->number, "its certificates could not be read");
		return;
	}
	(void)SHA256(chain.ptr, chain.len, key);
	struct entry *e = find(l, key);
	e = e ? e : add(l, key);
	if (!e || keep_chain(e, chain) != 0) {
		answer_none(l, m->number, "too many certificates are asked about at once");
		return;
	}
	e->used = ++l->tick;
	if (clock_mono_ms() < e->again_ms) {
		answer(l, m->number, &e->said, e->again_ms);
		return;
	}
	if (add_waiting(e, m->number) != 0) {
		answer_none(l, m->number, err_str(ERR_NO_MEMORY));
		return;
	}
	keep_staple(e, staple);
	e->due = !e->asking;
}

void standing_forget_gate(struct lookup *l)
{
	for (unsigned i = 0; i < l->n_entries; i++) {
		l->entries[i]->n_waiting = 0;
	}
	for (unsigned i = 0; l->site && i < l->site->n_identities; i++) {
		l->own[i].next_ms = 0;
	}
}

/* ---- Answers ---- */

static void take_standing(struct lookup *l, struct entry *e, const struct message *m)
{
	int64_t now_s = clock_wall_ms() / 1000, wait = retry_in_ms(l);
	struct standing s = {
		.state = STANDING_UNKNOWN, .why = "may have been revoked: nobody answered in time"};
	if (m && m->type == MSG_STANDING) {
		s = (struct standing){.state = (enum standing_state)m->standing.state, .until_s = m->number};
		snprintf(s.why, sizeof(s.why), "%.190s", m->text);
	}
	e->asking = e->due = false;
	if (s.state != STANDING_UNKNOWN) {
		wait = again_in_ms(l, s.until_s);
	}
	/* What was said before holds as long as it was said to. */
	if (s.state != STANDING_UNKNOWN || e->said.state == STANDING_UNKNOWN || now_s >= e->said.until_s) {
		e->said = s;
	}
	e->again_ms = clock_mono_ms() + wait;
	for (unsigned i = 0; i < e->n_waiting; i++) {
		answer(l, e->waiting[i], &e->said, e->again_ms);
	}
	e->n_waiting = 0;
}

/* Said once, and once when it is mended. */
static void say_source(const char *what, const char *name, bool *failing, bool fails, const char *why)
{
	if (fails && !*failing) {
		log_event(LOG_LEVEL_WARNING, "revocation.silent", why[0] ? why : "nobody answered in time",
			LOG_TEXT("what", what), LOG_TEXT("name", name));
	} else if (!fails && *failing) {
		log_event(LOG_LEVEL_NOTICE, "revocation.answers", "it is answered again",
			LOG_TEXT("what", what), LOG_TEXT("name", name));
	}
	*failing = fails;
}

static void take_list(struct lookup *l, struct fetched *f, const struct message *m)
{
	bool good = m && m->type == MSG_LIST;
	f->asking = false;
	say_source("list", f->url, &f->failing, !good, m ? m->text : "");
	f->next_ms = clock_mono_ms() + (good ? again_in_ms(l, m->number) : retry_in_ms(l));
	if (!good) {
		return;
	}
	if (f->fd >= 0) {
		close(f->fd);
	}
	f->fd = m->fd;
	/* Nobody is taken on the word of an older list. */
	for (unsigned i = 0; i < l->n_entries; i++) {
		l->entries[i]->again_ms = 0;
		l->entries[i]->said.until_s = 0;
	}
}

static void take_staple(struct lookup *l, unsigned identity, const struct message *m)
{
	static struct message none;
	struct own *o = &l->own[identity];
	const struct blob *file = &l->site->identities[identity].certificate;
	bool good = m && m->type == MSG_STAPLE;
	uint8_t hash[SHA256_DIGEST_LENGTH];
	o->asking = false;
	say_source("staple", file->path, &o->failing, !good, m ? m->text : "");
	o->next_ms = clock_mono_ms() + (good ? again_in_ms(l, m->number) : retry_in_ms(l));
	if (good) {
		o->until_s = m->number;
		lookup_tell_gate(l, m);
	} else if (o->until_s && clock_wall_ms() / 1000 >= o->until_s) {
		o->until_s = 0;
		(void)SHA256(file->bytes.ptr, file->bytes.len, hash);
		none = (struct message){.type = MSG_STAPLE, .fd = -1, .bytes = {hash, sizeof(hash)}};
		lookup_tell_gate(l, &none);
	}
}

void standing_answered(struct lookup *l, const struct job *j, const struct message *m)
{
	if (j->site != l->number) {
		if (m && m->fd >= 0) {
			close(m->fd);
		}
		return; /* it was asked again under the new configuration */
	}
	if (j->kind == JOB_STANDING) {
		take_standing(l, l->entries[j->index], m);
	} else if (j->kind == JOB_LIST) {
		take_list(l, &l->lists[j->index], m);
	} else {
		take_staple(l, j->index, m);
	}
}

/* ---- Jobs ---- */

static void run_job(struct lookup *l, enum job_kind kind, unsigned index, int64_t wait_ms, bool *ret_asking)
{
	static struct message reply;
	struct job *j;
	bool child;
	if (job_fork(l, kind, NULL, wait_ms, &j, &child) != 0) {
		return; /* tried again when another ends */
	}
	j->index = index;
	*ret_asking = true;
	if (!child) {
		return;
	}
	if (kind == JOB_STANDING) {
		const struct entry *e = l->entries[index];
		job_standing(l, span_of(e->chain, e->len), span_of(e->staple, e->staple_len), &reply);
	} else if (kind == JOB_LIST) {
		job_list(l, index, &reply);
	} else {
		job_staple(l, index, &reply);
	}
	(void)!message_send(j->fd, &reply);
	_exit(0);
}

/* At the start there is no list yet: who calls waits for the first try, and is not judged without it. */
static bool lists_were_tried(const struct lookup *l)
{
	for (unsigned i = 0; i < l->n_lists; i++) {
		if (l->lists[i].fd < 0 && !l->lists[i].failing) {
			return false;
		}
	}
	return true;
}

int64_t standing_start_due(struct lookup *l, int64_t now_ms)
{
	int64_t next = INT64_MAX;
	for (unsigned i = 0; i < l->n_lists; i++) {
		struct fetched *f = &l->lists[i];
		if (!f->asking && now_ms >= f->next_ms) {
			run_job(l, JOB_LIST, i, LIST_MS, &f->asking);
		}
		next = f->asking ? next : least(next, f->next_ms);
	}
	for (unsigned i = 0; l->site && l->site->ocsp_staple && i < l->site->n_identities; i++) {
		struct own *o = &l->own[i];
		if (!o->asking && now_ms >= o->next_ms) {
			run_job(l, JOB_STAPLE, i, STANDING_MS, &o->asking);
		}
		next = o->asking ? next : least(next, o->next_ms);
	}
	for (unsigned i = 0; i < l->n_entries && lists_were_tried(l); i++) {
		struct entry *e = l->entries[i];
		if (e->due && !e->asking && jobs_of(l, JOB_STANDING) < JOBS_MOST_STANDING) {
			run_job(l, JOB_STANDING, i, STANDING_MS, &e->asking);
			e->due = !e->asking;
		}
	}
	/* No slot was free: one that ends wakes us. */
	return next <= now_ms ? now_ms + 1000 : next;
}
