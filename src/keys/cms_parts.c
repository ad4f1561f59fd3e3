/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/cms_parts.h"

#include "keys/cms_ber.h"
#include "keys/cms_der.h"

#define PRIMITIVE_0 0x80 /* [0] IMPLICIT of an octet string in one piece */

/* ---- CMS ---- */

static const struct {
	enum cms_type type;
	enum der_oid oid;
	unsigned
		before; /* elements that stand before what has the content: those of RFC 5652 5.1, 6.1, 7, RFC 5083 2.1, RFC 3274 1.1 */
} kinds[] = {
	{CMS_PLAIN, DER_DATA, 0},
	{CMS_SIGNED_DATA, DER_SIGNED, 2},
	{CMS_ENVELOPED_DATA, DER_ENVELOPED, 2},
	{CMS_DIGESTED_DATA, DER_DIGESTED, 2},
	{CMS_AUTH_ENVELOPED_DATA, DER_AUTH_ENVELOPED, 2},
	{CMS_COMPRESSED_DATA, DER_COMPRESSED, 2},
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
	int e = ber_expect(&r, DER_OID, &oid);
	der_open(around, DER_SEQUENCE);
	if (e == 0) {
		writer_span(around, oid.whole);
		p->inner = type_of(oid.body);
	}
	if (e == 0 && is_encrypted(p->type) && (e = ber_expect(&r, DER_SEQUENCE, &b)) == 0) {
		writer_span(around, b.whole);
	}
	der_close(around, 1);
	if (e < 0 || reader_left(&r) == 0) {
		return e;
	}
	e = ber_element(&r, &b);
	if (e == 0 && !is_encrypted(p->type)) {
		in = reader_of(b.body);
		e = b.tag != DER_CONTEXT(0) ? ERR_ORDER : ber_element(&in, &b);
		e = e < 0 ? e : take_octets(&b, DER_OCTETS, DER_OCTETS_PARTS, p);
		e = e < 0 ? e : reader_end(&in);
	} else if (e == 0) {
		e = take_octets(&b, PRIMITIVE_0, DER_CONTEXT(0), p);
	}
	return e < 0 ? e : reader_end(&r);
}

/* An AlgorithmIdentifier. */
static bool is_zlib(const struct ber *b)
{
	struct reader r = reader_of(b->body);
	struct ber oid;
	return b->tag == DER_SEQUENCE && ber_expect(&r, DER_OID, &oid) == 0 &&
	       span_eq(oid.body, der_oid_bytes(DER_ZLIB));
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
		if ((e = ber_element(&r, &b)) < 0) {
			return e;
		}
		if (p->type == CMS_COMPRESSED_DATA && left == 1 && !is_zlib(&b)) {
			return ERR_UNSUPPORTED;
		}
		writer_span(around, b.whole);
	}
	int e = ber_expect(&r, DER_SEQUENCE, &b);
	e = e < 0 ? e : take_holder(b.body, p, around);
	while (e == 0 && reader_left(&r) > 0 && (e = ber_element(&r, &b)) == 0) {
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
	int e = ber_element(&r, &b);
	e = e < 0 ? e : reader_end(&r);
	if (e == 0 && type == CMS_NONE) {
		in = reader_of(b.body);
		e = ber_expect(&in, DER_OID, &oid) < 0 ? ERR_TYPE : 0;
		p.type = e == 0 ? type_of(oid.body) : CMS_NONE;
		e = p.type <= CMS_PLAIN ? ERR_TYPE : ber_expect(&in, DER_CONTEXT(0), &b);
		e = e < 0 ? e : reader_end(&in);
		in = reader_of(b.body);
		e = e < 0 ? e : ber_expect(&in, DER_SEQUENCE, &b);
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
		if (ber_at_end(&p->r)) {
			continue;
		}
		int e = ber_head(&p->r, &tag, &definite, &len);
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
