/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/auditor_state.h"

#include <string.h>

/*
 * Tokens of the blind index, which the key holder makes: one question for a batch. Those of nodes and addresses, which come again and
 * again, are remembered while the key holder is the same; those that are about a patient or a user never are.
 */

#define VALUES_MOST (BATCH_MOST * JOURNAL_TOKENS_MOST)

struct asked {
	struct link_value value[VALUES_MOST];
	uint8_t token[VALUES_MOST][BLIND_TOKEN];
	struct work *work[VALUES_MOST];
	unsigned n, first; /* first: of them are asked for already */
	/* All values of the longest event are under 5 KiB: none is left out. */
	uint8_t text[BATCH_MOST * 8192u];
	size_t text_len;
};

static struct asked asked;

/* ---- What is remembered ---- */

#define KNOWN      128
#define KNOWN_MOST 64 /* bytes of a value */

static struct known {
	uint8_t kind; /* 0: nothing */
	uint8_t len;
	uint8_t value[KNOWN_MOST], token[BLIND_TOKEN];
} known[KNOWN];

void tokens_forget(void)
{
	memset(known, 0, sizeof(known));
}

static struct known *place_of(enum blind_kind kind, struct span value)
{
	uint32_t h = 2166136261u ^ (uint32_t)kind;
	if ((kind != BLIND_NODE && kind != BLIND_ADDRESS) || value.len > KNOWN_MOST) {
		return NULL;
	}
	for (size_t i = 0; i < value.len; i++) {
		h = (h ^ value.ptr[i]) * 16777619u;
	}
	return &known[h % KNOWN];
}

static void remember(const struct link_value *v, const uint8_t token[BLIND_TOKEN])
{
	struct known *k = place_of(v->kind, v->value);
	if (k) {
		*k = (struct known){.kind = (uint8_t)v->kind, .len = (uint8_t)v->value.len};
		memcpy(k->value, v->value.ptr, v->value.len);
		memcpy(k->token, token, BLIND_TOKEN);
	}
}

static const uint8_t *remembered(enum blind_kind kind, struct span value)
{
	const struct known *k = place_of(kind, value);
	return k && k->kind == kind && span_eq(span_of(k->value, k->len), value) ? k->token : NULL;
}

/* ---- Asking ---- */

static void add(struct work *w, enum blind_kind kind, const uint8_t token[BLIND_TOKEN])
{
	struct tokens *t = &w->tokens;
	if (t->n < JOURNAL_TOKENS_MOST) {
		t->at[t->n].kind = (uint8_t)kind;
		memcpy(t->at[t->n++].value, token, BLIND_TOKEN);
	}
}

static void ask_span(struct asked *q, struct work *w, enum blind_kind kind, struct span s, const char *second)
{
	size_t len = 0;
	uint8_t *to = q->text + q->text_len;
	if (s.len == 0 || q->n == VALUES_MOST || sizeof(q->text) - q->text_len < BLIND_VALUE_MOST ||
		blind_value(kind, s, span_str(second), to, &len) != 0) {
		return;
	}
	const uint8_t *token = remembered(kind, span_of(to, len));
	if (token) {
		add(w, kind, token);
		return;
	}
	q->value[q->n] = (struct link_value){.kind = kind, .value = span_of(to, len)};
	q->work[q->n++] = w;
	q->text_len += len;
}

static void ask(struct asked *q, struct work *w, enum blind_kind kind, const char *s, const char *second)
{
	ask_span(q, w, kind, span_str(s), second);
}

/* Found by each of its groups: who asks has the letters that the clinic has, not those of the device. */
static void ask_name(struct asked *q, struct work *w, const char *name)
{
	struct span groups[BLIND_GROUPS];
	unsigned n = blind_name_groups(span_str(name), groups);
	for (unsigned i = 0; i < n; i++) {
		ask_span(q, w, BLIND_NAME, groups[i], "");
	}
}

static void ask_event(struct asked *q, struct work *w)
{
	const struct audit_event *ev = &w->ev;
	ask(q, w, BLIND_PATIENT, ev->patient_id, "");
	if (ev->patient_issuer[0]) {
		ask(q, w, BLIND_PATIENT_OF_ISSUER, ev->patient_id, ev->patient_issuer);
	}
	ask_name(q, w, ev->patient_name);
	ask(q, w, BLIND_STUDY, ev->study, "");
	for (unsigned i = 0; i < ev->n_accession; i++) {
		ask(q, w, BLIND_ACCESSION, ev->accession[i], "");
	}
	ask(q, w, BLIND_USER, ev->user, "");
	ask(q, w, BLIND_NODE, ev->from.node, "");
	ask(q, w, BLIND_NODE, ev->to.node, "");
	ask(q, w, BLIND_ADDRESS, ev->from.address, "");
	ask(q, w, BLIND_ADDRESS, ev->to.address, "");
}

static unsigned some(const struct asked *q, unsigned from)
{
	return q->n - from < HOLDER_INDEX_MOST ? q->n - from : HOLDER_INDEX_MOST;
}

int tokens_ask(struct auditor *a)
{
	struct asked *q = &asked;
	q->n = q->first = 0;
	q->text_len = 0;
	for (unsigned i = 0; i < a->n_batch; i++) {
		if (a->batch[i].tokens.n == 0 && a->batch[i].err == 0 && !a->batch[i].has_index) {
			ask_event(q, &a->batch[i]);
		}
	}
	q->first = some(q, 0);
	return q->n == 0 ? 0 : link_audit_index_ask(&a->keys, q->value, q->first);
}

int tokens_take(struct auditor *a)
{
	struct asked *q = &asked;
	int e = q->n == 0 ? 0 : link_audit_index_take(&a->keys, q->first, q->token);
	for (unsigned i = q->first; e == 0 && i < q->n; i += HOLDER_INDEX_MOST) {
		e = link_audit_index(&a->keys, q->value + i, some(q, i), q->token + i);
	}
	for (unsigned i = 0; e == 0 && i < q->n; i++) {
		add(q->work[i], q->value[i].kind, q->token[i]);
		remember(&q->value[i], q->token[i]);
	}
	explicit_bzero(q->text, q->text_len);
	return e;
}
