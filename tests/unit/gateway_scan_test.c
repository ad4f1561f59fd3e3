/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect_made.h"

#include "gateway/scan.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* An association's end of a scan, against a job that is played here: what arrives, back-pressure, and every way to fail. */

#define MOST (3u * 1024 * 1024)

static struct scan *scan;
static int job;
static uint8_t *wire, *rest, *parts, *file;
static size_t n_wire, n_rest, n_parts, n_file;
static char unread[128];
static bool ended;

static void start_with(bool whole, const char *syntax, int send_buffer)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	if (send_buffer > 0) {
		assert_int_equal(
			setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof(send_buffer)), 0);
	}
	job = pair[1];
	n_wire = n_rest = n_parts = n_file = 0;
	ended = false;
	unread[0] = 0;
	scan_begin(scan, pair[0],
		&(struct scan_about){.transfer_syntax = span_str(syntax),
			.whole = whole,
			.file = whole ? span_str("FILE BEGINS") : (struct span){0},
			.timeout_ms = 1000});
}

static void append(uint8_t *to, size_t *n, struct span s)
{
	assert_true(*n + s.len < MOST);
	memcpy(to + *n, s.ptr, s.len);
	*n += s.len;
}

/* What came, taken apart. */
static void job_reads(void)
{
	ssize_t got;
	while ((got = recv(job, wire + n_wire, MOST - n_wire, 0)) > 0) {
		n_wire += (size_t)got;
	}
	struct reader r = reader_of(span_of(wire, n_wire));
	for (;;) {
		struct reader piece = r;
		uint8_t to;
		uint32_t n;
		struct span s;
		if (reader_u8(&piece, &to) != 0 || reader_u32be(&piece, &n) != 0 ||
			reader_bytes(&piece, n, &s) != 0) {
			break;
		}
		assert_false(ended);
		assert_true(n <= SCAN_PIECE);
		switch (to) {
		case SCAN_TO_REST:
			append(rest, &n_rest, s);
			break;
		case SCAN_TO_PART:
			append(parts, &n_parts, s);
			break;
		case SCAN_PART_END:
			append(parts, &n_parts, span_str("|"));
			break;
		case SCAN_TO_WHOLE:
			append(file, &n_file, s);
			break;
		case SCAN_UNREAD:
			snprintf(unread, sizeof(unread), "%.*s", (int)s.len, (const char *)s.ptr);
			break;
		case SCAN_END:
			ended = true;
			break;
		default:
			fail();
		}
		r = piece;
	}
	n_wire -= r.pos;
	memmove(wire, wire + r.pos, n_wire);
}

static void job_says(uint8_t verdict, const char *text)
{
	uint8_t head[2] = {verdict, (uint8_t)strlen(text)};
	assert_int_equal(send(job, head, 2, MSG_NOSIGNAL), 2);
	assert_int_equal(send(job, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* All of it, with the job reading whenever there is no room. How often there was none. */
static unsigned feed(struct span s, size_t step)
{
	unsigned full = 0;
	while (s.len > 0) {
		size_t n = scan_feed(scan, span_of(s.ptr, step < s.len ? step : s.len));
		s = span_of(s.ptr + n, s.len - n);
		if (n == 0) {
			full++;
			assert_true(scan->events & POLLOUT);
			job_reads();
			scan_ready(scan);
		}
	}
	return full;
}

static void finish(void)
{
	scan_last(scan, 0);
	for (unsigned k = 0; k < 10000 && !ended; k++) {
		job_reads();
		scan_ready(scan);
	}
	assert_true(ended);
	assert_int_equal(scan->answer.verdict, SCAN_PENDING);
	assert_int_equal(scan->events, POLLIN);
}

static void is_answered(enum scan_verdict verdict, const char *text)
{
	assert_int_equal(scan->answer.verdict, verdict);
	assert_non_null(strstr(scan->answer.text, text));
	assert_int_equal(scan->fd, -1);
	assert_int_equal(scan->events, 0);
	/* What comes now is taken and goes nowhere. */
	assert_int_equal(scan_feed(scan, span_str("more")), 4);
	close(job);
}

static struct span object_with_document(void)
{
	struct writer w = object(SECONDARY);
	put_patient(&w, "Doe^Jane");
	put_value(&w, 0x00420011, "OB", "%PDF-1.4 body", 13);
	put_value(&w, 0x7FE00010, "OB", "PIXELPIX", 8);
	return writer_span_of(&w);
}

static void an_object_arrives_however_it_is_cut(void **state)
{
	(void)state;
	struct span s = object_with_document();
	const size_t steps[] = {1, 7, 10000};
	for (unsigned k = 0; k < 2 * ARRAY_LEN(steps); k++) {
		start_with(k % 2, EXPLICIT, 0);
		(void)feed(s, steps[k / 2]);
		finish();
		assert_non_null(memmem(rest, n_rest, "Doe^Jane", 8));
		assert_memory_equal(parts, "%PDF-1.4 body\0|", 15);
		assert_int_equal(n_parts, 15);
		if (k % 2) {
			assert_int_equal(n_file, 11 + s.len);
			assert_memory_equal(file, "FILE BEGINS", 11);
			assert_memory_equal(file + 11, s.ptr, s.len);
		}
		job_says(SCAN_CLEAN, "");
		scan_ready(scan);
		is_answered(SCAN_CLEAN, "");
	}
}

static void a_slow_job_makes_the_sender_wait(void **state)
{
	static uint8_t big[2u * 1024 * 1024];
	(void)state;
	struct writer w = writer_of(big, sizeof(big));
	put_head(&w, e, 0x00104000, "UT", (uint32_t)sizeof(big) - 12);
	for (size_t k = w.len; k < sizeof(big); k++) {
		big[k] = (uint8_t)(' ' + k % 90);
	}
	for (unsigned whole = 0; whole < 2; whole++) {
		start_with(whole, EXPLICIT, 4096);
		assert_true(feed(span_of(big, sizeof(big)), 128 * 1024) > 5);
		finish();
		assert_int_equal(n_rest, sizeof(big) - 12 + 1);
		assert_memory_equal(rest, big + 12, sizeof(big) - 12);
		assert_int_equal(n_file, whole ? 11 + sizeof(big) : 0);
		job_says(SCAN_FOUND, "Test.Name");
		scan_ready(scan);
		is_answered(SCAN_FOUND, "Test.Name");
	}
}

static void deflated_bombs_are_bounded(void **state)
{
	/* 1 MiB of a value, deflated by hand: stored, then repeated by the inflater's own means. */
	static uint8_t plain[1024 * 1024], deflated[64 * 1024];
	(void)state;
	struct writer w = writer_of(plain, sizeof(plain));
	put_head(&w, e, 0x00104000, "UT", (uint32_t)sizeof(plain) - 12);
	memset(plain + w.len, 'x', sizeof(plain) - w.len);
	z_stream z = {0};
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = plain;
	z.avail_in = sizeof(plain);
	z.next_out = deflated;
	z.avail_out = sizeof(deflated);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	size_t n = sizeof(deflated) - z.avail_out;
	deflateEnd(&z);
	start_with(false, "1.2.840.10008.1.2.1.99", 4096);
	/* All of it is taken at once, and what it says is fetched as there is room. */
	(void)feed(span_of(deflated, n), n);
	finish();
	assert_int_equal(n_rest, sizeof(plain) - 12 + 1);
	job_says(SCAN_CLEAN, "");
	scan_ready(scan);
	is_answered(SCAN_CLEAN, "");
}

static void what_cannot_be_read_is_told(void **state)
{
	(void)state;
	start_with(false, "1.2.840.10008.1.2.1.99", 0);
	(void)feed(span_str("\xff\xff not deflated"), 100);
	finish();
	assert_non_null(strstr(unread, "deflated"));
	job_says(SCAN_PARTLY, unread);
	scan_ready(scan);
	is_answered(SCAN_PARTLY, "deflated");
}

static void no_failure_is_clean(void **state)
{
	(void)state;
	struct span s = object_with_document();
	/* The job is lost, before and after all was sent. */
	start_with(false, EXPLICIT, 0);
	close(job);
	scan_last(scan, 0);
	is_answered(SCAN_NOT_SCANNED, "ended");
	start_with(false, EXPLICIT, 0);
	(void)feed(s, 1000);
	finish();
	(void)shutdown(job, SHUT_RDWR);
	scan_ready(scan);
	is_answered(SCAN_NOT_SCANNED, "ended");
	/* It speaks before it has all: what it may say is that it cannot, and what it found. */
	start_with(false, EXPLICIT, 0);
	job_says(SCAN_NOT_SCANNED, "clamd is away");
	scan_ready(scan);
	is_answered(SCAN_NOT_SCANNED, "clamd is away");
	start_with(false, EXPLICIT, 0);
	job_says(SCAN_CLEAN, "");
	scan_ready(scan);
	is_answered(SCAN_NOT_SCANNED, "no sense");
	/* Verdicts that are none. */
	for (unsigned k = 0; k < 2; k++) {
		start_with(false, EXPLICIT, 0);
		job_says(k ? SCAN_VERDICTS : SCAN_PENDING, "");
		scan_ready(scan);
		is_answered(SCAN_NOT_SCANNED, "no sense");
	}
	/* No job, and no answer in time. */
	scan_none(scan, "nobody there");
	job = -1;
	is_answered(SCAN_NOT_SCANNED, "nobody there");
	start_with(false, EXPLICIT, 0);
	scan_check(scan, 1000000);
	assert_int_equal(scan->answer.verdict, SCAN_PENDING);
	finish();
	scan_check(scan, 999);
	assert_int_equal(scan->answer.verdict, SCAN_PENDING);
	scan_check(scan, 1000);
	is_answered(SCAN_NOT_SCANNED, "in time");
}

static void what_was_said_before_the_end_of_the_stream_is_heard(void **state)
{
	static uint8_t text[512 * 1024];
	(void)state;
	start_with(false, "1.2.3", 0);
	job_says(SCAN_NOT_SCANNED, "too many");
	close(job);
	job = -1;
	for (unsigned k = 0; k < 4 && scan->fd >= 0; k++) {
		(void)!scan_feed(scan, span_of(text, sizeof(text)));
		scan_ready(scan);
	}
	is_answered(SCAN_NOT_SCANNED, "too many");
}

/* One that reads nothing, and says nothing, does not keep the sender waiting for ever; while it takes something, it has time. */
static void a_job_that_hangs_is_given_up(void **state)
{
	static uint8_t much[1 << 20];
	size_t n = 0, some = 1;
	char discarded[4096];
	start_with(true, "1.2.840.10008.1.2.1", 8192);
	scan_check(scan, 0);
	assert_true(scan_due(scan) == INT64_MAX);
	while (some > 0) {
		some = scan_feed(scan, span_of(much, sizeof(much)));
		n += some;
	}
	assert_true(n < sizeof(much) && scan_due(scan) == INT64_MAX);
	scan_check(scan, 5000);
	assert_true(scan_due(scan) == 6000);
	scan_check(scan, 5999);
	assert_true(scan->answer.verdict == SCAN_PENDING);
	while (recv(job, discarded, sizeof(discarded), 0) > 0) {
		scan_ready(scan);
	}
	assert_true(scan_feed(scan, span_of(much, sizeof(much))) > 0);
	scan_check(scan, 6000);
	assert_true(scan->answer.verdict == SCAN_PENDING && scan_due(scan) == 7000);
	scan_hurry(scan, 6500, 600);
	assert_true(scan_due(scan) == 7000);
	scan_hurry(scan, 6400, 600);
	assert_true(scan_due(scan) == 7000);
	scan_hurry(scan, 6400, 500);
	assert_true(scan_due(scan) == 6900);
	assert_true(scan_feed(scan, span_of(much, sizeof(much))) == 0);
	scan_check(scan, 6900);
	assert_true(scan->answer.verdict == SCAN_NOT_SCANNED && scan->fd < 0);
	assert_true(strstr(scan->answer.text, "takes no more") != NULL);
	assert_true(scan_feed(scan, span_of(much, sizeof(much))) == sizeof(much));
	close(job);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_object_arrives_however_it_is_cut),
		cmocka_unit_test(a_slow_job_makes_the_sender_wait),
		cmocka_unit_test(a_job_that_hangs_is_given_up),
		cmocka_unit_test(deflated_bombs_are_bounded),
		cmocka_unit_test(what_cannot_be_read_is_told),
		cmocka_unit_test(no_failure_is_clean),
		cmocka_unit_test(what_was_said_before_the_end_of_the_stream_is_heard),
	};
	scan = calloc(1, sizeof(*scan));
	wire = malloc(MOST);
	rest = malloc(MOST);
	parts = malloc(MOST);
	file = malloc(MOST);
	if (!scan || !wire || !rest || !parts || !file) {
		return 1;
	}
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	free(scan);
	free(wire);
	free(rest);
	free(parts);
	free(file);
	return failed;
}
