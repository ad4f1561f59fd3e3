/* SPDX-License-Identifier: Apache-2.0 */
#include "net/door.h"
#include "base/reader.h"

#include <stdio.h>
#include <string.h>

static const char magic[] = "gantry-door\3";
#define MAGIC (sizeof(magic) - 1)

static void put(struct writer *w, const char *s)
{
	writer_u16be(w, (uint16_t)strlen(s));
	writer_bytes(w, s, strlen(s));
}

void door_write(struct writer *w, const struct door *d)
{
	writer_bytes(w, magic, MAGIC);
	writer_u8(w, (uint8_t)d->why);
	writer_u8(w, (uint8_t)d->makes);
	put(w, d->to);
	put(w, d->user);
	put(w, d->flow);
	put(w, d->note);
}

/* A text without anything that a terminal or a log would act on. */
static int get(struct reader *r, char *to, size_t cap)
{
	uint16_t n;
	struct span s;
	if (reader_u16be(r, &n) != 0) {
		return ERR_AGAIN;
	}
	if (n >= cap) {
		return ERR_LENGTH;
	}
	if (reader_bytes(r, n, &s) != 0) {
		return ERR_AGAIN;
	}
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] < 0x20 || s.ptr[i] == 0x7f) {
			return ERR_VALUE;
		}
	}
	snprintf(to, cap, "%.*s", (int)s.len, s.len ? (const char *)s.ptr : "");
	return 0;
}

int door_read(struct span bytes, struct door *ret_door, size_t *ret_used)
{
	struct door d = {0};
	struct reader r = reader_of(bytes);
	struct span head;
	uint8_t why, makes;
	size_t n = bytes.len < MAGIC ? bytes.len : MAGIC;
	if (n > 0 && memcmp(bytes.ptr, magic, n) != 0) {
		return ERR_TYPE;
	}
	if (reader_bytes(&r, MAGIC, &head) != 0 || reader_u8(&r, &why) != 0 || reader_u8(&r, &makes) != 0) {
		return ERR_AGAIN;
	}
	if ((why != DOOR_IMPORT && why != DOOR_RELEASE) || makes > (DOOR_DEIDENTIFIES | DOOR_SIGNS)) {
		return ERR_VALUE;
	}
	d.why = (enum door_why)why;
	d.makes = makes;
	int e = get(&r, d.to, sizeof(d.to));
	e = e == 0 ? get(&r, d.user, sizeof(d.user)) : e;
	e = e == 0 ? get(&r, d.flow, sizeof(d.flow)) : e;
	e = e == 0 ? get(&r, d.note, sizeof(d.note)) : e;
	if (e == 0) {
		*ret_door = d;
		*ret_used = r.pos;
	}
	return e;
}

const char *door_why_name(enum door_why why)
{
	return why == DOOR_IMPORT ? "import" : "release";
}
