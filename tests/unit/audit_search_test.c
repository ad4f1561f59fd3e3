/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/search.h"
#include "audit_keys.h"

#include "audit_made.h"
#include "audit_search_made.h"
#include "audit_search_found.h"

#include <sys/stat.h>

/* ---- Criteria ---- */

static void test_each_criterion(void **state)
{
	struct sealed_journal j;
	sealed_make(&j, people.to, 2);
	sealed_epoch(&j);
	struct audit_event ev = event_of(AUDIT_PATIENT_SHOWN, "P1", "ct1");
	snprintf(ev.patient_issuer, sizeof(ev.patient_issuer), "HOSPITAL");
	snprintf(ev.patient_name, sizeof(ev.patient_name), "Doe^Jane");
	snprintf(ev.study, sizeof(ev.study), "1.2.3");
	snprintf(ev.accession[0], sizeof(ev.accession[0]), "A1");
	ev.n_accession = 1;
	snprintf(ev.user, sizeof(ev.user), "anna");
	snprintf(ev.to.node, sizeof(ev.to.node), "archive");
	snprintf(ev.from.subject, sizeof(ev.from.subject), "CN=ct1");
	ev.refusal = 41;
	ev.outcome = AUDIT_SERIOUS;
	uint64_t index = sealed_put(&j, &ev, JOURNAL_NONE, NULL);
	ev = event_of(AUDIT_QUERY, "P2", "ct2");
	ev.association = 8;
	snprintf(ev.from.address, sizeof(ev.from.address), "10.1.1.8");
	sealed_put(&j, &ev, JOURNAL_NONE, NULL);
	sealed_commit(&j);
	const struct search_criteria cases[] = {{.patient = " P1 "}, {.patient = "P1", .issuer = "HOSPITAL"},
		{.name = "DOE^jane"}, {.study = "1.2.3"}, {.accession = "A1"}, {.user = "anna"},
		{.node = "ct1"}, {.node = "archive"}, {.address = "::ffff:10.1.1.7"},
		{.certificate = "CN=ct1"}, {.kinds = 1u << AUDIT_PATIENT_SHOWN},
		{.outcomes = 1u << AUDIT_SERIOUS}, {.refusal = 41}, {.association = 7},
		{.patient = "P1", .node = "archive", .user = "anna"}};
	const struct search_criteria none[] = {{.patient = "p1"}, {.patient = "P1", .issuer = "OTHER"},
		{.patient = "P1", .node = "ct2"}, {.kinds = 1u << AUDIT_LOGIN}, {.refusal = 42},
		{.user = "ann"}, {.certificate = "CN=ct"}, {.name = "Doe"}, {.outcomes = 1u << AUDIT_MAJOR}};
	for (unsigned who = 0; who < 2; who++) {
		for (unsigned all = 0; all < 2; all++) {
			for (unsigned i = 0; i < ARRAY_LEN(cases) + ARRAY_LEN(none); i++) {
				bool some = i < ARRAY_LEN(cases);
				struct search_criteria c = some ? cases[i] : none[i - ARRAY_LEN(cases)];
				c.from_ms = INT64_MIN;
				c.until_ms = INT64_MAX;
				c.end = UINT64_MAX;
				c.open_all = all;
				find(&j, &c, who);
				assert_int_equal(found.n, some);
				assert_int_equal(found.n_problems, 0);
				if (some) {
					assert_int_equal(found.hit[0].index, index);
					assert_string_equal(found.event[0].patient_id, "P1");
				}
			}
		}
	}
	sealed_done(&j);
}

static void test_nothing_left_of_a_criterion(void **state)
{
	struct sealed_journal j;
	struct search *s = NULL;
	struct search_criteria c = SEARCH_ALL;
	sealed_make(&j, people.to, 1);
	sealed_epoch(&j);
	sealed_commit(&j);
	c.patient = "   ";
	assert_int_equal(search_open(&j.folder.dir, 1, &people.opener[0], &c, NULL, NULL, &s), ERR_VALUE);
	sealed_done(&j);
}

/* A token that the event does not deserve finds nothing; and where tokens serve, few bodies are opened. */
static void test_tokens(void **state)
{
	struct sealed_journal j;
	struct search_criteria c = SEARCH_ALL;
	sealed_make(&j, people.to, 2);
	sealed_epoch(&j);
	for (unsigned i = 0; i < 100; i++) {
		char patient[16];
		snprintf(patient, sizeof(patient), "P%u", i);
		struct audit_event ev = event_of(AUDIT_PATIENT_SHOWN, patient, "ct1");
		sealed_put(&j, &ev, JOURNAL_NONE, i == 50 ? "P7" : NULL);
		if (i % 30 == 29) {
			sealed_commit(&j);
			sealed_epoch(&j);
		}
	}
	sealed_commit(&j);
	assert_true(made_count(&j.folder, FILE_SEGMENT) > 2);
	c.patient = "P7";
	find(&j, &c, 0);
	assert_int_equal(found.n, 1);
	assert_string_equal(found.event[0].patient_id, "P7");
	assert_int_equal(found.totals.opened, 2);
	assert_int_equal(found.totals.read, 104);
	c.open_all = true;
	find(&j, &c, 0);
	assert_int_equal(found.n, 1);
	assert_int_equal(found.totals.opened, 100);
	sealed_done(&j);
}

static void test_index_on_a_token(void **state)
{
	struct sealed_journal j;
	struct search_criteria c = SEARCH_ALL;
	sealed_make(&j, people.to, 2);
	j.index_away = true;
	sealed_epoch(&j);
	struct audit_event ev = event_of(AUDIT_PATIENT_SHOWN, "P1", "ct1");
	sealed_put(&j, &ev, JOURNAL_NONE, NULL);
	ev = event_of(AUDIT_PATIENT_SHOWN, "P2", "ct1");
	sealed_put(&j, &ev, JOURNAL_NONE, NULL);
	sealed_commit(&j);
	c.patient = "P2";
	find(&j, &c, 1);
	assert_int_equal(found.n, 1);
	assert_int_equal(found.totals.opened, 2);
	sealed_done(&j);
}

/* ---- Keys ---- */

static void test_wrong_key(void **state)
{
	struct sealed_journal j;
	struct search_criteria c = SEARCH_ALL;
	sealed_make(&j, people.to, 2);
	sealed_epoch(&j);
	struct audit_event ev = event_of(AUDIT_QUERY, "P1", "ct1");
	uint64_t first = sealed_put(&j, &ev, JOURNAL_NONE, NULL);
	sealed_put(&j, &ev, JOURNAL_NONE, NULL);
	sealed_commit(&j);
	find(&j, &c, 2);
	assert_int_equal(found.n, 0);
	assert_int_equal(found.totals.closed, 2);
	assert_int_equal(found.totals.closed_first, first);
	assert_int_equal(found.totals.closed_last, first + 1);
	assert_int_equal(found.totals.opened, 0);
	/* Who became an auditor later reads what was written later. */
	sealed_auditors(&j, people.to, 3 - 1);
	sealed_auditors(&j, people.to + 1, 2);
	sealed_put(&j, &ev, JOURNAL_NONE, NULL);
	sealed_commit(&j);
	c.patient = "P1";
	find(&j, &c, 2);
	assert_int_equal(found.n, 1);
	assert_int_equal(found.totals.closed, 2);
	find(&j, &c, 1);
	assert_int_equal(found.n, 3);
	assert_int_equal(found.totals.closed, 0);
	sealed_done(&j);
}

/* ---- Transfers ---- */

static void test_transfers(void **state)
{
	struct sealed_journal j;
	struct search_criteria c = SEARCH_ALL;
	uint64_t b[4];
	sealed_make(&j, people.to, 2);
	sealed_epoch(&j);
	for (unsigned i = 0; i < 4; i++) {
		char patient[16];
		snprintf(patient, sizeof(patient), "P%u", i);
		struct audit_event ev = event_of(AUDIT_BEGIN, patient, "ct1");
		b[i] = sealed_put(&j, &ev, JOURNAL_NONE, NULL);
	}
	sealed_progress(&j, b[0], 3);
	sealed_progress(&j, b[3], 2);
	struct audit_event ev = ended("P1", 5, 0);
	sealed_put(&j, &ev, b[1], NULL);
	sealed_epoch(&j);
	/* What succeeded in part is two records, perhaps with a key between them. */
	ev = ended("P2", 4, 0);
	uint64_t good = sealed_put(&j, &ev, b[2], NULL);
	sealed_epoch(&j);
	ev = ended("P2", 0, 2);
	ev.refusal = 9;
	uint64_t bad = sealed_put(&j, &ev, b[2], NULL);
	ev = (struct audit_event){.kind = AUDIT_INTERRUPTED, .outcome = AUDIT_MAJOR, .text = "cut"};
	sealed_put(&j, &ev, b[3], NULL);
	ev = ended("P4", 0, 1);
	ev.refusal = 10;
	sealed_put(&j, &ev, JOURNAL_NONE, NULL);
	sealed_commit(&j);
	find(&j, &c, 0);
	assert_int_equal(found.n, 5);
	const enum search_state states[] = {
		SEARCH_RUNNING, SEARCH_COMPLETE, SEARCH_PARTLY, SEARCH_INTERRUPTED, SEARCH_REFUSED};
	const uint64_t counts[] = {3, 5, 4, 0, 0}, failed[] = {0, 0, 2, 0, 1};
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(found.hit[i].state, states[i]);
		assert_int_equal(found.hit[i].count, i == 3 ? 2 : counts[i]);
		assert_int_equal(found.hit[i].failed, failed[i]);
		assert_int_equal(found.hit[i].at_least, i == 0 || i == 3);
	}
	assert_int_equal(found.hit[2].n_parts, 3);
	assert_int_equal(found.hit[2].part[1], good);
	assert_int_equal(found.hit[2].part[2], bad);
	assert_int_equal(found.hit[2].refusal, 9);
	assert_int_equal(found.hit[2].outcome, AUDIT_MINOR);
	assert_string_equal(found.event[3].patient_id, "P3");
	assert_string_equal(found.event[3].text, "begin of P3");
	c.outcomes = 1u << AUDIT_MAJOR;
	find(&j, &c, 0);
	assert_int_equal(found.n, 1);
	c.outcomes = 0;
	c.patient = "P2";
	find(&j, &c, 0);
	assert_int_equal(found.n, 1);
	assert_int_equal(found.hit[0].n_parts, 3);
	sealed_done(&j);
}

/* A transfer is of each time at which there is a record of it, and is told whole. */
/* Some segments of them. */
static void put_queries(struct sealed_journal *j)
{
	for (unsigned i = 0; i < 60; i++) {
		struct audit_event ev = event_of(AUDIT_QUERY, "Q", "ct1");
		sealed_put(j, &ev, JOURNAL_NONE, NULL);
		if (i % 20 == 0) {
			sealed_epoch(j);
			sealed_commit(j);
		}
	}
}

static void assert_under_way(
	const struct sealed_journal *j, const struct search_criteria *c, const uint64_t begun[4])
{
	find(j, c, 1);
	assert_int_equal(found.n, 3);
	assert_string_equal(found.event[0].patient_id, "P1");
	assert_string_equal(found.event[1].patient_id, "P2");
	assert_int_equal(found.hit[1].index, begun[2]);
	assert_int_equal(found.hit[1].count, 9);
	assert_int_equal(found.hit[2].index, begun[3]);
	assert_int_equal(found.hit[2].count, 4);
	assert_true(found.hit[2].at_least);
}

/* from: just after a record, as the next one is a second later. */
static void assert_without_records(const struct sealed_journal *j, int64_t from, const uint64_t begun[4])
{
	/* No record is of the time between two of them; and so with a search for one of those transfers. */
	struct search_criteria c = SEARCH_ALL;
	c.from_ms = from - 500;
	c.until_ms = from - 400;
	assert_under_way(j, &c, begun);
	assert_int_equal(found.totals.read, 0);
	c.patient = "P2";
	find(j, &c, 1);
	assert_int_equal(found.n, 1);
	/* Nor of the time after all, when P3 still goes on. */
	c = (struct search_criteria)SEARCH_ALL;
	c.from_ms = j->now_ms + 1;
	find(j, &c, 1);
	assert_int_equal(found.n, 1);
	assert_int_equal(found.hit[0].index, begun[3]);
	/* Nor of the time before all. */
	c.from_ms = 1;
	c.until_ms = 2;
	find(j, &c, 1);
	assert_int_equal(found.n, 0);
}

static void test_transfers_beside_the_scope(void **state)
{
	struct sealed_journal j;
	uint64_t b[4];
	sealed_make(&j, people.to, 2);
	sealed_epoch(&j);
	for (unsigned i = 0; i < 4; i++) {
		char patient[16];
		snprintf(patient, sizeof(patient), "P%u", i);
		struct audit_event ev = event_of(AUDIT_BEGIN, patient, "ct1");
		b[i] = sealed_put(&j, &ev, JOURNAL_NONE, NULL);
	}
	struct audit_event ev = ended("P0", 1, 0);
	sealed_put(&j, &ev, b[0], NULL);
	put_queries(&j);
	sealed_progress(&j, b[3], 4);
	int64_t from = j.now_ms + 1;
	uint64_t progress = sealed_progress(&j, b[1], 7);
	int64_t until = j.now_ms;
	put_queries(&j);
	ev = ended("P1", 9, 0);
	uint64_t last = sealed_put(&j, &ev, b[1], NULL);
	ev = ended("P1", 0, 3);
	sealed_put(&j, &ev, b[1], NULL);
	ev = ended("P2", 9, 0);
	sealed_put(&j, &ev, b[2], NULL);
	sealed_commit(&j);
	assert_true(made_count(&j.folder, FILE_SEGMENT) > 3);
	for (unsigned by_range = 0; by_range < 2; by_range++) {
		struct search_criteria c = SEARCH_ALL;
		if (by_range) {
			c.first = progress;
			c.end = progress + 1;
		} else {
			c.from_ms = from;
			c.until_ms = until;
		}
		find(&j, &c, 1);
		/* P2 was under way all the time, with no record of it, and P3 still is; P0 had ended. */
		assert_int_equal(found.n, by_range ? 1 : 3);
		assert_string_equal(found.event[0].patient_id, "P1");
		assert_int_equal(found.hit[0].index, b[1]);
		assert_int_equal(found.hit[0].part[1], last);
		assert_int_equal(found.hit[0].state, SEARCH_PARTLY);
		assert_int_equal(found.hit[0].count, 9);
		assert_int_equal(found.hit[0].failed, 3);
		assert_int_equal(found.totals.read, 1);
		assert_int_equal(found.totals.first, progress);
		assert_int_equal(found.totals.last, progress);
		c.under_way = by_range;
		assert_under_way(&j, &c, b);
		assert_int_equal(found.totals.read, 1);
		c.kinds = 1u << AUDIT_QUERY;
		find(&j, &c, 1);
		assert_int_equal(found.n, 0);
	}
	assert_without_records(&j, from, b);
	sealed_done(&j);
}

/* ---- Damage ---- */

static void flip(const struct sealed_journal *j, const char *name, size_t at)
{
	size_t len;
	uint8_t *bytes = made_read(j->folder.dir, name, &len);
	assert_true(at < len);
	bytes[at] ^= 0x40;
	made_write(j->folder.dir, name, bytes, len);
	free(bytes);
}

/* Where a record's payload ends, in the first segment. */
static size_t end_of_record(const struct sealed_journal *j, uint64_t index)
{
	struct segment *s;
	struct frame f;
	size_t at = 0;
	assert_int_equal(segment_open(&journal_io_system, j->folder.dir, 0, &s), 0);
	while (segment_next(s, &f) == 1) {
		if (f.index == index) {
			at = f.offset + FRAME_HEAD + f.payload.len;
		}
	}
	segment_free(s);
	assert_true(at > 0);
	return at;
}

static void test_damaged_in_the_middle(void **state)
{
	struct sealed_journal j;
	struct search_criteria c = SEARCH_ALL;
	char name[SEGMENT_NAME_LEN];
	sealed_make(&j, people.to, 2);
	sealed_epoch(&j);
	struct audit_event ev = event_of(AUDIT_BEGIN, "P0", "ct1");
	uint64_t begin = sealed_put(&j, &ev, JOURNAL_NONE, NULL);
	ev = event_of(AUDIT_QUERY, "P1", "ct1");
	uint64_t victim = sealed_put(&j, &ev, JOURNAL_NONE, NULL);
	ev = event_of(AUDIT_QUERY, "P2", "ct1");
	sealed_put(&j, &ev, JOURNAL_NONE, NULL);
	ev = ended("P0", 2, 0);
	sealed_put(&j, &ev, begin, NULL);
	sealed_commit(&j);
	segment_name(0, name);
	flip(&j, name, end_of_record(&j, victim) - 5);
	find(&j, &c, 0);
	assert_int_equal(found.n, 2);
	assert_int_equal(found.n_problems, 1);
	assert_int_equal(found.problem[0].kind, SEARCH_DAMAGED);
	assert_int_equal(found.problem[0].first, victim);
	assert_int_equal(found.problem[0].end, victim + 1);
	/* Of a transfer whose beginning is damaged, the end says the same; and the damage is told. */
	flip(&j, name, end_of_record(&j, victim) - 5);
	flip(&j, name, end_of_record(&j, begin) - 5);
	c.patient = "P0";
	find(&j, &c, 0);
	assert_int_equal(found.n, 1);
	assert_int_equal(found.hit[0].state, SEARCH_COMPLETE);
	assert_int_equal(found.n_problems, 2);
	assert_int_equal(found.problem[1].kind, SEARCH_AWAY);
	assert_int_equal(found.problem[1].key, begin);
	/* Without the epoch's key nothing of it opens, and each record is told. */
	flip(&j, name, end_of_record(&j, begin) - 5);
	flip(&j, name, end_of_record(&j, 0) - 5);
	c.patient = NULL;
	find(&j, &c, 0);
	assert_int_equal(found.n, 0);
	assert_int_equal(found.problem[1].kind, SEARCH_NO_KEY);
	assert_int_equal(found.problem[1].key, 0);
	assert_int_equal(found.problem[1].first, begin);
	assert_int_equal(found.problem[1].end, begin + 4);
	sealed_done(&j);
}

/* A frame that is whole, of a record that was not sealed with its head: written by who has no key. */
static void test_forged_body(void **state)
{
	struct sealed_journal j;
	struct search_criteria c = SEARCH_ALL;
	sealed_make(&j, people.to, 2);
	sealed_epoch(&j);
	char body[128];
	struct journal_record r = made_record(5, body);
	uint64_t index;
	r.epoch = j.epoch;
	assert_int_equal(journal_append(j.journal, &r, &index), 0);
	sealed_commit(&j);
	find(&j, &c, 0);
	assert_int_equal(found.n, 0);
	assert_int_equal(found.n_problems, 1);
	assert_int_equal(found.problem[0].kind, SEARCH_UNSEALED);
	assert_int_equal(found.problem[0].first, index);
	sealed_done(&j);
}

/* Segments that were handed over: found in the cold folder, missed without it. */
static void test_cold_folder(void **state)
{
	struct sealed_journal j;
	struct made_folder cold = made_folder();
	struct search_criteria c = SEARCH_ALL;
	char name[SEGMENT_NAME_LEN];
	sealed_make(&j, people.to, 2);
	sealed_epoch(&j);
	struct audit_event ev = event_of(AUDIT_BEGIN, "P0", "ct1");
	uint64_t begin = sealed_put(&j, &ev, JOURNAL_NONE, NULL);
	for (unsigned i = 0; i < 60; i++) {
		ev = event_of(AUDIT_QUERY, "Q", "ct1");
		sealed_put(&j, &ev, JOURNAL_NONE, NULL);
		sealed_commit(&j);
	}
	ev = ended("P0", 2, 0);
	sealed_put(&j, &ev, begin, NULL);
	sealed_commit(&j);
	segment_name(0, name);
	assert_int_equal(renameat(j.folder.dir, name, cold.dir, name), 0);
	c.patient = "P0";
	const int both[] = {j.folder.dir, cold.dir};
	find_in(both, 2, &c, 0);
	assert_int_equal(found.n, 1);
	assert_int_equal(found.hit[0].index, begin);
	assert_int_equal(found.n_problems, 0);
	find(&j, &c, 0);
	assert_int_equal(found.n, 0); /* its key is in the cold folder too */
	assert_int_equal(found.n_problems, 1);
	assert_int_equal(found.problem[0].kind, SEARCH_NO_KEY);
	made_folder_done(&cold);
	sealed_done(&j);
}

static void test_messages(void **state)
{
	struct sealed_journal j;
	struct search_criteria c = SEARCH_ALL;
	struct search *s = NULL;
	struct search_hit hit;
	static uint8_t xml[BODY_XML_MOST];
	size_t len;
	int e;
	sealed_make(&j, people.to, 2);
	sealed_epoch(&j);
	struct audit_event ev = event_of(AUDIT_BEGIN, "P0", "ct1");
	uint64_t begin = sealed_put(&j, &ev, JOURNAL_NONE, NULL);
	ev = ended("P0", 2, 0);
	sealed_put(&j, &ev, begin, NULL);
	sealed_commit(&j);
	assert_int_equal(search_open(&j.folder.dir, 1, &people.opener[0], &c, NULL, NULL, &s), 0);
	while ((e = search_next(s, &hit)) == ERR_AGAIN) {
	}
	assert_int_equal(e, 1);
	assert_int_equal(hit.n_parts, 2);
	assert_int_equal(search_message(s, 0, xml, sizeof(xml), &len), 0);
	assert_memory_equal(xml, "<AuditMessage n=\"begin of P0\"/>", len);
	assert_int_equal(search_message(s, 1, xml, sizeof(xml), &len), 0);
	assert_memory_equal(xml, "<AuditMessage n=\"transferred of P0\"/>", len);
	assert_int_equal(search_message(s, 2, xml, sizeof(xml), &len), ERR_MISSING);
	search_free(s);
	sealed_done(&j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_criterion),
		cmocka_unit_test(test_nothing_left_of_a_criterion),
		cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_index_on_a_token),
		cmocka_unit_test(test_wrong_key),
		cmocka_unit_test(test_transfers),
		cmocka_unit_test(test_transfers_beside_the_scope),
		cmocka_unit_test(test_damaged_in_the_middle),
		cmocka_unit_test(test_forged_body),
		cmocka_unit_test(test_cold_folder),
		cmocka_unit_test(test_messages),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
