/* SPDX-License-Identifier: Apache-2.0 */
#include "base/writer.h"
#include "cli/deidentify_lanes.h"
#include "cli/object_job.h"
#include "dicom/part10.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka wants those before it */
#include <cmocka.h>

/* Processes beside one another that de-identify files: what becomes of them comes in the order of the files, also when one dies. */
static struct sandbox *sandbox;
static struct deidentify_how how = {.key = {1}};
static struct deidentify_pixels no_pixels;

#define N_FOLDERS 4
#define N_EACH    6
#define N_FILES   (N_FOLDERS * N_EACH)

static char in[] = "/tmp/gantry-lanes-XXXXXX", out[] = "/tmp/gantry-lanes-XXXXXX";
static struct tree tree;

static void element(struct writer *w, uint32_t tag, const char *vr, const char *value)
{
	size_t n = strlen(value);
	writer_u16le(w, (uint16_t)(tag >> 16));
	writer_u16le(w, (uint16_t)tag);
	writer_bytes(w, vr, 2);
	writer_u16le(w, (uint16_t)(n + n % 2));
	writer_bytes(w, value, n);
	writer_fill(w, 0, n % 2);
}

static void make_file(unsigned i)
{
	char path[64], instance[32];
	uint8_t bytes[2000];
	struct writer w = writer_of(bytes, sizeof(bytes));
	snprintf(instance, sizeof(instance), "1.2.3.64.%u", i);
	snprintf(path, sizeof(path), "%s/%u/%02u", in, i / N_EACH, i);
	const struct part10_meta meta = {.sop_class = span_str("1.2.840.10008.5.1.4.1.1.2"),
		.sop_instance = span_str(instance),
		.transfer_syntax = span_str("1.2.840.10008.1.2.1"),
		.implementation_class = span_str("1.2.3"),
		.implementation_version = "TEST"};
	assert_int_equal(part10_write(&meta, &w), 0);
	element(&w, 0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.2");
	element(&w, 0x00080018, "UI", instance);
	element(&w, 0x00100010, "PN", "Zzyzxon^Quentin");
	element(&w, 0x00181210, "SH", i % 5 == 4 ? "Quentin" : "B30f"); /* something is left over */
	element(&w, 0x0020000D, "UI", "1.2.3.4");
	element(&w, 0x0020000E, "UI", "1.2.3.5");
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, w.len), w.len);
	close(fd);
}

static int begin(unsigned n, struct deidentify_lanes **ret)
{
	const struct deidentify_hands hands = {.files = &tree,
		.in = -1,
		.out_fd = open(out, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		.pixels = &no_pixels};
	assert_true(hands.out_fd >= 0);
	assert_int_equal(deidentify_lanes_new(&hands, &how, n, ret), 0);
	return hands.out_fd;
}

static void end(struct deidentify_lanes *l, int out_fd)
{
	char part[DEIDENTIFY_PART_SIZE];
	deidentify_lanes_free(l);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no process is left */
	for (unsigned i = 0; i < 1000; i++) {
		deidentify_part(i, part);
		(void)unlinkat(out_fd, part, 0);
	}
	close(out_fd);
}

/* Those of a task are as they are to be; a lost task's are not. How many are good. */
static unsigned check_task(
	const struct deidentify_task *task, struct deidentify_became *became, bool lost, int out_fd)
{
	unsigned n_good = 0;
	for (unsigned i = 0; i < task->n; i++) {
		const struct deidentify_said *s = &became[i].said;
		enum deidentify_outcome wanted = (task->first + i) % 5 == 4 ? OUTCOME_LEFTOVER : OUTCOME_GOOD;
		char part[DEIDENTIFY_PART_SIZE];
		deidentify_part(task->place + i, part);
		assert_true(became[i].has_part && became[i].unopened == 0);
		assert_int_equal(s->outcome, lost ? OUTCOME_NONE : wanted);
		n_good += s->outcome == OUTCOME_GOOD;
		(void)unlinkat(out_fd, part, 0);
	}
	return n_good;
}

static pid_t a_child(void)
{
	char path[64], text[256];
	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text) - 1);
	assert_true(fd >= 0 && n > 0);
	text[n] = 0;
	close(fd);
	return (pid_t)strtol(text, NULL, 10);
}

static void in_order(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= 5; n++) {
		for (unsigned size = 1; size <= N_EACH; size++) {
			struct deidentify_lanes *l;
			struct deidentify_task task = {.n = size}, done;
			struct deidentify_became *became;
			size_t next = 0, n_good = 0;
			int out_fd = begin(n, &l);
			do {
				while (task.first < N_FILES && deidentify_lanes_give(l, task)) {
					task.first += task.n;
					size_t left = N_EACH - task.first % N_EACH;
					task.n = (unsigned)(left < size ? left : size);
				}
				became = deidentify_lanes_take(l, &done);
				if (became) {
					assert_int_equal(done.first, next);
					next += done.n;
					n_good += check_task(&done, became, false, out_fd);
				}
			} while (became);
			assert_int_equal(next, N_FILES);
			assert_int_equal(n_good, N_FILES - N_FILES / 5);
			end(l, out_fd);
		}
	}
}

/* What a process says is in no other process that is started later, nor in its worker: VmFlags (proc(5)) has "dc". */
static void assert_not_copied(const void *bytes)
{
	char line[512];
	bool is_it = false, found = false;
	FILE *maps = fopen("/proc/self/smaps", "r");
	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps)) {
		char *rest, *end;
		uintptr_t from = (uintptr_t)strtoull(line, &rest, 16);
		if (rest != line && *rest == '-') {
			is_it = (uintptr_t)bytes >= from &&
			        (uintptr_t)bytes < (uintptr_t)strtoull(rest + 1, &end, 16);
		} else if (is_it && strncmp(line, "VmFlags:", 8) == 0) {
			found = true;
			assert_non_null(strstr(line, " dc"));
		}
	}
	assert_true(found);
	(void)fclose(maps);
}

/* A process that is killed costs the task that it had, and no other. */
static void one_dies(void **state)
{
	struct deidentify_lanes *l;
	struct deidentify_task task = {.n = N_EACH}, done;
	struct deidentify_became *became;
	(void)state;
	int out_fd = begin(2, &l);
	assert_true(deidentify_lanes_give(l, task));
	became = deidentify_lanes_take(l, &done);
	assert_non_null(became);
	check_task(&done, became, false, out_fd);
	assert_not_copied(became);
	pid_t first = a_child();
	assert_int_equal(kill(first, SIGSTOP), 0); /* so that it does nothing of what it is given next */
	for (; task.first < N_FILES; task.first += N_EACH) {
		assert_true(deidentify_lanes_give(l, task));
	}
	assert_false(deidentify_lanes_give(l, task)); /* two of each */
	assert_int_equal(kill(first, SIGKILL), 0);
	for (size_t i = 0; i < N_FILES; i += N_EACH) {
		became = deidentify_lanes_take(l, &done);
		assert_non_null(became);
		assert_int_equal(done.first, i);
		assert_int_equal(became[0].said.outcome == OUTCOME_NONE, i == 0);
		check_task(&done, became, i == 0, out_fd);
		assert_not_copied(became);
	}
	assert_null(deidentify_lanes_take(l, &done));
	end(l, out_fd);
}

/* Ended by a signal, a program leaves nothing that has no name yet. */
static void ended(void **state)
{
	char part[DEIDENTIFY_PART_SIZE], manifest[64];
	int status;
	(void)state;
	snprintf(manifest, sizeof(manifest), "%s/manifest", out);
	for (unsigned n = 1; n <= 3; n += 2) {
		pid_t pid = fork();
		if (pid == 0) {
			struct deidentify_lanes *l;
			struct deidentify_task task = {.n = N_EACH}, done;
			int out_fd = begin(n, &l);
			close(open(manifest, O_WRONLY | O_CREAT, 0600));
			deidentify_lanes_end_clean(out_fd, "out", manifest);
			(void)deidentify_lanes_give(l, task);
			(void)deidentify_lanes_take(l, &done);
			deidentify_part(0, part);
			(void)raise(faccessat(out_fd, part, F_OK, 0) == 0 ? SIGINT : SIGABRT);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
		assert_int_equal(access(manifest, F_OK), -1);
		assert_int_equal(rmdir(out), 0); /* it is empty */
		assert_int_equal(mkdir(out, 0700), 0);
	}
}

static int set_up(void **state)
{
	(void)state;
	uint8_t warm[32];
	object_job_warm();
	if (pseudonym_make(how.key, PSEUDONYM_UID, span_str("1"), warm) < 0 || !mkdtemp(in) ||
		!mkdtemp(out)) {
		return -1;
	}
	for (unsigned i = 0; i < N_FOLDERS; i++) {
		char path[64];
		snprintf(path, sizeof(path), "%s/%u", in, i);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	for (unsigned i = 0; i < N_FILES; i++) {
		make_file(i);
	}
	int e = sandbox_new(SANDBOX_COPY, NULL, 0, &sandbox);
	how.sandbox = sandbox;
	return e < 0 ? e : tree_walk(&tree, open(in, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static int tear_down(void **state)
{
	(void)state;
	for (size_t i = 0; i < tree.n; i++) {
		(void)unlinkat(tree.root, tree.entries[i].path, 0);
	}
	for (unsigned i = 0; i < N_FOLDERS; i++) {
		char name[8];
		snprintf(name, sizeof(name), "%u", i);
		(void)unlinkat(tree.root, name, AT_REMOVEDIR);
	}
	tree_done(&tree);
	(void)rmdir(in);
	(void)rmdir(out);
	sandbox_free(sandbox);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_order), cmocka_unit_test(one_dies), cmocka_unit_test(ended)};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
