/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/deed.h"
#include "audit/handover.h"
#include "audit/note.h"
#include "audit/verify.h"

#include <stdlib.h>
#include <string.h>

/* Text that others signed, or say that they did: after a byte that says what it is to be read as. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* RFC 8032 7.1, test 1: a key whose secret half no fuzzer uses. */
static const uint8_t somebody[32] = {0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3,
	0xc9, 0x64, 0x07, 0x3a, 0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7,
	0x07, 0x51, 0x1a};

static void read_note(struct span text)
{
	struct signed_note note;
	struct checkpoint c, again;
	char buf[CHECKPOINT_MOST];
	size_t len;
	struct note_key key;
	if (note_read(text, &note) < 0) {
		return;
	}
	if (note_key_make("a", NOTE_COSIGNATURE, somebody, &key) < 0 || note_check(&note, &key, NULL) == 0) {
		abort();
	}
	if (checkpoint_read(note.text, &c) < 0) {
		return;
	}
	/* One text, one checkpoint. */
	if (checkpoint_write(&c, buf, sizeof(buf), &len) < 0 ||
		checkpoint_read(span_of(buf, len), &again) < 0 || again.size != c.size ||
		(!c.extended && !span_eq(span_of(buf, len), note.text))) {
		abort();
	}
}

static void read_key(struct span text)
{
	struct note_key key;
	char buf[NOTE_LINE_MOST];
	if (note_key_read(text, &key) == 0 &&
		(note_key_write(&key, buf, sizeof(buf)) < 0 || !span_eq(span_str(buf), text))) {
		abort();
	}
}

static void read_leaves(struct span text)
{
	char origin[NOTE_NAME_MOST + 1];
	uint64_t first;
	struct merkle_hash *leaves;
	size_t n;
	if (leaves_read(text, origin, &first, &leaves, &n) == 0) {
		free(leaves);
	}
}

static void read_statement(struct span text)
{
	struct handover_statement s;
	if (handover_read(text, &s) == 0) {
		free(s.segments);
	}
}

/* One text, one record. */
static void read_deed(struct span text)
{
	static struct deed d;
	static char buf[DEED_MOST];
	size_t len;
	if (deed_read(text, &d) == 0 &&
		(deed_write(&d, buf, sizeof(buf), &len) < 0 || !span_eq(span_of(buf, len), text))) {
		abort();
	}
}

/* Read, it is what is written. */
static void read_body(struct span text)
{
	struct handover h = {.statement = "hand-over-00000000000000000000"};
	char body[HANDOVER_BODY_MOST], statement[HANDOVER_STATEMENT_LEN];
	if (handover_body_statement(text, statement) && strlen(statement) != sizeof(statement) - 1) {
		abort();
	}
	if (handover_body_read(text, &h.next) == 0) {
		uint64_t again = 0;
		handover_body(&h, body);
		if (handover_body_read(span_str(body), &again) != 0 || again != h.next) {
			abort();
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const readers[])(struct span text) = {
		read_note, read_key, read_leaves, read_statement, read_deed, read_body};
	enum { FIRST = 4 }; /* of those that files of the corpus are older than */
	if (size < 1) {
		return 0;
	}
	uint8_t *copy = malloc(size);
	if (!copy) {
		return 0;
	}
	memcpy(copy, data + 1, size - 1);
	readers[data[0] >= FIRST && data[0] < ARRAY_LEN(readers) ? data[0] : data[0] % FIRST](
		span_of(copy, size - 1));
	free(copy);
	return 0;
}
