/* SPDX-License-Identifier: Apache-2.0 */
#include "net_bytes.h"

#include "net/associate.h"
#include "net/dimse.h"

#include <libgen.h>
#include <stdio.h>

/*
 * Connections recorded between DCMTK, pynetdicom and DCMTK's storescp (tests/corpus/pdu, see tests/corpus/SOURCE.md)
 * are read strictly from the first byte to the last.
 */

static uint8_t stream[65536];

static size_t load(const char *name)
{
	char here[] = __FILE__, path[512];
	snprintf(path, sizeof(path), "%s/../corpus/pdu/%s", dirname(here), name);
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	size_t n = fread(stream, 1, sizeof(stream), f);
	fclose(f);
	assert_true(n > 0 && n < sizeof(stream));
	return n;
}

struct found {
	unsigned associates, contexts, commands, data, releases;
	struct associate associate;
	struct command command;
};

static void take_p_data(struct reader *r, struct found *f)
{
	struct parse_fail fail;
	while (reader_left(r) > 0) {
		struct pdv_head h;
		struct span payload;
		assert_int_equal(pdv_read_head(r, &h), 0);
		assert_int_equal(reader_bytes(r, h.len - 2, &payload), 0);
		if (!h.command) {
			f->data++;
			continue;
		}
		assert_true(h.last); /* so they are in these recordings */
		assert_int_equal(command_read(payload, 0, &f->command, &fail), 0);
		f->commands++;
		/* Both toolkits write what we would write. */
		uint8_t again[512];
		struct writer w = writer_of(again, sizeof(again));
		assert_int_equal(command_write(&f->command, &w), 0);
		assert_int_equal(w.len, payload.len);
		assert_memory_equal(again, payload.ptr, w.len);
	}
}

static void take_pdu(const struct pdu_head *h, struct reader r, struct found *f)
{
	struct parse_fail fail = {0};
	switch (h->type) {
	case PDU_ASSOCIATE_RQ:
	case PDU_ASSOCIATE_AC:
		assert_int_equal(associate_read(span_of(r.ptr, r.len), (enum pdu_type)h->type, 0,
					 &f->associate, &fail),
			0);
		f->associates++;
		f->contexts = f->associate.n_contexts;
		break;
	case PDU_P_DATA_TF:
		take_p_data(&r, f);
		break;
	case PDU_RELEASE_RQ:
	case PDU_RELEASE_RP:
		assert_int_equal(pdu_read_release(&r, &fail), 0);
		f->releases++;
		break;
	default:
		fail_msg("PDU type %u", h->type);
	}
}

static void take_stream(const char *name, struct found *f)
{
	struct span s = span_of(stream, load(name));
	struct reader r = reader_of(s);
	*f = (struct found){0};
	while (reader_left(&r) > 0) {
		struct pdu_head h;
		struct reader body;
		assert_int_equal(pdu_read_head(&r, &h), 0);
		assert_int_equal(reader_child(&r, h.len, &body), 0);
		take_pdu(&h, body, f);
	}
	assert_int_equal(f->associates, 1);
	assert_int_equal(f->commands, 1);
	assert_int_equal(f->releases, 1);
}

static void echoes(void **state)
{
	static const char *const names[] = {"dcmtk-echo", "pynetdicom-echo"};
	static struct found rq, rsp;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char name[64];
		snprintf(name, sizeof(name), "%s-c2s", names[i]);
		take_stream(name, &rq);
		snprintf(name, sizeof(name), "%s-s2c", names[i]);
		take_stream(name, &rsp);
		assert_int_equal(rq.command.field, C_ECHO_RQ);
		assert_int_equal(rsp.command.field, C_ECHO_RSP);
		assert_int_equal(rsp.command.status, STATUS_SUCCESS);
		assert_int_equal(rsp.contexts, rq.contexts);
		assert_int_equal(rq.data + rsp.data, 0);
		assert_true(rq.associate.has_max_pdu && rsp.associate.has_max_pdu);
	}
}

static void stores(void **state)
{
	static const char *const names[] = {"dcmtk-store", "dcmtk-store-jls", "pynetdicom-store"};
	static struct found rq, rsp;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char name[64];
		snprintf(name, sizeof(name), "%s-c2s", names[i]);
		take_stream(name, &rq);
		assert_int_equal(rq.command.field, C_STORE_RQ);
		assert_true(rq.data > 0 && rq.contexts > 100);
		struct span instance = rq.command.affected_sop_instance;
		assert_true(instance.len > 10);
		char uid[65] = "";
		memcpy(uid, instance.ptr, instance.len);
		snprintf(name, sizeof(name), "%s-s2c", names[i]);
		take_stream(name, &rsp);
		assert_int_equal(rsp.command.field, C_STORE_RSP);
		assert_int_equal(rsp.command.status, STATUS_SUCCESS);
		assert_int_equal(rsp.command.message_id_responded, rq.command.message_id);
		assert_span(rsp.command.affected_sop_instance, uid);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(echoes),
		cmocka_unit_test(stores),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
