/* SPDX-License-Identifier: Apache-2.0 */
#include "net/command_table.h"
#include "base/limits.h"
#include "base/reader.h"
#include "dicom/uid.h"

struct command_parse {
	struct span bytes;
	unsigned tolerate;
	struct parse_fail *fail;
	struct span values[COMMAND_ELEMENTS]; /* as they came; ptr NULL: absent */
	size_t next;                          /* of the table's elements, the first that may still come */
};

static int stop(const struct command_parse *p, const uint8_t *at, int code, const char *spec)
{
	return parse_fail(p->fail, code, at ? (size_t)(at - p->bytes.ptr) : 0, spec);
}

/* ---- The form: PS3.7 6.3.1 ---- */

struct raw_element {
	uint16_t group, element;
	struct span value;
};

static int read_raw(struct reader *r, struct raw_element *ret)
{
	struct reader at = *r;
	uint32_t len;
	int err = reader_u16le(&at, &ret->group);
	err = err ? err : reader_u16le(&at, &ret->element);
	err = err ? err : reader_u32le(&at, &len);
	if (err) {
		return err;
	}
	if (ret->group != 0) {
		return ERR_VALUE;
	}
	if (len % 2 != 0) {
		return ERR_LENGTH;
	}
	err = reader_bytes(&at, len, &ret->value);
	if (err == 0) {
		*r = at;
	}
	return err;
}

static int read_group_length(struct command_parse *p, struct reader *r)
{
	static const char spec[] = "PS3.7 E.1: group length";
	struct raw_element e;
	uint32_t n;
	int err = read_raw(r, &e);
	if (err) {
		return stop(p, p->bytes.ptr, err, spec);
	}
	if (e.element != 0) {
		return stop(p, p->bytes.ptr, ERR_MISSING, spec);
	}
	struct reader length = reader_of(e.value);
	if (reader_u32le(&length, &n) != 0 || reader_end(&length) != 0) {
		return stop(p, e.value.ptr, ERR_LENGTH, spec);
	}
	if (n != reader_left(r)) {
		return stop(p, e.value.ptr, n > reader_left(r) ? ERR_TRUNCATED : ERR_TRAILING, spec);
	}
	return 0;
}

/* Both ascend. Others are retired or unknown: passed over. */
static void keep(struct command_parse *p, const struct raw_element *e)
{
	while (p->next < COMMAND_ELEMENTS && command_elements[p->next].element < e->element) {
		p->next++;
	}
	if (p->next < COMMAND_ELEMENTS && command_elements[p->next].element == e->element) {
		p->values[p->next++] = e->value;
	}
}

static int read_form(struct command_parse *p)
{
	struct reader r = reader_of(p->bytes);
	uint16_t last = 0;
	int err = read_group_length(p, &r);
	while (err == 0 && reader_left(&r) > 0) {
		struct raw_element e;
		const uint8_t *at = r.ptr + r.pos;
		err = read_raw(&r, &e);
		if (err) {
			return stop(p, at, err, "PS3.7 6.3.1");
		}
		if (e.element <= last) {
			return stop(p, at, e.element == last ? ERR_DUPLICATE : ERR_ORDER, "PS3.7 6.3.1");
		}
		last = e.element;
		keep(p, &e);
	}
	return err;
}

/* ---- Values ---- */

static int take_us(struct span v, void *to)
{
	struct reader r = reader_of(v);
	return v.len == 2 ? reader_u16le(&r, to) : ERR_LENGTH;
}

static int take_ui(const struct command_parse *p, struct span v, struct span *to, unsigned *tolerated)
{
	struct span uid = uid_trim(v);
	bool valid = uid_valid(uid);
	if (!valid && (p->tolerate & AE_TOLERATE_NUL)) {
		while (uid.len > 0 && (uid.ptr[uid.len - 1] == 0 || uid.ptr[uid.len - 1] == ' ')) {
			uid.len--;
		}
		*tolerated |= AE_TOLERATE_NUL;
		valid = uid_valid(uid);
	}
	if (!valid || v.len > UID_MAX) {
		return ERR_VALUE;
	}
	*to = uid;
	return 0;
}

static int take_at(struct span v, struct span *to)
{
	if (v.len % 4 != 0) {
		return ERR_LENGTH;
	}
	*to = v;
	return 0;
}

/* For people only: whatever it holds, it must not cost an association. PS3.7 C.5.25, PS3.5 6.2 */
static int take_lo(struct span v, char to[65])
{
	size_t n = v.len < 64 ? v.len : 64;
	while (n > 0 && (v.ptr[n - 1] == ' ' || v.ptr[n - 1] == 0)) {
		n--;
	}
	for (size_t i = 0; i < n; i++) {
		bool printable = v.ptr[i] >= 0x20 && v.ptr[i] < 0x7F && v.ptr[i] != '\\';
		to[i] = printable ? (char)v.ptr[i] : '?';
	}
	to[n] = 0;
	return 0;
}

static int take_value(const struct command_parse *p, size_t i, struct command *c)
{
	const struct command_element *e = &command_elements[i];
	void *to = (uint8_t *)c + e->offset;
	struct span v = p->values[i];
	switch ((enum command_vr)e->vr) {
	case COMMAND_US:
		return take_us(v, to);
	case COMMAND_UI:
		return take_ui(p, v, to, &c->tolerated);
	case COMMAND_AE:
		return ae_read(v, p->tolerate, to, &c->tolerated);
	case COMMAND_AT:
		return take_at(v, to);
	case COMMAND_LO:
		return take_lo(v, to);
	}
	return ERR_VALUE;
}

/* ---- What the command field asks for ---- */

static int take_fields(const struct command_parse *p, const struct command_kind *kind, struct command *c)
{
	for (size_t i = 0; i < COMMAND_ELEMENTS; i++) {
		uint32_t has = command_elements[i].has;
		bool must = kind->must & has;
		if (!must && !(kind->may & has)) {
			continue; /* Command Field itself, and what belongs to other commands */
		}
		/* An optional element without a value says nothing. */
		if (p->values[i].len == 0) {
			if (must) {
				return stop(p, p->values[i].ptr, ERR_MISSING, kind->spec);
			}
			continue;
		}
		int err = take_value(p, i, c);
		if (err) {
			return stop(p, p->values[i].ptr, err, kind->spec);
		}
		c->has |= has;
	}
	return 0;
}

static int check_fields(
	const struct command_parse *p, const struct command_kind *kind, const struct command *c)
{
	bool data = command_has_data_set(c);
	if ((kind->data == DATA_ALWAYS && !data) || (kind->data == DATA_NEVER && data)) {
		return stop(p, NULL, ERR_VALUE, "PS3.7 E.1: Command Data Set Type");
	}
	if ((c->has & HAS_PRIORITY) && c->priority > 2) {
		return stop(p, NULL, ERR_VALUE, "PS3.7 E.1: Priority");
	}
	return 0;
}

static int take_command_field(const struct command_parse *p, struct command *c)
{
	for (size_t i = 0; i < COMMAND_ELEMENTS; i++) {
		if (command_elements[i].element != COMMAND_FIELD_ELEMENT) {
			continue;
		}
		if (p->values[i].len == 0) {
			return stop(p, NULL, ERR_MISSING, "PS3.7 E.1: Command Field");
		}
		int err = take_us(p->values[i], &c->field);
		return err ? stop(p, p->values[i].ptr, err, "PS3.7 E.1: Command Field") : 0;
	}
	return ERR_MISSING;
}

int command_read(struct span bytes, unsigned tolerate, struct command *ret_command, struct parse_fail *fail)
{
	struct command_parse p = {.bytes = bytes, .tolerate = tolerate, .fail = fail};
	struct command c = {0};
	if (bytes.len > LIMIT_COMMAND_SET) {
		return stop(&p, NULL, ERR_LIMIT, "longer than we hold");
	}
	int err = read_form(&p);
	err = err ? err : take_command_field(&p, &c);
	if (err) {
		return err;
	}
	const struct command_kind *kind = command_kind_of(c.field);
	if (!kind) {
		return stop(&p, NULL, ERR_VALUE, "PS3.7 E.1");
	}
	err = take_fields(&p, kind, &c);
	err = err ? err : check_fields(&p, kind, &c);
	if (err == 0) {
		*ret_command = c;
	}
	return err;
}
