/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/renaming.h"
#include "dicom/tag.h"
#include "gateway/hold.h"
#include "transform/rename.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TAG_PATIENT_ID 0x00100020u

static bool remakes(const struct flow *f, unsigned services)
{
	return f && f->deidentify && f->services & services;
}

const struct flow *renaming_flow(const struct association *as, const struct operation *o, unsigned services)
{
	const struct flow *own = o->flow >= 0 ? &as->site->flows[o->flow] : NULL;
	if (remakes(own, services)) {
		return own;
	}
	if (own && !o->unallowed) {
		return NULL;
	}
	for (unsigned i = 0; i < as->route.n_flows; i++) {
		const struct flow *f = &as->site->flows[as->route.flows[i]];
		if (remakes(f, services)) {
			return f;
		}
	}
	return NULL;
}

static const struct flow *flow_of(const struct association *as, const struct operation *o)
{
	return renaming_flow(as, o, 1u << SERVICE_STORE);
}

/* Who calls has objects of the one who is called, de-identified: what it reports names them. */
static bool is_report_back(const struct association *as, const struct side *s)
{
	return s == &as->a && s->msg.command.field == N_EVENT_REPORT_RQ &&
	       site_renames(as->site, as->route.from, as->route.to) & SITE_RENAMES_FROM;
}

/* Who has the old names: who stores. */
static int device_of(const struct association *as, const struct side *s)
{
	return is_report_back(as, s) ? as->route.to : as->route.from;
}

static bool is_back(const struct association *as, const struct side *s)
{
	return s == &as->b || is_report_back(as, s);
}

bool renaming_wants(const struct association *as, const struct side *s, const struct operation *o)
{
	static const struct {
		uint16_t field;
		bool by_target;
	} kinds[] = {{C_FIND_RQ, false}, {C_MOVE_RQ, false}, {C_GET_RQ, false}, {N_ACTION_RQ, false},
		{N_CREATE_RQ, false}, {N_SET_RQ, false}, {N_EVENT_REPORT_RQ, false}, {C_FIND_RSP, true},
		{C_MOVE_RSP, true}, {C_GET_RSP, true}, {N_EVENT_REPORT_RQ, true}, {N_ACTION_RSP, true},
		{N_CREATE_RSP, true}, {N_SET_RSP, true}, {N_GET_RSP, true}};
	if (!command_has_data_set(&s->msg.command) || (!flow_of(as, o) && !is_report_back(as, s))) {
		return false;
	}
	for (unsigned i = 0; i < ARRAY_LEN(kinds); i++) {
		if (kinds[i].field == s->msg.command.field && kinds[i].by_target == (s == &as->b)) {
			return true;
		}
	}
	return false;
}

void renaming_enter(struct association *as, bool stores)
{
	as->holds->names.book = stores && site_keeps_names(as->site) ? as : NULL;
	as->holds->names.engine = NULL;
}

void renaming_note(struct association *as, const char *new, struct span old)
{
	struct renaming *r = &as->holds->renaming;
	unsigned most = r->n < RENAMING_MET ? r->n : RENAMING_MET;
	for (unsigned i = 0; i < most; i++) {
		if (strcmp(r->met[i].new, new) == 0) {
			return;
		}
	}
	if (old.len == 0 || old.len >= sizeof(r->met[0].old) || span_eq(old, span_str(new))) {
		return;
	}
	struct renaming_met *m = &r->met[r->n++ % RENAMING_MET];
	r->n = r->n == 2 * RENAMING_MET ? RENAMING_MET : r->n;
	snprintf(m->new, sizeof(m->new), "%s", new);
	snprintf(m->old, sizeof(m->old), "%.*s", (int)old.len, (const char *)old.ptr);
}

static int new_uid(void *arg, struct span uid, char ret_name[RENAME_NAME])
{
	struct association *as = arg;
	int e = pseudonym_uid(remake_pseudonyms(&as->holds->names), uid, ret_name);
	if (e == 0) {
		renaming_note(as, ret_name, uid);
	}
	return e;
}

/* What holds a wildcard names no patient. */
static int new_patient(void *arg, struct span issuer, struct span id, char ret_name[RENAME_NAME])
{
	struct association *as = arg;
	char name[PSEUDONYM_PATIENT_SIZE];
	if (memchr(id.ptr, '*', id.len) || memchr(id.ptr, '?', id.len)) {
		return ERR_DENIED;
	}
	int e = pseudonym_patient(remake_pseudonyms(&as->holds->names), issuer, id, name);
	if (e == 0) {
		snprintf(ret_name, RENAME_NAME, "%s", name);
		renaming_note(as, name, id);
	}
	return e;
}

/* ---- Old names ---- */

static const char *find_met(const struct renaming *r, struct span new)
{
	unsigned most = r->n < RENAMING_MET ? r->n : RENAMING_MET;
	for (unsigned i = 0; i < most; i++) {
		if (span_eq(new, span_str(r->met[i].new))) {
			return r->met[i].old;
		}
	}
	return NULL;
}

static int by_name(const void *a, const void *b)
{
	const struct book_name *x = a, *y = b;
	int by_kind = (int)x->kind - (int)y->kind;
	return by_kind ? by_kind : strcmp(x->new, y->new);
}

/* Only what may be a name of ours is asked for. */
static bool may_be_new(enum pseudonym kind, struct span new)
{
	return kind == PSEUDONYM_UID ? new.len > 5 && new.len <= UID_MAX &&memcmp(new.ptr, "2.25.", 5) == 0
	                             : new.len == PSEUDONYM_PATIENT_SIZE - 1;
}

static int collect(struct association *as, enum pseudonym kind, struct span new, char ret_name[RENAME_NAME])
{
	struct renaming *r = &as->holds->renaming;
	ret_name[0] = 0;
	if (!may_be_new(kind, new) || find_met(r, new)) {
		return 0;
	}
	if (r->n_recalled == r->cap_recalled) {
		unsigned cap = r->cap_recalled ? 2 * r->cap_recalled : 64;
		struct book_name *more = realloc(r->recalled, cap * sizeof(*more));
		if (!more) {
			return ERR_NO_MEMORY;
		}
		r->recalled = more;
		r->cap_recalled = cap;
	}
	struct book_name *b = &r->recalled[r->n_recalled++];
	*b = (struct book_name){.kind = kind};
	memcpy(b->new, new.ptr, new.len);
	return 0;
}

static int collect_uid(void *arg, struct span uid, char ret_name[RENAME_NAME])
{
	return collect(arg, PSEUDONYM_UID, uid, ret_name);
}

static int collect_patient(void *arg, struct span issuer, struct span id, char ret_name[RENAME_NAME])
{
	return collect(arg, PSEUDONYM_PATIENT, id, ret_name);
}

/* What the message speaks of and the association has not met is asked of the book, many at once. */
static int recall(
	struct association *as, int device, struct span transfer_syntax, struct span data, struct writer *w)
{
	const struct rename collects = {collect_uid, collect_patient, as, NULL};
	struct renaming *r = &as->holds->renaming;
	unsigned n = 0;
	r->n_recalled = 0;
	if (!site_keeps_names(as->site)) {
		return 0;
	}
	int e = rename_data_set(&collects, transfer_syntax, data, w, NULL);
	if (e < 0 || r->n_recalled == 0) {
		return e;
	}
	qsort(r->recalled, r->n_recalled, sizeof(*r->recalled), by_name);
	for (unsigned i = 0; i < r->n_recalled; i++) {
		if (n == 0 || by_name(&r->recalled[n - 1], &r->recalled[i]) != 0) {
			r->recalled[n++] = r->recalled[i];
		}
	}
	r->n_recalled = n;
	e = book_recall(as, device, r->recalled, n);
	for (unsigned i = 0; e == 0 && i < n && n <= RENAMING_MET / 8; i++) {
		renaming_note(as, r->recalled[i].new, span_str(r->recalled[i].old));
	}
	return e;
}

static int put_back(struct association *as, enum pseudonym kind, struct span new, char ret_name[RENAME_NAME])
{
	const struct renaming *r = &as->holds->renaming;
	if (new.len >= RENAME_NAME) {
		return ERR_VALUE;
	}
	snprintf(ret_name, RENAME_NAME, "%.*s", (int)new.len, (const char *)new.ptr);
	const char *met = find_met(r, new);
	if (met) {
		snprintf(ret_name, RENAME_NAME, "%s", met);
		return 0;
	}
	struct book_name key = {.kind = kind};
	memcpy(key.new, ret_name, sizeof(key.new));
	const struct book_name *b =
		r->n_recalled > 0 ? bsearch(&key, r->recalled, r->n_recalled, sizeof(key), by_name) : NULL;
	if (b && b->old[0]) {
		snprintf(ret_name, RENAME_NAME, "%s", b->old);
	}
	return 0;
}

static int old_uid(void *arg, struct span new, char ret_name[RENAME_NAME])
{
	return put_back(arg, PSEUDONYM_UID, new, ret_name);
}

static int old_patient(void *arg, struct span issuer, struct span id, char ret_name[RENAME_NAME])
{
	return put_back(arg, PSEUDONYM_PATIENT, id, ret_name);
}

/* ---- Commands ---- */

static int old_instance(struct association *as, int device, struct span new, char ret_name[RENAME_NAME])
{
	struct renaming *r = &as->holds->renaming;
	r->n_recalled = 0;
	int e = site_keeps_names(as->site) ? collect(as, PSEUDONYM_UID, new, ret_name) : 0;
	e = e == 0 && r->n_recalled > 0 ? book_recall(as, device, r->recalled, r->n_recalled) : e;
	return e == 0 ? put_back(as, PSEUDONYM_UID, new, ret_name) : e;
}

int renaming_comes_back(struct association *as, const struct side *s, bool *ret_back)
{
	struct span uid = uid_trim(s->msg.command.affected_sop_instance);
	char old[RENAME_NAME];
	bool stores = site_renames(as->site, as->route.from, as->route.to) & SITE_RENAMES_TO;
	*ret_back = false;
	if (s != &as->b || !stores || uid.len == 0 || uid.len > UID_MAX) {
		return 0;
	}
	int e = old_instance(as, as->route.from, uid, old);
	*ret_back = e == 0 && !span_eq(uid, span_str(old));
	return e;
}

static int new_instance(
	struct association *as, const struct flow *f, const struct operation *o, char ret_name[RENAME_NAME])
{
	struct span old = span_str(o->sop_instance);
	renaming_enter(as, o->field == N_ACTION_RQ);
	int e = remake_uid(&as->holds->names, &f->deidentify->rules, old, ret_name);
	e = e == 0 ? book_flush(as) : e;
	if (e == 0) {
		renaming_note(as, ret_name, old);
	}
	return e;
}

int renaming_instance(
	struct association *as, const struct side *s, struct operation *o, char *why, size_t cap)
{
	const struct flow *f = flow_of(as, o);
	char name[RENAME_NAME];
	o->renamed[0] = 0;
	if (o->field < N_EVENT_REPORT_RQ || o->sop_instance[0] == 0 || (!f && !is_report_back(as, s))) {
		return 0;
	}
	int e = f && !is_back(as, s) ? new_instance(as, f, o, name)
	                             : old_instance(as, device_of(as, s), span_str(o->sop_instance), name);
	if (e < 0) {
		snprintf(why, cap, "the instance that the message names cannot be renamed: %s", err_str(e));
		return e;
	}
	memcpy(o->renamed, name, sizeof(o->renamed));
	return 0;
}

bool renaming_hides(const struct association *as, const struct side *s, const struct operation *o)
{
	if (!o || !command_is_response(s->msg.command.field)) {
		return false;
	}
	unsigned renames = site_renames(as->site, as->route.from, as->route.to);
	return s == &as->a ? flow_of(as, o) != NULL
	                   : o->field == N_EVENT_REPORT_RQ && renames & SITE_RENAMES_FROM;
}

static void name_instance(struct command *c, const char *name)
{
	struct span *at =
		c->requested_sop_instance.len > 0 ? &c->requested_sop_instance : &c->affected_sop_instance;
	*at = at->len > 0 ? span_str(name) : *at;
}

void renaming_command(const struct association *as, const struct side *s, struct command *c)
{
	const struct operation *o = s->msg.operation;
	const char *made = c->field == C_STORE_RQ ? hold_new_instance(as, s) : NULL;
	if (made) {
		name_instance(c, made);
	} else if (o && command_is_response(c->field) && (o->remade || o->renamed[0])) {
		name_instance(c, o->sop_instance); /* who asked knows it by its own */
	} else if (o && !command_is_response(c->field) && o->renamed[0]) {
		name_instance(c, o->renamed);
	}
	if (renaming_hides(as, s, o)) {
		c->has &= ~(uint32_t)HAS_ERROR_COMMENT;
		c->data_set_type = COMMAND_NO_DATA_SET;
	}
}

static void explain(int e, uint32_t tag, char *why, size_t cap)
{
	const char *keyword = tag_keyword(tag);
	if (e == ERR_DENIED && tag == TAG_PATIENT_ID) {
		snprintf(why, cap, "a patient ID with wildcards cannot be put in the called node's words");
	} else if (e == ERR_DENIED) {
		snprintf(why, cap,
			"it asks by the value of %s%s(%04X,%04X), which this flow de-identifies: the called node must "
			"not be told, and does not have it",
			keyword, *keyword ? " " : "", tag >> 16, tag & 0xFFFF);
	} else {
		snprintf(why, cap, "the names in the message cannot be replaced: %s", err_str(e));
	}
}

int renaming_do(struct association *as, const struct side *from, const struct operation *o, struct span data,
	struct span *ret_bytes, char *why, size_t cap)
{
	static uint8_t bytes[2 * LIMIT_RENAMED]; /* of which only what is used is touched */
	const struct flow *f = flow_of(as, o);
	const struct rename to_target = {new_uid, new_patient, as, f ? &f->deidentify->rules : NULL},
			    to_caller = {old_uid, old_patient, as, NULL};
	struct span syntax = as->context[o->context].transfer;
	struct writer w = writer_of(bytes, sizeof(bytes));
	uint32_t tag = 0;
	bool back = is_back(as, from);
	renaming_enter(as, !back && from->msg.command.field == N_ACTION_RQ);
	int e = back ? recall(as, device_of(as, from), syntax, data, &w) : 0;
	w.len = 0;
	e = e == 0 ? rename_data_set(back ? &to_caller : &to_target, syntax, data, &w, &tag) : e;
	e = e == 0 && !back ? book_flush(as) : e;
	if (e < 0) {
		explain(e, tag, why, cap);
		return e;
	}
	*ret_bytes = writer_span_of(&w);
	return 0;
}
