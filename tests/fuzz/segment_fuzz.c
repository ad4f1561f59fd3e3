/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/journal.h"
#include "audit/segment.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A segment's file as it lies on the disk: its head, its transfers, its records, and what is no record. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The file is in memory, whatever name is asked for. */
static int fuzz_open(void *arg, int dir, const char *name, int flags, mode_t mode)
{
	int fd = memfd_create("segment", MFD_CLOEXEC);
	const struct span *bytes = arg;
	if (fd >= 0 && write(fd, bytes->ptr, bytes->len) != (ssize_t)bytes->len) {
		close(fd);
		return -1;
	}
	return fd;
}

static void read_segment(const struct journal_io *io, uint64_t first)
{
	struct segment *s;
	struct transfers t;
	struct frame f;
	struct journal_record record;
	int r;
	if (segment_open(io, -1, first, &s) < 0) {
		return;
	}
	if (transfers_read(segment_head_of(s)->transfers, &t) == 0) {
		/* What was read is written as it was. */
		size_t len = transfers_len(&t);
		uint8_t *bytes = malloc(len);
		struct writer w = writer_of(bytes, bytes ? len : 0);
		transfers_write(&t, &w);
		if (bytes && !span_eq(writer_span_of(&w), segment_head_of(s)->transfers)) {
			abort();
		}
		free(bytes);
		transfers_done(&t);
	}
	while ((r = segment_next(s, &f)) == 1) {
		if (record_read(f.payload, &record) == 0 && record_len(&record) != f.payload.len) {
			abort();
		}
	}
	if (r < 0 && segment_more(s) == 1 && segment_offset(s) == 0) {
		abort();
	}
	segment_free(s);
}

/*
 * A checksum of 8 bytes stops a fuzzer at the door. Bytes after the first say where the head ends; its checksum is set right, so
 * that what is in the head is reached.
 */
static void mend(uint8_t *bytes, size_t size)
{
	size_t len = size < 12 ? 0 : 12 + ((size_t)bytes[10] << 8 | bytes[11]);
	struct merkle_hash sum;
	if (len < 20 || len > size) {
		return;
	}
	memcpy(bytes, "GANTRYJ1\0\0", 10);
	merkle_sha256(span_of(bytes, len - 8), (struct span){0}, &sum);
	memcpy(bytes + len - 8, sum.at, 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1) {
		return 0;
	}
	uint8_t *copy = malloc(size);
	if (!copy) {
		return 0;
	}
	memcpy(copy, data + 1, size - 1);
	struct span bytes = span_of(copy, size - 1);
	struct journal_io io = journal_io_system;
	io.open = fuzz_open;
	io.arg = &bytes;
	if (data[0] & 1) {
		mend(copy, size - 1);
	}
	/* The index that the name says, which must be the head's. */
	read_segment(&io, data[0] >> 1);
	free(copy);
	return 0;
}
