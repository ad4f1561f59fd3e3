/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/leftovers_parts.h"

#include "base/attr.h"
#include "dicom/uid.h"
#include "dicom/vr.h"
#include "transform/deidentify.h"
#include "transform/spelling.h"

#define WHOLE_BELOW  8
#define FORM_MOST    (2 * LEFTOVERS_LONG)
#define TAG_METHOD   0x00120063u
#define DIGITS_LEAST 6 /* a shorter number is anywhere, and only worth a look if it is a patient's */

static_assert(FORM_MOST <= UINT8_MAX, "a pattern's length");

static void set_charset(struct leftovers *l, struct span text)
{
	size_t n = text.len < sizeof(l->charset_text) ? text.len : sizeof(l->charset_text);
	l->charset = charset_of(text);
	memset(l->charset_text, 0, sizeof(l->charset_text));
	if (n > 0) {
		memcpy(l->charset_text, text.ptr, n);
	}
	l->charset_len = text.len;
}

void leftovers_begin(struct leftovers *l, unsigned options)
{
	leftovers_memory_begin(l, options);
	l->found = l->grave = l->full = false;
	l->of = l->in = 0;
	l->unread = COMPRESSED_READ;
	l->unread_in = 0;
	if (l->compressed) {
		compressed_object(l->compressed);
	}
	l->options = options;
	set_charset(l, span_str(""));
}

void leftovers_charset(struct leftovers *l, struct span specific_character_set)
{
	set_charset(l, specific_character_set);
}

/* ---- What is searched for ---- */

static struct leftover_pattern *find(struct leftovers *l, const uint8_t *folded, size_t n)
{
	for (uint32_t i = l->slots[leftovers_slot(folded)]; i != 0; i = l->patterns[i - 1].next) {
		struct leftover_pattern *p = &l->patterns[i - 1];
		if (p->len == n && memcmp(l->bytes + p->at, folded, n) == 0) {
			return p;
		}
	}
	return NULL;
}

static struct leftover_pattern *add_pattern(struct leftovers *l, const uint8_t *folded, size_t n)
{
	if (l->n_patterns == ARRAY_LEN(l->patterns) || n > sizeof(l->bytes) - l->n_bytes) {
		l->full = true;
		return NULL;
	}
	uint16_t *slot = &l->slots[leftovers_slot(folded)];
	struct leftover_pattern *p = &l->patterns[l->n_patterns++];
	memcpy(l->bytes + l->n_bytes, folded, n);
	*p = (struct leftover_pattern){.at = l->n_bytes, .next = *slot, .len = (uint8_t)n};
	*slot = (uint16_t)l->n_patterns;
	l->n_bytes += (uint32_t)n;
	sieve_add(&l->any, folded);
	for (size_t i = 0; n >= LEFTOVERS_BINARY_LEAST && i < LEFTOVERS_STRIDE; i++) {
		sieve_add(&l->binary, folded + i);
	}
	return p;
}

static void add_form(struct leftovers *l, const struct leftover_pattern *like, const uint8_t *bytes, size_t n)
{
	uint8_t folded[FORM_MOST];
	n = n < FORM_MOST ? n : FORM_MOST;
	if (n < LEFTOVERS_LEAST) {
		return;
	}
	for (size_t i = 0; i < n; i++) {
		folded[i] = leftovers_fold(bytes[i]);
	}
	struct leftover_pattern *p = find(l, folded, n);
	p = p ? p : add_pattern(l, folded, n);
	if (p && leftovers_use(l, p, like)) {
		leftovers_remember(l, p, like);
	}
}

/* The middle of what Base64 makes of it, where the bytes before it are 0, 1 or 2 more than a multiple of three. */
static void add_base64(struct leftovers *l, const struct leftover_pattern *like, struct span value)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (size_t skip = 0; skip < 3; skip++) {
		uint8_t form[FORM_MOST];
		size_t n = 0;
		for (size_t at = skip; at + 3 <= value.len && n + 4 <= sizeof(form); at += 3) {
			uint32_t v = (uint32_t)value.ptr[at] << 16 | (uint32_t)value.ptr[at + 1] << 8 |
			             value.ptr[at + 2];
			for (int shift = 18; shift >= 0; shift -= 6) {
				form[n++] = (uint8_t)letters[v >> shift & 63];
			}
		}
		if (n >= LEFTOVERS_BINARY_LEAST) {
			add_form(l, like, form, n);
		}
	}
}

static bool is_grave(uint32_t tag, const char *vr)
{
	return memcmp(vr, "PN", 2) == 0 || memcmp(vr, "UI", 2) == 0 || memcmp(vr, "DA", 2) == 0 ||
	       memcmp(vr, "DT", 2) == 0 || tag >> 16 == 0x0010 || tag >> 16 == 0x0038 || tag == 0x00080050;
}

static bool is_number(struct span value)
{
	for (size_t i = 0; i < value.len; i++) {
		if (value.ptr[i] < '0' || value.ptr[i] > '9') {
			return false;
		}
	}
	return true;
}

static bool is_short_number(struct span value)
{
	return value.len < DIGITS_LEAST && is_number(value);
}

/* Where what stands for a value was there before, it says nothing, and the result is full of it. */
static bool is_dummy(const char *vr, struct span value)
{
	uint8_t dummy[LEFTOVERS_LONG];
	struct writer w = writer_of(dummy, sizeof(dummy));
	value_dummy(vr, &w);
	struct span same = vr_trim(vr, writer_span_of(&w));
	bool is = same.len == value.len;
	for (size_t i = 0; is && i < value.len; i++) {
		is = leftovers_fold(same.ptr[i]) == leftovers_fold(value.ptr[i]);
	}
	return is;
}

/* A copy that is copied again had it already, and has it anew. */
static bool is_our_method(uint32_t tag, struct span value)
{
	return tag == TAG_METHOD && span_eq(value, span_str(DEIDENTIFY_METHOD_TEXT));
}

static bool is_ascii(struct span value)
{
	for (size_t i = 0; i < value.len; i++) {
		if (value.ptr[i] >= 0x80 || value.ptr[i] == 0x1B) {
			return false;
		}
	}
	return true;
}

/* What is not ASCII is other bytes in another case and in another character set. */
static void add_spellings(
	struct leftovers *l, const struct leftover_pattern *like, const char *vr, struct span value)
{
	char utf8[SPELLING_TEXT + 1];
	struct spelling all[SPELLING_MOST];
	size_t len = spelling_utf8(&l->charset, vr, value, utf8);
	unsigned n = spelling_all(span_of((const uint8_t *)utf8, len), all);
	for (unsigned i = 0; i < n; i++) {
		struct leftover_pattern exact = *like;
		exact.whole = all[i].len < WHOLE_BELOW && !all[i].wide;
		if (!all[i].wide || all[i].len >= LEFTOVERS_BINARY_LEAST) {
			add_form(l, &exact, all[i].bytes, all[i].len);
		}
	}
}

/* A name as it is written by who has ASCII alone, and by who has not. */
static void add_plain_names(struct leftovers *l, const struct leftover_pattern *like, struct span value)
{
	const struct charset before = l->charset;
	uint8_t plain[SPELLING_BYTES];
	char utf8[SPELLING_TEXT + 1];
	if (is_ascii(value)) {
		size_t n = spelling_umlauts(value, plain);
		l->charset = (struct charset){.coding = CHARSET_UTF8};
		if (n > 0) {
			add_spellings(l, like, "PN", span_of(plain, n));
		}
		l->charset = before;
		return;
	}
	const size_t len = spelling_utf8(&l->charset, "PN", value, utf8);
	for (unsigned as_two = 0; as_two < 2; as_two++) {
		struct leftover_pattern exact = *like;
		size_t n = spelling_plain(span_of((const uint8_t *)utf8, len), as_two, plain);
		exact.whole = n < WHOLE_BELOW;
		add_form(l, &exact, plain, n);
	}
}

static bool has_byte(struct span value, uint8_t byte)
{
	return value.len > 0 && memchr(value.ptr, byte, value.len);
}

static void add_value(struct leftovers *l, uint32_t tag, const char *vr, struct span value)
{
	struct leftover_pattern like = {.tag = tag, .grave = is_grave(tag, vr)}, exact;
	uint8_t wide[2 * LEFTOVERS_LONG];
	like.date = memcmp(vr, "DA", 2) == 0 || memcmp(vr, "DT", 2) == 0;
	while (value.len > 0 && (value.ptr[value.len - 1] == ' ' || value.ptr[value.len - 1] == 0)) {
		value.len--;
	}
	while (value.len > 0 && value.ptr[0] == ' ') {
		value = span_of(value.ptr + 1, value.len - 1);
	}
	/* A year never is, nor are two parts of a name with each other. */
	bool is_pair = memcmp(vr, "PN", 2) == 0 && (has_byte(value, ' ') || has_byte(value, '^'));
	bool may_be_clean = !is_pair && memcmp(vr, "UI", 2) != 0 && memcmp(vr, "DA", 2) != 0;
	if (value.len < LEFTOVERS_LEAST || (!like.grave && is_short_number(value)) || is_dummy(vr, value) ||
		is_our_method(tag, value) || (may_be_clean && value_is_clean(value, NULL))) {
		return;
	}
	value.len = value.len < LEFTOVERS_LONG ? value.len : LEFTOVERS_LONG;
	exact = like;
	/* Of a date that begins with one digit, or ends with two, what is behind another or before one is another's. */
	bool is_short_date = like.date && ((value.len < 10 && !is_number(value)) || value.ptr[1] < '0' ||
						  value.ptr[1] > '9');
	exact.whole = value.len < WHOLE_BELOW || is_short_date;
	exact.uid = memcmp(vr, "UI", 2) == 0;
	add_form(l, &exact, value.ptr, value.len);
	for (size_t i = 0; i < value.len; i++) {
		wide[2 * i] = value.ptr[i];
		wide[2 * i + 1] = 0;
	}
	add_form(l, &like, wide, 2 * value.len - 1); /* of both byte orders the same */
	add_base64(l, &like, value);
	if (!is_ascii(value)) {
		add_spellings(l, &like, like.date ? "LO" : vr, value); /* of a date only words are such */
	}
	if (memcmp(vr, "PN", 2) == 0) {
		add_plain_names(l, &like, value);
	}
}

/* A part of a date of eight digits, by a letter: in small ones without a zero before it, y without its century, N is the month's name, ~ is "of" in Spanish. */
static struct span date_part(struct span date, const char *letter, const char *month)
{
	size_t at = *letter == 'Y' ? 0 : *letter == 'D' || *letter == 'd' ? 6 : 4;
	switch (*letter) {
	case 'Y':
		return span_of(date.ptr, 4);
	case 'y':
		return span_of(date.ptr + 2, 2);
	case 'D':
	case 'M':
		return span_of(date.ptr + at, 2);
	case 'd':
	case 'm':
		return date.ptr[at] == '0' ? span_of(date.ptr + at + 1, 1) : span_of(date.ptr + at, 2);
	case 'N':
		return span_str(month);
	case '~':
		return span_str(" de ");
	default:
		return span_of((const uint8_t *)letter, 1);
	}
}

static void add_notation(
	struct leftovers *l, uint32_t tag, struct span date, const char *notation, const char *month)
{
	uint8_t text[LEFTOVERS_LONG];
	struct writer w = writer_of(text, sizeof(text));
	for (const char *c = notation; *c; c++) {
		writer_span(&w, date_part(date, c, month));
	}
	add_value(l, tag, "DA", writer_span_of(&w));
}

/* As people write it with the month's name, in some languages. */
static void add_date_in_words(struct leftovers *l, uint32_t tag, struct span date)
{
	static const struct {
		const char *notations[6];
		const char *months[12];
	} languages[] = {
		{{"DNY", "D-N-Y", "D N Y", "d N Y", "N D, Y", "N d, Y"},
			{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"}},
		{{"D N Y", "d N Y", "N d, Y"},
			{"January", "February", "March", "April", "May", "June", "July", "August",
				"September", "October", "November", "December"}},
		{{"D. N Y", "d. N Y"}, {"Januar", "Februar", "M\xC3\xA4rz", "April", "Mai", "Juni", "Juli",
					       "August", "September", "Oktober", "November", "Dezember"}},
		{{"D N Y", "d N Y"},
			{"janvier", "f\xC3\xA9vrier", "mars", "avril", "mai", "juin", "juillet",
				"ao\xC3\xBBt", "septembre", "octobre", "novembre", "d\303\251cembre"}},
		{{"d~N~Y"}, {"enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto",
				    "septiembre", "octubre", "noviembre", "diciembre"}},
		{{"d~N~Y"}, {"janeiro", "fevereiro", "mar\xC3\xA7o", "abril", "maio", "junho", "julho",
				    "agosto", "setembro", "outubro", "novembro", "dezembro"}},
		{{"d N Y"}, {"gennaio", "febbraio", "marzo", "aprile", "maggio", "giugno", "luglio", "agosto",
				    "settembre", "ottobre", "novembre", "dicembre"}},
		{{"d N Y"}, {"januari", "februari", "maart", "april", "mei", "juni", "juli", "augustus",
				    "september", "oktober", "november", "december"}},
	};
	unsigned month = (unsigned)(date.ptr[4] - '0') * 10 + (unsigned)(date.ptr[5] - '0');
	const struct charset before = l->charset;
	l->charset = (struct charset){.coding = CHARSET_UTF8};
	for (unsigned i = 0; i < ARRAY_LEN(languages) && month >= 1 && month <= 12; i++) {
		for (unsigned k = 0; k < ARRAY_LEN(languages[i].notations) && languages[i].notations[k];
			k++) {
			add_notation(l, tag, date, languages[i].notations[k], languages[i].months[month - 1]);
		}
	}
	l->charset = before;
}

/* A date in the notations that people and other formats have, of its eight digits; one of birth in more. */
static void add_date(struct leftovers *l, uint32_t tag, struct span date)
{
	static const char *const notations[] = {"D.M.Y", "Y-M-D", "M/D/Y", "D/M/Y", "Y/M/D", "D-M-Y", "M-D-Y",
		"Y.M.D", "DMY", "MDY", "d.m.Y", "d/m/Y", "m/d/Y", "D.M.y", "D/M/y", "M/D/y", "D-M-y"};
	const bool is_birth = tag == LEFTOVERS_BIRTH_DATE;
	if (date.len != 8 || !is_number(date) || is_dummy("DA", date)) {
		return;
	}
	for (unsigned i = 0; i < (is_birth ? ARRAY_LEN(notations) : 8); i++) {
		add_notation(l, tag, date, notations[i], "");
	}
	if (is_birth) {
		add_date_in_words(l, tag, date);
	}
	add_value(l, tag, "DA", date);
}

/* ---- Names ---- */

static struct span part_of(struct span s, size_t from, const char *between)
{
	size_t at = from;
	while (at < s.len && (s.ptr[at] == 0 || !strchr(between, s.ptr[at]))) {
		at++;
	}
	return span_of(s.ptr + from, at - from);
}

static void add_pair(
	struct leftovers *l, uint32_t tag, struct span one, const char *between, struct span other)
{
	uint8_t both[2 * LEFTOVERS_LONG + 2];
	struct writer w = writer_of(both, sizeof(both));
	writer_span(&w, one);
	writer_span(&w, span_str(between));
	writer_span(&w, other);
	if (writer_end(&w) == 0) {
		add_value(l, tag, "PN", writer_span_of(&w));
	}
}

/* One way of writing a name: what is too short to be searched for by itself, or a harmless word, is so with the other. */
static void add_whole_name(struct leftovers *l, uint32_t tag, struct span group)
{
	struct span family = part_of(group, 0, "^");
	struct span given = family.len == group.len ? span_of(NULL, 0) : part_of(group, family.len + 1, "^");
	if (family.len == 0 || given.len == 0) {
		return;
	}
	bool is_far =
		!is_ascii(group); /* four bytes are not four letters, and there need be none between words */
	size_t least = is_far ? LEFTOVERS_LEAST * 3 : LEFTOVERS_LEAST;
	if (family.len < LEFTOVERS_BINARY_LEAST || given.len < LEFTOVERS_BINARY_LEAST) {
		add_pair(l, tag, family, "^", given); /* among numbers */
	}
	if (family.len < least || given.len < least || value_is_clean(family, NULL) ||
		value_is_clean(given, NULL)) {
		add_pair(l, tag, family, " ", given);
		add_pair(l, tag, given, " ", family);
		add_pair(l, tag, family, ", ", given);
	}
	if (is_far) {
		add_pair(l, tag, family, "", given);
	}
}

/* As text: in ISO 2022 a delimiter's byte may be half of a letter. */
static void add_whole_names(struct leftovers *l, uint32_t tag, struct span value)
{
	char utf8[SPELLING_TEXT + 1];
	if (!is_ascii(value)) {
		size_t len = spelling_utf8(&l->charset, "PN", value, utf8);
		value = span_of((const uint8_t *)utf8, len);
	}
	const struct charset before = l->charset;
	l->charset = (struct charset){.coding = CHARSET_UTF8};
	for (size_t at = 0; at < value.len;) {
		struct span group = part_of(value, at, "\\=");
		add_whole_name(l, tag, group);
		at += group.len + 1;
	}
	l->charset = before;
}

/* Values, and the parts of names, lie between these. */
static void add_parts(
	struct leftovers *l, uint32_t tag, const char *vr, struct span value, const char *between)
{
	size_t from = 0;
	for (size_t at = 0; at <= value.len; at++) {
		if (at < value.len && (value.ptr[at] == 0 || !strchr(between, value.ptr[at]))) {
			continue;
		}
		struct span part = span_of(value.ptr + from, at - from);
		if (memcmp(vr, "DA", 2) == 0) {
			add_date(l, tag, part);
		} else {
			add_value(l, tag, vr, part);
		}
		from = at + 1;
	}
}

/* Code Value, Coding Scheme Designator, Version and UID, Code Meaning (PS3.3 8.8): words of a vocabulary. */
static bool is_code(uint32_t tag)
{
	return (tag >= 0x00080100 && tag <= 0x00080104) || tag == 0x0008010C;
}

static void add_uid(struct leftovers *l, uint32_t tag, struct span value)
{
	struct span uid = uid_trim(value);
	bool is_none = uid.len < 8 || uid_find(uid) || l->options & OPTION_UIDS;
	if (!is_none) {
		add_value(l, tag, "UI", uid);
	}
}

static void add_datetime(struct leftovers *l, uint32_t tag, struct span value)
{
	if (value.len >= 8) {
		add_value(l, tag, "DT", span_of(value.ptr, value.len < 14 ? value.len : 14));
		add_date(l, tag, span_of(value.ptr, 8));
	}
}

/* UIDs, or dates with times. */
static void add_each(struct leftovers *l, uint32_t tag, const char *vr, struct span value)
{
	for (size_t at = 0; at < value.len;) {
		struct span one = part_of(value, at, "\\");
		if (vr[0] == 'U') {
			add_uid(l, tag, one);
		} else {
			add_datetime(l, tag, one);
		}
		at += one.len + 1;
	}
}

/* What has no VR, as private values in implicit VR, and may be text. */
static void add_unknown(struct leftovers *l, uint32_t tag, struct span value)
{
	bool is_text = true;
	while (value.len > 0 && value.ptr[value.len - 1] == 0) {
		value.len--;
	}
	for (size_t i = 0; i < value.len && is_text; i++) {
		is_text = value.ptr[i] >= 0x20 && value.ptr[i] != 0x7F;
	}
	if (is_text) {
		add_parts(l, tag, "LO", value, "\\^");
	}
}

/* Patient ID, Other Patient IDs, Accession Number, Admission ID. */
static bool is_id(uint32_t tag)
{
	return tag == 0x00100020 || tag == 0x00101000 || tag == 0x00080050 || tag == 0x00380010;
}

/* Without what stands between its letters, and without the zeros before a number. */
static void add_ids(struct leftovers *l, uint32_t tag, struct span value)
{
	uint8_t id[LEFTOVERS_LONG];
	for (size_t at = 0; at < value.len;) {
		struct span one = part_of(value, at, "\\"), rest;
		struct writer w = writer_of(id, sizeof(id));
		for (size_t i = 0; i < one.len; i++) {
			if (one.ptr[i] != 0 && !strchr(" -./_", one.ptr[i])) {
				writer_u8(&w, one.ptr[i]);
			}
		}
		rest = writer_end(&w) == 0 ? writer_span_of(&w) : span_of(NULL, 0);
		while (rest.len > 0 && rest.ptr[0] == '0' && is_number(rest)) {
			rest = span_of(rest.ptr + 1, rest.len - 1);
		}
		if (rest.len >= DIGITS_LEAST && rest.len < one.len) {
			add_value(l, tag, "LO", rest);
		}
		at += one.len + 1;
	}
}

static void add(struct leftovers *l, uint32_t tag, const char *vr, struct span value)
{
	if (is_id(tag)) {
		add_ids(l, tag, value);
	}

	if (memcmp(vr, "UN", 2) == 0) {
		add_unknown(l, tag, value);
	} else if (memcmp(vr, "PN", 2) == 0) {
		add_parts(l, tag, vr, value, "\\^= ,");
		add_whole_names(l, tag, value);
	} else if (memcmp(vr, "UI", 2) == 0 || memcmp(vr, "DT", 2) == 0) {
		add_each(l, tag, vr, value);
	} else if (memcmp(vr, "LT", 2) == 0 || memcmp(vr, "ST", 2) == 0 || memcmp(vr, "UT", 2) == 0) {
		add_parts(l, tag, vr, value, "\r\n");
	} else if (memcmp(vr, "LO", 2) == 0 || memcmp(vr, "SH", 2) == 0 || memcmp(vr, "UC", 2) == 0 ||
		   memcmp(vr, "AE", 2) == 0 || memcmp(vr, "DA", 2) == 0 || memcmp(vr, "UR", 2) == 0) {
		add_parts(l, tag, vr, value, "\\");
	}
}

void leftovers_add(struct leftovers *l, uint32_t tag, const char *vr, struct span value)
{
	if (!is_code(tag) && !leftovers_recall(l, tag, vr, value)) {
		add(l, tag, vr, value);
		leftovers_recall_end(l, tag, vr, value);
	}
}
