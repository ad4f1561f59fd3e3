/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/quarantine_parts.h"
#include "audit/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

/* Objects that are there. */

static void close_fd(int *fd)
{
	if (*fd >= 0) {
		int error = errno;
		close(*fd);
		errno = error;
	}
}

/* A file that was given another's name, or the state of another, is not what it says it is. */
static bool name_fits(const struct quarantine_object *o, const struct quarantine_state *s)
{
	char name[QUARANTINE_NAME];
	quarantine_name_write(s->number, o->released ? NULL : s->same, name);
	return strcmp(name, o->name) == 0;
}

int quarantine_open(const struct quarantine *q, const struct quarantine_object *o,
	struct quarantine_file *ret_file, struct quarantine_state *ret_state, struct facts *ret_facts)
{
	struct quarantine_file f;
	struct quarantine_state s;
	int fd = openat(q->dir, o->name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		return io_error();
	}
	int e = quarantine_file_open(q->site, fd, &f, &s, ret_facts);
	if (e != 0) {
		close(fd);
		return e;
	}
	if (!name_fits(o, &s)) {
		quarantine_file_done(&f);
		return ERR_DENIED;
	}
	*ret_file = f;
	*ret_state = s;
	return 0;
}

int quarantine_change(const struct quarantine *q, struct quarantine_file *f,
	int (*change)(struct quarantine_state *s, void *arg), void *arg, struct quarantine_state *ret_state)
{
	struct quarantine_state s;
	CLEANUP(close_fd) int lock = quarantine_lock(q->dir);
	if (lock < 0) {
		return ERR_SYSTEM;
	}
	int e = quarantine_file_again(f, &s);
	e = e == 0 ? change(&s, arg) : e;
	e = e == 0 ? quarantine_file_state(f, &s) : e;
	if (e == 0 && ret_state) {
		*ret_state = s;
	}
	return e;
}

int quarantine_let_go(
	const struct quarantine *q, const struct quarantine_object *o, struct quarantine_file *f)
{
	char name[QUARANTINE_NAME];
	CLEANUP(close_fd) int lock = quarantine_lock(q->dir);
	if (lock < 0) {
		return ERR_SYSTEM;
	}
	/* The name first: what has no pieces any more must not stand under one that says it has. */
	quarantine_name_write(o->number, NULL, name);
	if (renameat(q->dir, o->name, q->dir, name) < 0 || fsync(q->dir) < 0) {
		return ERR_SYSTEM;
	}
	return quarantine_file_empty(f);
}

int quarantine_delete(const struct quarantine *q, const struct quarantine_object *o)
{
	CLEANUP(close_fd) int lock = quarantine_lock(q->dir);
	if (lock < 0) {
		return ERR_SYSTEM;
	}
	if (unlinkat(q->dir, o->name, 0) < 0) {
		return io_error();
	}
	return fsync(q->dir) < 0 ? ERR_SYSTEM : 0;
}
