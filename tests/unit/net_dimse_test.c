/* SPDX-License-Identifier: Apache-2.0 */
#include "net_bytes.h"

#include "base/limits.h"
#include "net/dimse.h"

#define CT "1.2.840.10008.5.1.4.1.1.2"

static uint8_t bytes[LIMIT_COMMAND_SET + 64];
static struct writer w;
static struct command c;
static struct parse_fail fail;

/* ---- The tests' own writer ---- */

static void begin(void)
{
	w = writer_of(bytes, sizeof(bytes));
	writer_bytes(&w, "\0\0\0\0\4\0\0\0\0\0\0\0", 12);
}

static void put(uint16_t element, const void *ptr, size_t len)
{
	writer_u16le(&w, 0);
	writer_u16le(&w, element);
	writer_u32le(&w, (uint32_t)len);
	writer_bytes(&w, ptr, len);
}

#define PUT(element, literal) put((element), (literal), sizeof(literal) - 1)

static void put_us(uint16_t element, uint16_t v)
{
	put(element, (const uint8_t[]){(uint8_t)v, (uint8_t)(v >> 8)}, 2);
}

static void fix_length(void)
{
	struct writer at = writer_of(bytes + 8, 4);
	writer_u32le(&at, (uint32_t)(w.len - 12));
}

static int read_raw(unsigned tolerate)
{
	assert_int_equal(writer_end(&w), 0);
	struct span s = exact(w.ptr, w.len);
	struct command got = {.field = 0x7777};
	int err = command_read(s, tolerate, &got, &fail);
	if (err) {
		assert_int_equal(fail.code, err);
		assert_non_null(fail.spec);
		assert_true(fail.offset <= w.len);
		assert_int_equal(got.field, 0x7777);
	} else {
		assert_int_equal(command_read(writer_span_of(&w), tolerate, &c, &fail), 0);
	}
	exact_free(s);
	return err;
}

static int read_it(void)
{
	fix_length();
	return read_raw(0);
}

static void store_rq(void)
{
	begin();
	PUT(0x0002, CT "\0");
	put_us(0x0100, C_STORE_RQ);
	put_us(0x0110, 7);
	put_us(0x0700, 1);
	put_us(0x0800, 0x0102);
	PUT(0x1000, "1.2.3\0");
	PUT(0x1030, "WS1 ");
	put_us(0x1031, 9);
}

/* ---- Good ones ---- */

static void store(void **state)
{
	store_rq();
	assert_int_equal(read_it(), 0);
	assert_int_equal(c.field, C_STORE_RQ);
	assert_span(c.affected_sop_class, CT);
	assert_span(c.affected_sop_instance, "1.2.3");
	assert_int_equal(c.message_id, 7);
	assert_int_equal(c.priority, 1);
	assert_true(command_has_data_set(&c));
	assert_string_equal(c.move_originator, "WS1");
	assert_int_equal(c.move_originator_id, 9);
	assert_int_equal(c.has, HAS_AFFECTED_SOP_CLASS | HAS_AFFECTED_SOP_INSTANCE | HAS_MESSAGE_ID |
					HAS_PRIORITY | HAS_DATA_SET_TYPE | HAS_MOVE_ORIGINATOR |
					HAS_MOVE_ORIGINATOR_ID);
	assert_int_equal(c.tolerated, 0);
}

static void canonical(void **state)
{
	uint8_t out[512];
	struct writer v = writer_of(out, sizeof(out));
	begin();
	put(0x0001, "\1\0\0\0", 4); /* retired */
	PUT(0x0002, CT "\0");
	PUT(0x0003, "nonsense"); /* known, of another command: not even looked at */
	PUT(0x0010, "ACR-NEMA 2.0");
	put_us(0x0100, C_STORE_RQ);
	put_us(0x0110, 7);
	put_us(0x0700, 2);
	put_us(0x0800, 0xFFFF);
	put_us(0x0900, 0);
	PUT(0x1000, "1.2.3\0");
	PUT(0x1030, ""); /* optional and empty */
	PUT(0xFFFF, "what?!");
	assert_int_equal(read_it(), 0);
	assert_int_equal(command_write(&c, &v), 0);
	begin();
	PUT(0x0002, CT "\0");
	put_us(0x0100, C_STORE_RQ);
	put_us(0x0110, 7);
	put_us(0x0700, 2);
	put_us(0x0800, 1);
	PUT(0x1000, "1.2.3\0");
	fix_length();
	assert_int_equal(v.len, w.len);
	assert_memory_equal(out, bytes, v.len);
}

static void move_response(void **state)
{
	begin();
	PUT(0x0002, CT "\0");
	put_us(0x0100, C_MOVE_RSP);
	put_us(0x0120, 7);
	put_us(0x0800, 0x0101);
	put_us(0x0900, 0xFF00);
	put_us(0x1020, 1);
	put_us(0x1021, 2);
	put_us(0x1022, 3);
	put_us(0x1023, 4);
	assert_int_equal(read_it(), 0);
	assert_true(c.remaining == 1 && c.completed == 2 && c.failed == 3 && c.warning == 4);
	assert_false(command_has_data_set(&c));
	assert_true(status_is_pending(c.status));
}

static void lists_and_comments(void **state)
{
	begin();
	put_us(0x0100, C_STORE_RSP);
	put_us(0x0120, 7);
	put_us(0x0800, 0x0101);
	put_us(0x0900, 0xC000);
	PUT(0x0901, "\x10\0\x20\0\x10\0\x10\0");
	PUT(0x0902, "bad \x1b\\ \xe4 text   ");
	put_us(0x0903, 42);
	assert_int_equal(read_it(), 0);
	assert_int_equal(c.offending_elements.len, 8);
	assert_string_equal(c.error_comment, "bad ?? ? text");
	assert_int_equal(c.error_id, 42);
	begin();
	put_us(0x0100, C_STORE_RSP);
	put_us(0x0120, 7);
	put_us(0x0800, 0x0101);
	put_us(0x0900, 0xC000);
	PUT(0x0902, "0123456789012345678901234567890123456789012345678901234567890123456789");
	assert_int_equal(read_it(), 0);
	assert_int_equal(strlen(c.error_comment), 64);
	begin();
	PUT(0x0003, "1.2.840.10008.1.20.1");
	put_us(0x0100, N_GET_RQ);
	put_us(0x0110, 7);
	put_us(0x0800, 0x0101);
	PUT(0x1001, "1.2.3\0");
	PUT(0x1005, "\x10\0\x20\0");
	assert_int_equal(read_it(), 0);
	assert_int_equal(c.attribute_list.len, 4);
}

/* ---- Bad form ---- */

static void truncated(void **state)
{
	store_rq();
	fix_length();
	size_t n = w.len;
	for (w.len = 0; w.len < n; w.len++) {
		assert_int_equal(read_raw(0), ERR_TRUNCATED);
	}
	/* With a group length that fits what is there: still no whole one, but without its optional last elements. */
	for (w.len = 12; w.len < n; w.len++) {
		int err = read_it();
		assert_true(err == ERR_TRUNCATED || err == ERR_MISSING || (err == 0 && w.len >= n - 22));
	}
	w.len = n;
	assert_int_equal(read_it(), 0);
}

static void group_length(void **state)
{
	store_rq();
	fix_length();
	bytes[8]++;
	assert_int_equal(read_raw(0), ERR_TRUNCATED);
	bytes[8] -= 2;
	assert_int_equal(read_raw(0), ERR_TRAILING);
	memset(bytes + 8, 0xFF, 4);
	assert_int_equal(read_raw(0), ERR_TRUNCATED);
	fix_length();
	bytes[4] = 6; /* a UL of six bytes */
	assert_int_equal(read_raw(0), ERR_LENGTH);
	begin();
	w.len = 0;
	put_us(0x0100, C_ECHO_RQ);
	assert_int_equal(read_raw(0), ERR_MISSING);
	w.len = 0;
	put(0x0000, "\0\0", 2);
	assert_int_equal(read_raw(0), ERR_LENGTH);
	w.len = 0;
	assert_int_equal(read_raw(0), ERR_TRUNCATED);
}

static void order(void **state)
{
	store_rq();
	put_us(0x1031, 9);
	assert_int_equal(read_it(), ERR_DUPLICATE);
	store_rq();
	put_us(0x1030, 9);
	assert_int_equal(read_it(), ERR_ORDER);
	store_rq();
	PUT(0x0000, "\0\0\0\0");
	assert_int_equal(read_it(), ERR_ORDER);
	store_rq();
	writer_u16le(&w, 0x0008);
	writer_u16le(&w, 0x2000);
	writer_u32le(&w, 0);
	assert_int_equal(read_it(), ERR_VALUE); /* another group */
	store_rq();
	PUT(0x2000, "odd");
	assert_int_equal(read_it(), ERR_LENGTH);
	store_rq();
	writer_u16le(&w, 0);
	writer_u16le(&w, 0x2000);
	writer_u32le(&w, 0xFFFFFFFE);
	assert_int_equal(read_it(), ERR_TRUNCATED);
}

static void too_long(void **state)
{
	store_rq();
	w.len = LIMIT_COMMAND_SET + 2;
	assert_int_equal(read_it(), ERR_LIMIT);
}

/* ---- Bad values ---- */

static void echo_with(uint16_t field, const char *class, size_t class_len, uint16_t data_set)
{
	begin();
	put(0x0002, class, class_len);
	put_us(0x0100, field);
	put_us(0x0110, 1);
	put_us(0x0800, data_set);
}

static void values(void **state)
{
	echo_with(C_ECHO_RQ, "1.2.840.10008.1.1\0", 18, 0x0101);
	assert_int_equal(read_it(), 0);
	echo_with(C_ECHO_RQ, "1.2.840.10008.1.1\0", 18, 0x0102); /* a data set that C-ECHO has not */
	assert_int_equal(read_it(), ERR_VALUE);
	echo_with(0x0031, "1.2.840.10008.1.1\0", 18, 0x0101);
	assert_int_equal(read_it(), ERR_VALUE);
	assert_string_equal(fail.spec, "PS3.7 E.1");
	echo_with(C_ECHO_RQ, "1.2.840.10008.01.1", 18, 0x0101);
	assert_int_equal(read_it(), ERR_VALUE);
	echo_with(C_ECHO_RQ, "", 0, 0x0101);
	assert_int_equal(read_it(), ERR_MISSING);
	echo_with(C_ECHO_RQ, "1.2.3.4\0\0\0", 10, 0x0101);
	assert_int_equal(read_it(), ERR_VALUE);
	assert_int_equal(read_raw(AE_TOLERATE_NUL), 0);
	assert_span(c.affected_sop_class, "1.2.3.4");
	assert_int_equal(c.tolerated, AE_TOLERATE_NUL);
	begin();
	PUT(0x0002, CT "\0");
	put(0x0100, "\1\0\0\0", 4); /* a US of four bytes */
	assert_int_equal(read_it(), ERR_LENGTH);
	begin();
	PUT(0x0002, CT "\0");
	assert_int_equal(read_it(), ERR_MISSING);
	store_rq();
	memcpy(bytes + 12 + 8 + 26 + 10 + 10 + 8, "\3", 1); /* priority */
	assert_int_equal(read_it(), ERR_VALUE);
	begin();
	put_us(0x0100, C_STORE_RSP);
	put_us(0x0120, 7);
	put_us(0x0800, 0x0101);
	put_us(0x0900, 0);
	PUT(0x0901, "\x10\0\x20\0\x10\0");
	assert_int_equal(read_it(), ERR_LENGTH);
}

static void move_with(const char *title, size_t len)
{
	begin();
	PUT(0x0002, "1.2.840.10008.5.1.4.1.2.2.2\0");
	put_us(0x0100, C_MOVE_RQ);
	put_us(0x0110, 1);
	put(0x0600, title, len);
	put_us(0x0700, 0);
	put_us(0x0800, 1);
}

static void destinations(void **state)
{
	move_with("A/B ", 4);
	assert_int_equal(read_it(), 0);
	assert_string_equal(c.move_destination, "A/B");
	move_with("A\\B ", 4);
	assert_int_equal(read_it(), ERR_VALUE);
	move_with("    ", 4);
	assert_int_equal(read_it(), ERR_MISSING);
	move_with("", 0);
	assert_int_equal(read_it(), ERR_MISSING);
	move_with("EIGHTEEN_LETTERS!!", 18);
	assert_int_equal(read_it(), ERR_LENGTH);
	move_with("WS1\0", 4);
	assert_int_equal(read_it(), ERR_VALUE);
	assert_int_equal(read_raw(AE_TOLERATE_NUL), 0);
	assert_string_equal(c.move_destination, "WS1");
	assert_int_equal(c.tolerated, AE_TOLERATE_NUL);
}

/* ---- Each command, PS3.7 9.3 and 10.3 ---- */

/* One row a command: letters for its mandatory elements, as the standard's tables have them. */
static const struct {
	uint16_t field;
	const char *name, *must;
	uint16_t data_set;
} commands[] = {
	/* a affected class, A instance, r requested class, R instance, m message ID, b being responded to,
	 * p priority, d destination, s status, e event type, t action type */
	{0x0001, "C-STORE-RQ", "aAmp", 1},
	{0x8001, "C-STORE-RSP", "bs", 0x0101},
	{0x0010, "C-GET-RQ", "amp", 1},
	{0x8010, "C-GET-RSP", "bs", 0x0101},
	{0x0020, "C-FIND-RQ", "amp", 1},
	{0x8020, "C-FIND-RSP", "bs", 1},
	{0x0021, "C-MOVE-RQ", "ampd", 1},
	{0x8021, "C-MOVE-RSP", "bs", 0x0101},
	{0x0030, "C-ECHO-RQ", "am", 0x0101},
	{0x8030, "C-ECHO-RSP", "bs", 0x0101},
	{0x0100, "N-EVENT-REPORT-RQ", "aAme", 1},
	{0x8100, "N-EVENT-REPORT-RSP", "bs", 0x0101},
	{0x0110, "N-GET-RQ", "rRm", 0x0101},
	{0x8110, "N-GET-RSP", "bs", 1},
	{0x0120, "N-SET-RQ", "rRm", 1},
	{0x8120, "N-SET-RSP", "bs", 1},
	{0x0130, "N-ACTION-RQ", "rRmt", 1},
	{0x8130, "N-ACTION-RSP", "bs", 0x0101},
	{0x0140, "N-CREATE-RQ", "am", 0x0101},
	{0x8140, "N-CREATE-RSP", "bs", 0x0101},
	{0x0150, "N-DELETE-RQ", "rRm", 0x0101},
	{0x8150, "N-DELETE-RSP", "bs", 0x0101},
	{0x0FFF, "C-CANCEL-RQ", "b", 0x0101},
};

static void put_letters(uint16_t field, const char *letters, char without, uint16_t data_set)
{
	static const struct {
		char letter;
		uint16_t element;
		const char *text; /* NULL: US 1 */
		size_t len;
	} elements[] = {{'a', 0x0002, "1.2\0", 4}, {'r', 0x0003, "1.2\0", 4}, {'f', 0x0100, NULL, 0},
		{'m', 0x0110, NULL, 0}, {'b', 0x0120, NULL, 0}, {'d', 0x0600, "WS", 2},
		{'p', 0x0700, NULL, 0}, {'k', 0x0800, NULL, 0}, {'s', 0x0900, NULL, 0},
		{'A', 0x1000, "1.2\0", 4}, {'R', 0x1001, "1.2\0", 4}, {'e', 0x1002, NULL, 0},
		{'t', 0x1008, NULL, 0}};
	begin();
	for (size_t i = 0; i < ARRAY_LEN(elements); i++) {
		char l = elements[i].letter;
		bool always = l == 'f' || l == 'k';
		if (l == without || (!always && !strchr(letters, l))) {
			continue;
		}
		if (l == 'f') {
			put_us(0x0100, field);
		} else if (l == 'k') {
			put_us(0x0800, data_set);
		} else if (elements[i].text) {
			put(elements[i].element, elements[i].text, elements[i].len);
		} else {
			put_us(elements[i].element, 1);
		}
	}
	fix_length();
}

static void every_command(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		uint8_t out[512];
		uint16_t field = commands[i].field;
		assert_string_equal(command_name(field), commands[i].name);
		put_letters(field, commands[i].must, 0, commands[i].data_set);
		assert_int_equal(read_raw(0), 0);
		assert_int_equal(c.field, field);
		assert_int_equal(command_is_response(field), field >= 0x8000);
		/* Nothing but the mandatory: written the same. */
		struct writer v = writer_of(out, sizeof(out));
		assert_int_equal(command_write(&c, &v), 0);
		assert_int_equal(v.len, w.len);
		assert_memory_equal(out, bytes, v.len);
		/* Each of them is needed. */
		for (const char *l = commands[i].must; *l; l++) {
			put_letters(field, commands[i].must, *l, commands[i].data_set);
			assert_int_equal(read_raw(0), ERR_MISSING);
		}
		put_letters(field, commands[i].must, 'k', 0);
		assert_int_equal(read_raw(0), ERR_MISSING);
	}
	assert_string_equal(command_name(0x0002), "unknown command");
}

/* ---- Messages of our own ---- */

static struct command request_of(uint16_t field)
{
	bool requested = field >= N_GET_RQ && field != N_CREATE_RQ;
	struct command rq = {.field = field, .message_id = 0x1234};
	struct span class = span_str(CT), instance = span_str("1.2.3");
	if (requested) {
		rq.requested_sop_class = class;
		rq.requested_sop_instance = instance;
	} else {
		rq.affected_sop_class = class;
		rq.affected_sop_instance = instance;
	}
	return rq;
}

static void responses(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		uint16_t field = commands[i].field;
		if (command_is_response(field) || field == C_CANCEL_RQ) {
			continue;
		}
		struct command rq = request_of(field), rsp;
		uint8_t out[512];
		struct writer v = writer_of(out, sizeof(out));
		command_make_response(&rq, command_refusal_status(field), "Gantry 17: destination", &rsp);
		assert_int_equal(command_write(&rsp, &v), 0);
		assert_int_equal(command_read(writer_span_of(&v), 0, &c, &fail), 0);
		assert_int_equal(c.field, field | 0x8000);
		assert_int_equal(c.message_id_responded, 0x1234);
		assert_int_equal(c.data_set_type, COMMAND_NO_DATA_SET);
		assert_string_equal(c.error_comment, "Gantry 17: destination");
		assert_true(status_is_failure(c.status));
		assert_true(status_is_failure(command_failure_status(field)));
		assert_span(c.affected_sop_class, CT);
		bool instance = field == C_STORE_RQ || (field >= N_EVENT_REPORT_RQ && field != N_CREATE_RQ);
		assert_span(c.affected_sop_instance, instance ? "1.2.3" : "");
	}
}

static void comments(void **state)
{
	struct command rq = request_of(C_STORE_RQ), rsp;
	command_make_response(
		&rq, 0x0124, "0123456789012345678901234567890123456789012345678901234567890123456789", &rsp);
	assert_int_equal(strlen(rsp.error_comment), 64);
	command_make_response(&rq, 0x0124, "M\xc3\xbcller\\\n ", &rsp);
	assert_string_equal(rsp.error_comment, "M??ller??");
	command_make_response(&rq, 0x0124, NULL, &rsp);
	assert_false(rsp.has & HAS_ERROR_COMMENT);
	command_make_response(&rq, STATUS_SUCCESS, "fine", &rsp);
	assert_false(rsp.has & HAS_ERROR_COMMENT);
	command_make_response(&(struct command){.field = C_STORE_RQ, .message_id = 1}, 0x0124, "", &rsp);
	assert_int_equal(rsp.has, HAS_MESSAGE_ID_RESPONDED | HAS_DATA_SET_TYPE | HAS_STATUS);
}

static void cancels(void **state)
{
	uint8_t out[64];
	struct writer v = writer_of(out, sizeof(out));
	command_make_cancel(9, &c);
	assert_int_equal(command_write(&c, &v), 0);
	begin();
	put_us(0x0100, 0x0FFF);
	put_us(0x0120, 9);
	put_us(0x0800, 0x0101);
	fix_length();
	assert_int_equal(v.len, w.len);
	assert_memory_equal(out, bytes, v.len);
}

static void refuses_to_write(void **state)
{
	uint8_t out[512];
	struct writer v = writer_of(out, sizeof(out));
	store_rq();
	assert_int_equal(read_it(), 0);
	c.affected_sop_instance = (struct span){0};
	assert_int_equal(command_write(&c, &v), ERR_VALUE);
	c.affected_sop_instance = span_str("1.2.3\n");
	v = writer_of(out, sizeof(out));
	assert_int_equal(command_write(&c, &v), ERR_VALUE);
	assert_int_equal(read_it(), 0);
	c.move_originator[0] = '\\';
	v = writer_of(out, sizeof(out));
	assert_int_equal(command_write(&c, &v), ERR_VALUE);
	assert_int_equal(read_it(), 0);
	c.field = 0x0002;
	v = writer_of(out, sizeof(out));
	assert_int_equal(command_write(&c, &v), ERR_VALUE);
	assert_int_equal(read_it(), 0);
	v = writer_of(out, sizeof(out));
	assert_int_equal(command_write(&c, &v), 0);
	for (size_t cap = 0, n = v.len; cap < n; cap++) {
		v = writer_of(out, cap);
		assert_int_equal(command_write(&c, &v), ERR_SPACE);
	}
}

/* PS3.7 9.1 and 10.1 list 0124H for these and for no others. */
static void refusal_statuses(void **state)
{
	static const uint16_t listed[] = {
		C_STORE_RQ, C_GET_RQ, C_MOVE_RQ, N_GET_RQ, N_SET_RQ, N_ACTION_RQ, N_CREATE_RQ, N_DELETE_RQ};
	for (size_t i = 0; i < ARRAY_LEN(listed); i++) {
		assert_int_equal(command_refusal_status(listed[i]), 0x0124);
	}
	assert_int_equal(command_refusal_status(C_FIND_RQ), 0xC000);
	assert_int_equal(command_refusal_status(C_ECHO_RQ), 0x0122);
	assert_int_equal(command_refusal_status(N_EVENT_REPORT_RQ), 0x0110);
	assert_int_equal(command_failure_status(C_STORE_RQ), 0xA700);
	assert_int_equal(command_failure_status(C_FIND_RQ), 0xC000);
	assert_int_equal(command_failure_status(N_ACTION_RQ), 0x0110);
	assert_int_equal(command_failure_status(C_ECHO_RQ), 0x0110);
	assert_int_equal(command_refusal_status(0x7777), 0x0110);
	assert_int_equal(command_failure_status(0x7777), 0x0110);
}

static void status_kinds(void **state)
{
	static const struct {
		uint16_t status;
		enum status_kind kind;
	} expected[] = {{0x0000, STATUS_KIND_SUCCESS}, {0x0001, STATUS_KIND_WARNING},
		{0x0107, STATUS_KIND_WARNING}, {0x0116, STATUS_KIND_WARNING}, {0xB000, STATUS_KIND_WARNING},
		{0xBFFF, STATUS_KIND_WARNING}, {0x0106, STATUS_KIND_FAILURE}, {0x0124, STATUS_KIND_FAILURE},
		{0x0211, STATUS_KIND_FAILURE}, {0xA700, STATUS_KIND_FAILURE}, {0xC001, STATUS_KIND_FAILURE},
		{0xFE00, STATUS_KIND_CANCEL}, {0xFF00, STATUS_KIND_PENDING}, {0xFF01, STATUS_KIND_PENDING},
		{0xFF02, STATUS_KIND_FAILURE}, {0x1234, STATUS_KIND_FAILURE}};
	for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
		assert_int_equal(status_kind(expected[i].status), expected[i].kind);
	}
	assert_true(status_is_pending(0xFF01) && status_is_warning(0xB007) && status_is_failure(0xA900));
	assert_false(status_is_pending(0) || status_is_warning(0) || status_is_failure(0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(store),
		cmocka_unit_test(canonical),
		cmocka_unit_test(move_response),
		cmocka_unit_test(lists_and_comments),
		cmocka_unit_test(truncated),
		cmocka_unit_test(group_length),
		cmocka_unit_test(order),
		cmocka_unit_test(too_long),
		cmocka_unit_test(values),
		cmocka_unit_test(destinations),
		cmocka_unit_test(every_command),
		cmocka_unit_test(responses),
		cmocka_unit_test(comments),
		cmocka_unit_test(cancels),
		cmocka_unit_test(refuses_to_write),
		cmocka_unit_test(refusal_statuses),
		cmocka_unit_test(status_kinds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
