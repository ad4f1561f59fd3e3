/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/cms_parts.h"

#include "keys/cms_der.h"

#define CONSTRUCTED 0x20
#define LONG_TAG    0x1F
#define PRIMITIVE_0 0x80 /* [0] IMPLICIT of an octet string in one piece */

struct ber {
	uint8_t tag;
	struct span whole, body;
};

/* ---- BER (X.690 8.1) ---- */

/* definite: *ret_len is its length. */
static int read_head(struct reader *r, uint8_t *ret_tag, bool *ret_definite, size_t *ret_len)
{
	uint8_t tag, first, byte;
	uint64_t len = 0;
	if (reader_u8(r, &tag) != 0 || reader_u8(r, &first) != 0) {
		return ERR_TRUNCATED;
	}
	if ((tag & LONG_TAG) == LONG_TAG || first > 0x88) {
		return ERR_VALUE;
	}
	*ret_tag = tag;
	*ret_definite = first != 0x80;
	if (first == 0x80) {
		return tag & CONSTRUCTED ? 0 : ERR_VALUE;
	}
	for (unsigned i = 0; first > 0x80 && i < (first & 0x7Fu); i++) {
		if (reader_u8(r, &byte) != 0) {
			return ERR_TRUNCATED;
		}
		len = len << 8 | byte;
	}
	len = first < 0x80 ? first : len;
	if (len > reader_left(r)) {
		return ERR_TRUNCATED;
	}
	*ret_len = (size_t)len;
	return 0;
}

static bool at_end(struct reader *r)
{
	if (reader_left(r) < 2 || r->ptr[r->pos] != 0 || r->ptr[r->pos + 1] != 0) {
		return false;
	}
	r->pos += 2;
	return true;
}

/* One element, whole. Those of indefinite length are walked through. */
static int read_element(struct reader *r, struct ber *ret_element)
{
	struct reader at = *r;
	size_t len = 0, from = at.pos, body, open = 1;
	uint8_t tag, inner;
	bool definite;
	int e = read_head(&at, &tag, &definite, &len);
	body = at.pos;
	if (e == 0 && definite) {
		e = reader_skip(&at, len);
	}
	size_t end = at.pos;
	while (e == 0 && !definite && open > 0) {
		bool known;
		end = at.pos;
		if (at_end(&at)) {
			open--;
			continue;
		}
		e = read_head(&at, &inner, &known, &len);
		e = e == 0 && known ? reader_skip(&at, len) : e;
		open += e == 0 && !known;
		e = open > CMS_DEPTH_MOST ? ERR_LIMIT : e;
	}
	if (e < 0) {
		return e;
	}
	*ret_element = (struct ber){.tag = tag,
		.whole = span_of(at.ptr + from, at.pos - from),
		.body = span_of(at.ptr + body, end - body)};
	*r = at;
	return 0;
}

static int expect(struct reader *r, uint8_t tag, struct ber *ret_element)
{
	struct ber b;
	struct reader at = *r;
	int e = read_element(&at, &b);
	if (e < 0 || b.tag != tag) {
		return e < 0 ? e : ERR_ORDER;
	}
	*ret_element = b;
	*r = at;
	return 0;
}

/* ---- CMS ---- */

static const struct {
	enum cms_type type;
	enum der_oid oid;
	unsigned
		before; /* elements that stand before what has the content: those of RFC 5652 5.1, 6.1, 7, RFC 5083 2.1 */
} kinds[] = {
	{CMS_PLAIN, DER_DATA, 0},
	{CMS_SIGNED_DATA, DER_SIGNED, 2},
	{CMS_ENVELOPED_DATA, DER_ENVELOPED, 2},
	{CMS_DIGESTED_DATA, DER_DIGESTED, 2},
	{CMS_AUTH_ENVELOPED_DATA, DER_AUTH_ENVELOPED, 2},
};

static enum cms_type type_of(struct span oid)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (span_eq(oid, der_oid_bytes(kinds[i].oid))) {
			return kinds[i].type;
		}
	}
	return CMS_NONE;
}

static unsigned before(enum cms_type type, enum der_oid *ret_oid)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (kinds[i].type == type) {
			*ret_oid = kinds[i].oid;
			return kinds[i].before;
		}
	}
	return 0;
}

static bool is_encrypted(enum cms_type type)
{
	return type == CMS_ENVELOPED_DATA || type == CMS_AUTH_ENVELOPED_DATA;
}

/* OCTET STRING, in one piece or in segments. */
static int take_octets(const struct ber *b, uint8_t whole, uint8_t parts, struct cms_parts *p)
{
	if (b->tag != whole && b->tag != parts) {
		return ERR_ORDER;
	}
	p->content = b->body;
	p->segments = b->tag == parts;
	p->has_content = true;
	return 0;
}

/* EncapsulatedContentInfo, or EncryptedContentInfo: its type, perhaps an algorithm, and the content. */
static int take_holder(struct span body, struct cms_parts *p, struct writer *around)
{
	struct reader r = reader_of(body), in;
	struct ber oid, b;
	int e = expect(&r, DER_OID, &oid);
	der_open(around, DER_SEQUENCE);
	if (e == 0) {
		writer_span(around, oid.whole);
		p->inner = type_of(oid.body);
	}
	if (e == 0 && is_encrypted(p->type) && (e = expect(&r, DER_SEQUENCE, &b)) == 0) {
		writer_span(around, b.whole);
	}
	der_close(around, 1);
	if (e < 0 || reader_left(&r) == 0) {
		return e;
	}
	e = read_element(&r, &b);
	if (e == 0 && !is_encrypted(p->type)) {
		in = reader_of(b.body);
		e = b.tag != DER_CONTEXT(0) ? ERR_ORDER : read_element(&in, &b);
		e = e < 0 ? e : take_octets(&b, DER_OCTETS, DER_OCTETS_PARTS, p);
		e = e < 0 ? e : reader_end(&in);
	} else if (e == 0) {
		e = take_octets(&b, PRIMITIVE_0, DER_CONTEXT(0), p);
	}
	return e < 0 ? e : reader_end(&r);
}

static int take_structure(struct span body, struct cms_parts *p, struct writer *around)
{
	struct reader r = reader_of(body);
	struct ber b;
	enum der_oid oid = DER_DATA;
	unsigned left = before(p->type, &oid);
	der_open(around, DER_SEQUENCE);
	der_oid(around, oid);
	der_open(around, DER_CONTEXT(0));
	der_open(around, DER_SEQUENCE);
	for (int e; left > 0; left -= b.tag != DER_CONTEXT(0)) { /* originatorInfo is one more */
		if ((e = read_element(&r, &b)) < 0) {
			return e;
		}
		writer_span(around, b.whole);
	}
	int e = expect(&r, DER_SEQUENCE, &b);
	e = e < 0 ? e : take_holder(b.body, p, around);
	while (e == 0 && reader_left(&r) > 0 && (e = read_element(&r, &b)) == 0) {
		writer_span(around, b.whole);
	}
	der_close(around, 3);
	return e < 0 ? e : writer_end(around);
}

int cms_parts_read(struct span bytes, enum cms_type type, struct writer *around, struct cms_parts *ret_parts)
{
	struct cms_parts p = {.type = type};
	struct reader r = reader_of(bytes), in;
	struct ber b, oid;
	if (bytes.len < 2 || bytes.ptr[0] != DER_SEQUENCE) {
		return ERR_TYPE;
	}
	int e = read_element(&r, &b);
	e = e < 0 ? e : reader_end(&r);
	if (e == 0 && type == CMS_NONE) {
		in = reader_of(b.body);
		e = expect(&in, DER_OID, &oid) < 0 ? ERR_TYPE : 0;
		p.type = e == 0 ? type_of(oid.body) : CMS_NONE;
		e = p.type <= CMS_PLAIN ? ERR_TYPE : expect(&in, DER_CONTEXT(0), &b);
		e = e < 0 ? e : reader_end(&in);
		in = reader_of(b.body);
		e = e < 0 ? e : expect(&in, DER_SEQUENCE, &b);
		e = e < 0 ? e : reader_end(&in);
	}
	e = e < 0 ? e : take_structure(b.body, &p, around);
	if (e == 0) {
		*ret_parts = p;
	}
	return e;
}

/* ---- The content ---- */

struct cms_pieces cms_pieces_of(const struct cms_parts *parts)
{
	return (struct cms_pieces){.r = reader_of(parts->content), .segments = parts->segments};
}

/* Segments in segments are read as if they were not: what is signed is their octets alone. */
int cms_pieces_next(struct cms_pieces *p, struct span *ret_piece)
{
	uint8_t tag;
	bool definite;
	size_t len = 0;
	if (!p->segments) {
		if (p->over || p->r.len == 0) {
			return 0;
		}
		p->over = true;
		return reader_bytes(&p->r, p->r.len, ret_piece) == 0 ? 1 : ERR_TRUNCATED;
	}
	while (reader_left(&p->r) > 0) {
		if (at_end(&p->r)) {
			continue;
		}
		int e = read_head(&p->r, &tag, &definite, &len);
		if (e < 0) {
			return e;
		}
		if (tag == DER_OCTETS && len > 0) {
			return reader_bytes(&p->r, len, ret_piece) == 0 ? 1 : ERR_TRUNCATED;
		}
		if (tag != DER_OCTETS && tag != DER_OCTETS_PARTS) {
			return ERR_VALUE;
		}
	}
	return 0;
}
