/* SPDX-License-Identifier: Apache-2.0 */
#include "base/reader.h"
#include "gateway/clean.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants those before it */
#include <cmocka.h>

/* An association's end of having pixels cleaned, against a job that is played here; and the frames that both say. */

#define MOST (3u * 1024 * 1024)

static struct clean *clean;
static struct cleaner_order *order;
static int job;
static uint8_t *wire, *file, *result, *pattern;
static size_t n_wire, n_file, n_result;
static bool ended;

static int on_data(void *arg, struct span bytes)
{
	(void)arg;
	assert_true(n_file + bytes.len <= MOST);
	memcpy(file + n_file, bytes.ptr, bytes.len);
	n_file += bytes.len;
	return 0;
}

static void start_with(struct span rules, bool features, int send_buffer)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	for (int i = 0; i < 2 && send_buffer > 0; i++) {
		assert_int_equal(
			setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof(send_buffer)), 0);
	}
	job = pair[1];
	n_wire = n_file = n_result = 0;
	ended = false;
	cleaner_order_begin(order, on_data, NULL);
	clean_begin(clean, pair[0],
		&(struct clean_about){.rules = rules, .features = features, .timeout_ms = 1000});
}

static void start_plain(void)
{
	start_with((struct span){0}, false, 0);
}

/* What came, taken as a job takes it. */
static void job_reads(void)
{
	ssize_t got;
	while (!ended && (got = recv(job, wire + n_wire, 3000, 0)) > 0) {
		size_t used = 0;
		n_wire += (size_t)got;
		int e = cleaner_order_take(order, span_of(wire, n_wire), &used);
		assert_true(e == 0 || e == ERR_CLOSED);
		ended = e == ERR_CLOSED;
		n_wire -= e == 0 ? used : 0;
		memmove(wire, wire + used, n_wire);
	}
}

static void says(enum cleaner_kind kind, uint8_t code, struct span bytes)
{
	uint8_t head[CLEANER_HEAD];
	cleaner_put_head(&(struct cleaner_head){kind, code, (uint32_t)bytes.len}, head);
	assert_int_equal(send(job, head, sizeof(head), MSG_NOSIGNAL), sizeof(head));
	assert_int_equal(send(job, bytes.ptr, bytes.len, MSG_NOSIGNAL), bytes.len);
}

static void job_ends(enum cleaner_outcome outcome, const char *why)
{
	says(CLEANER_END, (uint8_t)outcome, span_str(why));
}

/* All of it, with the job reading whenever there is no room. How often there was none. */
static unsigned feed(struct span s, size_t step)
{
	unsigned full = 0;
	while (s.len > 0) {
		size_t n = clean_feed(clean, span_of(s.ptr, step < s.len ? step : s.len));
		s = span_of(s.ptr + n, s.len - n);
		if (n == 0) {
			full++;
			assert_true(clean->events & POLLOUT);
			job_reads();
			clean_ready(clean);
		}
	}
	return full;
}

static void finish(void)
{
	clean_last(clean, 0);
	for (unsigned k = 0; k < 10000 && !ended; k++) {
		job_reads();
		clean_ready(clean);
	}
	assert_true(ended);
	assert_int_equal(clean->answer.outcome, CLEANER_PENDING);
	assert_int_equal(clean->events, POLLIN);
}

static void take(void)
{
	struct span s;
	while (clean_take(clean, &s) == 0) {
		assert_true(s.len > 0 && n_result + s.len <= MOST);
		memcpy(result + n_result, s.ptr, s.len);
		n_result += s.len;
	}
}

static void is_answered(enum cleaner_outcome outcome, const char *text)
{
	struct span none;
	if (!strstr(clean->answer.text, text)) {
		fail_msg("%s, not %s", clean->answer.text, text);
	}
	assert_int_equal(clean->answer.outcome, outcome);
	assert_int_equal(clean->fd, -1);
	assert_int_equal(clean->events, 0);
	/* What comes now is taken and goes nowhere. */
	assert_int_equal(clean_feed(clean, span_str("more")), 4);
	assert_int_equal(clean_take(clean, &none), ERR_AGAIN);
	assert_true(clean_due(clean) == INT64_MAX);
	if (job >= 0) {
		close(job);
	}
}

/* ---- The way there ---- */

static void an_object_arrives_however_it_is_cut(void **state)
{
	static const struct {
		size_t rules, step;
	} cases[] = {{0, 1}, {10, 7}, {100000, 10000}, {LIMIT_PIXEL_RULES, 200000}};
	for (unsigned k = 0; k < ARRAY_LEN(cases); k++) {
		size_t len = cases[k].step < 100 ? 3000 : 300000;
		start_with(span_of(pattern, cases[k].rules), k % 2, 0);
		(void)feed(span_of(pattern + 5, len), cases[k].step);
		finish();
		assert_int_equal(n_file, len);
		assert_memory_equal(file, pattern + 5, len);
		assert_int_equal(order->n_rules, cases[k].rules);
		assert_memory_equal(order->rules, pattern, cases[k].rules);
		assert_true(order->features == (k % 2 != 0));
		job_ends(CLEANER_UNKNOWN, "");
		clean_ready(clean);
		is_answered(CLEANER_UNKNOWN, "");
	}
}

static void a_slow_job_makes_the_sender_wait(void **state)
{
	start_with(span_of(pattern, LIMIT_PIXEL_RULES), false, 4096);
	assert_true(feed(span_of(pattern, MOST / 2), 128 * 1024) > 5);
	finish();
	assert_int_equal(n_file, MOST / 2);
	assert_memory_equal(file, pattern, MOST / 2);
	job_ends(CLEANER_PASS, "a rule");
	clean_ready(clean);
	is_answered(CLEANER_PASS, "a rule");
}

static void too_much_is_not_begun(void **state)
{
	start_plain();
	clean->n_fed = LIMIT_CLEANED - 10;
	assert_int_equal(clean_feed(clean, span_of(pattern, 10)), 10);
	assert_int_equal(clean->answer.outcome, CLEANER_PENDING);
	assert_int_equal(clean_feed(clean, span_of(pattern, 1)), 1);
	is_answered(CLEANER_REFUSED, "so large");
	start_with(span_of(pattern, LIMIT_PIXEL_RULES + 1), false, 0);
	is_answered(CLEANER_LOST, "too long");
}

/* ---- And back ---- */

static void a_result_comes_back_however_it_is_cut(void **state)
{
	for (size_t step = 1; step <= CLEANER_PIECE; step *= 16) {
		size_t len = step == 1 ? 2000 : 400000;
		start_with((struct span){0}, false, 100000);
		(void)feed(span_str("object"), 100);
		finish();
		for (size_t at = 0; at < len;) {
			struct span s = span_of(pattern + at, len - at < step ? len - at : step);
			uint8_t whole[CLEANER_HEAD + CLEANER_PIECE];
			cleaner_put_head(&(struct cleaner_head){CLEANER_DATA, 0, (uint32_t)s.len}, whole);
			memcpy(whole + CLEANER_HEAD, s.ptr, s.len);
			for (size_t k = 0; k < CLEANER_HEAD + s.len;) {
				ssize_t n = send(job, whole + k, CLEANER_HEAD + s.len - k, MSG_NOSIGNAL);
				k += n > 0 ? (size_t)n : 0;
				clean_ready(clean);
				take();
			}
			at += s.len;
		}
		job_ends(CLEANER_CLEANED, "the rule");
		clean_ready(clean);
		take();
		assert_int_equal(n_result, len);
		assert_memory_equal(result, pattern, len);
		is_answered(CLEANER_CLEANED, "the rule");
	}
}

static void a_full_buffer_waits_for_its_reader(void **state)
{
	start_with((struct span){0}, false, 400000);
	(void)feed(span_str("object"), 100);
	finish();
	says(CLEANER_DATA, 0, span_of(pattern, CLEANER_PIECE));
	says(CLEANER_DATA, 0, span_of(pattern, 1000));
	job_ends(CLEANER_CLEANED, "rule");
	close(job);
	job = -1;
	clean_ready(clean);
	/* There is no more room, and it is not the job that is waited for. */
	assert_int_equal(clean->events, 0);
	assert_int_equal(clean->answer.outcome, CLEANER_PENDING);
	assert_true(clean_due(clean) == INT64_MAX);
	clean_check(clean, 1000000);
	clean_check(clean, 2000000);
	assert_int_equal(clean->answer.outcome, CLEANER_PENDING);
	for (unsigned k = 0; k < 4 && clean->fd >= 0; k++) {
		take();
		clean_ready(clean);
	}
	assert_int_equal(n_result, CLEANER_PIECE + 1000);
	is_answered(CLEANER_CLEANED, "rule");
}

/* ---- What fails ---- */

static void nothing_is_cleaned_of_which_the_job_has_not_had_all(void **state)
{
	for (uint8_t outcome = CLEANER_PENDING; outcome <= CLEANER_OUTCOMES; outcome++) {
		start_plain();
		(void)feed(span_of(pattern, 1000), 1000);
		job_ends((enum cleaner_outcome)outcome, "early");
		clean_ready(clean);
		is_answered(CLEANER_LOST, outcome == CLEANER_LOST ? "early" : "no sense");
	}
	start_plain();
	(void)feed(span_of(pattern, 1000), 1000);
	says(CLEANER_DATA, 0, span_str("early"));
	clean_ready(clean);
	is_answered(CLEANER_LOST, "no sense");
	/* And none without bytes, nor any other with some. */
	for (uint8_t outcome = CLEANER_NO_IMAGE; outcome < CLEANER_OUTCOMES; outcome++) {
		bool fits = outcome == CLEANER_LOST;
		start_plain();
		finish();
		if (!cleaner_has_file((enum cleaner_outcome)outcome)) {
			says(CLEANER_DATA, 0, span_str("bytes"));
		}
		job_ends((enum cleaner_outcome)outcome, "late");
		clean_ready(clean);
		take();
		is_answered(CLEANER_LOST, fits ? "late" : "no sense");
	}
}

static void a_job_that_is_lost_is_no_answer(void **state)
{
	start_plain();
	close(job);
	job = -1;
	clean_last(clean, 0);
	is_answered(CLEANER_LOST, "ended");
	start_plain();
	(void)feed(span_of(pattern, 1000), 1000);
	finish();
	(void)shutdown(job, SHUT_RDWR);
	clean_ready(clean);
	is_answered(CLEANER_LOST, "ended");
	/* In the middle of what it says, wherever that is. */
	uint8_t said[2 * CLEANER_HEAD + 5 + 4];
	cleaner_put_head(&(struct cleaner_head){CLEANER_DATA, 0, 5}, said);
	memcpy(said + CLEANER_HEAD, "bytes", 5);
	cleaner_put_head(&(struct cleaner_head){CLEANER_END, CLEANER_CLEANED, 4}, said + CLEANER_HEAD + 5);
	memcpy(said + 2 * CLEANER_HEAD + 5, "rule", 4);
	for (size_t n = 0; n <= sizeof(said); n++) {
		start_plain();
		finish();
		assert_int_equal(send(job, said, n, MSG_NOSIGNAL), n);
		close(job);
		job = -1;
		clean_ready(clean);
		take();
		is_answered(n < sizeof(said) ? CLEANER_LOST : CLEANER_CLEANED,
			n < sizeof(said) ? "ended" : "rule");
	}
	clean_none(clean, "nobody there");
	is_answered(CLEANER_LOST, "nobody there");
}

/* Said by the lookup, which then closes: what is on its way there does not take the answer with it. */
static void what_was_said_before_the_end_of_the_stream_is_heard(void **state)
{
	start_plain();
	job_ends(CLEANER_LOST, "too many");
	(void)shutdown(job, SHUT_WR);
	close(job);
	job = -1;
	for (unsigned k = 0; k < 4 && clean->fd >= 0; k++) {
		(void)!clean_feed(clean, span_of(pattern, 512 * 1024));
		clean_ready(clean);
	}
	is_answered(CLEANER_LOST, "too many");
}

static void silence_ends(void **state)
{
	size_t n = 0, some = 1;
	char discarded[4096];
	/* One that takes nothing. */
	start_with((struct span){0}, false, 8192);
	clean_check(clean, 0);
	assert_true(clean_due(clean) == INT64_MAX);
	while (some > 0) {
		some = clean_feed(clean, span_of(pattern, MOST));
		n += some;
	}
	assert_true(n < MOST && clean_due(clean) == 0);
	clean_check(clean, 5000);
	assert_true(clean_due(clean) == 6000);
	while (recv(job, discarded, sizeof(discarded), 0) > 0) {
		clean_ready(clean);
	}
	assert_true(clean_feed(clean, span_of(pattern, MOST)) > 0);
	clean_check(clean, 6000);
	assert_int_equal(clean->answer.outcome, CLEANER_PENDING);
	assert_int_equal(clean_feed(clean, span_of(pattern, MOST)), 0);
	clean_check(clean, 7000);
	is_answered(CLEANER_LOST, "takes no more");
	/* One that says nothing, or no more; while it goes on, it has time. */
	start_plain();
	(void)feed(span_of(pattern, 1000), 1000);
	finish();
	clean_check(clean, 999);
	assert_true(clean_due(clean) == 1000);
	says(CLEANER_DATA, 0, span_str("bytes"));
	clean_ready(clean);
	take();
	clean_check(clean, 1500);
	assert_true(clean_due(clean) == 2500);
	clean_check(clean, 2499);
	assert_int_equal(clean->answer.outcome, CLEANER_PENDING);
	clean_check(clean, 2500);
	is_answered(CLEANER_LOST, "too long");
}

/* ---- Frames ---- */

static int head_of(enum cleaner_way way, const char *bytes, struct cleaner_head *h)
{
	/* An exact copy: nothing is read beyond. */
	uint8_t *copy = malloc(CLEANER_HEAD);
	memcpy(copy, bytes, CLEANER_HEAD);
	for (size_t n = 0; n < CLEANER_HEAD; n++) {
		assert_int_equal(cleaner_read_head(way, span_of(copy, n), h), ERR_TRUNCATED);
	}
	int e = cleaner_read_head(way, span_of(copy, CLEANER_HEAD), h);
	free(copy);
	return e;
}

static void heads(void **state)
{
	static const struct {
		const char *bytes;
		bool good[3]; /* by enum cleaner_way */
	} all[] = {{"R\0\0\0\0\0\0\1", {true, false, false}}, {"R\0\0\0\0\0\0\0", {false, false, false}},
		{"R\1\0\0\0\0\0\1", {false, false, false}}, {"R\0\0\0\0\1\0\1", {false, false, false}},
		{"O\0\0\0\0\0\0\0", {true, false, false}}, {"O\1\0\0\0\0\0\0", {true, false, false}},
		{"O\xF\0\0\0\0\0\0", {true, false, false}}, {"O\x10\0\0\0\0\0\0", {false, false, false}},
		{"O\0\0\0\0\0\0\1", {false, false, false}}, {"D\0\0\0\0\1\0\0", {true, true, true}},
		{"D\0\0\0\0\1\0\1", {false, false, false}}, {"D\0\0\0\0\0\0\0", {false, false, false}},
		{"D\0\1\0\0\0\0\1", {false, false, false}}, {"D\0\0\1\0\0\0\1", {false, false, false}},
		{"P\0\0\0\0\0\0\x9", {false, false, true}}, {"P\0\0\0\0\0\0\x8", {false, false, false}},
		{"E\0\0\0\0\0\0\0", {true, false, false}}, {"E\1\0\0\0\0\0\0", {false, true, true}},
		{"E\7\0\0\0\0\2\x30", {false, true, true}}, {"E\7\0\0\0\0\2\x31", {false, false, false}},
		{"E\x8\0\0\0\0\0\0", {false, true, true}}, {"E\x9\0\0\0\0\0\0", {false, false, false}},
		{"X\0\0\0\0\0\0\1", {false, false, false}}, {"\0\0\0\0\0\0\0\0", {false, false, false}}};
	for (unsigned i = 0; i < ARRAY_LEN(all); i++) {
		for (int way = CLEANER_TO_JOB; way <= CLEANER_FROM_BOX; way++) {
			struct cleaner_head h = {.kind = 'x', .code = 77, .len = 77};
			int e = head_of((enum cleaner_way)way, all[i].bytes, &h);
			assert_int_equal(e, all[i].good[way] ? 0 : ERR_PEER);
			uint8_t again[CLEANER_HEAD];
			cleaner_put_head(&h, again);
			if (e == 0) {
				assert_memory_equal(again, all[i].bytes, CLEANER_HEAD);
			} else {
				assert_int_equal(h.len, 77);
			}
		}
	}
}

/* Frames by their letters: r, o, O (features), d, e. What cleaner_order_take() says of all of them. */
static int order_of(const char *letters, size_t step)
{
	static const char *const bytes[128] = {['r'] = "R\0\0\0\0\0\0\1x",
		['o'] = "O\0\0\0\0\0\0\0",
		['O'] = "O\1\0\0\0\0\0\0",
		['d'] = "D\0\0\0\0\0\0\1y",
		['e'] = "E\0\0\0\0\0\0\0"};
	size_t len = 0, have = 0;
	int e = 0;
	for (const char *p = letters; *p; p++) {
		size_t n = CLEANER_HEAD + (*p == 'r' || *p == 'd');
		memcpy(wire + len, bytes[(unsigned char)*p], n);
		len += n;
	}
	cleaner_order_begin(order, on_data, NULL);
	n_file = 0;
	for (size_t at = 0; at < len && e == 0;) {
		size_t used = SIZE_MAX;
		have = have + step < len - at ? have + step : len - at;
		e = cleaner_order_take(order, span_of(wire + at, have), &used);
		assert_true(e != 0 || used <= have);
		at += e == 0 ? used : 0;
		have -= e == 0 ? used : 0;
	}
	return e;
}

static void orders(void **state)
{
	static const struct {
		const char *letters;
		int says;
	} all[] = {{"oe", ERR_CLOSED}, {"rrOdde", ERR_CLOSED}, {"ode", ERR_CLOSED}, {"rod", 0},
		{"d", ERR_PEER}, {"e", ERR_PEER}, {"re", ERR_PEER}, {"rde", ERR_PEER}, {"oo", ERR_PEER},
		{"or", ERR_PEER}, {"odr", ERR_PEER}, {"odo", ERR_PEER}};
	for (unsigned i = 0; i < ARRAY_LEN(all); i++) {
		for (size_t step = 1; step < 40; step += 3) {
			assert_int_equal(order_of(all[i].letters, step), all[i].says);
		}
	}
	assert_int_equal(order_of("rrOdd", 7), 0);
	assert_true(order->features);
	assert_int_equal(order->n_rules, 2);
	assert_int_equal(n_file, 2);
	/* More than may be. */
	assert_int_equal(order_of("rr", 100), 0);
	order->n_rules = LIMIT_PIXEL_RULES - 1;
	size_t used;
	assert_int_equal(cleaner_order_take(order, span_of(wire, 9), &used), 0);
	assert_int_equal(cleaner_order_take(order, span_of(wire, 9), &used), ERR_PEER);
	assert_int_equal(order_of("od", 100), 0);
	order->n_data = LIMIT_CLEANED - 1;
	assert_int_equal(cleaner_order_take(order, span_of(wire + 8, 9), &used), 0);
	assert_int_equal(cleaner_order_take(order, span_of(wire + 8, 9), &used), ERR_LIMIT);
	/* And back. */
	struct cleaner_reply r;
	struct span data;
	cleaner_reply_begin(&r);
	r.n_data = LIMIT_CLEANED - 1;
	assert_int_equal(cleaner_reply_next(&r, span_of(wire + 8, 9), &used, &data), 0);
	assert_int_equal(used, 9);
	assert_int_equal(cleaner_reply_next(&r, span_of(wire + 8, 9), &used, &data), ERR_PEER);
}

static void texts_are_printable(void **state)
{
	char text[8] = "before";
	cleaner_read_text(span_of("a\n\xff\0b~", 6), text, sizeof(text));
	assert_string_equal(text, "a???b~");
	cleaner_read_text(span_str("0123456789"), text, sizeof(text));
	assert_string_equal(text, "0123456");
}

static int begin(void **state)
{
	(void)state;
	clean = malloc(sizeof(*clean));
	order = malloc(sizeof(*order));
	wire = malloc(MOST);
	file = malloc(MOST);
	result = malloc(MOST);
	pattern = malloc(MOST);
	for (size_t k = 0; k < MOST; k++) {
		pattern[k] = (uint8_t)(k * 2654435761u >> 13);
	}
	return 0;
}

static int end(void **state)
{
	(void)state;
	free(clean);
	free(order);
	free(wire);
	free(file);
	free(result);
	free(pattern);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_object_arrives_however_it_is_cut),
		cmocka_unit_test(a_slow_job_makes_the_sender_wait),
		cmocka_unit_test(too_much_is_not_begun),
		cmocka_unit_test(a_result_comes_back_however_it_is_cut),
		cmocka_unit_test(a_full_buffer_waits_for_its_reader),
		cmocka_unit_test(nothing_is_cleaned_of_which_the_job_has_not_had_all),
		cmocka_unit_test(a_job_that_is_lost_is_no_answer),
		cmocka_unit_test(what_was_said_before_the_end_of_the_stream_is_heard),
		cmocka_unit_test(silence_ends),
		cmocka_unit_test(heads),
		cmocka_unit_test(orders),
		cmocka_unit_test(texts_are_printable),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
