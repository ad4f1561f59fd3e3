/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/auditor_state.h"
#include "audit/armor.h"
#include "audit/io.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Checkpoints: signed by the key holder while the journal grows, stored beside it, and carried out of the machine: to a file
 * elsewhere, to the repositories, to witnesses.
 */

#define RETRY_MS    5000
#define UNSIGNED_MS 60000 /* so old the last one may be, and not older in silence */

/*
 * The range of the first records, by the head of the segment that has the last of them and the records in that: however
 * long the journal is, no more than a segment is read, and none that has been handed over.
 */
static int range_of(const struct auditor *a, uint64_t size, struct merkle_range *ret_range)
{
	struct journal_reader *r = NULL;
	struct journal_entry entry;
	struct merkle_range range = {0};
	int e = size == 0 ? 0 : journal_reader_open(&a->dir, 1, &r);
	if (e == 0 && size > 0) {
		journal_reader_seek(r, size - 1);
		e = journal_reader_before(r, &range);
		journal_reader_seek(r, range.size);
	}
	while (e == 0 && range.size < size) {
		e = journal_reader_next(r, &entry) == 1 && entry.index == range.size ? 0 : ERR_MISSING;
		if (e == 0) {
			merkle_append(&range, &entry.leaf);
		}
	}
	journal_reader_free(r);
	if (e == 0 && range.size == size) {
		*ret_range = range;
		return 0;
	}
	return e == 0 ? ERR_MISSING : e;
}

/* From the checkpoint before to this one: C2SP tlog-witness, add-checkpoint. */
static int prove(struct auditor *a, const struct checkpoint *c, struct merkle_proof *ret_proof,
	struct merkle_range *ret_range)
{
	struct journal_reader *r = NULL;
	struct merkle_prover *p = NULL;
	struct journal_entry entry;
	uint64_t old = a->checkpointed_range.size;
	*ret_proof = (struct merkle_proof){0};
	if (old == 0) {
		return range_of(a, c->size, ret_range);
	}
	*ret_range = a->checkpointed_range;
	int e = journal_reader_open(&a->dir, 1, &r);
	e = e == 0 ? merkle_prove_consistency(old, c->size, &p) : e;
	e = e == 0 ? merkle_prover_start(p, &a->checkpointed_range) : e;
	if (e == 0) {
		journal_reader_seek(r, old);
	}
	for (uint64_t i = old; e == 0 && i < c->size; i++) {
		e = journal_reader_next(r, &entry) == 1 && entry.index == i ? 0 : ERR_MISSING;
		if (e == 0) {
			merkle_append(ret_range, &entry.leaf);
			merkle_prover_leaf(p, i, &entry.leaf);
		}
	}
	e = e == 0 ? merkle_prover_end(p, ret_proof) : e;
	merkle_prover_free(p);
	journal_reader_free(r);
	return e;
}

/* *ret_range: what a witness that has it can be given the next from. */
static int spool_witness(
	struct auditor *a, const struct checkpoint *c, struct span note, struct merkle_range *ret_range)
{
	static char text[NOTE_MOST];
	struct merkle_proof proof;
	int e = prove(a, c, &proof, ret_range);
	if (e != 0) {
		log_say(LOG_LEVEL_ERROR, "audit.checkpoint", "no proof for the witnesses could be made");
		return e;
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
	e = writer_end(&w);
	return e == 0 ? spool_append(a->spool, SPOOL_WITNESS, clock_wall_ms(), writer_span_of(&w)) : e;
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

/* ---- What has been carried out ---- */

static void store_carried(const struct auditor *a, uint64_t size)
{
	char text[24];
	struct writer w = writer_of(text, sizeof(text));
	armor_write_number(&w, size);
	if (writer_end(&w) != 0 ||
		io_replace(&journal_io_system, a->spool_dir, CARRIED_FILE, writer_span_of(&w)) != 0) {
		log_say(LOG_LEVEL_ERROR, "audit.checkpoint",
			"how far checkpoints were carried out cannot be written down: %s", strerror(errno));
	}
}

/* 0 where that is not known: what follows is right for a witness that has nothing, and for one that has that checkpoint. */
static uint64_t load_carried(const struct auditor *a)
{
	uint8_t *bytes = NULL;
	size_t len = 0;
	uint64_t size = 0;
	if (io_read_file(&journal_io_system, a->spool_dir, CARRIED_FILE, 20, &bytes, &len) == 0 &&
		armor_read_number(span_of(bytes, len), &size) != 0) {
		size = 0;
	}
	free(bytes);
	return size;
}

/* All of it or nothing: with what is not in the spool the next one begins where this one would have. */
static void to_spool(struct auditor *a, const struct checkpoint *c, struct span note)
{
	const struct audit_config *config = &a->site->audit;
	struct merkle_range range = a->checkpointed_range;
	int e = 0;
	if (config->n_repositories > 0) {
		e = spool_append(a->spool, SPOOL_CHECKPOINT, clock_wall_ms(), note);
	}
	if (config->n_witnesses > 0) {
		int w = spool_witness(a, c, note, &range);
		e = e == 0 ? w : e;
	}
	int s = spool_commit(a->spool, clock_mono_ms());
	e = e == 0 ? s : e;
	if (e != 0) {
		log_say(LOG_LEVEL_ERROR, "audit.unsent",
			"the checkpoint could not be kept for repositories and witnesses: %s", err_str(e));
		return;
	}
	if (config->n_witnesses > 0) {
		a->checkpointed_range = range;
	} else {
		go_past(a, c);
	}
	store_carried(a, c->size);
}

static void carry_out(struct auditor *a, struct span text, struct span note)
{
	struct checkpoint c;
	copy_checkpoint(a, note);
	if (checkpoint_read(text, &c) != 0) {
		return;
	}
	if (a->spool) {
		to_spool(a, &c, note);
	} else {
		go_past(a, &c);
	}
}

/* The stored one, which the process before did not get to the spool, or not to the end of it. */
static void carry_stored(struct auditor *a, uint64_t vouched)
{
	struct signed_note n;
	struct checkpoint c;
	uint8_t *note = NULL;
	size_t len = 0;
	int e = io_read_file(&journal_io_system, a->dir, "checkpoint", NOTE_MOST, &note, &len);
	e = e == 0 ? checkpoint_read_note(span_of(note, len), &n, &c) : e;
	if (e == 0 && c.size == vouched) {
		to_spool(a, &c, span_of(note, len));
	}
	free(note);
}

void checkpoint_resume(struct auditor *a, uint64_t vouched)
{
	struct merkle_range range = {0};
	uint64_t carried = a->spool ? load_carried(a) : vouched;
	a->checkpointed_range = range;
	if (vouched == 0) {
		return;
	}
	/* What cannot be read any more is of no use as a beginning. */
	if (carried < vouched) {
		a->checkpointed_range = range_of(a, carried, &range) == 0 ? range : (struct merkle_range){0};
		carry_stored(a, vouched);
		return;
	}
	if (range_of(a, vouched, &a->checkpointed_range) != 0) {
		log_say(LOG_LEVEL_ERROR, "audit.checkpoint",
			"what the last checkpoint vouches for cannot be read: witnesses that hold it will take none after it");
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

/* An end that nothing vouches for, and nothing outside will, is an alert: repositories get it, which get no checkpoints then. */
static bool tell(struct auditor *a, const char *text)
{
	struct audit_event ev = {.kind = AUDIT_ALERT,
		.alert = ALERT_SECURITY_CONFIGURATION,
		.outcome = AUDIT_MAJOR,
		.time_ms = clock_wall_ms()};
	snprintf(ev.text, sizeof(ev.text), "%s", text);
	snprintf(ev.object, sizeof(ev.object), "checkpoint-key");
	batch_add(a, &ev);
	batch_write(a);
	return !a->failing;
}

static void not_signed(struct auditor *a, int64_t now_ms, const char *why)
{
	char since[CLOCK_ISO_LEN], text[400];
	if (a->unsigned_ms == 0) {
		a->unsigned_ms = now_ms;
		a->unsigned_wall_ms = clock_wall_ms();
	}
	if (strcmp(a->health.unsigned_why, why) != 0) {
		log_event(LOG_LEVEL_ERROR, "audit.checkpoint",
			"no checkpoint could be made; it is tried again, and until then the end of the journal is not vouched for",
			LOG_TEXT("why", why));
	}
	if (!a->unsigned_told && now_ms - a->unsigned_ms >= UNSIGNED_MS) {
		clock_iso(a->unsigned_wall_ms, since);
		snprintf(text, sizeof(text),
			"No checkpoint could be signed since %s: %.120s. What is recorded meanwhile is vouched for by nothing that leaves "
			"the machine.",
			since, why);
		a->unsigned_told = tell(a, text);
	}
}

static void is_signed(struct auditor *a)
{
	char since[CLOCK_ISO_LEN], text[400];
	bool told = a->unsigned_told;
	if (a->unsigned_ms == 0) {
		return;
	}
	clock_iso(a->unsigned_wall_ms, since);
	a->unsigned_ms = 0;
	a->unsigned_told = false;
	log_event(LOG_LEVEL_NOTICE, "audit.checkpoint-signed", "checkpoints are signed again",
		LOG_TEXT("since", since));
	if (told) {
		snprintf(text, sizeof(text),
			"Checkpoints are signed again. None was since %s; the first one since vouches for all before it as it is now.",
			since);
		(void)tell(a, text);
	}
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
	a->checkpoint_ms = now_ms + (failed ? RETRY_MS : (int64_t)a->site->audit.checkpoint_every * 1000);
	if (failed) {
		not_signed(a, now_ms, health_why(e));
	} else {
		is_signed(a);
	}
	health_of_checkpoint(a, failed ? health_why(e) : NULL);
}

int64_t checkpoint_next_ms(const struct auditor *a)
{
	return a->checkpoint_ms;
}
