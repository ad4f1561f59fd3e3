/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/inspect_job.h"
#include "cli/boxed.h"

#include "antivirus/scanner.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIECE (128u * 1024)

/* The child has its structs and its buffer in place; it needs no heap. */
#define MEMORY (64u * 1024 * 1024)

/* Exit status of one whose file cannot be read: this and the errno. */
#define UNREADABLE 128

/* What is said through the pipe. */
#define SAID offsetof(struct inspect, is_file)

/* ---- The child ---- */

static void limit(int what, rlim_t most, rlim_t hard)
{
	struct rlimit l = {.rlim_cur = most, .rlim_max = hard};
	(void)setrlimit(what, &l);
}

/* The file as it is, and what is in it. */
struct scanning {
	struct extract x;
	struct inflater inflater;
	struct scanner s;
};

static void show(struct scanning *v, struct span bytes)
{
	struct extract_piece p;
	scanner_take(&v->s, SCAN_TO_WHOLE, bytes);
	extract_feed(&v->x, bytes);
	while (extract_next(&v->x, &p)) {
		scanner_take(&v->s, (enum scan_to)p.to, p.bytes);
	}
}

static void show_end(struct scanning *v, struct inspect *i)
{
	static const enum inspect_check checks[SCAN_VERDICTS] = {[SCAN_FOUND] = CHECK_ANTIVIRUS_FOUND,
		[SCAN_PARTLY] = CHECK_ANTIVIRUS_PARTLY,
		[SCAN_NOT_SCANNED] = CHECK_ANTIVIRUS_NOT_SCANNED};
	extract_last(&v->x);
	show(v, (struct span){0});
	if (v->x.unread) {
		scanner_take(&v->s, SCAN_UNREAD, span_str(v->x.unread));
	}
	scanner_end(&v->s);
	if (v->s.sum.verdict != SCAN_CLEAN) {
		inspect_told(i, checks[v->s.sum.verdict], v->s.sum.text);
	}
}

static int look(struct inspect *i, struct inflater *inflater, const struct inspect_how *how, int file)
{
	static uint8_t buf[PIECE];
	static struct scanning scanning;
	if (how->clamd) {
		scanner_begin(&scanning.s, how->clamd, how->most);
		extract_begin(&scanning.x, true, (struct span){0}, &scanning.inflater);
	}
	inspect_begin(i, &(struct inspect_about){.file = true}, inflater);
	for (;;) {
		ssize_t n = read(file, buf, sizeof(buf));
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return ERR_SYSTEM;
		}
		if (n == 0) {
			inspect_end(i);
			if (how->clamd) {
				show_end(&scanning, i);
			}
			return 0;
		}
		inspect_feed(i, span_of(buf, (size_t)n));
		if (how->clamd) {
			show(&scanning, span_of(buf, (size_t)n));
		}
	}
}

static void child(const struct inspect_how *how, int file, int out)
{
	static struct inspect i;
	static struct inflater inflater;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	boxed_close_others(file, out, sandbox_fd(how->sandbox));
	/* At the first of the two the kernel says by its signal why it ends the process; at the second it would not. */
	(void)signal(SIGXCPU, SIG_DFL);
	limit(RLIMIT_CPU, how->seconds, how->seconds + 1);
	limit(RLIMIT_CORE, 0, 0);
#ifndef __SANITIZE_ADDRESS__
	limit(RLIMIT_DATA, MEMORY, MEMORY);
#endif
	if (sandbox_load(how->sandbox) != 0) {
		_exit(1);
	}
	if (look(&i, &inflater, how, file) != 0) {
		_exit(errno > 0 && errno < UNREADABLE ? UNREADABLE + errno : 1);
	}
	const uint8_t *from = (const uint8_t *)&i;
	for (size_t at = 0; at < SAID;) {
		ssize_t n = write(out, from + at, SAID - at);
		if (n <= 0) {
			_exit(1);
		}
		at += (size_t)n;
	}
	_exit(0);
}

/* ---- The parent, which trusts nothing that it says ---- */

int inspect_job_start(struct inspect_job *j, const struct inspect_how *how, int file)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0) {
		return ERR_SYSTEM;
	}
	(void)fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		close(ends[0]);
		child(how, file, ends[1]);
	}
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return ERR_SYSTEM;
	}
	(void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
	j->pid = pid;
	j->fd = ends[0];
	j->len = 0;
	j->late = false;
	j->unreadable = 0;
	j->seconds = how->seconds;
	j->patience = how->patience ? how->patience : BOXED_PATIENCE * how->seconds;
	j->deadline_ms = clock_mono_ms() + (int64_t)j->patience * 1000;
	memset(&j->said, 0, sizeof(j->said));
	return 0;
}

static void make_safe(char *text, size_t size)
{
	text[size - 1] = '\0';
	for (size_t k = 0; text[k]; k++) {
		if (text[k] < ' ' || text[k] > '~') {
			text[k] = '?';
		}
	}
}

static bool is_sane(struct inspect *i)
{
	if (i->n_findings > INSPECT_FINDINGS) {
		return false;
	}
	for (unsigned k = 0; k < i->n_findings; k++) {
		if (i->findings[k].check >= CHECK_N) {
			return false;
		}
		make_safe(i->findings[k].excerpt, sizeof(i->findings[k].excerpt));
	}
	struct inspect_facts *f = &i->facts;
	make_safe(f->modality, sizeof(f->modality));
	make_safe(f->body_part, sizeof(f->body_part));
	make_safe(f->burned_in, sizeof(f->burned_in));
	make_safe(f->photometric, sizeof(f->photometric));
	make_safe(f->sop_class, sizeof(f->sop_class));
	make_safe(f->sop_instance, sizeof(f->sop_instance));
	return true;
}

static void finish(struct inspect_job *j)
{
	char why[64];
	int status = 0;
	close(j->fd);
	j->fd = -1;
	while (waitpid(j->pid, &status, 0) < 0 && errno == EINTR) {
	}
	bool good = WIFEXITED(status) && WEXITSTATUS(status) == 0 && j->len == SAID;
	if (good && is_sane(&j->said)) {
		return;
	}
	memset(&j->said, 0, sizeof(j->said));
	if (j->late) {
		snprintf(why, sizeof(why), "it took longer than %u s by the clock", j->patience);
	} else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU) {
		snprintf(why, sizeof(why), "it took more than %u s of the processor", j->seconds);
	} else if (WIFSIGNALED(status)) {
		snprintf(why, sizeof(why), "it was ended by signal %d", WTERMSIG(status));
	} else if (WEXITSTATUS(status) > UNREADABLE) {
		j->unreadable = WEXITSTATUS(status) - UNREADABLE;
		snprintf(why, sizeof(why), "the file could not be read: %.34s", strerror(j->unreadable));
	} else {
		snprintf(why, sizeof(why), "it did not come to its end");
	}
	inspect_failed(&j->said, why);
}

bool inspect_job_go_on(struct inspect_job *j, int64_t now_ms)
{
	for (;;) {
		uint8_t surplus[1];
		bool full = j->len == SAID;
		ssize_t n = full ? read(j->fd, surplus, 1)
		                 : read(j->fd, (uint8_t *)&j->said + j->len, SAID - j->len);
		if (n > 0 && !full) {
			j->len += (size_t)n;
			continue;
		}
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0 && errno == EAGAIN && now_ms < j->deadline_ms) {
			return false;
		}
		if (n != 0) {
			j->late = n < 0;
			j->len = 0;
			(void)kill(j->pid, SIGKILL);
		}
		finish(j);
		return true;
	}
}
