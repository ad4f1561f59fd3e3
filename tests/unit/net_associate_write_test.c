/* SPDX-License-Identifier: Apache-2.0 */
#include "net_associate_made.h"

/* What associate_write() makes, and the limits of both. */

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
		cmocka_unit_test(largest),
		cmocka_unit_test(too_many_roles),
		cmocka_unit_test(copies_only_what_is_used),
		cmocka_unit_test(writes_what_it_read),
		cmocka_unit_test(writes_an_answer),
		cmocka_unit_test(refuses_to_write),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
