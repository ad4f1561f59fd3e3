/* SPDX-License-Identifier: Apache-2.0 */
#include "base/writer.h"
#include "cli/deidentify.h"
#include "cli/object_job.h"
#include "dicom/part10.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
/* cmocka wants those before it */
#include <cmocka.h>

/* The process that de-identifies one file after the other: what it makes of them, and what becomes of the others when it dies. */
static struct sandbox *sandbox;
static struct deidentify_how how = {.key = {1}};
static struct deidentify_worker worker;

static int empty(void)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void element(struct writer *w, uint32_t tag, const char *vr, const char *value, size_t n)
{
	writer_u16le(w, (uint16_t)(tag >> 16));
	writer_u16le(w, (uint16_t)tag);
	writer_bytes(w, vr, 2);
	if (memcmp(vr, "OW", 2) == 0) {
		writer_u16le(w, 0);
		writer_u32le(w, (uint32_t)n);
	} else {
		writer_u16le(w, (uint16_t)n);
	}
	writer_bytes(w, value, n);
}

#define ROOM                       (18u << 20)
#define ELEMENT(w, tag, vr, value) element(w, tag, vr, value, sizeof(value) - 1)

/* Bytes of pixels, which have the name in them or not. */
static struct deidentify_job job_of(const char *instance, size_t n_pixels, const char *kernel)
{
	static uint8_t bytes[ROOM], pixels[ROOM];
	struct writer w = writer_of(bytes, sizeof(bytes));
	struct deidentify_job j = {.in = empty(), .out = empty()};
	j.was = j.in;
	const struct part10_meta meta = {.sop_class = span_str("1.2.840.10008.5.1.4.1.1.2"),
		.sop_instance = span_str(instance),
		.transfer_syntax = span_str("1.2.840.10008.1.2.1"),
		.implementation_class = span_str("1.2.3"),
		.implementation_version = "TEST"};
	assert_int_equal(part10_write(&meta, &w), 0);
	ELEMENT(&w, 0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.2\0");
	element(&w, 0x00080018, "UI", instance, strlen(instance));
	ELEMENT(&w, 0x00100010, "PN", "Zzyzxon^Quentin ");
	ELEMENT(&w, 0x00100020, "LO", "PID998877 ");
	element(&w, 0x00181210, "SH", kernel, strlen(kernel));
	ELEMENT(&w, 0x0020000D, "UI", "1.2.3.4\0");
	ELEMENT(&w, 0x0020000E, "UI", "1.2.3.5\0");
	for (size_t i = 0; i < n_pixels; i++) {
		pixels[i] = (uint8_t)(i * 7 + i / 256);
	}
	element(&w, 0x7FE00010, "OW", (const char *)pixels, n_pixels);
	assert_int_equal(writer_end(&w), 0);
	assert_int_equal(write(j.in, bytes, w.len), w.len);
	j.size = w.len;
	return j;
}

static void close_job(const struct deidentify_job *j)
{
	close(j->in);
	close(j->out);
}

static size_t read_out(const struct deidentify_job *j, uint8_t *to, size_t cap)
{
	ssize_t n = pread(j->out, to, cap, 0);
	assert_true(n >= 0);
	return (size_t)n;
}

static void check_good(const struct deidentify_job *j, const struct deidentify_said *s, size_t n_pixels)
{
	static uint8_t in[ROOM], out[ROOM];
	ssize_t n_in = pread(j->in, in, sizeof(in), 0);
	size_t n = read_out(j, out, sizeof(out));
	assert_int_equal(s->outcome, OUTCOME_GOOD);
	assert_true(n > n_pixels && (size_t)n_in > n_pixels);
	assert_memory_equal(out + n - n_pixels, in + n_in - n_pixels, n_pixels);
	assert_memory_equal(out + 128, "DICM", 4);
	assert_null(memmem(out, n, "Quentin", 7));
	assert_int_equal(strncmp(s->instance, "2.25.", 5), 0);
}

/* Files that are read, long and short, and one that is mapped, whose pixels the kernel moves. */
static void does_many(void **state)
{
	(void)state;
	static const size_t sizes[] = {16, 5000, 70000, 3u << 20, 17u << 20};
	struct deidentify_job jobs[5];
	assert_int_equal(deidentify_worker_begin(&worker, &how), 0);
	for (unsigned turn = 0; turn < 3; turn++) {
		for (unsigned i = 0; i < 5; i++) {
			jobs[i] = job_of("1.2.3.64", sizes[i], "B30f");
		}
		deidentify_worker_run(&worker, jobs, 5);
		for (unsigned i = 0; i < 5; i++) {
			check_good(&jobs[i], &worker.said[i], sizes[i]);
			close_job(&jobs[i]);
		}
	}
	assert_int_equal(worker.n_done, 15);
	deidentify_worker_done(&worker);
}

/* What has something left over is not written at all. */
static void writes_none_that_has_leftovers(void **state)
{
	(void)state;
	uint8_t byte;
	struct deidentify_job j = job_of("1.2.3.64", 5000, "Quentin ");
	assert_int_equal(deidentify_worker_begin(&worker, &how), 0);
	deidentify_worker_run(&worker, &j, 1);
	assert_int_equal(worker.said[0].outcome, OUTCOME_LEFTOVER);
	assert_int_equal(read_out(&j, &byte, 1), 0);
	how.keep_leftovers = true;
	deidentify_worker_stop(&worker);
	deidentify_worker_run(&worker, &j, 1);
	assert_int_equal(worker.said[0].outcome, OUTCOME_LEFTOVER);
	assert_int_equal(read_out(&j, &byte, 1), 1);
	how.keep_leftovers = false;
	close_job(&j);
	deidentify_worker_done(&worker);
}

/* A file that is shorter than it was when it was opened. */
static void reads_what_is_left(void **state)
{
	struct deidentify_job jobs[2] = {
		job_of("1.2.3.64", 70000, "B30f"), job_of("1.2.3.64", 70000, "B30f")};
	(void)state;
	assert_int_equal(deidentify_worker_begin(&worker, &how), 0);
	assert_int_equal(ftruncate(jobs[0].in, 4096), 0);
	deidentify_worker_run(&worker, jobs, 2);
	assert_int_equal(worker.said[0].outcome, OUTCOME_BROKEN);
	assert_int_equal(worker.said[0].error, ERR_TRUNCATED);
	check_good(&jobs[1], &worker.said[1], 70000);
	close_job(&jobs[0]);
	close_job(&jobs[1]);
	deidentify_worker_done(&worker);
}

/* A long file, which is mapped, that is shorter than it was kills who reads it: it alone is not done. */
static void goes_on_when_it_dies(void **state)
{
	(void)state;
	(void)signal(SIGBUS, SIG_DFL); /* cmocka's handler would go on with the tests, in the worker */
	for (unsigned bad = 0; bad < 4; bad++) {
		struct deidentify_job jobs[4];
		assert_int_equal(deidentify_worker_begin(&worker, &how), 0);
		for (unsigned i = 0; i < 4; i++) {
			jobs[i] = job_of("1.2.3.64", 70000, "B30f");
		}
		jobs[bad].size = 100u << 20;
		assert_int_equal(ftruncate(jobs[bad].in, 4096), 0);
		deidentify_worker_run(&worker, jobs, 4);
		for (unsigned i = 0; i < 4; i++) {
			if (i == bad) {
				assert_int_equal(worker.said[i].outcome, OUTCOME_NONE);
			} else {
				check_good(&jobs[i], &worker.said[i], 70000);
			}
			close_job(&jobs[i]);
		}
		deidentify_worker_done(&worker);
	}
}

/* Whoever took the process over writes what he likes where it says things, and when he likes. */
static void believes_no_words(void **state)
{
	(void)state;
	static struct deidentify_said own;
	assert_int_equal(deidentify_worker_begin(&worker, &how), 0);
	struct deidentify_said *theirs = &worker.said[3];
	memset(theirs, 'A', sizeof(*theirs));
	deidentify_worker_take(&worker, 3, &own);
	assert_int_equal(own.outcome, OUTCOME_NONE);
	assert_int_equal(strlen(own.patient), sizeof(own.patient) - 1);
	assert_int_equal(strlen(own.study), UID_MAX);
	assert_int_equal(strlen(own.series), UID_MAX);
	assert_int_equal(strlen(own.instance), UID_MAX);
	assert_int_equal(own.list_len, sizeof(own.list) - 1);
	assert_int_equal(strlen(own.list), own.list_len);
	theirs->outcome = OUTCOME_GOOD;
	theirs->list_len = 5;
	deidentify_worker_take(&worker, 3, &own);
	memcpy(theirs->instance, "../../x", sizeof("../../x"));
	memcpy(theirs->list, "=1+1", 4);
	assert_int_equal(own.outcome, OUTCOME_GOOD);
	assert_int_equal(own.instance[0], 'A');
	assert_string_equal(own.list, "AAAAA");
	deidentify_worker_done(&worker);
}

static int set_up(void **state)
{
	(void)state;
	uint8_t warm[32];
	object_job_warm();
	assert_int_equal(pseudonym_make(how.key, PSEUDONYM_UID, span_str("1"), warm), 0);
	int e = sandbox_new(SANDBOX_COPY, NULL, 0, &sandbox);
	how.sandbox = sandbox;
	return e;
}

static int tear_down(void **state)
{
	(void)state;
	sandbox_free(sandbox);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(does_many),
		cmocka_unit_test(writes_none_that_has_leftovers), cmocka_unit_test(reads_what_is_left),
		cmocka_unit_test(goes_on_when_it_dies), cmocka_unit_test(believes_no_words)};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
