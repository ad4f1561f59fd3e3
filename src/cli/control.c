/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/place.h"

#include <errno.h>
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

static int call(const char *verb, const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(to.sun_path)) {
		fprintf(stderr, "gantry %s: %s is too long a name for a socket\n", verb, path);
		return -1;
	}
	memcpy(to.sun_path, path, strlen(path));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0) {
		const struct timeval wait = {.tv_sec = WAIT_S};
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
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
	if (fd >= 0) {
		close(fd);
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
