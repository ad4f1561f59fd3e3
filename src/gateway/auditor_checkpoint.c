/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/auditor_state.h"
#include "audit/armor.h"
#include "base/clock.h"
#include "base/log.h"

/*
 * Checkpoints: signed by the key holder while the journal grows, stored beside it, and carried out of the machine: to a file
 * elsewhere, to the repositories, to witnesses.
 */

#define RETRY_MS 5000

/*
 * What the last process vouched for, by the head of the segment that has its last record and the records in that: however
 * long the journal is, no more than a segment is read, and none that has been handed over.
 */
void checkpoint_resume(struct auditor *a, uint64_t vouched)
{
	struct journal_reader *r = NULL;
	struct journal_entry entry;
	struct merkle_range *range = &a->checkpointed_range;
	*range = (struct merkle_range){0};
	if (vouched == 0) {
		return;
	}
	int e = journal_reader_open(&a->dir, 1, &r);
	if (e == 0) {
		journal_reader_seek(r, vouched - 1);
		e = journal_reader_before(r, range);
	}
	if (e == 0) {
		journal_reader_seek(r, range->size);
	}
	while (e == 0 && range->size < vouched) {
		e = journal_reader_next(r, &entry) == 1 && entry.index == range->size ? 0 : ERR_MISSING;
		if (e == 0) {
			merkle_append(range, &entry.leaf);
		}
	}
	journal_reader_free(r);
	if (e != 0 || range->size != vouched) {
		*range = (struct merkle_range){0};
		log_say(LOG_LEVEL_ERROR, "audit.checkpoint",
			"what the last checkpoint vouches for cannot be read: witnesses that hold it will take none after it");
	}
}

/* From the checkpoint before to this one: C2SP tlog-witness, add-checkpoint. */
static int prove(struct auditor *a, const struct checkpoint *c, struct merkle_proof *ret_proof,
	struct merkle_range *ret_range)
{
	struct journal_reader *r = NULL;
	struct merkle_prover *p = NULL;
	struct journal_entry entry;
	uint64_t old = a->checkpointed_range.size;
	*ret_range = a->checkpointed_range;
	int e = journal_reader_open(&a->dir, 1, &r);
	if (e == 0 && old > 0) {
		e = merkle_prove_consistency(old, c->size, &p);
		e = e == 0 ? merkle_prover_start(p, &a->checkpointed_range) : e;
	}
	if (e == 0) {
		journal_reader_seek(r, old);
	}
	for (uint64_t i = old; e == 0 && i < c->size; i++) {
		e = journal_reader_next(r, &entry) == 1 && entry.index == i ? 0 : ERR_MISSING;
		if (e == 0) {
			merkle_append(ret_range, &entry.leaf);
		}
		if (e == 0 && p) {
			merkle_prover_leaf(p, i, &entry.leaf);
		}
	}
	*ret_proof = (struct merkle_proof){0};
	if (e == 0 && p) {
		e = merkle_prover_end(p, ret_proof);
	}
	merkle_prover_free(p);
	journal_reader_free(r);
	return e;
}

static void spool_witness(struct auditor *a, const struct checkpoint *c, struct span note)
{
	static char text[NOTE_MOST];
	struct merkle_proof proof;
	struct merkle_range range;
	if (prove(a, c, &proof, &range) != 0) {
		log_say(LOG_LEVEL_ERROR, "audit.checkpoint", "no proof for the witnesses could be made");
		return;
	}
	struct writer w = writer_of(text, sizeof(text));
	armor_write_text(&w, "old ");
	armor_write_number(&w, a->checkpointed_range.size);
	for (unsigned i = 0; i < proof.n; i++) {
		armor_write_text(&w, "\n");
		armor_write(&w, span_of(proof.hash[i].at, MERKLE_HASH));
	}
	armor_write_text(&w, "\n\n");
	writer_span(&w, note);
	if (writer_end(&w) == 0) {
		(void)!spool_append(a->spool, SPOOL_WITNESS, clock_wall_ms(), writer_span_of(&w));
	}
	a->checkpointed_range = range;
}

/* Nobody is to have a proof of it: whoever comes later gets one from here on. */
static void go_past(struct auditor *a, const struct checkpoint *c)
{
	struct merkle_range range;
	journal_range(a->journal, &range);
	if (range.size == c->size) {
		a->checkpointed_range = range;
	}
}

static void carry_out(struct auditor *a, struct span text, struct span note)
{
	struct checkpoint c;
	copy_checkpoint(a, note);
	if (checkpoint_read(text, &c) != 0) {
		return;
	}
	if (!a->spool || a->site->audit.n_witnesses == 0) {
		go_past(a, &c);
	}
	if (!a->spool) {
		return;
	}
	if (a->site->audit.n_repositories > 0) {
		(void)!spool_append(a->spool, SPOOL_CHECKPOINT, clock_wall_ms(), note);
	}
	if (a->site->audit.n_witnesses > 0) {
		spool_witness(a, &c, note);
	}
	if (spool_commit(a->spool, clock_mono_ms()) != 0) {
		log_say(LOG_LEVEL_ERROR, "audit.unsent",
			"the checkpoint could not be kept for the repositories");
	}
}

static int sign(struct auditor *a, struct span text, char *note, size_t cap, size_t *ret_len)
{
	uint8_t public[ED25519_PUBLIC], signature[ED25519_SIGNATURE];
	struct note_key key;
	size_t len = 0;
	int e = a->keys.fd < 0 ? ERR_CLOSED : link_audit_checkpoint(&a->keys, text, public, signature);
	e = e == 0 ? note_key_make(a->site->audit.origin, NOTE_ED25519, public, &key) : e;
	e = e == 0 ? note_write(text, &key, signature, note, cap, &len) : e;
	/* Nothing is stored as a checkpoint that is none. */
	struct signed_note signed_one;
	e = e == 0 ? note_read(span_of(note, len), &signed_one) : e;
	e = e == 0 ? note_check(&signed_one, &key, NULL) : e;
	if (e == 0) {
		*ret_len = len;
	}
	return e;
}

/* ERR_AGAIN: all is vouched for. */
static int sign_one(struct auditor *a)
{
	char text[CHECKPOINT_MOST], note[COPY_MOST];
	size_t text_len, note_len;
	struct checkpoint c;
	int e = journal_checkpoint_text(a->journal, text, sizeof(text), &text_len);
	if (e != 0) {
		return e;
	}
	e = sign(a, span_of(text, text_len), note, sizeof(note), &note_len);
	e = e == 0 ? journal_store_checkpoint(a->journal, span_of(note, note_len)) : e;
	if (e == 0) {
		health_signed(a, checkpoint_read(span_of(text, text_len), &c) == 0 ? c.size : 0);
		carry_out(a, span_of(text, text_len), span_of(note, note_len));
	}
	return e;
}

void checkpoint_check(struct auditor *a, int64_t now_ms, bool now)
{
	int e = 0;
	if (now_ms < a->checkpoint_ms && !now) {
		return;
	}
	if (!a->spool) {
		auditor_use_spool(a); /* it could not be opened, or nobody was to have anything */
	}
	do {
		e = sign_one(a);
	} while (e == 0 && journal_checkpoint_due(a->journal));
	bool failed = e != 0 && e != ERR_AGAIN;
	health_of_checkpoint(a, failed ? health_why(e) : NULL);
	a->checkpoint_ms = now_ms + (int64_t)a->site->audit.checkpoint_every * 1000;
	if (failed) {
		log_event(LOG_LEVEL_ERROR, "audit.checkpoint",
			"no checkpoint could be made; it is tried again, and until then the end of the journal is not vouched for",
			LOG_TEXT("why", health_why(e)));
		a->checkpoint_ms = now_ms + RETRY_MS;
	}
}

int64_t checkpoint_next_ms(const struct auditor *a)
{
	return a->checkpoint_ms;
}
