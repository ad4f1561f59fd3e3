/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/parts.h"

/*
 * A PDF document, wherever it begins: its names (ISO 32000-1 7.3.5), in which any character may be written as #xx, and those in its object
 * streams (7.5.7), which are inflated. One that cannot be inflated is told.
 */

static const struct {
	const char *name;
	enum inspect_check check;
} names[] = {
	{"JavaScript", CHECK_PDF_JAVASCRIPT},
	{"Launch", CHECK_PDF_LAUNCH},
	{"OpenAction", CHECK_PDF_OPEN_ACTION},
	{"EmbeddedFile", CHECK_PDF_EMBEDDED_FILE},
	{"EmbeddedFiles", CHECK_PDF_EMBEDDED_FILE},
	{"SubmitForm", CHECK_PDF_SUBMIT},
	{"ImportData", CHECK_PDF_SUBMIT},
	{"GoToR", CHECK_PDF_SUBMIT},
	{"GoToE", CHECK_PDF_EMBEDDED_FILE},
	{"RichMedia", CHECK_PDF_MEDIA},
	{"Rendition", CHECK_PDF_MEDIA},
	{"XFA", CHECK_PDF_MEDIA},
	{"Encrypt", CHECK_PDF_ENCRYPTED},
	{"ObjStm", CHECK_PDF_HIDDEN},
};
#define OBJECT_STREAM (ARRAY_LEN(names) - 1)
#define HIDDEN        (1u << OBJECT_STREAM) /* one could not be inflated; no other is tried */

/* ---- Names ---- */

static bool is_delimiter(uint8_t c)
{
	return c <= ' ' || c == '/' || c == '<' || c == '>' || c == '(' || c == ')' || c == '[' || c == ']' ||
	       c == '{' || c == '}' || c == '%';
}

static int hex_digit(uint8_t c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	                              : -1;
}

static void hidden(struct inspect_pdf *p)
{
	p->has |= HIDDEN;
	p->stream = STREAM_NONE;
}

static void end_name(struct inspect_pdf *p, struct inspect_name *name)
{
	for (size_t k = 0; k < ARRAY_LEN(names); k++) {
		if (strlen(names[k].name) != name->len || memcmp(names[k].name, name->text, name->len) != 0) {
			continue;
		}
		if (k == OBJECT_STREAM && p->stream == STREAM_NONE && !(p->has & HIDDEN)) {
			p->stream = STREAM_WANTED;
			p->n_keyword = 0;
		} else if (k == OBJECT_STREAM && p->stream == STREAM_INFLATED) {
			hidden(p); /* one inside another */
		} else if (k != OBJECT_STREAM) {
			p->has |= 1u << k;
		}
	}
	name->in = false;
}

static void add_to_name(struct inspect_name *name, uint8_t c)
{
	if (name->len < sizeof(name->text)) {
		name->text[name->len++] = (char)c;
	}
	/* The two digits behind a # stand as they came until the second is there. */
	uint8_t n = name->len;
	if (name->hex > 0 && --name->hex == 0 && n >= 3) {
		int high = hex_digit((uint8_t)name->text[n - 2]), low = hex_digit((uint8_t)name->text[n - 1]);
		if (high >= 0 && low >= 0) {
			name->text[n - 3] = (char)(high << 4 | low);
			name->len = (uint8_t)(n - 2);
		}
	} else if (c == '#' && name->hex == 0) {
		name->hex = 2;
	}
}

static void take_name(struct inspect_pdf *p, struct inspect_name *name, uint8_t c)
{
	if (name->in && !is_delimiter(c)) {
		add_to_name(name, c);
		return;
	}
	if (name->in) {
		end_name(p, name);
	}
	if (c == '/') {
		name->in = true;
		name->len = name->hex = 0;
	}
}

/* From name to name, as fast as that can be. How many bytes were read: all, or until there is an object stream. */
static size_t take_names(struct inspect_pdf *p, struct inspect_name *name, struct span s, bool stop)
{
	for (size_t k = 0; k < s.len; k++) {
		if (!name->in) {
			const uint8_t *slash = memchr(s.ptr + k, '/', s.len - k);
			if (!slash) {
				return s.len;
			}
			k = (size_t)(slash - s.ptr);
		}
		take_name(p, name, s.ptr[k]);
		if (stop && p->stream == STREAM_WANTED) {
			return k + 1;
		}
	}
	return s.len;
}

/* ---- Object streams ---- */

/* It begins with pairs of numbers, "2 0 " at the least. What does not is encoded once more, as with predictors. */
static bool is_object_stream(struct inspect_pdf *p, struct span s)
{
	for (size_t k = 0; k < s.len && p->n_looked < 3; k++, p->n_looked++) {
		uint8_t c = s.ptr[k];
		if (!(c >= '0' && c <= '9') && c != ' ' && c != '\n' && c != '\r') {
			return false;
		}
	}
	return true;
}

/* How many of the bytes are of the stream. One that cannot be inflated is the last that is tried. */
static size_t inflate_piece(struct inspect *i, struct inspect_pdf *p, struct span s)
{
	struct inflater *f = i->inflater;
	uint64_t before = f->z.total_in;
	struct span piece;
	int err;
	inflater_feed(f, s);
	while ((err = inflater_next(f, &piece)) == 0) {
		uint64_t room = INSPECT_PDF_INFLATED - p->inflated;
		bool fits = piece.len <= room;
		piece.len = fits ? piece.len : (size_t)room;
		p->inflated += piece.len;
		if (!is_object_stream(p, piece)) {
			err = ERR_VALUE;
			break;
		}
		(void)take_names(p, &p->inside, piece, false);
		if (!fits) {
			err = ERR_LIMIT;
			break;
		}
	}
	if (err != ERR_AGAIN) {
		hidden(p);
		return 0;
	}
	if (f->ended) {
		p->stream_ended = true;
		if (p->inside.in) {
			end_name(p, &p->inside);
		}
		return (size_t)(f->z.total_in - before);
	}
	return s.len;
}

/* The inflater is the data set's, where that is deflated; and that of what stands in the open, not of what is in base64. */
static void begin_inflating(struct inspect *i, struct inspect_pdf *p)
{
	if (p == &i->s.coded_pdf || !i->inflater || i->f.d.inflater ||
		inflater_begin_zlib(i->inflater) != 0) {
		hidden(p);
		return;
	}
	p->stream = STREAM_INFLATED;
	p->stream_ended = false;
	p->n_looked = 0;
	p->inside.in = false;
}

/* Where the dictionary of an object stream ends. Between the keyword and the bytes is a line end, which may be any. */
static bool ends_keyword(struct inspect_pdf *p, uint8_t c)
{
	static const char keyword[] = "stream";
	const uint8_t whole = sizeof(keyword) - 1;
	if (p->n_keyword == whole) {
		return c != ' ' && c != '\r' && c != '\n';
	}
	p->n_keyword = c == (uint8_t)keyword[p->n_keyword] ? (uint8_t)(p->n_keyword + 1) : c == 's';
	return false;
}

/* ---- For values and documents ---- */

static void take(struct inspect *i, struct inspect_pdf *p, struct span left)
{
	while (left.len > 0) {
		size_t n = left.len;
		if (p->stream == STREAM_INFLATED) {
			n = inflate_piece(i, p, left);
		} else if (p->stream == STREAM_WANTED) {
			n = 1;
			if (ends_keyword(p, left.ptr[0])) {
				begin_inflating(i, p);
				continue;
			}
		}
		/* Names in what is inflated count as they stand, too: a stream need not be what it seems. */
		n = take_names(p, &p->raw, span_of(left.ptr, n), p->stream == STREAM_NONE);
		if (p->stream == STREAM_INFLATED && p->stream_ended) {
			p->stream = STREAM_NONE;
		}
		left = span_of(left.ptr + n, left.len - n);
	}
}

static uint32_t end(struct inspect_pdf *p)
{
	if (p->raw.in) {
		end_name(p, &p->raw);
	}
	if (p->stream != STREAM_NONE) {
		hidden(p);
	}
	return p->has;
}

void pdf_piece(struct inspect *i, struct span left)
{
	take(i, &i->s.pdf, left);
}

uint32_t pdf_end(struct inspect *i)
{
	return end(&i->s.pdf);
}

/* ---- In base64 (RFC 4648) ---- */

static int base64_digit(uint8_t c)
{
	return c >= 'A' && c <= 'Z'   ? c - 'A'
	       : c >= 'a' && c <= 'z' ? c - 'a' + 26
	       : c >= '0' && c <= '9' ? c - '0' + 52
	       : c == '+' || c == '-' ? 62
	       : c == '/' || c == '_' ? 63
	                              : -1;
}

/* "%PDF-1." is JVBERi0xL and a part of what follows: six bytes, and six bits. A second one counts as the first does. */
void pdf_base64_begin(struct inspect *i, uint64_t at, struct span rest)
{
	struct inspect_base64 *b = &i->s.base64;
	if (!b->met) {
		i->s.coded_pdf = (struct inspect_pdf){0};
	}
	*b = (struct inspect_base64){.in = true, .met = true, .n_bits = 6, .bits = 'L' - 'A'};
	pdf_base64(i, at, rest);
}

void pdf_base64(struct inspect *i, uint64_t at, struct span s)
{
	struct inspect_base64 *b = &i->s.base64;
	uint8_t bytes[256];
	size_t n = 0;
	for (size_t k = 0; b->in && k < s.len; k++) {
		int digit = base64_digit(s.ptr[k]);
		if (digit < 0) {
			b->in = s.ptr[k] <= ' ';
			b->end = at + k;
			continue;
		}
		b->bits = (uint16_t)((b->bits << 6 | digit) & 0xFFF);
		b->n_bits += 6;
		if (b->n_bits >= 8) {
			b->n_bits -= 8;
			bytes[n++] = (uint8_t)(b->bits >> b->n_bits);
		}
		if (n == sizeof(bytes)) {
			take(i, &i->s.coded_pdf, span_of(bytes, n));
			n = 0;
		}
	}
	take(i, &i->s.coded_pdf, span_of(bytes, n));
	b->end = b->in ? at + s.len : b->end;
}

uint32_t pdf_base64_end(struct inspect *i)
{
	return end(&i->s.coded_pdf);
}

const char *pdf_found(uint32_t has, unsigned number, enum inspect_check *ret_check)
{
	if (number >= ARRAY_LEN(names) || !(has & 1u << number)) {
		return NULL;
	}
	*ret_check = names[number].check;
	return names[number].name;
}
