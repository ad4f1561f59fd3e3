/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/parts.h"

#include "base/reader.h"

enum { WATCH_NOTHING, WATCH_PE, WATCH_TIFF_LE, WATCH_TIFF_BE }; /* i->watch_for */

static const struct {
	enum signature is;
	enum inspect_check check;
} rows[] = {
	{SIGNATURE_PE, CHECK_PREAMBLE_PE},
	{SIGNATURE_ELF, CHECK_PREAMBLE_ELF},
	{SIGNATURE_MACHO, CHECK_PREAMBLE_MACHO},
	{SIGNATURE_SCRIPT, CHECK_PREAMBLE_SCRIPT},
	{SIGNATURE_ARCHIVE, CHECK_PREAMBLE_ARCHIVE},
	{SIGNATURE_PDF, CHECK_PREAMBLE_DOCUMENT},
	{SIGNATURE_DOCUMENT, CHECK_PREAMBLE_DOCUMENT},
	{SIGNATURE_HTML, CHECK_PREAMBLE_HTML},
	{SIGNATURE_XML, CHECK_PREAMBLE_HTML},
};

static void tiff_broken(struct inspect *i, const char *why)
{
	found_at(i, CHECK_PREAMBLE_TIFF_BROKEN, 0, span_str(why));
}

/* TIFF 6.0, section 2: eight bytes, of which the last four say where the first directory is. */
static void check_tiff(struct inspect *i)
{
	struct reader r = {.ptr = i->head, .len = i->n_head, .pos = 4};
	bool big_endian = i->head[0] == 'M';
	uint32_t at = 0;
	if (i->head[big_endian ? 3 : 2] == '+') {
		found_at(i, CHECK_PREAMBLE_TIFF, 0, span_str("BigTIFF"));
		return;
	}
	int err = big_endian ? reader_u32be(&r, &at) : reader_u32le(&r, &at);
	if (err || at < 8) {
		tiff_broken(i, "its directory lies in its header");
		return;
	}
	i->watch = at;
	i->watch_for = big_endian ? WATCH_TIFF_BE : WATCH_TIFF_LE;
}

/* Where DOS programs of Windows have their other header. */
static void watch_pe(struct inspect *i)
{
	struct reader r = {.ptr = i->head, .len = i->n_head, .pos = 0x3C};
	uint32_t at = 0;
	if (reader_u32le(&r, &at) == 0 && at > 0) {
		i->watch = at;
		i->watch_for = WATCH_PE;
	}
}

/* Text that other programs take for theirs: configuration, commands; what is to end before what follows has lines. */
static bool is_text(struct span s)
{
	size_t n = s.len;
	while (n > 0 && s.ptr[n - 1] == 0) {
		n--;
	}
	bool suspect = false;
	for (size_t k = 0; k < n; k++) {
		if (s.ptr[k] >= 0x7F || (s.ptr[k] < ' ' && (s.ptr[k] < '\t' || s.ptr[k] > '\r'))) {
			return false;
		}
		suspect |= strchr("{<`$&|%;[\n", s.ptr[k]) != NULL;
	}
	return suspect;
}

/* What is in it behind its first bytes: some programs look for what is theirs further on. */
static enum inspect_check inside(struct span s)
{
	enum inspect_check check = is_text(s) ? CHECK_PREAMBLE_TEXT : CHECK_PREAMBLE_NONZERO;
	struct span left = s;
	uint16_t state = 0;
	while (left.len > 0) {
		const struct mark *m;
		size_t n = marks_find(&state, MARK_IN_TEXT | MARK_IN_BINARY, left, &m);
		left = span_of(left.ptr + n, left.len - n);
		if (m && m->check == CHECK_EMBEDDED_DOCUMENT) {
			return CHECK_PREAMBLE_DOCUMENT;
		}
		check = m && m->check != CHECK_EMBEDDED_PROGRAM && m->check != CHECK_EMBEDDED_ARCHIVE
		                ? CHECK_PREAMBLE_TEXT
		                : check;
	}
	return check;
}

void preamble_check(struct inspect *i)
{
	size_t n = i->n_head < FILE_PREAMBLE ? i->n_head : FILE_PREAMBLE;
	struct span s = span_of(i->head, n);
	enum signature is = signature_of(s);
	bool zero = true;
	for (size_t k = 0; k < n; k++) {
		zero &= i->head[k] == 0;
	}
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		if (rows[k].is == is) {
			found_at(i, rows[k].check, 0, s);
		}
	}
	if (is == SIGNATURE_PE) {
		watch_pe(i);
	} else if (is == SIGNATURE_TIFF) {
		check_tiff(i);
	} else if (is == SIGNATURE_NONE && !zero && !i->bare) {
		found_at(i, inside(s), 0, s);
	}
}

/* The bytes at i->watch, when they come by. raw begins at i->fed. */
void preamble_watch(struct inspect *i, struct span raw)
{
	uint64_t want = i->watch + i->n_watched;
	if (want < i->fed || want - i->fed >= raw.len) {
		return;
	}
	size_t at = (size_t)(want - i->fed), n = raw.len - at;
	n = n < sizeof(i->watched) - i->n_watched ? n : sizeof(i->watched) - i->n_watched;
	memcpy(i->watched + i->n_watched, raw.ptr + at, n);
	i->n_watched = (uint8_t)(i->n_watched + n);
}

void preamble_end(struct inspect *i)
{
	struct reader r = reader_of(span_of(i->watched, i->n_watched));
	uint16_t entries = 0;
	int err;
	switch (i->watch_for) {
	case WATCH_PE:
		if (i->n_watched >= 4 && memcmp(i->watched, "PE\0\0", 4) == 0) {
			found_at(i, CHECK_EMBEDDED_PROGRAM, i->watch, span_of(i->watched, i->n_watched));
		}
		break;
	case WATCH_TIFF_LE:
	case WATCH_TIFF_BE:
		err = i->watch_for == WATCH_TIFF_BE ? reader_u16be(&r, &entries) : reader_u16le(&r, &entries);
		if (err) {
			tiff_broken(i, "its directory lies behind the end");
		} else if (entries == 0 || entries > 4096) {
			tiff_broken(i, "its directory has no or too many entries");
		} else {
			found_at(i, CHECK_PREAMBLE_TIFF, 0, span_of(i->head, 8));
		}
		break;
	default:
		break;
	}
}
