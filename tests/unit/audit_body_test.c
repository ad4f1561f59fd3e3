/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/body.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char message[] =
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<AuditMessage><EventIdentification EventActionCode=\"C\" "
	"EventDateTime=\"2026-11-25T22:00:00.000Z\" EventOutcomeIndicator=\"0\"/></AuditMessage>";

static uint8_t buf[BODY_MOST], text[BODY_XML_MOST];
static struct body_packer *packer;

static int set_up(void **state)
{
	packer = body_packer_new();
	return packer ? 0 : -1;
}

static int tear_down(void **state)
{
	body_packer_free(packer);
	return 0;
}

static size_t written(struct span event, struct span xml)
{
	size_t len = 0;
	assert_int_equal(body_write(packer, event, xml, buf, sizeof(buf), &len), 0);
	return len;
}

/* From memory of exactly that size, so that a sanitizer sees one byte too many. */
static int read_copy(const uint8_t *from, size_t len, size_t cap, size_t *ret_event, size_t *ret_xml)
{
	uint8_t *copy = malloc(len + (len == 0));
	struct span event = span_of(NULL, 4711);
	size_t xml_len = 4711;
	assert_non_null(copy);
	memcpy(copy, from, len);
	int e = body_read(span_of(copy, len), &event, text, cap, &xml_len);
	if (e < 0) {
		assert_int_equal(event.len, 4711);
		assert_int_equal(xml_len, 4711);
	} else {
		assert_true(event.len == 0 || (event.ptr >= copy && event.ptr + event.len <= copy + len));
		*ret_event = event.len;
		*ret_xml = xml_len;
	}
	free(copy);
	return e;
}

static void goes_round(void **state)
{
	static uint8_t random[BODY_WIRE_MOST], xml[BODY_XML_MOST];
	const struct {
		size_t event, xml;
	} sizes[] = {{0, 0}, {1, 0}, {0, 1}, {700, sizeof(message) - 1}, {BODY_WIRE_MOST, BODY_XML_MOST}};
	srand(1);
	for (size_t i = 0; i < sizeof(random); i++) {
		random[i] = (uint8_t)rand();
	}
	for (size_t i = 0; i < sizeof(xml); i++) {
		xml[i] = i < sizeof(message) - 1 ? (uint8_t)message[i] : (uint8_t)('a' + rand() % 26);
	}
	for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
		size_t len = written(span_of(random, sizes[i].event), span_of(xml, sizes[i].xml)), xml_len;
		struct span event;
		assert_int_equal(body_read(span_of(buf, len), &event, text, sizeof(text), &xml_len), 0);
		assert_int_equal(event.len, sizes[i].event);
		assert_memory_equal(event.ptr, random, event.len);
		assert_int_equal(xml_len, sizes[i].xml);
		assert_memory_equal(text, xml, xml_len);
	}
	/* What the dictionary has costs next to nothing; one packer serves any number of bodies. */
	size_t len = written(span_of(NULL, 0), span_str(message));
	assert_true(len < sizeof(message) / 2);
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(written(span_of(NULL, 0), span_str(message)), len);
	}
}

static void incompressible_fits(void **state)
{
	static uint8_t random[BODY_XML_MOST], wire[BODY_WIRE_MOST];
	srand(2);
	for (size_t i = 0; i < sizeof(random); i++) {
		random[i] = (uint8_t)rand();
	}
	size_t len = written(span_of(wire, sizeof(wire)), span_of(random, sizeof(random))), event, xml;
	assert_int_equal(read_copy(buf, len, sizeof(text), &event, &xml), 0);
	assert_memory_equal(text, random, sizeof(random));
}

static void room_is_needed(void **state)
{
	size_t len = written(span_str("event"), span_str(message)), event, xml, untouched = 4711;
	uint8_t *small = malloc(len);
	assert_non_null(small);
	for (size_t cap = 0; cap < len; cap++) {
		assert_int_equal(
			body_write(packer, span_str("event"), span_str(message), small, cap, &untouched),
			ERR_SPACE);
		assert_int_equal(untouched, 4711);
	}
	free(small);
	assert_int_equal(read_copy(buf, len, strlen(message) - 1, &event, &xml), ERR_SPACE);
	assert_int_equal(read_copy(buf, len, strlen(message), &event, &xml), 0);
}

static void cut_anywhere(void **state)
{
	static uint8_t whole[BODY_MOST];
	size_t len = written(span_str("what happened"), span_str(message)), event, xml;
	memcpy(whole, buf, len);
	for (size_t n = 0; n < len; n++) {
		int e = read_copy(whole, n, sizeof(text), &event, &xml);
		/* Of the head by its length, of the message as it does not inflate to its length. */
		assert_int_equal(e, n < 1 + 4 + strlen("what happened") + 4 ? ERR_TRUNCATED : ERR_VALUE);
	}
	whole[len] = 0;
	assert_int_equal(read_copy(whole, len + 1, sizeof(text), &event, &xml), ERR_VALUE);
	assert_int_equal(read_copy(whole, len, sizeof(text), &event, &xml), 0);
}

#define AT_EVENT 1 /* after the version */
#define AT_XML   (1 + 4 + 5)

static int patched(size_t at, uint8_t first, uint8_t last)
{
	static uint8_t copy[BODY_MOST];
	size_t len = written(span_str("event"), span_str(message)), event, xml;
	memcpy(copy, buf, len);
	copy[at] = first;
	copy[at + 3] = last;
	return read_copy(copy, len, sizeof(text), &event, &xml);
}

static void hostile(void **state)
{
	size_t len = written(span_str("event"), span_str(message)), event, xml;
	uint8_t other[1024];
	assert_true(len < sizeof(other));
	for (unsigned version = 0; version < 256; version++) {
		memcpy(other, buf, len);
		other[0] = (uint8_t)version;
		if (version != 1) {
			assert_int_equal(read_copy(other, len, sizeof(text), &event, &xml), ERR_UNSUPPORTED);
		}
	}
	/* An event that is longer than all; a message longer than the room, than it is, shorter. */
	assert_int_equal(patched(AT_EVENT, 0xff, 0xff), ERR_TRUNCATED);
	assert_int_equal(patched(AT_XML, 0xff, 0xff), ERR_SPACE);
	assert_int_equal(patched(AT_XML, 0, (uint8_t)(strlen(message) + 1)), ERR_VALUE);
	assert_int_equal(patched(AT_XML, 0, (uint8_t)(strlen(message) - 1)), ERR_VALUE);
	assert_int_equal(patched(AT_XML, 0, (uint8_t)strlen(message)), 0);
}

/* A bit changed anywhere is never read past an end; what it makes of the text is the seal's affair. */
static void bits_changed(void **state)
{
	static uint8_t whole[BODY_MOST];
	size_t len = written(span_str("event"), span_str(message)), event, xml;
	memcpy(whole, buf, len);
	for (size_t bit = 0; bit < 8 * len; bit++) {
		whole[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (read_copy(whole, len, sizeof(text), &event, &xml) == 0) {
			assert_true(event <= len && xml <= sizeof(text));
		}
		whole[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(goes_round),
		cmocka_unit_test(incompressible_fits),
		cmocka_unit_test(room_is_needed),
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(hostile),
		cmocka_unit_test(bits_changed),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
