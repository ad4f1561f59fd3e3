/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/scu.h"
#include "cli_scu_peer.h"

#include <signal.h>
#include <sys/mman.h>

static struct told {
	unsigned n;
	int status[MOST];
	char comment[MOST][160];
} heard;

static void told(void *arg, size_t index, int status, const char *comment)
{
	(void)arg;
	assert_int_equal(index, heard.n); /* each, in order */
	heard.status[heard.n] = status;
	snprintf(heard.comment[heard.n++], sizeof(heard.comment[0]), "%s", comment);
}

#define BYTES 200001u

static struct scu_object object[MOST];
static char names[MOST][3][65];
static int file;
static uint8_t content[BYTES];

static void object_at(unsigned i, const char *sop_class, const char *syntax, uint64_t at, uint64_t len)
{
	snprintf(names[i][0], 65, "%s", sop_class);
	snprintf(names[i][1], 65, "1.2.3.%u", i + 1);
	snprintf(names[i][2], 65, "%s", syntax);
	object[i] = (struct scu_object){.sop_class = names[i][0],
		.sop_instance = names[i][1],
		.transfer_syntax = names[i][2],
		.fd = file,
		.at = at,
		.len = len};
}

static void some_objects(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		object_at(i, CT, i % 2 ? ELE : ILE, 10 * i, 100 + 2 * i);
	}
}

static size_t send_all(unsigned n)
{
	memset(&heard, 0, sizeof(heard));
	memset(seen, 0, sizeof(*seen));
	size_t taken = scu_store(opened, NULL, "GANTRY", "ARCHIVE", object, n, told);
	reap();
	assert_int_equal(heard.n, n);
	return taken;
}

static void is_object(unsigned k, unsigned i)
{
	uint32_t sum = 0;
	for (uint64_t b = 0; b < object[i].len; b++) {
		sum = sum * 31 + content[object[i].at + b];
	}
	assert_string_equal(seen->object[k].instance, object[i].sop_instance);
	assert_string_equal(seen->object[k].sop_class, object[i].sop_class);
	assert_string_equal(seen->object[k].syntax, object[i].transfer_syntax);
	assert_int_equal(seen->object[k].len, object[i].len);
	assert_int_equal(seen->object[k].sum, sum);
}

static void arrive_as_they_are(void **state)
{
	const uint32_t most[] = {0, 128, 16384, 65536, 1u << 30};
	(void)state;
	object_at(0, CT, ILE, 0, BYTES - 1);
	object_at(1, CT, ELE, 3, 2);
	object_at(2, "1.2.840.10008.5.1.4.1.1.4", ELE, 7, 65530); /* a whole PDU */
	object_at(3, CT, ILE, 7, 65536);
	object_at(4, CT, ILE, 7, 0);
	for (unsigned m = 0; m < ARRAY_LEN(most); m++) {
		node.max_pdu = most[m];
		assert_int_equal(send_all(5), 5);
		for (unsigned i = 0; i < 5; i++) {
			is_object(i, i);
			assert_int_equal(heard.status[i], 0);
		}
		assert_int_equal(seen->associations, 1);
		assert_int_equal(seen->contexts[0], 3);
		assert_int_equal(seen->releases, 1);
		assert_true(most[m] == 0 || seen->longest <= most[m]);
	}
	assert_string_equal(seen->called, "ARCHIVE");
	assert_string_equal(seen->calling, "GANTRY");
}

static void many_contexts_are_many_associations(void **state)
{
	char syntax[65];
	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		snprintf(syntax, sizeof(syntax), "1.2.840.10008.1.2.4.%u", i + 1);
		object_at(i, CT, syntax, i, 50);
	}
	assert_int_equal(send_all(300), 300);
	assert_int_equal(seen->associations, 3);
	assert_int_equal(seen->contexts[0], LIMIT_CONTEXTS);
	assert_int_equal(seen->contexts[1], LIMIT_CONTEXTS);
	assert_int_equal(seen->contexts[2], 300 - 2 * LIMIT_CONTEXTS);
	assert_int_equal(seen->releases, 3);
	for (unsigned i = 0; i < 300; i++) {
		is_object(i, i);
	}
}

static void statuses_are_told(void **state)
{
	static const struct {
		uint16_t status;
		bool taken;
	} rows[] = {{0, true}, {0xB000, true}, {0xB006, true}, {0xB007, true}, {0xA700, false},
		{0xA900, false}, {0xC000, false}, {0x0110, false}, {0x0122, false}, {0xFE00, false},
		{0xFF00, false}};
	(void)state;
	some_objects(3);
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		node.status = rows[i].status;
		node.comment = "what it is";
		assert_int_equal(send_all(3), rows[i].taken ? 3 : 0);
		assert_int_equal(seen->objects, 3); /* one that fails does not end it */
		for (unsigned k = 0; k < 3; k++) {
			assert_int_equal(heard.status[k], rows[i].status);
			assert_string_equal(heard.comment[k], "what it is");
		}
	}
}

static void what_the_node_does_not_take(void **state)
{
	(void)state;
	some_objects(5);
	node.refused = ELE;
	assert_int_equal(send_all(5), 3);
	assert_int_equal(seen->objects, 3);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(heard.status[i], i % 2 ? ERR_UNSUPPORTED : 0);
	}
	assert_non_null(strstr(heard.comment[1], "takes no such objects"));
	assert_int_equal(seen->releases, 1);
}

static void no_association(void **state)
{
	static const struct {
		enum trick trick;
		int error;
		unsigned tries;
		const char *why;
	} rows[] = {{TRICK_REJECT, ERR_CLOSED, 1, "called AE title not recognized"},
		{TRICK_HANG_UP, ERR_CLOSED, 3, "closed"}, {TRICK_NO_DICOM, ERR_CLOSED, 3, "not DICOM"},
		{TRICK_HUGE, ERR_CLOSED, 3, "not DICOM"}, {TRICK_TINY_PDUS, ERR_CLOSED, 3, "too small"}};
	(void)state;
	some_objects(4);
	node.at_association = ~0u;
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		node.trick = rows[i].trick;
		assert_int_equal(send_all(4), 0);
		assert_int_equal(seen->associations, rows[i].tries);
		assert_int_equal(seen->objects, 0);
		for (unsigned k = 0; k < 4; k++) {
			assert_int_equal(heard.status[k], rows[i].error);
			assert_non_null(strstr(heard.comment[k], rows[i].why));
		}
	}
}

/* The object in hand has failed: nobody knows better. Those after it go in another association. */
static void a_lost_association(void **state)
{
	static const struct {
		enum trick trick;
		int error;
		unsigned arrived; /* of those sent, at the node */
	} rows[] = {{TRICK_ABORT, ERR_CLOSED, 6}, {TRICK_CLOSE_HALF, ERR_CLOSED, 5},
		{TRICK_OTHER_ID, ERR_PEER, 6}, {TRICK_OTHER_FIELD, ERR_PEER, 6},
		{TRICK_DATA_SET, ERR_PEER, 6}, {TRICK_CUT_RESPONSE, ERR_PEER, 6}};
	(void)state;
	some_objects(6);
	object_at(2, CT, ILE, 0, BYTES - 1);
	node.at_object = 2;
	node.max_pdu = 16384;
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		node.trick = rows[i].trick;
		assert_int_equal(send_all(6), 5);
		assert_int_equal(seen->associations, 2);
		assert_int_equal(seen->objects, rows[i].arrived);
		for (unsigned k = 0; k < 6; k++) {
			assert_int_equal(heard.status[k], k == 2 ? rows[i].error : 0);
			assert_int_equal(heard.comment[k][0] != 0, k == 2);
		}
	}
}

/* As long as something arrives the rest is tried, and a node that takes nothing is left alone after three times. */
static void associations_lost_again_and_again(void **state)
{
	(void)state;
	some_objects(20);
	node.trick = TRICK_ABORT;
	node.at_association = ~0u;
	node.at_object = 1;
	assert_int_equal(send_all(20), 10);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(heard.status[i], i % 2 ? ERR_CLOSED : 0);
	}
	node.at_object = 0;
	assert_int_equal(send_all(20), 0);
	assert_int_equal(seen->objects, 3);
	assert_int_equal(heard.status[19], ERR_CLOSED);
}

static void a_response_in_pieces(void **state)
{
	(void)state;
	some_objects(2);
	node.trick = TRICK_SPLIT;
	node.status = 0xA700;
	node.comment = "disk full";
	assert_int_equal(send_all(2), 0);
	assert_int_equal(heard.status[0], 0xA700);
	assert_string_equal(heard.comment[0], "disk full");
	assert_int_equal(seen->associations, 1);
}

/* A file that is shorter than it was: that object is not there, and the next one is. */
static void a_file_that_ends_early(void **state)
{
	(void)state;
	some_objects(3);
	object_at(1, CT, ILE, BYTES - 10, 100);
	assert_int_equal(send_all(3), 2);
	assert_int_equal(heard.status[1], ERR_SYSTEM);
	assert_int_equal(seen->objects, 2);
	assert_int_equal(seen->associations, 2);
}

static int nobody(void *arg, int *ret_fd)
{
	(void)ret_fd;
	++*(unsigned *)arg;
	return ERR_SYSTEM;
}

static void nobody_is_there(void **state)
{
	unsigned tries = 0;
	(void)state;
	some_objects(2);
	memset(&heard, 0, sizeof(heard));
	assert_int_equal(scu_store(nobody, &tries, "GANTRY", "ARCHIVE", object, 2, told), 0);
	assert_int_equal(heard.n, 2);
	assert_int_equal(heard.status[1], ERR_CLOSED);
	assert_int_equal(tries, 3);
	assert_int_equal(scu_store(nobody, &tries, "GANTRY", "ARCHIVE", object, 0, told), 0);
	assert_int_equal(tries, 3);
}

/* What is no UID fails alone, whichever of the three it is: neither an association nor another object is lost by it. */
static void what_cannot_be_said(void **state)
{
	(void)state;
	some_objects(8);
	for (unsigned i = 0; i < 6; i++) {
		snprintf(names[1 + i][i % 3], 65, "%s", i < 3 ? "1.2.x" : "");
	}
	assert_int_equal(send_all(8), 2);
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(heard.status[i], i == 0 || i == 7 ? 0 : ERR_VALUE);
	}
	assert_int_equal(seen->associations, 1);
	assert_int_equal(seen->contexts[0], 2);
	for (unsigned i = 0; i < 8; i++) {
		names[i][1][0] = 0;
	}
	assert_int_equal(send_all(8), 0);
	assert_int_equal(seen->associations, 0);
}

static int usual(void **state)
{
	(void)state;
	memset(&node, 0, sizeof(node));
	node.max_pdu = 16384;
	return 0;
}

static int before(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	for (uint32_t i = 0; i < BYTES; i++) {
		content[i] = (uint8_t)(i * 7 + i / 251);
	}
	file = memfd_create("objects", MFD_CLOEXEC);
	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return file < 0 || seen == MAP_FAILED || write(file, content, BYTES) != (ssize_t)BYTES;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(arrive_as_they_are, usual),
		cmocka_unit_test_setup(many_contexts_are_many_associations, usual),
		cmocka_unit_test_setup(statuses_are_told, usual),
		cmocka_unit_test_setup(what_the_node_does_not_take, usual),
		cmocka_unit_test_setup(no_association, usual),
		cmocka_unit_test_setup(a_lost_association, usual),
		cmocka_unit_test_setup(associations_lost_again_and_again, usual),
		cmocka_unit_test_setup(a_response_in_pieces, usual),
		cmocka_unit_test_setup(a_file_that_ends_early, usual),
		cmocka_unit_test_setup(nobody_is_there, usual),
		cmocka_unit_test_setup(what_cannot_be_said, usual),
	};
	return cmocka_run_group_tests(tests, before, NULL);
}
