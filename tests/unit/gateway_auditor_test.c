/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway_auditor_made.h"

#include <arpa/inet.h>

/*
 * The auditor against associations that were taken over, and against tellers that go at the worst moment: nobody's records
 * but their own suffer.
 */

/* ---- Tests ---- */

static void nobody_ends_anothers_transfer(void **state)
{
	(void)state;
	uint64_t who = 0;
	struct puppet good = puppet(1), bad = puppet(2);
	int64_t number = begins(&good, "P1");
	tell(&bad, AUDIT_TRANSFERRED, number, "P1");
	tell(&bad, AUDIT_PROGRESS, number, "P1");
	batch_write(&a);
	assert_true(answer(&bad) >= 0);
	assert_int_equal(recorded(AUDIT_TRANSFERRED, (uint64_t)number, &who), 0);
	assert_non_null(open_find(&a, (uint64_t)number));
	assert_int_equal(open_find(&a, (uint64_t)number)->count, 0);
	tell(&good, AUDIT_TRANSFERRED, number, "P1");
	tell(&good, AUDIT_TRANSFERRED, number, "P1"); /* twice ends it once */
	batch_write(&a);
	assert_int_equal(recorded(AUDIT_TRANSFERRED, (uint64_t)number, &who), 1);
	assert_int_equal(who, 1); /* and not 999, as it said */
	assert_null(open_find(&a, (uint64_t)number));
	done(&good);
	done(&bad);
}

/* Found when the journal was opened: only an association of that number may have it. */
static void nobody_claims_what_was_found(void **state)
{
	(void)state;
	uint64_t who = 0;
	struct puppet good = puppet(7), bad = puppet(8), late = puppet(7);
	int64_t number = begins(&good, "P1");
	journal_close(a.journal);
	forget_open();
	opens();
	assert_non_null(open_find(&a, (uint64_t)number));
	tell(&bad, AUDIT_TRANSFERRED, number, "P1");
	batch_write(&a);
	assert_int_equal(recorded(AUDIT_TRANSFERRED, (uint64_t)number, &who), 0);
	tell(&late, AUDIT_TRANSFERRED, number, "P1");
	batch_write(&a);
	int64_t end = answer(&late);
	assert_int_equal(recorded(AUDIT_TRANSFERRED, (uint64_t)number, &who), 1);
	/* Its answer is lost with the auditor: told again it is the same record, and another association's is not. */
	journal_close(a.journal);
	forget_open();
	opens();
	tell(&late, AUDIT_TRANSFERRED, number, "P1");
	tell(&bad, AUDIT_TRANSFERRED, number, "P1");
	batch_write(&a);
	assert_int_equal(answer(&late), end);
	assert_int_equal(recorded(AUDIT_TRANSFERRED, (uint64_t)number, &who), 1);
	done(&good);
	done(&bad);
	done(&late);
}

/* Whatever an association says, its caller's address is what the gate says. */
static void the_address_is_the_gates(void **state)
{
	static const uint8_t addresses[][4] = {
		{192, 0, 2, 7}, {0, 0, 0, 0}, {255, 255, 255, 255}, {10, 99, 100, 9}, {1, 10, 109, 200}};
	(void)state;
	for (unsigned i = 0; i <= ARRAY_LEN(addresses); i++) {
		char wanted[46] = "2001:db8::1";
		struct puppet p = puppet(1);
		if (i < ARRAY_LEN(addresses)) {
			memset(&p.t->ip, 0, sizeof(p.t->ip));
			memset(&p.t->ip.s6_addr[10], 0xff, 2);
			memcpy(&p.t->ip.s6_addr[12], addresses[i], 4);
			assert_non_null(inet_ntop(AF_INET, addresses[i], wanted, sizeof(wanted)));
		} else {
			assert_int_equal(inet_pton(AF_INET6, wanted, &p.t->ip), 1);
		}
		int64_t number = begins(&p, "P1");
		assert_string_equal(open_find(&a, (uint64_t)number)->ev.from.address, wanted);
		done(&p);
	}
}

static void a_flood_of_beginnings_ends(void **state)
{
	(void)state;
	struct puppet good = puppet(1), bad = puppet(2);
	unsigned taken = 0, refused = 0;
	int64_t number;
	for (unsigned i = 0; i < 200; i++) {
		tell(&bad, AUDIT_BEGIN, -1, "FLOOD");
		if (i % 10 == 0) {
			tell(&good, AUDIT_LOGIN, -1, "P1");
		}
		while ((number = answer(&bad)) != INT64_MIN) {
			taken += number >= 0;
			refused += number == ERR_LIMIT;
		}
	}
	batch_write(&a);
	while ((number = answer(&bad)) != INT64_MIN) {
		taken += number >= 0;
		refused += number == ERR_LIMIT;
	}
	assert_int_equal(taken, OPEN_MOST);
	assert_int_equal(refused, 200 - OPEN_MOST);
	for (unsigned i = 0; i < 20; i++) {
		assert_true(answer(&good) >= 0);
	}
	done(&bad);
	assert_null(a.open);
	done(&good);
}

static void what_is_wrong_with_one_is_no_others_fault(void **state)
{
	(void)state;
	static uint8_t noise[LIMIT_IDENTIFIER];
	struct puppet good = puppet(1), bad = puppet(2);
	memset(noise, 0xEE, sizeof(noise));
	tell(&bad, AUDIT_BEGIN, -1, "B1");
	batch_take(&a, bad.t, -1, span_of(noise, sizeof(noise)));
	tell(&bad, AUDIT_BEGIN, -1, "UNWRITABLE");
	tell(&bad, AUDIT_START, -1, "B2"); /* not an association's to tell */
	tell(&good, AUDIT_BEGIN, -1, "P1");
	batch_take(&a, bad.t, -1, span_of(noise, 3));
	tell(&bad, AUDIT_BEGIN, -1, "B3");
	batch_write(&a);
	/* In the order of the events. */
	assert_true(answer(&bad) >= 0);
	assert_true(answer(&bad) < 0);
	assert_int_equal(answer(&bad), ERR_SPACE);
	assert_int_equal(answer(&bad), ERR_DENIED);
	assert_true(answer(&bad) < 0);
	assert_true(answer(&bad) >= 0);
	assert_int_equal(answer(&bad), INT64_MIN);
	assert_true(answer(&good) >= 0);
	done(&good);
	done(&bad);
}

/* The end, or the beginning, is in the batch when its teller goes, and the batch cannot be recorded. */
static void who_goes_while_nothing_can_be_recorded_is_recorded_later(void **state)
{
	(void)state;
	uint64_t who = 0;
	struct puppet p = puppet(3), q = puppet(4);
	int64_t number = begins(&p, "P1");
	tell(&p, AUDIT_TRANSFERRED, number, "P1");
	goes(&p);
	keys_go();
	batch_write(&a);
	is_freed(&p);
	assert_true(a.failing);
	open_check(&a, clock_mono_ms());
	assert_int_equal(recorded(AUDIT_TRANSFERRED, (uint64_t)number, &who), 0);
	keys_come();
	/* Nobody tells anything: it is tried again all the same. */
	open_check(&a, clock_mono_ms() + 2000);
	open_check(&a, clock_mono_ms() + 4000);
	assert_int_equal(recorded(AUDIT_TRANSFERRED, (uint64_t)number, &who), 1);
	assert_int_equal(who, 3);
	assert_null(a.open);
	/* One whose beginning is recorded when it has gone already. */
	tell(&q, AUDIT_BEGIN, -1, "P2");
	goes(&q);
	batch_write(&a);
	is_freed(&q);
	assert_non_null(a.open);
	open_check(&a, clock_mono_ms());
	assert_null(a.open);
}

/* Another channel of the same association: what it had begun is its own there. */
static void who_takes_a_new_channel_keeps_its_transfers(void **state)
{
	(void)state;
	uint64_t who = 0;
	struct puppet before = puppet(5), after = puppet(5);
	int64_t number = begins(&before, "P1");
	tell(&before, AUDIT_BEGIN, -1, "P2");
	open_teller_moved(&a, before.t, after.t);
	goes(&before);
	batch_write(&a);
	is_freed(&before);
	tell(&after, AUDIT_TRANSFERRED, number, "P1");
	batch_write(&a);
	assert_int_equal(recorded(AUDIT_TRANSFERRED, (uint64_t)number, &who), 1);
	assert_non_null(a.open); /* the other one, which lives with it */
	open_check(&a, clock_mono_ms());
	assert_non_null(a.open);
	done(&after);
	assert_null(a.open);
}

static void nothing_that_was_told_is_lost_in_silence(void **state)
{
	(void)state;
	uint64_t who = 0;
	unsigned before = recorded(AUDIT_ALERT, JOURNAL_NONE, &who);
	struct puppet p = puppet(11);
	int64_t now = clock_mono_ms();
	keys_go();
	gate_tells("refusal one");
	gate_tells("refusal two");
	tell(&p, AUDIT_LOGIN, -1, "P1"); /* the association's to tell again */
	batch_write(&a);
	assert_true(a.failing);
	assert_true(answer(&p) < 0);
	/* What passed meanwhile, as the gate says. */
	kept_missed(&a, AUDIT_BEGIN, 3);
	kept_missed(&a, AUDIT_QUERY, 1);
	kept_missed(&a, 0, 1);
	kept_missed(&a, AUDIT_KIND_COUNT, 1);
	health_check(&a, now + 2000);
	assert_true(a.failing);
	keys_come();
	n_texts = 0;
	health_check(&a, now + 4000);
	assert_false(a.failing);
	assert_true(wrote("no record could be made"));
	assert_true(wrote("were lost: 3 begin, 1 query."));
	assert_true(wrote("2 that were kept follow"));
	assert_true(wrote("refusal one"));
	assert_true(wrote("refusal two"));
	assert_int_equal(recorded(AUDIT_ALERT, JOURNAL_NONE, &who), before + 3);
	assert_null(a.kept);
	/* And that was all. */
	health_check(&a, now + 6000);
	assert_int_equal(recorded(AUDIT_ALERT, JOURNAL_NONE, &who), before + 3);
	done(&p);
}

static void what_has_no_place_is_counted(void **state)
{
	(void)state;
	int64_t now = clock_mono_ms();
	keys_go();
	for (unsigned i = 0; i < 1100; i++) {
		gate_tells("one of many");
	}
	batch_write(&a);
	keys_come();
	n_texts = 0;
	health_check(&a, now + 4000);
	assert_true(wrote("were lost: 76 alert."));
	assert_true(wrote("1024 that were kept follow"));
	for (unsigned i = 0; i < 1024 / BATCH_MOST; i++) {
		assert_true(health_next_ms(&a) == 0 || !a.kept);
		health_check(&a, now + 4000);
	}
	assert_null(a.kept);
	/* The auditor was away: no commit failed, and it is told all the same. */
	kept_missed(&a, AUDIT_PATIENT_SHOWN, 2);
	assert_true(health_next_ms(&a) <= clock_mono_ms() + KEPT_TELL_MS);
	n_texts = 0;
	health_check(&a, clock_mono_ms() + 2 * KEPT_TELL_MS);
	assert_true(wrote("did not answer in time. Without a record in time passed, or were lost: 2 "));
}

int main(void)
{
	log_to(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_FORMAT_TEXT);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_ends_anothers_transfer),
		cmocka_unit_test(nobody_claims_what_was_found),
		cmocka_unit_test(the_address_is_the_gates),
		cmocka_unit_test(a_flood_of_beginnings_ends),
		cmocka_unit_test(what_is_wrong_with_one_is_no_others_fault),
		cmocka_unit_test(who_goes_while_nothing_can_be_recorded_is_recorded_later),
		cmocka_unit_test(who_takes_a_new_channel_keeps_its_transfers),
		cmocka_unit_test(nothing_that_was_told_is_lost_in_silence),
		cmocka_unit_test(what_has_no_place_is_counted),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
