/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/parts.h"

#include "dicom/uid.h"
#include "dicom/vr.h"
#include "inspect/marks.h"

/* What characters a value has, as a mask. */
enum {
	DIGIT = 1 << 0,
	UPPER = 1 << 1,
	LOWER = 1 << 2,
	SPACE = 1 << 3,
	DOT = 1 << 4,
	SIGN = 1 << 5, /* + - */
	UNDERSCORE = 1 << 6,
	COLON = 1 << 7,
	OTHER = 1 << 8, /* of ASCII */
	DELIMITER = 1 << 9,
	BACKTICK = 1 << 10,
	LINE = 1 << 11, /* TAB, LF, FF, CR */
	ESCAPE = 1 << 12,
	CONTROL = 1 << 13,
	HIGH = 1 << 14,
	LESS = 1 << 15, /* < */
	NUMBER = DIGIT | SIGN | DOT | SPACE | DELIMITER,
	PRINTED = DIGIT | UPPER | LOWER | SPACE | DOT | SIGN | UNDERSCORE | COLON | OTHER | BACKTICK |
	          DELIMITER | LESS,
	FREE = PRINTED | ESCAPE | HIGH,
};

static const uint16_t classes[256] = {
	[0 ... 8] = CONTROL,
	['\t'] = LINE,
	['\n'] = LINE,
	[11] = CONTROL,
	['\f'] = LINE,
	['\r'] = LINE,
	[14 ... 26] = CONTROL,
	[27] = ESCAPE,
	[28 ... 31] = CONTROL,
	[' '] = SPACE,
	['!' ... '*'] = OTHER,
	['+'] = SIGN,
	[','] = OTHER,
	['-'] = SIGN,
	['.'] = DOT,
	['/'] = OTHER,
	['0' ... '9'] = DIGIT,
	[':'] = COLON,
	[';'] = OTHER,
	['<'] = LESS,
	['=' ... '@'] = OTHER,
	['A' ... 'Z'] = UPPER,
	['['] = OTHER,
	['\\'] = DELIMITER,
	[']'] = OTHER,
	['^'] = OTHER,
	['_'] = UNDERSCORE,
	['`'] = BACKTICK,
	['a' ... 'z'] = LOWER,
	['{' ... '~'] = OTHER,
	[127] = CONTROL,
	[128 ... 255] = HIGH,
};

/* PS3.5 Table 6.2-1: characters, and how many; most 0: no limit. */
static const struct rule {
	char vr[3];
	uint16_t allowed, most;
	bool free,
		single; /* free: text of any kind, in the character set; single: a backslash is a character */
} rules[] = {
	{"AE", PRINTED, 16, false, false},
	{"AS", DIGIT | UPPER | DELIMITER | SPACE, 4, false, false},
	{"CS", DIGIT | UPPER | SPACE | UNDERSCORE | DELIMITER, 16, false, false},
	{"DA", DIGIT | DOT | SIGN | DELIMITER | SPACE, 18, false, false},
	{"DS", NUMBER | UPPER | LOWER, 16, false, false},
	{"DT", NUMBER, 54, false, false},
	{"IS", NUMBER, 12, false, false},
	{"LO", FREE, 64, true, false},
	{"LT", FREE | LINE, 10240, true, true},
	{"PN", FREE, 64, true, false},
	{"SH", FREE, 16, true, false},
	{"ST", FREE | LINE, 1024, true, true},
	{"TM", NUMBER | COLON, 28, false, false},
	{"UC", FREE, 0, true, false},
	{"UI", DIGIT | DOT | DELIMITER, 64, false, false},
	{"UR", PRINTED, 0, true, true},
	{"UT", FREE | LINE, 0, true, true},
};

static const struct rule *rule_of(const char vr[2])
{
	for (size_t k = 0; k < ARRAY_LEN(rules); k++) {
		if (rules[k].vr[0] == vr[0] && rules[k].vr[1] == vr[1]) {
			return &rules[k];
		}
	}
	return &rules[7];
}

uint32_t text_classes(struct span s)
{
	uint32_t all = 0;
	for (size_t k = 0; k < s.len; k++) {
		all |= classes[s.ptr[k]];
	}
	return all;
}

void text_charset(struct inspect *i, struct span value)
{
	struct charset cs = charset_of(value);
	unsigned level = i->f.d.depth > 0;
	i->charset[level] = cs;
	i->has_charset[level] = true;
	if (cs.faults & CHARSET_UNKNOWN) {
		found(i, CHECK_CHARSET_UNKNOWN, value);
	} else if (cs.faults) {
		found(i, CHECK_CHARSET, value);
	}
}

const struct charset *text_charset_of(const struct inspect *i)
{
	unsigned level = i->f.d.depth > 0 && i->has_charset[1];
	return i->has_charset[level] ? &i->charset[level] : NULL;
}

struct span text_plain(struct span s)
{
	size_t n = 0;
	while (n < s.len && !(classes[s.ptr[n]] & (HIGH | ESCAPE))) {
		n++;
	}
	return span_of(s.ptr, n);
}

uint64_t text_bit(const struct mark *m)
{
	return 1ull << (m->check - CHECK_EMBEDDED_PROGRAM);
}

static void check_handlers(struct inspect *i, struct span v, struct span left, uint64_t *said)
{
	const uint64_t markup = 1ull << (CHECK_TEXT_MARKUP - CHECK_EMBEDDED_PROGRAM);
	struct inspect_handlers h = {0};
	handlers_look(&h, left);
	if (!(*said & markup) && h.met) {
		*said |= markup;
		found(i, CHECK_TEXT_MARKUP, v);
	}
}

/* v: the value as it came, for people; said: checks that it was already found by. */
static void check_marks(struct inspect *i, struct span v, struct span left, uint64_t *said)
{
	uint16_t state = 0;
	while (left.len > 0) {
		const struct mark *m;
		size_t n = marks_find(&state, MARK_IN_TEXT, left, &m);
		left = span_of(left.ptr + n, left.len - n);
		if (!m) {
			return;
		}
		if (!(*said & text_bit(m))) {
			found(i, (enum inspect_check)m->check, v);
		}
		*said |= text_bit(m);
		value_mark(i, m, v.len - left.len, left);
	}
}

/* Wide letters are met in honest texts, and so are their signs: only what is markup when they are made plain says something. */
static void check_folded(struct inspect *i, struct span v, struct span left, uint64_t *said)
{
	const uint64_t markup = 1ull << (CHECK_TEXT_MARKUP - CHECK_EMBEDDED_PROGRAM);
	uint16_t state = 0;
	while (left.len > 0 && !(*said & markup)) {
		const struct mark *m;
		size_t n = marks_find(&state, MARK_IN_TEXT, left, &m);
		left = span_of(left.ptr + n, left.len - n);
		if (m && m->check == CHECK_TEXT_MARKUP) {
			*said |= markup;
			found(i, CHECK_TEXT_MARKUP, v);
		}
	}
}

/* Without its escape sequences (ISO/IEC 2022 13.2): as a viewer may show what is none in the value's character set. */
static struct span without_escapes(struct span v, char *to)
{
	size_t n = 0;
	for (size_t k = 0; k < v.len; k++) {
		if (v.ptr[k] != 27) {
			to[n++] = (char)v.ptr[k];
			continue;
		}
		while (k + 1 < v.len && v.ptr[k + 1] >= 0x20 && v.ptr[k + 1] <= 0x2F) {
			k++;
		}
		k++;
	}
	return span_of(to, n);
}

/* Does it read as text at all, and what does it say then? */
static void check_characters(struct inspect *i, struct span v, uint32_t has, uint64_t *said)
{
	char text[3 * INSPECT_VALUE + 1];
	struct charset_text t;
	const struct charset *cs = text_charset_of(i);
	bool undeclared = (has & ESCAPE) && !(cs && cs->extended);
	if (undeclared) {
		found(i, CHECK_TEXT_CONTROL, v);
		struct span bare = without_escapes(v, text);
		check_marks(i, v, bare, said);
		check_handlers(i, v, bare, said);
	}
	charset_to_utf8(cs, i->e.vr, CHARSET_LINES, v, text, sizeof(text), &t);
	check_marks(i, v, span_of(text, t.len), said);
	check_handlers(i, v, span_of(text, t.len), said);
	struct span folded = span_of(text, text_fold(text, t.len));
	check_folded(i, v, folded, said);
	check_handlers(i, v, folded, said);
	if (t.controls > 0 && !undeclared && !(has & CONTROL)) {
		found(i, CHECK_TEXT_CONTROL, v);
	}
	if (t.replaced > 0 && !(has & CONTROL)) {
		found(i, CHECK_TEXT_CHARSET, v);
	}
	if (t.bidi > 0) {
		found(i, CHECK_TEXT_DIRECTION, v);
	}
}

/* A value that may have ASCII alone can have a terminal's commands all the same. */
static void check_commands(struct inspect *i, struct span v)
{
	char text[3 * INSPECT_VALUE + 1];
	struct charset_text t;
	charset_to_utf8(NULL, i->e.vr, 0, v, text, sizeof(text), &t);
	if (t.controls > 0) {
		found(i, CHECK_TEXT_CONTROL, v);
	}
}

/* Characters; of sets with more bytes a character the continuation bytes of UTF-8 are left out. */
static size_t count(struct span s)
{
	size_t n = 0;
	for (size_t k = 0; k < s.len; k++) {
		n += (s.ptr[k] & 0xC0) != 0x80;
	}
	return n;
}

static void check_length(struct inspect *i, const struct rule *r, struct span v, uint32_t has)
{
	bool name = r->vr[0] == 'P';
	size_t longest = 0, from = 0;
	for (size_t k = 0; k <= v.len; k++) {
		if (k == v.len || (v.ptr[k] == '\\' && !r->single) || (v.ptr[k] == '=' && name)) {
			struct span one = span_of(v.ptr + from, k - from);
			size_t n = has & HIGH ? count(one) : one.len;
			longest = n > longest ? n : longest;
			from = k + 1;
		}
	}
	if (i->e.length > INSPECT_VALUE && longest == v.len) {
		longest = i->e.length;
	}
	if (r->most == 0 || longest <= r->most || ((has & ESCAPE) && longest <= 4u * r->most)) {
		return;
	}
	found_say(i, longest >= 10u * r->most ? CHECK_VALUE_FAR_TOO_LONG : CHECK_VALUE_TOO_LONG,
		"%zu characters, at most %u", longest, r->most);
}

static void check_uids(struct inspect *i, struct span v)
{
	for (size_t from = 0; from < v.len;) {
		const uint8_t *end = memchr(v.ptr + from, '\\', v.len - from);
		size_t to = end ? (size_t)(end - v.ptr) : v.len;
		struct span one = uid_trim(span_of(v.ptr + from, to - from));
		if (one.len > 0 && !uid_valid(one)) {
			found(i, CHECK_UID_GRAMMAR, one);
			return;
		}
		from = to + 1;
	}
}

static void check_backticks(struct inspect *i, struct span v)
{
	unsigned n = 0;
	for (size_t k = 0; k < v.len; k++) {
		n += v.ptr[k] == '`';
	}
	if (n >= 2) {
		found(i, CHECK_TEXT_SHELL, v);
	}
}

static void check_classes(struct inspect *i, const struct rule *r, struct span v, uint32_t has)
{
	uint32_t bad = has & ~(uint32_t)r->allowed;
	if (bad & (CONTROL | (r->free ? 0 : LINE | ESCAPE))) {
		found(i, CHECK_TEXT_CONTROL, v);
	} else if (bad & LINE) {
		found(i, CHECK_TEXT_LINES, v);
	} else if (bad && r->vr[0] != 'U') {
		found(i, CHECK_VALUE_GRAMMAR, v);
	}
	if (has & BACKTICK) {
		check_backticks(i, v);
	}
}

void text_whole(struct inspect *i, struct span value)
{
	const struct rule *r = rule_of(i->e.vr);
	struct span v = vr_trim(r->vr, value);
	uint32_t has = text_classes(v);
	uint64_t said = 0;
	if (r->vr[0] == 'U' && r->vr[1] == 'I') {
		check_uids(i, v);
		has &= ~(uint32_t)CONTROL | ((uint32_t)has & LINE);
	}
	check_classes(i, r, v, has);
	if (r->most && v.len > r->most) {
		check_length(i, r, v, has);
	}
	if (r->free && (has & (HIGH | ESCAPE))) {
		check_characters(i, v, has, &said);
	} else if ((has & HIGH) && !(has & (CONTROL | ESCAPE))) {
		check_commands(i, v);
	}
	if (v.len > 2 && (r->free || (has & ~(uint32_t)r->allowed) || (r->vr[0] == 'A' && r->vr[1] == 'E'))) {
		check_marks(i, v, v, &said);
		if (has & LESS) {
			check_handlers(i, v, v, &said);
		}
	}
}

/* A value of unknown kind that is text is shown as such. */
void text_unknown(struct inspect *i, struct span value)
{
	struct span v = vr_trim("LT", value);
	uint64_t said = 0;
	if (v.len > 2 && !(text_classes(v) & (CONTROL | ESCAPE))) {
		check_marks(i, v, v, &said);
		check_handlers(i, v, v, &said);
	}
}

/* As long as it may be a text: most values are none from their first bytes on. i->s.text is not used by what is of no text's kind. */
void text_unknown_piece(struct inspect *i, struct span piece, bool last)
{
	struct inspect_stream *s = &i->s;
	if (s->classes & (CONTROL | ESCAPE)) {
		return;
	}
	s->classes |= text_classes_of_piece(piece, last);
	handlers_look(&s->text.came, piece);
	while (piece.len > 0) {
		const struct mark *m;
		size_t n = marks_find(&s->text.marks, MARK_IN_TEXT, piece, &m);
		piece = span_of(piece.ptr + n, piece.len - n);
		s->text.said |= m ? text_bit(m) : 0;
	}
}

void text_unknown_end(struct inspect *i)
{
	struct inspect_stream *s = &i->s;
	if (s->kind != VALUE_BINARY || memcmp(i->e.vr, "UN", 2) != 0 || i->e.length <= INSPECT_VALUE ||
		(s->classes & (CONTROL | ESCAPE))) {
		return;
	}
	const uint64_t markup = 1ull << (CHECK_TEXT_MARKUP - CHECK_EMBEDDED_PROGRAM);
	uint64_t said = s->text.said | (s->text.came.met ? markup : 0);
	for (unsigned k = 0; said >> k; k++) {
		if ((said & ~s->said) >> k & 1) {
			found(i, (enum inspect_check)(CHECK_EMBEDDED_PROGRAM + k),
				span_of(s->head, s->n_head));
		}
	}
	s->said |= said;
}

/* A byte at the end that is padding is not among what a long value has. */
uint32_t text_classes_of_piece(struct span piece, bool last)
{
	return text_classes(
		last && piece.ptr[piece.len - 1] == 0 ? span_of(piece.ptr, piece.len - 1) : piece);
}

void text_streamed(struct inspect *i)
{
	const struct rule *r = rule_of(i->e.vr);
	struct span v = span_of(i->value, INSPECT_VALUE);
	uint32_t has = i->s.classes;
	check_classes(i, r, v, has);
	check_length(i, r, v, has);
	const uint64_t markup = 1ull << (CHECK_TEXT_MARKUP - CHECK_EMBEDDED_PROGRAM);
	if (i->s.text.came.met && !(i->s.said & markup)) {
		i->s.said |= markup;
		found(i, CHECK_TEXT_MARKUP, v);
	}
	if (r->vr[0] == 'U' && r->vr[1] == 'I') {
		check_uids(i, v);
	}
	if (r->free && (has & (HIGH | ESCAPE))) {
		const struct charset *cs = text_charset_of(i);
		text_long_end(i, v, (has & ESCAPE) && !(cs && cs->extended), has & CONTROL);
	} else if ((has & HIGH) && !(has & (CONTROL | ESCAPE))) {
		check_commands(i, v);
	}
}
