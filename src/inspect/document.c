/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/parts.h"

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

static void report(struct inspect *i, enum inspect_check check, struct span what)
{
	found_at(i, check, i->document_offset - i->shift, what);
}

static void report_contents(struct inspect *i, enum signature is)
{
	for (size_t k = 0; k < ARRAY_LEN(contents); k++) {
		if (contents[k].is == is) {
			report(i, contents[k].check, span_of(i->document, i->n_document));
		}
	}
}

/* ---- As it comes ---- */

/* There is one more: the one before it is judged without knowing what it should be. What it had is kept. */
static void judge_first(struct inspect *i)
{
	report_contents(i, signature_of(span_of(i->document, i->n_document)));
}

void document_begin(struct inspect *i)
{
	if (i->n_document > 0) {
		judge_first(i);
	}
	i->has_document = true;
	i->document_offset = i->e.offset;
	i->document_length = i->e.length;
}

/* UTF-16 and UTF-32 as XML has them (XML 1.0, F.1): a mark of the byte order, or a zero beside the first character. */
static bool is_wide(struct span head)
{
	return head.len >= 2 &&
	       (head.ptr[0] == 0 || head.ptr[1] == 0 || memcmp(head.ptr, "\xFF\xFE", 2) == 0 ||
		       memcmp(head.ptr, "\xFE\xFF", 2) == 0);
}

/* Without its zeros it is what the marks are. */
static void search_wide(struct inspect *i, struct span piece)
{
	struct inspect_stream *s = &i->s;
	uint8_t narrow[256];
	size_t n = 0;
	for (size_t k = 0; k < piece.len || n > 0;) {
		for (; k < piece.len && n < sizeof(narrow); k++) {
			narrow[n] = piece.ptr[k];
			n += piece.ptr[k] != 0;
		}
		struct span left = span_of(narrow, n);
		n = 0;
		handlers_look(&s->wide_handlers, left);
		while (left.len > 0) {
			const struct mark *m;
			size_t read = marks_find(&s->wide_marks, MARK_IN_DOCUMENT, left, &m);
			left = span_of(left.ptr + read, left.len - read);
			if (m && m->n_then == 0) {
				*(m->len < LEAST_IN_NUMBERS ? &s->said_short : &s->said) |= text_bit(m);
			}
		}
	}
}

/* The head has this piece's beginning already. */
void document_piece(struct inspect *i, struct span piece)
{
	struct inspect_stream *s = &i->s;
	bool padded = s->at + piece.len == i->e.length && piece.ptr[piece.len - 1] == 0;
	s->classes |= text_classes(span_of(piece.ptr, piece.len - padded));
	pdf_piece(i, piece);
	if (memcmp(s->head, "%PDF", 4) != 0) {
		handlers_look(&s->handlers, piece);
	}
	if (is_wide(span_of(s->head, s->n_head))) {
		if (s->at == 1) {
			search_wide(i, span_of(s->head, 1));
		}
		search_wide(i, piece);
	}
}

/* What else it is may come behind it: it is judged at the object's end. Handlers may stand in numbers, as short marks may. */
void document_end(struct inspect *i)
{
	if (i->s.handlers.met || i->s.wide_handlers.met) {
		i->s.said_short |= 1ull << (CHECK_DOCUMENT_SCRIPT - CHECK_EMBEDDED_PROGRAM);
	}
	memcpy(i->document, i->s.head, i->s.n_head);
	i->n_document = i->s.n_head;
	i->document_classes = i->s.classes;
	i->document_pdf |= pdf_end(i);
	i->document_coded_pdf |= i->s.base64.met ? pdf_base64_end(i) : 0;
	i->document_is_pdf |= i->s.is_pdf;
	i->document_said |= i->s.said;
	i->document_said_short |= i->s.said_short;
}

/* ---- The whole ---- */

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

void document_found(struct inspect *i, enum signature is, struct span what)
{
	for (size_t k = 0; k < ARRAY_LEN(contents); k++) {
		if (contents[k].is == is) {
			found(i, contents[k].check, what);
		}
	}
}

enum { TYPE_PDF = 1, TYPE_XML, TYPE_STL, TYPE_OBJ, TYPE_ARCHIVE, TYPE_OTHER };

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
	{"image/jpeg", TYPE_OTHER},
	{"image/png", TYPE_OTHER},
	{"text/plain", TYPE_OTHER},
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
	bool text = (i->document_classes & ~text_classes(span_str("aA0 .+-_:/<`\\\t"))) == 0;
	if (type == TYPE_OBJ) {
		if (!text) {
			report(i, CHECK_MODEL, span_str("a text has bytes that are none"));
		}
		if (i->n_document >= 5 && (memcmp(p, "csh ", 4) == 0 || memcmp(p, "call ", 5) == 0)) {
			report(i, CHECK_DOCUMENT_SCRIPT, span_of(p, i->n_document));
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
		report(i, CHECK_MODEL, span_str("its length does not suit its count"));
	}
}

static void check_pdf(struct inspect *i, uint32_t has)
{
	for (unsigned k = 0; k < PDF_NAMES; k++) {
		enum inspect_check check;
		const char *name = pdf_found(has, k, &check);
		if (name) {
			report(i, check, span_str(name));
		}
	}
}

/* XML begins with "<", in whatever encoding; those that have another byte for it (EBCDIC, UTF-7) are not looked into. */
static bool is_xml(struct span head, enum signature is)
{
	size_t bom = head.len >= 3 && memcmp(head.ptr, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
	while (bom < head.len && (head.ptr[bom] == ' ' || (head.ptr[bom] >= '\t' && head.ptr[bom] <= '\r'))) {
		bom++;
	}
	return is == SIGNATURE_XML ||
	       (is == SIGNATURE_NONE && (is_wide(head) || (bom < head.len && head.ptr[bom] == '<')));
}

static bool suits(unsigned type, struct span head, enum signature is)
{
	switch (type) {
	case TYPE_PDF:
		return is == SIGNATURE_PDF;
	case TYPE_XML:
		return is_xml(head, is);
	case TYPE_ARCHIVE:
		return is == SIGNATURE_ARCHIVE;
	default:
		return is == SIGNATURE_NONE;
	}
}

/* Three bytes of markup stand by chance in any megabyte of triangles. */
static bool is_numbers(const struct inspect *i, struct span head, enum signature is, unsigned type)
{
	bool text = type == TYPE_XML || type == TYPE_OBJ || (type == 0 && is_xml(head, is));
	return !text && (i->document_classes & text_classes(span_str("\1")));
}

/* What marks said; some are of one kind of document alone. */
static void report_said(struct inspect *i, struct span head, enum signature is, unsigned type)
{
	bool pdf = is == SIGNATURE_PDF;
	uint64_t all = i->document_said | (is_numbers(i, head, is, type) ? 0 : i->document_said_short);
	for (unsigned c = CHECK_EMBEDDED_PROGRAM; c < CHECK_INSPECTION_FAILED; c++) {
		bool of_markup = c == CHECK_DOCUMENT_SCRIPT || c == CHECK_DOCUMENT_ENTITY ||
		                 c == CHECK_DOCUMENT_STYLESHEET;
		bool meant = (of_markup && pdf) || (c == CHECK_MODEL && type != TYPE_OBJ) ||
		             (c == CHECK_EMBEDDED_ARCHIVE && is == SIGNATURE_ARCHIVE) ||
		             (c == CHECK_EMBEDDED_DOCUMENT && (pdf || type == TYPE_PDF));
		if (said(all, (enum inspect_check)c) && !meant) {
			report(i, (enum inspect_check)c, (struct span){0});
		}
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
	if ((type && !suits(type, head, is)) || (by_class && i->mime[0] && by_class != by_mime)) {
		report(i, CHECK_DOCUMENT_TYPE, i->mime[0] ? span_str(i->mime) : span_str(signature_name(is)));
	}
	if (is != SIGNATURE_PDF && !(type && suits(type, head, is))) {
		report_contents(i, is);
	}
	check_pdf(i, (i->document_is_pdf || type == TYPE_PDF ? i->document_pdf : 0) | i->document_coded_pdf);
	report_said(i, head, is, type);
	if (type == TYPE_STL || type == TYPE_OBJ) {
		check_model(i, type);
	}
}
