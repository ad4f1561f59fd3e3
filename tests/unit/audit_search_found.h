/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_SEARCH_FOUND_H
#define AUDIT_SEARCH_FOUND_H

/* Who searches a journal of audit_search_made.h, and what they find. After that file. */

#include "audit/search.h"

static struct {
	EVP_PKEY *key[3]; /* X25519, P-256, a stranger's */
	struct hpke_opener opener[3];
	struct hpke_public to[3];
} people;

static inline int set_up(void **state)
{
	for (unsigned i = 0; i < 3; i++) {
		people.key[i] = fresh(i == 1 ? HPKE_P256 : HPKE_X25519);
		assert_int_equal(hpke_opener_of(people.key[i], &people.opener[i]), 0);
		people.to[i] = people.opener[i].public;
	}
	return 0;
}

static inline int tear_down(void **state)
{
	for (unsigned i = 0; i < 3; i++) {
		EVP_PKEY_free(people.key[i]);
	}
	return 0;
}

/* ---- Events ---- */

static inline struct audit_event event_of(enum audit_kind kind, const char *patient, const char *node)
{
	struct audit_event ev = {.kind = kind, .association = 7};
	snprintf(ev.patient_id, sizeof(ev.patient_id), "%s", patient);
	snprintf(ev.from.node, sizeof(ev.from.node), "%s", node);
	snprintf(ev.from.address, sizeof(ev.from.address), "10.1.1.7");
	snprintf(ev.text, sizeof(ev.text), "%s of %s", audit_kind_name(kind), patient);
	return ev;
}

static inline struct audit_event ended(const char *patient, uint32_t instances, uint64_t failed)
{
	struct audit_event ev = event_of(AUDIT_TRANSFERRED, patient, "ct1");
	if (instances > 0) {
		snprintf(ev.sop[0].uid, sizeof(ev.sop[0].uid), "1.2.840.10008.5.1.4.1.1.2");
		ev.sop[0].instances = instances;
		ev.n_sop = 1;
	}
	ev.failed = failed;
	ev.outcome = failed == 0 ? AUDIT_SUCCESS : AUDIT_MINOR;
	return ev;
}

/* ---- What is found ---- */

#define HITS_MOST 64

static struct {
	unsigned n;
	struct search_hit hit[HITS_MOST];
	struct audit_event event[HITS_MOST];
	unsigned n_problems;
	struct search_problem problem[16];
	struct search_totals totals;
} found;

static inline void keep_problem(void *arg, const struct search_problem *p)
{
	char text[300] = "";
	assert_true(found.n_problems < ARRAY_LEN(found.problem));
	found.problem[found.n_problems++] = *p;
	search_problem_text(p, text, sizeof(text));
	assert_true(strlen(text) > 20);
}

static inline void find_in(const int *dirs, size_t n_dirs, const struct search_criteria *c, unsigned who)
{
	struct search *s = NULL;
	int e;
	memset(&found, 0, sizeof(found));
	assert_int_equal(search_open(dirs, n_dirs, &people.opener[who], c, keep_problem, NULL, &s), 0);
	while ((e = search_next(s, &found.hit[found.n])) == 1 || e == ERR_AGAIN) {
		if (e == 1) {
			found.event[found.n] = *found.hit[found.n].event;
			found.n++;
			assert_true(found.n < HITS_MOST);
		}
	}
	assert_int_equal(e, 0);
	found.totals = *search_totals(s);
	search_free(s);
}

static inline void find(const struct sealed_journal *j, const struct search_criteria *c, unsigned who)
{
	find_in(&j->folder.dir, 1, c, who);
}

#endif
