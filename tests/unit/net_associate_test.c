/* SPDX-License-Identifier: Apache-2.0 */
#include "net_bytes.h"

#include "net/associate.h"

#define CT       "1.2.840.10008.5.1.4.1.1.2"
#define IMPLICIT "1.2.840.10008.1.2"
#define EXPLICIT "1.2.840.10008.1.2.1"

static uint8_t body[LIMIT_ASSOCIATE_PDU + 64];
static struct writer w;
static struct associate a;
static struct parse_fail fail;

/* ---- The tests' own writer: it writes what a peer should not ---- */

static void begin(void)
{
	w = writer_of(body, sizeof(body));
	writer_u16be(&w, 1);
	writer_u16be(&w, 0);
	writer_bytes(&w, "ARCHIVE         ", 16);
	writer_bytes(&w, "CT1             ", 16);
	writer_fill(&w, 0, 32);
}

static void item(uint8_t type, const void *ptr, size_t len)
{
	writer_u8(&w, type);
	writer_u8(&w, 0xAA); /* reserved, not tested */
	writer_u16be(&w, (uint16_t)len);
	writer_bytes(&w, ptr, len);
}

#define ITEM(type, literal) item((type), (literal), sizeof(literal) - 1)

static size_t open_item(uint8_t type)
{
	writer_u8(&w, type);
	writer_u8(&w, 0);
	return writer_mark_u16be(&w);
}

static void close_item(size_t mark)
{
	writer_fill_u16be(&w, mark);
}

static void counted(const char *text)
{
	writer_u16be(&w, (uint16_t)strlen(text));
	writer_bytes(&w, text, strlen(text));
}

static void application_context(void)
{
	ITEM(0x10, APPLICATION_CONTEXT_UID);
}

static void context_head(uint8_t id, uint8_t result)
{
	writer_bytes(&w, (const uint8_t[]){id, 0xAA, result, 0xAA}, 4);
}

static void context_rq(uint8_t id)
{
	size_t m = open_item(0x20);
	context_head(id, 0xAA);
	ITEM(0x30, CT);
	ITEM(0x40, IMPLICIT);
	ITEM(0x40, EXPLICIT);
	close_item(m);
}

static void max_pdu(void)
{
	ITEM(0x51, "\0\0\x40\0");
}

static void user_information(void)
{
	size_t m = open_item(0x50);
	max_pdu();
	ITEM(0x52, "1.2.3");
	close_item(m);
}

static void whole_rq(void)
{
	begin();
	application_context();
	context_rq(1);
	user_information();
}

static int read_as(enum pdu_type type, unsigned tolerate)
{
	assert_int_equal(writer_end(&w), 0);
	struct span s = exact(w.ptr, w.len);
	struct associate *got = calloc(1, sizeof(*got));
	got->max_pdu = 77;
	int err = associate_read(s, type, tolerate, got, &fail);
	if (err) {
		assert_int_equal(fail.code, err);
		assert_non_null(fail.spec);
		assert_true(fail.offset <= w.len);
		assert_int_equal(got->max_pdu, 77); /* untouched */
		assert_int_equal(got->n_contexts, 0);
	} else {
		/* The bytes must outlive what borrows them; w's are the same. */
		assert_int_equal(associate_read(writer_span_of(&w), type, tolerate, &a, &fail), 0);
	}
	free(got);
	exact_free(s);
	return err;
}

#define RQ() read_as(PDU_ASSOCIATE_RQ, 0)
#define AC() read_as(PDU_ASSOCIATE_AC, 0)

/* ---- Good ones ---- */

static void request(void **state)
{
	whole_rq();
	assert_int_equal(RQ(), 0);
	assert_int_equal(a.protocol_version, 1);
	assert_string_equal(a.called, "ARCHIVE");
	assert_string_equal(a.calling, "CT1");
	assert_span(a.application_context, APPLICATION_CONTEXT_UID);
	assert_int_equal(a.n_contexts, 1);
	assert_int_equal(a.contexts[0].id, 1);
	assert_int_equal(a.contexts[0].result, 0);
	assert_span(a.contexts[0].abstract, CT);
	assert_int_equal(a.contexts[0].n_transfer, 2);
	assert_span(a.contexts[0].transfer[1], EXPLICIT);
	assert_true(a.has_max_pdu);
	assert_int_equal(a.max_pdu, 16384);
	assert_span(a.implementation_class, "1.2.3");
	assert_string_equal(a.implementation_version, "");
	assert_false(a.async.has || a.identity.has);
	assert_int_equal(a.tolerated, 0);
}

static void user_items(void)
{
	ITEM(0x58, "\2\1\0\4user\0\4pass");
	size_t m = open_item(0x57);
	counted(CT);
	counted("1.2.840.10008.4.2");
	size_t related = writer_mark_u16be(&w);
	counted("1.2.840.10008.5.1.4.1.1.4");
	writer_fill_u16be(&w, related);
	close_item(m);
	m = open_item(0x56);
	counted(CT);
	writer_bytes(&w, "\1\0\1", 3);
	close_item(m);
	ITEM(0x55, "VERSION 1");
	m = open_item(0x54);
	counted(CT);
	writer_bytes(&w, "\0\1", 2);
	close_item(m);
	ITEM(0x53, "\0\5\0\1");
}

static void every_user_item(void **state)
{
	begin();
	application_context();
	context_rq(255);
	size_t m = open_item(0x50);
	user_items(); /* in any order: PS3.8 9.3.2.3 */
	max_pdu();
	ITEM(0x52, "1.2.3");
	close_item(m);
	assert_int_equal(RQ(), 0);
	assert_true(a.async.has && a.async.invoked == 5 && a.async.performed == 1);
	assert_int_equal(a.n_roles, 1);
	assert_true(!a.roles[0].scu && a.roles[0].scp);
	assert_span(a.roles[0].sop, CT);
	assert_string_equal(a.implementation_version, "VERSION 1");
	assert_int_equal(a.n_extended, 1);
	assert_int_equal(a.extended[0].info.len, 3);
	assert_int_equal(a.n_common_extended, 1);
	assert_span(a.common_extended[0].service_class, "1.2.840.10008.4.2");
	assert_int_equal(a.common_extended[0].n_related, 1);
	assert_span(a.common_extended[0].related[0], "1.2.840.10008.5.1.4.1.1.4");
	assert_true(a.identity.has && a.identity.type == 2 && a.identity.response_requested);
	assert_span(a.identity.primary, "user");
	assert_span(a.identity.secondary, "pass");
}

/* PS3.8 9.3.1, D.2: what is unknown is ignored, and is not written anew. */
static void unknown_items(void **state)
{
	begin();
	ITEM(0x11, "whatever");
	application_context();
	size_t m = open_item(0x20);
	context_head(1, 0);
	ITEM(0x31, "?");
	ITEM(0x30, CT);
	ITEM(0x40, IMPLICIT);
	close_item(m);
	ITEM(0x21, "\3"); /* belongs to an answer */
	m = open_item(0x50);
	max_pdu();
	ITEM(0x5A, "future");
	ITEM(0x59, "\xff\xff"); /* belongs to an answer */
	ITEM(0xFF, "");
	close_item(m);
	assert_int_equal(RQ(), 0);
	uint8_t out[512];
	struct writer v = writer_of(out, sizeof(out));
	assert_int_equal(associate_write(PDU_ASSOCIATE_RQ, &a, &v), 0);
	assert_int_equal(v.len, 6 + 68 + 25 + 8 + 29 + 21 + 4 + 8);
	assert_null(memmem(out, v.len, "future", 6));
}

static void contexts_of_an_answer(void)
{
	size_t m = open_item(0x21);
	context_head(1, 0);
	ITEM(0x40, EXPLICIT);
	close_item(m);
	m = open_item(0x21);
	context_head(3, 4);
	writer_bytes(&w, "\x40\0\xff\xffnot tested", 14); /* PS3.8 9.3.3.2: not significant */
	close_item(m);
	m = open_item(0x21);
	context_head(5, 1);
	close_item(m);
}

static void answer(void **state)
{
	begin();
	memset(body + 4, 0xFF, 16); /* reserved in -AC: not tested */
	application_context();
	contexts_of_an_answer();
	size_t m = open_item(0x50);
	max_pdu();
	ITEM(0x59, "\0\6ticket");
	close_item(m);
	assert_int_equal(AC(), 0);
	assert_string_equal(a.called, "");
	assert_string_equal(a.calling, "CT1");
	assert_int_equal(a.n_contexts, 3);
	assert_int_equal(a.contexts[0].n_transfer, 1);
	assert_span(a.contexts[0].transfer[0], EXPLICIT);
	assert_int_equal(a.contexts[1].result, 4);
	assert_int_equal(a.contexts[1].n_transfer, 0);
	assert_int_equal(a.contexts[2].result, 1);
	assert_true(a.identity.has);
	assert_span(a.identity.response, "ticket");
}

/* Reported, and for the caller to reject: PS3.8 9.3.4. */
static void reported_not_refused(void **state)
{
	whole_rq();
	body[1] = 2; /* another protocol version */
	body[3] = 0xFF;
	body[40] = 0xFF;
	assert_int_equal(RQ(), 0);
	assert_int_equal(a.protocol_version, 2);
	begin();
	ITEM(0x10, "1.2.3");
	context_rq(1);
	user_information();
	assert_int_equal(RQ(), 0);
	assert_span(a.application_context, "1.2.3");
}

/* ---- Bad ones ---- */

static void truncated(void **state)
{
	begin();
	application_context();
	context_rq(1);
	size_t m = open_item(0x50);
	max_pdu();
	user_items();
	close_item(m);
	size_t n = w.len;
	for (w.len = 0; w.len < n; w.len++) {
		int err = RQ();
		assert_true(err == ERR_TRUNCATED || err == ERR_LENGTH || err == ERR_MISSING);
	}
	w.len = n;
	assert_int_equal(RQ(), 0);
	writer_u8(&w, 0x50);
	assert_int_equal(RQ(), ERR_LENGTH);
}

static void titles(void **state)
{
	struct pdu_reject why;
	whole_rq();
	memcpy(body + 4, "A/B c           ", 16); /* a slash is legal */
	assert_int_equal(RQ(), 0);
	memset(body + 4, ' ', 16);
	assert_int_equal(RQ(), ERR_VALUE);
	assert_true(associate_bad_title(&fail, &why));
	assert_true(why.result == 1 && why.source == 1 && why.reason == 7);
	whole_rq();
	body[22] = '\\';
	assert_int_equal(RQ(), ERR_VALUE);
	assert_true(associate_bad_title(&fail, &why));
	assert_true(why.result == 1 && why.source == 1 && why.reason == 3);
	whole_rq();
	memset(body + 4 + 7, 0, 9);
	assert_int_equal(RQ(), ERR_VALUE);
	assert_int_equal(read_as(PDU_ASSOCIATE_RQ, AE_TOLERATE_NUL), 0);
	assert_string_equal(a.called, "ARCHIVE");
	assert_int_equal(a.tolerated, AE_TOLERATE_NUL);
	whole_rq();
	w.len = 70;
	assert_int_equal(RQ(), ERR_LENGTH);
	assert_false(associate_bad_title(&fail, &why));
}

static void missing_and_doubled(void **state)
{
	begin();
	context_rq(1);
	user_information();
	assert_int_equal(RQ(), ERR_MISSING);
	begin();
	application_context();
	user_information();
	assert_int_equal(RQ(), ERR_MISSING);
	begin();
	application_context();
	context_rq(1);
	assert_int_equal(RQ(), ERR_MISSING);
	whole_rq();
	application_context();
	assert_int_equal(RQ(), ERR_DUPLICATE);
	whole_rq();
	user_information();
	assert_int_equal(RQ(), ERR_DUPLICATE);
	whole_rq();
	context_rq(1);
	assert_int_equal(RQ(), ERR_DUPLICATE);
	whole_rq();
	context_rq(2);
	assert_int_equal(RQ(), ERR_VALUE);
	whole_rq();
	context_rq(0);
	assert_int_equal(RQ(), ERR_VALUE);
}

static void context_of(const char *abstract, unsigned n_abstract, const char *transfer, unsigned n_transfer)
{
	begin();
	application_context();
	size_t m = open_item(0x20);
	context_head(1, 0);
	for (unsigned i = 0; i < n_abstract; i++) {
		item(0x30, abstract, strlen(abstract));
	}
	for (unsigned i = 0; i < n_transfer; i++) {
		item(0x40, transfer, strlen(transfer));
	}
	close_item(m);
	user_information();
}

static void contexts(void **state)
{
	context_of(CT, 1, IMPLICIT, LIMIT_TRANSFER_SYNTAXES);
	assert_int_equal(RQ(), 0);
	context_of(CT, 1, IMPLICIT, LIMIT_TRANSFER_SYNTAXES + 1);
	assert_int_equal(RQ(), ERR_LIMIT);
	context_of(CT, 0, IMPLICIT, 1);
	assert_int_equal(RQ(), ERR_MISSING);
	context_of(CT, 2, IMPLICIT, 1);
	assert_int_equal(RQ(), ERR_DUPLICATE);
	context_of(CT, 1, IMPLICIT, 0);
	assert_int_equal(RQ(), ERR_MISSING);
	context_of("1.02", 1, IMPLICIT, 1);
	assert_int_equal(RQ(), ERR_VALUE);
	context_of("", 1, IMPLICIT, 1);
	assert_int_equal(RQ(), ERR_VALUE);
	context_of(CT, 1, "1.2.", 1);
	assert_int_equal(RQ(), ERR_VALUE);
}

/* PS3.5 9.1: not padded in network negotiation. */
static void padded_uids(void **state)
{
	begin();
	application_context();
	size_t m = open_item(0x20);
	context_head(1, 0);
	ITEM(0x30, CT "\0");
	ITEM(0x40, IMPLICIT "\0");
	close_item(m);
	user_information();
	assert_int_equal(RQ(), ERR_VALUE);
	assert_int_equal(read_as(PDU_ASSOCIATE_RQ, AE_TOLERATE_NUL), 0);
	assert_span(a.contexts[0].abstract, CT);
	assert_int_equal(a.tolerated, AE_TOLERATE_NUL);
}

static int with_user_item(uint8_t type, const void *ptr, size_t len, unsigned times)
{
	begin();
	application_context();
	context_rq(1);
	size_t m = open_item(0x50);
	for (unsigned i = 0; i < times; i++) {
		item(type, ptr, len);
	}
	close_item(m);
	return RQ();
}

#define USER(type, literal)  with_user_item((type), (literal), sizeof(literal) - 1, 1)
#define TWICE(type, literal) with_user_item((type), (literal), sizeof(literal) - 1, 2)

static void bad_user_items(void **state)
{
	assert_int_equal(USER(0x51, "\0\0\1"), ERR_LENGTH);
	assert_int_equal(USER(0x51, "\0\0\1\0\0"), ERR_LENGTH);
	assert_int_equal(TWICE(0x51, "\0\0\1\0"), ERR_DUPLICATE);
	assert_int_equal(USER(0x52, ""), ERR_VALUE);
	assert_int_equal(USER(0x52, "1.2.a"), ERR_VALUE);
	assert_int_equal(TWICE(0x52, "1.2"), ERR_DUPLICATE);
	assert_int_equal(USER(0x53, "\0\0\1"), ERR_LENGTH);
	assert_int_equal(TWICE(0x53, "\0\1\0\1"), ERR_DUPLICATE);
	assert_int_equal(USER(0x54, "\0\3"
				    "1.2\1"),
		ERR_LENGTH);
	assert_int_equal(USER(0x54, "\0\3"
				    "1.2\1\0\0"),
		ERR_LENGTH);
	assert_int_equal(USER(0x54, "\0\3"
				    "1.2\2\0"),
		ERR_VALUE);
	assert_int_equal(USER(0x54, "\xff\xff"
				    "1.2\1\0"),
		ERR_LENGTH);
	assert_int_equal(USER(0x55, ""), 0);
	assert_int_equal(USER(0x55, "SIXTEEN_LETTERS!"), 0);
	assert_int_equal(USER(0x55, "SEVENTEEN_LETTERS"), ERR_LENGTH);
	assert_int_equal(USER(0x55, "A\nB"), ERR_VALUE);
	assert_int_equal(TWICE(0x55, "A"), ERR_DUPLICATE);
	assert_int_equal(USER(0x56, "\0\3"
				    "1.2"),
		0);
	assert_int_equal(USER(0x56, "\0\4"
				    "1.2"),
		ERR_LENGTH);
	assert_int_equal(USER(0x57, "\0\3"
				    "1.2\0\3"
				    "1.3\0\0"),
		0);
	/* item()'s second byte is this one's version: a later one may have more fields, version 0 has not */
	assert_int_equal(USER(0x57, "\0\3"
				    "1.2\0\3"
				    "1.3\0\0x"),
		0);
	begin();
	application_context();
	context_rq(1);
	size_t user = open_item(0x50), common = open_item(0x57);
	writer_bytes(&w, "\0\3"
			 "1.2\0\3"
			 "1.3\0\0x",
		13);
	close_item(common);
	close_item(user);
	assert_int_equal(RQ(), ERR_TRAILING);
	assert_int_equal(USER(0x58, "\1\0\0\4user\0\0"), 0);
	assert_int_equal(USER(0x58, "\1\0\0\4user\0\1x"), ERR_VALUE);
	assert_int_equal(USER(0x58, "\1\2\0\4user\0\0"), ERR_VALUE);
	assert_int_equal(USER(0x58, "\1\0\0\4user"), ERR_LENGTH);
	assert_int_equal(USER(0x58, "\1\0\0\4user\0\0x"), ERR_TRAILING);
	assert_int_equal(USER(0x58, "\2\0\xff\xffuser\0\0"), ERR_LENGTH);
	assert_int_equal(TWICE(0x58, "\1\0\0\4user\0\0"), ERR_DUPLICATE);
}

/* exception: PS3.7 D.3.3.4.1 allows one; what only repeats is dropped, what contradicts is not. */
static void repeated_roles(void **state)
{
	assert_int_equal(TWICE(0x54, "\0\3"
				     "1.2\1\1"),
		0);
	assert_int_equal(a.n_roles, 1);
	assert_int_equal(TWICE(0x56, "\0\3"
				     "1.2x"),
		0);
	assert_int_equal(a.n_extended, 1);
	begin();
	application_context();
	context_rq(1);
	size_t m = open_item(0x50);
	ITEM(0x54, "\0\3"
		   "1.2\1\1");
	ITEM(0x54, "\0\3"
		   "1.2\1\0");
	close_item(m);
	assert_int_equal(RQ(), ERR_DUPLICATE);
	assert_int_equal(TWICE(0x57, "\0\3"
				     "1.2\0\3"
				     "1.3\0\0"),
		ERR_DUPLICATE);
}

static int answer_with(uint8_t result, unsigned n_transfer)
{
	begin();
	application_context();
	size_t m = open_item(0x21);
	context_head(1, result);
	for (unsigned i = 0; i < n_transfer; i++) {
		ITEM(0x40, IMPLICIT);
	}
	close_item(m);
	user_information();
	return AC();
}

static void bad_answers(void **state)
{
	assert_int_equal(answer_with(0, 1), 0);
	assert_int_equal(answer_with(0, 0), ERR_MISSING);
	assert_int_equal(answer_with(0, 2), ERR_DUPLICATE);
	assert_int_equal(answer_with(4, 0), 0);
	assert_int_equal(answer_with(5, 1), ERR_VALUE);
	assert_int_equal(read_as(PDU_ABORT, 0), ERR_TYPE);
}

/* ---- Limits ---- */

static void largest(void **state)
{
	begin();
	application_context();
	for (unsigned id = 1; id < 256; id += 2) {
		context_rq((uint8_t)id);
	}
	user_information();
	assert_int_equal(RQ(), 0);
	assert_int_equal(a.n_contexts, LIMIT_CONTEXTS);
	assert_int_equal(a.contexts[127].id, 255);
	uint8_t *out = malloc(LIMIT_ASSOCIATE_PDU);
	struct writer v = writer_of(out, LIMIT_ASSOCIATE_PDU);
	assert_int_equal(associate_write(PDU_ASSOCIATE_RQ, &a, &v), 0);
	assert_int_equal(v.len, 6 + w.len);
	free(out);
	w.len = LIMIT_ASSOCIATE_PDU + 1;
	assert_int_equal(associate_read(writer_span_of(&w), PDU_ASSOCIATE_RQ, 0, &a, &fail), ERR_LIMIT);
}

static void too_many_roles(void **state)
{
	for (unsigned n = LIMIT_ROLES; n <= LIMIT_ROLES + 1; n++) {
		begin();
		application_context();
		context_rq(1);
		size_t m = open_item(0x50);
		for (unsigned i = 0; i < n; i++) {
			size_t role = open_item(0x54);
			writer_u16be(&w, 5);
			writer_bytes(&w,
				(const uint8_t[]){'1', '.', (uint8_t)('1' + i / 100),
					(uint8_t)('0' + i / 10 % 10), (uint8_t)('0' + i % 10), 1, 0},
				7);
			close_item(role);
		}
		close_item(m);
		assert_int_equal(RQ(), n == LIMIT_ROLES ? 0 : ERR_LIMIT);
	}
	assert_int_equal(a.n_roles, LIMIT_ROLES);
}

/* What lies past the counts is not touched: an association's memory is counted in pages. */
static void copies_only_what_is_used(void **state)
{
	struct associate *big = malloc(sizeof(*big));
	memset(big, 0x5A, sizeof(*big));
	whole_rq();
	assert_int_equal(associate_read(writer_span_of(&w), PDU_ASSOCIATE_RQ, 0, big, &fail), 0);
	assert_int_equal(*(const uint8_t *)&big->contexts[0].transfer[2], 0x5A);
	assert_int_equal(*(const uint8_t *)&big->contexts[1], 0x5A);
	assert_int_equal(*(const uint8_t *)&big->common_extended[0], 0x5A);
	free(big);
}

/* ---- Writing ---- */

static void writes_what_it_read(void **state)
{
	static struct associate b;
	uint8_t first[1024], second[1024];
	begin();
	application_context();
	context_rq(1);
	size_t m = open_item(0x50);
	max_pdu();
	user_items();
	close_item(m);
	assert_int_equal(RQ(), 0);
	struct writer v = writer_of(first, sizeof(first));
	assert_int_equal(associate_write(PDU_ASSOCIATE_RQ, &a, &v), 0);
	assert_memory_equal(first, "\1\0\0\0", 4);
	assert_int_equal(first[4] << 8 | first[5], v.len - 6);
	assert_int_equal(associate_read(span_of(first + 6, v.len - 6), PDU_ASSOCIATE_RQ, 0, &b, &fail), 0);
	struct writer u = writer_of(second, sizeof(second));
	assert_int_equal(associate_write(PDU_ASSOCIATE_RQ, &b, &u), 0);
	assert_int_equal(u.len, v.len);
	assert_memory_equal(first, second, v.len);
	assert_span(b.identity.secondary, "pass");
	assert_true(b.roles[0].scp && b.async.invoked == 5);
	assert_span(b.common_extended[0].related[0], "1.2.840.10008.5.1.4.1.1.4");
}

static void writes_an_answer(void **state)
{
	uint8_t out[512];
	struct writer v = writer_of(out, sizeof(out));
	begin();
	application_context();
	contexts_of_an_answer();
	user_information();
	assert_int_equal(AC(), 0);
	assert_int_equal(associate_write(PDU_ASSOCIATE_AC, &a, &v), 0);
	static struct associate b;
	assert_int_equal(associate_read(span_of(out + 6, v.len - 6), PDU_ASSOCIATE_AC, 0, &b, &fail), 0);
	assert_int_equal(b.n_contexts, 3);
	assert_int_equal(b.contexts[1].result, 4);
	assert_string_equal(b.called, "ARCHIVE");
}

static int write_it(enum pdu_type type)
{
	uint8_t out[1024];
	struct writer v = writer_of(out, sizeof(out));
	return associate_write(type, &a, &v);
}

static void refuses_to_write(void **state)
{
	whole_rq();
	assert_int_equal(RQ(), 0);
	assert_int_equal(write_it(PDU_ASSOCIATE_RQ), 0);
	a.called[0] = '\n';
	assert_int_equal(write_it(PDU_ASSOCIATE_RQ), ERR_VALUE);
	a.called[0] = 0;
	assert_int_equal(write_it(PDU_ASSOCIATE_RQ), ERR_VALUE);
	assert_int_equal(RQ(), 0);
	a.contexts[0].id = 2;
	assert_int_equal(write_it(PDU_ASSOCIATE_RQ), ERR_VALUE);
	a.contexts[0].id = 1;
	a.contexts[0].abstract = span_str("1.2\n");
	assert_int_equal(write_it(PDU_ASSOCIATE_RQ), ERR_VALUE);
	a.contexts[0].abstract = span_str(CT);
	a.contexts[0].n_transfer = 0;
	assert_int_equal(write_it(PDU_ASSOCIATE_RQ), ERR_VALUE);
	a.n_contexts = 0;
	assert_int_equal(write_it(PDU_ASSOCIATE_RQ), ERR_VALUE);
	assert_int_equal(RQ(), 0);
	a.contexts[1] = a.contexts[0];
	a.n_contexts = 2;
	assert_int_equal(write_it(PDU_ASSOCIATE_RQ), ERR_VALUE);
	assert_int_equal(RQ(), 0);
	assert_int_equal(write_it(PDU_ABORT), ERR_VALUE);
	uint8_t out[100];
	for (size_t cap = 0; cap <= sizeof(out); cap++) {
		struct writer v = writer_of(out, cap);
		assert_int_equal(associate_write(PDU_ASSOCIATE_RQ, &a, &v), ERR_SPACE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request),
		cmocka_unit_test(every_user_item),
		cmocka_unit_test(unknown_items),
		cmocka_unit_test(answer),
		cmocka_unit_test(reported_not_refused),
		cmocka_unit_test(truncated),
		cmocka_unit_test(titles),
		cmocka_unit_test(missing_and_doubled),
		cmocka_unit_test(contexts),
		cmocka_unit_test(padded_uids),
		cmocka_unit_test(bad_user_items),
		cmocka_unit_test(repeated_roles),
		cmocka_unit_test(bad_answers),
		cmocka_unit_test(largest),
		cmocka_unit_test(too_many_roles),
		cmocka_unit_test(copies_only_what_is_used),
		cmocka_unit_test(writes_what_it_read),
		cmocka_unit_test(writes_an_answer),
		cmocka_unit_test(refuses_to_write),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
