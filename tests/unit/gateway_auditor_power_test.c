/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway_auditor_made.h"

#include "audit/verify.h"

/*
 * Power is lost while a batch is written, or after it while a checkpoint is: the journal, the spool, the stored checkpoint and the note
 * of how far checkpoints were carried out each stand where the disk left them, ahead of the others or behind. Whatever it is, a
 * message is there for each record and for no other, witnesses are given a tree that goes on from one they have seen, and what
 * comes next is signed and verifies.
 */

#define FILES_MOST 16
#define CUTS       7

struct kept {
	char name[64];
	uint8_t *bytes;
	size_t len;
};

struct disk {
	unsigned n;
	struct kept file[FILES_MOST];
};

static void keep_folder(struct disk *d, const char *below)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", folder, below);
	DIR *dir = opendir(path);
	assert_non_null(dir);
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		struct stat st;
		if (fstatat(dirfd(dir), e->d_name, &st, 0) < 0 || !S_ISREG(st.st_mode)) {
			continue;
		}
		assert_true(d->n < FILES_MOST);
		struct kept *k = &d->file[d->n++];
		snprintf(k->name, sizeof(k->name), "%s%.50s", below, e->d_name);
		assert_int_equal(
			io_read_file(&journal_io_system, dirfd(dir), e->d_name, 1u << 24, &k->bytes, &k->len),
			0);
	}
	closedir(dir);
}

static void keep_disk(struct disk *d)
{
	*d = (struct disk){.n = 0};
	keep_folder(d, "");
	keep_folder(d, "spool/");
}

static void free_disk(struct disk *d)
{
	while (d->n > 0) {
		free(d->file[--d->n].bytes);
	}
}

static const struct kept *on(const struct disk *d, const char *name)
{
	for (unsigned i = 0; i < d->n; i++) {
		if (strcmp(d->file[i].name, name) == 0) {
			return &d->file[i];
		}
	}
	return NULL;
}

static void empty(const char *below)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", folder, below);
	DIR *dir = opendir(path);
	assert_non_null(dir);
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		(void)unlinkat(dirfd(dir), e->d_name, 0);
	}
	closedir(dir);
}

static void put(const struct kept *k, size_t len)
{
	if (!k) {
		return;
	}
	int fd = openat(a.dir, k->name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, k->bytes, len), (ssize_t)len);
	close(fd);
}

/* Where the spool's file ended when the journal was written last: its batch is whole, and not said to count yet. */
static char spool_file[64];
static size_t spool_at_commit;
static struct journal_io watched;

static ssize_t watched_write(void *arg, int fd, const void *buf, size_t n, off_t at)
{
	struct stat st;
	if (spool_file[0] && fstatat(a.dir, spool_file, &st, 0) == 0) {
		spool_at_commit = (size_t)st.st_size;
	}
	return journal_io_system.pwrite(arg, fd, buf, n, at);
}

static void ends(void)
{
	journal_close(a.journal);
	a.journal = NULL;
	spool_close(a.spool);
	a.spool = NULL;
	if (a.spool_dir >= 0) {
		close(a.spool_dir);
		a.spool_dir = -1;
	}
	forget_open();
}

/* ---- What is there ---- */

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

static uint64_t number_after(struct span text, const char *word)
{
	const char *at = memmem(text.ptr, text.len, word, strlen(word));
	assert_non_null(at);
	return strtoull(at + strlen(word), NULL, 10);
}

/* Messages, and whether each submission to witnesses goes on from one before it. *ret_last: the size of the last. */
static unsigned read_spool(uint64_t *ret_last)
{
	struct spool_reader *r = NULL;
	struct spool_entry e;
	uint64_t sizes[64] = {0};
	unsigned messages = 0, n = 1;
	assert_int_equal(spool_reader_open(a.spool_dir, a.spool_key, "receiver", &r), 0);
	while (spool_next(r, &e) == 0) {
		messages += e.type == SPOOL_MESSAGE;
		if (e.type != SPOOL_WITNESS) {
			continue;
		}
		uint64_t old = number_after(e.bytes, "old "), size = number_after(e.bytes, "\ntest\n");
		bool seen = false;
		for (unsigned i = 0; i < n; i++) {
			seen = seen || sizes[i] == old;
		}
		assert_true(seen && size >= old && n < ARRAY_LEN(sizes));
		sizes[n++] = size;
	}
	spool_reader_close(r);
	*ret_last = sizes[n - 1];
	return messages;
}

static void ignore(void *arg, const struct verify_finding *f)
{
	(void)arg, (void)f;
}

static uint64_t bad_in_journal(void)
{
	uint8_t public[ED25519_PUBLIC];
	size_t len = sizeof(public);
	struct note_key key;
	struct verify_result result;
	assert_int_equal(EVP_PKEY_get_raw_public_key(signer, public, &len), 1);
	assert_int_equal(note_key_make("test", NOTE_ED25519, public, &key), 0);
	const struct verify_request q = {
		.dirs = &a.dir, .n_dirs = 1, .keys = &key, .n_keys = 1, .found = ignore};
	assert_int_equal(journal_verify(&q, &result), 0);
	assert_int_equal(result.covered, result.size);
	return result.bad;
}

/* ---- The test ---- */

struct cut {
	size_t journal, spool;
	const struct disk *checkpoint, *carried; /* whose; NULL: there is none */
};

static void after_the_loss(const struct disk *d, const char *segment, const char *spool, struct cut c)
{
	struct journal_recovered r;
	uint64_t who, last;
	empty("");
	empty("spool");
	for (unsigned i = 0; i < d->n; i++) {
		const struct kept *k = &d->file[i];
		bool apart =
			strcmp(k->name, "checkpoint") == 0 || strcmp(k->name, "spool/" CARRIED_FILE) == 0;
		if (!apart) {
			put(k, strcmp(k->name, segment) == 0  ? c.journal
				: strcmp(k->name, spool) == 0 ? c.spool
							      : k->len);
		}
	}
	const struct kept *checkpoint_file = c.checkpoint ? on(c.checkpoint, "checkpoint") : NULL;
	const struct kept *carried = c.carried ? on(c.carried, "spool/" CARRIED_FILE) : NULL;
	put(checkpoint_file, checkpoint_file ? checkpoint_file->len : 0);
	put(carried, carried ? carried->len : 0);
	assert_int_equal(journal_open(a.dir, "test", NULL, NULL, &a.journal, &r), 0);
	auditor_use_spool(&a);
	assert_non_null(a.spool);
	checkpoint_resume(&a, r.vouched);
	assert_int_equal(read_spool(&last), recorded(AUDIT_LOGIN, JOURNAL_NONE, &who));
	grows();
	checkpoint();
	assert_int_equal(read_spool(&last), recorded(AUDIT_LOGIN, JOURNAL_NONE, &who));
	assert_int_equal(last, journal_size(a.journal));
	assert_int_equal(bad_in_journal() > 0, r.damage != JOURNAL_UNDAMAGED); /* what was kept aside */
	assert_int_equal(r.damage, r.vouched > r.size ? JOURNAL_CUT : JOURNAL_UNDAMAGED);
	ends();
}

static size_t between(size_t from, size_t to, unsigned i)
{
	return from + (to - from) * i / (CUTS - 1);
}

static void find_one(const struct disk *d, const char *begin, char name[64])
{
	unsigned n = 0;
	for (unsigned i = 0; i < d->n; i++) {
		if (strncmp(d->file[i].name, begin, strlen(begin)) == 0 &&
			!strstr(d->file[i].name, ".checkpoint")) {
			memcpy(name, d->file[i].name, 64);
			n++;
		}
	}
	assert_int_equal(n, 1);
}

static void power_is_lost(void **state)
{
	(void)state;
	struct disk before, after;
	char path[64], segment[64] = "";
	snprintf(path, sizeof(path), "%s/spool", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	site.audit.n_repositories = site.audit.n_witnesses = 1;
	auditor_use_spool(&a);
	checkpoint_resume(&a, 0);
	grows();
	checkpoint();
	grows();
	keep_disk(&before);
	find_one(&before, "segment-", segment);
	find_one(&before, "spool/spool-", spool_file);
	grows();
	size_t at_commit = spool_at_commit;
	checkpoint();
	ends();
	keep_disk(&after);
	const struct disk *whose[] = {NULL, &before, &after};
	size_t from = on(&before, spool_file)->len, end = on(&after, spool_file)->len;
	assert_true(from < at_commit && at_commit < end);
	for (unsigned i = 0; i < CUTS * CUTS * 9; i++) {
		unsigned j = i / 9 % CUTS, s = i / 9 / CUTS;
		bool committed = j == CUTS - 1;
		struct cut c = {.journal = between(on(&before, segment)->len, on(&after, segment)->len, j),
			/* The spool has a batch before the journal has it, and is told that it counts afterwards. */
			.spool = committed ? between(at_commit, end, s) : between(from, at_commit, s),
			.checkpoint = whose[i % 3],
			.carried = whose[i / 3 % 3]};
		/* What was carried out is noted when the spool has it. */
		if (c.carried != &after || (committed && s == CUTS - 1)) {
			after_the_loss(&after, segment, spool_file, c);
		}
	}
	free_disk(&before);
	free_disk(&after);
	empty("");
	empty("spool");
	opens();
}

static int setup_watched(void **state)
{
	static const char in_memory[] = "/dev/shm/gantry-aud-XXXXXX";
	/* Thousands of fsyncs on a disk take minutes. */
	static_assert(sizeof(in_memory) == sizeof(folder), "as long as the other");
	if (access("/dev/shm", W_OK) == 0) {
		memcpy(folder, in_memory, sizeof(folder));
	}
	watched = journal_io_system;
	watched.pwrite = watched_write;
	io = &watched;
	return setup(state);
}

int main(void)
{
	log_to(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_FORMAT_TEXT);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(power_is_lost),
	};
	return cmocka_run_group_tests(tests, setup_watched, teardown);
}
