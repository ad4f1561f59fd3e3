/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/place.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* The running gateway's report, from the socket `control` in its `run` folder. */

/* The largest answer that is believed. */
#define ANSWER_MOST ((size_t)64 * 1024 * 1024)
#define WAIT_S      5

volatile sig_atomic_t control_interrupted;

char *control_path(const char *file)
{
	char *path = NULL, *run = place_folder(file, "run", "/run/gantry");
	if (run && asprintf(&path, "%s/control", run) < 0) {
		path = NULL;
	}
	free(run);
	return path;
}

const char *control_user(void)
{
	const struct passwd *p = getpwuid(getuid());
	const char *sudo = getuid() == 0 ? getenv("SUDO_USER") : NULL;
	return sudo ? sudo : p ? p->pw_name : "unknown";
}

/* -1: errno tells. */
static int connect_to(const char *path, unsigned wait_s)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(to.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(to.sun_path, path, strlen(path));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return -1;
	}
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		int kept = errno;
		close(fd);
		errno = kept;
		return -1;
	}
	const struct timeval wait = {.tv_sec = wait_s};
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	return fd;
}

static int call(const char *verb, const char *path)
{
	int fd = connect_to(path, WAIT_S);
	if (fd >= 0) {
		/* A line that asks for nothing else: the gateway need not wait for one. */
		(void)!send(fd, "report\n", 7, MSG_NOSIGNAL);
		return fd;
	}
	if (errno == ENOENT || errno == ECONNREFUSED) {
		fprintf(stderr,
			"No gateway is running here (nobody answers on %s). `gantry run` starts one.\n",
			path);
	} else if (errno == EACCES) {
		fprintf(stderr, "gantry %s: %s is open to root and the gateway's group only: try sudo\n",
			verb, path);
	} else {
		fprintf(stderr, "gantry %s: %s: %s\n", verb, path, strerror(errno));
	}
	return -1;
}

static char *read_all(int fd)
{
	size_t len = 0, cap = 65536;
	char *text = malloc(cap);
	while (text) {
		ssize_t n = read(fd, text + len, cap - len - 1);
		if (n < 0 && errno == EINTR && !control_interrupted) {
			continue;
		}
		if (n <= 0) {
			text[len] = 0;
			return text;
		}
		len += (size_t)n;
		if (cap - len < 2) {
			char *larger = cap < ANSWER_MOST ? realloc(text, cap * 2) : NULL;
			if (!larger) {
				break;
			}
			text = larger;
			cap *= 2;
		}
	}
	free(text);
	return NULL;
}

json_t *control_ask(const char *verb, const char *path)
{
	int fd = call(verb, path);
	if (fd < 0) {
		return NULL;
	}
	char *text = read_all(fd);
	close(fd);
	json_t *o = text ? json_loads(text, 0, NULL) : NULL;
	free(text);
	if (!o && !control_interrupted) {
		fprintf(stderr, "gantry %s: the gateway is busy and did not answer; try again\n", verb);
	}
	return o;
}

static const char *fault_text(int e)
{
	return e == ENOENT || e == ECONNREFUSED ? "the gateway does not run"
	       : e == EACCES ? "the gateway's control socket is open to root and the gateway's group only"
	                     : strerror(e);
}

const char *control_fault(const char *path)
{
	return access(path, W_OK) < 0 ? fault_text(errno) : NULL;
}

json_t *control_request(const char *path, const json_t *request, unsigned wait_s, const char **ret_why)
{
	json_t *o = NULL;
	char *line = json_dumps(request, JSON_COMPACT);
	int fd = connect_to(path, wait_s);
	if (fd < 0) {
		*ret_why = fault_text(errno);
	} else if (line && send(fd, line, strlen(line), MSG_NOSIGNAL) == (ssize_t)strlen(line) &&
		   send(fd, "\n", 1, MSG_NOSIGNAL) == 1) {
		char *text = read_all(fd);
		o = text ? json_loads(text, 0, NULL) : NULL;
		free(text);
	}
	if (fd >= 0) {
		*ret_why = "the gateway did not answer";
		close(fd);
	}
	free(line);
	return o;
}
