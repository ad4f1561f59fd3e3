/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/door.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void door_user(char *to, size_t cap)
{
	const char *sudo = geteuid() == 0 ? getenv("SUDO_USER") : NULL;
	const struct passwd *p = sudo && sudo[0] ? NULL : getpwuid(getuid());
	snprintf(to, cap, "%s", sudo && sudo[0] ? sudo : p ? p->pw_name : "nobody known");
}

/* run/door stands beside run/control. */
static int door_path(const char *control_socket, struct sockaddr_un *to)
{
	const char *slash = strrchr(control_socket, '/');
	int folder = slash ? (int)(slash - control_socket) : 0;
	int n = snprintf(to->sun_path, sizeof(to->sun_path), "%.*s/door", folder, control_socket);
	return !slash || n < 0 || (size_t)n >= sizeof(to->sun_path) ? ERR_LIMIT : 0;
}

static int failed(int fd, const char *path, char *said, size_t cap)
{
	int e = errno;
	if (fd >= 0) {
		close(fd);
	}
	if (e == ENOENT || e == ECONNREFUSED) {
		snprintf(said, cap,
			"no gateway is running here (nobody answers on %s); `gantry run` starts one", path);
	} else if (e == EACCES || e == EPERM) {
		snprintf(said, cap, "%s is open to who started the gateway alone: try sudo", path);
	} else {
		snprintf(said, cap, "%s: %s", path, strerror(e));
	}
	return e == EACCES || e == EPERM ? ERR_DENIED : ERR_SYSTEM;
}

int door_reach(const char *control_socket, char *said, size_t cap)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	if (door_path(control_socket, &at) != 0) {
		snprintf(said, cap, "the name of the gateway's folder is too long");
		return ERR_LIMIT;
	}
	return access(at.sun_path, W_OK) < 0 ? failed(-1, at.sun_path, said, cap) : 0;
}

int door_open(const char *control_socket, const struct door *wanted, int *ret_fd, char *said, size_t cap)
{
	struct door d = *wanted;
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	uint8_t head[DOOR_MOST];
	struct writer w = writer_of(head, sizeof(head));
	if (door_path(control_socket, &at) != 0) {
		snprintf(said, cap, "the name of the gateway's folder is too long");
		return ERR_LIMIT;
	}
	door_user(d.user, sizeof(d.user));
	door_write(&w, &d);
	if (writer_end(&w) != 0) {
		return ERR_LIMIT;
	}
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
		send(fd, head, w.len, MSG_NOSIGNAL) != (ssize_t)w.len) {
		return failed(fd, at.sun_path, said, cap);
	}
	*ret_fd = fd;
	return 0;
}
