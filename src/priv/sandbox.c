/* SPDX-License-Identifier: Apache-2.0 */
#include "priv/sandbox.h"
#include "priv/filter.h"
#include "priv/landlock.h"

#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* An association holds five descriptors and is passed a few more. */
#define ASSOCIATION_FILES 32

/* Far above what an association needs: a ceiling for one that was taken over. */
#define ASSOCIATION_DATA (256u * 1024 * 1024)

struct sandbox {
	enum sandbox_kind kind;
	struct sock_fprog program;
	int landlock; /* -1: none */
};

int sandbox_new(
	enum sandbox_kind kind, const struct sandbox_path *paths, unsigned n, struct sandbox **ret_sandbox)
{
	struct sandbox *s = calloc(1, sizeof(*s));
	if (!s) {
		return ERR_NO_MEMORY;
	}
	s->kind = kind;
	s->landlock = -1;
	int e = filter_build(kind, &s->program);
	if (e == 0) {
		bool no_network = kind != SANDBOX_GATE && kind != SANDBOX_LOOKUP && kind != SANDBOX_JOB &&
		                  kind != SANDBOX_FORWARD && kind != SANDBOX_COURIER;
		e = landlock_new(paths, n, no_network, no_network, &s->landlock);
	}
	if (e != 0) {
		sandbox_free(s);
		return e;
	}
	*ret_sandbox = s;
	return 0;
}

void sandbox_free(struct sandbox *s)
{
	if (!s) {
		return;
	}
	if (s->landlock >= 0) {
		close(s->landlock);
	}
	free(s->program.filter);
	free(s);
}

int sandbox_fd(const struct sandbox *s)
{
	return s->landlock;
}

int sandbox_landlock(void)
{
	return landlock_version();
}

static int set_limit(int what, rlim_t most)
{
	struct rlimit l;
	if (getrlimit(what, &l) < 0) {
		return ERR_SYSTEM;
	}
	if (l.rlim_max <= most && l.rlim_cur <= most) {
		return 0;
	}
	l.rlim_cur = l.rlim_max = most;
	return setrlimit(what, &l) < 0 ? ERR_SYSTEM : 0;
}

static bool log_is_file(void)
{
	struct stat st;
	return fstat(STDERR_FILENO, &st) == 0 && S_ISREG(st.st_mode);
}

static int limit_association(void)
{
	int e = set_limit(RLIMIT_NOFILE, ASSOCIATION_FILES);
	if (e == 0) {
		e = set_limit(RLIMIT_NPROC, 0);
	}
	/* The log may be a plain file, which this limit would also stop from growing. */
	if (e == 0 && !log_is_file()) {
		e = set_limit(RLIMIT_FSIZE, 0);
	}
#ifndef __SANITIZE_ADDRESS__
	if (e == 0) {
		e = set_limit(RLIMIT_DATA, ASSOCIATION_DATA);
	}
#endif
	return e;
}

int sandbox_load(const struct sandbox *s)
{
	int e = set_limit(RLIMIT_CORE, 0);
	if (e == 0 && s->kind == SANDBOX_ASSOCIATION) {
		e = limit_association();
	}
	if (e != 0) {
		return e;
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) {
		return ERR_SYSTEM;
	}
	if (s->landlock >= 0) {
		if (landlock_enter(s->landlock) != 0) {
			return ERR_SYSTEM;
		}
		close(s->landlock);
	}
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &s->program) < 0) {
		return ERR_SYSTEM;
	}
	return 0;
}
