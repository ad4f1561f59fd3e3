/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/spool.h"
#include "audit/spool_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * A spool's files, of whoever can write to the folder: heads, lengths, frames, places. The first byte chooses; a frame is also
 * sealed anew, so that what is behind the tag is reached.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool fact)
{
	if (!fact) {
		abort();
	}
}

static const uint8_t key[SPOOL_KEY_LEN] = {3};

static void walk(struct span bytes)
{
	static int fd = -1;
	struct spool_head h;
	uint64_t end = 0, entries = 0, end_known = 0, entries_known = 0;
	fd = fd < 0 ? memfd_create("spool", MFD_CLOEXEC) : fd;
	must(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, bytes.ptr, bytes.len, 0) == (ssize_t)bytes.len);
	if (spool_walk(fd, NULL, &h, &end, &entries) != 0) {
		return;
	}
	must(end >= SPOOL_HEAD_LEN && end <= bytes.len);
	must(spool_walk(fd, key, &h, &end_known, &entries_known) == 0);
	must(end_known <= end && entries_known <= entries);
	struct spool_tail tail = {0};
	if (spool_tail_of(fd, key, &tail) == 0) {
		must(!tail.whole || tail.open);
	}
}

static void place(struct span bytes)
{
	struct spool_place p;
	uint8_t again[SPOOL_PLACE_MOST];
	if (bytes.len <= SPOOL_PLACE_MOST && spool_place_read(bytes, "group", &p) == 0) {
		must(span_eq(span_of(again, spool_place_write(&p, "group", again)), bytes));
	}
}

static void frame(struct span bytes)
{
	static uint8_t sealed[SPOOL_ENTRY_MOST + SPOOL_FRAME_MORE],
		plain[SPOOL_ENTRY_MOST + SPOOL_FRAME_MORE];
	uint8_t type = 0;
	int64_t time_ms = 0;
	uint32_t len = 0;
	struct span got = {0};
	bool control = false;
	if (spool_frame_open(key, 0, bytes, plain, &type, &time_ms, &got) == 0) {
		must(got.len <= bytes.len);
	}
	if (bytes.len > SPOOL_ENTRY_MOST) {
		return;
	}
	must(spool_frame_seal(key, 5, 2, -7, bytes, sealed) == 0);
	must(spool_frame_len(span_of(sealed, 4), &len, &control) == 0 &&
		len == bytes.len + SPOOL_FRAME_MORE - 4);
	must(!control &&
		spool_frame_open(key, 5, span_of(sealed, 4 + len), plain, &type, &time_ms, &got) == 0);
	must(type == 2 && time_ms == -7 && span_eq(got, bytes));
	must(spool_frame_open(key, 6, span_of(sealed, 4 + len), plain, &type, &time_ms, &got) != 0);
	sealed[0] ^= 0x80; /* no entry is a control frame */
	must(spool_frame_open(key, 5, span_of(sealed, 4 + len), plain, &type, &time_ms, &got) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0) {
		return 0;
	}
	uint8_t *copy = malloc(size);
	must(copy != NULL);
	memcpy(copy, data, size);
	struct span rest = span_of(copy + 1, size - 1);
	switch (copy[0] % 3) {
	case 0:
		walk(rest);
		break;
	case 1:
		place(rest);
		break;
	default:
		frame(rest);
		break;
	}
	free(copy);
	return 0;
}
