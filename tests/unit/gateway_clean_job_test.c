/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/part10.h"
#include "gateway/clean.h"
#include "gateway/lookup_state.h"
#include "pixels/cleaner_run.h"
#include "priv/sandbox.h"

#include "dicom_made.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants those before it */
#include <cmocka.h>

/* Objects of real files through a real job, forked by a lookup in its sandbox; and what a decoder can do that was taken over. */

#define MOST (4u << 20)

static struct lookup lookup;
static struct clean *clean;
static uint8_t *result;
static size_t n_result;

/* ---- The lookup ---- */

static bool without_codec; /* as an association asks of native pixels and RLE */
static bool with_video;    /* … and of videos */

/* In a process of its own, as the role does it: one object, and how the job ended: its exit status, or 100 and its signal. */
static void be_lookup(int fd, const char *module, const char *folder)
{
	const struct sandbox_path readable[] = {
		{"/etc", false}, {"/usr", false}, {"/lib", false}, {"/lib64", false}, {folder, false}};
	struct sandbox *own;
	const int what = without_codec ? 0 : with_video ? MSG_CLEAN_CODEC | MSG_CLEAN_VIDEO : MSG_CLEAN_CODEC;
	const struct message asked = {.type = MSG_CLEANING, .fd = fd, .number = MSG_CLEANING_OF(7, 1, what)};
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGILL, SIG_DFL); /* the tests' own handler */
	lookup.gate = -1;
	lookup.cleaning.module = module;
	lookup.cleaning.video = PIXELS_VIDEO;
	if (sandbox_new(SANDBOX_PROOF, NULL, 0, &lookup.module_sandbox) != 0 ||
		sandbox_new(SANDBOX_LOOKUP, readable, ARRAY_LEN(readable), &own) != 0 ||
		sandbox_load(own) != 0) {
		_exit(99);
	}
	clean_asked(&lookup, &asked);
	clean_start(&lookup);
	int status = 0;
	if (jobs_of(&lookup, JOB_CLEAN) != 1 || waitpid(lookup.jobs[0].pid, &status, 0) < 0) {
		_exit(98);
	}
	clean_ended(&lookup.jobs[0], status);
	_exit(WIFSIGNALED(status) ? 100 + WTERMSIG(status) : WEXITSTATUS(status));
}

static pid_t start_lookup(const char *module, int *ret_stream)
{
	char folder[4096];
	int pair[2];
	snprintf(folder, sizeof(folder), "%s", module);
	*strrchr(folder, '/') = '\0';
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	(void)fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(pair[0]);
		be_lookup(pair[1], module, folder);
	}
	close(pair[1]);
	assert_int_equal(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
	*ret_stream = pair[0];
	return pid;
}

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- The association ---- */

static void take(void)
{
	struct span s;
	while (clean_take(clean, &s) == 0) {
		assert_true(n_result + s.len <= MOST);
		memcpy(result + n_result, s.ptr, s.len);
		n_result += s.len;
	}
}

/* When the association goes away. */
enum cut { NO_CUT, CUT_BEFORE_THE_END, CUT_AFTER_IT };

/* How the job ended. */
static int run(const char *module, const char *rules, bool features, struct span object, enum cut cut,
	int64_t timeout_ms)
{
	int fd, status = 0;
	size_t at = 0;
	pid_t pid = start_lookup(module, &fd);
	n_result = 0;
	clean_begin(clean, fd,
		&(struct clean_about){
			.rules = span_str(rules), .features = features, .timeout_ms = timeout_ms});
	while (clean->answer.outcome == CLEANER_PENDING) {
		if (at < object.len) {
			size_t left = object.len - at;
			at += clean_feed(clean, span_of(object.ptr + at, left < 10000 ? left : 10000));
		}
		if (at == object.len && cut == CUT_BEFORE_THE_END) {
			clean_done(clean);
			break;
		}
		if (at == object.len && !clean->last) {
			clean_last(clean, now_ms());
		}
		clean_check(clean, now_ms());
		if (clean->fd >= 0) {
			struct pollfd p = {clean->events ? clean->fd : -1, clean->events, 0};
			(void)poll(&p, 1, clean->events & POLLOUT || at == object.len ? 50 : 0);
		}
		clean_ready(clean);
		take();
		if (clean->ended && clean->n_out == 0 && cut == CUT_AFTER_IT) {
			(void)usleep(100000); /* it is at work */
			clean_done(clean);
			break;
		}
	}
	if (clean->answer.outcome == CLEANER_LOST && timeout_ms < 10000) {
		kill(pid, SIGKILL); /* and the job with it: it would wait for what it tries */
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- Real files ---- */

struct bytes {
	uint8_t *ptr;
	size_t len;
};

static struct bytes opened(const char *name)
{
	char path[512];
	struct bytes b = {malloc(MOST), 0};
	snprintf(path, sizeof(path), "%s/dicom/%s", TESTS_DATA, name);
	int fd = open(path, O_RDONLY);
	assert_true(fd >= 0 && b.ptr);
	ssize_t n = read(fd, b.ptr, MOST);
	assert_true(n > 0 && n < (ssize_t)MOST);
	b.len = (size_t)n;
	close(fd);
	return b;
}

static ptrdiff_t read_at(void *arg, uint64_t offset, void *to, size_t n)
{
	const struct bytes *b = arg;
	size_t left = offset < b->len ? b->len - (size_t)offset : 0;
	n = n < left ? n : left;
	memcpy(to, b->ptr + (left ? offset : 0), n);
	return (ptrdiff_t)n;
}

static int on_write(void *arg, struct span s)
{
	struct bytes *b = arg;
	assert_true(s.len <= MOST - b->len);
	memcpy(b->ptr + b->len, s.ptr, s.len);
	b->len += s.len;
	return 0;
}

static int on_patch(void *arg, uint64_t offset, struct span s)
{
	const struct bytes *b = arg;
	memcpy(b->ptr + offset, s.ptr, s.len);
	return 0;
}

static const char rules[] = "rules:\n"
			    "  - name: of this test\n"
			    "    when: { rows: \"3|10|48|50|100|128|480|512|1024\" }\n"
			    "    blank: [ [2, 3, 20, 9], [0, 0, 5, 5] ]\n";

static struct span transfer_syntax_of(struct span file)
{
	struct part10_meta meta;
	struct parse_fail fail;
	size_t data;
	assert_int_equal(part10_read(file, &meta, &data, &fail), 0);
	return meta.transfer_syntax;
}

/* What the job makes of it is what the code of the verb makes of it, to the byte. */
static void real_files(void **state)
{
	static const struct {
		const char *name, *syntax;
	} files[] = {{"CT_small.dcm", "1.2.840.10008.1.2.1"},
		{"SC_rgb_small_odd_big_endian.dcm", "1.2.840.10008.1.2.2"},
		{"image_dfl.dcm", "1.2.840.10008.1.2.1.99"}, {"SC_rgb_rle_2frame.dcm", "1.2.840.10008.1.2.5"},
		{"SC_rgb_jpeg_dcmtk.dcm", "1.2.840.10008.1.2.4.70"},
		{"JPGExtended.dcm", "1.2.840.10008.1.2.4.70"},
		{"JPEGLSNearLossless_16.dcm", "1.2.840.10008.1.2.4.80"},
		{"liver_deflate.dcm", "1.2.840.10008.1.2.8.1"}, {"JPEG2000.dcm", "1.2.840.10008.1.2.4.90"},
		{"../video/mpeg2-sound.dcm", "1.2.840.10008.1.2.4.80"}};
	struct pixels_codecs codecs = {0};
	struct pixels_rules *site;
	char why[200];
	assert_int_equal(cleaner_codec(PIXELS_MODULE, &codecs.codec, why, sizeof(why)), 0);
	assert_int_equal(cleaner_video(PIXELS_VIDEO, &codecs.video, why, sizeof(why)), 0);
	assert_int_equal(pixels_rules_read(span_str(rules), &site, why, sizeof(why)), 0);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct bytes from = opened(files[i].name), to = {malloc(MOST), 0};
		const struct cleaner_how how = {.site = site, .codecs = codecs};
		const char *rule;
		assert_int_equal(cleaner_run(&how, &(const struct pixels_input){&from, read_at},
					 &(const struct pixels_output){&to, on_write, on_patch}, &rule),
			CLEANER_CLEANED);
		with_video = strstr(files[i].name, "video") != NULL;
		assert_int_equal(
			run(PIXELS_MODULE, rules, false, span_of(from.ptr, from.len), NO_CUT, 60000), 0);
		if (clean->answer.outcome != CLEANER_CLEANED) {
			fail_msg("%s: %s", files[i].name, clean->answer.text);
		}
		assert_string_equal(clean->answer.text, rule);
		assert_memory_equal(rule, "of this test", 12);
		assert_int_equal(n_result, to.len);
		assert_memory_equal(result, to.ptr, to.len);
		assert_true(
			span_eq(transfer_syntax_of(span_of(result, n_result)), span_str(files[i].syntax)));
		assert_true(n_result != from.len || memcmp(result, from.ptr, from.len) != 0);
		free(from.ptr);
		free(to.ptr);
	}
	with_video = false;
	pixels_rules_free(site);
}

static void every_other_outcome(void **state)
{
	static const struct {
		const char *name, *rules;
		bool features;
		size_t most; /* bytes of it; 0: all */
		enum cleaner_outcome outcome;
		const char *text;
	} all[] = {{"CT_small.dcm", "", false, 0, CLEANER_UNKNOWN, ""},
		{"CT_small.dcm", "rules: [ { when: { modality: CT }, pass: yes } ]", false, 0, CLEANER_PASS,
			""},
		{"CT_small.dcm", "rules: [ { when: { modality: CT }, pass: yes } ]", true, 0, CLEANER_REFUSED,
			"nobody can be recognized"},
		{"CT_small.dcm", "rules: [ { when: { modality: CT }, pass: yes, recognizable: no } ]", true,
			0, CLEANER_PASS, ""},
		{"sr.dcm", "", false, 0, CLEANER_NO_IMAGE, ""},
		{"SC_rgb_jpeg_dcmtk.dcm", "", false, 0, CLEANER_REFUSED, "usually have text burned in"},
		{"../inspect/TC0309_bits_ba_three.dcm",
			"rules: [ { when: { rows: 64 }, blank: [ [0, 0, 9, 9] ] } ]", false, 0,
			CLEANER_REFUSED, "neither 1, 8, 16, 24 nor 32 bits"},
		{"CT_small.dcm", rules, false, 3000, CLEANER_BROKEN, "cannot be read"},
		{"CT_small.dcm", rules, false, 100, CLEANER_BROKEN, "cannot be read"},
		{"CT_small.dcm", "rules: 7", false, 0, CLEANER_LOST,
			"the site's rules of pixels cannot be read"}};
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct bytes from = opened(all[i].name);
		size_t n = all[i].most ? all[i].most : from.len;
		assert_int_equal(run(PIXELS_MODULE, all[i].rules, all[i].features, span_of(from.ptr, n),
					 NO_CUT, 60000),
			0);
		if (clean->answer.outcome != all[i].outcome || !strstr(clean->answer.text, all[i].text)) {
			fail_msg("%s: %d, %s", all[i].name, clean->answer.outcome, clean->answer.text);
		}
		assert_int_equal(n_result, 0);
		free(from.ptr);
	}
}

static void no_module_is_no_answer(void **state)
{
	struct bytes from = opened("CT_small.dcm");
	assert_int_equal(run("/nowhere/pixels.so", "", false, span_of(from.ptr, from.len), NO_CUT, 60000), 0);
	assert_int_equal(clean->answer.outcome, CLEANER_LOST);
	assert_non_null(strstr(clean->answer.text, "module"));
	free(from.ptr);
	/* Where none is asked for none is looked for: it is wanted for encoded pixels alone, and these are refused then. */
	static const struct {
		const char *file, *rules;
		enum cleaner_outcome outcome;
	} all[] = {{"CT_small.dcm", "rules: [ { when: { rows: 128 }, blank: [ [0, 0, 2, 2] ] } ]",
			   CLEANER_CLEANED},
		{"SC_rgb_rle_2frame.dcm", "rules: [ { when: { rows: 100 }, blank: [ [0, 0, 2, 2] ] } ]",
			CLEANER_CLEANED},
		{"SC_rgb_jpeg_dcmtk.dcm", "rules: [ { when: { rows: 100 }, blank: [ [0, 0, 2, 2] ] } ]",
			CLEANER_REFUSED}};
	without_codec = true;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		from = opened(all[i].file);
		assert_int_equal(run("/nowhere/pixels.so", all[i].rules, false, span_of(from.ptr, from.len),
					 NO_CUT, 60000),
			0);
		assert_int_equal(clean->answer.outcome, all[i].outcome);
		free(from.ptr);
	}
	without_codec = false;
	from = opened("CT_small.dcm");
	/* Who goes away in the middle is waited for no longer. */
	assert_int_equal(
		run(PIXELS_MODULE, "", false, span_of(from.ptr, 3000), CUT_BEFORE_THE_END, 60000), 1);
	free(from.ptr);
}

/* ---- A decoder that was taken over ---- */

static const char corner[] = "rules: [ { when: { modality: OT }, blank: [ [0, 0, 2, 2] ] } ]";

static void put_value(struct writer *w, uint32_t tag, const char *vr, const char *value)
{
	size_t n = strlen(value);
	put_head(w, ENCODING_EXPLICIT_LE, tag, vr, (uint32_t)(n + n % 2));
	writer_bytes(w, value, n);
	writer_fill(w, vr[0] == 'U' ? 0 : ' ', n % 2);
}

static void put_short(struct writer *w, uint32_t tag, uint16_t v)
{
	put_head(w, ENCODING_EXPLICIT_LE, tag, "US", 2);
	writer_u16le(w, v);
}

/* Of 8 by 8 pixels, whose one frame says what is tried. */
static struct span object_that_tries(char what)
{
	static uint8_t bytes[2048];
	static const struct {
		uint32_t tag;
		uint16_t v;
	} shape[] = {{0x00280010, 8}, {0x00280011, 8}, {0x00280100, 8}, {0x00280101, 8}, {0x00280102, 7},
		{0x00280103, 0}};
	const struct part10_meta meta = {.sop_class = span_str("1.2.840.10008.5.1.4.1.1.7"),
		.sop_instance = span_str("1.2.3.4"),
		.transfer_syntax = span_str("1.2.840.10008.1.2.4.70"),
		.implementation_class = span_str("1.2.3")};
	struct writer w = writer_of(bytes, sizeof(bytes));
	assert_int_equal(part10_write(&meta, &w), 0);
	put_value(&w, 0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.7");
	put_value(&w, 0x00080018, "UI", "1.2.3.4");
	put_value(&w, 0x00080060, "CS", "OT");
	put_short(&w, 0x00280002, 1);
	put_value(&w, 0x00280004, "CS", "MONOCHROME2");
	for (size_t i = 0; i < ARRAY_LEN(shape); i++) {
		put_short(&w, shape[i].tag, shape[i].v);
	}
	put_head(&w, ENCODING_EXPLICIT_LE, 0x7FE00010, "OB", UINT32_MAX);
	writer_bytes(&w, "\xFE\xFF\x00\xE0\0\0\0\0\xFE\xFF\x00\xE0\x10\0\0\0", 16);
	writer_bytes(&w, "\xFF\xD8\xFF\xC3\0\x0B\x08\0\x08\0\x08\x01\x01\x11\0", 15);
	writer_u8(&w, (uint8_t)what);
	writer_bytes(&w, "\xFE\xFF\xDD\xE0\0\0\0\0", 8);
	assert_int_equal(writer_end(&w), 0);
	return writer_span_of(&w);
}

/* Readers that take the one and those that take the other see different pixels: it can be read, and is no file that cannot. */
static void what_stands_twice_is_refused(void **state)
{
	static uint8_t twice[2048];
	struct span once = object_that_tries('-');
	const uint8_t *at = memmem(once.ptr, once.len, "\x28\0\x04\0CS", 6);
	size_t n = 8 + 12, before = (size_t)(at - once.ptr);
	assert_true(at && once.len + n <= sizeof(twice));
	memcpy(twice, once.ptr, before + n);
	memcpy(twice + before + n, at, once.len - before);
	assert_int_equal(run(HOSTILE_CODEC, corner, false, span_of(twice, once.len + n), NO_CUT, 60000), 0);
	assert_int_equal(clean->answer.outcome, CLEANER_REFUSED);
	assert_non_null(strstr(clean->answer.text, "stands twice"));
}

/* What it was told, of the last pixel, which is in no region. */
static int told(void)
{
	const uint8_t *at = memmem(result, n_result, "TOLD", 4);
	assert_non_null(at);
	assert_true(at + 5 + 64 <= result + n_result);
	return at[5 + 63] - 1;
}

static int tries(char what, int64_t timeout_ms)
{
	int ended = run(HOSTILE_CODEC, corner, false, object_that_tries(what), NO_CUT, timeout_ms);
	return clean->answer.outcome == CLEANER_CLEANED && ended == 0 ? told() : -ended;
}

static void a_decoder_has_nothing(void **state)
{
	assert_int_equal(tries('-', 60000), 0);
	assert_int_equal(tries('o', 60000), EPERM);
	assert_int_equal(tries('s', 60000), EPERM);
	assert_int_equal(tries('u', 60000), EPERM);
	assert_int_equal(tries('c', 60000), EPERM);
	assert_int_equal(tries('e', 60000), EBADF);
	/* Its channel to the lookup, the stream, and two files in memory. */
	assert_int_equal(tries('d', 60000), 4);
	assert_int_equal(tries('f', 60000), -100 - SIGSYS);
	assert_int_equal(tries('x', 60000), -100 - SIGSYS);
	assert_int_equal(tries('k', 60000), -100 - SIGSYS);
	assert_int_equal(clean->answer.outcome, CLEANER_LOST);
	assert_non_null(strstr(clean->answer.text, "ended"));
}

static void a_decoder_takes_no_more_than_it_may(void **state)
{
#ifndef __SANITIZE_ADDRESS__
	assert_int_equal(tries('m', 60000), ENOMEM);
	assert_int_equal(tries('S', 60000), ENOMEM);
#endif
	assert_int_equal(tries('w', 60000), -100 - SIGXFSZ);
	assert_int_equal(tries('a', 60000), -100 - SIGILL);
	assert_int_equal(clean->answer.outcome, CLEANER_LOST);
	/*
	 * One that would go on for ever ends with who waits for it, or else when that one's patience does. (On a busy machine it
	 * may not have begun: then it does not.)
	 */
	int ended = run(HOSTILE_CODEC, corner, false, object_that_tries('h'), CUT_AFTER_IT, 60000);
	assert_true(ended == 100 + SIGIO || ended == 1);
	(void)tries('h', 300);
	assert_int_equal(clean->answer.outcome, CLEANER_LOST);
	assert_non_null(strstr(clean->answer.text, "too long"));
}

/* ---- Too many ---- */

static void too_many_are_told(void **state)
{
	struct lookup *l = calloc(1, sizeof(*l));
	char reply[CLEANER_HEAD + CLEANER_TEXT];
	int pair[2];
	l->cleaning.n_waiting = 4;
	for (unsigned i = 0; i < 4; i++) {
		l->cleaning.waiting[i].id = 7;
	}
	for (int64_t id = 7; id <= 9; id++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		l->cleaning.n_waiting = id == 9 ? CLEANS_WAITING : 4;
		clean_asked(l, &(struct message){.type = MSG_CLEANING,
				       .fd = pair[1],
				       .number = MSG_CLEANING_OF(id, 1, id == 8)});
		ssize_t n = recv(pair[0], reply, sizeof(reply), MSG_DONTWAIT);
		if (id == 8) { /* another's: it waits */
			assert_int_equal(n, -1);
			assert_int_equal(l->cleaning.n_waiting, 5);
			assert_int_equal(l->cleaning.waiting[4].id, 8);
			assert_true(l->cleaning.waiting[4].codec);
			close(pair[1]);
		} else {
			assert_true(n > (ssize_t)CLEANER_HEAD && reply[0] == 'E' && reply[1] == CLEANER_LOST);
			assert_non_null(memmem(reply, (size_t)n, "too many", 8));
		}
		close(pair[0]);
	}
	free(l);
}

static int begin(void **state)
{
	(void)state;
	clean = malloc(sizeof(*clean));
	result = malloc(MOST);
	/* What a role has at the first numbers. */
	while (open("/dev/null", O_RDWR | O_CLOEXEC) <= 3) {
	}
	return 0;
}

static int end(void **state)
{
	(void)state;
	free(clean);
	free(result);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_files),
		cmocka_unit_test(every_other_outcome),
		cmocka_unit_test(no_module_is_no_answer),
		cmocka_unit_test(what_stands_twice_is_refused),
		cmocka_unit_test(a_decoder_has_nothing),
		cmocka_unit_test(a_decoder_takes_no_more_than_it_may),
		cmocka_unit_test(too_many_are_told),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
