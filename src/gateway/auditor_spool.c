/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/log.h"
#include "base/reader.h"
#include "base/writer.h"
#include "gateway/auditor_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/*
 * Messages for repositories, by the spool. Those of a batch are prepared before the journal's commit, and count when it has taken
 * place: what stops us between the two is settled at the next start, by asking the journal for the batch's last record.
 */

static bool has_receivers(const struct auditor *a)
{
	return a->site->audit.n_repositories > 0 || a->site->audit.n_witnesses > 0;
}

/* ---- Opening ---- */

static int open_folder(const struct auditor *a)
{
	char path[4096];
	int n = snprintf(path, sizeof(path), "%s/spool", a->site->audit.journal);
	return n > 0 && (size_t)n < sizeof(path) ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
}

static int open_spool(struct auditor *a)
{
	if (a->spool_dir < 0) {
		a->spool_dir = open_folder(a);
	}
	struct spool_settings s = {.dir = a->spool_dir, .most = a->site->audit.spool_most};
	memcpy(s.key, a->spool_key, sizeof(s.key));
	int e = s.dir < 0 ? ERR_SYSTEM : spool_open(&s, &a->spool);
	explicit_bzero(s.key, sizeof(s.key));
	return e;
}

static void write_mark(uint64_t index, const struct merkle_hash *leaf, uint8_t mark[SPOOL_MARK])
{
	static_assert(SPOOL_MARK == 8 + MERKLE_HASH, "an index and a leaf");
	struct writer w = writer_of(mark, SPOOL_MARK);
	writer_u64be(&w, index);
	writer_bytes(&w, leaf->at, MERKLE_HASH);
}

/* Is that record in the journal? If it cannot be read it is taken to be: told twice is better than not told. */
static bool is_recorded(const struct auditor *a, const uint8_t mark[SPOOL_MARK])
{
	struct journal_reader *jr = NULL;
	struct journal_entry entry;
	struct reader r = reader_of(span_of(mark, SPOOL_MARK));
	uint8_t there[SPOOL_MARK];
	uint64_t index = 0;
	if (reader_u64be(&r, &index) != 0 || index >= journal_size(a->journal)) {
		return false;
	}
	int e = journal_reader_open(&a->dir, 1, &jr);
	if (e == 0) {
		journal_reader_seek(jr, index);
		e = journal_reader_next(jr, &entry) == 1 && entry.index == index ? 0 : ERR_MISSING;
	}
	if (e == 0) {
		write_mark(index, &entry.leaf, there);
	}
	journal_reader_free(jr);
	return e != 0 || memcmp(there, mark, SPOOL_MARK) == 0;
}

static void settle(struct auditor *a)
{
	uint8_t mark[SPOOL_MARK];
	if (spool_undecided(a->spool, mark) &&
		spool_settle(a->spool, is_recorded(a, mark), clock_mono_ms()) != 0) {
		log_say(LOG_LEVEL_ERROR, "audit.unsent",
			"the last messages of before for the repositories could not be kept; the journal has them");
	}
}

/* Records matter more than messages: without a spool they are made all the same. */
void auditor_use_spool(struct auditor *a)
{
	if (a->spool || !a->has_spool_key || !has_receivers(a)) {
		return;
	}
	int e = open_spool(a);
	if (e != 0) {
		log_event(LOG_LEVEL_ERROR, "audit.unsent",
			"the spool cannot be opened, and nothing is sent to repositories and witnesses until it can be; the "
			"journal goes on",
			LOG_TEXT("why", e == ERR_SYSTEM ? strerror(errno) : err_str(e)));
		return;
	}
	settle(a);
}

void auditor_drop_spool(struct auditor *a)
{
	unsigned n = 0;
	if (has_receivers(a)) {
		return;
	}
	spool_close(a->spool);
	a->spool = NULL;
	if (a->spool_dir < 0) {
		a->spool_dir = open_folder(a);
	}
	if (a->spool_dir < 0) {
		return;
	}
	int e = spool_erase(a->spool_dir, &n);
	(void)unlinkat(a->spool_dir, CARRIED_FILE, 0);
	if (e != 0) {
		log_event(LOG_LEVEL_ERROR, "audit.spool-failed",
			"what is in the spool for nobody any more cannot be erased",
			LOG_TEXT("why", strerror(errno)));
	} else if (n > 0) {
		log_event(LOG_LEVEL_NOTICE, "audit.spool-erased",
			"nobody is to be sent messages any more: what was left in the spool was erased; the journal has it",
			LOG_NUMBER("files", n));
	}
	close(a->spool_dir);
	a->spool_dir = -1;
}

/* ---- A batch ---- */

/* Once for each time that it begins to go wrong. */
static void trouble(struct auditor *a, const char *what)
{
	a->lost_in_batch = true;
	if (!a->losing) {
		log_say(LOG_LEVEL_ERROR, "audit.unsent", "%s", what);
	}
	a->losing = true;
}

bool send_wants(const struct auditor *a)
{
	return a->spool && a->site->audit.n_repositories > 0;
}

void send_begin(struct auditor *a)
{
	if (a->spool) {
		spool_begin(a->spool);
	}
	a->lost_in_batch = a->sent_in_batch = false;
}

void send_message(struct auditor *a, int64_t time_ms, struct span xml)
{
	if (!send_wants(a)) {
		return;
	}
	a->sent_in_batch = true;
	if (spool_append(a->spool, SPOOL_MESSAGE, time_ms, xml) != 0) {
		a->lost_in_spool++;
		trouble(a,
			"the spool is full: messages are not sent to the repositories; the journal has them");
	}
}

void send_prepare(struct auditor *a)
{
	uint8_t mark[SPOOL_MARK];
	struct merkle_hash leaf;
	uint64_t index;
	if (!a->spool) {
		return;
	}
	if (!journal_pending_last(a->journal, &index, &leaf)) {
		spool_forget(a->spool);
		return;
	}
	write_mark(index, &leaf, mark);
	if (spool_prepare(a->spool, mark) != 0) {
		trouble(a, "messages for the repositories could not be kept; the journal has them");
	}
}

void send_decide(struct auditor *a, bool recorded)
{
	if (!a->spool) {
		return;
	}
	if (spool_decide(a->spool, recorded, clock_mono_ms()) != 0 && recorded) {
		trouble(a, "messages for the repositories could not be kept; the journal has them");
	}
	if (a->losing && a->sent_in_batch && !a->lost_in_batch) {
		a->losing = false;
		log_say(LOG_LEVEL_NOTICE, "audit.sent-again", "messages for the repositories are kept again");
	}
}

void send_forget(struct auditor *a)
{
	if (a->spool) {
		spool_forget(a->spool);
	}
}

/* What was spooled waits in a file that is ended, so that it can be erased when it has been sent. */
void send_check(struct auditor *a, int64_t now_ms)
{
	if (a->spool && now_ms >= a->spool_ms) {
		a->spool_ms = now_ms + SPOOL_FILE_MS;
		(void)!spool_commit(a->spool, now_ms);
	}
}
