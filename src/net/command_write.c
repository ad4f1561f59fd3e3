/* SPDX-License-Identifier: Apache-2.0 */
#include "net/command_table.h"
#include "dicom/uid.h"

static void put_head(struct writer *w, uint16_t element, size_t len)
{
	writer_u16le(w, 0);
	writer_u16le(w, element);
	writer_u32le(w, (uint32_t)(len + len % 2));
}

/* Padded to an even length: UI with NUL, the others with a space. PS3.5 6.2 */
static void put_padded(struct writer *w, uint16_t element, struct span v, uint8_t pad)
{
	put_head(w, element, v.len);
	writer_span(w, v);
	writer_fill(w, pad, v.len % 2);
}

static void put_us(struct writer *w, uint16_t element, uint16_t v)
{
	put_head(w, element, 2);
	writer_u16le(w, v);
}

static bool comment_fits(const char *comment)
{
	size_t n = strnlen(comment, 65);
	for (size_t i = 0; i < n; i++) {
		if (comment[i] < 0x20 || comment[i] >= 0x7F || comment[i] == '\\') {
			return false;
		}
	}
	return n <= 64;
}

static uint16_t number(const struct command *c, const struct command_element *e)
{
	uint16_t v;
	memcpy(&v, (const uint8_t *)c + e->offset, sizeof(v));
	if (e->has == HAS_DATA_SET_TYPE && v != COMMAND_NO_DATA_SET) {
		v = COMMAND_DATA_SET;
	}
	return v;
}

/* must: an element that is optional and empty is left out. */
static int put_element(struct writer *w, const struct command *c, const struct command_element *e, bool must)
{
	const void *at = (const uint8_t *)c + e->offset;
	struct span v = {0};
	switch ((enum command_vr)e->vr) {
	case COMMAND_US:
		put_us(w, e->element, number(c, e));
		return 0;
	case COMMAND_UI:
		memcpy(&v, at, sizeof(v));
		if (v.len == 0 && !must) {
			return 0;
		}
		put_padded(w, e->element, v, 0);
		return uid_valid(v) ? 0 : ERR_VALUE;
	case COMMAND_AE:
		v = span_of(at, strnlen(at, AE_SIZE));
		if (v.len == 0 && !must) {
			return 0;
		}
		put_padded(w, e->element, v, ' ');
		return ae_valid(at) ? 0 : ERR_VALUE;
	case COMMAND_AT:
		memcpy(&v, at, sizeof(v));
		if (v.len > 0) {
			put_padded(w, e->element, v, 0);
		}
		return v.len % 4 == 0 ? 0 : ERR_VALUE;
	case COMMAND_LO:
		v = span_of(at, strnlen(at, 65));
		if (v.len > 0) {
			put_padded(w, e->element, v, ' ');
		}
		return comment_fits(at) ? 0 : ERR_VALUE;
	}
	return ERR_VALUE;
}

int command_write(const struct command *c, struct writer *w)
{
	const struct command_kind *kind = command_kind_of(c->field);
	if (!kind) {
		return ERR_VALUE;
	}
	put_head(w, 0, 4);
	size_t mark = writer_mark_u32le(w);
	int err = 0;
	for (size_t i = 0; i < COMMAND_ELEMENTS && err == 0; i++) {
		const struct command_element *e = &command_elements[i];
		bool must = e->element == COMMAND_FIELD_ELEMENT || (kind->must & e->has);
		if (must || (kind->may & e->has & c->has)) {
			err = put_element(w, c, e, must);
		}
	}
	writer_fill_u32le(w, mark);
	return err ? err : writer_end(w);
}
