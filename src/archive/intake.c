/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/intake.h"
#include "archive/likeness.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* For comparing with an object that is there. */
#define COMPARE_BUFFER (64u * 1024)

static void close_fd(int *fd)
{
	if (*fd >= 0) {
		int error = errno;
		close(*fd);
		errno = error;
	}
}

static int system_error(void)
{
	return errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? ERR_SPACE : ERR_SYSTEM;
}

static int write_all(int fd, struct span bytes)
{
	while (bytes.len > 0) {
		ssize_t n = write(fd, bytes.ptr, bytes.len);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return system_error();
		}
		bytes.ptr += n;
		bytes.len -= (size_t)n;
	}
	return 0;
}

void intake_prepare(void)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	SHA256((const unsigned char *)"", 0, digest);
	likeness_prepare();
}

/* A name that no process uses, for who locks the file right after making it. */
static int make_temporary(struct intake *i)
{
	static unsigned number;
	do {
		snprintf(i->temporary, sizeof(i->temporary), "%ld-%u", (long)getpid(), ++number);
		i->fd = openat(i->folder->incoming, i->temporary,
			O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
	} while (i->fd < 0 && errno == EEXIST);
	if (i->fd < 0) {
		return system_error();
	}
	return flock(i->fd, LOCK_EX | LOCK_NB) < 0 ? ERR_SYSTEM : 0;
}

int intake_begin(const struct folder *folder, const struct part10_meta *meta, struct intake *ret_intake)
{
	uint8_t head[PART10_META_MAX];
	struct writer w = writer_of(head, sizeof(head));
	int r = part10_write(meta, &w);
	if (r < 0) {
		return r;
	}
	struct intake i = {.folder = folder, .fd = -1, .data = w.len};
	memcpy(i.uid, meta->sop_instance.ptr, meta->sop_instance.len);
	r = make_temporary(&i);
	if (r == 0) {
		r = write_all(i.fd, writer_span_of(&w));
	}
	if (r < 0) {
		intake_drop(&i);
		return r;
	}
	*ret_intake = i;
	return 0;
}

int intake_write(struct intake *i, struct span bytes)
{
	i->bytes += bytes.len;
	return write_all(i->fd, bytes);
}

void intake_drop(struct intake *i)
{
	if (i->fd < 0) {
		return;
	}
	int error = errno;
	unlinkat(i->folder->incoming, i->temporary, 0);
	close(i->fd);
	i->fd = -1;
	errno = error;
}

/* The subfolder of a UID, open, its name durable. ret_hex: its two digits. */
static int open_shelf(const struct intake *i, char ret_hex[3])
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	SHA256((const unsigned char *)i->uid, strlen(i->uid), digest);
	snprintf(ret_hex, 3, "%02x", digest[0]);
	if (mkdirat(i->folder->dir, ret_hex, 0750) < 0 && errno != EEXIST) {
		return system_error();
	}
	/* Also when it was there: its maker may not have come to this line yet. */
	if (fsync(i->folder->dir) < 0) {
		return system_error();
	}
	int shelf = openat(i->folder->dir, ret_hex, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return shelf < 0 ? system_error() : shelf;
}

static ssize_t read_at(int fd, uint8_t *buf, size_t n, uint64_t offset)
{
	size_t done = 0;
	while (done < n) {
		ssize_t r = pread(fd, buf + done, n - done, (off_t)(offset + done));
		if (r < 0 && errno == EINTR) {
			continue;
		}
		if (r < 0) {
			return -1;
		}
		if (r == 0) {
			break;
		}
		done += (size_t)r;
	}
	return (ssize_t)done;
}

/* Have both files the same bytes from these offsets to their ends? 1, 0, or ERR_SYSTEM. */
static int same_rest(int a, uint64_t a_at, int b, uint64_t b_at)
{
	uint8_t *buf = malloc(2 * COMPARE_BUFFER);
	int r = buf ? 1 : ERR_NO_MEMORY;
	while (r == 1) {
		ssize_t m = read_at(a, buf, COMPARE_BUFFER, a_at);
		ssize_t n = read_at(b, buf + COMPARE_BUFFER, COMPARE_BUFFER, b_at);
		if (m < 0 || n < 0) {
			r = ERR_SYSTEM;
			break;
		}
		if (m == 0 && n == 0) {
			break;
		}
		r = m == n && memcmp(buf, buf + COMPARE_BUFFER, (size_t)m) == 0;
		a_at += (uint64_t)m;
		b_at += (uint64_t)n;
	}
	free(buf);
	return r;
}

/* The meta group of an open file. 1: read; 0: it has none that can be read; ERR_SYSTEM. */
static int read_meta(int fd, uint8_t buf[PART10_META_MAX], struct part10_meta *ret_meta, size_t *ret_data)
{
	ssize_t n = read_at(fd, buf, PART10_META_MAX, 0);
	if (n < 0) {
		return ERR_SYSTEM;
	}
	return part10_read(span_of(buf, (size_t)n), ret_meta, ret_data, NULL) == 0;
}

/* Are both signed, alike but for when? 1, 0, or ERR_SYSTEM, ERR_NO_MEMORY. */
static int same_but_for_time(int a, uint64_t a_at, int b, uint64_t b_at, struct span syntax)
{
	uint8_t mine[LIKENESS_LEN], theirs[LIKENESS_LEN];
	int e = likeness_of(a, a_at, syntax, mine);
	e = e ? e : likeness_of(b, b_at, syntax, theirs);
	return e == ERR_SYSTEM || e == ERR_NO_MEMORY ? e : e == 0 && memcmp(mine, theirs, LIKENESS_LEN) == 0;
}

/*
 * Is the file of this name the same object: SOP class, transfer syntax and the bytes of its data set, or all but when it was signed? Who
 * sent it does not count. What is no regular file, or not ours to read as Part 10, is another object.
 */
static int same_object(const struct intake *i, int shelf, const char *name, enum intake_result *ret_how)
{
	CLEANUP(close_fd) int fd = openat(shelf, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	if (fd < 0 && (errno == ELOOP || errno == EISDIR || errno == ENXIO)) {
		return 0;
	}
	if (fd < 0 || fstat(fd, &st) < 0) {
		return ERR_SYSTEM;
	}
	if (!S_ISREG(st.st_mode)) {
		return 0;
	}
	uint8_t mine_buf[PART10_META_MAX], theirs_buf[PART10_META_MAX];
	struct part10_meta mine, theirs;
	size_t mine_data, theirs_data;
	int r = read_meta(i->fd, mine_buf, &mine, &mine_data);
	if (r == 1) {
		r = read_meta(fd, theirs_buf, &theirs, &theirs_data);
	}
	if (r != 1) {
		return r;
	}
	if (!span_eq(mine.sop_class, theirs.sop_class) ||
		!span_eq(mine.transfer_syntax, theirs.transfer_syntax)) {
		return 0;
	}
	*ret_how = INTAKE_SAME;
	r = same_rest(i->fd, mine_data, fd, theirs_data);
	if (r == 0) {
		*ret_how = INTAKE_MADE_AGAIN;
		r = same_but_for_time(i->fd, mine_data, fd, theirs_data, mine.transfer_syntax);
	}
	return r;
}

/* Name the temporary file so, unless there is one of that name: 1. 0: there is. */
static int place(const struct intake *i, int shelf, const char *name)
{
	int r = renameat2(i->folder->incoming, i->temporary, shelf, name, RENAME_NOREPLACE);
	if (r < 0 && (errno == EINVAL || errno == ENOSYS)) {
		/* A file system without it: two steps, neither of which replaces. */
		r = linkat(i->folder->incoming, i->temporary, shelf, name, 0);
		if (r == 0) {
			unlinkat(i->folder->incoming, i->temporary, 0);
		}
	}
	if (r < 0 && errno == EEXIST) {
		return 0;
	}
	return r < 0 ? system_error() : 1;
}

/* Place it under its name or the first free one beside it; ret_name is "<UID>…". */
static int settle(struct intake *i, int shelf, enum intake_result *ret_result, char *ret_name, size_t cap)
{
	for (unsigned n = 0; n <= INTAKE_CONFLICTS; n++) {
		if (n == 0) {
			snprintf(ret_name, cap, "%s.dcm", i->uid);
		} else {
			snprintf(ret_name, cap, "%s.conflict-%u.dcm", i->uid, n);
		}
		int r = place(i, shelf, ret_name);
		if (r == 1) {
			*ret_result = n == 0 ? INTAKE_STORED : INTAKE_CONFLICT;
			close(i->fd);
			i->fd = -1;
		} else if (r == 0) {
			r = same_object(i, shelf, ret_name, ret_result);
		}
		if (r != 0) {
			return r < 0 ? r : 0;
		}
	}
	return ERR_LIMIT;
}

int intake_finish(struct intake *i, enum intake_result *ret_result, char ret_name[INTAKE_NAME])
{
	char name[INTAKE_NAME] = "";
	enum intake_result result = INTAKE_STORED;
	CLEANUP(close_fd) int shelf = -1;
	int r = fsync(i->fd) < 0 ? system_error() : 0;
	if (r == 0) {
		shelf = open_shelf(i, name);
		r = shelf < 0 ? shelf : 0;
	}
	if (r == 0) {
		name[2] = '/';
		r = settle(i, shelf, &result, name + 3, sizeof(name) - 3);
	}
	/* Of one that was there as well: who brought it may not have come so far yet. */
	if (r == 0 && fsync(shelf) < 0) {
		r = system_error();
	}
	intake_drop(i);
	if (r == 0) {
		*ret_result = result;
		memcpy(ret_name, name, sizeof(name));
	}
	return r;
}
