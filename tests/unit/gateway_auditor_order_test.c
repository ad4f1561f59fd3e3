/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway_auditor_made.h"

#include "audit/segment.h"

#include <sys/wait.h>

/*
 * What comes before what in the auditor: an epoch's key at the head of each segment, the journal's commit before what is sent of
 * it, a checkpoint with what goes to witnesses; and nothing of it is lost or doubled where it is stopped between two of them.
 */

/* ---- A journal that fails, or at which the process ends ---- */

static enum { GOES_ON, NO_SPACE, ENDS_BEFORE, ENDS_AFTER } at_commit;

static ssize_t commit_write(void *arg, int fd, const void *buf, size_t n, off_t at)
{
	if (at_commit == NO_SPACE) {
		errno = ENOSPC;
		return -1;
	}
	if (at_commit == ENDS_BEFORE) {
		_exit(0);
	}
	return journal_io_system.pwrite(arg, fd, buf, n, at);
}

static int commit_sync(void *arg, int fd)
{
	int r = journal_io_system.fdatasync(arg, fd);
	if (at_commit == ENDS_AFTER) {
		_exit(0);
	}
	return r;
}

static bool no_checkpoint;

static int commit_open(void *arg, int dir, const char *name, int flags, mode_t mode)
{
	if (no_checkpoint && strncmp(name, "checkpoint", 10) == 0) {
		errno = EIO;
		return -1;
	}
	return journal_io_system.open(arg, dir, name, flags, mode);
}

static struct journal_io stopping;

static void reopens(const struct journal_params *with)
{
	journal_close(a.journal);
	spool_close(a.spool);
	a.spool = NULL;
	forget_open();
	params = with;
	opens();
}

/* A repository or a witness that has read nothing yet. */
static struct spool_reader *receiver(void)
{
	struct spool_reader *r = NULL;
	assert_int_equal(spool_reader_open(a.spool_dir, a.spool_key, "receiver", &r), 0);
	return r;
}

static unsigned messages(struct spool_reader *r)
{
	struct spool_entry e;
	unsigned n = 0;
	while (spool_next(r, &e) == 0) {
		n += e.type == SPOOL_MESSAGE;
	}
	return n;
}

static void with_receivers(unsigned repositories, unsigned witnesses)
{
	char path[64];
	snprintf(path, sizeof(path), "%s/spool", folder);
	assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
	site.audit.n_repositories = repositories;
	site.audit.n_witnesses = witnesses;
	auditor_use_spool(&a);
	assert_non_null(a.spool);
}

static void without_receivers(void)
{
	site.audit.n_repositories = site.audit.n_witnesses = 0;
	auditor_drop_spool(&a);
	assert_null(a.spool);
	a.checkpointed_range = (struct merkle_range){0};
}

/* ---- Tests ---- */

static void what_is_sent_has_a_record(void **state)
{
	(void)state;
	struct puppet p = puppet(20);
	with_receivers(1, 0);
	struct spool_reader *r = receiver();
	at_commit = NO_SPACE;
	for (unsigned i = 0; i < 3; i++) {
		tell(&p, AUDIT_LOGIN, -1, "P1");
		batch_write(&a);
		assert_int_equal(answer(&p), ERR_SPACE);
	}
	at_commit = GOES_ON;
	assert_int_equal(messages(r), 0);
	tell(&p, AUDIT_LOGIN, -1, "P1");
	batch_write(&a);
	assert_true(answer(&p) >= 0);
	assert_int_equal(messages(r), 1);
	/* One that cannot be made takes none with it, and a batch that cannot be begun leaves nothing behind. */
	keys_go();
	tell(&p, AUDIT_LOGIN, -1, "P1");
	batch_write(&a);
	keys_come();
	tell(&p, AUDIT_LOGIN, -1, "P2");
	batch_write(&a);
	assert_int_equal(messages(r), 1);
	a.gap = false;
	spool_reader_close(r);
	without_receivers();
	done(&p);
}

/* The process ends before, or after, the journal's commit. */
static void what_has_a_record_is_sent(void **state)
{
	(void)state;
	for (unsigned after = 0; after < 2; after++) {
		uint64_t who = 0;
		with_receivers(1, 0);
		unsigned logins = recorded(AUDIT_LOGIN, JOURNAL_NONE, &who);
		reopens(NULL);
		journal_close(a.journal);
		pid_t pid = fork();
		if (pid == 0) {
			struct puppet p = puppet(21);
			opens();
			auditor_use_spool(&a);
			tell(&p, AUDIT_LOGIN, -1, "P1");
			batch_write(&a);
			at_commit = after ? ENDS_AFTER : ENDS_BEFORE;
			tell(&p, AUDIT_LOGIN, -1, "P2");
			tell(&p, AUDIT_LOGIN, -1, "P3");
			batch_write(&a);
			_exit(1);
		}
		int status = 1;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		opens();
		assert_int_equal(recorded(AUDIT_LOGIN, JOURNAL_NONE, &who), logins + (after ? 3 : 1));
		struct spool_reader *r = receiver();
		assert_int_equal(messages(r), 1);
		auditor_use_spool(&a);
		assert_int_equal(messages(r), after ? 2 : 0);
		/* Once, and not again with each start. */
		reopens(NULL);
		auditor_use_spool(&a);
		assert_int_equal(messages(r), 0);
		spool_reader_close(r);
		without_receivers();
	}
}

static uint64_t number_after(struct span text, const char *word)
{
	const char *at = memmem(text.ptr, text.len, word, strlen(word));
	assert_non_null(at);
	return strtoull(at + strlen(word), NULL, 10);
}

/* The next submission to a witness: *ret_old and *ret_size. False: none. */
static bool submission(struct spool_reader *r, uint64_t *ret_old, uint64_t *ret_size)
{
	struct spool_entry e;
	while (spool_next(r, &e) == 0) {
		if (e.type == SPOOL_WITNESS) {
			*ret_old = number_after(e.bytes, "old ");
			*ret_size = number_after(e.bytes, "\ntest\n");
			return true;
		}
	}
	return false;
}

static void grows(void)
{
	struct puppet p = puppet(22);
	tell(&p, AUDIT_LOGIN, -1, "P1");
	batch_write(&a);
	done(&p);
}

static void checkpoint(void)
{
	a.checkpoint_ms = 0;
	checkpoint_check(&a, clock_mono_ms(), true);
	assert_string_equal(a.health.unsigned_why, "");
}

static unsigned alerts(void)
{
	uint64_t who = 0;
	return recorded(AUDIT_ALERT, JOURNAL_NONE, &who);
}

/* None can be made: that is told when a minute is over, once, and once more when it has ended. */
static void nothing_goes_unsigned_in_silence(void **state)
{
	(void)state;
	int64_t now = clock_mono_ms();
	checkpoint();
	unsigned before = alerts();
	no_checkpoint = true;
	grows();
	a.checkpoint_ms = 0;
	for (int64_t after = 0; after < 200000; after += 5000) {
		checkpoint_check(&a, now + after, false);
		assert_string_not_equal(a.health.unsigned_why, "");
		assert_int_equal(alerts(), before + (after >= 60000));
		assert_true(checkpoint_next_ms(&a) <= now + after + 5000);
	}
	no_checkpoint = false;
	checkpoint();
	assert_int_equal(alerts(), before + 2);
	checkpoint();
	assert_int_equal(alerts(), before + 2);
	/* A short one is in the log and the status alone. */
	grows();
	no_checkpoint = true;
	checkpoint_check(&a, clock_mono_ms(), true);
	assert_string_not_equal(a.health.unsigned_why, "");
	no_checkpoint = false;
	checkpoint();
	assert_int_equal(alerts(), before + 2);
}

/* A checkpoint was stored, and the process ended before it was put into the spool. */
static void no_witness_is_left_behind(void **state)
{
	(void)state;
	uint64_t old, size, first;
	with_receivers(0, 1);
	checkpoint_resume(&a, 0);
	grows();
	checkpoint();
	struct spool_reader *r = receiver();
	assert_true(submission(r, &old, &first));
	assert_int_equal(old, 0);
	grows();
	struct spool *spool = a.spool;
	a.spool = NULL;
	a.has_spool_key = false;
	checkpoint();
	a.spool = spool;
	a.has_spool_key = true;
	assert_false(submission(r, &old, &size));
	uint64_t stored = journal_size(a.journal);
	/* As a new process. */
	reopens(NULL);
	auditor_use_spool(&a);
	checkpoint_resume(&a, stored);
	assert_true(submission(r, &old, &size));
	assert_int_equal(old, first);
	assert_int_equal(size, stored);
	/* Once; and what comes next goes on from there. */
	reopens(NULL);
	auditor_use_spool(&a);
	checkpoint_resume(&a, stored);
	assert_false(submission(r, &old, &size));
	grows();
	checkpoint();
	assert_true(submission(r, &old, &size));
	assert_int_equal(old, stored);
	/* The spool has no room for one: the next begins where it would have. */
	stored = size;
	site.audit.spool_most = 100;
	reopens(NULL);
	auditor_use_spool(&a);
	checkpoint_resume(&a, stored);
	grows();
	checkpoint();
	assert_false(submission(r, &old, &size));
	site.audit.spool_most = 64u * 1024 * 1024;
	uint64_t unsent = journal_size(a.journal);
	reopens(NULL);
	auditor_use_spool(&a);
	checkpoint_resume(&a, unsent);
	assert_true(submission(r, &old, &size));
	assert_int_equal(old, stored);
	assert_int_equal(size, unsent);
	spool_reader_close(r);
	without_receivers();
}

static void nothing_is_kept_for_nobody(void **state)
{
	(void)state;
	with_receivers(1, 1);
	grows();
	checkpoint();
	char path[64];
	snprintf(path, sizeof(path), "%s/spool", folder);
	without_receivers();
	DIR *d = opendir(path);
	for (const struct dirent *e; (e = readdir(d)) != NULL;) {
		assert_true(e->d_name[0] == '.');
	}
	closedir(d);
	with_receivers(1, 0); /* and begins anew */
	struct spool_reader *r = receiver();
	grows();
	assert_int_equal(messages(r), 1);
	spool_reader_close(r);
	without_receivers();
}

/* Each segment's first record is a key. */
static void heads_are_keys(uint64_t from)
{
	uint64_t *first = NULL;
	size_t n = 0;
	unsigned seen = 0;
	assert_int_equal(segment_list(a.dir, &first, &n), 0);
	for (size_t i = 0; i < n; i++) {
		struct segment *s;
		struct frame f;
		struct journal_record record;
		assert_int_equal(segment_open(&journal_io_system, a.dir, first[i], &s), 0);
		if (first[i] >= from && segment_next(s, &f) == 1) {
			assert_int_equal(record_read(f.payload, &record), 0);
			assert_int_equal(record.kind, JOURNAL_KEY);
			seen++;
		}
		segment_free(s);
	}
	free(first);
	assert_true(seen >= 4);
}

/* As auditor_cold.c's process answers. */
static void was_handed_over(int far)
{
	struct {
		int result, err;
		bool is_note;
		struct handover what;
	} said = {0};
	said.what.segments = 1;
	snprintf(said.what.statement, sizeof(said.what.statement), "hand-over-%020d", 0);
	assert_int_equal(send(far, &said, sizeof(said), 0), (ssize_t)sizeof(said));
	cold_take(&a);
}

static void a_segment_begins_with_a_key(void **state)
{
	(void)state;
	static const struct journal_params small = {.segment_bytes = 1};
	uint64_t who = 0, from = journal_size(a.journal);
	int pair[2];
	struct puppet p = puppet(23);
	reopens(&small);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	a.cold.fd = pair[0];
	int64_t number = begins(&p, "P1");
	for (unsigned i = 0; i < 2; i++) {
		open_find(&a, (uint64_t)number)->count++;
		open_check(&a, clock_mono_ms() + 1000 * (i + 1));
	}
	assert_int_equal(recorded(AUDIT_PROGRESS, (uint64_t)number, &who), 2);
	was_handed_over(pair[1]);
	assert_int_equal(recorded(JOURNAL_HANDOVER, JOURNAL_NONE, &who), 1);
	heads_are_keys(from);
	done(&p);
	/* What went is told of, also when that takes a while. */
	keys_go();
	was_handed_over(pair[1]);
	assert_true(a.cold_owed);
	keys_come();
	cold_check(&a, clock_mono_ms() + 120000);
	assert_false(a.cold_owed);
	assert_int_equal(recorded(JOURNAL_HANDOVER, JOURNAL_NONE, &who), 2);
	a.gap = false;
	/* Who cannot be asked is asked again. */
	a.cold_ms = 0;
	close(pair[1]);
	cold_check(&a, 1);
	assert_true(a.cold_ms > 1 && a.cold_ms < INT64_MAX);
	close(pair[0]);
	a.cold.fd = -1;
	reopens(NULL);
}

/* After an fdatasync that failed a new segment begins too. */
static int no_sync(void *arg, int fd)
{
	errno = EIO;
	return -1;
}

static void so_does_one_after_a_failure(void **state)
{
	(void)state;
	uint64_t *first = NULL;
	size_t n = 0;
	struct puppet p = puppet(24);
	struct segment *s;
	struct frame f;
	struct journal_record record;
	int64_t number = begins(&p, "P1");
	stopping.fdatasync = no_sync;
	open_find(&a, (uint64_t)number)->count++;
	open_check(&a, clock_mono_ms() + 1000);
	assert_true(a.failing);
	stopping.fdatasync = commit_sync;
	open_check(&a, clock_mono_ms() + 10000);
	assert_false(a.failing);
	assert_int_equal(segment_list(a.dir, &first, &n), 0);
	assert_int_equal(segment_open(&journal_io_system, a.dir, first[n - 1], &s), 0);
	assert_int_equal(segment_next(s, &f), 1);
	assert_int_equal(record_read(f.payload, &record), 0);
	assert_int_equal(record.kind, JOURNAL_KEY);
	segment_free(s);
	free(first);
	a.gap = false;
	done(&p);
}

static void a_beginning_told_again_is_the_same(void **state)
{
	(void)state;
	uint64_t who = 0;
	struct puppet before = puppet(25), after = puppet(25);
	unsigned begun = recorded(AUDIT_BEGIN, JOURNAL_NONE, &who);
	tell(&before, AUDIT_BEGIN, -1, "P1");
	tell(&before, AUDIT_BEGIN, -1, "P2");
	open_teller_moved(&a, before.t, after.t);
	goes(&before);
	is_freed(&before);
	/* No answer reached it: it tells both again, and a third. */
	tell(&after, AUDIT_BEGIN, -1, "P1");
	tell(&after, AUDIT_BEGIN, -1, "P2");
	tell(&after, AUDIT_BEGIN, -1, "P3");
	tell(&after, AUDIT_BEGIN, -1, "P1"); /* and this is another one */
	batch_write(&a);
	int64_t one = answer(&after), two = answer(&after), three = answer(&after), four = answer(&after);
	assert_true(one >= 0 && two > one && three > two && four > three);
	assert_int_equal(recorded(AUDIT_BEGIN, JOURNAL_NONE, &who), begun + 4);
	tell(&after, AUDIT_TRANSFERRED, one, "P1");
	tell(&after, AUDIT_TRANSFERRED, two, "P2");
	batch_write(&a);
	assert_int_equal(recorded(AUDIT_TRANSFERRED, (uint64_t)one, &who), 1);
	assert_int_equal(recorded(AUDIT_TRANSFERRED, (uint64_t)two, &who), 1);
	done(&after);
	assert_null(a.open);
}

/* What succeeded in part is two records, or none. */
static void two_records_or_none(void **state)
{
	(void)state;
	static uint8_t bytes[AUDIT_EVENT_MOST];
	static struct audit_event ev;
	uint64_t who = 0;
	size_t len;
	struct puppet p = puppet(26);
	int64_t number = begins(&p, "P1");
	journal_close(a.journal);
	forget_open();
	const struct journal_params tight = {.pending_most = 1024};
	params = &tight;
	opens();
	seal_drop(a.seal);
	grows(); /* the epoch's key has its place */
	ev = (struct audit_event){
		.kind = AUDIT_TRANSFERRED, .time_ms = clock_wall_ms(), .failed = 1, .n_sop = 1};
	memset(ev.sop[0].uid, '1', 60);
	ev.sop[0].instances = 2;
	memset(ev.text, 'x', sizeof(ev.text) - 1);
	for (unsigned i = 0; i < 250; i++) {
		ev.patient_name[i] = (char)('A' + i * 7 % 26);
	}
	assert_int_equal(audit_event_write(&ev, bytes, sizeof(bytes), &len), 0);
	batch_take(&a, p.t, number, span_of(bytes, len));
	batch_write(&a);
	assert_int_equal(answer(&p), ERR_LIMIT);
	assert_int_equal(recorded(AUDIT_TRANSFERRED, (uint64_t)number, &who), 0);
	reopens(NULL);
	tell(&p, AUDIT_TRANSFERRED, number, "P1");
	batch_write(&a);
	assert_int_equal(recorded(AUDIT_TRANSFERRED, (uint64_t)number, &who), 1);
	done(&p);
}

static int setup_stopping(void **state)
{
	stopping = journal_io_system;
	stopping.open = commit_open;
	stopping.pwrite = commit_write;
	stopping.fdatasync = commit_sync;
	io = &stopping;
	return setup(state);
}

int main(void)
{
	log_to(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_FORMAT_TEXT);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_sent_has_a_record),
		cmocka_unit_test(what_has_a_record_is_sent),
		cmocka_unit_test(nothing_goes_unsigned_in_silence),
		cmocka_unit_test(no_witness_is_left_behind),
		cmocka_unit_test(nothing_is_kept_for_nobody),
		cmocka_unit_test(a_segment_begins_with_a_key),
		cmocka_unit_test(so_does_one_after_a_failure),
		cmocka_unit_test(a_beginning_told_again_is_the_same),
		cmocka_unit_test(two_records_or_none),
	};
	return cmocka_run_group_tests(tests, setup_stopping, teardown);
}
