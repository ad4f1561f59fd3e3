/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/quarantine_parts.h"
#include "audit/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* The folder: names, numbers, the lock, and what is in it. */

#define RELEASED "released"
#define FRESH    ".new-"

int quarantine_lock(int dir)
{
	int fd = openat(dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	while (fd >= 0 && flock(fd, LOCK_EX) < 0) {
		if (errno != EINTR) {
			close(fd);
			return -1;
		}
	}
	return fd;
}

void quarantine_name_write(uint64_t number, const uint8_t *same, char ret_name[QUARANTINE_NAME])
{
	int n = snprintf(ret_name, QUARANTINE_NAME, "%" PRIu64 "-%s", number, same ? "" : RELEASED);
	for (size_t i = 0; same && n > 0 && i < QUARANTINE_DIGITS; i++) {
		n += snprintf(ret_name + n, QUARANTINE_NAME - (size_t)n, "%02x", same[i]);
	}
}

int quarantine_name_read(const char *name, struct quarantine_object *ret_object)
{
	struct quarantine_object o = {0};
	size_t n = strspn(name, "0123456789");
	if (n == 0 || n > 18 || name[0] == '0' || name[n] != '-') {
		return ERR_VALUE;
	}
	for (size_t i = 0; i < n; i++) {
		o.number = o.number * 10 + (uint64_t)(name[i] - '0');
	}
	const char *rest = name + n + 1;
	o.released = strcmp(rest, RELEASED) == 0;
	if (!o.released && (strlen(rest) != (size_t)2 * QUARANTINE_DIGITS ||
				   strspn(rest, "0123456789abcdef") != (size_t)2 * QUARANTINE_DIGITS)) {
		return ERR_VALUE;
	}
	snprintf(o.name, sizeof(o.name), "%s", name);
	*ret_object = o;
	return 0;
}

/* ---- Looking through it ---- */

/* Opened anew: a duplicate would share its position with every other. */
static DIR *open_again(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d && fd >= 0) {
		close(fd);
	}
	return d;
}

/* The size of a file that may have gone meanwhile. */
static uint64_t size_of(int dir, const char *name)
{
	struct stat st;
	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size
	                                                                                : 0;
}

int quarantine_count(int dir, struct quarantine_totals *ret_totals)
{
	struct quarantine_totals t = {0};
	const struct dirent *entry;
	DIR *d = open_again(dir);
	if (!d) {
		return ERR_SYSTEM;
	}
	while ((entry = readdir(d))) {
		struct quarantine_object o;
		bool fresh = strncmp(entry->d_name, FRESH, sizeof(FRESH) - 1) == 0;
		bool is = !fresh && quarantine_name_read(entry->d_name, &o) == 0;
		if (!fresh && !is) {
			continue;
		}
		t.bytes += size_of(dir, entry->d_name);
		if (is) {
			t.objects += !o.released;
			t.released += o.released;
			t.greatest = o.number > t.greatest ? o.number : t.greatest;
			t.oldest =
				!o.released && (t.oldest == 0 || o.number < t.oldest) ? o.number : t.oldest;
		}
	}
	closedir(d);
	*ret_totals = t;
	return 0;
}

bool quarantine_is_full(const struct quarantine *q, const struct quarantine_totals *t)
{
	return (q->most_bytes > 0 && t->bytes >= q->most_bytes) ||
	       (q->most_objects > 0 && t->objects >= q->most_objects);
}

static bool remove_left(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		return false;
	}
	bool removed = flock(fd, LOCK_EX | LOCK_NB) == 0 && unlinkat(dir, name, 0) == 0;
	close(fd);
	return removed;
}

int quarantine_clean(int dir)
{
	const struct dirent *entry;
	int removed = 0;
	DIR *d = open_again(dir);
	if (!d) {
		return ERR_SYSTEM;
	}
	while ((entry = readdir(d))) {
		if (strncmp(entry->d_name, FRESH, sizeof(FRESH) - 1) == 0) {
			removed += remove_left(dir, entry->d_name);
		}
	}
	closedir(d);
	return removed;
}

static int by_number(const void *a, const void *b)
{
	const struct quarantine_object *x = a, *y = b;
	return x->number < y->number ? -1 : x->number > y->number;
}

static int add(struct quarantine_object **at, size_t *n, size_t *cap, const struct quarantine_object *o)
{
	if (*n == *cap) {
		size_t more = *cap ? *cap * 2 : 64;
		struct quarantine_object *larger = reallocarray(*at, more, sizeof(**at));
		if (!larger) {
			return ERR_NO_MEMORY;
		}
		*at = larger;
		*cap = more;
	}
	(*at)[(*n)++] = *o;
	return 0;
}

int quarantine_list(int dir, struct quarantine_object **ret_objects, size_t *ret_n)
{
	struct quarantine_object *at = NULL, o;
	size_t n = 0, cap = 0;
	const struct dirent *entry;
	int e = 0;
	DIR *d = open_again(dir);
	if (!d) {
		return ERR_SYSTEM;
	}
	while (e == 0 && (entry = readdir(d))) {
		if (quarantine_name_read(entry->d_name, &o) == 0) {
			o.bytes = size_of(dir, entry->d_name);
			e = add(&at, &n, &cap, &o);
		}
	}
	closedir(d);
	if (e != 0) {
		free(at);
		return e;
	}
	if (n > 0) {
		qsort(at, n, sizeof(*at), by_number);
	}
	*ret_objects = at;
	*ret_n = n;
	return 0;
}

int quarantine_find(int dir, uint64_t number, struct quarantine_object *ret_object)
{
	struct quarantine_object *at;
	size_t n;
	int e = quarantine_list(dir, &at, &n);
	if (e != 0) {
		return e;
	}
	e = ERR_NOT_FOUND;
	for (size_t i = 0; e != 0 && i < n; i++) {
		if (at[i].number == number) {
			*ret_object = at[i];
			e = 0;
		}
	}
	free(at);
	return e;
}

/* ---- Numbers ---- */

/* What the file says, or 1: it is lost, damaged, or there never was one. Names tell of those that are there. */
static uint64_t read_next(int dir)
{
	uint8_t *bytes;
	size_t n;
	uint64_t next = 0;
	if (io_read_file(&journal_io_system, dir, "next", 20, &bytes, &n) != 0) {
		return 1;
	}
	for (size_t i = 0; i < n && bytes[i] >= '0' && bytes[i] <= '9' && next < UINT64_MAX / 100; i++) {
		next = next * 10 + (uint64_t)(bytes[i] - '0');
	}
	free(bytes);
	return next > 0 ? next : 1;
}

int quarantine_number(int dir, uint64_t greatest, uint64_t *ret_number)
{
	char text[24];
	uint64_t next = read_next(dir);
	next = next > greatest ? next : greatest + 1;
	int n = snprintf(text, sizeof(text), "%" PRIu64 "\n", next + 1);
	int e = io_replace(&journal_io_system, dir, "next", span_of(text, (size_t)n));
	if (e == 0) {
		*ret_number = next;
	}
	return e == ERR_NOT_FOUND ? ERR_SYSTEM : e;
}
