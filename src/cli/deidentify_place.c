/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/deidentify_place.h"

#include "cli/deidentify_lanes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE (64u * 1024)

static bool make_folder(int at, const char *name, int *ret_fd)
{
	if (mkdirat(at, name, 0750) < 0 && errno != EEXIST) {
		return false;
	}
	*ret_fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *ret_fd >= 0;
}

/* The folder of a series, of three names; the last one stays open, as what comes next is mostly of the same. */
static bool open_series(struct deidentify_place *p, const char *path, const char *const names[3])
{
	int fd = p->out_fd, up;
	if (p->series_fd >= 0 && strcmp(p->series, path) == 0) {
		return true;
	}
	if (p->series_fd >= 0) {
		close(p->series_fd);
		p->series_fd = -1;
	}
	for (unsigned i = 0; i < 3; i++) {
		bool ok = make_folder(fd, names[i], &up);
		if (fd != p->out_fd) {
			close(fd);
		}
		if (!ok) {
			return false;
		}
		fd = up;
	}
	p->series_fd = fd;
	snprintf(p->series, sizeof(p->series), "%s", path);
	return true;
}

/* ---- What is there already ---- */

/* As many bytes as there are, up to a piece's. */
static ssize_t read_piece(int fd, uint8_t *to)
{
	size_t n = 0;
	while (n < PIECE) {
		ssize_t got = read(fd, to + n, PIECE - n);
		if (got < 0 && errno == EINTR) {
			continue;
		}
		if (got < 0) {
			return -1;
		}
		if (got == 0) {
			break;
		}
		n += (size_t)got;
	}
	return (ssize_t)n;
}

static bool has_same(int a, int b)
{
	static uint8_t pieces[2][PIECE];
	ssize_t n, m;
	do {
		n = read_piece(a, pieces[0]);
		m = read_piece(b, pieces[1]);
		if (n < 0 || n != m || memcmp(pieces[0], pieces[1], (size_t)n) != 0) {
			return false;
		}
	} while (n > 0);
	return true;
}

static const char *why_there(
	const struct deidentify_place *p, const char *part, const char *last, bool encrypted)
{
	int fresh = openat(p->out_fd, part, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int there = openat(p->series_fd, last, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	bool same = fresh >= 0 && there >= 0 && has_same(fresh, there);
	if (fresh >= 0) {
		close(fresh);
	}
	if (there >= 0) {
		close(there);
	}
	if (same) {
		return "there is a copy of this SOP instance already, which is the same";
	}
	return encrypted
	               ? "there is a copy of this SOP instance already; whether it is the same is not known, as what is encrypted in it differs each time"
	               : "there is a copy of this SOP instance already, and that is another: two files have one SOP Instance UID, or it was made with other options";
}

/* ---- All ---- */

/* Names that may be: the worker says what they are. */
static bool are_names(const char *const names[3], const char *instance)
{
	bool are = true;
	for (unsigned i = 0; i < 4; i++) {
		const char *name = i < 3 ? names[i] : instance;
		are = are && name[0] && name[0] != '.' &&
		      strspn(name, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ.") == strlen(name);
	}
	return are;
}

const char *deidentify_place_put(struct deidentify_place *p, const struct deidentify_said *said,
	const char *part, bool encrypted, char *copy, size_t size)
{
	const char *names[] = {said->patient, said->study[0] ? said->study : "NONE",
		said->series[0] ? said->series : "NONE"};
	char last[UID_MAX + 8], folder[sizeof(p->series)];
	if (!are_names(names, said->instance)) {
		return said->instance[0]
		               ? "a UID of the instance, its series or its study has other letters than digits and dots, and the copy cannot be named by it"
		               : "it has no SOP Instance UID, by which the copy could be named";
	}
	snprintf(folder, sizeof(folder), "%s/%s/%s", names[0], names[1], names[2]);
	snprintf(last, sizeof(last), "%s.dcm", said->instance);
	snprintf(copy, size, "%s/%s", folder, last);
	if (open_series(p, folder, names) &&
		deidentify_lanes_whole(p->out_fd, part, p->series_fd, last) == 0) {
		return NULL;
	}
	return errno == EEXIST && p->series_fd >= 0 ? why_there(p, part, last, encrypted) : strerror(errno);
}

void deidentify_place_done(struct deidentify_place *p)
{
	if (p->series_fd >= 0) {
		close(p->series_fd);
		p->series_fd = -1;
	}
}
