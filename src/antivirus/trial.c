/* SPDX-License-Identifier: Apache-2.0 */
#include "antivirus/trial.h"

#include "base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CONFIG_MOST   (256u * 1024)
#define POLL_MS       50
#define STOP_TRIES    10 /* it has nothing to lose */
#define JANITOR_TRIES 100

static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

/* What is ours to say, or of no use to a clamd that nobody else talks to; above all, what starts programs. */
static const char *const ours[] = {"Example", "LocalSocket", "LocalSocketGroup", "LocalSocketMode",
	"FixStaleSocket", "TCPSocket", "TCPAddr", "PidFile", "LogFile", "LogFileUnlock", "LogFileMaxSize",
	"LogTime", "LogRotate", "LogSyslog", "LogFacility", "LogClean", "LogVerbose", "ExtendedDetectionInfo",
	"Debug", "Foreground", "User", "DatabaseDirectory", "TemporaryDirectory", "SelfCheck", "VirusEvent",
	"DisableCache", "PreludeEnable", "PreludeAnalyzerName", "OfficialDatabaseOnly", "FailIfCvdOlderThan",
	"StatsEnabled"};

/* ---- Its configuration ---- */

static size_t word_length(const char *line)
{
	return strcspn(line, " \t\r\n=");
}

static bool is_ours(const char *line)
{
	size_t n = word_length(line);
	bool is = strncasecmp(line, "OnAccess", 8) == 0;
	for (unsigned i = 0; i < ARRAY_LEN(ours); i++) {
		is |= strlen(ours[i]) == n && strncasecmp(line, ours[i], n) == 0;
	}
	return is;
}

static int add(char *to, size_t cap, size_t *len, const char *text, size_t n)
{
	if (n >= cap - *len) {
		return ERR_SPACE;
	}
	memcpy(to + *len, text, n);
	*len += n;
	to[*len] = '\0';
	return 0;
}

int trial_config(const struct trial *t, const char *site, const char *definitions, char *ret_text, size_t cap)
{
	char own[4600];
	size_t len = 0;
	int e = 0;
	ret_text[0] = '\0';
	for (const char *line = site; e == 0 && *line;) {
		size_t n = strcspn(line, "\n");
		n += line[n] == '\n';
		if (word_length(line) > 0 && line[0] != '#' && !is_ours(line)) {
			e = add(ret_text, cap, &len, line, n);
			e = e == 0 && line[n - 1] != '\n' ? add(ret_text, cap, &len, "\n", 1) : e;
		}
		line += n;
	}
	/* Without its cache: the second look at a file costs what the first one does. */
	int n = snprintf(own, sizeof(own),
		"LocalSocket %s\nDatabaseDirectory %s\nTemporaryDirectory %s\nForeground yes\nSelfCheck 0\nDisableCache yes\n",
		t->socket, definitions, t->folder);
	return e == 0 && n > 0 && (size_t)n < sizeof(own) ? add(ret_text, cap, &len, own, (size_t)n)
	                                                  : ERR_SPACE;
}

/* "" where it cannot be read. malloc'ed. */
static char *read_config(const char *path)
{
	char *text = calloc(1, CONFIG_MOST);
	int fd = text ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	ssize_t n = fd >= 0 ? read(fd, text, CONFIG_MOST - 1) : 0;
	if (fd >= 0) {
		close(fd);
	}
	if (text && n <= 0) {
		text[0] = '\0';
	}
	return text;
}

/* The user that it names. NULL: none. */
static const struct passwd *user_of(const char *site)
{
	char name[64];
	for (const char *line = site; *line;) {
		size_t n = strcspn(line, "\n");
		if (word_length(line) == 4 && strncasecmp(line, "User", 4) == 0) {
			const char *word = line + 4 + strspn(line + 4, " \t=");
			snprintf(name, sizeof(name), "%.*s", (int)word_length(word), word);
			return getpwnam(name);
		}
		line += n + (line[n] == '\n');
	}
	return NULL;
}

static int write_text(const char *path, const char *text)
{
	size_t n = strlen(text);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	bool good = fd >= 0 && write(fd, text, n) == (ssize_t)n;
	if (fd >= 0) {
		close(fd);
	}
	return good ? 0 : ERR_SYSTEM;
}

/* ---- Its folder ---- */

/* clamd unpacks into folders of its own. They are another user's: nothing is followed. */
static void empty_folder(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *d;
	while (dir && (d = readdir(dir))) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0) {
			continue;
		}
		if (unlinkat(fd, d->d_name, 0) < 0 && (errno == EISDIR || errno == EPERM)) {
			empty_folder(fd, d->d_name);
			(void)unlinkat(fd, d->d_name, AT_REMOVEDIR);
		}
	}
	if (dir) {
		closedir(dir);
	} else if (fd >= 0) {
		close(fd);
	}
}

/* Not ours to be told to end with: it ends when the other end of the pipe is closed, whoever does that. */
static void watch(const char *folder, int alive)
{
	char c;
	(void)setsid();
	for (unsigned i = 0; i < ARRAY_LEN(ends); i++) {
		(void)signal(ends[i], SIG_IGN);
	}
	if (dup2(alive, 0) < 0) {
		_exit(1);
	}
	(void)close_range(1, ~0u, 0);
	while (read(0, &c, 1) < 0 && errno == EINTR) {
	}
	/* A clamd that is killed at this moment may still write into it. */
	for (unsigned i = 0; i < JANITOR_TRIES; i++) {
		empty_folder(AT_FDCWD, folder);
		if (rmdir(folder) == 0 || errno == ENOENT) {
			break;
		}
		(void)poll(NULL, 0, POLL_MS);
	}
	_exit(0);
}

/* What clamd is shown is in files there, and whoever ends this process must not leave them. */
static int start_janitor(struct trial *t)
{
	int pipes[2];
	if (pipe2(pipes, O_CLOEXEC) < 0) {
		return ERR_SYSTEM;
	}
	(void)fflush(NULL);
	t->janitor = fork();
	if (t->janitor == 0) {
		watch(t->folder, pipes[0]);
	}
	close(pipes[0]);
	if (t->janitor < 0) {
		t->janitor = 0;
		close(pipes[1]);
		return ERR_SYSTEM;
	}
	t->alive = pipes[1];
	return 0;
}

static void end_janitor(struct trial *t)
{
	if (t->janitor > 0) {
		close(t->alive);
		(void)waitpid(t->janitor, NULL, 0);
		t->janitor = 0;
	}
}

/* ---- Its process ---- */

static void become(const struct passwd *user)
{
	if (user && geteuid() == 0 &&
		(initgroups(user->pw_name, user->pw_gid) < 0 || setgid(user->pw_gid) < 0 ||
			setuid(user->pw_uid) < 0)) {
		_exit(126);
	}
}

static void run(
	const struct trial_how *how, const struct passwd *user, const char *config, int out, pid_t parent)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	become(user);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0) {
		_exit(126);
	}
	(void)close_range(3, ~0u, 0);
	execl(how->program, "clamd", "-c", config, (char *)NULL);
	_exit(127);
}

int trial_start(struct trial *t, const struct trial_how *how, char *why, size_t cap)
{
	char config[96];
	pid_t parent = getpid();
	*t = (struct trial){.folder = "/tmp/gantry-antivirus-XXXXXX"};
	char *site = read_config(how->config), *text = malloc(CONFIG_MOST);
	const struct passwd *user = site ? user_of(site) : NULL;
	int e = site && text && mkdtemp(t->folder) ? 0 : ERR_SYSTEM;
	if (e == 0) {
		snprintf(t->socket, sizeof(t->socket), "%s/clamd.ctl", t->folder);
		snprintf(config, sizeof(config), "%s/clamd.conf", t->folder);
		e = start_janitor(t);
		e = e == 0 ? trial_config(t, site, how->definitions, text, CONFIG_MOST) : e;
		e = e == 0 ? write_text(config, text) : e;
		t->out = memfd_create("clamd", MFD_CLOEXEC);
		e = e == 0 && t->out < 0 ? ERR_SYSTEM : e;
	}
	if (e == 0 && user && geteuid() == 0 && chown(t->folder, user->pw_uid, user->pw_gid) < 0) {
		e = ERR_SYSTEM;
	}
	t->clamd = (struct clamd){.socket = t->socket, .timeout_ms = how->timeout_ms};
	(void)fflush(NULL);
	t->pid = e == 0 ? fork() : -1;
	if (t->pid == 0) {
		run(how, user, config, t->out, parent);
	}
	free(site);
	free(text);
	if (t->pid < 0) {
		snprintf(why, cap, "a clamd for the trial could not be started: %s",
			e == ERR_SPACE ? "its configuration is too long" : strerror(errno));
		t->pid = 0;
		trial_stop(t);
		return ERR_SYSTEM;
	}
	return 0;
}

/* What it said last. */
static void last_words(const struct trial *t, char *to, size_t cap)
{
	char text[8192];
	ssize_t n = pread(t->out, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	to[0] = '\0';
	for (char *line = text; *line;) {
		size_t len = strcspn(line, "\n");
		bool last = line[len] == '\0';
		line[len] = '\0';
		if (strstr(line, "ERROR") || !to[0]) {
			snprintf(to, cap, "%.200s", line);
		}
		line += len + !last;
	}
	for (; *to; to++) {
		*to = *to < ' ' || *to > '~' ? '?' : *to;
	}
}

int trial_ready(struct trial *t, int64_t wait_ms, char *why, size_t cap)
{
	int64_t until = clock_mono_ms() + wait_ms;
	for (;;) {
		char text[16], said[300];
		int status = 0;
		if (waitpid(t->pid, &status, WNOHANG) == t->pid) {
			t->pid = 0;
			last_words(t, said, sizeof(said));
			snprintf(why, cap, "clamd does not start with these definitions (%s)", said);
			return ERR_CLOSED;
		}
		if (clamd_ask(&t->clamd, "PING", text, sizeof(text)) == 0 && strcmp(text, "PONG") == 0) {
			return 0;
		}
		if (clock_mono_ms() >= until) {
			snprintf(why, cap, "clamd has not loaded these definitions within %lld s",
				(long long)(wait_ms / 1000));
			return ERR_TIMEOUT;
		}
		(void)poll(NULL, 0, POLL_MS);
	}
}

uint64_t trial_cpu_ns(const struct trial *t)
{
	clockid_t clock;
	struct timespec used;
	if (t->pid <= 0 || clock_getcpuclockid(t->pid, &clock) != 0 || clock_gettime(clock, &used) < 0) {
		return 0;
	}
	return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

uint64_t trial_memory(const struct trial *t)
{
	char path[64], line[128];
	unsigned long long kib = 0;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)t->pid);
	FILE *f = t->pid > 0 ? fopen(path, "re") : NULL;
	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, "VmHWM:", 6) == 0) {
			kib = strtoull(line + 6, NULL, 10);
		}
	}
	if (f) {
		(void)fclose(f);
	}
	return kib * 1024;
}

void trial_stop(struct trial *t)
{
	if (t->pid > 0) {
		(void)kill(t->pid, SIGTERM);
		for (unsigned i = 0; i < STOP_TRIES && t->pid > 0; i++) {
			if (waitpid(t->pid, NULL, WNOHANG) == t->pid) {
				t->pid = 0;
			} else {
				(void)poll(NULL, 0, POLL_MS);
			}
		}
	}
	if (t->pid > 0) {
		(void)kill(t->pid, SIGKILL);
		(void)waitpid(t->pid, NULL, 0);
		t->pid = 0;
	}
	if (t->socket[0]) {
		empty_folder(AT_FDCWD, t->folder);
		(void)rmdir(t->folder);
		close(t->out);
	}
	end_janitor(t);
	t->socket[0] = '\0';
}
