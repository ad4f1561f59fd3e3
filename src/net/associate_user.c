/* SPDX-License-Identifier: Apache-2.0 */
#include "net/associate_parse.h"

/* The sub-items of the user information item: PS3.8 D.1, PS3.7 D.3.3. In any order (PS3.8 9.3.2.3). */

static int read_max_pdu(struct associate_parse *p, struct associate_one *one)
{
	struct reader r = one->body;
	if (reader_u32be(&r, &p->a->max_pdu) != 0 || reader_end(&r) != 0) {
		return associate_stop(p, &one->body, ERR_LENGTH, "PS3.8 D.1.1");
	}
	p->a->has_max_pdu = true;
	return 0;
}

static int read_implementation_class(struct associate_parse *p, struct associate_one *one)
{
	return associate_uid(p, &one->body, &p->a->implementation_class, "PS3.7 D.3.3.2.1");
}

static int read_async(struct associate_parse *p, struct associate_one *one)
{
	struct reader r = one->body;
	if (reader_u16be(&r, &p->a->async.invoked) != 0 || reader_u16be(&r, &p->a->async.performed) != 0 ||
		reader_end(&r) != 0) {
		return associate_stop(p, &one->body, ERR_LENGTH, "PS3.7 D.3.3.3.1");
	}
	p->a->async.has = true;
	return 0;
}

/* An empty name is none at all: nothing is lost that we could pass on. */
static int read_implementation_version(struct associate_parse *p, struct associate_one *one)
{
	static const char spec[] = "PS3.7 D.3.3.2.3";
	struct span name = span_of(one->body.ptr, one->body.len);
	while ((p->tolerate & AE_TOLERATE_NUL) && name.len > 0 && name.ptr[name.len - 1] == 0) {
		name.len--;
		p->a->tolerated |= AE_TOLERATE_NUL;
	}
	if (name.len > 16) {
		return associate_stop(p, &one->body, ERR_LENGTH, spec);
	}
	for (size_t i = 0; i < name.len; i++) {
		if (name.ptr[i] < 0x20 || name.ptr[i] >= 0x7F) {
			return associate_stop(p, &one->body, ERR_VALUE, spec);
		}
	}
	if (name.len > 0) {
		memcpy(p->a->implementation_version, name.ptr, name.len);
	}
	p->a->implementation_version[name.len] = 0;
	return 0;
}

/*
 * exception: PS3.7 D.3.3.4.1 and D.3.3.5.1 allow one sub-item a SOP class. DCMTK repeats it for each presentation
 * context of that class. One that repeats what was said is dropped; one that contradicts it is ERR_DUPLICATE.
 */
static int read_role(struct associate_parse *p, struct associate_one *one)
{
	static const char spec[] = "PS3.7 D.3.3.4.1";
	struct associate *a = p->a;
	struct reader r = one->body;
	struct role role = {0};
	uint8_t scu, scp;
	int err = associate_counted_uid(p, &r, &role.sop, spec);
	if (err) {
		return err;
	}
	if (reader_u8(&r, &scu) != 0 || reader_u8(&r, &scp) != 0 || reader_end(&r) != 0) {
		return associate_stop(p, &r, ERR_LENGTH, spec);
	}
	if (scu > 1 || scp > 1) {
		return associate_stop(p, &r, ERR_VALUE, spec);
	}
	role.scu = scu;
	role.scp = scp;
	for (unsigned i = 0; i < a->n_roles; i++) {
		if (span_eq(a->roles[i].sop, role.sop)) {
			bool same = a->roles[i].scu == role.scu && a->roles[i].scp == role.scp;
			return same ? 0 : associate_stop(p, &one->body, ERR_DUPLICATE, spec);
		}
	}
	if (a->n_roles == LIMIT_ROLES) {
		return associate_stop(p, &one->body, ERR_LIMIT, "more roles than we take");
	}
	a->roles[a->n_roles++] = role;
	return 0;
}

static int read_extended(struct associate_parse *p, struct associate_one *one)
{
	static const char spec[] = "PS3.7 D.3.3.5.1";
	struct associate *a = p->a;
	struct reader r = one->body;
	struct extended e = {0};
	int err = associate_counted_uid(p, &r, &e.sop, spec);
	if (err) {
		return err;
	}
	if (reader_bytes(&r, reader_left(&r), &e.info) != 0) {
		return associate_stop(p, &r, ERR_LENGTH, spec);
	}
	for (unsigned i = 0; i < a->n_extended; i++) {
		if (span_eq(a->extended[i].sop, e.sop)) {
			bool same = span_eq(a->extended[i].info, e.info);
			return same ? 0 : associate_stop(p, &one->body, ERR_DUPLICATE, spec);
		}
	}
	if (a->n_extended == LIMIT_EXTENDED) {
		return associate_stop(p, &one->body, ERR_LIMIT, "more extended negotiations than we take");
	}
	a->extended[a->n_extended++] = e;
	return 0;
}

static int read_related(struct associate_parse *p, struct reader *r, struct common_extended *c)
{
	static const char spec[] = "PS3.7 D.3.3.6.1";
	uint16_t len;
	struct reader related;
	if (reader_u16be(r, &len) != 0 || reader_child(r, len, &related) != 0) {
		return associate_stop(p, r, ERR_LENGTH, spec);
	}
	while (reader_left(&related) > 0) {
		if (c->n_related == LIMIT_RELATED_SOP_CLASSES) {
			return associate_stop(
				p, &related, ERR_LIMIT, "more related SOP classes than we take");
		}
		int err = associate_counted_uid(p, &related, &c->related[c->n_related], spec);
		if (err) {
			return err;
		}
		c->n_related++;
	}
	return 0;
}

static int read_common_extended(struct associate_parse *p, struct associate_one *one)
{
	static const char spec[] = "PS3.7 D.3.3.6.1";
	struct associate *a = p->a;
	struct reader r = one->body;
	if (a->n_common_extended == LIMIT_COMMON_EXTENDED) {
		return associate_stop(p, &r, ERR_LIMIT, "more common extended negotiations than we take");
	}
	struct common_extended *c = &a->common_extended[a->n_common_extended];
	memset(c, 0, sizeof(*c));
	int err = associate_counted_uid(p, &r, &c->sop, spec);
	err = err ? err : associate_counted_uid(p, &r, &c->service_class, spec);
	err = err ? err : read_related(p, &r, c);
	if (err) {
		return err;
	}
	if (one->version == 0 && reader_end(&r) != 0) {
		return associate_stop(p, &r, ERR_TRAILING, spec); /* a later version may add fields */
	}
	for (unsigned i = 0; i < a->n_common_extended; i++) {
		if (span_eq(a->common_extended[i].sop, c->sop)) {
			return associate_stop(p, &one->body, ERR_DUPLICATE, spec);
		}
	}
	a->n_common_extended++;
	return 0;
}

static int counted(struct associate_parse *p, struct reader *r, struct span *ret, const char *spec)
{
	uint16_t len;
	if (reader_u16be(r, &len) != 0 || reader_bytes(r, len, ret) != 0) {
		return associate_stop(p, r, ERR_LENGTH, spec);
	}
	return 0;
}

static int read_identity_rq(struct associate_parse *p, struct associate_one *one)
{
	static const char spec[] = "PS3.7 D.3.3.7.1";
	struct identity *i = &p->a->identity;
	struct reader r = one->body;
	uint8_t response;
	if (reader_u8(&r, &i->type) != 0 || reader_u8(&r, &response) != 0) {
		return associate_stop(p, &r, ERR_LENGTH, spec);
	}
	int err = counted(p, &r, &i->primary, spec);
	err = err ? err : counted(p, &r, &i->secondary, spec);
	if (err) {
		return err;
	}
	if (reader_end(&r) != 0) {
		return associate_stop(p, &r, ERR_TRAILING, spec);
	}
	bool registered = i->type >= 1 && i->type <= 5;
	if (response > 1 || (registered && i->type != 2 && i->secondary.len > 0)) {
		return associate_stop(p, &one->body, ERR_VALUE, spec);
	}
	i->response_requested = response;
	i->has = true;
	return 0;
}

static int read_identity_ac(struct associate_parse *p, struct associate_one *one)
{
	struct reader r = one->body;
	int err = counted(p, &r, &p->a->identity.response, "PS3.7 D.3.3.7.2");
	if (err) {
		return err;
	}
	if (reader_end(&r) != 0) {
		return associate_stop(p, &r, ERR_TRAILING, "PS3.7 D.3.3.7.2");
	}
	p->a->identity.has = true;
	return 0;
}

static const struct {
	uint8_t type;
	bool once, rq, ac;
	const char *spec;
	int (*read)(struct associate_parse *p, struct associate_one *one);
} sub_items[] = {
	{ITEM_MAX_PDU, true, true, true, "PS3.8 D.1.1", read_max_pdu},
	{ITEM_IMPLEMENTATION_CLASS, true, true, true, "PS3.7 D.3.3.2.1", read_implementation_class},
	{ITEM_ASYNC, true, true, true, "PS3.7 D.3.3.3.1", read_async},
	{ITEM_ROLE, false, true, true, "PS3.7 D.3.3.4.1", read_role},
	{ITEM_IMPLEMENTATION_VERSION, true, true, true, "PS3.7 D.3.3.2.3", read_implementation_version},
	{ITEM_EXTENDED, false, true, true, "PS3.7 D.3.3.5.1", read_extended},
	{ITEM_COMMON_EXTENDED, false, true, false, "PS3.7 D.3.3.6.1", read_common_extended},
	{ITEM_IDENTITY_RQ, true, true, false, "PS3.7 D.3.3.7.1", read_identity_rq},
	{ITEM_IDENTITY_AC, true, false, true, "PS3.7 D.3.3.7.2", read_identity_ac},
};

static int read_sub_item(struct associate_parse *p, struct associate_one *one)
{
	for (size_t i = 0; i < ARRAY_LEN(sub_items); i++) {
		bool here = p->type == PDU_ASSOCIATE_RQ ? sub_items[i].rq : sub_items[i].ac;
		if (sub_items[i].type != one->type || !here) {
			continue;
		}
		if (sub_items[i].once) {
			int err = associate_once(p, &one->body, one->type, sub_items[i].spec);
			if (err) {
				return err;
			}
		}
		return sub_items[i].read(p, one);
	}
	return 0; /* PS3.8 D.2: unknown ones are ignored */
}

int associate_user_read(struct associate_parse *p, struct reader *r)
{
	while (reader_left(r) > 0) {
		struct associate_one one = {0};
		int err = associate_next(p, r, &one, "PS3.8 9.3.2.3");
		err = err ? err : read_sub_item(p, &one);
		if (err) {
			return err;
		}
	}
	return 0;
}
