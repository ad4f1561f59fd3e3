/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/parts.h"

#include "base/reader.h"

/* By the beginning of a transfer syntax (PS3.5 A.4). */
static const struct {
	const char *uid;
	enum codec codec;
} codecs[] = {
	{"1.2.840.10008.1.2.4.5", CODEC_JPEG},
	{"1.2.840.10008.1.2.4.6", CODEC_JPEG},
	{"1.2.840.10008.1.2.4.70", CODEC_JPEG},
	{"1.2.840.10008.1.2.4.80", CODEC_JPEG},
	{"1.2.840.10008.1.2.4.81", CODEC_JPEG},
	{"1.2.840.10008.1.2.4.90", CODEC_J2K},
	{"1.2.840.10008.1.2.4.91", CODEC_J2K},
	{"1.2.840.10008.1.2.4.92", CODEC_J2K},
	{"1.2.840.10008.1.2.4.93", CODEC_J2K},
	{"1.2.840.10008.1.2.4.20", CODEC_J2K},
	{"1.2.840.10008.1.2.4.10", CODEC_VIDEO},
	{"1.2.840.10008.1.2.4.11", CODEC_JXL},
	{"1.2.840.10008.1.2.5", CODEC_RLE},
	{"1.2.840.10008.1.2.8.1", CODEC_DEFLATED},
};

static void mix(uint64_t *hash, uint64_t v)
{
	*hash = (*hash ^ v) * 0x9E3779B97F4A7C15u;
	*hash ^= *hash >> 29;
}

/* ---- Offset tables ---- */

struct inspect_table *table_of(struct inspect *i)
{
	return i->e.tag == 0x7FE00001 ? &i->extended : &i->lengths;
}

static void add_entry(struct inspect_table *t, uint64_t v)
{
	t->bad |= t->n == 0 ? v != 0 : v <= t->last;
	if (t->kept && t->n_kept < INSPECT_KEPT && v <= UINT32_MAX) {
		t->kept[t->n_kept++] = (uint32_t)v;
	}
	t->last = v;
	t->n++;
	mix(&t->hash, v);
	mix(&t->even_hash, v + v % 2);
}

/* Little endian: no encapsulated transfer syntax is other. size: of an entry. */
void table_take(struct inspect_table *t, struct span piece, unsigned size)
{
	t->present = true;
	for (size_t k = 0; k < piece.len; k++) {
		t->number |= (uint64_t)piece.ptr[k] << 8 * t->fill;
		if (++t->fill == size) {
			add_entry(t, t->number);
			t->number = 0;
			t->fill = 0;
		}
	}
}

/* ---- Fragments as they come ---- */

void fragments_begin(struct inspect *i)
{
	i->fragments = i->last_fragment = i->uncoded = i->fragment_hash = i->length_hash = 0;
	i->next_kept = 0;
	i->kept_missed = false;
	i->basic = (struct inspect_table){.kept = i->kept};
	i->codec = CODEC_OTHER;
	for (size_t k = 0; k < ARRAY_LEN(codecs); k++) {
		if (strncmp(codecs[k].uid, i->syntax, strlen(codecs[k].uid)) == 0) {
			i->codec = (uint8_t)codecs[k].codec;
		}
	}
	pixel_codec(i, (struct span){0});
}

void fragment_begin(struct inspect *i)
{
	struct dataset *d = &i->f.d;
	i->e.row = ROW_NONE;
	if (d->number == 0) {
		i->s.kind = VALUE_TABLE;
		i->s.where = MARK_IN_BINARY;
		value_anew(i, d->length);
		dataset_pieces(d);
		return;
	}
	if (d->number == 1) {
		i->first_fragment = d->offset;
	}
	uint64_t at = d->offset - i->first_fragment;
	i->fragments++;
	i->last_fragment = at;
	mix(&i->fragment_hash, at);
	mix(&i->length_hash, d->length);
	while (i->next_kept < i->basic.n_kept && i->basic.kept[i->next_kept] <= at) {
		i->kept_missed |= i->basic.kept[i->next_kept] < at;
		i->next_kept++;
	}
	if (d->length == 0) {
		found(i, CHECK_FRAGMENT_EMPTY, (struct span){0});
	}
	i->fragment_at = 0;
	coded_fragment(i);
	dataset_pieces(d);
}

/* PS3.5 G.5: how many segments, and where each begins. */
static void check_rle(struct inspect *i, struct span v)
{
	struct reader r = reader_of(v);
	uint32_t n = 0, at = 0, last = 0;
	bool bad = reader_u32le(&r, &n) != 0 || n == 0 || n > 15 || i->e.length < 64;
	for (uint32_t k = 0; !bad && k < n; k++) {
		bad = reader_u32le(&r, &at) != 0 || (k == 0 ? at != 64 : at < last) || at > i->e.length;
		last = at;
	}
	if (bad) {
		found_say(i, CHECK_RLE_HEADER, "%u segments, offset %u in %u bytes", n, at, i->e.length);
	}
}

/* Does it begin as a frame of its compression does (ISO/IEC 10918-1 B.2, 15444-1 A.4.1, 18181-1, 18181-2 9.1)? */
static bool is_frame(enum codec codec, struct span v)
{
	static const struct {
		enum codec codec;
		const char *bytes;
		uint8_t n;
	} begins[] = {
		{CODEC_JPEG, "\xFF\xD8\xFF", 3},
		{CODEC_J2K, "\xFF\x4F\xFF\x51", 4},
		{CODEC_JXL, "\xFF\x0A", 2},
		{CODEC_JXL, "\0\0\0\x0CJXL \r\n\x87\n", 12},
	};
	for (size_t k = 0; k < ARRAY_LEN(begins); k++) {
		if (begins[k].codec == codec && v.len >= begins[k].n &&
			memcmp(v.ptr, begins[k].bytes, begins[k].n) == 0) {
			return true;
		}
	}
	return false;
}

static void check_head(struct inspect *i, struct span v, bool first)
{
	bool good = is_frame((enum codec)i->codec, v);
	i->uncoded += !good;
	if (first && !good) {
		found(i, CHECK_CODEC_SIGNATURE, span_of(v.ptr, v.len < 16 ? v.len : 16));
	}
	if (good && i->codec == CODEC_J2K) {
		codestream_j2k(i, v);
	}
}

bool fragment_is_file(struct span v, enum signature is)
{
	const uint8_t *p = v.ptr;
	bool zip = v.len >= 30 && p[0] == 'P' && p[9] == 0 && p[27] < 4;
	switch (is) {
	case SIGNATURE_ELF:
		return v.len >= 20 && (p[16] == 0 || p[17] == 0) && (p[18] == 0 || p[19] == 0);
	case SIGNATURE_ARCHIVE:
		return zip || (p[0] != 'P' && p[0] != 0x1F && p[0] != 0x28);
	case SIGNATURE_PDF:
		return v.len >= 7 && (p[5] == '1' || p[5] == '2') && p[6] == '.';
	default: /* texts */
		return (text_classes(span_of(p, v.len < 64 ? v.len : 64)) &
			       text_classes(span_str("\1\x80"))) == 0;
	}
}

/* Its first INSPECT_FRAGMENT bytes, or all. */
static void fragment_head(struct inspect *i, struct span v)
{
	bool first = i->f.d.number == 1;
	if (i->codec == CODEC_RLE) {
		check_rle(i, v);
	} else if (i->codec == CODEC_JPEG || i->codec == CODEC_J2K || i->codec == CODEC_JXL) {
		check_head(i, v, first);
	}
	enum signature is = signature_of(v);
	if (!first && !is_frame((enum codec)i->codec, v) && !fragment_is_file(v, is)) {
		return;
	}
	bool begins = first && (is == SIGNATURE_MACHO || is == SIGNATURE_SCRIPT ||
				       (is == SIGNATURE_PE && i->codec != CODEC_OTHER));
	if (is == SIGNATURE_ELF || is == SIGNATURE_ARCHIVE || is == SIGNATURE_PDF || is == SIGNATURE_HTML ||
		begins) {
		found(i, CHECK_EMBEDDED_PROGRAM, span_of(v.ptr, v.len < 16 ? v.len : 16));
	}
}

/* What is found does not depend on cuts: nothing is read before all of the head is there. */
static bool take_head(struct inspect *i, struct span *piece, bool last)
{
	struct inspect_coded *c = &i->coded;
	size_t room = INSPECT_FRAGMENT - c->n_begin, n = piece->len < room ? piece->len : room;
	struct span head = span_of(piece->ptr, n);
	if (c->n_begin > 0 || (n < INSPECT_FRAGMENT && !last)) {
		if (n > 0) {
			memcpy(i->value + c->n_begin, piece->ptr, n);
		}
		c->n_begin = (uint16_t)(c->n_begin + n);
		head = span_of(i->value, c->n_begin);
	}
	*piece = span_of(piece->ptr + n, piece->len - n);
	if (head.len < INSPECT_FRAGMENT && !last) {
		return false;
	}
	c->begins = false;
	fragment_head(i, head);
	coded_begin(i, is_frame((enum codec)i->codec, head));
	coded_piece(i, head);
	return true;
}

void fragment_piece(struct inspect *i, struct span piece, bool last)
{
	if (i->f.d.number == 0) {
		table_take(&i->basic, piece, 4);
		value_search(i, piece);
		i->s.at += piece.len;
		if (last) {
			value_end(i);
		}
		return;
	}
	struct span rest = piece;
	if (!i->coded.begins || take_head(i, &rest, last)) {
		coded_piece(i, rest);
	}
	/* No more fragments than these are needed, so this one may be the last. A video has as few as it likes. */
	const struct inspect_pixels *p = pixels_of(i);
	if (i->codec == CODEC_VIDEO || i->fragments >= (p ? p->frames : 1)) {
		zip_end_piece(i, piece, i->e.length - i->fragment_at);
	}
	i->fragment_at += piece.len;
	if (last) {
		coded_end(i);
	}
}

/* ---- At the end ---- */

static void check_basic(struct inspect *i, uint64_t frames)
{
	const struct inspect_table *t = &i->basic;
	bool bad = t->bad || t->fill || (t->n > 0 && t->n != frames) || t->n > i->fragments;
	if (t->n == i->fragments) {
		bad |= t->n > 0 && t->hash != i->fragment_hash;
	} else {
		bad |= i->kept_missed || i->next_kept < t->n_kept || (t->n > 0 && t->last > i->last_fragment);
	}
	if (bad) {
		found_say(i, CHECK_OFFSET_TABLE, "%llu entries, %llu fragments, %llu frames",
			(unsigned long long)t->n, (unsigned long long)i->fragments,
			(unsigned long long)frames);
	}
}

/* PS3.3 C.7.6.3.1.8, 9: each frame is one fragment, and there is no other table. */
static void check_extended(struct inspect *i, uint64_t frames)
{
	const struct inspect_table *t = &i->extended;
	bool bad = t->bad || t->fill || t->n != frames || t->n != i->fragments ||
	           t->hash != i->fragment_hash || i->lengths.n != t->n ||
	           i->lengths.even_hash != i->length_hash || i->basic.n > 0;
	if (bad) {
		found_say(i, CHECK_EXTENDED_OFFSET_TABLE, "%llu entries, %llu lengths, %llu fragments",
			(unsigned long long)t->n, (unsigned long long)i->lengths.n,
			(unsigned long long)i->fragments);
	}
}

void fragments_end(struct inspect *i)
{
	if (i->codec == CODEC_VIDEO && i->fragments > 0) {
		coded_video_end(i);
	}
	const struct inspect_pixels *p = pixels_of(i);
	uint64_t frames = p ? p->frames : 1;
	if (i->fragments < frames && i->codec != CODEC_VIDEO) {
		found_say(i, CHECK_FRAMES_MISSING, "%llu fragments, %llu frames",
			(unsigned long long)i->fragments, (unsigned long long)frames);
	}
	if (i->codec != CODEC_VIDEO) {
		check_basic(i, frames);
	}
	if (i->extended.present || i->lengths.present) {
		check_extended(i, frames);
	}
	if (i->fragments == frames && i->uncoded > 0 && i->counts[CHECK_CODEC_SIGNATURE] == 0) {
		found_say(i, CHECK_CODEC_SIGNATURE, "%llu of %llu frames", (unsigned long long)i->uncoded,
			(unsigned long long)frames);
	}
}
