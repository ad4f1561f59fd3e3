/* SPDX-License-Identifier: Apache-2.0 */
#include "net_bytes.h"

#include "base/clock.h"
#include "cli/inspect_job.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

/* The process that looks at a file: what it says, and what is said when it cannot. */
static struct sandbox *sandbox;
static struct inspect_job job;

static int start(int file, unsigned seconds)
{
	return inspect_job_start(&job, &(struct inspect_how){.sandbox = sandbox, .seconds = seconds}, file);
}

static int start_patient(int file, unsigned seconds, unsigned patience)
{
	const struct inspect_how how = {.sandbox = sandbox, .seconds = seconds, .patience = patience};
	return inspect_job_start(&job, &how, file);
}

static void wait_for_it(void)
{
	for (;;) {
		int64_t left = job.deadline_ms - clock_mono_ms();
		struct pollfd p = {.fd = job.fd, .events = POLLIN};
		(void)poll(&p, 1, left > 0 ? (int)left : 0);
		if (inspect_job_go_on(&job, clock_mono_ms())) {
			return;
		}
	}
}

/* Nothing of it is left. */
static void is_gone(void)
{
	assert_int_equal(kill(job.pid, 0), -1);
	assert_int_equal(errno, ESRCH);
	assert_int_equal(job.fd, -1);
}

static void says_what_it_found(void **state)
{
	int file = open(TESTS_DATA "/inspect/preamble-elf64.dcm", O_RDONLY | O_CLOEXEC);
	assert_true(file >= 0);
	assert_int_equal(start(file, 60), 0);
	close(file);
	wait_for_it();
	is_gone();
	assert_int_equal(job.said.counts[CHECK_PREAMBLE_ELF], 1);
	assert_int_equal(job.said.n_findings, 1);
	assert_int_equal(job.said.facts.bytes, 786);
}

static void failed(const char *why)
{
	is_gone();
	assert_int_equal(job.said.n_findings, 1);
	assert_int_equal(job.said.counts[CHECK_INSPECTION_FAILED], 1);
	assert_string_equal(job.said.findings[0].excerpt, why);
}

/* A file that never ends, and costs nothing. */
static void has_a_deadline(void **state)
{
	int ends[2];
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(start_patient(ends[0], 60, 1), 0);
	int64_t began = clock_mono_ms();
	wait_for_it();
	assert_true(clock_mono_ms() - began < 30000);
	failed("it took longer than 1 s by the clock");
	close(ends[0]);
	close(ends[1]);
}

/* One that is looked at without an end. */
static void has_so_much_of_the_processor(void **state)
{
	int zeros = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	assert_true(zeros >= 0);
	assert_int_equal(start(zeros, 1), 0);
	assert_int_equal(job.patience, 10);
	job.deadline_ms += 60000; /* however little of it we get */
	close(zeros);
	wait_for_it();
	failed("it took more than 1 s of the processor");
}

static void may_die(void **state)
{
	int ends[2];
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(start(ends[0], 60), 0);
	assert_int_equal(kill(job.pid, SIGKILL), 0);
	wait_for_it();
	failed("it was ended by signal 9");
	assert_int_equal(job.unreadable, 0);
	close(ends[0]);
	close(ends[1]);
}

/* A folder can be opened and not read. */
static void cannot_read(void **state)
{
	int folder = open("/", O_RDONLY | O_CLOEXEC | O_DIRECTORY);
	assert_true(folder >= 0);
	assert_int_equal(start(folder, 60), 0);
	close(folder);
	wait_for_it();
	failed("the file could not be read: Is a directory");
	assert_int_equal(job.unreadable, EISDIR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_what_it_found),
		cmocka_unit_test(has_a_deadline),
		cmocka_unit_test(has_so_much_of_the_processor),
		cmocka_unit_test(may_die),
		cmocka_unit_test(cannot_read),
	};
	if (sandbox_new(SANDBOX_KEYS, NULL, 0, &sandbox) != 0) {
		return 1;
	}
	int bad = cmocka_run_group_tests(tests, NULL, NULL);
	sandbox_free(sandbox);
	return bad;
}
