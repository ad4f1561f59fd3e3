/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "gateway/exchange.h"
#include "gateway/relay.h"
#include "gateway/release.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * What waits for its record: a caller, a target and an auditor, all on socket pairs, and the test says when the auditor
 * answers and what.
 */

#define CT   "1.2.840.10008.5.1.4.1.1.2"
#define FIND "1.2.840.10008.5.1.4.1.2.2.1"

static const char yaml[] = "nodes:\n"
			   "  ct: { ae: [CT], from: [127.0.0.1], transport: plain }\n"
			   "  pacs: { ae: [PACS], address: [\"127.0.0.1:1\"], transport: plain }\n"
			   "listeners:\n"
			   "  - { name: p, address: 127.0.0.1, port: 11112, transport: plain }\n"
			   "flows:\n"
			   "  - { name: all, from: [ct], to: pacs, services: [store, find] }\n";

struct fixture {
	struct association_start start;
	struct association as;
	struct audit audit;
	struct associate rq;
	int caller, target, auditor; /* the far ends */
	struct site *site;
	uint8_t got[1u << 16]; /* what came last at the far end that was read */
	size_t got_len;
	struct audit_event ev; /* that the auditor took last */
	int64_t number;
	uint16_t next_id;
};

static void pair(int type, int *ret_near, int *ret_far)
{
	int fd[2];
	assert_int_equal(socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, fd), 0);
	*ret_near = fd[0];
	*ret_far = fd[1];
}

static void open_side(struct side *s, int fd, bool requestor)
{
	stream_open(&s->t, fd);
	s->up = true;
	ul_init(&s->ul, requestor);
	s->ul.state = UL_STA6;
}

static void *memory(size_t n)
{
	void *p = calloc(1, n);
	assert_non_null(p);
	return p;
}

static struct fixture *begin(enum unrecorded unrecorded)
{
	struct fixture *f = memory(sizeof(*f));
	struct mistakes mistakes = {0};
	int near;
	assert_int_equal(site_parse(span_str(yaml), "/etc/gantry.yaml", &f->site, &mistakes), 0);
	mistakes_done(&mistakes);
	f->site->audit.has = true;
	f->site->audit.unrecorded = unrecorded;
	f->site->audit.hold_most = 5;
	f->start.channel = -1;
	f->as.start = &f->start;
	f->as.gate_lost = true;
	f->as.audit = &f->audit;
	f->as.rq = &f->rq;
	f->as.loss = RULE_UPSTREAM_LOST;
	f->as.site = f->site;
	f->as.caller.calling = "CT";
	f->as.caller.called = "PACS";
	f->as.caller.transport = TRANSPORT_PLAIN;
	f->as.route = (struct route){.from = 0, .to = 1, .flows = {0}, .n_flows = 1};
	f->as.unreported_flow = -1;
	side_init(&f->as.a, "caller", memory(sizeof(struct side_memory)));
	side_init(&f->as.b, "target", memory(sizeof(struct side_memory)));
	pair(SOCK_STREAM, &near, &f->caller);
	open_side(&f->as.a, near, false);
	pair(SOCK_STREAM, &near, &f->target);
	open_side(&f->as.b, near, true);
	pair(SOCK_SEQPACKET, &f->audit.fd, &f->auditor);
	f->as.context[1] = (struct agreed){
		.accepted = true, .abstract = span_str(CT), .transfer = span_str("1.2.840.10008.1.2")};
	f->as.context[3] = (struct agreed){
		.accepted = true, .abstract = span_str(FIND), .transfer = span_str("1.2.840.10008.1.2")};
	return f;
}

static void release_memory(struct side *s)
{
	side_close(s);
	free(s->msg.held);
	free((void *)(s->in - offsetof(struct side_memory, in)));
}

static void done(struct fixture *f)
{
	release_memory(&f->as.a);
	release_memory(&f->as.b);
	close(f->caller);
	close(f->target);
	close(f->auditor);
	if (f->audit.fd >= 0) {
		close(f->audit.fd);
	}
	site_free(f->site);
	free(f);
}

/* ---- What peers say ---- */

static size_t put_command(uint8_t *to, const struct command *c, uint8_t context)
{
	uint8_t bytes[1024];
	struct writer w = writer_of(bytes, sizeof(bytes));
	assert_int_equal(command_write(c, &w), 0);
	pdv_write_heads(to, (uint32_t)w.len, context, true, true);
	memcpy(to + 12, bytes, w.len);
	return 12 + w.len;
}

static void put_element(struct writer *w, uint16_t group, uint16_t element, const char *value)
{
	uint8_t head[8] = {(uint8_t)group, (uint8_t)(group >> 8), (uint8_t)element, (uint8_t)(element >> 8),
		(uint8_t)strlen(value)};
	writer_bytes(w, head, sizeof(head));
	writer_bytes(w, value, strlen(value));
}

static size_t put_data(uint8_t *to, uint8_t context, const char *patient, const char *study)
{
	uint8_t bytes[512];
	struct writer w = writer_of(bytes, sizeof(bytes));
	put_element(&w, 0x10, 0x20, patient);
	put_element(&w, 0x20, 0xD, study);
	put_element(&w, 0x20, 0xE, "1.22");
	put_element(&w, 0x28, 0x10, "pixels");
	assert_int_equal(writer_end(&w), 0);
	pdv_write_heads(to, (uint32_t)w.len, context, false, true);
	memcpy(to + 12, bytes, w.len);
	return 12 + w.len;
}

static size_t put_object(struct fixture *f, uint8_t *to, const char *patient, const char *study)
{
	const struct command c = {.field = C_STORE_RQ,
		.message_id = ++f->next_id,
		.data_set_type = COMMAND_DATA_SET,
		.affected_sop_class = span_str(CT),
		.affected_sop_instance = span_str("1.2.3")};
	size_t n = put_command(to, &c, 1);
	return n + put_data(to + n, 1, patient, study);
}

/* As the loop does: read, relay, answer what is owed, flush. */
static void turn(struct fixture *f)
{
	struct side *sides[] = {&f->as.a, &f->as.b};
	struct parse_fail fail = {0};
	for (unsigned i = 0; i < 2 && !f->as.over; i++) {
		struct side *s = sides[i], *to = sides[!i];
		if (s->up && (!to->out.borrows || (side_barred(to) && audit_wants_more(&f->as, s)))) {
			int e = side_fill(s, to->out.borrows);
			assert_true(e == 0 || e == ERR_AGAIN || e == ERR_SPACE);
		}
		if (s->up) {
			assert_int_equal(relay_take(&f->as, s, &fail), ERR_AGAIN);
		}
		exchange_owed(&f->as);
		for (unsigned k = 0; k < 2; k++) {
			if (sides[k]->up) {
				int e = side_flush(sides[k]);
				assert_true(e == 0 || e == ERR_AGAIN);
			}
		}
	}
}

static void says(struct fixture *f, int fd, const uint8_t *bytes, size_t len)
{
	assert_int_equal(write(fd, bytes, len), (ssize_t)len);
	turn(f);
}

static void store(struct fixture *f, const char *patient, const char *study)
{
	uint8_t wire[1024];
	says(f, f->caller, wire, put_object(f, wire, patient, study));
}

/* What is there, of whole PDUs; their number. */
static unsigned came(struct fixture *f, int fd)
{
	ssize_t n;
	unsigned pdus = 0;
	struct pdu_head h;
	f->got_len = 0;
	while ((n = read(fd, f->got + f->got_len, sizeof(f->got) - f->got_len)) > 0) {
		f->got_len += (size_t)n;
	}
	struct reader r = reader_of(span_of(f->got, f->got_len));
	while (reader_left(&r) > 0) {
		assert_int_equal(pdu_read_head(&r, &h), 0);
		assert_int_equal(reader_skip(&r, h.len), 0);
		pdus++;
	}
	return pdus;
}

static uint8_t last_pdu(const struct fixture *f)
{
	struct reader r = reader_of(span_of(f->got, f->got_len));
	struct pdu_head h = {0};
	while (reader_left(&r) > 0 && pdu_read_head(&r, &h) == 0 && reader_skip(&r, h.len) == 0) {
	}
	return (uint8_t)h.type;
}

/* The status of the only response that came at the caller. */
static uint16_t status_at_caller(struct fixture *f)
{
	struct parse_fail fail;
	struct command c;
	assert_int_equal(came(f, f->caller), 1);
	assert_int_equal(command_read(span_of(f->got + 12, f->got_len - 12), 0, &c, &fail), 0);
	return c.status;
}

static void target_answers(struct fixture *f, uint16_t id, uint16_t status)
{
	uint8_t wire[1024];
	struct command rq = {.field = C_STORE_RQ, .message_id = id, .has = HAS_MESSAGE_ID}, rsp;
	rq.affected_sop_class = span_str(CT);
	command_make_response(&rq, status, "", &rsp);
	says(f, f->target, wire, put_command(wire, &rsp, 1));
}

/* ---- The auditor ---- */

/* Its next event. False: none has come. */
static bool told(struct fixture *f)
{
	static struct message m;
	if (message_recv(f->auditor, FROM_TELLER, &m) != 0) {
		return false;
	}
	assert_int_equal(audit_event_read(m.bytes, &f->ev), 0);
	f->number = m.number;
	return true;
}

static void answers(struct fixture *f, int64_t number)
{
	const struct message m = {.type = MSG_RECORDED, .fd = -1, .number = number};
	assert_int_equal(message_send(f->auditor, &m), 0);
	audit_take(&f->as);
	turn(f);
}

static void tries_again(struct fixture *f)
{
	f->audit.retry_ms = 0;
	audit_take(&f->as);
}

static void event_is(const struct fixture *f, enum audit_kind kind, const char *patient)
{
	assert_int_equal(f->ev.kind, kind);
	assert_string_equal(f->ev.patient_id, patient);
}

/* ---- Tests ---- */

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
	answers(f, 1); /* of what was lost: it has begun and is over */
	store(f, "P2", "1.21");
	assert_int_equal(came(f, f->target), 0);
	assert_true(told(f));
	event_is(f, AUDIT_BEGIN, "P2");
	answers(f, 2);
	assert_int_equal(came(f, f->target), 2);
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

int main(void)
{
	log_least(LOG_LEVEL_ERROR);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_leaves_before_its_record),
		cmocka_unit_test(what_stands_before_the_mark_leaves),
		cmocka_unit_test(an_abort_takes_the_place_of_what_waits),
		cmocka_unit_test(an_end_follows_its_beginning),
		cmocka_unit_test(what_is_refused_by_the_auditor_is_refused_to_the_caller),
		cmocka_unit_test(a_target_that_was_opened_again_has_no_old_marks),
		cmocka_unit_test(who_holds_gives_up_in_time_and_answers),
		cmocka_unit_test(who_passes_passes_with_an_alarm),
		cmocka_unit_test(answers_wait_for_the_patients_record),
		cmocka_unit_test(a_release_waits_for_the_ends),
		cmocka_unit_test(a_place_that_is_used_again_counts_its_own),
		cmocka_unit_test(a_full_list_of_events_is_waited_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
