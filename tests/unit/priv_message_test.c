/* SPDX-License-Identifier: Apache-2.0 */
#include "base/limits.h"
#include "priv/message.h"
#include "antivirus/answer.h"
#include "keys/ocsp.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* The contract once more, by hand: who may send what, and whether a descriptor goes with it. */
static const struct {
	enum message_type type;
	unsigned from;
	bool fd;
} contract[] = {
	{MSG_SITE, FROM_SUPERVISOR | FROM_GATE_DOWN, true},
	{MSG_LISTENER, FROM_SUPERVISOR, true},
	{MSG_CHANNEL, FROM_SUPERVISOR, true},
	{MSG_LEDGER, FROM_SUPERVISOR, true},
	{MSG_CONTROL, FROM_SUPERVISOR, true},
	{MSG_DOOR, FROM_SUPERVISOR, true},
	{MSG_LOG, FROM_SUPERVISOR | FROM_GATE_DOWN, true},
	{MSG_GO, FROM_SUPERVISOR, false},
	{MSG_STOP, FROM_SUPERVISOR | FROM_GATE_DOWN, false},
	{MSG_KEPT, FROM_SUPERVISOR, false},
	{MSG_KEYS, FROM_SUPERVISOR, true},
	{MSG_FILE, FROM_SUPERVISOR, true},
	{MSG_READY, FROM_GATE_UP | FROM_KEYS, false},
	{MSG_CUT, FROM_GATE_UP, false},
	{MSG_LEDGER_FULL, FROM_GATE_UP, false},
	{MSG_ADMIT, FROM_ASSOCIATION, false},
	{MSG_ASSOCIATED, FROM_ASSOCIATION, false},
	{MSG_CONNECT, FROM_ASSOCIATION, false},
	{MSG_REFUSAL, FROM_ASSOCIATION, false},
	{MSG_OBJECT, FROM_ASSOCIATION, false},
	{MSG_CHAIN, FROM_ASSOCIATION | FROM_GATE_LOOKUP, false},
	{MSG_WHO, FROM_ASSOCIATION | FROM_GATE_LOOKUP, false},
	{MSG_PROGRESS, FROM_ASSOCIATION, false},
	{MSG_AUDIT, FROM_ASSOCIATION, false},
	{MSG_HOLD, FROM_ASSOCIATION, false},
	{MSG_VERDICT, FROM_GATE_DOWN, false},
	{MSG_COUNTS, FROM_GATE_DOWN, false},
	{MSG_CONNECTED, FROM_GATE_DOWN, true},
	{MSG_NUMBER, FROM_GATE_DOWN, false},
	{MSG_STANDING, FROM_LOOKUP | FROM_GATE_DOWN | FROM_JOB, false},
	{MSG_RESOLVE, FROM_GATE_LOOKUP, false},
	{MSG_ADDRESSES, FROM_LOOKUP | FROM_JOB, false},
	{MSG_FOLDER, FROM_GATE_STORE, true},
	{MSG_USER, FROM_LOOKUP | FROM_GATE_DOWN | FROM_JOB, false},
	{MSG_STAPLE, FROM_LOOKUP | FROM_JOB, false},
	{MSG_LIST, FROM_JOB, true},
	{MSG_CLIENT, FROM_GATE_KEYS | FROM_GATE_AUDITOR, true},
	{MSG_OPERATOR, FROM_GATE_ALONE, true},
	{MSG_TELL, FROM_GATE_DOWN, true},
	{MSG_LINE, FROM_GATE_AUDITOR, true},
	{MSG_TOLD, FROM_TELLER, false},
	{MSG_EVENT, FROM_TELLER | FROM_GATE_AUDITOR | FROM_SUPERVISOR, false},
	{MSG_LAST_EVENT, FROM_TELLER, false},
	{MSG_SPOOL, FROM_SUPERVISOR, true},
	{MSG_RECORDED, FROM_AUDITOR, false},
	{MSG_COURIER, FROM_FORWARD | FROM_COURIER, false},
	{MSG_JOURNAL, FROM_AUDITOR_GATE, false},
	{MSG_HELD, FROM_GATE_DOWN, true},
	{MSG_HOLDER, FROM_GATE_STORE, true},
	{MSG_ROOM, FROM_HOLDER, false},
	{MSG_ROOMED, FROM_STORE, true},
	{MSG_UNRECORDED, FROM_ASSOCIATION | FROM_GATE_AUDITOR, false},
	{MSG_KEEP, FROM_ASSOCIATION, false},
	{MSG_KEEPER, FROM_GATE_DOWN, true},
	{MSG_KEEPING, FROM_GATE_STORE, true},
	{MSG_QUARANTINE, FROM_SUPERVISOR, true},
	{MSG_QUARANTINED, FROM_STORE_GATE, false},
	{MSG_SCAN, FROM_ASSOCIATION, false},
	{MSG_SCANNING, FROM_GATE_LOOKUP, true},
	{MSG_SCANNER, FROM_GATE_DOWN, true},
	{MSG_ANTIVIRUS, FROM_LOOKUP | FROM_JOB, false},
	{MSG_CLEAN, FROM_ASSOCIATION, false},
	{MSG_CLEANING, FROM_GATE_LOOKUP, true},
	{MSG_CLEANER, FROM_GATE_DOWN, true},
	{MSG_BOOK, FROM_ASSOCIATION, false},
	{MSG_BOOKED, FROM_GATE_DOWN, true},
	{MSG_BOOKING, FROM_GATE_STORE, true},
	{MSG_BOOK_FOLDER, FROM_SUPERVISOR, true},
	{MSG_ROOM_NOW, FROM_HOLDER, false},
};
static_assert(ARRAY_LEN(contract) == MSG_TYPE_COUNT - 1, "one row a type");
#define EVERYBODY   0x3ffffu
#define FULL(field) memset((field), 'x', sizeof(field) - 1)

static void fill_refusal(struct refusal *r)
{
	*r = (struct refusal){.number = 7,
		.count = 8,
		.first_ms = -9,
		.last_ms = INT64_MAX,
		.rule = RULE_COUNT - 1,
		.observed = true,
		.minor = true,
		.tls = true,
		.port = 65535,
		.line = UINT32_MAX};
	/* clang-format off */
	FULL(r->address); FULL(r->calling); FULL(r->called); FULL(r->node); FULL(r->target); FULL(r->flow);
	FULL(r->listener); FULL(r->subject); FULL(r->spki); FULL(r->certificate); FULL(r->serial); FULL(r->issuer);
	FULL(r->service); FULL(r->sop_class); FULL(r->transfer_syntax); FULL(r->destination); FULL(r->answered);
	FULL(r->sentence);
	/* clang-format on */
	for (unsigned i = 0; i < ARRAY_LEN(r->san); i++) {
		FULL(r->san[i]);
	}
}

static void fill_keeping(struct message *m)
{
	m->keeping = (struct msg_keeping){.most_bytes = UINT64_MAX, .most_objects = 1, .refusal = 2};
	FULL(m->keeping.flow);
	FULL(m->keeping.from);
	FULL(m->keeping.to);
	FULL(m->keeping.calling);
	FULL(m->keeping.subject);
	FULL(m->keeping.certificate);
	FULL(m->keeping.serial);
	FULL(m->keeping.issuer);
}

/* What goes by way of the lookup, and to the key holder. */
static void fill_asked(struct message *m)
{
	switch (m->type) {
	case MSG_USER:
		m->user.proved = true;
		FULL(m->user.name);
		FULL(m->user.groups);
		memset(m->user.once, 7, sizeof(m->user.once));
		m->user.once_until_s = 1234567;
		m->bytes = span_str("AP-REP");
		FULL(m->text);
		break;
	case MSG_WHO:
	case MSG_CHAIN:
	case MSG_STAPLE:
	case MSG_EVENT:
	case MSG_LAST_EVENT:
		m->number = 99;
		m->bytes = span_str("certificates");
		break;
	case MSG_STANDING:
		m->number = 77;
		m->standing = (struct msg_standing){.state = STANDING_UNKNOWN, .again_s = 600};
		FULL(m->text);
		break;
	case MSG_JOURNAL:
		m->journal =
			(struct msg_journal){true, INT64_MIN, 1, 2, 3, INT64_MAX, UINT64_MAX, "", "", "", ""};
		FULL(m->journal.why);
		FULL(m->journal.unsigned_why);
		FULL(m->journal.uncopied_why);
		FULL(m->journal.cold_why);
		break;
	case MSG_KEEPING:
		fill_keeping(m);
		break;
	case MSG_QUARANTINED:
		m->quarantined = (struct msg_quarantined){1, 2, 3, INT64_MAX, 4, INT64_MIN, ""};
		FULL(m->quarantined.why);
		break;
	case MSG_ANTIVIRUS:
		m->antivirus = (struct msg_antivirus){
			false, SCAN_VERDICTS - 1, INT64_MIN, 1, 2, 3, 4, UINT64_MAX, "", ""};
		FULL(m->antivirus.version);
		FULL(m->antivirus.why);
		break;
	case MSG_COURIER:
		memset(&m->courier, 0x21, sizeof(m->courier));
		m->courier.index = MSG_COURIERS_MOST - 1;
		m->courier.total = MSG_COURIERS_MOST;
		m->courier.witness = true;
		m->courier.state = COURIER_STATES - 1;
		m->courier.name[sizeof(m->courier.name) - 1] = 0;
		m->courier.address[sizeof(m->courier.address) - 1] = 0;
		m->courier.error[sizeof(m->courier.error) - 1] = 0;
		break;
	case MSG_FILE:
	case MSG_LIST:
	case MSG_SPOOL:
	case MSG_QUARANTINE:
		m->number = 1;
		break;
	case MSG_CLIENT:
		memset(&m->client.ip, 0xcd, sizeof(m->client.ip));
		m->client.association = UINT64_MAX;
		break;
	case MSG_RECORDED:
		m->number = ERR_SPACE;
		break;
	default:
		break;
	}
}

/* Where there is a number and nothing else. */
static int64_t number_of(enum message_type type)
{
	switch (type) {
	case MSG_ROOM:
	case MSG_TOLD:
		return MSG_TOLD_ALL;
	case MSG_LINE:
		return MSG_LINES_MOST - 1;
	case MSG_UNRECORDED:
		return MSG_UNRECORDED_OF(MSG_UNRECORDED_MOST, 255);
	case MSG_LISTENER:
	case MSG_KEYS:
	case MSG_CHANNEL:
	case MSG_LOG:
	case MSG_CUT:
	case MSG_VERDICT:
	case MSG_NUMBER:
		return INT64_MIN + 1;
	default:
		return 0;
	}
}

/* A message with every field at its largest or oddest. */
static struct message *made(unsigned row)
{
	static struct message m;
	m = (struct message){.type = contract[row].type,
		.fd = contract[row].fd ? 0 : -1,
		.generation = 0xfedcba98,
		.number = number_of(contract[row].type)};
	fill_asked(&m);
	switch (m.type) {
	case MSG_ADMIT:
		memset(&m.admit.ip, 0xab, sizeof(m.admit.ip));
		m.admit.port = 65535;
		break;
	case MSG_ASSOCIATED:
		m.associated =
			(struct msg_associated){.from = -1, .to = INT32_MAX, .flow = INT32_MIN, .tls = true};
		FULL(m.associated.calling);
		FULL(m.associated.called);
		FULL(m.associated.tls_version);
		FULL(m.associated.suite);
		FULL(m.associated.subject);
		FULL(m.associated.certificate);
		FULL(m.associated.serial);
		FULL(m.associated.issuer);
		break;
	case MSG_CONNECT:
		m.connect = (struct msg_connect){.node = 3, .address = 4, .source_port = 5};
		break;
	case MSG_CONNECTED:
		m.connected = (struct msg_connected){.address = 2, .is_folder = true};
		FULL(m.connected.text);
		break;
	case MSG_OBJECT:
		m.object = (struct msg_object){.flow = 1, .bytes = UINT64_MAX, .objects = 1};
		break;
	case MSG_COUNTS:
		m.counts = (struct msg_counts){1, 2, 3, UINT64_MAX};
		break;
	case MSG_PROGRESS:
		m.progress = (struct msg_progress){1, 2, 3, 4, 5, 6, 7, 3};
		break;
	case MSG_REFUSAL:
		fill_refusal(&m.refusal);
		break;
	case MSG_ADDRESSES:
		FULL(m.addresses.host);
		m.addresses.n = MSG_ADDRESSES_MOST;
		memset(m.addresses.ip, 0x5a, sizeof(m.addresses.ip));
		break;
	case MSG_FOLDER:
	case MSG_KEPT:
	case MSG_READY:
		m.number = INT64_MIN;
		FULL(m.text);
		break;
	case MSG_HOLDER:
		m.number = INT64_MIN;
		m.client.association = UINT64_MAX - 1;
		FULL(m.text);
		break;
	case MSG_RESOLVE:
		FULL(m.text);
		break;
	default:
		break;
	}
	return &m;
}

static uint8_t buf[LIMIT_ROLE_MESSAGE];

/* Reading from memory of exactly n bytes, so that a sanitizer sees one byte too many. */
static int read_exact(size_t n, unsigned permitted, bool fd, struct message *ret)
{
	uint8_t *copy = malloc(n + (n == 0));
	assert_non_null(copy);
	memcpy(copy, buf, n);
	int e = message_read(span_of(copy, n), permitted, fd, ret);
	/* What was read may borrow from it until the next one. */
	static uint8_t *last;
	free(last);
	last = copy;
	return e;
}

static void test_exact_and_truncated(void **state)
{
	for (unsigned i = 0; i < ARRAY_LEN(contract); i++) {
		static struct message got, untouched;
		struct message *m = made(i);
		size_t len = 0;
		assert_int_equal(message_write(m, buf, sizeof(buf), &len), 0);
		memset(&got, 0x77, sizeof(got));
		memset(&untouched, 0x77, sizeof(untouched));
		for (size_t n = 0; n < len; n++) {
			assert_true(read_exact(n, contract[i].from, contract[i].fd, &got) < 0);
			assert_memory_equal(&got, &untouched, sizeof(got));
		}
		buf[len] = 0;
		assert_int_equal(read_exact(len + 1, contract[i].from, contract[i].fd, &got), ERR_TRAILING);
		assert_memory_equal(&got, &untouched, sizeof(got));
		assert_int_equal(read_exact(len, contract[i].from, contract[i].fd, &got), 0);
		m->fd = -1;
		assert_int_equal(got.type, m->type);
		assert_int_equal(got.generation, m->generation);
		/* Written again it has the same bytes: every field has come through. */
		static uint8_t again[LIMIT_ROLE_MESSAGE];
		size_t again_len = 0;
		got.fd = contract[i].fd ? 0 : -1;
		assert_int_equal(message_write(&got, again, sizeof(again), &again_len), 0);
		assert_int_equal(again_len, len);
		assert_memory_equal(again, buf, len);
	}
}

static void test_permission(void **state)
{
	for (unsigned i = 0; i < ARRAY_LEN(contract); i++) {
		static struct message got;
		size_t len = 0;
		assert_int_equal(message_write(made(i), buf, sizeof(buf), &len), 0);
		for (unsigned bit = 1; bit <= FROM_GATE_ALONE; bit <<= 1) {
			int want = contract[i].from & bit ? 0 : ERR_PEER;
			assert_int_equal(read_exact(len, bit, contract[i].fd, &got), want);
		}
		assert_int_equal(
			read_exact(len, EVERYBODY & ~contract[i].from, contract[i].fd, &got), ERR_PEER);
		assert_int_equal(read_exact(len, 0, contract[i].fd, &got), ERR_PEER);
	}
}

static void test_descriptor(void **state)
{
	for (unsigned i = 0; i < ARRAY_LEN(contract); i++) {
		static struct message got;
		struct message *m = made(i);
		size_t len = 0;
		assert_int_equal(message_write(m, buf, sizeof(buf), &len), 0);
		assert_int_equal(read_exact(len, contract[i].from, !contract[i].fd, &got), ERR_PEER);
		m->fd = contract[i].fd ? -1 : 0;
		assert_int_equal(message_write(m, buf, sizeof(buf), &len), ERR_VALUE);
	}
	/* A connection that failed brings none. */
	static struct message m, got;
	size_t len = 0;
	m = (struct message){.type = MSG_CONNECTED, .fd = -1};
	m.connected.result = ERR_TIMEOUT;
	assert_int_equal(message_write(&m, buf, sizeof(buf), &len), 0);
	assert_int_equal(read_exact(len, FROM_GATE_DOWN, false, &got), 0);
	assert_int_equal(got.connected.result, ERR_TIMEOUT);
	assert_int_equal(read_exact(len, FROM_GATE_DOWN, true, &got), ERR_PEER);
}

/* Of what was not recorded there is at least one. */
static void none_is_no_number(void **state)
{
	static struct message m, got;
	(void)state;
	const int64_t numbers[] = {MSG_UNRECORDED_OF(0, 3), -1, INT64_MAX, INT64_MIN};
	for (unsigned i = 0; i < ARRAY_LEN(numbers); i++) {
		size_t len = 0;
		m = (struct message){.type = MSG_UNRECORDED, .fd = -1};
		m.number = numbers[i];
		assert_int_equal(message_write(&m, buf, sizeof(buf), &len), 0);
		assert_int_equal(read_exact(len, FROM_ASSOCIATION, false, &got), ERR_VALUE);
	}
}

static int patched(unsigned row, size_t at, uint8_t v)
{
	static struct message got;
	size_t len = 0;
	assert_int_equal(message_write(made(row), buf, sizeof(buf), &len), 0);
	assert_true(at < len);
	buf[at] = v;
	return read_exact(len, EVERYBODY, contract[row].fd, &got);
}

static unsigned row_of(enum message_type t)
{
	return (unsigned)t - 1;
}

#define HEAD 6 /* version, type, generation */
static void test_values(void **state)
{
	assert_int_equal(patched(row_of(MSG_GO), 0, MESSAGE_VERSION + 1), ERR_PEER);
	assert_int_equal(patched(row_of(MSG_GO), 1, 0), ERR_PEER);
	assert_int_equal(patched(row_of(MSG_GO), 1, MSG_TYPE_COUNT), ERR_PEER);
	assert_int_equal(patched(row_of(MSG_GO), 1, 255), ERR_PEER);
	/* more objects than one; a state that is none */
	assert_int_equal(patched(row_of(MSG_OBJECT), HEAD + 15, 2), ERR_VALUE);
	assert_int_equal(patched(row_of(MSG_PROGRESS), HEAD + 48, 4), ERR_VALUE);
	/* a rule that is none; a boolean that is neither */
	assert_int_equal(patched(row_of(MSG_REFUSAL), HEAD + 32, RULE_COUNT), ERR_VALUE);
	assert_int_equal(patched(row_of(MSG_REFUSAL), HEAD + 33, 2), ERR_VALUE);
	/* a text over its array, over the message, with a NUL inside */
	assert_int_equal(patched(row_of(MSG_ASSOCIATED), HEAD + 13, 17), ERR_LENGTH);
	assert_int_equal(patched(row_of(MSG_ASSOCIATED), HEAD + 12, 0xff), ERR_TRUNCATED);
	assert_int_equal(patched(row_of(MSG_ASSOCIATED), HEAD + 14, 0), ERR_VALUE);
	/* a journal that fails for no reason, or has one and does not */
	assert_int_equal(patched(row_of(MSG_JOURNAL), HEAD, 0), ERR_VALUE);
	assert_int_equal(patched(row_of(MSG_JOURNAL), HEAD, 2), ERR_VALUE);
	/* a scanner that is away for no reason, or answers what is no verdict */
	assert_int_equal(patched(row_of(MSG_ANTIVIRUS), HEAD, 2), ERR_VALUE);
	assert_int_equal(patched(row_of(MSG_ANTIVIRUS), HEAD + 1, SCAN_VERDICTS), ERR_VALUE);
	/* more addresses than the array */
	assert_int_equal(
		patched(row_of(MSG_ADDRESSES), HEAD + 2 + 255 + 3, MSG_ADDRESSES_MOST + 1), ERR_VALUE);
	/* an empty name */
	static const uint8_t empty[] = {MESSAGE_VERSION, MSG_RESOLVE, 0, 0, 0, 0, 0, 0};
	static struct message got;
	assert_int_equal(message_read(span_of(empty, sizeof(empty)), EVERYBODY, false, &got), ERR_VALUE);
}

static void test_space(void **state)
{
	for (unsigned i = 0; i < ARRAY_LEN(contract); i++) {
		size_t len = 0, untouched = 77;
		struct message *m = made(i);
		assert_int_equal(message_write(m, buf, sizeof(buf), &len), 0);
		assert_int_equal(message_write(m, buf, len - 1, &untouched), ERR_SPACE);
		assert_int_equal(untouched, 77);
	}
	size_t len;
	assert_int_equal(
		message_write(&(struct message){.type = 0, .fd = -1}, buf, sizeof(buf), &len), ERR_TYPE);
	assert_int_equal(
		message_write(&(struct message){.type = MSG_TYPE_COUNT, .fd = -1}, buf, sizeof(buf), &len),
		ERR_TYPE);
}

/* ---- Over a channel ---- */

static void pair(int ret[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ret), 0);
}

static unsigned open_fds(void)
{
	unsigned n = 0;
	for (int fd = 0; fd < 256; fd++) {
		n += fcntl(fd, F_GETFD) >= 0;
	}
	return n;
}

static void test_channel(void **state)
{
	static struct message got;
	int s[2], null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	pair(s);
	assert_int_equal(message_recv(s[1], EVERYBODY, &got), ERR_AGAIN);
	assert_int_equal(message_send(s[0], &(struct message){.type = MSG_LEDGER, .fd = null}), 0);
	assert_int_equal(message_recv(s[1], FROM_SUPERVISOR, &got), 0);
	assert_int_equal(got.type, MSG_LEDGER);
	assert_true(got.fd >= 0 && got.fd != null);
	assert_true(fcntl(got.fd, F_GETFD) & FD_CLOEXEC);
	close(got.fd);
	/* Not permitted: the descriptor does not stay open. */
	unsigned before = open_fds();
	assert_int_equal(message_send(s[0], &(struct message){.type = MSG_LEDGER, .fd = null}), 0);
	assert_int_equal(message_recv(s[1], FROM_ASSOCIATION, &got), ERR_PEER);
	assert_int_equal(open_fds(), before);
	close(s[0]);
	assert_int_equal(message_recv(s[1], EVERYBODY, &got), ERR_CLOSED);
	assert_int_equal(message_send(s[1], &(struct message){.type = MSG_GO, .fd = -1}), ERR_CLOSED);
	close(s[1]);
	close(null);
}

static void send_raw(int fd, size_t len, const int *fds, unsigned n)
{
	struct iovec iov = {.iov_base = buf, .iov_len = len};
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(8 * sizeof(int))];
	} control = {0};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
	if (n > 0) {
		h.msg_control = &control;
		h.msg_controllen = CMSG_SPACE(n * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	}
	assert_true(sendmsg(fd, &h, 0) >= 0);
}

static void test_bad_datagrams(void **state)
{
	static struct message got;
	const int fds[8] = {0, 0, 0, 0, 0, 0, 0, 0};
	int s[2];
	size_t len = 0;
	pair(s);
	unsigned before = open_fds();
	/* Two descriptors, or more than are looked for, where one belongs. */
	assert_int_equal(
		message_write(&(struct message){.type = MSG_SITE, .fd = 0}, buf, sizeof(buf), &len), 0);
	for (unsigned n = 2; n <= 8; n++) {
		send_raw(s[0], len, fds, n);
		assert_int_equal(message_recv(s[1], EVERYBODY, &got), ERR_PEER);
		assert_int_equal(open_fds(), before);
	}
	/* Longer than any message. */
	static uint8_t large[LIMIT_ROLE_MESSAGE + 1];
	assert_true(send(s[0], large, sizeof(large), 0) > 0);
	assert_int_equal(message_recv(s[1], EVERYBODY, &got), ERR_PEER);
	/* An empty datagram with a descriptor is no end of the channel. */
	send_raw(s[0], 0, fds, 1);
	assert_int_equal(message_recv(s[1], EVERYBODY, &got), ERR_PEER);
	assert_int_equal(open_fds(), before);
	close(s[0]);
	close(s[1]);
}

static void test_full(void **state)
{
	int s[2], e;
	unsigned n = 0;
	pair(s);
	while ((e = message_send(s[0], made(row_of(MSG_REFUSAL)))) == 0 && n < 100000) {
		n++;
	}
	assert_int_equal(e, ERR_AGAIN);
	/* An answer for each question of every association must fit (the gate treats a full channel as a fault). */
	assert_true(n >= 8);
	close(s[0]);
	close(s[1]);
}

/* Texts are not cleared as a whole: the one before is not another message's. */
static void a_text_is_its_own_messages(void **state)
{
	static struct message m, got;
	size_t len;
	m = (struct message){.type = MSG_READY, .fd = -1, .number = 1, .text = "a long sentence"};
	assert_int_equal(message_write(&m, buf, sizeof(buf), &len), 0);
	assert_int_equal(message_read(span_of(buf, len), FROM_KEYS, false, &got), 0);
	assert_string_equal(got.text, "a long sentence");
	m = (struct message){.type = MSG_RECORDED, .fd = -1, .number = 7};
	assert_int_equal(message_write(&m, buf, sizeof(buf), &len), 0);
	assert_int_equal(message_read(span_of(buf, len), FROM_AUDITOR, false, &got), 0);
	assert_string_equal(got.text, "");
	assert_int_equal(got.number, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_is_its_own_messages),
		cmocka_unit_test(test_exact_and_truncated),
		cmocka_unit_test(test_permission),
		cmocka_unit_test(test_descriptor),
		cmocka_unit_test(none_is_no_number),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_space),
		cmocka_unit_test(test_channel),
		cmocka_unit_test(test_bad_datagrams),
		cmocka_unit_test(test_full),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
