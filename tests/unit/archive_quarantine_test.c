/* SPDX-License-Identifier: Apache-2.0 */
#include "archive_quarantine_made.h"

#include <errno.h>
#include <openssl/sha.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define SEALED_PIECE (QUARANTINE_PIECE + AEAD_TAG)
#define STATE_PLACE  (AEAD_NONCE + QUARANTINE_STATE + AEAD_TAG)

static int keep_in(const struct quarantine *q, const struct facts *f, const uint8_t *bytes, size_t n,
	struct quarantine_kept *ret_kept)
{
	static struct quarantine_intake i;
	int e = quarantine_begin(q, f, &i);
	/* In two parts, neither of which is a piece. */
	e = e == 0 ? quarantine_write(&i, span_of(bytes, n / 3)) : e;
	e = e == 0 ? quarantine_write(&i, span_of(bytes + n / 3, n - n / 3)) : e;
	return e == 0 ? quarantine_finish(&i, 1795659000000 + (int64_t)n, f->refusal, ret_kept) : e;
}

static struct quarantine_kept keep(const char *instance, const char *to, size_t n, uint8_t seed)
{
	struct quarantine_kept kept = {0};
	uint8_t *bytes = bytes_of(n, seed);
	assert_int_equal(keep_in(&quarantine, facts_of(instance, to), bytes, n, &kept), 0);
	free(bytes);
	return kept;
}

static int open_number(
	uint64_t number, struct quarantine_object *o, struct quarantine_file *f, struct quarantine_state *s)
{
	static struct facts facts;
	int e = quarantine_find(quarantine.dir, number, o);
	return e == 0 ? quarantine_open(&quarantine, o, f, s, &facts) : e;
}

/* All of it, or the first error. */
static int read_all(const struct quarantine_file *f, uint8_t *to, size_t cap, size_t *ret_n)
{
	static uint8_t piece[QUARANTINE_PIECE];
	bool last = false;
	size_t n = 0, len = 0;
	for (uint64_t i = 0; !last; i++) {
		int e = quarantine_file_read(f, i, piece, &len, &last);
		if (e != 0) {
			return e;
		}
		assert_true(len <= cap - n);
		memcpy(to + n, piece, len);
		n += len;
	}
	*ret_n = n;
	return 0;
}

/* What number n reads as. */
static int reads(uint64_t number)
{
	static uint8_t buf[400000];
	struct quarantine_object o;
	struct quarantine_file f;
	struct quarantine_state s;
	size_t n;
	int e = open_number(number, &o, &f, &s);
	if (e == 0) {
		e = read_all(&f, buf, sizeof(buf), &n);
		quarantine_file_done(&f);
	}
	return e;
}

static void round_trip(void **state)
{
	static const size_t sizes[] = {0, 1, 65535, 65536, 65537, 131072, 200000};
	static uint8_t got[200001];
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		uint8_t digest[32], *bytes = bytes_of(sizes[i], (uint8_t)i);
		struct quarantine_object o;
		struct quarantine_file f;
		struct quarantine_state s;
		struct facts facts;
		size_t n = 0;
		struct quarantine_kept kept = keep("1.2.3", "archive", sizes[i], (uint8_t)i);
		assert_true(kept.is_new && kept.number == i + 1 && kept.count == 1);
		assert_int_equal(quarantine_find(quarantine.dir, kept.number, &o), 0);
		assert_int_equal(quarantine_open(&quarantine, &o, &f, &s, &facts), 0);
		assert_int_equal(read_all(&f, got, sizeof(got), &n), 0);
		assert_int_equal(n, sizes[i]);
		assert_memory_equal(got, bytes, n);
		SHA256(bytes, n, digest);
		assert_memory_equal(s.sha256, digest, sizeof(digest));
		assert_true(s.size == n && s.count == 1 && s.last_refusal == 42 && !s.released);
		assert_memory_equal(&facts, facts_of("1.2.3", "archive"), sizeof(facts));
		quarantine_file_done(&f);
		free(bytes);
	}
	assert_int_equal(count_names(".new-"), 0);
}

static void same(void **state)
{
	struct quarantine_kept first = keep("1.2.3", "archive", 70000, 1);
	for (unsigned i = 2; i <= 10; i++) {
		struct quarantine_kept again = keep("1.2.3", "archive", 70000, 1);
		assert_true(!again.is_new && again.number == first.number && again.count == i);
	}
	/* lock, next, and the object */
	assert_int_equal(count_names(""), 3);
	assert_true(keep("1.2.3", "other", 70000, 1).is_new);
	assert_true(keep("1.2.4", "archive", 70000, 1).is_new);
	assert_true(keep("1.2.3", "archive", 70000, 2).is_new);
	assert_true(keep("1.2.3", "archive", 69999, 1).is_new);
	struct quarantine_object o;
	struct quarantine_file f;
	struct quarantine_state s;
	assert_int_equal(open_number(first.number, &o, &f, &s), 0);
	assert_true(s.count == 10 && s.first_ms == s.last_ms);
	quarantine_file_done(&f);
}

static void nothing_told(void **state)
{
	static const char *const secrets[] = {
		"PAT-4711", "Doe^Jane", "1.2.840", "CT1", "ct-1", "pdf-javascript", "10.1.2.3"};
	static uint8_t buf[200000];
	struct quarantine_object o;
	(void)keep("1.2.840.99", "archive", 1000, 1);
	assert_int_equal(quarantine_find(quarantine.dir, 1, &o), 0);
	int fd = openat(quarantine.dir, o.name, O_RDONLY);
	ssize_t n = read(fd, buf, sizeof(buf));
	assert_true(n > 3000);
	for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
		assert_null(memmem(buf, (size_t)n, secrets[i], strlen(secrets[i])));
	}
	/* Nor one byte run of the data set. */
	uint8_t *bytes = bytes_of(1000, 1);
	assert_null(memmem(buf, (size_t)n, bytes, 16));
	free(bytes);
	close(fd);
}

/* ---- Damage ---- */

static int open_raw(const char *name)
{
	int fd = openat(quarantine.dir, name, O_RDWR);
	assert_true(fd >= 0);
	return fd;
}

static void flip(int fd, uint64_t at)
{
	uint8_t byte;
	assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
	byte ^= 0x40;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
}

static void damaged(void **state)
{
	struct quarantine_object o;
	struct quarantine_file f;
	struct quarantine_state s;
	(void)keep("1.2.3", "archive", 140000, 1);
	(void)keep("1.2.3", "archive", 140000, 1);
	assert_int_equal(open_number(1, &o, &f, &s), 0);
	int fd = open_raw(o.name);
	uint64_t facts_at = QUARANTINE_HEAD + 2 * STATE_PLACE;
	const uint64_t places[] = {0, 7, 8, 11, 12, 30, QUARANTINE_HEAD - 1, facts_at, f.pieces - 1, f.pieces,
		f.pieces + SEALED_PIECE - 1, f.pieces + SEALED_PIECE, o.bytes - 1};
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		assert_int_equal(reads(1), 0);
		flip(fd, places[i]);
		int e = reads(1);
		assert_true(e == ERR_DENIED || e == ERR_TYPE || e == ERR_LENGTH);
		flip(fd, places[i]);
	}
	/* A torn state: the one before it counts. Both: nothing does. */
	flip(fd, QUARANTINE_HEAD + STATE_PLACE + 20);
	assert_int_equal(quarantine_file_again(&f, &s), 0);
	assert_int_equal(s.count, 1);
	flip(fd, QUARANTINE_HEAD + 20);
	assert_int_equal(quarantine_file_again(&f, &s), ERR_DENIED);
	quarantine_file_done(&f);
	close(fd);
}

static void cut(void **state)
{
	struct quarantine_object o;
	struct quarantine_file f;
	struct quarantine_state s;
	(void)keep("1.2.3", "archive", 3 * QUARANTINE_PIECE, 1);
	assert_int_equal(open_number(1, &o, &f, &s), 0);
	int fd = open_raw(o.name);
	/* At the end of a piece, in the midst of one, in the tag. */
	const uint64_t ends[] = {f.pieces + 2 * SEALED_PIECE, f.pieces + SEALED_PIECE + 1, f.pieces + 5};
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		assert_int_equal(ftruncate(fd, (off_t)ends[i]), 0);
		int e = reads(1);
		assert_true(e == ERR_DENIED || e == ERR_TRUNCATED);
	}
	assert_int_equal(ftruncate(fd, (off_t)f.pieces), 0);
	assert_int_equal(reads(1), ERR_NOT_FOUND);
	assert_int_equal(ftruncate(fd, (off_t)f.pieces - 1), 0);
	assert_int_equal(reads(1), ERR_TRUNCATED);
	assert_int_equal(ftruncate(fd, 3), 0);
	assert_int_equal(reads(1), ERR_TRUNCATED);
	quarantine_file_done(&f);
	close(fd);
}

static void copy_piece(int from, uint64_t from_at, int to, uint64_t to_at)
{
	static uint8_t buf[SEALED_PIECE];
	assert_int_equal(pread(from, buf, sizeof(buf), (off_t)from_at), sizeof(buf));
	assert_int_equal(pwrite(to, buf, sizeof(buf), (off_t)to_at), sizeof(buf));
}

static void swapped(void **state)
{
	struct quarantine_object a, b;
	struct quarantine_file f;
	struct quarantine_state s;
	char name[QUARANTINE_NAME];
	(void)keep("1.2.3", "archive", 200000, 1);
	(void)keep("1.2.4", "archive", 200000, 1);
	assert_int_equal(quarantine_find(quarantine.dir, 2, &b), 0);
	assert_int_equal(open_number(1, &a, &f, &s), 0);
	int fd = open_raw(a.name), other = open_raw(b.name);
	/* A piece in another's place, and one of another file. */
	copy_piece(fd, f.pieces, fd, f.pieces + SEALED_PIECE);
	assert_int_equal(reads(1), ERR_DENIED);
	copy_piece(other, f.pieces + SEALED_PIECE, fd, f.pieces + SEALED_PIECE);
	assert_int_equal(reads(1), ERR_DENIED);
	/* One file under the name of the other. */
	assert_int_equal(renameat(quarantine.dir, b.name, quarantine.dir, a.name), 0);
	assert_int_equal(reads(1), ERR_DENIED);
	assert_int_equal(reads(2), ERR_NOT_FOUND);
	/* As if it had been released. */
	snprintf(name, sizeof(name), "1-released");
	assert_int_equal(renameat(quarantine.dir, a.name, quarantine.dir, name), 0);
	assert_int_equal(reads(1), ERR_DENIED);
	quarantine_file_done(&f);
	close(fd);
	close(other);
}

static void other_key(void **state)
{
	static const uint8_t key[QUARANTINE_KEY] = {8};
	struct quarantine_site another;
	struct quarantine_object o;
	struct quarantine_file f;
	struct quarantine_state s;
	(void)keep("1.2.3", "archive", 100, 1);
	assert_int_equal(quarantine_site(key, &another), 0);
	const struct quarantine q = {.dir = quarantine.dir, .site = &another};
	assert_int_equal(quarantine_find(q.dir, 1, &o), 0);
	assert_int_equal(quarantine_open(&q, &o, &f, &s, NULL), ERR_DENIED);
	quarantine_site_done(&another);
}

/* What cannot be read is left to be seen, and its object is kept anew when it comes again. */
static void again_after_damage(void **state)
{
	struct quarantine_object o;
	(void)keep("1.2.3", "archive", 100, 1);
	assert_int_equal(quarantine_find(quarantine.dir, 1, &o), 0);
	int fd = open_raw(o.name);
	flip(fd, 20);
	close(fd);
	struct quarantine_kept kept = keep("1.2.3", "archive", 100, 1);
	assert_true(kept.is_new && kept.number == 2);
	assert_int_equal(keep("1.2.3", "archive", 100, 1).number, 2);
	assert_int_equal(reads(1), ERR_DENIED);
}

/* ---- Room ---- */

static void full_of_objects(void **state)
{
	struct quarantine_kept kept;
	struct quarantine_totals t;
	quarantine.most_objects = 2;
	(void)keep("1.2.3", "archive", 100, 1);
	(void)keep("1.2.4", "archive", 100, 1);
	assert_int_equal(quarantine_count(quarantine.dir, &t), 0);
	assert_true(quarantine_is_full(&quarantine, &t));
	uint8_t *bytes = bytes_of(100, 1);
	assert_int_equal(keep_in(&quarantine, facts_of("1.2.5", "archive"), bytes, 100, &kept), ERR_SPACE);
	/* What is there is still counted. */
	kept = keep("1.2.4", "archive", 100, 1);
	assert_true(kept.number == 2 && kept.count == 2);
	assert_int_equal(count_names(".new-"), 0);
	free(bytes);
}

static void full_of_bytes(void **state)
{
	struct quarantine_kept kept;
	const size_t n = 300000;
	uint8_t *bytes = bytes_of(n, 1);
	quarantine.most_bytes = 500000;
	(void)keep("1.2.3", "archive", n, 1);
	/* Found in the midst of it. */
	assert_int_equal(keep_in(&quarantine, facts_of("1.2.4", "archive"), bytes, n, &kept), ERR_SPACE);
	assert_int_equal(count_names(""), 3);
	assert_int_equal(keep("1.2.3", "archive", n, 1).count, 2);
	/* One that fits does. */
	assert_true(keep("1.2.5", "archive", 100000, 1).is_new);
	free(bytes);
}

/* A disk that is full, as a size limit: in a process of its own. */
static void disk_full(void **state)
{
	(void)keep("1.2.3", "archive", 300000, 1);
	pid_t pid = fork();
	if (pid == 0) {
		struct quarantine_kept kept;
		const struct rlimit least = {100000, 100000};
		uint8_t *bytes = bytes_of(300000, 1);
		(void)signal(SIGXFSZ, SIG_IGN);
		bool ok = setrlimit(RLIMIT_FSIZE, &least) == 0 &&
		          keep_in(&quarantine, facts_of("1.2.4", "archive"), bytes, 300000, &kept) ==
		                  ERR_SPACE &&
		          keep_in(&quarantine, facts_of("1.2.3", "archive"), bytes, 300000, &kept) == 0 &&
		          kept.count == 2;
		free(bytes);
		_exit(ok ? 0 : 1);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(count_names(""), 3);
	assert_int_equal(reads(1), 0);
}

/* ---- Crashes and others ---- */

static void killed(void **state)
{
	int ready[2];
	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();
	if (pid == 0) {
		static struct quarantine_intake i;
		uint8_t *bytes = bytes_of(200000, 1);
		bool ok = quarantine_begin(&quarantine, facts_of("1.2.3", "archive"), &i) == 0 &&
		          quarantine_write(&i, span_of(bytes, 200000)) == 0;
		ok = ok && write(ready[1], "", 1) == 1;
		free(bytes);
		while (ok) {
			pause();
		}
		_exit(1);
	}
	char byte;
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	assert_int_equal(count_names(".new-"), 1);
	/* One that lives is left alone. */
	assert_int_equal(quarantine_clean(quarantine.dir), 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(count_names(".new-"), 1);
	assert_int_equal(quarantine_clean(quarantine.dir), 1);
	assert_int_equal(count_names(""), 0);
}

/* Six processes, killed at any moment, that all bring the same few objects: what is there is whole, and each once. */
static void many(void **state)
{
	pid_t pids[6];
	for (unsigned i = 0; i < ARRAY_LEN(pids); i++) {
		pids[i] = fork();
		for (unsigned k = 0; pids[i] == 0; k++) {
			char instance[16];
			snprintf(instance, sizeof(instance), "1.2.%u", k % 5 + 1);
			(void)keep(instance, "archive", 70000, 1);
		}
	}
	usleep(400000);
	for (unsigned i = 0; i < ARRAY_LEN(pids); i++) {
		assert_int_equal(kill(pids[i], SIGKILL), 0);
		assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
	}
	assert_true(quarantine_clean(quarantine.dir) >= 0);
	struct quarantine_object *at;
	size_t n;
	assert_int_equal(quarantine_list(quarantine.dir, &at, &n), 0);
	assert_int_equal(n, 5);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(reads(at[i].number), 0);
	}
	free(at);
	assert_true(keep("1.2.1", "archive", 70000, 1).count > 1);
}

/* ---- Changes ---- */

static int ask(struct quarantine_state *s, void *arg)
{
	const struct quarantine_person *p = arg;
	if (s->asked.has) {
		return ERR_EXISTS;
	}
	s->asked = *p;
	return 0;
}

static int approve(struct quarantine_state *s, void *arg)
{
	s->approved = *(const struct quarantine_person *)arg;
	s->released = true;
	snprintf(s->outcome, sizeof(s->outcome), "delivered");
	return 0;
}

static void released(void **state)
{
	struct quarantine_object o;
	struct quarantine_file f;
	struct quarantine_state s;
	struct quarantine_person ann = {.has = true, .uid = 1001, .name = "ann", .at_ms = 5};
	struct quarantine_person bob = {.has = true, .uid = 1002, .name = "bob", .at_ms = 6};
	(void)keep("1.2.3", "archive", 200000, 1);
	assert_int_equal(open_number(1, &o, &f, &s), 0);
	assert_int_equal(quarantine_change(&quarantine, &f, ask, &ann, &s), 0);
	/* A resend meanwhile does not take it away, nor it the count. */
	assert_int_equal(keep("1.2.3", "archive", 200000, 1).count, 2);
	assert_int_equal(quarantine_change(&quarantine, &f, ask, &bob, &s), ERR_EXISTS);
	assert_int_equal(quarantine_change(&quarantine, &f, approve, &bob, &s), 0);
	assert_true(s.count == 2 && s.asked.uid == 1001 && s.approved.uid == 1002 && s.released);
	assert_int_equal(quarantine_let_go(&quarantine, &o, &f), 0);
	quarantine_file_done(&f);
	assert_int_equal(open_number(1, &o, &f, &s), 0);
	assert_true(o.released && s.released && strcmp(s.asked.name, "ann") == 0);
	assert_true(o.bytes < 5000);
	quarantine_file_done(&f);
	assert_int_equal(reads(1), ERR_NOT_FOUND);
	/* It comes again: an object like any other, and no number is given twice. */
	assert_true(keep("1.2.3", "archive", 200000, 1).number == 2);
}

static void numbers(void **state)
{
	struct quarantine_object o;
	(void)keep("1.2.3", "archive", 10, 1);
	(void)keep("1.2.4", "archive", 10, 1);
	assert_int_equal(quarantine_find(quarantine.dir, 2, &o), 0);
	assert_int_equal(quarantine_delete(&quarantine, &o), 0);
	assert_int_equal(quarantine_delete(&quarantine, &o), ERR_NOT_FOUND);
	assert_int_equal(keep("1.2.4", "archive", 10, 1).number, 3);
	/* The file that counts is lost: names tell. */
	assert_int_equal(unlinkat(quarantine.dir, "next", 0), 0);
	assert_int_equal(keep("1.2.5", "archive", 10, 1).number, 4);
	int fd = openat(quarantine.dir, "next", O_WRONLY | O_TRUNC);
	assert_int_equal(write(fd, "what", 4), 4);
	close(fd);
	assert_int_equal(keep("1.2.6", "archive", 10, 1).number, 5);
	/* Names that are not ours are not looked at. */
	static const char *const others[] = {"6-", "06-released", "6-released.bak", "x", "-released", "6-ZZ",
		"9999999999999999999-released"};
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		close(openat(quarantine.dir, others[i], O_WRONLY | O_CREAT, 0600));
	}
	struct quarantine_totals t;
	assert_int_equal(quarantine_count(quarantine.dir, &t), 0);
	assert_true(t.objects == 4 && t.greatest == 5 && t.oldest == 1 && t.released == 0);
}

static void bad_facts(void **state)
{
	static struct quarantine_intake i;
	struct facts f = *facts_of("1.2.3", "archive");
	snprintf(f.patient_name, sizeof(f.patient_name), "a\x1b[2J");
	assert_int_equal(quarantine_begin(&quarantine, &f, &i), ERR_VALUE);
	f = *facts_of("", "archive");
	assert_int_equal(quarantine_begin(&quarantine, &f, &i), ERR_VALUE);
	f = *facts_of("1.2.3", "archive");
	f.n_findings = FACTS_FINDINGS + 1;
	assert_int_equal(quarantine_begin(&quarantine, &f, &i), ERR_LIMIT);
	assert_int_equal(count_names(".new-"), 0);
}

static void facts_forms(void **state)
{
	static uint8_t buf[FACTS_MOST];
	size_t n;
	struct facts got = {.refusal = 9};
	const struct facts *f = facts_of("1.2.3", "archive");
	assert_int_equal(facts_write(f, buf, sizeof(buf), &n), 0);
	for (size_t i = 0; i < n; i++) {
		uint8_t *exact = malloc(i + 1);
		memcpy(exact, buf, i);
		assert_int_equal(facts_read(span_of(exact, i), &got), ERR_TRUNCATED);
		free(exact);
	}
	assert_int_equal(got.refusal, 9);
	buf[n] = 0;
	assert_int_equal(facts_read(span_of(buf, n + 1), &got), ERR_TRAILING);
	buf[0] = 3;
	assert_int_equal(facts_read(span_of(buf, n), &got), ERR_VALUE);
	buf[0] = 2;
	assert_int_equal(facts_read(span_of(buf, n), &got), 0);
	assert_memory_equal(&got, f, sizeof(got));
	assert_int_equal(facts_write(f, buf, n - 1, &n), ERR_SPACE);
}

/* Of an object that was kept before more than a certificate's subject was. */
static void facts_of_before(void **state)
{
	static uint8_t buf[FACTS_MOST];
	size_t n;
	struct facts got = {.refusal = 9}, f = *facts_of("1.2.3", "archive");
	memset(f.certificate, 0, sizeof(f.certificate));
	memset(f.serial, 0, sizeof(f.serial));
	memset(f.issuer, 0, sizeof(f.issuer));
	assert_int_equal(facts_write(&f, buf, sizeof(buf), &n), 0);
	/* Behind the study come three empty texts, of which version 1 has none. */
	uint8_t *at = memmem(buf, n, f.study, strlen(f.study));
	assert_non_null(at);
	at += strlen(f.study);
	memmove(at, at + 6, n - 6 - (size_t)(at - buf));
	assert_int_equal(facts_read(span_of(buf, n - 6), &got), ERR_TRUNCATED);
	buf[0] = 1;
	assert_int_equal(facts_read(span_of(buf, n - 6), &got), 0);
	assert_memory_equal(&got, &f, sizeof(got));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_quarantine, remove_quarantine)
	const struct CMUnitTest tests[] = {
		TEST(round_trip),
		TEST(same),
		TEST(nothing_told),
		TEST(damaged),
		TEST(cut),
		TEST(swapped),
		TEST(other_key),
		TEST(again_after_damage),
		TEST(full_of_objects),
		TEST(full_of_bytes),
		TEST(disk_full),
		TEST(killed),
		TEST(many),
		TEST(released),
		TEST(numbers),
		TEST(bad_facts),
		TEST(facts_forms),
		TEST(facts_of_before),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
