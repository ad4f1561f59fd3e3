/* SPDX-License-Identifier: Apache-2.0 */
#include "base/writer.h"
#include "dicom/sign_write.h"
#include "keys/object_parts.h"
#include "keys/uid_make.h"

#include <stdio.h>
#include <time.h>

/* PS3.3 C.12.1.1.3: of a compressed data set in its own transfer syntax, which is explicit VR little endian too. */
const char *object_mac_syntax(enum encoding encoding, const char *syntax)
{
	return encoding == ENCODING_EXPLICIT_LE ? syntax : "1.2.840.10008.1.2.1";
}

static bool is_used(const struct signed_facts *f, uint16_t id)
{
	for (unsigned i = 0; i < f->n_macs; i++) {
		if (f->macs[i].id == id) {
			return true;
		}
	}
	for (unsigned i = 0; i < f->n_signatures; i++) {
		if (f->signatures[i].id == id) {
			return true;
		}
	}
	return false;
}

uint16_t object_free_id(const struct signed_facts *f)
{
	uint16_t id = 0;
	while (is_used(f, id)) {
		id++; /* there are fewer of them than numbers */
	}
	return id;
}

int object_new_name(int64_t now_ms, char ret_uid[UID_MAX + 1], char ret_time[27])
{
	time_t t = (time_t)(now_ms / 1000);
	struct tm tm;
	char seconds[16];
	if (!gmtime_r(&t, &tm) || strftime(seconds, sizeof(seconds), "%Y%m%d%H%M%S", &tm) == 0 ||
		uid_make(ret_uid) < 0) {
		return ERR_SYSTEM;
	}
	snprintf(ret_time, 27, "%s.%03d+0000", seconds, (int)(now_ms % 1000)); /* PS3.5 6.2: DT */
	return 0;
}

static void add_edit(struct object_signed *r, uint64_t at, uint32_t leave_out, size_t from, size_t len)
{
	r->edits[r->n_edits++] = (struct object_edit){at, leave_out, (uint32_t)from, (uint32_t)len};
}

static int put_in(const struct sign_fields *f, enum encoding encoding, const struct sign_place *p,
	bool is_mac, struct object_signed *ret, struct writer *w)
{
	uint8_t length[4];
	size_t from = w->len;
	int e = is_mac ? sign_write_mac(f, !p->is_there, encoding, w)
	               : sign_write_signature(f, !p->is_there, encoding, w);
	size_t len = w->len - from;
	if (e == 0 && p->is_there && p->has_length) {
		if (len > UINT32_MAX - 1 - p->length) {
			return ERR_LENGTH;
		}
		sign_write_length(p->length + (uint32_t)len, encoding, length);
		add_edit(ret, p->length_at, 4, w->len, 4);
		writer_bytes(w, length, 4);
		e = writer_end(w);
	}
	if (e == 0) {
		add_edit(ret, p->at, 0, from, len);
	}
	return e;
}

int object_edits(const struct sign_places *places, const struct sign_fields *f, enum encoding encoding,
	struct object_signed *ret)
{
	struct writer w = writer_of(ret->bytes, sizeof(ret->bytes));
	int e = put_in(f, encoding, &places->mac, true, ret, &w);
	return e < 0 ? e : put_in(f, encoding, &places->signature, false, ret, &w);
}
