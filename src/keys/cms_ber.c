/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/cms_ber.h"

#define CONSTRUCTED 0x20
#define LONG_TAG    0x1F

int ber_head(struct reader *r, uint8_t *ret_tag, bool *ret_definite, size_t *ret_len)
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

bool ber_at_end(struct reader *r)
{
	if (reader_left(r) < 2 || r->ptr[r->pos] != 0 || r->ptr[r->pos + 1] != 0) {
		return false;
	}
	r->pos += 2;
	return true;
}

/* One element, whole. Those of indefinite length are walked through. */
int ber_element(struct reader *r, struct ber *ret_element)
{
	struct reader at = *r;
	size_t len = 0, from = at.pos, body, open = 1;
	uint8_t tag, inner;
	bool definite;
	int e = ber_head(&at, &tag, &definite, &len);
	body = at.pos;
	if (e == 0 && definite) {
		e = reader_skip(&at, len);
	}
	size_t end = at.pos;
	while (e == 0 && !definite && open > 0) {
		bool known;
		end = at.pos;
		if (ber_at_end(&at)) {
			open--;
			continue;
		}
		e = ber_head(&at, &inner, &known, &len);
		e = e == 0 && known ? reader_skip(&at, len) : e;
		open += e == 0 && !known;
		e = open > BER_DEPTH_MOST ? ERR_LIMIT : e;
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

int ber_expect(struct reader *r, uint8_t tag, struct ber *ret_element)
{
	struct ber b;
	struct reader at = *r;
	int e = ber_element(&at, &b);
	if (e < 0 || b.tag != tag) {
		return e < 0 ? e : ERR_ORDER;
	}
	*ret_element = b;
	*r = at;
	return 0;
}
