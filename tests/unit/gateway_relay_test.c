/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/exchange.h"
#include "gateway/hold.h"
#include "gateway/relay.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * The relay with both its sides on socket pairs and no gate: what goes in at the caller's end comes out at the
 * target's, whatever the sizes of PDUs and reads.
 */

#define CT  "1.2.840.10008.5.1.4.1.1.2"
#define US  "1.2.840.10008.5.1.4.1.1.6.1"
#define PET "1.2.840.10008.5.1.4.1.1.128"

static const char yaml[] =
	"nodes:\n"
	"  ct: { ae: [CT], from: [127.0.0.1], transport: plain }\n"
	"  pacs: { ae: [PACS], address: [\"127.0.0.1:1\"], transport: plain }\n"
	"listeners:\n"
	"  - { name: p, address: 127.0.0.1, port: 11112, transport: plain }\n"
	"flows:\n"
	"  - { name: all, from: [ct], to: pacs, services: [store], sop-classes: [" CT "] }\n"
	"  - { name: small, from: [ct], to: pacs, services: [store], sop-classes: [1.2.840.10008.5.1.4.1.1.4],\n"
	"      limits: { object-size: { most: 1000, over: refuse } } }\n"
	"  - { name: tail, from: [ct], to: pacs, services: [store], sop-classes: [" PET "],\n"
	"      inspect: { note: allow, warning: allow, danger: allow, hold: tail,\n"
	"        checks: { embedded-test-virus: refuse } } }\n"
	"  - { name: whole, from: [ct], to: pacs, services: [store], sop-classes: [" US "],\n"
	"      inspect: { note: allow, warning: allow, danger: allow, hold: whole,\n"
	"        checks: { embedded-test-virus: refuse } } }\n";

struct fixture {
	struct association_start start;
	struct association as;
	struct audit audit;
	int caller, target; /* the far ends */
	struct site *site;
	uint8_t *got; /* what the target received */
	size_t got_len;
};

static void pair(int ret_fd[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ret_fd), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(fcntl(ret_fd[i], F_SETFL, O_NONBLOCK), 0);
	}
}

static void open_side(struct side *s, const char *name, int fd, uint32_t max_out)
{
	struct side_memory *m = calloc(1, sizeof(*m));
	assert_non_null(m);
	side_init(s, name, m);
	stream_open(&s->t, fd);
	s->up = true;
	s->ul.state = UL_STA6;
	s->max_in = 0;
	s->max_out = max_out;
}

static struct holds holds;

static void begin(struct fixture *f, uint32_t max_out)
{
	struct mistakes mistakes = {0};
	int fd[2];
	memset(f, 0, sizeof(*f));
	memset(&holds, 0, sizeof(holds));
	assert_int_equal(site_parse(span_str(yaml), "/etc/gantry.yaml", &f->site, &mistakes), 0);
	mistakes_done(&mistakes);
	f->start.audit = -1;
	f->as.start = &f->start;
	f->start.channel = -1;
	f->as.gate_lost = true;
	f->as.audit = &f->audit;
	f->as.holds = &holds;
	f->audit.fd = -1;
	f->as.loss = RULE_UPSTREAM_LOST;
	f->as.site = f->site;
	f->as.caller.calling = "CT";
	f->as.caller.called = "PACS";
	f->as.caller.transport = TRANSPORT_PLAIN;
	f->as.route = (struct route){.from = 0, .to = 1, .flows = {0, 1, 2, 3}, .n_flows = 4};
	f->as.unreported_flow = -1;
	pair(fd);
	open_side(&f->as.a, "caller", fd[0], 0);
	f->caller = fd[1];
	pair(fd);
	open_side(&f->as.b, "target", fd[0], max_out);
	f->target = fd[1];
	f->as.context[1] = (struct agreed){
		.accepted = true, .abstract = span_str(CT), .transfer = span_str("1.2.840.10008.1.2.1")};
	f->as.context[3] = (struct agreed){.accepted = true,
		.abstract = span_str("1.2.840.10008.5.1.4.1.1.4"),
		.transfer = span_str("1.2.840.10008.1.2.1")};
	f->as.context[5] = (struct agreed){.accepted = true,
		.abstract = span_str("1.2.840.10008.5.1.4.1.1.7"),
		.transfer = span_str("1.2.840.10008.1.2.1")};
	f->as.context[11] = (struct agreed){
		.accepted = true, .abstract = span_str(PET), .transfer = span_str("1.2.840.10008.1.2.1")};
	f->as.context[13] = (struct agreed){
		.accepted = true, .abstract = span_str(US), .transfer = span_str("1.2.840.10008.1.2.1")};
	f->got = malloc(4 << 20);
}

static void side_release(struct side *s)
{
	side_close(s);
	free(s->msg.held);
	free((void *)(s->in - offsetof(struct side_memory, in)));
}

static void done(struct fixture *f)
{
	side_release(&f->as.a);
	side_release(&f->as.b);
	close(f->caller);
	close(f->target);
	site_free(f->site);
	free(f->got);
}

static size_t take_far(int fd, uint8_t *to)
{
	size_t len = 0;
	ssize_t n;
	while ((n = read(fd, to + len, 1 << 16)) > 0) {
		len += (size_t)n;
	}
	return len;
}

/* One turn of what the loop does, without waiting. *ret_read: something came. */
static int turn(struct fixture *f, bool *ret_read)
{
	struct parse_fail fail = {0};
	int wrong = 0, e = relay_fill(&f->as, &f->as.a, &fail, &wrong);
	bool moved;
	assert_true(e == 0 || e == ERR_AGAIN);
	*ret_read = e == 0;
	if (wrong != 0) {
		return fail.code;
	}
	do {
		e = relay_take(&f->as, &f->as.a, &fail);
		moved = hold_pump(&f->as, &f->as.a);
		exchange_owed(&f->as);
		while (f->as.b.up && side_flush(&f->as.b) == ERR_AGAIN) {
			f->got_len += take_far(f->target, f->got + f->got_len);
		}
		if (f->as.b.up) {
			f->got_len += take_far(f->target, f->got + f->got_len);
		}
		assert_int_equal(side_flush(&f->as.a), 0);
	} while (f->as.a.blocked || moved);
	return e == ERR_AGAIN ? 0 : fail.code;
}

/* Send bytes at the caller's end in pieces of `step`. */
static int feed(struct fixture *f, const uint8_t *bytes, size_t len, size_t step)
{
	int e = 0;
	for (size_t at = 0; at < len && e == 0; at += step) {
		size_t n = len - at < step ? len - at : step;
		bool more = true;
		assert_int_equal(write(f->caller, bytes + at, n), (ssize_t)n);
		while (more && e == 0) {
			e = turn(f, &more);
		}
	}
	return e;
}

static size_t put_command(uint8_t *to, const struct command *c, uint8_t context)
{
	uint8_t bytes[1024];
	struct writer w = writer_of(bytes, sizeof(bytes));
	assert_int_equal(command_write(c, &w), 0);
	pdv_write_heads(to, (uint32_t)w.len, context, true, true);
	memcpy(to + 12, bytes, w.len);
	return 12 + w.len;
}

static size_t put_store(uint8_t *to, uint8_t context, const char *class)
{
	struct command c = {.field = C_STORE_RQ,
		.message_id = 7,
		.data_set_type = COMMAND_DATA_SET,
		.affected_sop_class = span_str(class),
		.affected_sop_instance = span_str("1.2.3")};
	return put_command(to, &c, context);
}

static size_t put_data(uint8_t *to, uint8_t context, const uint8_t *data, size_t len, size_t pdu)
{
	size_t at = 0, out = 0;
	do {
		size_t n = len - at < pdu ? len - at : pdu;
		pdv_write_heads(to + out, (uint32_t)n, context, false, at + n == len);
		memcpy(to + out + 12, data + at, n);
		out += 12 + n;
		at += n;
	} while (at < len);
	return out;
}

/* What the target got: the command's bytes, and the data set's, by context; each PDU at most `most`. */
static size_t data_of(const struct fixture *f, uint32_t most, uint8_t *to, unsigned *ret_lasts)
{
	struct reader r = reader_of(span_of(f->got, f->got_len));
	size_t len = 0;
	*ret_lasts = 0;
	while (reader_left(&r) > 0) {
		struct pdu_head h;
		struct pdv_head v;
		struct span payload = span_of(to, 0);
		assert_int_equal(pdu_read_head(&r, &h), 0);
		assert_int_equal(h.type, PDU_P_DATA_TF);
		assert_true(most == 0 || h.len <= most);
		assert_int_equal(pdv_read_head(&r, &v), 0);
		assert_int_equal(v.len + 4, h.len);
		assert_int_equal(reader_bytes(&r, v.len - 2, &payload), 0);
		assert_true(f->as.a.tolerate != 0 || v.len % 2 == 0);
		if (!v.command) {
			memcpy(to + len, payload.ptr, payload.len);
			len += payload.len;
			*ret_lasts += v.last;
		}
	}
	return len;
}

static void check_store_on(uint8_t context, size_t size, size_t pdu, uint32_t max_out, size_t step)
{
	static const char *const classes[] = {[1] = CT, [11] = PET, [13] = US};
	struct fixture *f = malloc(sizeof(*f));
	uint8_t *data = malloc(size + 1), *wire = malloc(size * 3 + 65536), *out = malloc(size + 65536);
	begin(f, max_out);
	for (size_t i = 0; i < size; i++) {
		data[i] = (uint8_t)(i * 31 + i / 251);
	}
	size_t len = put_store(wire, context, classes[context]);
	len += put_data(wire + len, context, data, size, pdu);
	assert_int_equal(feed(f, wire, len, step), 0);
	unsigned lasts;
	assert_int_equal(data_of(f, max_out, out, &lasts), size);
	assert_int_equal(lasts, 1);
	assert_memory_equal(out, data, size);
	assert_int_equal(f->as.a.n_operations, 1);
	done(f);
	free(data);
	free(wire);
	free(out);
	free(f);
}

static void check_store(size_t size, size_t pdu, uint32_t max_out, size_t step)
{
	check_store_on(1, size, pdu, max_out, step);
}

/* Large fragments are read to where they are held, small ones are copied there: in pieces that end anywhere. */
static void what_is_held_passes_byte_for_byte(void **state)
{
	(void)state;
	static const size_t pdus[] = {4096, 65534, 65536, 131072, 200000},
			    steps[] = {4099, 65536, 65548, 131084};
	static const uint32_t outs[] = {0, 16384, 131072};
	for (size_t i = 0; i < ARRAY_LEN(pdus) * ARRAY_LEN(steps) * ARRAY_LEN(outs); i++) {
		size_t pdu = pdus[i % 5], step = steps[i / 5 % 4];
		check_store_on(11, 700002, pdu, outs[i / 20], step);
		check_store_on(13, 900002, pdu, outs[i / 20], step);
	}
}

static void passes_byte_for_byte(void **state)
{
	(void)state;
	static const size_t pdus[] = {2, 100, 4096, 16372, 100000};
	static const uint32_t outs[] = {0, 128, 4096, 16384, 131072};
	for (size_t i = 0; i < ARRAY_LEN(pdus); i++) {
		for (size_t k = 0; k < ARRAY_LEN(outs); k++) {
			size_t size = pdus[i] == 2 ? 300 : 200002;
			check_store(size, pdus[i], outs[k], 65536);
			check_store(size, pdus[i], outs[k], 4099);
		}
	}
}

static void passes_at_every_split(void **state)
{
	(void)state;
	for (size_t step = 1; step < 200; step++) {
		check_store(900, 100, 0, step);
		check_store(900, 100, 133, step);
	}
}

static void an_empty_data_set_keeps_its_last_fragment(void **state)
{
	(void)state;
	check_store(0, 100, 0, 65536);
}

static uint16_t answer_status(struct fixture *f, char comment[65])
{
	uint8_t buf[4096];
	ssize_t n = read(f->caller, buf, sizeof(buf));
	assert_true(n > 12);
	struct command c;
	struct parse_fail fail = {0};
	assert_int_equal(command_read(span_of(buf + 12, (size_t)n - 12), 0, &c, &fail), 0);
	assert_int_equal(c.field, C_STORE_RSP);
	assert_int_equal(c.message_id_responded, 7);
	memcpy(comment, c.error_comment, 65);
	return c.status;
}

static void a_refused_request_is_drained_and_answered(void **state)
{
	(void)state;
	struct fixture *f = malloc(sizeof(*f));
	static uint8_t wire[400000], data[300000];
	char comment[65];
	begin(f, 0);
	size_t len = put_store(wire, 5, "1.2.840.10008.5.1.4.1.1.7");
	len += put_data(wire + len, 5, data, sizeof(data), 16372);
	assert_int_equal(feed(f, wire, len, 65536), 0);
	assert_int_equal(f->got_len, 0);
	assert_int_equal(answer_status(f, comment), 0x0124);
	assert_non_null(strstr(comment, "Gantry"));
	assert_int_equal(f->as.a.n_operations, 0);
	/* The association lives on. */
	len = put_store(wire, 1, CT);
	len += put_data(wire + len, 1, data, 1000, 16372);
	assert_int_equal(feed(f, wire, len, 65536), 0);
	unsigned lasts;
	assert_int_equal(data_of(f, 0, wire, &lasts), 1000);
	done(f);
	free(f);
}

/* Alone a command is of no use to the target, which has it with the first bytes of its data set: be there none in those. */
static void a_command_waits_for_its_data_set(void **state)
{
	(void)state;
	struct fixture *f = malloc(sizeof(*f));
	uint8_t wire[8192], data[100] = {1, 2, 3};
	unsigned lasts;
	for (size_t size = 0; size <= sizeof(data); size += sizeof(data)) {
		begin(f, 0);
		size_t len = put_store(wire, 1, CT);
		assert_int_equal(feed(f, wire, len, 65536), 0);
		assert_int_equal(f->got_len, 0);
		size_t n = put_data(wire + len, 1, data, size, 4096);
		assert_int_equal(feed(f, wire + len, n, 65536), 0);
		assert_int_equal(f->got_len, len + n);
		assert_int_equal(data_of(f, 0, wire, &lasts), size);
		assert_int_equal(lasts, 1);
		done(f);
	}
	/* Where the target is lost meanwhile, nothing of it has been sent: the caller has an answer, at its end. */
	begin(f, 0);
	char comment[65];
	size_t len = put_store(wire, 1, CT);
	assert_int_equal(feed(f, wire, len, 65536), 0);
	target_end(&f->as, false, "the target closed the connection");
	assert_int_equal(f->got_len, 0);
	len = put_data(wire, 1, data, sizeof(data), 50);
	assert_int_equal(feed(f, wire, len, 65536), 0);
	assert_true(answer_status(f, comment) != 0);
	assert_true(f->as.a.up && !f->as.over);
	assert_int_equal(f->as.a.n_operations, 0);
	done(f);
	free(f);
}

static void an_object_over_its_size_ends_the_target_alone(void **state)
{
	(void)state;
	struct fixture *f = malloc(sizeof(*f));
	static uint8_t wire[8192], data[4000];
	char comment[65];
	begin(f, 0);
	size_t len = put_store(wire, 3, "1.2.840.10008.5.1.4.1.1.4");
	len += put_data(wire + len, 3, data, sizeof(data), 500);
	assert_int_equal(feed(f, wire, len, 700), 0);
	assert_true(answer_status(f, comment) != 0);
	assert_false(f->as.b.up);
	assert_true(f->as.target_lost);
	assert_true(f->as.a.up);
	/* The last fragment never left, and the last PDU is our abort. */
	uint8_t last[64];
	f->got_len += take_far(f->target, f->got + f->got_len);
	assert_true(f->got_len > 10);
	memcpy(last, f->got + f->got_len - 10, 10);
	assert_int_equal(last[0], PDU_ABORT);
	done(f);
	free(f);
}

static void a_fragment_on_an_unknown_context_is_an_error(void **state)
{
	(void)state;
	struct fixture *f = malloc(sizeof(*f));
	uint8_t wire[2048];
	begin(f, 0);
	size_t len = put_store(wire, 9, CT);
	assert_int_equal(feed(f, wire, len, 65536), ERR_VALUE);
	assert_int_equal(f->got_len, 0);
	done(f);
	free(f);
}

/* PS3.8 E.1: of a data set, and of a command. A last one is odd where the whole is, which is not for the relay to judge. */
static void a_fragment_of_odd_length_is_an_error(void **state)
{
	static const struct {
		size_t len, pdu;
	} rows[] = {{1000, 99}, {1001, 101}, {1001, 999}};
	(void)state;
	for (unsigned i = 0; i < 2 * ARRAY_LEN(rows); i++) {
		size_t size = rows[i / 2].len;
		bool tolerated = i % 2 == 1;
		struct fixture *f = malloc(sizeof(*f));
		uint8_t wire[4096], out[2048], data[1001] = {0};
		unsigned lasts;
		begin(f, 0);
		f->as.a.tolerate = tolerated ? TOLERATE_ODD_FRAGMENTS : 0;
		size_t len = put_store(wire, 1, CT);
		len += put_data(wire + len, 1, data, size, rows[i / 2].pdu);
		assert_int_equal(feed(f, wire, len, 65536), tolerated ? 0 : ERR_LENGTH);
		if (tolerated) {
			assert_int_equal(data_of(f, 0, out, &lasts), size);
			assert_int_equal(lasts, 1);
			assert_true(f->as.totals.tolerated > 0);
		}
		done(f);
		free(f);
	}
	struct fixture *f = malloc(sizeof(*f));
	uint8_t wire[13] = {0}, store[1024], data[1001] = {0}, out[2048];
	unsigned lasts;
	begin(f, 0);
	size_t len = put_store(store, 1, CT);
	assert_int_equal(feed(f, store, len, 65536), 0);
	uint8_t pdus[2048];
	assert_int_equal(feed(f, pdus, put_data(pdus, 1, data, sizeof(data), 500), 65536), 0);
	f->as.a.tolerate = 1; /* of what the target got the end is odd */
	assert_int_equal(data_of(f, 0, out, &lasts), sizeof(data));
	assert_int_equal(f->as.totals.tolerated, 1);
	f->as.a.tolerate = 0;
	pdv_write_heads(wire, 1, 1, true, false);
	assert_int_equal(feed(f, wire, sizeof(wire), 65536), ERR_LENGTH);
	done(f);
	free(f);
}

/* Who announces an odd maximum gets even fragments all the same. */
static void an_odd_maximum_makes_no_odd_fragments(void **state)
{
	(void)state;
	for (uint32_t most = 4095; most < 4099; most++) {
		check_store(20000, 10000, most, 65536);
		check_store_on(11, 20000, 10000, most, 65536);
	}
}

static void data_before_a_command_is_an_error(void **state)
{
	(void)state;
	struct fixture *f = malloc(sizeof(*f));
	uint8_t wire[2048], data[10] = {0};
	begin(f, 0);
	size_t len = put_data(wire, 1, data, sizeof(data), 100);
	assert_int_equal(feed(f, wire, len, 65536), ERR_ORDER);
	done(f);
	free(f);
}

int main(void)
{
	log_least(LOG_LEVEL_ERROR);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(passes_byte_for_byte),
		cmocka_unit_test(passes_at_every_split),
		cmocka_unit_test(what_is_held_passes_byte_for_byte),
		cmocka_unit_test(an_empty_data_set_keeps_its_last_fragment),
		cmocka_unit_test(a_refused_request_is_drained_and_answered),
		cmocka_unit_test(a_command_waits_for_its_data_set),
		cmocka_unit_test(an_object_over_its_size_ends_the_target_alone),
		cmocka_unit_test(a_fragment_on_an_unknown_context_is_an_error),
		cmocka_unit_test(a_fragment_of_odd_length_is_an_error),
		cmocka_unit_test(an_odd_maximum_makes_no_odd_fragments),
		cmocka_unit_test(data_before_a_command_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
