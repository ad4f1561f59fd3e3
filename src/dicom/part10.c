/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/part10.h"

#include "base/reader.h"
#include "dicom/uid.h"

#define PREAMBLE 128

enum {
	META_LENGTH = 0x0000,
	META_VERSION = 0x0001,
	META_SOP_CLASS = 0x0002,
	META_SOP_INSTANCE = 0x0003,
	META_TRANSFER_SYNTAX = 0x0010,
	META_IMPLEMENTATION_CLASS = 0x0012,
	META_IMPLEMENTATION_VERSION = 0x0013,
	META_SOURCE_AE = 0x0016
};

/* ---- Writing ---- */

static void write_short(struct writer *w, uint16_t element, const char *vr, struct span value, uint8_t pad)
{
	writer_u16le(w, 0x0002);
	writer_u16le(w, element);
	writer_bytes(w, vr, 2);
	writer_u16le(w, (uint16_t)(value.len + value.len % 2));
	writer_span(w, value);
	writer_fill(w, pad, value.len % 2);
}

static void write_version(struct writer *w)
{
	writer_u16le(w, 0x0002);
	writer_u16le(w, META_VERSION);
	writer_bytes(w, "OB", 2);
	writer_u16le(w, 0);
	writer_u32le(w, 2);
	writer_bytes(w, "\0\1", 2);
}

int part10_write(const struct part10_meta *meta, struct writer *w)
{
	if (!uid_valid(meta->sop_class) || !uid_valid(meta->sop_instance) ||
		!uid_valid(meta->transfer_syntax) || !uid_valid(meta->implementation_class)) {
		return ERR_VALUE;
	}
	writer_fill(w, 0, PREAMBLE);
	writer_bytes(w, "DICM", 4);
	writer_u16le(w, 0x0002);
	writer_u16le(w, META_LENGTH);
	writer_bytes(w, "UL", 2);
	writer_u16le(w, 4);
	size_t mark = writer_mark_u32le(w);
	write_version(w);
	write_short(w, META_SOP_CLASS, "UI", meta->sop_class, 0);
	write_short(w, META_SOP_INSTANCE, "UI", meta->sop_instance, 0);
	write_short(w, META_TRANSFER_SYNTAX, "UI", meta->transfer_syntax, 0);
	write_short(w, META_IMPLEMENTATION_CLASS, "UI", meta->implementation_class, 0);
	if (meta->implementation_version[0]) {
		write_short(
			w, META_IMPLEMENTATION_VERSION, "SH", span_str(meta->implementation_version), ' ');
	}
	if (meta->source_ae[0]) {
		write_short(w, META_SOURCE_AE, "AE", span_str(meta->source_ae), ' ');
	}
	writer_fill_u32le(w, mark);
	return writer_end(w);
}

/* ---- Reading ---- */

struct meta_element {
	uint16_t element;
	char vr[3];
	struct span value;
};

static bool has_long_length(const char *vr)
{
	static const char longs[][3] = {
		"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"};
	for (size_t i = 0; i < ARRAY_LEN(longs); i++) {
		if (strcmp(longs[i], vr) == 0) {
			return true;
		}
	}
	return false;
}

/* One element in explicit VR little endian. PS3.5 7.1.2 */
static int read_element(struct reader *r, struct meta_element *ret)
{
	struct reader at = *r;
	struct meta_element e = {0};
	uint16_t group, length16;
	uint32_t length;
	struct span vr;
	int err = reader_u16le(&at, &group);
	err = err ? err : reader_u16le(&at, &e.element);
	err = err ? err : reader_bytes(&at, 2, &vr);
	err = err ? err : reader_u16le(&at, &length16);
	if (err) {
		return err;
	}
	memcpy(e.vr, vr.ptr, 2);
	if (group != 0x0002) {
		return ERR_ORDER;
	}
	length = length16;
	if (has_long_length(e.vr)) {
		err = reader_u32le(&at, &length);
	}
	err = err ? err : reader_bytes(&at, length, &e.value);
	if (err) {
		return err;
	}
	*r = at;
	*ret = e;
	return 0;
}

static int take_uid(const struct meta_element *e, struct span *ret)
{
	struct span uid = uid_trim(e->value);
	if (strcmp(e->vr, "UI") != 0 || !uid_valid(uid)) {
		return ERR_VALUE;
	}
	*ret = uid;
	return 0;
}

static int take_version_name(const struct meta_element *e, char ret[17])
{
	struct span v = e->value;
	while (v.len > 0 && (v.ptr[v.len - 1] == ' ' || v.ptr[v.len - 1] == 0)) {
		v.len--;
	}
	if (strcmp(e->vr, "SH") != 0 || v.len > 16) {
		return ERR_VALUE;
	}
	for (size_t i = 0; i < v.len; i++) {
		if (v.ptr[i] < 0x20 || v.ptr[i] >= 0x7F) {
			return ERR_VALUE;
		}
	}
	if (v.len > 0) {
		memcpy(ret, v.ptr, v.len);
	}
	ret[v.len] = 0;
	return 0;
}

static int take_element(const struct meta_element *e, struct part10_meta *m)
{
	unsigned tolerated = 0;
	switch (e->element) {
	case META_VERSION:
		/* PS3.10 Table 7.1-1: bit 0 of the second byte is version 1, the others are not checked. */
		return e->value.len == 2 && (e->value.ptr[1] & 1) ? 0 : ERR_VALUE;
	case META_SOP_CLASS:
		return take_uid(e, &m->sop_class);
	case META_SOP_INSTANCE:
		return take_uid(e, &m->sop_instance);
	case META_TRANSFER_SYNTAX:
		return take_uid(e, &m->transfer_syntax);
	case META_IMPLEMENTATION_CLASS:
		return take_uid(e, &m->implementation_class);
	case META_IMPLEMENTATION_VERSION:
		return take_version_name(e, m->implementation_version);
	case META_SOURCE_AE:
		return e->value.len == 0 ? 0 : ae_read(e->value, AE_TOLERATE_NUL, m->source_ae, &tolerated);
	default:
		return 0; /* PS3.10 7.1: others of group 0002 are ignored */
	}
}

static int read_group_length(struct reader *r, struct reader *ret_group, struct parse_fail *fail)
{
	struct meta_element e;
	int err = read_element(r, &e);
	if (err) {
		return parse_fail(fail, err == ERR_ORDER ? ERR_MISSING : err, r->pos, "PS3.10 7.1");
	}
	if (e.element != META_LENGTH || strcmp(e.vr, "UL") != 0 || e.value.len != 4) {
		return parse_fail(fail, ERR_MISSING, r->pos, "PS3.10 7.1: group length first");
	}
	struct reader length = reader_of(e.value);
	uint32_t n;
	err = reader_u32le(&length, &n);
	err = err ? err : reader_child(r, n, ret_group);
	return err ? parse_fail(fail, err, r->pos, "PS3.10 7.1: group length") : 0;
}

int part10_read(struct span bytes, struct part10_meta *ret_meta, size_t *ret_data, struct parse_fail *fail)
{
	struct reader r = reader_of(bytes), group;
	struct part10_meta m = {0};
	struct span magic;
	bool seen_version = false;
	int last = 0;
	if (reader_skip(&r, PREAMBLE) != 0 || reader_bytes(&r, 4, &magic) != 0) {
		return parse_fail(fail, ERR_TRUNCATED, 0, "PS3.10 7.1");
	}
	if (!span_eq(magic, span_str("DICM"))) {
		return parse_fail(fail, ERR_TYPE, PREAMBLE, "PS3.10 7.1");
	}
	int err = read_group_length(&r, &group, fail);
	if (err) {
		return err;
	}
	size_t base = r.pos - group.len;
	while (reader_left(&group) > 0) {
		struct meta_element e;
		size_t at = base + group.pos;
		err = read_element(&group, &e);
		if (err) {
			return parse_fail(fail, err == ERR_TRUNCATED ? ERR_LENGTH : err, at, "PS3.10 7.1");
		}
		if (e.element <= last) {
			return parse_fail(
				fail, e.element == last ? ERR_DUPLICATE : ERR_ORDER, at, "PS3.5 7.1");
		}
		last = e.element;
		seen_version = seen_version || e.element == META_VERSION;
		err = take_element(&e, &m);
		if (err) {
			return parse_fail(fail, err, at, "PS3.10 7.1");
		}
	}
	if (!seen_version || m.sop_class.len == 0 || m.sop_instance.len == 0 || m.transfer_syntax.len == 0 ||
		m.implementation_class.len == 0) {
		return parse_fail(fail, ERR_MISSING, r.pos, "PS3.10 7.1");
	}
	*ret_meta = m;
	*ret_data = r.pos;
	return 0;
}
