/* SPDX-License-Identifier: Apache-2.0 */
#include "priv/spawn.h"
#include "base/span.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *const names[ROLE_COUNT] = {
	[ROLE_GATE] = "gate",
	[ROLE_LOOKUP] = "lookup",
	[ROLE_STORE] = "store",
	[ROLE_KEYS] = "keys",
	[ROLE_AUDIT] = "audit",
	[ROLE_FORWARD] = "forward",
};

const char *role_name(enum role_id r)
{
	return r < ROLE_COUNT && names[r] ? names[r] : "unknown";
}

enum role_id role_by_name(const char *name)
{
	for (unsigned r = 1; r < ROLE_COUNT; r++) {
		if (strcmp(names[r], name) == 0) {
			return (enum role_id)r;
		}
	}
	return 0;
}

int spawn_open_self(int *ret_fd)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return ERR_SYSTEM;
	}
	*ret_fd = fd;
	return 0;
}

/*
 * The environment of a role, whole. TZ is always set: with it the C library reads the time zone's file once, and not
 * again inside a sandbox where it could not. Resolver options keep a dead name server from stalling every lookup.
 */
#define ENV_MOST 8
static void make_env(char *env[ENV_MOST], char room[ENV_MOST][256])
{
	static const struct {
		const char *name, *otherwise;
	} kept[] = {
		{"TZ", ":/etc/localtime"},
		{"RES_OPTIONS", "timeout:2 attempts:2"},
		{"PATH", "/usr/bin:/bin"},
		{"LC_ALL", "C.UTF-8"},
		{"ASAN_OPTIONS", NULL},
		{"UBSAN_OPTIONS", NULL},
	};
	static_assert(ARRAY_LEN(kept) < ENV_MOST, "room for all and the NULL");
	unsigned n = 0;
	for (unsigned i = 0; i < ARRAY_LEN(kept); i++) {
		const char *v = getenv(kept[i].name);
		v = v ? v : kept[i].otherwise;
		if (v && snprintf(room[n], 256, "%s=%s", kept[i].name, v) < 256) {
			env[n] = room[n];
			n++;
		}
	}
	env[n] = NULL;
}

static void raise_files(unsigned files)
{
	struct rlimit l;
	if (files == 0 || getrlimit(RLIMIT_NOFILE, &l) < 0) {
		return;
	}
	struct rlimit want = {.rlim_cur = files, .rlim_max = files > l.rlim_max ? files : l.rlim_max};
	if (files <= l.rlim_cur || setrlimit(RLIMIT_NOFILE, &want) == 0) {
		return;
	}
	l.rlim_cur = l.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &l);
}

static void plain_signals(void)
{
	sigset_t none;
	sigemptyset(&none);
	for (int s = 1; s < NSIG; s++) {
		(void)signal(s, SIG_DFL);
	}
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Descriptors 0 to 4 in their places; the program itself at 4 until the exec. Sources are moved out of the way first. */
static int place_descriptors(const struct spawn *what, int channel)
{
	int from[] = {what->null, what->log, what->log, channel, what->exe};
	for (unsigned i = 0; i < ARRAY_LEN(from); i++) {
		from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 10);
		if (from[i] < 0) {
			return ERR_SYSTEM;
		}
	}
	for (unsigned i = 0; i < ARRAY_LEN(from); i++) {
		if (dup3(from[i], (int)i, i == 4 ? O_CLOEXEC : 0) < 0) {
			return ERR_SYSTEM;
		}
	}
	return close_range(5, ~0u, 0) < 0 ? ERR_SYSTEM : 0;
}

#define ARGS_MOST 70

static void become(const struct spawn *what, int channel) __attribute__((noreturn));
static void become(const struct spawn *what, int channel)
{
	static char room[ENV_MOST][256];
	char *env[ENV_MOST];
	char *argv[ARGS_MOST] = {"gantry", "--role", (char *)role_name(what->role)};
	for (unsigned i = 0; i < what->n_args && i < ARGS_MOST - 4; i++) {
		argv[3 + i] = (char *)what->args[i];
	}
	plain_signals();
	(void)setpgid(0, 0);
	make_env(env, room);
	raise_files(what->files);
	const struct rlimit none = {0};
	if (place_descriptors(what, channel) == 0 && setrlimit(RLIMIT_CORE, &none) == 0 &&
		(!what->drop || drop_now(what->drop) == 0)) {
		execveat(4, "", argv, env, AT_EMPTY_PATH);
	}
	dprintf(2, "gantry: the role %s cannot be started: %s\n", role_name(what->role), strerror(errno));
	_exit(127);
}

int spawn_role(const struct spawn *what, pid_t *ret_pid, int *ret_channel)
{
	int pair[2];
	if (what->n_args > ARGS_MOST - 4) {
		return ERR_LIMIT;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		return ERR_SYSTEM;
	}
	pid_t pid = fork();
	if (pid == 0) {
		become(what, pair[1]);
	}
	int kept = errno;
	close(pair[1]);
	if (pid < 0 || fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0) {
		close(pair[0]);
		errno = kept;
		return ERR_SYSTEM;
	}
	*ret_pid = pid;
	*ret_channel = pair[0];
	return 0;
}

void descriptors_keep(const int *kept, unsigned n)
{
	for (unsigned from = 0;;) {
		/* The lowest that stays, from here on. */
		unsigned next = UINT_MAX;
		for (unsigned i = 0; i < n; i++) {
			if (kept[i] >= 0 && (unsigned)kept[i] >= from && (unsigned)kept[i] < next) {
				next = (unsigned)kept[i];
			}
		}
		if (next > from) {
			(void)close_range(from, next == UINT_MAX ? UINT_MAX : next - 1, 0);
		}
		if (next == UINT_MAX) {
			return;
		}
		from = next + 1;
	}
}
