/* SPDX-License-Identifier: Apache-2.0 */
#include "net_associate_made.h"

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
	writer_bytes(&w,
		"\0\3"
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
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
