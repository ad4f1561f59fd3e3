/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway_audit_ends.h"

static void nothing_leaves_before_its_record(void **state)
{
	(void)state;
	struct fixture *f = begin(UNRECORDED_HOLD);
	store(f, "P1", "1.20");
	assert_int_equal(came(f, f->target), 0);
	assert_true(told(f));
	event_is(f, AUDIT_BEGIN, "P1");
	assert_int_equal(f->number, -1);
	turn(f);
	assert_int_equal(came(f, f->target), 0);
	assert_false(side_events(&f->as.b, false) != 0); /* and nobody spins */
	answers(f, 7);
	assert_int_equal(came(f, f->target), 2);
	target_answers(f, 1, 0);
	assert_int_equal(status_at_caller(f), 0);
	/* The next of the same study waits for nothing. */
	store(f, "P1", "1.20");
	assert_int_equal(came(f, f->target), 2);
	assert_false(told(f));
	done(f);
}

static void what_stands_before_the_mark_leaves(void **state)
{
	(void)state;
	struct fixture *f = begin(UNRECORDED_HOLD);
	uint8_t wire[2048];
	store(f, "P1", "1.20");
	assert_true(told(f));
	answers(f, 1);
	assert_int_equal(came(f, f->target), 2);
	/* An object of the study that is known, and one of another, in one read. */
	size_t n = put_object(f, wire, "P1", "1.20");
	n += put_object(f, wire + n, "P2", "1.21");
	says(f, f->caller, wire, n);
	assert_int_equal(came(f, f->target), 2);
	assert_true(f->as.b.out.borrows);
	assert_true(told(f));
	event_is(f, AUDIT_BEGIN, "P2");
	answers(f, 2);
	assert_int_equal(came(f, f->target), 2);
	assert_true(out_empty(&f->as.b.out));
	done(f);
}

static void an_abort_takes_the_place_of_what_waits(void **state)
{
	(void)state;
	struct fixture *f = begin(UNRECORDED_HOLD);
	uint8_t wire[2048], abort[10] = {PDU_ABORT, 0, 0, 0, 0, 4};
	store(f, "P1", "1.20");
	assert_true(told(f));
	answers(f, 1);
	assert_int_equal(came(f, f->target), 2);
	size_t n = put_object(f, wire, "P1", "1.20");
	n += put_object(f, wire + n, "P2", "1.21");
	memcpy(wire + n, abort, sizeof(abort));
	says(f, f->caller, wire, n + sizeof(abort));
	assert_true(f->as.over);
	assert_int_equal(came(f, f->target), 3);
	assert_int_equal(last_pdu(f), PDU_ABORT);
	done(f);
}

static bool has_told_all(const struct fixture *f)
{
	static struct message m;
	return message_recv(f->auditor, FROM_TELLER, &m) == 0 && m.type == MSG_TOLD &&
	       m.number == MSG_TOLD_ALL;
}

static void all_is_told_on_a_line(void **state)
{
	(void)state;
	bool last = false;
	struct fixture *f = begin(UNRECORDED_HOLD);
	f->start.audit = f->audit.fd;
	store(f, "P1", "1.20");
	assert_true(told(f));
	assert_false(told(f));
	answers(f, 31);
	audit_end_transfers(&f->as, NULL);
	assert_true(told_last(f, &last) && last);
	event_is(f, AUDIT_TRANSFERRED, "P1");
	/* It cannot be recorded: it is told again, and that it is all. */
	answers(f, ERR_SPACE);
	assert_false(told(f));
	tries_again(f);
	assert_true(told_last(f, &last) && last);
	event_is(f, AUDIT_TRANSFERRED, "P1");
	answers(f, 32);
	assert_false(told(f));
	/* Something more after all is not told where nobody listens. */
	audit_login(&f->as, false, "late");
	assert_false(told(f));
	assert_int_equal(f->audit.fd, -1);
	assert_int_equal(f->audit.n, 1);
	done(f);
}

/* The auditor takes no such word on a channel, whatever number that has: the line's is free when the line is lost. */
static void nothing_is_the_last_on_a_channel(void **state)
{
	(void)state;
	static struct message m;
	int near, far;
	struct fixture *f = begin(UNRECORDED_HOLD);
	f->start.audit = f->audit.fd;
	store(f, "P1", "1.20");
	assert_true(told(f));
	answers(f, 31);
	close(f->auditor);
	audit_take(&f->as);
	assert_int_equal(f->audit.fd, -1);
	pair(SOCK_SEQPACKET, &near, &far);
	if (near != f->start.audit) {
		assert_int_equal(dup2(near, f->start.audit), f->start.audit);
		close(near);
	}
	f->auditor = far;
	f->audit.fd = f->start.audit;
	f->audit.retry_ms = 0;
	audit_end_transfers(&f->as, NULL);
	assert_true(told(f));
	event_is(f, AUDIT_TRANSFERRED, "P1");
	assert_int_equal(message_recv(f->auditor, FROM_TELLER, &m), ERR_AGAIN);
	done(f);
}

/* Nothing was left to be said with it. */
static void all_is_told_by_itself(void **state)
{
	(void)state;
	struct fixture *f = begin(UNRECORDED_HOLD);
	f->start.audit = f->audit.fd;
	audit_login(&f->as, false, "wrong");
	assert_true(told(f));
	audit_end_transfers(&f->as, NULL);
	assert_true(has_told_all(f));
	done(f);
}

/* The object of the same study is the same transfer's, that of another one is not, nor is one after its end. */
static void a_series_is_one_transfer(void **state)
{
	(void)state;
	struct fixture *f = begin(UNRECORDED_HOLD);
	for (unsigned i = 0; i < 3; i++) {
		store(f, "P1", "1.20");
		if (i == 0) {
			assert_true(told(f));
			answers(f, 1);
		}
		assert_false(told(f));
	}
	assert_int_equal(f->audit.n_open, 1);
	assert_int_equal(f->audit.transfer[0].outstanding, 3);
	store(f, "P1", "1.21");
	assert_true(told(f));
	assert_string_equal(f->ev.study, "1.21");
	answers(f, 2);
	store(f, "P2", "1.21");
	assert_true(told(f));
	event_is(f, AUDIT_BEGIN, "P2");
	answers(f, 3);
	assert_int_equal(f->audit.n_open, 3);
	audit_end_transfers(&f->as, NULL);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(told(f));
	}
	store(f, "P2", "1.21");
	assert_int_equal(f->audit.n_open, 1);
	done(f);
}

/* Objects of one study, the beginning of which is recorded. */
static struct fixture *begin_with(unsigned n)
{
	struct fixture *f = begin(UNRECORDED_HOLD);
	for (unsigned i = 0; i < n; i++) {
		store(f, "P1", "1.20");
		assert_int_equal(told(f), i == 0);
		if (i == 0) {
			answers(f, 1);
		}
	}
	return f;
}

/* Four are cut off, by two refusals: each number is told at once, with whose they were. The last is all that was left, and ends it. */
static void what_is_cut_off_has_its_number(void **state)
{
	(void)state;
	static const uint64_t numbers[] = {5, 9, 5, 9};
	struct fixture *f = begin_with(4);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(f->as.a.operations[i].transfer, 1);
		audit_cut_off(&f->as, &f->as.a.operations[i], numbers[i]);
		assert_int_equal(told(f), i != 2); /* another one of a refusal that was told is counted */
		event_is(f, AUDIT_TRANSFERRED, "P1");
		assert_true(f->ev.failed == 1 && f->ev.outcome == AUDIT_SERIOUS);
		assert_true(i == 2 || f->ev.refusal == numbers[i]);
		assert_int_equal(f->number, i == 3 ? 1 : -1);
	}
	audit_end_transfers(&f->as, NULL);
	assert_true(told(f));
	assert_true(f->number == -1 && f->ev.refusal == 5 && f->ev.failed == 2);
	assert_false(told(f));
	done(f);
}

/* What of it was taken, or failed, is told at its end, and not as refused. */
static void what_is_cut_off_of_more_is_told_by_itself(void **state)
{
	(void)state;
	struct fixture *f = begin_with(3);
	audit_stored(&f->as, &f->as.a.operations[0], true);
	audit_stored(&f->as, &f->as.a.operations[1], false);
	audit_cut_off(&f->as, &f->as.a.operations[2], 5);
	assert_true(told(f));
	event_is(f, AUDIT_TRANSFERRED, "P1");
	assert_true(f->number == -1 && f->ev.refusal == 5 && f->ev.failed == 1);
	audit_end_transfers(&f->as, NULL);
	assert_true(told(f));
	assert_true(f->number == 1 && f->ev.refusal == 0 && f->ev.failed == 1 && f->ev.sop[0].instances == 1);
	done(f);
}

static void an_end_follows_its_beginning(void **state)
{
	(void)state;
	struct fixture *f = begin(UNRECORDED_HOLD);
	store(f, "P1", "1.20");
	assert_true(told(f));
	/* It is over before the auditor has answered, which first cannot, and then can. */
	audit_end_transfers(&f->as, "cut off");
	assert_false(told(f));
	answers(f, ERR_SPACE);
	assert_false(told(f));
	tries_again(f);
	assert_true(told(f));
	event_is(f, AUDIT_BEGIN, "P1");
	assert_false(told(f));
	answers(f, 31);
	assert_true(told(f));
	event_is(f, AUDIT_TRANSFERRED, "P1");
	assert_int_equal(f->number, 31);
	assert_int_equal(f->ev.failed, 1);
	assert_false(told(f));
	answers(f, 32);
	assert_int_equal(f->audit.n, 0);
	done(f);
}

static void what_is_refused_by_the_auditor_is_refused_to_the_caller(void **state)
{
	(void)state;
	struct fixture *f = begin(UNRECORDED_REFUSE);
	store(f, "P1", "1.20");
	assert_true(told(f));
	answers(f, ERR_SPACE);
	assert_int_equal(status_at_caller(f), 0xA700);
	assert_int_equal(came(f, f->target), 1);
	assert_int_equal(last_pdu(f), PDU_ABORT);
	assert_false(f->as.b.up);
	assert_true(f->as.target_lost);
	/* Nothing of it is left for the next one: neither a mark nor a transfer that has no record. */
	assert_int_equal(f->as.b.bar_mark, UINT64_MAX);
	assert_int_equal(f->audit.n, 0);
	assert_int_equal(f->audit.n_open, 0);
	done(f);
}

static void a_target_that_was_opened_again_has_no_old_marks(void **state)
{
	(void)state;
	struct fixture *f = begin(UNRECORDED_HOLD);
	int near;
	store(f, "P1", "1.20");
	assert_true(told(f));
	uint64_t mark = f->audit.pending[f->audit.first].mark;
	target_end(&f->as, true, "lost");
	turn(f);
	assert_int_equal(status_at_caller(f), 0xA700);
	assert_int_equal(came(f, f->target), 1);
	close(f->target);
	pair(SOCK_STREAM, &near, &f->target);
	open_side(&f->as.b, near, true);
	f->as.target_lost = false;
	assert_true(f->as.b.out.queued >= mark);
	audit_bar(&f->as);
	assert_int_equal(f->as.b.bar_mark, UINT64_MAX); /* or its A-ASSOCIATE-RQ would wait */
	answers(f, 1);                                  /* of what was lost: it has begun and is over */
	assert_true(told(f));
	event_is(f, AUDIT_TRANSFERRED, "P1");
	assert_int_equal(f->number, 1);
	assert_int_equal(f->ev.failed, 1);
	answers(f, 2);
	store(f, "P2", "1.21");
	assert_int_equal(came(f, f->target), 0);
	assert_true(told(f));
	event_is(f, AUDIT_BEGIN, "P2");
	answers(f, 3);
	assert_int_equal(came(f, f->target), 2);
	done(f);
}

static void the_same_study_waits_again_after_a_lost_target(void **state)
{
	(void)state;
	struct fixture *f = begin(UNRECORDED_HOLD);
	int near;
	store(f, "P1", "1.20");
	assert_true(told(f));
	target_end(&f->as, true, "lost");
	turn(f);
	assert_int_equal(status_at_caller(f), 0xA700);
	(void)came(f, f->target);
	close(f->target);
	pair(SOCK_STREAM, &near, &f->target);
	open_side(&f->as.b, near, true);
	f->as.target_lost = false;
	audit_bar(&f->as);
	store(f, "P1", "1.20");
	assert_int_equal(came(f, f->target), 0);
	done(f);
}

static void a_late_answer_is_not_the_next_events(void **state)
{
	(void)state;
	struct fixture *f = begin(UNRECORDED_HOLD);
	int near;
	store(f, "P1", "1.20");
	assert_true(told(f));
	(void)audit_check(&f->as, clock_mono_ms() + 6000);
	turn(f);
	assert_int_equal(status_at_caller(f), 0xA700);
	(void)came(f, f->target);
	close(f->target);
	pair(SOCK_STREAM, &near, &f->target);
	open_side(&f->as.b, near, true);
	f->as.target_lost = false;
	audit_bar(&f->as);
	store(f, "P2", "1.21");
	assert_int_equal(came(f, f->target), 0);
	assert_true(told(f));
	event_is(f, AUDIT_BEGIN, "P2");
	answers(f, 1); /* of P1, late */
	assert_int_equal(came(f, f->target), 0);
	answers(f, 2);
	assert_true(came(f, f->target) > 0);
	done(f);
}

static void who_holds_gives_up_in_time_and_answers(void **state)
{
	(void)state;
	struct fixture *f = begin(UNRECORDED_HOLD);
	store(f, "P1", "1.20");
	assert_true(told(f));
	int64_t now = clock_mono_ms(), at = audit_check(&f->as, now);
	assert_in_range(at, (uint64_t)now + 4000, (uint64_t)now + 5000);
	assert_int_equal(
		audit_check(&f->as, now + 6000), now + 6000); /* at once: there is an answer to give */
	turn(f);
	assert_int_equal(status_at_caller(f), 0xA700);
	done(f);
}

static void who_passes_passes_with_an_alarm(void **state)
{
	(void)state;
	struct fixture *f = begin(UNRECORDED_PASS);
	store(f, "P1", "1.20");
	assert_true(told(f));
	assert_int_equal(came(f, f->target), 0);
	answers(f, ERR_SPACE);
	assert_int_equal(came(f, f->target), 2);
	assert_true(f->audit.passing);
	done(f);
}

static void answers_wait_for_the_patients_record(void **state)
{
	(void)state;
	struct fixture *f = begin(UNRECORDED_HOLD);
	uint8_t wire[2048];
	const struct command find = {.field = C_FIND_RQ,
		.message_id = 9,
		.data_set_type = COMMAND_DATA_SET,
		.affected_sop_class = span_str(FIND)};
	size_t n = put_command(wire, &find, 3);
	n += put_data(wire + n, 3, "P*", "");
	says(f, f->caller, wire, n);
	assert_int_equal(came(f, f->target), 0);
	assert_true(told(f));
	assert_int_equal(f->ev.kind, AUDIT_QUERY);
	answers(f, 1);
	assert_int_equal(came(f, f->target), 2);
	struct command rq = find, rsp;
	rq.has = HAS_MESSAGE_ID;
	command_make_response(&rq, 0xFF00, "", &rsp);
	rsp.data_set_type = COMMAND_DATA_SET;
	n = put_command(wire, &rsp, 3);
	n += put_data(wire + n, 3, "PA", "1.20");
	n += put_command(wire + n, &rsp, 3);
	n += put_data(wire + n, 3, "PB", "1.21");
	says(f, f->target, wire, n);
	assert_int_equal(came(f, f->caller), 0);
	assert_true(told(f));
	event_is(f, AUDIT_PATIENT_SHOWN, "PA");
	answers(f, 2);
	assert_int_equal(came(f, f->caller), 2);
	assert_true(told(f));
	event_is(f, AUDIT_PATIENT_SHOWN, "PB");
	assert_int_equal(came(f, f->caller), 0);
	answers(f, 3);
	assert_int_equal(came(f, f->caller), 2);
	/* Once for the same; another order of the same patient is another record. */
	n = put_command(wire, &rsp, 3);
	n += put_data(wire + n, 3, "PB", "1.21");
	says(f, f->target, wire, n);
	assert_int_equal(came(f, f->caller), 2);
	assert_false(told(f));
	accession = "A17 ";
	n = put_command(wire, &rsp, 3);
	n += put_data(wire + n, 3, "PB", "1.21");
	accession = NULL;
	says(f, f->target, wire, n);
	assert_int_equal(came(f, f->caller), 0);
	assert_true(told(f));
	assert_string_equal(f->ev.accession[0], "A17");
	answers(f, 4);
	assert_int_equal(came(f, f->caller), 2);
	done(f);
}

static void a_release_waits_for_the_ends(void **state)
{
	(void)state;
	struct fixture *f = begin(UNRECORDED_HOLD);
	store(f, "P1", "1.20");
	assert_true(told(f));
	answers(f, 1);
	target_answers(f, 1, 0);
	assert_int_equal(status_at_caller(f), 0);
	f->as.b.up = false; /* it has released already */
	(void)ul_step(&f->as.a.ul, UL_EV_RELEASE_RQ_PDU);
	release_answer(&f->as, &f->as.a);
	f->as.b.up = true;
	turn(f);
	assert_int_equal(came(f, f->caller), 0);
	assert_true(told(f));
	event_is(f, AUDIT_TRANSFERRED, "P1");
	assert_int_equal(f->number, 1);
	assert_int_equal(f->ev.sop[0].instances, 1);
	answers(f, 2);
	assert_int_equal(came(f, f->caller), 1);
	assert_int_equal(last_pdu(f), PDU_RELEASE_RP);
	done(f);
}

/* Seventeen studies, whose objects the target has not answered: the answers that come late count for nobody else. */
static void a_place_that_is_used_again_counts_its_own(void **state)
{
	(void)state;
	struct fixture *f = begin(UNRECORDED_HOLD);
	char patient[8], study[8];
	int64_t record = 100;
	for (unsigned i = 0; i < 17; i++) {
		snprintf(patient, sizeof(patient), "P%03u", i);
		snprintf(study, sizeof(study), "1.%02u", i + 10);
		store(f, patient, study);
		while (told(f)) {
			answers(f, record++);
		}
		assert_int_equal(came(f, f->target), 2);
	}
	for (uint16_t id = 1; id <= 17; id++) {
		target_answers(f, id, id == 1 ? 0xA700 : 0); /* the first one's transfer has been ended */
	}
	audit_end_transfers(&f->as, NULL);
	unsigned ends = 0;
	while (told(f)) {
		assert_int_equal(f->ev.kind, AUDIT_TRANSFERRED);
		assert_int_equal(f->ev.failed, 0);
		assert_int_equal(f->ev.n_sop, 1);
		assert_int_equal(f->ev.sop[0].instances, 1);
		answers(f, record++);
		ends++;
	}
	assert_int_equal(ends, 16);
	done(f);
}

/* More events than the list holds: the relay waits, nothing is lost, and nothing leaves early. */
static void a_full_list_of_events_is_waited_for(void **state)
{
	(void)state;
	struct fixture *f = begin(UNRECORDED_HOLD);
	unsigned begun = 0, left = 0;
	int64_t record = 0;
	uint8_t wire[1024];
	for (unsigned i = 0; i < 200; i++) {
		char patient[8], study[8];
		snprintf(patient, sizeof(patient), "P%03u", i);
		snprintf(study, sizeof(study), "1.%02u%02u", i / 100 + 10, i % 100);
		size_t n = put_object(f, wire, patient, study);
		assert_int_equal(write(f->caller, wire, n), (ssize_t)n);
	}
	for (unsigned i = 0; i < 2000 && begun < 200; i++) {
		turn(f);
		assert_true(f->audit.n <= AUDIT_PENDING - 2);
		left += came(f, f->target);
		assert_true(left <= 2 * begun);
		if (told(f)) {
			begun += f->ev.kind == AUDIT_BEGIN;
			answers(f, record++);
		}
	}
	assert_int_equal(begun, 200);
	while (told(f)) {
		answers(f, record++);
	}
	turn(f);
	left += came(f, f->target);
	assert_int_equal(left, 400);
	done(f);
}

/* `pass`: what goes on without its record is told to the gate, by kinds. */
static void what_passes_unrecorded_is_counted(void **state)
{
	(void)state;
	static struct message m;
	struct fixture *f = begin(UNRECORDED_PASS);
	int far;
	pair(SOCK_SEQPACKET, &f->start.channel, &far);
	f->as.gate_lost = false;
	m = (struct message){.type = MSG_NUMBER, .fd = -1};
	m.number = 7;
	store(f, "P1", "1.20");
	assert_true(told(f));
	assert_int_equal(came(f, f->target), 0);
	assert_int_equal(message_send(far, &m), 0); /* the number of the alarm */
	answers(f, ERR_SPACE);
	assert_int_equal(came(f, f->target), 2);
	assert_int_equal(message_recv(far, FROM_ASSOCIATION, &m), 0);
	assert_int_equal(m.type, MSG_UNRECORDED);
	assert_int_equal(MSG_UNRECORDED_KIND(m.number), AUDIT_BEGIN);
	assert_int_equal(MSG_UNRECORDED_COUNT(m.number), 1);
	assert_int_equal(message_recv(far, FROM_ASSOCIATION, &m), 0);
	assert_int_equal(m.type, MSG_REFUSAL);
	f->as.gate_lost = true;
	close(f->start.channel);
	f->start.channel = -1;
	close(far);
	done(f);
}

int main(void)
{
	log_least(LOG_LEVEL_ERROR);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_leaves_before_its_record),
		cmocka_unit_test(what_stands_before_the_mark_leaves),
		cmocka_unit_test(an_abort_takes_the_place_of_what_waits),
		cmocka_unit_test(all_is_told_on_a_line),
		cmocka_unit_test(nothing_is_the_last_on_a_channel),
		cmocka_unit_test(all_is_told_by_itself),
		cmocka_unit_test(a_series_is_one_transfer),
		cmocka_unit_test(an_end_follows_its_beginning),
		cmocka_unit_test(what_is_cut_off_has_its_number),
		cmocka_unit_test(what_is_cut_off_of_more_is_told_by_itself),
		cmocka_unit_test(what_is_refused_by_the_auditor_is_refused_to_the_caller),
		cmocka_unit_test(what_passes_unrecorded_is_counted),
		cmocka_unit_test(a_target_that_was_opened_again_has_no_old_marks),
		cmocka_unit_test(the_same_study_waits_again_after_a_lost_target),
		cmocka_unit_test(a_late_answer_is_not_the_next_events),
		cmocka_unit_test(who_holds_gives_up_in_time_and_answers),
		cmocka_unit_test(who_passes_passes_with_an_alarm),
		cmocka_unit_test(answers_wait_for_the_patients_record),
		cmocka_unit_test(a_release_waits_for_the_ends),
		cmocka_unit_test(a_place_that_is_used_again_counts_its_own),
		cmocka_unit_test(a_full_list_of_events_is_waited_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
