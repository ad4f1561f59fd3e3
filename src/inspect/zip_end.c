/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/parts.h"

#include "base/reader.h"

/*
 * Pixels and what they are compressed to are any bytes, and what stands in them is no file to anyone: nothing but a decoder is given them. One format is
 * read from a file's end, wherever in the file the rest is: a ZIP archive (and so a JAR, which is run) ends in a record of 22 bytes and a
 * comment (APPNOTE.TXT 4.3.16). That record is looked for in the last bytes of pixel data. It has 79 bits that must be as
 * they are, so that none is met by chance.
 */
#define RECORD    22
#define ENDS_FROM (RECORD + 65535u)
#define FILE_HEAD 46 /* of each entry in the directory, at the least */

static const uint8_t signature[4] = "PK\5\6";

static bool is_record(const uint8_t record[RECORD])
{
	struct reader r = {.ptr = record, .len = RECORD, .pos = sizeof(signature)};
	uint16_t disk = 0, first = 0, here = 0, all = 0;
	uint32_t size = 0;
	int err = reader_u16le(&r, &disk);
	err = err ? err : reader_u16le(&r, &first);
	err = err ? err : reader_u16le(&r, &here);
	err = err ? err : reader_u16le(&r, &all);
	err = err ? err : reader_u32le(&r, &size);
	return err == 0 && disk == first && (disk == 0 || disk == UINT16_MAX) && here == all && all > 0 &&
	       size >= (uint32_t)all * FILE_HEAD;
}

/* The bytes that are held begin no record; those behind the first may. */
static void shift(struct inspect_zip *z)
{
	do {
		z->n--;
		memmove(z->record, z->record + 1, z->n);
	} while (z->n > 0 &&
		 memcmp(z->record, signature, z->n < sizeof(signature) ? z->n : sizeof(signature)) != 0);
}

static void take(struct inspect *i, uint8_t byte)
{
	struct inspect_zip *z = &i->zip;
	unsigned at = z->n++;
	z->record[at] = byte;
	if (at < sizeof(signature)) {
		if (byte != signature[at]) {
			shift(z);
		}
		return;
	}
	if (z->n < RECORD) {
		return;
	}
	z->met |= is_record(z->record);
	shift(z);
}

void zip_end_over(struct inspect *i)
{
	uint64_t bit = 1ull << (CHECK_EMBEDDED_ARCHIVE - CHECK_EMBEDDED_PROGRAM);
	if (i->zip.met && !(i->s.said & bit)) {
		i->s.said |= bit;
		found(i, CHECK_EMBEDDED_ARCHIVE, span_str("the end of a ZIP archive"));
	}
	i->zip = (struct inspect_zip){0};
}

void zip_end_piece(struct inspect *i, struct span piece, uint64_t left)
{
	if (left - piece.len >= ENDS_FROM) {
		return;
	}
	size_t at = left > ENDS_FROM ? (size_t)(left - ENDS_FROM) : 0;
	while (at < piece.len) {
		if (i->zip.n == 0) {
			const uint8_t *p = memchr(piece.ptr + at, signature[0], piece.len - at);
			if (!p) {
				return;
			}
			at = (size_t)(p - piece.ptr);
		}
		take(i, piece.ptr[at++]);
	}
}
