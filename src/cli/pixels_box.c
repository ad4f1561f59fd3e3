/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/pixels_box.h"

#include "base/limits.h"
#include "base/reader.h"
#include "base/writer.h"
#include "cli/boxed.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Of GDCM, which holds a frame several times over, and OpenJPEG, which has 32 bits for each sample. */
#define MEMORY (3ull << 30)

/* ---- The child ---- */

static int say(int out, enum cleaner_kind kind, struct span more, struct span bytes)
{
	uint8_t head[CLEANER_HEAD];
	cleaner_put_head(&(struct cleaner_head){kind, 0, (uint32_t)(more.len + bytes.len)}, head);
	bool good = boxed_write(out, head, sizeof(head)) && boxed_write(out, more.ptr, more.len) &&
	            boxed_write(out, bytes.ptr, bytes.len);
	return good ? 0 : ERR_CLOSED;
}

static int on_write(void *arg, struct span bytes)
{
	const int *out = arg;
	int e = 0;
	for (size_t at = 0; at < bytes.len && e == 0; at += CLEANER_PIECE) {
		size_t n = bytes.len - at < CLEANER_PIECE ? bytes.len - at : CLEANER_PIECE;
		e = say(*out, CLEANER_DATA, span_of(NULL, 0), span_of(bytes.ptr + at, n));
	}
	return e;
}

/* A few numbers each, of tables. */
static int on_patch(void *arg, uint64_t offset, struct span bytes)
{
	const int *out = arg;
	uint8_t at[8];
	struct writer w = writer_of(at, sizeof(at));
	writer_u64be(&w, offset);
	return say(*out, CLEANER_PATCH, writer_span_of(&w), bytes);
}

static int child(void *arg, int file, int out)
{
	const struct pixels_box_how *how = arg;
	const struct pixels_input input = {&file, cleaner_read_at};
	const struct pixels_output output = {&out, on_write, on_patch};
	const char *why;
	enum cleaner_outcome outcome = cleaner_run(&how->cleaner, &input, &output, &why);
	uint8_t bytes[CLEANER_END_MOST];
	struct span end = cleaner_put_end(outcome, why, bytes);
	return boxed_write(out, end.ptr, end.len) ? 0 : 1;
}

/* ---- The parent ---- */

static bool put_at(int fd, const uint8_t *bytes, size_t n, uint64_t at)
{
	while (n > 0) {
		ssize_t put = pwrite(fd, bytes, n, (off_t)at);
		if (put < 0 && errno == EINTR) {
			continue;
		}
		if (put <= 0) {
			return false;
		}
		bytes += put;
		n -= (size_t)put;
		at += (uint64_t)put;
	}
	return true;
}

static enum cleaner_outcome lost(char *why, size_t cap, const char *what)
{
	snprintf(why, cap, "%s", what);
	return CLEANER_LOST;
}

/* ERR_PEER: there is no such place. */
static int patch(struct scrap *out, struct span bytes)
{
	struct reader r = reader_of(bytes);
	uint64_t at = 0;
	struct span over = {0};
	int e = reader_u64be(&r, &at);
	e = e ? e : reader_bytes(&r, reader_left(&r), &over);
	if (e < 0 || at > out->len || over.len > out->len - at) {
		return ERR_PEER;
	}
	return put_at(out->fd, over.ptr, over.len, at) ? 0 : ERR_SYSTEM;
}

static int put(struct scrap *out, enum cleaner_kind kind, struct span bytes)
{
	if (kind == CLEANER_PATCH) {
		return patch(out, bytes);
	}
	return bytes.len > LIMIT_MEMBER_BYTES - out->len ? ERR_PEER : scrap_add(out, bytes);
}

static enum cleaner_outcome hear(
	struct boxed *b, const struct pixels_box_how *how, struct scrap *out, char *why, size_t cap)
{
	static uint8_t piece[CLEANER_PIECE];
	for (;;) {
		uint8_t bytes[CLEANER_HEAD];
		struct cleaner_head h = {0};
		int e = boxed_read(b, bytes, sizeof(bytes), (int)how->seconds * 1000);
		e = e ? e : cleaner_read_head(CLEANER_FROM_BOX, span_of(bytes, sizeof(bytes)), &h);
		e = e ? e : boxed_read(b, piece, h.len, (int)how->seconds * 1000);
		if (e == 0 && h.kind == CLEANER_END) {
			cleaner_read_text(span_of(piece, h.len), why, cap);
			return (enum cleaner_outcome)h.code;
		}
		if (e < 0 && e != ERR_PEER) {
			return lost(why, cap,
				e == ERR_TIMEOUT ? "its pixels took too long"
						 : "the process that had its pixels has died");
		}
		e = e ? e : put(out, h.kind, span_of(piece, h.len));
		if (e < 0) {
			return lost(why, cap,
				e == ERR_PEER ? "the process that had its pixels said what it must not"
					      : "what it would become could not be written (TMPDIR)");
		}
	}
}

enum cleaner_outcome pixels_box(
	const struct pixels_box_how *how, int in, struct scrap *out, char *why, size_t cap)
{
	struct boxed b = BOXED_NONE;
	const struct boxed_how box = {.sandbox = how->sandbox, .memory = MEMORY};
	if (boxed_start(&b, &box, in, child, (void *)how) < 0) {
		return lost(why, cap, strerror(errno));
	}
	enum cleaner_outcome said = hear(&b, how, out, why, cap);
	(void)boxed_end(&b);
	return said;
}
