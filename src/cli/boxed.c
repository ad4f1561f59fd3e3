/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/boxed.h"
#include "base/put.h"
#include "priv/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void limit(int what, rlim_t most)
{
	const struct rlimit l = {.rlim_cur = most, .rlim_max = most};
	(void)setrlimit(what, &l);
}

void boxed_close_others(int file, int out, int ruleset)
{
	const int kept[] = {file, out, ruleset};
	descriptors_keep(kept, ARRAY_LEN(kept));
}

static void child(const struct boxed_how *how, int file, int out, boxed_run *run, void *arg)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)signal(SIGPIPE, SIG_DFL);
	boxed_close_others(file, out, sandbox_fd(how->sandbox));
	if (how->cpu_s > 0) {
		limit(RLIMIT_CPU, how->cpu_s);
	}
#ifndef __SANITIZE_ADDRESS__
	limit(RLIMIT_DATA, how->memory);
#endif
	_exit(sandbox_load(how->sandbox) == 0 ? run(arg, file, out) : 1);
}

int boxed_start(struct boxed *b, const struct boxed_how *how, int file, boxed_run *run, void *arg)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0) {
		return ERR_SYSTEM;
	}
	(void)fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		close(ends[0]);
		child(how, file, ends[1], run, arg);
	}
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return ERR_SYSTEM;
	}
	*b = (struct boxed){.pid = pid, .fd = ends[0]};
	return 0;
}

int boxed_read(struct boxed *b, void *to, size_t n, int wait_ms)
{
	for (size_t at = 0; at < n;) {
		struct pollfd p = {.fd = b->fd, .events = POLLIN};
		int ready = poll(&p, 1, wait_ms);
		if (ready == 0) {
			return ERR_TIMEOUT;
		}
		ssize_t got = ready < 0 ? -1 : read(b->fd, (uint8_t *)to + at, n - at);
		if (got < 0 && errno != EINTR) {
			return ERR_SYSTEM;
		}
		if (got == 0) {
			return at == 0 ? ERR_CLOSED : ERR_TRUNCATED;
		}
		at += got > 0 ? (size_t)got : 0;
	}
	return 0;
}

int boxed_end(struct boxed *b)
{
	int status = 0;
	if (b->fd < 0) {
		return 0;
	}
	close(b->fd);
	/* One that came to its end is a zombie: this does nothing to it. */
	(void)kill(b->pid, SIGKILL);
	while (waitpid(b->pid, &status, 0) < 0 && errno == EINTR) {
	}
	*b = BOXED_NONE;
	return status;
}

bool boxed_write(int out, const void *from, size_t n)
{
	return put_all(out, span_of(from, n)) == 0;
}
