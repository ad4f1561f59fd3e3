/* SPDX-License-Identifier: Apache-2.0 */
#include "net/associate.h"
#include "net/associate_parse.h"

#include "dicom/uid.h"

/* In the standard's order, items by increasing type (PS3.8 9.3.1). A value that could not be read back sets bad. */
struct output {
	struct writer *w;
	bool bad;
};

static size_t begin_item(struct output *o, enum associate_item type)
{
	writer_u8(o->w, (uint8_t)type);
	writer_u8(o->w, 0);
	return writer_mark_u16be(o->w);
}

static void end_item(struct output *o, size_t mark)
{
	writer_fill_u16be(o->w, mark);
}

static void put_uid(struct output *o, struct span uid)
{
	o->bad = o->bad || !uid_valid(uid);
	writer_span(o->w, uid);
}

static void put_counted_uid(struct output *o, struct span uid)
{
	writer_u16be(o->w, (uint16_t)uid.len);
	put_uid(o, uid);
}

static void put_counted(struct output *o, struct span s)
{
	o->bad = o->bad || s.len > UINT16_MAX;
	writer_u16be(o->w, (uint16_t)s.len);
	writer_span(o->w, s);
}

static void uid_item(struct output *o, enum associate_item type, struct span uid)
{
	size_t mark = begin_item(o, type);
	put_uid(o, uid);
	end_item(o, mark);
}

static void put_title(struct output *o, const char *title, bool may_be_empty)
{
	o->bad = o->bad || !(ae_valid(title) || (may_be_empty && title[0] == 0));
	size_t n = strnlen(title, AE_MAX);
	writer_bytes(o->w, title, n);
	writer_fill(o->w, ' ', AE_MAX - n);
}

/* ---- Presentation contexts ---- */

static void put_context(struct output *o, enum pdu_type type, const struct context *c)
{
	bool rq = type == PDU_ASSOCIATE_RQ;
	size_t mark = begin_item(o, rq ? ITEM_CONTEXT_RQ : ITEM_CONTEXT_AC);
	writer_u8(o->w, c->id);
	writer_u8(o->w, 0);
	writer_u8(o->w, rq ? 0 : c->result);
	writer_u8(o->w, 0);
	if (rq) {
		uid_item(o, ITEM_ABSTRACT_SYNTAX, c->abstract);
	}
	if (!rq && c->result != 0) {
		/* PS3.8 9.3.3.2: one sub-item that is not significant. Some peers want a real UID in it. */
		uid_item(o, ITEM_TRANSFER_SYNTAX, span_str("1.2.840.10008.1.2"));
	} else {
		o->bad = o->bad || c->n_transfer == 0 || c->n_transfer > LIMIT_TRANSFER_SYNTAXES ||
		         (!rq && c->n_transfer != 1);
		for (unsigned i = 0; i < c->n_transfer && !o->bad; i++) {
			uid_item(o, ITEM_TRANSFER_SYNTAX, c->transfer[i]);
		}
	}
	end_item(o, mark);
}

static void put_contexts(struct output *o, enum pdu_type type, const struct associate *a)
{
	bool seen[256] = {false};
	o->bad = o->bad || a->n_contexts > LIMIT_CONTEXTS || (type == PDU_ASSOCIATE_RQ && a->n_contexts == 0);
	for (unsigned i = 0; i < a->n_contexts && !o->bad; i++) {
		const struct context *c = &a->contexts[i];
		o->bad = c->id % 2 == 0 || seen[c->id] || c->result > 4;
		seen[c->id] = true;
		put_context(o, type, c);
	}
}

/* ---- User information ---- */

static void put_role(struct output *o, const struct role *r)
{
	size_t mark = begin_item(o, ITEM_ROLE);
	put_counted_uid(o, r->sop);
	writer_u8(o->w, r->scu);
	writer_u8(o->w, r->scp);
	end_item(o, mark);
}

static void put_version_name(struct output *o, const char *name)
{
	size_t n = strnlen(name, 17);
	o->bad = o->bad || n > 16;
	for (size_t i = 0; i < n; i++) {
		o->bad = o->bad || name[i] < 0x20 || name[i] >= 0x7F;
	}
	size_t mark = begin_item(o, ITEM_IMPLEMENTATION_VERSION);
	writer_bytes(o->w, name, n);
	end_item(o, mark);
}

static void put_common_extended(struct output *o, const struct common_extended *c)
{
	size_t mark = begin_item(o, ITEM_COMMON_EXTENDED);
	put_counted_uid(o, c->sop);
	put_counted_uid(o, c->service_class);
	size_t related = writer_mark_u16be(o->w);
	o->bad = o->bad || c->n_related > LIMIT_RELATED_SOP_CLASSES;
	for (unsigned i = 0; i < c->n_related && !o->bad; i++) {
		put_counted_uid(o, c->related[i]);
	}
	writer_fill_u16be(o->w, related);
	end_item(o, mark);
}

static void put_identity(struct output *o, enum pdu_type type, const struct identity *i)
{
	if (type == PDU_ASSOCIATE_AC) {
		size_t mark = begin_item(o, ITEM_IDENTITY_AC);
		put_counted(o, i->response);
		end_item(o, mark);
		return;
	}
	size_t mark = begin_item(o, ITEM_IDENTITY_RQ);
	writer_u8(o->w, i->type);
	writer_u8(o->w, i->response_requested);
	put_counted(o, i->primary);
	put_counted(o, i->secondary);
	end_item(o, mark);
}

static void put_single_items(struct output *o, const struct associate *a)
{
	if (a->has_max_pdu) {
		size_t mark = begin_item(o, ITEM_MAX_PDU);
		writer_u32be(o->w, a->max_pdu);
		end_item(o, mark);
	}
	if (a->implementation_class.len > 0) {
		uid_item(o, ITEM_IMPLEMENTATION_CLASS, a->implementation_class);
	}
	if (a->async.has) {
		size_t mark = begin_item(o, ITEM_ASYNC);
		writer_u16be(o->w, a->async.invoked);
		writer_u16be(o->w, a->async.performed);
		end_item(o, mark);
	}
}

static void put_user_information(struct output *o, enum pdu_type type, const struct associate *a)
{
	size_t mark = begin_item(o, ITEM_USER_INFORMATION);
	put_single_items(o, a);
	for (unsigned i = 0; i < a->n_roles && i < LIMIT_ROLES; i++) {
		put_role(o, &a->roles[i]);
	}
	if (a->implementation_version[0]) {
		put_version_name(o, a->implementation_version);
	}
	for (unsigned i = 0; i < a->n_extended && i < LIMIT_EXTENDED; i++) {
		size_t item = begin_item(o, ITEM_EXTENDED);
		put_counted_uid(o, a->extended[i].sop);
		writer_span(o->w, a->extended[i].info);
		end_item(o, item);
	}
	for (unsigned i = 0;
		type == PDU_ASSOCIATE_RQ && i < a->n_common_extended && i < LIMIT_COMMON_EXTENDED; i++) {
		put_common_extended(o, &a->common_extended[i]);
	}
	if (a->identity.has) {
		put_identity(o, type, &a->identity);
	}
	end_item(o, mark);
}

int associate_write(enum pdu_type type, const struct associate *a, struct writer *w)
{
	if (type != PDU_ASSOCIATE_RQ && type != PDU_ASSOCIATE_AC) {
		return ERR_VALUE;
	}
	struct output o = {.w = w};
	writer_u8(w, (uint8_t)type);
	writer_u8(w, 0);
	size_t mark = writer_mark_u32be(w);
	writer_u16be(w, a->protocol_version);
	writer_u16be(w, 0);
	put_title(&o, a->called, type == PDU_ASSOCIATE_AC);
	put_title(&o, a->calling, type == PDU_ASSOCIATE_AC);
	writer_fill(w, 0, 32);
	uid_item(&o, ITEM_APPLICATION_CONTEXT, a->application_context);
	put_contexts(&o, type, a);
	put_user_information(&o, type, a);
	writer_fill_u32be(w, mark);
	return o.bad ? ERR_VALUE : writer_end(w);
}
