/* SPDX-License-Identifier: Apache-2.0 */
#include "net/associate.h"
#include "net/associate_parse.h"

#include "dicom/uid.h"

#include <stdlib.h>

/* ---- What every item needs ---- */

int associate_stop(const struct associate_parse *p, const struct reader *r, int code, const char *spec)
{
	size_t offset = r->ptr ? (size_t)(r->ptr - p->base) + r->pos : 0;
	return parse_fail(p->fail, code, offset, spec);
}

int associate_next(
	const struct associate_parse *p, struct reader *r, struct associate_one *ret, const char *spec)
{
	struct reader at = *r;
	uint16_t len;
	int err = reader_u8(&at, &ret->type);
	err = err ? err : reader_u8(&at, &ret->version);
	err = err ? err : reader_u16be(&at, &len);
	err = err ? err : reader_child(&at, len, &ret->body);
	if (err) {
		return associate_stop(p, r, ERR_LENGTH, spec);
	}
	*r = at;
	return 0;
}

int associate_uid(struct associate_parse *p, struct reader *r, struct span *ret, const char *spec)
{
	struct span uid = {0};
	if (reader_bytes(r, reader_left(r), &uid) != 0) {
		return associate_stop(p, r, ERR_LENGTH, spec);
	}
	/* PS3.5 9.1: UIDs are not padded in network negotiation. */
	bool padded = false;
	while ((p->tolerate & AE_TOLERATE_NUL) && uid.len > 0 && uid.ptr[uid.len - 1] == 0) {
		uid.len--;
		padded = true;
	}
	if (!uid_valid(uid)) {
		return associate_stop(p, r, ERR_VALUE, spec);
	}
	if (padded) {
		p->a->tolerated |= AE_TOLERATE_NUL;
	}
	*ret = uid;
	return 0;
}

int associate_counted_uid(struct associate_parse *p, struct reader *r, struct span *ret, const char *spec)
{
	uint16_t len;
	struct reader uid;
	if (reader_u16be(r, &len) != 0 || reader_child(r, len, &uid) != 0) {
		return associate_stop(p, r, ERR_LENGTH, spec);
	}
	return associate_uid(p, &uid, ret, spec);
}

int associate_once(struct associate_parse *p, const struct reader *r, uint8_t item, const char *spec)
{
	if (p->seen[item]) {
		return associate_stop(p, r, ERR_DUPLICATE, spec);
	}
	p->seen[item] = true;
	return 0;
}

/* ---- Presentation contexts ---- */

static int context_sub_items(struct associate_parse *p, struct reader *r, struct context *c)
{
	static const char spec[] = "PS3.8 9.3.2.2";
	while (reader_left(r) > 0) {
		struct associate_one one = {0};
		int err = associate_next(p, r, &one, spec);
		if (err) {
			return err;
		}
		if (one.type == ITEM_ABSTRACT_SYNTAX && p->type == PDU_ASSOCIATE_RQ) {
			if (c->abstract.len > 0) {
				return associate_stop(
					p, &one.body, ERR_DUPLICATE, "PS3.8 9.3.2.2: one abstract syntax");
			}
			err = associate_uid(p, &one.body, &c->abstract, "PS3.8 9.3.2.2.1");
		} else if (one.type == ITEM_TRANSFER_SYNTAX) {
			if (c->n_transfer == LIMIT_TRANSFER_SYNTAXES) {
				return associate_stop(
					p, &one.body, ERR_LIMIT, "more transfer syntaxes than we take");
			}
			err = associate_uid(p, &one.body, &c->transfer[c->n_transfer], "PS3.8 9.3.2.2.2");
			c->n_transfer++;
		}
		if (err) {
			return err;
		}
	}
	return 0;
}

/* Identifier, reserved byte, result, reserved byte. */
static int context_head(struct associate_parse *p, struct reader *r, struct context *c)
{
	static const char spec[] = "PS3.8 9.3.2.2";
	struct span head;
	struct reader at = *r;
	if (reader_bytes(&at, 4, &head) != 0) {
		return associate_stop(p, r, ERR_LENGTH, spec);
	}
	c->id = head.ptr[0];
	c->result = p->type == PDU_ASSOCIATE_AC ? head.ptr[2] : 0;
	if (c->id % 2 == 0) {
		return associate_stop(p, r, ERR_VALUE, "PS3.8 9.3.2.2: identifiers are odd");
	}
	if (p->id_seen[c->id]) {
		return associate_stop(p, r, ERR_DUPLICATE, "PS3.8 9.3.2.2: identifiers differ");
	}
	if (c->result > 4) {
		return associate_stop(p, r, ERR_VALUE, "PS3.8 9.3.3.2: result");
	}
	p->id_seen[c->id] = true;
	*r = at;
	return 0;
}

static int context_read(struct associate_parse *p, struct reader *r)
{
	struct context *c = &p->a->contexts[p->a->n_contexts]; /* at most 128 odd identifiers that differ */
	struct reader start = *r;
	c->abstract = (struct span){0};
	c->n_transfer = 0;
	int err = context_head(p, r, c);
	if (err) {
		return err;
	}
	p->a->n_contexts++;
	if (c->result != 0) {
		return 0; /* PS3.8 9.3.3.2: the transfer syntax is not significant and not tested */
	}
	err = context_sub_items(p, r, c);
	if (err) {
		return err;
	}
	if (p->type == PDU_ASSOCIATE_AC) {
		if (c->n_transfer == 1) {
			return 0;
		}
		return associate_stop(
			p, &start, c->n_transfer == 0 ? ERR_MISSING : ERR_DUPLICATE, "PS3.8 9.3.3.2");
	}
	if (c->abstract.len == 0 || c->n_transfer == 0) {
		return associate_stop(p, &start, ERR_MISSING, "PS3.8 9.3.2.2");
	}
	return 0;
}

/* ---- The whole ---- */

static int one_item(struct associate_parse *p, struct associate_one *one)
{
	int err = 0;
	switch (one->type) {
	case ITEM_APPLICATION_CONTEXT:
		err = associate_once(p, &one->body, one->type, "PS3.8 9.3.2.1");
		return err ? err : associate_uid(p, &one->body, &p->a->application_context, "PS3.8 9.3.2.1");
	case ITEM_CONTEXT_RQ:
		return p->type == PDU_ASSOCIATE_RQ ? context_read(p, &one->body) : 0;
	case ITEM_CONTEXT_AC:
		return p->type == PDU_ASSOCIATE_AC ? context_read(p, &one->body) : 0;
	case ITEM_USER_INFORMATION:
		err = associate_once(p, &one->body, one->type, "PS3.8 9.3.2.3");
		return err ? err : associate_user_read(p, &one->body);
	default:
		return 0; /* PS3.8 9.3.1: ignored and skipped */
	}
}

static int read_items(struct associate_parse *p, struct reader *r)
{
	while (reader_left(r) > 0) {
		struct associate_one one = {0};
		int err = associate_next(p, r, &one, "PS3.8 9.3.2");
		err = err ? err : one_item(p, &one);
		if (err) {
			return err;
		}
	}
	if (!p->seen[ITEM_APPLICATION_CONTEXT] || !p->seen[ITEM_USER_INFORMATION] ||
		(p->type == PDU_ASSOCIATE_RQ && p->a->n_contexts == 0)) {
		return associate_stop(p, r, ERR_MISSING, "PS3.8 9.3.2");
	}
	return 0;
}

static int read_title(struct associate_parse *p, struct reader *r, char ret[AE_SIZE])
{
	struct span raw;
	struct reader start = *r;
	if (reader_bytes(r, AE_MAX, &raw) != 0) {
		return associate_stop(p, r, ERR_TRUNCATED, "PS3.8 9.3.2");
	}
	if (p->type == PDU_ASSOCIATE_AC) {
		/* PS3.8 9.3.3: reserved, not tested. */
		unsigned ignored = 0;
		if (ae_read(raw, AE_TOLERATE_NUL, ret, &ignored) != 0) {
			ret[0] = 0;
		}
		return 0;
	}
	if (ae_read(raw, p->tolerate, ret, &p->a->tolerated) != 0) {
		return associate_stop(p, &start, ERR_VALUE, "PS3.5 6.2: AE title");
	}
	return 0;
}

static int read_body(struct associate_parse *p, struct span body)
{
	struct reader r = reader_of(body);
	static const char spec[] = "PS3.8 9.3.2";
	if (reader_u16be(&r, &p->a->protocol_version) != 0 || reader_skip(&r, 2) != 0) {
		return associate_stop(p, &r, ERR_TRUNCATED, spec);
	}
	int err = read_title(p, &r, p->a->called);
	err = err ? err : read_title(p, &r, p->a->calling);
	if (err) {
		return err;
	}
	if (reader_skip(&r, 32) != 0) {
		return associate_stop(p, &r, ERR_TRUNCATED, spec);
	}
	return read_items(p, &r);
}

/* Only what is used: the pages behind stay untouched. */
static void copy_used(const struct associate *from, struct associate *to)
{
	memcpy(to, from, offsetof(struct associate, contexts));
	for (unsigned i = 0; i < from->n_contexts; i++) {
		const struct context *c = &from->contexts[i];
		memcpy(&to->contexts[i], c,
			offsetof(struct context, transfer) + c->n_transfer * sizeof(c->transfer[0]));
	}
	memcpy(to->roles, from->roles, from->n_roles * sizeof(from->roles[0]));
	memcpy(to->extended, from->extended, from->n_extended * sizeof(from->extended[0]));
	memcpy(to->common_extended, from->common_extended,
		from->n_common_extended * sizeof(from->common_extended[0]));
}

int associate_read(struct span body, enum pdu_type type, unsigned tolerate, struct associate *ret,
	struct parse_fail *fail)
{
	if (type != PDU_ASSOCIATE_RQ && type != PDU_ASSOCIATE_AC) {
		return parse_fail(fail, ERR_TYPE, 0, "PS3.8 9.3.1");
	}
	if (body.len > LIMIT_ASSOCIATE_PDU) {
		return parse_fail(fail, ERR_LIMIT, 0, "longer than we hold");
	}
	/* Of fixed size, whatever the peer declares. Roles have one thread each. Entries are cleared when they are begun. */
	static struct associate scratch;
	memset(&scratch, 0, offsetof(struct associate, contexts));
	struct associate_parse p = {
		.a = &scratch, .type = type, .tolerate = tolerate, .fail = fail, .base = body.ptr};
	int err = read_body(&p, body);
	if (err == 0) {
		copy_used(&scratch, ret);
	}
	return err;
}

bool associate_bad_title(const struct parse_fail *fail, struct pdu_reject *ret_reject)
{
	/* No other field stands at these offsets. */
	if (fail->code != ERR_VALUE ||
		(fail->offset != ASSOCIATE_CALLED && fail->offset != ASSOCIATE_CALLING)) {
		return false;
	}
	/* PS3.8 9.3.4 */
	*ret_reject = (struct pdu_reject){
		.result = 1, .source = 1, .reason = fail->offset == ASSOCIATE_CALLED ? 7 : 3};
	return true;
}
