/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_NET_ASSOCIATE_MADE_H
#define TESTS_NET_ASSOCIATE_MADE_H

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

static inline void begin(void)
{
	w = writer_of(body, sizeof(body));
	writer_u16be(&w, 1);
	writer_u16be(&w, 0);
	writer_bytes(&w, "ARCHIVE         ", 16);
	writer_bytes(&w, "CT1             ", 16);
	writer_fill(&w, 0, 32);
}

static inline void item(uint8_t type, const void *ptr, size_t len)
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

static inline void close_item(size_t mark)
{
	writer_fill_u16be(&w, mark);
}

static inline void counted(const char *text)
{
	writer_u16be(&w, (uint16_t)strlen(text));
	writer_bytes(&w, text, strlen(text));
}

static inline void application_context(void)
{
	ITEM(0x10, APPLICATION_CONTEXT_UID);
}

static inline void context_head(uint8_t id, uint8_t result)
{
	writer_bytes(&w, (const uint8_t[]){id, 0xAA, result, 0xAA}, 4);
}

static inline void context_rq(uint8_t id)
{
	size_t m = open_item(0x20);
	context_head(id, 0xAA);
	ITEM(0x30, CT);
	ITEM(0x40, IMPLICIT);
	ITEM(0x40, EXPLICIT);
	close_item(m);
}

static inline void max_pdu(void)
{
	ITEM(0x51, "\0\0\x40\0");
}

static inline void user_information(void)
{
	size_t m = open_item(0x50);
	max_pdu();
	ITEM(0x52, "1.2.3");
	close_item(m);
}

static inline void whole_rq(void)
{
	begin();
	application_context();
	context_rq(1);
	user_information();
}

static inline int read_as(enum pdu_type type, unsigned tolerate)
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

static inline void user_items(void)
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

static inline void contexts_of_an_answer(void)
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

#endif
