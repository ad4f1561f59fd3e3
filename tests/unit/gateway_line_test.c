/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/gate_state.h"
#include "gateway_auditor_made.h"

#include <sys/epoll.h>

/*
 * Lines between associations and the auditor: the gate's part and the auditor's, with real sockets and the real table. The test
 * is the associations: nothing of one is ever another's, whatever it says or leaves behind.
 */

static struct gate gate;

static struct in6_addr ip_of(uint8_t last)
{
	return (struct in6_addr){.s6_addr = {[10] = 0xff, 0xff, 192, 0, 2, last}};
}

static int set_up(void **state)
{
	int pair[2];
	snprintf(folder, sizeof(folder), "/tmp/gantry-auditor-XXXXXX");
	assert_int_equal(setup(state), 0);
	a.epoll = epoll_create1(EPOLL_CLOEXEC);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	gate = (struct gate){.auditor.fd = pair[0]};
	a.gate = (struct teller){.fd = pair[1], .kind = TELLER_GATE};
	lines_begin(&gate);
	return 0;
}

static void gate_says(void)
{
	static struct message m;
	while (a.gate.fd >= 0 && message_recv(a.gate.fd, FROM_GATE_AUDITOR, &m) == 0) {
		assert_int_equal(m.type, MSG_LINE);
		line_message(&a, &m);
	}
}

/* One turn of its loop, as if all lines were ready. */
static void auditor_turns(void)
{
	gate_says();
	for (unsigned i = 0; i < AUDIT_LINES; i++) {
		if (a.lines[i].channel.kind == TELLER_LINE && a.lines[i].channel.fd >= 0) {
			line_hear(&a, &a.lines[i]);
		}
	}
	if (a.n_batch > 0) {
		batch_write(&a);
	}
	line_settle(&a);
	if (a.n_batch > 0) {
		batch_write(&a);
	}
	teller_free_gone(&a);
}

static int tear_down(void **state)
{
	lines_forget(&gate);
	close(gate.auditor.fd);
	auditor_turns();
	assert_null(a.tellers);
	close(a.gate.fd);
	close(a.epoll);
	return teardown(state);
}

static void says_as(const struct gate_line *l, enum message_type type, enum audit_kind kind, int64_t number)
{
	static uint8_t bytes[AUDIT_EVENT_MOST];
	static struct audit_event ev;
	size_t len;
	ev = (struct audit_event){.kind = kind, .time_ms = clock_wall_ms(), .association = 999};
	snprintf(ev.patient_id, sizeof(ev.patient_id), "P1");
	snprintf(ev.study, sizeof(ev.study), "1.2.3");
	assert_int_equal(audit_event_write(&ev, bytes, sizeof(bytes), &len), 0);
	struct message m = {.type = type, .fd = -1};
	m.number = number;
	m.bytes = span_of(bytes, len);
	assert_int_equal(message_send(l->fd, &m), 0);
}

static void says(const struct gate_line *l, enum audit_kind kind, int64_t number)
{
	says_as(l, MSG_EVENT, kind, number);
}

static int64_t hears(const struct gate_line *l)
{
	static struct message m;
	return message_recv(l->fd, FROM_AUDITOR, &m) == 0 ? m.number : INT64_MIN;
}

static struct gate_line *given(uint64_t association)
{
	struct in6_addr ip = ip_of((uint8_t)association);
	struct gate_line *l = line_give(&gate, association, &ip);
	assert_non_null(l);
	gate_says();
	return l;
}

/* ---- Tests ---- */

static void each_speaks_for_itself(void **state)
{
	uint64_t who = 0;
	struct gate_line *l = given(1);
	says(l, AUDIT_BEGIN, -1);
	auditor_turns();
	int64_t begin = hears(l);
	assert_true(begin >= 0);
	says(l, AUDIT_TRANSFERRED, begin);
	auditor_turns();
	assert_true(hears(l) > begin);
	assert_int_equal(recorded(AUDIT_TRANSFERRED, (uint64_t)begin, &who), 1);
	assert_int_equal(who, 1);
	line_leave(&gate, l);
	/* Nobody has it before the auditor is through. */
	assert_ptr_not_equal(given(2), l);
	auditor_turns();
	assert_null(a.open);
	assert_ptr_equal(given(3), l);
	says(l, AUDIT_BEGIN, -1);
	auditor_turns();
	begin = hears(l);
	assert_int_equal(a.open->association, 3);
	assert_string_equal(a.open->ev.from.address, "192.0.2.3");
	assert_true(recorded(AUDIT_BEGIN, JOURNAL_NONE, &who) == 2 && who == 3);
	/* It goes in the midst of its transfer. */
	line_leave(&gate, l);
	auditor_turns();
	assert_null(a.open);
	assert_int_equal(recorded(AUDIT_TRANSFERRED, (uint64_t)begin, &who), 1);
	assert_ptr_equal(given(4), l);
	assert_int_equal(hears(l), INT64_MIN);
	line_leave(&gate, l);
	line_leave(&gate, &gate.lines[1]);
}

/* Who says nothing costs nobody a message. */
static void silence_is_free(void **state)
{
	static struct message m;
	struct gate_line *l = given(1);
	for (uint64_t i = 2; i < 50; i++) {
		line_leave(&gate, l);
		assert_ptr_equal(given(i), l);
	}
	assert_int_equal(message_recv(a.lines[0].channel.fd, FROM_TELLER, &m), ERR_AGAIN);
	line_leave(&gate, l);
}

/* Its last words are unread when it is gone: they are its own, and no answer to them is the next one's. */
static void last_words(void **state)
{
	uint64_t who = 0;
	struct gate_line *l = given(1);
	says(l, AUDIT_LOGIN, -1);
	line_leave(&gate, l);
	struct gate_line *other = given(2);
	assert_ptr_not_equal(other, l);
	auditor_turns();
	assert_int_equal(recorded(AUDIT_LOGIN, JOURNAL_NONE, &who), 1);
	assert_int_equal(who, 1);
	line_leave(&gate, other);
	assert_ptr_equal(given(3), l);
	assert_int_equal(hears(l), INT64_MIN);
	says(l, AUDIT_LOGIN, -1);
	auditor_turns();
	assert_true(hears(l) >= 0);
	assert_int_equal(recorded(AUDIT_LOGIN, JOURNAL_NONE, &who), 2);
	assert_int_equal(who, 3);
	line_leave(&gate, l);
}

/* While the auditor reads for a turn that it saw, nobody gets the next one. */
static void not_while_it_reads(void **state)
{
	struct gate_line *l = given(1);
	line_leave(&gate, l);
	line_set(&gate.line_table[0].reads, 1);
	struct gate_line *other = given(2);
	assert_ptr_not_equal(other, l);
	/* It saw the turn that nobody has. */
	line_set(&gate.line_table[0].heard, l->turn);
	line_set(&gate.line_table[0].reads, 0);
	struct gate_line *third = given(3);
	assert_ptr_not_equal(third, l);
	auditor_turns(); /* it was told that this turn is over */
	assert_ptr_equal(given(4), l);
	line_leave(&gate, l);
	line_leave(&gate, other);
	line_leave(&gate, third);
}

/* One that was taken over says that it is gone, and goes on: none of it is recorded, as another's or at all. */
static void who_feigns_its_end(void **state)
{
	uint64_t who = 0;
	struct gate_line *l = given(1);
	says(l, AUDIT_BEGIN, -1);
	auditor_turns();
	int64_t begin = hears(l);
	assert_int_equal(message_send(l->fd, &(struct message){.type = MSG_TOLD, .fd = -1}), 0);
	says(l, AUDIT_TRANSFERRED, begin);
	says(l, AUDIT_LOGIN, -1);
	auditor_turns();
	says(l, AUDIT_LOGIN, -1);
	assert_int_equal(recorded(AUDIT_LOGIN, JOURNAL_NONE, &who), 0);
	assert_null(a.open);
	line_leave(&gate, l);
	struct gate_line *other = given(2);
	assert_ptr_not_equal(other, l);
	auditor_turns();
	assert_int_equal(recorded(AUDIT_LOGIN, JOURNAL_NONE, &who), 0);
	assert_ptr_equal(given(3), l);
	says(l, AUDIT_LOGIN, -1);
	auditor_turns();
	assert_true(hears(l) >= 0);
	assert_true(recorded(AUDIT_LOGIN, JOURNAL_NONE, &who) == 1 && who == 3);
	line_leave(&gate, l);
	line_leave(&gate, other);
}

/* Who has told all is not waited for, unless something of it could not be recorded. */
static void all_is_told(void **state)
{
	uint64_t who = 0;
	struct message all = {.type = MSG_TOLD, .fd = -1, .number = MSG_TOLD_ALL},
		       *got = &(struct message){0};
	struct gate_line *l = given(1);
	says(l, AUDIT_BEGIN, -1);
	auditor_turns();
	int64_t begin = hears(l);
	keys_go(); /* nothing can be recorded */
	says(l, AUDIT_TRANSFERRED, begin);
	assert_int_equal(message_send(l->fd, &all), 0);
	auditor_turns();
	assert_true(hears(l) < 0);
	assert_non_null(a.tellers);
	keys_come();
	says(l, AUDIT_TRANSFERRED, begin);
	assert_int_equal(message_send(l->fd, &all), 0);
	auditor_turns();
	assert_true(hears(l) > begin);
	assert_null(a.tellers);
	assert_int_equal(recorded(AUDIT_TRANSFERRED, (uint64_t)begin, &who), 1);
	line_leave(&gate, l);
	assert_int_equal(message_recv(a.lines[0].channel.fd, FROM_TELLER, got), ERR_AGAIN);
	assert_ptr_equal(given(2), l);
	line_leave(&gate, l);
}

/* It is said with the last event. What comes after it is nobody's. */
static void all_is_told_with_the_last(void **state)
{
	uint64_t who = 0;
	struct gate_line *l = given(1);
	says(l, AUDIT_BEGIN, -1);
	auditor_turns();
	int64_t begin = hears(l);
	says_as(l, MSG_LAST_EVENT, AUDIT_TRANSFERRED, begin);
	says(l, AUDIT_LOGIN, -1);
	auditor_turns();
	assert_true(hears(l) > begin);
	auditor_turns();
	assert_true(hears(l) < 0);
	assert_null(a.tellers);
	assert_int_equal(recorded(AUDIT_TRANSFERRED, (uint64_t)begin, &who), 1);
	assert_int_equal(recorded(AUDIT_LOGIN, JOURNAL_NONE, &who), 0);
	line_leave(&gate, l);
	assert_ptr_equal(given(2), l);
	line_leave(&gate, l);
}

/* What is no message breaks the line, and its own transfer alone. */
static void noise(void **state)
{
	uint64_t who = 0;
	struct gate_line *l = given(1), *good = given(2);
	says(l, AUDIT_BEGIN, -1);
	says(good, AUDIT_BEGIN, -1);
	auditor_turns();
	int64_t mine = hears(l), its = hears(good);
	assert_int_equal(send(l->fd, "noise", 5, 0), 5);
	auditor_turns();
	if (a.n_batch > 0) {
		batch_write(&a);
	}
	assert_int_equal(recorded(AUDIT_TRANSFERRED, (uint64_t)mine, &who), 1);
	assert_int_equal(recorded(AUDIT_TRANSFERRED, (uint64_t)its, &who), 0);
	line_leave(&gate, l);
	assert_ptr_not_equal(given(3), l);
	says(good, AUDIT_TRANSFERRED, its);
	auditor_turns();
	assert_true(hears(good) >= 0);
	line_leave(&gate, good);
}

/* It says so much that the gate's word of its end finds no room at first. */
static void no_room_for_its_end(void **state)
{
	struct message m = {.type = MSG_TOLD, .fd = -1};
	struct gate_line *l = given(1);
	says(l, AUDIT_LOGIN, -1);
	while (message_send(l->fd, &m) == 0) {
	}
	line_leave(&gate, l);
	assert_true(l->owed);
	struct gate_line *other = given(2);
	assert_ptr_not_equal(other, l);
	for (unsigned i = 0; i < 100; i++) {
		auditor_turns();
	}
	line_leave(&gate, other);
	(void)given(3);
	assert_false(l->owed);
	for (unsigned i = 0; i < 100; i++) {
		auditor_turns();
	}
	assert_null(a.tellers);
}

static void no_more_than_there_are(void **state)
{
	struct in6_addr ip = ip_of(1);
	for (unsigned i = 0; i < AUDIT_LINES; i++) {
		(void)given(i);
	}
	assert_null(line_give(&gate, 100, &ip));
	line_leave(&gate, &gate.lines[7]);
	assert_ptr_equal(line_give(&gate, 101, &ip), &gate.lines[7]);
	/* Another auditor: what they have is closed, and nobody refers to it any more. */
	struct child c = {.line = &gate.lines[7]};
	gate.children = &c;
	lines_forget(&gate);
	assert_null(c.line);
	assert_null(line_give(&gate, 102, &ip));
	gate.children = NULL;
	auditor_turns();
	lines_begin(&gate);
	struct gate_line *l = given(103);
	says(l, AUDIT_LOGIN, -1);
	auditor_turns();
	assert_true(hears(l) >= 0);
	line_leave(&gate, l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_speaks_for_itself, set_up, tear_down),
		cmocka_unit_test_setup_teardown(silence_is_free, set_up, tear_down),
		cmocka_unit_test_setup_teardown(last_words, set_up, tear_down),
		cmocka_unit_test_setup_teardown(not_while_it_reads, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_feigns_its_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(all_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(all_is_told_with_the_last, set_up, tear_down),
		cmocka_unit_test_setup_teardown(noise, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_room_for_its_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_more_than_there_are, set_up, tear_down),
	};
	log_to(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_FORMAT_TEXT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
