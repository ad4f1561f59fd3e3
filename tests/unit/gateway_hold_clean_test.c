/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dicom/implementation.h"
#include "dicom/part10.h"
#include "gateway/clean.h"
#include "gateway/hold_clean.h"
#include "gateway/hold_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * What a job may answer of an object, whatever has become of it: it ends in a refusal that says why, and nothing has left. The test is the
 * job, and the gate that gives it. In observe mode, which softens nothing of it.
 */

#define CT       "1.2.840.10008.5.1.4.1.1.2"
#define INSTANCE "1.2.3.4"
#define BASELINE "1.2.840.10008.1.2.4.50"
#define LOSSLESS "1.2.840.10008.1.2.4.70"
#define ELE      "1.2.840.10008.1.2.1"
#define ILE      "1.2.840.10008.1.2"

static const char yaml[] =
	"nodes:\n  ct: { ae: [CT], from: [127.0.0.1], transport: plain }\n"
	"  pacs: { ae: [PACS], address: [\"127.0.0.1:1\"], transport: plain }\n"
	"listeners: [ { port: 11112, transport: plain } ]\ndeidentify: { key: k }\n"
	"flows: [ { name: all, from: [ct], to: pacs, services: [store], mode: observe, deidentify: { clean-pixels: yes } } ]\n";

static struct association_start start;
static struct association as;
static struct audit audit;
static struct holds holds;
static struct associate rq, proposal;
static struct side_memory memory[2];
static struct site *site;
static struct operation *operation;
static int job;
static const char *accepted; /* in a context of its own; NULL: there is none */
static uint8_t asked;        /* what its options are */

static void begin(void)
{
	struct mistakes m = {0};
	int gate[2], stream[2];
	memset(&as, 0, sizeof(as));
	memset(&audit, 0, sizeof(audit));
	memset(memory, 0, sizeof(memory));
	assert_int_equal(site_parse(span_str(yaml), "/etc/gantry.yaml", &site, &m), 0);
	mistakes_done(&m);
	start.audit = audit.fd = -1;
	as.start = &start;
	as.site = site;
	as.audit = &audit;
	as.holds = &holds;
	as.rq = &rq;
	as.proposal = &proposal;
	as.caller.calling = "CT";
	as.caller.called = "PACS";
	as.route = (struct route){.from = 0, .to = 1, .flows = {0}, .n_flows = 1};
	as.context[1] =
		(struct agreed){.accepted = true, .abstract = span_str(CT), .transfer = span_str(BASELINE)};
	if (accepted) {
		as.context[3] = as.context[1];
		as.context[3].transfer = span_str(accepted);
	}
	side_init(&as.a, "caller", &memory[0]);
	side_init(&as.b, "target", &memory[1]);
	/* The gate's answer is there before the question. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, gate), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, stream), 0);
	assert_int_equal(message_send(gate[1], &(struct message){.type = MSG_CLEANER, .fd = stream[0]}), 0);
	close(stream[0]);
	start.channel = gate[0];
	job = stream[1];
	operation = side_operation_new(&as.a);
	operation->context = operation->out_context = 1;
	operation->field = C_STORE_RQ;
	as.a.msg = (struct incoming){.phase = IN_DATA,
		.disposition = KEEP,
		.context = 1,
		.operation = operation,
		.command_bytes = as.a.msg.command_bytes,
		.command = {.field = C_STORE_RQ,
			.affected_sop_class = span_str(CT),
			.affected_sop_instance = span_str(INSTANCE)}};
	struct hold *h = &holds.of[0];
	h->state = HOLD_TAKING;
	h->flow = 0;
	h->out_context = 1;
	h->len = 1000;
	memset(h->memory, 'x', h->len);
	assert_true(hold_clean_begin(&as, &as.a, h, site->flows[0].deidentify));
	assert_true(hold_clean_start(&as, &as.a, h));
	assert_int_equal(h->state, HOLD_CLEANING);
	close(gate[1]);
	as.gate_lost = true; /* refusals get no numbers */
}

/* All of the object is read: it ends with its last frame. */
static void read_object(void)
{
	static uint8_t got[4096];
	static const uint8_t end[CLEANER_HEAD] = {CLEANER_END};
	size_t n = 0;
	while (n < 1000 || memcmp(got + n - CLEANER_HEAD, end, CLEANER_HEAD) != 0) {
		hold_clean_step(&as, &as.a, &holds.of[0]);
		ssize_t more = read(job, got + n, sizeof(got) - n);
		assert_true(more > 0 || errno == EAGAIN);
		n += more > 0 ? (size_t)more : 0;
	}
	assert_int_equal(got[0], CLEANER_OPTIONS); /* there are no rules */
	asked = got[1];
}

static void say(enum cleaner_kind kind, uint8_t code, struct span bytes)
{
	uint8_t head[CLEANER_HEAD];
	cleaner_put_head(&(struct cleaner_head){kind, code, (uint32_t)bytes.len}, head);
	assert_int_equal(write(job, head, sizeof(head)), sizeof(head));
	assert_int_equal(write(job, bytes.ptr, bytes.len), bytes.len);
}

static void say_file(const char *instance, const char *syntax)
{
	uint8_t bytes[PART10_META_MAX];
	struct writer w = writer_of(bytes, sizeof(bytes));
	const struct part10_meta meta = {.sop_class = span_str(CT),
		.sop_instance = span_str(instance),
		.transfer_syntax = span_str(syntax),
		.implementation_class = span_str(GANTRY_IMPLEMENTATION_CLASS)};
	assert_int_equal(part10_write(&meta, &w), 0);
	say(CLEANER_DATA, 0, writer_span_of(&w));
	say(CLEANER_DATA, 0, span_str("the data set"));
}

/* It ends refused by this rule, with these words, and nothing has left. */
static void ends(enum rule rule, const char *words)
{
	struct hold *h = &holds.of[0];
	for (unsigned i = 0; i < 1000 && h->state == HOLD_CLEANING; i++) {
		hold_clean_step(&as, &as.a, h);
	}
	assert_int_equal(h->state, HOLD_NONE);
	assert_int_equal(as.ask.refusal.rule, rule);
	assert_false(as.ask.refusal.observed);
	assert_non_null(strstr(as.ask.refusal.sentence, words));
	assert_int_equal(operation->state, OPERATION_ANSWER);
	assert_int_equal(operation->status, rule == RULE_UNJUDGED ? 0xA700 : 0x0124);
	assert_true(out_empty(&as.b.out) && as.b.out.queued == 0);
	assert_false(h->cleans);
	assert_int_equal(h->syntax[0], 0);
	close(job);
	close(start.channel);
	site_free(site);
}

/* What the others below are not: only the way out is missing. */
static void another_syntax(void **state)
{
	(void)state;
	begin();
	read_object();
	say_file(INSTANCE, LOSSLESS);
	say(CLEANER_END, CLEANER_CLEANED, span_str("rule"));
	ends(RULE_DEIDENTIFY, "JPEGLosslessSV1, for which the called node was not asked");
	begin();
	proposal.n_contexts = 1;
	proposal.contexts[0] = (struct context){
		.id = 3, .abstract = span_str(CT), .n_transfer = 1, .transfer = {span_str(LOSSLESS)}};
	read_object();
	say_file(INSTANCE, LOSSLESS);
	say(CLEANER_END, CLEANER_CLEANED, span_str("rule"));
	ends(RULE_DEIDENTIFY, "JPEGLosslessSV1, which the called node has not accepted");
	proposal.n_contexts = 0;
}

/* Where its kin would leave by no context, and uncompressed it would, that is asked for, and nothing else is the answer. */
static void uncompressed(void **state)
{
	static const char *const native[] = {ELE, ILE};
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(native); i++) {
		accepted = native[i];
		begin();
		read_object();
		assert_true(asked & CLEANER_NATIVE);
		say_file(INSTANCE, LOSSLESS);
		say(CLEANER_END, CLEANER_CLEANED, span_str("rule"));
		ends(RULE_UNJUDGED, "is not that object");
	}
	accepted = LOSSLESS;
	begin();
	read_object();
	assert_false(asked & CLEANER_NATIVE);
	say_file(INSTANCE, ELE);
	say(CLEANER_END, CLEANER_CLEANED, span_str("rule"));
	ends(RULE_UNJUDGED, "is not that object");
	accepted = NULL;
}

static void another_object(void **state)
{
	static const char *const other[][2] = {{"1.2.3.5", LOSSLESS}, {INSTANCE, ELE},
		{INSTANCE, "1.2.840.10008.1.2.4.90"}, {INSTANCE, "1.2.3"}};
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(other); i++) {
		begin();
		read_object();
		say_file(other[i][0], other[i][1]);
		say(CLEANER_END, CLEANER_CLEANED, span_str("rule"));
		ends(RULE_UNJUDGED, "is not that object");
	}
}

static void no_object(void **state)
{
	static uint8_t zeros[PART10_META_MAX + 100];
	(void)state;
	begin();
	read_object();
	say(CLEANER_DATA, 0, span_of(zeros, sizeof(zeros)));
	say(CLEANER_END, CLEANER_CLEANED, span_str("rule"));
	ends(RULE_UNJUDGED, "is not that object");
	/* The head is cut. */
	begin();
	read_object();
	say(CLEANER_DATA, 0, span_of(zeros, 100));
	say(CLEANER_END, CLEANER_CLEANED, span_str("rule"));
	ends(RULE_UNJUDGED, "is not that object");
	begin();
	read_object();
	say(CLEANER_END, CLEANER_CLEANED, span_str("rule"));
	ends(RULE_UNJUDGED, "clean-pixels");
}

static void no_answer(void **state)
{
	(void)state;
	begin();
	read_object();
	say_file(INSTANCE, LOSSLESS);
	assert_int_equal(shutdown(job, SHUT_RDWR), 0);
	ends(RULE_UNJUDGED, "has ended");
	/* It says that there was nothing to clean, before it has all. */
	begin();
	say(CLEANER_END, CLEANER_PASS, span_str("rule"));
	ends(RULE_UNJUDGED, "makes no sense");
	/* A file that was not cleaned. */
	begin();
	read_object();
	say_file(INSTANCE, BASELINE);
	say(CLEANER_END, CLEANER_PASS, span_str("rule"));
	ends(RULE_UNJUDGED, "makes no sense");
	begin();
	read_object();
	say(CLEANER_END, CLEANER_LOST, span_str("there is no module"));
	ends(RULE_UNJUDGED, "there is no module");
}

static void refused(void **state)
{
	static const enum cleaner_outcome outcomes[] = {CLEANER_REFUSED, CLEANER_BROKEN};
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(outcomes); i++) {
		begin();
		read_object();
		say(CLEANER_END, (uint8_t)outcomes[i], span_str("nobody knows where"));
		ends(RULE_DEIDENTIFY, "nobody knows where");
	}
}

static void nobody_there(void **state)
{
	struct hold *h = &holds.of[0];
	(void)state;
	begin();
	hold_clean_drop(h);
	h->state = HOLD_TAKING;
	assert_true(hold_clean_begin(&as, &as.a, h, site->flows[0].deidentify));
	assert_true(hold_clean_start(&as, &as.a, h)); /* the gate is lost */
	ends(RULE_UNJUDGED, "is away");
}

/* Complete and good, and then it is gone from where it was held. */
static void lost(void **state)
{
	struct hold *h = &holds.of[0];
	(void)state;
	begin();
	hold_clean_drop(h);
	h->state = HOLD_PASSING;
	hold_lost(&as, &as.a, h);
	ends(RULE_UNJUDGED, "cannot be read back");
}

static int teardown(void **state)
{
	(void)state;
	free(holds.of[0].cleaning);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(another_syntax),
		cmocka_unit_test(uncompressed),
		cmocka_unit_test(another_object),
		cmocka_unit_test(no_object),
		cmocka_unit_test(no_answer),
		cmocka_unit_test(refused),
		cmocka_unit_test(nobody_there),
		cmocka_unit_test(lost),
	};
	return cmocka_run_group_tests(tests, NULL, teardown);
}
