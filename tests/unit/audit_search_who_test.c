/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/search.h"
#include "audit_keys.h"

#include "audit_made.h"
#include "audit_search_made.h"
#include "audit_search_found.h"

/* Whom a record is of, where one thing has several names: certificates, and names of patients. */

/* ---- Certificates ---- */

static uint64_t put_certified(struct sealed_journal *j, const char *subject, int fingerprint, bool old)
{
	struct audit_event ev = event_of(AUDIT_QUERY, "P", "ct1");
	snprintf(ev.from.subject, sizeof(ev.from.subject), "%s", subject);
	ev.no_fingerprints = old;
	ev.from_certificate.known = fingerprint != 0;
	memset(ev.from_certificate.at, fingerprint, sizeof(ev.from_certificate.at));
	return sealed_put(j, &ev, JOURNAL_NONE, NULL);
}

static void assert_certified(const struct sealed_journal *j, const char *subject, int fingerprint,
	const uint64_t *wanted, unsigned n, unsigned n_by_subject, unsigned n_unknown)
{
	struct search_criteria c = SEARCH_ALL;
	uint8_t bytes[AUDIT_FINGERPRINT];
	unsigned by_subject = 0;
	memset(bytes, fingerprint, sizeof(bytes));
	c.certificate = subject;
	c.fingerprint = fingerprint ? bytes : NULL;
	find(j, &c, 0);
	assert_int_equal(found.n, n);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(found.hit[i].index, wanted[i]);
		by_subject += found.hit[i].by_subject;
	}
	assert_int_equal(by_subject, n_by_subject);
	assert_int_equal(found.totals.unnamed, n_unknown);
}

/*
 * Two certificates of one subject, and records of before fingerprints: each is found by its own, older ones by the subject and
 * said to be so, and where nothing is known that is counted.
 */
static void certificates(void **state)
{
	struct sealed_journal j;
	sealed_make(&j, people.to, 2);
	sealed_epoch(&j);
	uint64_t old = put_certified(&j, "CN=ct1", 0, true);
	uint64_t none = put_certified(&j, "", 0, true); /* plain, or without a subject */
	uint64_t one = put_certified(&j, "CN=ct1", 1, false), two = put_certified(&j, "CN=ct1", 2, false);
	uint64_t bare = put_certified(&j, "", 3, false), plain = put_certified(&j, "", 0, false);
	uint64_t stored = put_certified(&j, "CN=ct1", 0, false); /* as of an object in quarantine */
	sealed_commit(&j);
	assert_certified(&j, "CN=ct1", 0, (const uint64_t[]){old, one, two, stored}, 4, 0, 0);
	assert_certified(&j, "CN=ct1", 1, (const uint64_t[]){old, one, stored}, 3, 2, 0);
	assert_certified(&j, "CN=ct1", 2, (const uint64_t[]){old, two, stored}, 3, 2, 0);
	assert_certified(
		&j, "CN=other", 2, (const uint64_t[]){two}, 1, 0, 0); /* a file says its own subject */
	assert_certified(&j, NULL, 2, (const uint64_t[]){two}, 1, 0, 3);
	assert_int_equal(found.totals.unnamed_first, old);
	assert_int_equal(found.totals.unnamed_last, stored);
	assert_certified(&j, "", 3, (const uint64_t[]){bare}, 1, 0,
		2); /* either end of `none` may be of it, and the other end of `old` */
	assert_int_equal(found.totals.unnamed_last, none);
	assert_certified(&j, NULL, 4, NULL, 0, 0, 3);
	assert_true(plain > bare);
	sealed_done(&j);
}

static uint64_t put_issued(struct sealed_journal *j, const char *serial, const char *issuer, int fingerprint)
{
	struct audit_event ev = event_of(AUDIT_QUERY, "P", "ct1");
	snprintf(ev.to.subject, sizeof(ev.to.subject), "CN=ct1");
	snprintf(ev.to.serial, sizeof(ev.to.serial), "%s", serial);
	snprintf(ev.to.issuer, sizeof(ev.to.issuer), "%s", issuer);
	ev.to_certificate.known = fingerprint != 0;
	memset(ev.to_certificate.at, fingerprint, sizeof(ev.to_certificate.at));
	return sealed_put(j, &ev, JOURNAL_NONE, NULL);
}

static void assert_issued(const struct sealed_journal *j, struct search_criteria c, const uint64_t *wanted,
	unsigned n, unsigned n_unknown)
{
	c.from_ms = INT64_MIN;
	c.until_ms = INT64_MAX;
	c.end = UINT64_MAX;
	find(j, &c, 0);
	assert_int_equal(found.n, n);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(found.hit[i].index, wanted[i]);
		assert_false(found.hit[i].by_subject);
	}
	assert_int_equal(found.totals.unnamed, n_unknown);
}

/* By serial number, whose two authorities may each have given; what does not say of which it is is counted. */
static void serials(void **state)
{
	struct sealed_journal j;
	sealed_make(&j, people.to, 2);
	sealed_epoch(&j);
	uint64_t one = put_issued(&j, "4f2a", "CN=A", 1), two = put_issued(&j, "4f2a", "CN=B", 2);
	uint64_t three = put_issued(&j, "4f2b", "CN=A", 3);
	put_issued(&j, "", "", 1);              /* of before serial numbers */
	put_certified(&j, "CN=ct1", 0, false);  /* its subject alone, */
	put_certified(&j, "CN=other", 0, true); /* and before fingerprints */
	put_certified(&j, "", 0, false);        /* plain */
	sealed_commit(&j);
	assert_issued(&j, (struct search_criteria){.serial = "4f2a"}, (const uint64_t[]){one, two}, 2, 3);
	assert_issued(&j, (struct search_criteria){.serial = "4f2a", .certificate_issuer = "CN=B"},
		(const uint64_t[]){two}, 1, 3);
	assert_issued(&j, (struct search_criteria){.certificate_issuer = "CN=A"},
		(const uint64_t[]){one, three}, 2, 3);
	assert_issued(&j, (struct search_criteria){.certificate = "CN=ct1", .certificate_issuer = "CN=B"},
		(const uint64_t[]){two}, 1, 2);
	assert_issued(&j, (struct search_criteria){.serial = "2a"}, NULL, 0, 3);
	assert_issued(&j, (struct search_criteria){.serial = "4f2a", .certificate_issuer = ""}, NULL, 0, 3);
	sealed_done(&j);
}

/* One that was interrupted does not say whose it was, and where its beginning is away only tokens do: of no certificate. */
static void interrupted_and_away(void **state)
{
	struct sealed_journal j;
	struct audit_event ev = {.kind = AUDIT_INTERRUPTED, .outcome = AUDIT_MAJOR, .text = "cut"};
	sealed_make(&j, people.to, 2);
	sealed_epoch(&j);
	uint64_t other = put_issued(&j, "4f2a", "CN=A", 1), end = sealed_put(&j, &ev, other, "P");
	sealed_commit(&j);
	struct search_criteria c = SEARCH_ALL;
	c.patient = "P";
	find(&j, &c, 1);
	assert_int_equal(found.n, 2);
	assert_int_equal(found.hit[1].index, end);
	const struct search_criteria rows[] = {{.patient = "P", .serial = "4f2a"},
		{.patient = "P", .certificate_issuer = "CN=A"}, {.patient = "P", .certificate = "CN=ct1"}};
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		assert_issued(&j, rows[i], &other, 1, 0);
	}
	sealed_done(&j);
}

/* ---- Names ---- */

/* PS3.5 H.3, in UTF-8. */
#define YAMADA                                                                                               \
	"Yamada^Tarou=\xe5\xb1\xb1\xe7\x94\xb0^\xe5\xa4\xaa\xe9\x83\x8e=\xe3\x82\x84\xe3\x81\xbe\xe3\x81\xa0^\xe3\x81\x9f\xe3\x82\x8d\xe3\x81\x86"
#define KANJI "\xe5\xb1\xb1\xe7\x94\xb0^\xe5\xa4\xaa\xe9\x83\x8e"
#define KANA  "\xe3\x82\x84\xe3\x81\xbe\xe3\x81\xa0^\xe3\x81\x9f\xe3\x82\x8d\xe3\x81\x86"

static void put_named(struct sealed_journal *j, const char *patient, const char *name)
{
	struct audit_event ev = event_of(AUDIT_QUERY, patient, "ct1");
	snprintf(ev.patient_name, sizeof(ev.patient_name), "%s", name);
	sealed_put(j, &ev, JOURNAL_NONE, NULL);
}

static void assert_named(const struct sealed_journal *j, const char *name, unsigned n, unsigned most_opened)
{
	struct search_criteria c = SEARCH_ALL;
	c.name = name;
	for (unsigned all = 0; all < 2; all++) {
		c.open_all = all;
		find(j, &c, 0);
		assert_int_equal(found.n, n);
		for (unsigned i = 0; i < n; i++) {
			assert_string_equal(found.event[i].patient_name, YAMADA);
		}
		assert_true(all || found.totals.opened <= most_opened);
	}
}

/* By each group, and by what tokens there are: where a name has one of its first group alone, those of names are opened. */
static void groups_of_names(void **state)
{
	for (unsigned old = 0; old < 2; old++) {
		struct sealed_journal j;
		sealed_make(&j, people.to, 2);
		j.old_rules = old;
		sealed_epoch(&j);
		put_named(&j, "P1", YAMADA);
		put_named(&j, "P2", "Doe^Jane");
		put_named(&j, "P3", "");
		sealed_commit(&j);
		unsigned named = old ? 2 : 1;
		assert_named(&j, "yamada^tarou", 1, named);
		assert_named(&j, KANJI, 1, named);
		assert_named(&j, "=" KANJI "^^", 1, named);
		assert_named(&j, KANA, 1, named);
		assert_named(&j, "==" KANA, 1, named);
		assert_named(&j, YAMADA, 1, named);
		assert_named(&j, KANJI "=" KANA, 1, named);
		assert_named(&j, "Doe^John", 0, old ? 2 : 0);
		assert_named(&j, "Tarou^Yamada", 0, old ? 2 : 0);
		sealed_done(&j);
	}
}

/* An old journal that a newer gateway goes on with. */
static void groups_of_names_of_both_rules(void **state)
{
	struct sealed_journal j;
	sealed_make(&j, people.to, 2);
	j.old_rules = true;
	sealed_epoch(&j);
	put_named(&j, "P1", YAMADA);
	j.old_rules = false;
	sealed_epoch(&j);
	put_named(&j, "P2", YAMADA);
	put_named(&j, "P3", "Doe^Jane");
	sealed_commit(&j);
	assert_named(&j, KANA, 2, 2);
	sealed_done(&j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(certificates),
		cmocka_unit_test(serials),
		cmocka_unit_test(interrupted_and_away),
		cmocka_unit_test(groups_of_names),
		cmocka_unit_test(groups_of_names_of_both_rules),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
