/* SPDX-License-Identifier: Apache-2.0 */
#include "net_bytes.h"

#include "antivirus/probe.h"
#include "antivirus/scanner.h"
#include "base/clock.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* What is said to clamd and what is made of its answers, against one that is a few lines long and misbehaves on order. */

/* ---- Answers ---- */

static void check_answer(const char *reply, enum scan_verdict verdict, const char *text)
{
	struct scan_answer a;
	struct span s = exact(reply, strlen(reply));
	answer_read(s, &a);
	exact_free(s);
	assert_int_equal(a.verdict, verdict);
	assert_non_null(strstr(a.text, text));
}

static void only_ok_is_clean(void **state)
{
	(void)state;
	check_answer("stream: OK", SCAN_CLEAN, "");
	check_answer("stream: Eicar-Test FOUND", SCAN_FOUND, "Eicar-Test");
	check_answer("stream: Heuristics.Limits.Exceeded.MaxFileSize FOUND", SCAN_PARTLY, "(MaxFileSize)");
	check_answer("stream: Heuristics.Limits.Exceeded FOUND", SCAN_PARTLY, "()");
	check_answer("INSTREAM size limit exceeded. ERROR", SCAN_PARTLY, "StreamMaxLength");
	check_answer("stream: Can't allocate memory ERROR", SCAN_NOT_SCANNED, "allocate");
	check_answer("", SCAN_NOT_SCANNED, "without an answer");
	check_answer("stream: OK and more", SCAN_NOT_SCANNED, "no sense");
	check_answer("OK", SCAN_NOT_SCANNED, "no sense");
	check_answer("stream:  FOUND", SCAN_NOT_SCANNED, "no sense");
	check_answer("stream: \x1b[31mred FOUND", SCAN_FOUND, "?[31mred");
}

static void every_reply_is_read_within_its_bounds(void **state)
{
	static const char reply[] = "stream: Heuristics.Limits.Exceeded.MaxRecursion FOUND";
	(void)state;
	for (size_t n = 0; n < sizeof(reply); n++) {
		struct scan_answer a;
		struct span s = exact(reply, n);
		answer_read(s, &a);
		exact_free(s);
		assert_int_equal(a.verdict, n == sizeof(reply) - 1 ? SCAN_PARTLY : SCAN_NOT_SCANNED);
	}
}

static void what_weighs_more_stays(void **state)
{
	(void)state;
	struct scan_answer sum = {.verdict = SCAN_PENDING}, one;
	static const enum scan_verdict in[] = {
		SCAN_CLEAN, SCAN_PARTLY, SCAN_CLEAN, SCAN_FOUND, SCAN_NOT_SCANNED};
	static const enum scan_verdict is[] = {SCAN_CLEAN, SCAN_PARTLY, SCAN_PARTLY, SCAN_FOUND, SCAN_FOUND};
	for (unsigned k = 0; k < ARRAY_LEN(in); k++) {
		answer_say(&one, in[k], "%u", k);
		answer_add(&sum, &one);
		assert_int_equal(sum.verdict, is[k]);
	}
	assert_string_equal(sum.text, "3");
}

/* ---- A clamd of a few lines ---- */

enum how { AS_IT_SHOULD, CLOSES_EARLY, SAYS_NOTHING, TAKES_NOTHING, RUBBISH, LIMIT };

static char path[64];
static struct clamd clamd = {.socket = path, .timeout_ms = 400};
static pid_t server;
static size_t server_limit;

static bool read_exactly(int fd, uint8_t *to, size_t n)
{
	while (n > 0) {
		ssize_t got = read(fd, to, n);
		if (got <= 0) {
			return false;
		}
		to += got;
		n -= (size_t)got;
	}
	return true;
}

static void say(int fd, const char *text)
{
	(void)!send(fd, text, strlen(text) + 1, MSG_NOSIGNAL);
}

/* The test string at the beginning, "evil" anywhere, up to server_limit bytes. */
static void serve_stream(int fd, enum how how)
{
	static uint8_t all[4u * 1024 * 1024];
	static char text[PROBE_STRING + 1];
	size_t n = 0;
	uint8_t head[4];
	while (read_exactly(fd, head, 4)) {
		size_t len = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
		if (len == 0) {
			break;
		}
		if (len > sizeof(all) - n || !read_exactly(fd, all + n, len)) {
			return;
		}
		n += len;
		if (how == LIMIT && n > server_limit) {
			say(fd, "INSTREAM size limit exceeded. ERROR");
			return;
		}
		if (how == CLOSES_EARLY) {
			return;
		}
	}
	probe_string(text);
	bool seen = n <= server_limit;
	bool bad = seen &&
	           ((n >= PROBE_STRING && memcmp(all, text, PROBE_STRING) == 0) ||
			   memmem(all, n, "evil", 4) != NULL || (n == 5 && memcmp(all, "exact", 5) == 0));
	if (how == SAYS_NOTHING) {
		(void)pause();
	}
	say(fd, how == RUBBISH ? "I am a teapot" : bad ? "stream: Test.Bad FOUND" : "stream: OK");
}

static void serve(int listener, enum how how)
{
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		uint8_t c = 0;
		char command[32] = "";
		for (size_t n = 0; n + 1 < sizeof(command) && read_exactly(fd, &c, 1) && c; n++) {
			command[n] = (char)c;
		}
		if (how == TAKES_NOTHING) {
			(void)pause();
		}
		if (strcmp(command, "zVERSION") == 0) {
			say(fd, "ClamAV 1.2.3/4/today");
		} else if (strcmp(command, "zINSTREAM") == 0) {
			serve_stream(fd, how);
		}
		close(fd);
	}
}

static void start(enum how how, size_t limit)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	snprintf(path, sizeof(path), "/tmp/gantry-av-%d", (int)getpid());
	(void)unlink(path);
	memcpy(at.sun_path, path, strlen(path));
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (const struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(listener, 16), 0);
	server_limit = limit;
	server = fork();
	if (server == 0) {
		(void)alarm(30);
		serve(listener, how);
		_exit(0);
	}
	close(listener);
}

static void stop(void)
{
	(void)kill(server, SIGKILL);
	(void)waitpid(server, NULL, 0);
	(void)unlink(path);
}

static struct scanner scanner;

static enum scan_verdict scan(struct span rest, struct span part, uint64_t most)
{
	scanner_begin(&scanner, &clamd, most);
	scanner_take(&scanner, SCAN_TO_REST, rest);
	if (part.len > 0) {
		scanner_take(&scanner, SCAN_TO_PART, part);
		scanner_take(&scanner, SCAN_PART_END, (struct span){0});
	}
	scanner_end(&scanner);
	return scanner.sum.verdict;
}

static const struct span none;

static void files_are_told_apart(void **state)
{
	(void)state;
	start(AS_IT_SHOULD, SIZE_MAX);
	assert_int_equal(scan(span_str("good"), none, 1000), SCAN_CLEAN);
	assert_int_equal(scan(span_str("an evil text"), none, 1000), SCAN_FOUND);
	assert_string_equal(scanner.sum.text, "Test.Bad");
	assert_int_equal(scan(span_str("good"), span_str("evil"), 1000), SCAN_FOUND);
	assert_int_equal(scan(span_str("good"), span_str("good"), 1000), SCAN_CLEAN);
	/* Cut in two files the word is none. */
	assert_int_equal(scan(span_str("ev"), span_str("il"), 1000), SCAN_CLEAN);
	assert_int_equal(scan(none, none, 1000), SCAN_CLEAN);
	stop();
}

static void padding_is_left_away_once(void **state)
{
	(void)state;
	start(AS_IT_SHOULD, SIZE_MAX);
	assert_int_equal(scan(none, span_of("exact\0", 6), 1000), SCAN_FOUND);
	assert_int_equal(scan(none, span_of("exact!", 6), 1000), SCAN_CLEAN);
	stop();
}

static void a_long_rest_is_one_file(void **state)
{
	static uint8_t text[SCANNER_REST + 100];
	(void)state;
	start(AS_IT_SHOULD, SIZE_MAX);
	memset(text, '.', sizeof(text));
	memcpy(text + SCANNER_REST - 2, "evil", 4);
	assert_int_equal(scan(span_of(text, sizeof(text)), none, SIZE_MAX), SCAN_FOUND);
	text[SCANNER_REST] = '.';
	assert_int_equal(scan(span_of(text, sizeof(text)), none, SIZE_MAX), SCAN_CLEAN);
	stop();
}

static void a_rest_that_was_cut_overlaps(void **state)
{
	static uint8_t text[SCANNER_REST];
	(void)state;
	start(AS_IT_SHOULD, SIZE_MAX);
	memset(text, '.', sizeof(text));
	memcpy(text + sizeof(text) - 2, "ev", 2);
	scanner_begin(&scanner, &clamd, SIZE_MAX);
	scanner_take(&scanner, SCAN_TO_REST, span_of(text, sizeof(text)));
	assert_true(scanner.rest_open);
	scanner_idle(&scanner); /* not yet */
	assert_true(scanner.rest_open);
	scanner.rest_ms -= SCANNER_IDLE_MS;
	scanner_idle(&scanner);
	assert_false(scanner.rest_open);
	assert_int_equal(scanner.sum.verdict, SCAN_CLEAN);
	scanner_take(&scanner, SCAN_TO_REST, span_str("il"));
	scanner_end(&scanner);
	assert_int_equal(scanner.sum.verdict, SCAN_FOUND);
	stop();
}

static void what_is_too_large_is_not_clean(void **state)
{
	static const uint8_t zeros[100];
	(void)state;
	start(AS_IT_SHOULD, SIZE_MAX);
	assert_int_equal(scan(span_of(zeros, 100), none, 100), SCAN_CLEAN);
	assert_int_equal(scan(span_of(zeros, 100), none, 99), SCAN_PARTLY);
	assert_int_equal(scan(span_str("good"), span_of(zeros, 100), 99), SCAN_PARTLY);
	/* What else there is of it is scanned all the same. */
	assert_int_equal(scan(span_of(zeros, 100), span_str("evil"), 99), SCAN_FOUND);
	stop();
	start(LIMIT, 50);
	assert_int_equal(scan(none, span_of(zeros, 100), 1000), SCAN_PARTLY);
	stop();
	scanner_begin(&scanner, &clamd, 100);
	scanner_take(&scanner, SCAN_UNREAD, span_str("a reason"));
	scanner_end(&scanner);
	assert_int_equal(scanner.sum.verdict, SCAN_PARTLY);
	assert_string_equal(scanner.sum.text, "a reason");
}

static void no_trouble_is_clean(void **state)
{
	static const enum how hows[] = {CLOSES_EARLY, SAYS_NOTHING, TAKES_NOTHING, RUBBISH};
	static uint8_t zeros[1024 * 1024];
	(void)state;
	for (unsigned k = 0; k < ARRAY_LEN(hows); k++) {
		start(hows[k], SIZE_MAX);
		int64_t begun = clock_mono_ms();
		assert_int_equal(
			scan(span_of(zeros, sizeof(zeros)), span_str("evil"), SIZE_MAX), SCAN_NOT_SCANNED);
		assert_true(scanner.sum.text[0]);
		assert_in_range(clock_mono_ms() - begun, 0, 3000);
		stop();
	}
	assert_int_equal(scan(span_str("good"), none, 1000), SCAN_NOT_SCANNED);
	assert_non_null(strstr(scanner.sum.text, "clamd is not there"));
}

static void what_it_looks_at_is_learnt(void **state)
{
	struct probe p;
	(void)state;
	start(AS_IT_SHOULD, SIZE_MAX);
	probe_long(&clamd, 2u * 1024 * 1024, &p);
	assert_true(p.good);
	assert_int_equal(p.most, 2u * 1024 * 1024);
	assert_string_equal(p.version, "ClamAV 1.2.3/4/today");
	assert_string_equal(p.why, "");
	stop();
	start(AS_IT_SHOULD, 1500 * 1024); /* says OK to what is larger, as clamd does */
	probe_long(&clamd, 2u * 1024 * 1024, &p);
	assert_true(p.good);
	assert_int_equal(p.most, 1024 * 1024);
	assert_false(p.tells);
	assert_non_null(strstr(p.why, "MaxFileSize"));
	stop();
	start(LIMIT, 1500 * 1024); /* says so */
	probe_long(&clamd, 2u * 1024 * 1024, &p);
	assert_true(p.good && p.tells);
	assert_int_equal(p.most, 1024 * 1024);
	stop();
	start(AS_IT_SHOULD, 10); /* knows no test string */
	probe_short(&clamd, &p);
	assert_false(p.good);
	assert_non_null(strstr(p.why, "EICAR"));
	stop();
	probe_short(&clamd, &p);
	assert_false(p.good);
	assert_non_null(strstr(p.why, "not there"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_ok_is_clean),
		cmocka_unit_test(every_reply_is_read_within_its_bounds),
		cmocka_unit_test(what_weighs_more_stays),
		cmocka_unit_test(files_are_told_apart),
		cmocka_unit_test(padding_is_left_away_once),
		cmocka_unit_test(a_long_rest_is_one_file),
		cmocka_unit_test(a_rest_that_was_cut_overlaps),
		cmocka_unit_test(what_is_too_large_is_not_clean),
		cmocka_unit_test(no_trouble_is_clean),
		cmocka_unit_test(what_it_looks_at_is_learnt),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
