/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/renaming.h"
#include "dicom/tag.h"
#include "gateway/hold.h"
#include "transform/rename.h"

#include <stdio.h>

#define TAG_PATIENT_ID 0x00100020u

static const struct flow *flow_of(const struct association *as, const struct operation *o)
{
	const struct flow *f = o->flow >= 0 ? &as->site->flows[o->flow] : NULL;
	return f && f->deidentify && f->services & 1u << SERVICE_STORE ? f : NULL;
}

bool renaming_wants(const struct association *as, const struct side *s, const struct operation *o)
{
	static const struct {
		uint16_t field;
		bool by_target;
	} kinds[] = {{C_FIND_RQ, false}, {C_MOVE_RQ, false}, {C_GET_RQ, false}, {N_ACTION_RQ, false},
		{N_CREATE_RQ, false}, {N_SET_RQ, false}, {N_EVENT_REPORT_RQ, false}, {C_FIND_RSP, true},
		{C_MOVE_RSP, true}, {C_GET_RSP, true}, {N_EVENT_REPORT_RQ, true}};
	if (!command_has_data_set(&s->msg.command) || !flow_of(as, o)) {
		return false;
	}
	for (unsigned i = 0; i < ARRAY_LEN(kinds); i++) {
		if (kinds[i].field == s->msg.command.field && kinds[i].by_target == (s == &as->b)) {
			return true;
		}
	}
	return false;
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

static int old_name(void *arg, struct span new, char ret_name[RENAME_NAME])
{
	const struct association *as = arg;
	const struct renaming *r = &as->holds->renaming;
	unsigned most = r->n < RENAMING_MET ? r->n : RENAMING_MET;
	if (new.len >= RENAME_NAME) {
		return ERR_VALUE;
	}
	for (unsigned i = 0; i < most; i++) {
		if (span_eq(new, span_str(r->met[i].new))) {
			snprintf(ret_name, RENAME_NAME, "%s", r->met[i].old);
			return 0;
		}
	}
	snprintf(ret_name, RENAME_NAME, "%.*s", (int)new.len, (const char *)new.ptr);
	return 0;
}

static int old_patient(void *arg, struct span issuer, struct span id, char ret_name[RENAME_NAME])
{
	return old_name(arg, id, ret_name);
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
	const struct rename to_target = {new_uid, new_patient, as, f ? f->deidentify : NULL},
			    to_caller = {old_name, old_patient, as, NULL};
	struct writer w = writer_of(bytes, sizeof(bytes));
	uint32_t tag = 0;
	int e = rename_data_set(
		from == &as->a ? &to_target : &to_caller, as->context[o->context].transfer, data, &w, &tag);
	if (e < 0) {
		explain(e, tag, why, cap);
		return e;
	}
	*ret_bytes = writer_span_of(&w);
	return 0;
}
