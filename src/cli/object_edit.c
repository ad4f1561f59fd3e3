/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/object_edit.h"
#include "cli/boxed.h"
#include "cli/object_job.h"
#include "dicom/inflater.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY 65536

static int copy(int in, int out, uint64_t from, uint64_t until)
{
	uint8_t buf[COPY];
	while (from < until) {
		size_t want = until - from < COPY ? (size_t)(until - from) : COPY;
		ssize_t n = pread(in, buf, want, (off_t)from);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0 || !boxed_write(out, buf, (size_t)n)) {
			return -1;
		}
		from += (uint64_t)n;
	}
	return 0;
}

/* What the other process says is held against the file: it has parsed what others wrote. */
static int apply(int in, int out, uint64_t size, const struct object_signed *r)
{
	uint64_t at = 0;
	if (r->n_edits > OBJECT_EDITS) {
		return -1;
	}
	for (uint32_t i = 0; i < r->n_edits; i++) {
		const struct object_edit e = r->edits[i];
		if (e.at < at || e.at > size || e.leave_out > size - e.at || e.from > OBJECT_BYTES ||
			e.len > OBJECT_BYTES - e.from || copy(in, out, at, e.at) < 0 ||
			!boxed_write(out, r->bytes + e.from, e.len)) {
			return -1;
		}
		at = e.at + e.leave_out;
	}
	return copy(in, out, at, size);
}

/* ---- A deflated data set: inflated, changed, and deflated anew, in a sandbox as it is others' ---- */

struct told {
	bool done;
	int error; /* errno */
};

struct again {
	const struct object_signed *r;
	int out;
	struct inflater *from;
	z_stream to;
	struct span piece; /* inflated, and not taken */
	bool over;
	uint64_t n_out;
};

static int put(struct again *a, struct span s, int flush)
{
	uint8_t buf[COPY];
	int z = Z_OK;
	a->to.next_in = (Bytef *)(uintptr_t)s.ptr;
	a->to.avail_in = (uInt)s.len;
	do {
		a->to.next_out = buf;
		a->to.avail_out = sizeof(buf);
		z = deflate(&a->to, flush);
		size_t n = sizeof(buf) - a->to.avail_out;
		a->n_out += n;
		if ((z != Z_OK && z != Z_STREAM_END && z != Z_BUF_ERROR) || !boxed_write(a->out, buf, n)) {
			return -1;
		}
	} while (a->to.avail_out == 0);
	return flush != Z_FINISH || z == Z_STREAM_END ? 0 : -1;
}

/* So many bytes of what it says, or all that is left of them (UINT64_MAX), are taken. */
static int take(struct again *a, uint64_t n, bool keep)
{
	bool all = n == UINT64_MAX;
	while (n > 0) {
		if (a->piece.len == 0) {
			int e = inflater_next(a->from, &a->piece);
			if (e < 0) {
				return e == ERR_AGAIN && a->from->ended && all ? 0 : -1;
			}
		}
		size_t k = a->piece.len < n ? a->piece.len : (size_t)n;
		if (keep && put(a, span_of(a->piece.ptr, k), Z_NO_FLUSH) < 0) {
			return -1;
		}
		a->piece = span_of(a->piece.ptr + k, a->piece.len - k);
		n -= all ? 0 : k;
	}
	return 0;
}

static int edit_again(struct again *a, struct span file)
{
	const struct object_signed *r = a->r;
	uint64_t at = r->deflated_at;
	if (at > file.len || r->n_edits > OBJECT_EDITS || !boxed_write(a->out, file.ptr, (size_t)at)) {
		return -1;
	}
	inflater_feed(a->from, span_of(file.ptr + at, file.len - (size_t)at));
	for (uint32_t i = 0; i < r->n_edits; i++) {
		const struct object_edit e = r->edits[i];
		if (e.at < at || e.from > OBJECT_BYTES || e.len > OBJECT_BYTES - e.from ||
			take(a, e.at - at, true) < 0 ||
			put(a, span_of(r->bytes + e.from, e.len), Z_NO_FLUSH) < 0 ||
			take(a, e.leave_out, false) < 0) {
			return -1;
		}
		at = e.at + e.leave_out;
	}
	if (take(a, UINT64_MAX, true) < 0 || put(a, (struct span){0}, Z_FINISH) < 0) {
		return -1;
	}
	/* PS3.5 A.5: of even length. */
	return a->n_out % 2 == 0 || boxed_write(a->out, "", 1) ? 0 : -1;
}

static void deflate_again(void *arg, struct span file, void *shared)
{
	struct again *a = arg;
	struct told *told = shared;
	a->from = calloc(1, sizeof(*a->from));
	if (a->from && inflater_begin(a->from) == 0 &&
		deflateInit2(&a->to, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) ==
			Z_OK) {
		errno = EPROTO;
		told->done = edit_again(a, file) == 0;
		told->error = errno;
		(void)deflateEnd(&a->to);
	}
	free(a->from);
}

static int apply_deflated(int in, int out, const struct object_signed *r)
{
	struct again a = {.r = r, .out = out};
	const struct object_job job = {.work = deflate_again, .arg = &a, .sandbox = SANDBOX_KEYS};
	struct told *told = object_job_memory(sizeof(*told));
	bool ran = told && object_job_run(&job, in, told) == 0, ok = ran && told->done;
	int error = ran && told->error == ENOSPC ? ENOSPC : EPROTO;
	object_job_free(told, sizeof(*told));
	errno = error;
	return ok ? 0 : -1;
}

/* ---- All ---- */

bool object_edit_write(int in, int out, const struct object_signed *r)
{
	struct stat st;
	if (fstat(in, &st) < 0) {
		return false;
	}
	errno = EPROTO;
	int e = r->deflated_at > 0 ? apply_deflated(in, out, r) : apply(in, out, (uint64_t)st.st_size, r);
	return e == 0;
}
