/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_SEARCH_MADE_H
#define AUDIT_SEARCH_MADE_H

/* A sealed journal as the auditor writes it, for tests of what reads it. After audit_keys.h and audit_made.h. */

#include "audit/blind.h"
#include "audit/body.h"
#include "audit/seal.h"

struct sealed_journal {
	struct made_folder folder;
	struct journal *journal;
	struct seal *seal;
	struct hpke_public to[2];
	unsigned n_to;
	bool index_away; /* its key is on a token */
	bool old_rules;  /* names have a token of their first group alone, as they had */
	uint8_t index_key[BLIND_KEY];
	struct body_packer *packer;
	uint64_t epoch;
	int64_t now_ms;
};

#define SEALED_START INT64_C(1700000000000)

static inline void sealed_make(struct sealed_journal *j, const struct hpke_public *to, unsigned n)
{
	const struct journal_params params = {.segment_bytes = 6000};
	struct journal_recovered r;
	*j = (struct sealed_journal){.folder = made_folder(), .n_to = n, .now_ms = SEALED_START};
	memcpy(j->to, to, sizeof(j->to[0]) * n);
	memset(j->index_key, 0x5a, sizeof(j->index_key));
	assert_int_equal(journal_open(j->folder.dir, MADE_ORIGIN, &params, NULL, &j->journal, &r), 0);
	assert_int_equal(seal_new(j->to, n, &j->seal), 0);
	j->packer = body_packer_new();
	assert_non_null(j->packer);
}

static inline void sealed_commit(struct sealed_journal *j)
{
	assert_int_equal(journal_commit(j->journal), 0);
}

/* A new epoch for these auditors. */
static inline void sealed_epoch(struct sealed_journal *j)
{
	uint8_t envelope[ENVELOPE_MOST], body[SEAL_KEY_BODY_MOST];
	struct writer w = writer_of(envelope, sizeof(envelope));
	size_t len;
	if (!j->index_away) {
		assert_int_equal(envelope_write(ENVELOPE_INDEX, j->to, j->n_to, j->index_key, &w), 0);
	}
	assert_int_equal(seal_begin(j->seal, writer_span_of(&w), j->now_ms, body, sizeof(body), &len), 0);
	const struct journal_record r = {.kind = JOURNAL_KEY,
		.time_ms = j->now_ms,
		.about = JOURNAL_NONE,
		.epoch = JOURNAL_NONE,
		.count = j->old_rules ? 0 : BLIND_RULES,
		.body = span_of(body, len)};
	assert_int_equal(journal_append(j->journal, &r, &j->epoch), 0);
}

static inline void sealed_auditors(struct sealed_journal *j, const struct hpke_public *to, unsigned n)
{
	seal_free(j->seal);
	memcpy(j->to, to, sizeof(j->to[0]) * n);
	j->n_to = n;
	assert_int_equal(seal_new(j->to, n, &j->seal), 0);
	sealed_epoch(j);
}

static inline void sealed_token(const struct sealed_journal *j, enum blind_kind kind, const char *text,
	const char *second, struct journal_token tokens[JOURNAL_TOKENS_MOST], unsigned *n)
{
	uint8_t value[BLIND_VALUE_MOST];
	size_t len;
	if (text[0] && blind_value(kind, span_str(text), span_str(second), value, &len) == 0) {
		tokens[*n].kind = (uint8_t)kind;
		assert_int_equal(
			blind_token(j->index_key, kind, span_of(value, len), tokens[(*n)++].value), 0);
	}
}

static inline void sealed_name(const struct sealed_journal *j, const char *name,
	struct journal_token tokens[JOURNAL_TOKENS_MOST], unsigned *n)
{
	struct span groups[BLIND_GROUPS];
	unsigned of = blind_name_groups(span_str(name), groups);
	for (unsigned i = 0; i < (j->old_rules && of > 1 ? 1 : of); i++) {
		char group[AUDIT_NAME_MOST];
		snprintf(group, sizeof(group), "%.*s", (int)groups[i].len, (const char *)groups[i].ptr);
		sealed_token(j, BLIND_NAME, group, "", tokens, n);
	}
}

static inline uint32_t sealed_count(const struct audit_event *ev)
{
	uint32_t n = 0;
	for (unsigned i = 0; i < ev->n_sop; i++) {
		n += ev->sop[i].instances;
	}
	return n;
}

/* The event's record, a second after the one before. false_token: one more that the event does not deserve. */
static inline uint64_t sealed_put(
	struct sealed_journal *j, const struct audit_event *event, uint64_t about, const char *false_patient)
{
	static uint8_t wire[BODY_WIRE_MOST], body[BODY_MOST], sealed[BODY_MOST], head[FRAME_CLEAR_MOST];
	struct journal_token tokens[JOURNAL_TOKENS_MOST];
	struct audit_event ev = *event;
	size_t wire_len, body_len, head_len, len;
	unsigned n = 0;
	char xml[600];
	uint64_t index;
	ev.time_ms = j->now_ms += 1000;
	snprintf(xml, sizeof(xml), "<AuditMessage n=\"%s\"/>", ev.text);
	sealed_token(j, BLIND_PATIENT, ev.patient_id, "", tokens, &n);
	if (ev.patient_issuer[0]) {
		sealed_token(j, BLIND_PATIENT_OF_ISSUER, ev.patient_id, ev.patient_issuer, tokens, &n);
	}
	sealed_name(j, ev.patient_name, tokens, &n);
	sealed_token(j, BLIND_STUDY, ev.study, "", tokens, &n);
	sealed_token(j, BLIND_ACCESSION, ev.accession[0], "", tokens, &n);
	sealed_token(j, BLIND_USER, ev.user, "", tokens, &n);
	sealed_token(j, BLIND_NODE, ev.from.node, "", tokens, &n);
	sealed_token(j, BLIND_NODE, ev.to.node, "", tokens, &n);
	sealed_token(j, BLIND_ADDRESS, ev.from.address, "", tokens, &n);
	sealed_token(j, BLIND_PATIENT, false_patient ? false_patient : "", "", tokens, &n);
	struct journal_record r = {.kind = (uint8_t)ev.kind,
		.outcome = (uint8_t)ev.outcome,
		.time_ms = ev.time_ms,
		.about = about,
		.association = ev.association,
		.epoch = j->epoch,
		.turn = seal_turn(j->seal),
		.count = sealed_count(&ev),
		.n_tokens = n,
		.tokens = tokens};
	assert_int_equal(audit_event_write(&ev, wire, sizeof(wire), &wire_len), 0);
	assert_int_equal(
		body_write(j->packer, span_of(wire, wire_len), span_str(xml), body, sizeof(body), &body_len),
		0);
	assert_int_equal(record_write_clear(&r, head, sizeof(head), &head_len), 0);
	assert_int_equal(seal_body(j->seal, span_of(head, head_len), span_of(body, body_len), sealed,
				 sizeof(sealed), &len),
		0);
	r.body = span_of(sealed, len);
	assert_int_equal(journal_append(j->journal, &r, &index), 0);
	return index;
}

static inline uint64_t sealed_progress(struct sealed_journal *j, uint64_t about, uint32_t count)
{
	const struct journal_record r = {.kind = AUDIT_PROGRESS,
		.time_ms = j->now_ms += 1000,
		.about = about,
		.epoch = JOURNAL_NONE,
		.count = count};
	uint64_t index;
	assert_int_equal(journal_append(j->journal, &r, &index), 0);
	return index;
}

static inline void sealed_done(struct sealed_journal *j)
{
	journal_close(j->journal);
	seal_free(j->seal);
	body_packer_free(j->packer);
	made_folder_done(&j->folder);
}

#endif
