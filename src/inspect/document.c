/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/parts.h"

void document_begin(struct inspect *i)
{
	i->has_document = true;
	i->document_offset = i->e.offset;
	i->document_length = i->e.length;
	i->document_classes = 0;
}

/* ---- PDF: names (ISO 32000-1 7.3.5), in which any character may be written as #xx ---- */

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
	{"XFA", CHECK_PDF_MEDIA},
	{"ObjStm", CHECK_PDF_HIDDEN},
	{"Encrypt", CHECK_PDF_ENCRYPTED},
};

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

static void end_name(struct inspect_stream *s)
{
	for (size_t k = 0; k < ARRAY_LEN(names); k++) {
		if (strlen(names[k].name) == s->name_len &&
			memcmp(names[k].name, s->name, s->name_len) == 0) {
			s->pdf |= 1u << k;
		}
	}
	s->in_name = false;
}

static void add_to_name(struct inspect_stream *s, uint8_t c)
{
	if (s->name_len < sizeof(s->name)) {
		s->name[s->name_len++] = (char)c;
	}
	/* The two digits behind a # stand as they came until the second is there. */
	uint8_t n = s->name_len;
	if (s->hex > 0 && --s->hex == 0 && n >= 3) {
		int high = hex_digit((uint8_t)s->name[n - 2]), low = hex_digit((uint8_t)s->name[n - 1]);
		if (high >= 0 && low >= 0) {
			s->name[n - 3] = (char)(high << 4 | low);
			s->name_len = (uint8_t)(n - 2);
		}
	} else if (c == '#' && s->hex == 0) {
		s->hex = 2;
	}
}

static void take_pdf(struct inspect_stream *s, uint8_t c)
{
	if (s->in_name && !is_delimiter(c)) {
		add_to_name(s, c);
		return;
	}
	if (s->in_name) {
		end_name(s);
	}
	if (c == '/') {
		s->in_name = true;
		s->name_len = s->hex = 0;
	}
}

void document_piece(struct inspect *i, struct span piece)
{
	struct inspect_stream *s = &i->s;
	bool padded = s->at + piece.len == i->e.length && piece.ptr[piece.len - 1] == 0;
	s->classes |= text_classes(span_of(piece.ptr, piece.len - padded));
	for (size_t k = 0; k < piece.len; k++) {
		if (!s->in_name) {
			const uint8_t *slash = memchr(piece.ptr + k, '/', piece.len - k);
			if (!slash) {
				return;
			}
			k = (size_t)(slash - piece.ptr);
		}
		take_pdf(s, piece.ptr[k]);
	}
}

/* What else it is may come behind it: it is judged at the object's end. */
void document_end(struct inspect *i)
{
	if (i->s.in_name) {
		end_name(&i->s);
	}
	memcpy(i->document, i->s.head, i->s.n_head);
	i->n_document = i->s.n_head;
	i->document_classes = i->s.classes;
	i->document_pdf = i->s.pdf;
	i->document_said = i->s.said;
}

/* ---- The whole ---- */

static const struct {
	enum signature is;
	enum inspect_check check;
} contents[] = {
	{SIGNATURE_PE, CHECK_EMBEDDED_PROGRAM},
	{SIGNATURE_ELF, CHECK_EMBEDDED_PROGRAM},
	{SIGNATURE_MACHO, CHECK_EMBEDDED_PROGRAM},
	{SIGNATURE_SCRIPT, CHECK_EMBEDDED_SCRIPT},
	{SIGNATURE_HTML, CHECK_EMBEDDED_SCRIPT},
	{SIGNATURE_ARCHIVE, CHECK_EMBEDDED_ARCHIVE},
	{SIGNATURE_PDF, CHECK_EMBEDDED_DOCUMENT},
	{SIGNATURE_DOCUMENT, CHECK_EMBEDDED_DOCUMENT},
};

static bool said(uint64_t mask, enum inspect_check check)
{
	return mask & 1ull << (check - CHECK_EMBEDDED_PROGRAM);
}

void binary_end(struct inspect *i)
{
	enum signature is = signature_of(span_of(i->s.head, i->s.n_head));
	/* Samples are any number: two bytes are no sign in an image. */
	if (is == SIGNATURE_NONE || (i->e.tag >> 16 == 0x7FE0 && is == SIGNATURE_PE)) {
		return;
	}
	for (size_t k = 0; k < ARRAY_LEN(contents); k++) {
		if (contents[k].is == is && !said(i->s.said, contents[k].check)) {
			found(i, contents[k].check, span_of(i->s.head, i->s.n_head));
		}
	}
}

enum { TYPE_PDF = 1, TYPE_XML, TYPE_STL, TYPE_OBJ, TYPE_ARCHIVE };

/* PS3.3 A.45, A.85, A.104; MIME types as PS3.3 C.24.2 has them. */
static const struct {
	const char *type;
	uint8_t is;
} types[] = {
	{"application/pdf", TYPE_PDF},
	{"text/xml", TYPE_XML},
	{"application/xml", TYPE_XML},
	{"text/xml-cda", TYPE_XML},
	{"model/stl", TYPE_STL},
	{"model/obj", TYPE_OBJ},
	{"model/mtl", TYPE_OBJ},
	{"application/zip", TYPE_ARCHIVE},
	{"1.2.840.10008.5.1.4.1.1.104.1", TYPE_PDF},
	{"1.2.840.10008.5.1.4.1.1.104.2", TYPE_XML},
	{"1.2.840.10008.5.1.4.1.1.104.3", TYPE_STL},
	{"1.2.840.10008.5.1.4.1.1.104.4", TYPE_OBJ},
	{"1.2.840.10008.5.1.4.1.1.104.5", TYPE_OBJ},
};

static unsigned type_of(const char *name)
{
	for (size_t k = 0; k < ARRAY_LEN(types); k++) {
		if (strcasecmp(types[k].type, name) == 0) {
			return types[k].is;
		}
	}
	return 0;
}

/* A binary one has 80 bytes, a count, and 50 bytes a triangle. */
static void check_model(struct inspect *i, unsigned type)
{
	const uint8_t *p = i->document;
	bool text = (i->document_classes & ~text_classes(span_str("aA0 .+-_:/`\\\t"))) == 0;
	if (type == TYPE_OBJ) {
		if (!text) {
			found_at(i, CHECK_MODEL, i->document_offset - i->shift,
				span_str("a text has bytes that are none"));
		}
		return;
	}
	if (i->n_document >= 5 && memcmp(p, "solid", 5) == 0 && text) {
		return;
	}
	uint64_t triangles = i->n_document < 84
	                             ? UINT32_MAX
	                             : (uint64_t)p[80] | p[81] << 8 | p[82] << 16 | (uint64_t)p[83] << 24;
	if (i->document_length != (84 + 50 * triangles + 1) / 2 * 2) {
		found_at(i, CHECK_MODEL, i->document_offset - i->shift,
			span_str("its length does not suit its count"));
	}
}

static void report(struct inspect *i, enum inspect_check check, struct span what)
{
	found_at(i, check, i->document_offset - i->shift, what);
}

static void check_pdf(struct inspect *i)
{
	for (size_t k = 0; k < ARRAY_LEN(names); k++) {
		if (i->document_pdf & 1u << k) {
			report(i, names[k].check, span_str(names[k].name));
		}
	}
}

static bool suits(unsigned type, enum signature is)
{
	switch (type) {
	case TYPE_PDF:
		return is == SIGNATURE_PDF;
	case TYPE_XML:
		return is == SIGNATURE_XML || is == SIGNATURE_NONE;
	case TYPE_ARCHIVE:
		return is == SIGNATURE_ARCHIVE;
	default:
		return is == SIGNATURE_NONE;
	}
}

void document_object_end(struct inspect *i)
{
	if (!i->has_document || i->n_document == 0) {
		return;
	}
	struct span head = span_of(i->document, i->n_document);
	enum signature is = signature_of(head);
	unsigned by_class = type_of(i->facts.sop_class), by_mime = type_of(i->mime),
		 type = by_mime ? by_mime : by_class;
	if ((type && !suits(type, is)) || (by_class && by_mime && by_class != by_mime)) {
		report(i, CHECK_DOCUMENT_TYPE, span_str(signature_name(is)));
	}
	for (size_t k = 0; k < ARRAY_LEN(contents); k++) {
		bool expected = suits(type, is) && type;
		if (contents[k].is == is && !expected && is != SIGNATURE_PDF) {
			report(i, contents[k].check, head);
		}
	}
	if (is == SIGNATURE_PDF || type == TYPE_PDF) {
		check_pdf(i);
	}
	for (unsigned c = CHECK_EMBEDDED_PROGRAM; c < CHECK_INSPECTION_FAILED; c++) {
		bool of_markup = c == CHECK_DOCUMENT_SCRIPT || c == CHECK_DOCUMENT_ENTITY;
		if (said(i->document_said, (enum inspect_check)c) && !(of_markup && is == SIGNATURE_PDF)) {
			report(i, (enum inspect_check)c, (struct span){0});
		}
	}
	if (type == TYPE_STL || type == TYPE_OBJ) {
		check_model(i, type);
	}
}
