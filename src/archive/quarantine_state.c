/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/quarantine_file.h"
#include "audit/event.h"
#include "priv/message_values.h"

#define VERSION 1

static int check(const struct quarantine_state *s)
{
	bool ok = s->number > 0 && s->count > 0 && (!s->released || (s->asked.has && s->approved.has)) &&
	          audit_text_check(s->outcome, sizeof(s->outcome)) == 0 &&
	          audit_text_check(s->asked.name, sizeof(s->asked.name)) == 0 &&
	          audit_text_check(s->approved.name, sizeof(s->approved.name)) == 0;
	return ok ? 0 : ERR_VALUE;
}

static void put_person(struct writer *w, const struct quarantine_person *p)
{
	writer_u8(w, p->has);
	writer_u32be(w, p->uid);
	PUT_TEXT(w, p->name);
	writer_u64be(w, (uint64_t)p->at_ms);
}

static int get_person(struct reader *r, struct quarantine_person *p)
{
	int e = get_bool(r, &p->has);
	e = GET(e, reader_u32be, r, &p->uid);
	e = GET_TEXT(e, r, p->name);
	return GET(e, get_i64, r, &p->at_ms);
}

int quarantine_state_write(const struct quarantine_state *s, uint8_t ret_buf[QUARANTINE_STATE])
{
	uint8_t buf[QUARANTINE_STATE];
	struct writer w = writer_of(buf, sizeof(buf));
	int e = check(s);
	if (e != 0) {
		return e;
	}
	writer_u8(&w, VERSION);
	writer_u64be(&w, s->sequence);
	writer_u64be(&w, s->number);
	writer_bytes(&w, s->same, sizeof(s->same));
	writer_bytes(&w, s->sha256, sizeof(s->sha256));
	writer_u64be(&w, s->size);
	writer_u64be(&w, (uint64_t)s->first_ms);
	writer_u64be(&w, (uint64_t)s->last_ms);
	writer_u64be(&w, s->count);
	writer_u64be(&w, s->last_refusal);
	writer_u8(&w, s->released);
	put_person(&w, &s->asked);
	put_person(&w, &s->approved);
	writer_u64be(&w, (uint64_t)s->ended_ms);
	PUT_TEXT(&w, s->outcome);
	writer_fill(&w, 0, w.cap - w.len);
	e = writer_end(&w);
	if (e == 0) {
		memcpy(ret_buf, buf, sizeof(buf));
	}
	return e;
}

static int get_hash(struct reader *r, uint8_t to[QUARANTINE_HASH])
{
	struct span s;
	int e = reader_bytes(r, QUARANTINE_HASH, &s);
	if (e == 0) {
		memcpy(to, s.ptr, s.len);
	}
	return e;
}

static int read_numbers(struct reader *r, struct quarantine_state *s)
{
	uint8_t version;
	int e = reader_u8(r, &version);
	if (e == 0 && version != VERSION) {
		return ERR_VALUE;
	}
	e = GET(e, reader_u64be, r, &s->sequence);
	e = GET(e, reader_u64be, r, &s->number);
	e = GET(e, get_hash, r, s->same);
	e = GET(e, get_hash, r, s->sha256);
	e = GET(e, reader_u64be, r, &s->size);
	e = GET(e, get_i64, r, &s->first_ms);
	e = GET(e, get_i64, r, &s->last_ms);
	e = GET(e, reader_u64be, r, &s->count);
	return GET(e, reader_u64be, r, &s->last_refusal);
}

static int only_zeros(struct reader *r)
{
	uint8_t v = 0;
	int e = 0;
	while (e == 0 && v == 0 && reader_left(r) > 0) {
		e = reader_u8(r, &v);
	}
	return e == 0 && v != 0 ? ERR_TRAILING : e;
}

int quarantine_state_read(struct span bytes, struct quarantine_state *ret_state)
{
	struct reader r = reader_of(bytes);
	struct quarantine_state s = {0};
	int e = bytes.len > QUARANTINE_STATE ? ERR_TRAILING : read_numbers(&r, &s);
	e = GET(e, get_bool, &r, &s.released);
	e = GET(e, get_person, &r, &s.asked);
	e = GET(e, get_person, &r, &s.approved);
	e = GET(e, get_i64, &r, &s.ended_ms);
	e = GET_TEXT(e, &r, s.outcome);
	e = e == 0 ? only_zeros(&r) : e;
	e = e == 0 ? check(&s) : e;
	if (e == 0) {
		*ret_state = s;
	}
	return e;
}
