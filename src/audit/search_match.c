/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/search_parts.h"

/* What is asked for, held against records. */

static bool has(const char *s)
{
	return s && s[0];
}

static int want(struct matcher *m, enum blind_kind kind, const char *text, const char *second)
{
	if (!has(text)) {
		return 0;
	}
	struct wanted *w = &m->wanted[m->n++];
	w->kind = kind;
	return blind_value(kind, span_str(text), span_str(second), w->value, &w->len) < 0 ? ERR_VALUE : 0;
}

int matcher_make(const struct search_criteria *c, struct matcher *ret_matcher)
{
	struct matcher *m = ret_matcher;
	*m = (struct matcher){.criteria = c};
	int e = has(c->issuer)
	                ? want(m, BLIND_PATIENT_OF_ISSUER, has(c->patient) ? c->patient : " ", c->issuer)
	                : want(m, BLIND_PATIENT, c->patient, "");
	e = e == 0 ? want(m, BLIND_NAME, c->name, "") : e;
	e = e == 0 ? want(m, BLIND_ACCESSION, c->accession, "") : e;
	e = e == 0 ? want(m, BLIND_STUDY, c->study, "") : e;
	e = e == 0 ? want(m, BLIND_USER, c->user, "") : e;
	e = e == 0 ? want(m, BLIND_NODE, c->node, "") : e;
	return e == 0 ? want(m, BLIND_ADDRESS, c->address, "") : e;
}

/* ---- Heads ---- */

static uint8_t asked_kind(uint8_t kind)
{
	bool transfer = kind == AUDIT_TRANSFERRED || kind == AUDIT_INTERRUPTED || kind == AUDIT_PROGRESS;
	return transfer ? AUDIT_BEGIN : kind;
}

bool matcher_head(const struct matcher *m, const struct journal_record *r)
{
	const struct search_criteria *c = m->criteria;
	uint8_t kind = asked_kind(r->kind);
	return kind < AUDIT_KIND_COUNT && (c->kinds == 0 || (c->kinds >> kind & 1)) &&
	       (c->association == 0 || c->association == r->association);
}

int matcher_tokens(const struct matcher *m, const uint8_t key[BLIND_KEY], struct wanted_tokens *ret_tokens)
{
	int e = 0;
	for (unsigned i = 0; e == 0 && i < m->n; i++) {
		const struct wanted *w = &m->wanted[i];
		e = blind_token(key, w->kind, span_of(w->value, w->len), ret_tokens->at[i]);
	}
	return e;
}

static bool has_token(const struct journal_record *r, uint8_t kind, const uint8_t token[BLIND_TOKEN])
{
	for (unsigned i = 0; i < r->n_tokens; i++) {
		if (r->tokens[i].kind == kind && memcmp(r->tokens[i].value, token, BLIND_TOKEN) == 0) {
			return true;
		}
	}
	return false;
}

static bool has_kind(const struct journal_record *r, uint8_t kind)
{
	for (unsigned i = 0; i < r->n_tokens; i++) {
		if (r->tokens[i].kind == kind) {
			return true;
		}
	}
	return false;
}

bool matcher_has_tokens(const struct matcher *m, const struct epoch *epoch, const struct journal_record *r)
{
	for (unsigned i = 0; i < m->n; i++) {
		uint8_t kind = (uint8_t)m->wanted[i].kind;
		/* A name of another group has no token there: only its event can tell. */
		bool maybe = kind == BLIND_NAME && epoch->rules < BLIND_RULES_ALL_GROUPS && has_kind(r, kind);
		if (!maybe && !has_token(r, kind, epoch->tokens.at[i])) {
			return false;
		}
	}
	return true;
}

/* ---- Events ---- */

static bool same_span(const struct wanted *w, struct span text, const char *second)
{
	uint8_t value[BLIND_VALUE_MOST];
	size_t len;
	return blind_value(w->kind, text, span_str(second), value, &len) == 0 && len == w->len &&
	       memcmp(value, w->value, len) == 0;
}

static bool same(const struct wanted *w, const char *text, const char *second)
{
	return same_span(w, span_str(text), second);
}

static bool has_name(const struct wanted *w, const char *name)
{
	struct span groups[BLIND_GROUPS];
	unsigned n = blind_name_groups(span_str(name), groups);
	for (unsigned i = 0; i < n; i++) {
		if (same_span(w, groups[i], "")) {
			return true;
		}
	}
	return false;
}

static bool has_accession(const struct wanted *w, const struct audit_event *ev)
{
	for (unsigned i = 0; i < ev->n_accession; i++) {
		if (same(w, ev->accession[i], "")) {
			return true;
		}
	}
	return false;
}

static bool is_of(const struct wanted *w, const struct audit_event *ev)
{
	switch (w->kind) {
	case BLIND_PATIENT:
		return same(w, ev->patient_id, "");
	case BLIND_PATIENT_OF_ISSUER:
		return same(w, ev->patient_id, ev->patient_issuer);
	case BLIND_ACCESSION:
		return has_accession(w, ev);
	case BLIND_STUDY:
		return same(w, ev->study, "");
	case BLIND_USER:
		return same(w, ev->user, "");
	case BLIND_NAME:
		return has_name(w, ev->patient_name);
	case BLIND_NODE:
		return same(w, ev->from.node, "") || same(w, ev->to.node, "");
	case BLIND_ADDRESS:
		return same(w, ev->from.address, "") || same(w, ev->to.address, "");
	default:
		return false;
	}
}

static bool is_same(const char *wanted, const char *text)
{
	return !wanted || strcmp(wanted, text) == 0;
}

/* By what several certificates may have. */
static enum match certificates_of(const struct search_criteria *c, const struct audit_event *ev,
	const struct audit_party *p, const struct audit_fingerprint *f)
{
	if (!is_same(c->certificate, p->subject)) {
		return MATCH_NOT;
	}
	if ((c->serial || c->certificate_issuer) && !p->serial[0]) {
		bool showed = f->known || p->subject[0] || ev->no_fingerprints;
		return showed ? MATCH_UNKNOWN : MATCH_NOT;
	}
	return is_same(c->serial, p->serial) && is_same(c->certificate_issuer, p->issuer) ? MATCH_WHOLLY
	                                                                                  : MATCH_NOT;
}

/* Of one end. */
static enum match certificate_of(const struct search_criteria *c, const struct audit_event *ev,
	const struct audit_party *p, const struct audit_fingerprint *f)
{
	bool same_subject = c->certificate && strcmp(p->subject, c->certificate) == 0;
	if (!c->fingerprint) {
		return certificates_of(c, ev, p, f);
	}
	if (f->known) {
		return memcmp(f->at, c->fingerprint, AUDIT_FINGERPRINT) == 0 ? MATCH_WHOLLY : MATCH_NOT;
	}
	if (!p->subject[0] && !ev->no_fingerprints) {
		return MATCH_NOT; /* it showed none */
	}
	if (!has(c->certificate)) {
		/* That of no subject is none of a subject; otherwise there may have been one. */
		return c->certificate && p->subject[0] ? MATCH_NOT : MATCH_UNKNOWN;
	}
	return same_subject ? MATCH_BY_SUBJECT : MATCH_NOT;
}

bool matcher_certificate(const struct matcher *m)
{
	const struct search_criteria *c = m->criteria;
	return has(c->certificate) || c->fingerprint || c->serial || c->certificate_issuer;
}

enum match matcher_event(const struct matcher *m, const struct audit_event *ev)
{
	const struct search_criteria *c = m->criteria;
	for (unsigned i = 0; i < m->n; i++) {
		if (!is_of(&m->wanted[i], ev)) {
			return MATCH_NOT;
		}
	}
	if (!matcher_certificate(m)) {
		return MATCH_WHOLLY;
	}
	enum match from = certificate_of(c, ev, &ev->from, &ev->from_certificate);
	enum match to = certificate_of(c, ev, &ev->to, &ev->to_certificate);
	return from > to ? from : to;
}
