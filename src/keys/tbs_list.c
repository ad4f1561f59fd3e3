/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/tbs_list.h"

#include <time.h>

#define TAG_BOOLEAN     0x01
#define TAG_INTEGER     0x02
#define TAG_OCTETS      0x04
#define TAG_ENUMERATED  0x0a
#define TAG_UTC_TIME    0x17
#define TAG_TIME        0x18
#define TAG_SEQUENCE    0x30
#define TAG_EXTENSIONS  0xa0 /* [0] EXPLICIT */
#define TAG_DIRECTORY   0xa4 /* GeneralName: directoryName [4] EXPLICIT */
#define TAG_KEY_ID      0x80 /* AuthorityKeyIdentifier: keyIdentifier [0] */

#define SERIAL_MOST     20 /* RFC 5280 4.1.2.2 */
#define NUMBER_MOST     8  /* of a list: what an int64_t has */
#define SHORT_LENGTH    0x80
#define YEAR_SHORT_LAST 2049 /* RFC 5280 4.1.2.5: until then UTCTime, from then on GeneralizedTime */

/* ---- DER ---- */

/* One value of that tag: its content, and all of it. */
static int take(struct reader *r, uint8_t tag, struct span *ret_content, struct span *ret_whole)
{
	struct reader at = *r;
	uint8_t got, first;
	size_t len;
	int e = reader_u8(&at, &got);
	e = e < 0 ? e : got == tag ? reader_u8(&at, &first) : ERR_VALUE;
	if (e < 0) {
		return e;
	}
	len = first;
	if (first >= SHORT_LENGTH) {
		unsigned n = first & 0x7f;
		if (n == 0 || n > 3) {
			return ERR_LENGTH;
		}
		len = 0;
		for (unsigned i = 0; i < n; i++) {
			uint8_t byte;
			e = reader_u8(&at, &byte);
			if (e < 0) {
				return e;
			}
			if (i == 0 && byte == 0) {
				return ERR_LENGTH;
			}
			len = len << 8 | byte;
		}
		if (len < SHORT_LENGTH) {
			return ERR_LENGTH;
		}
	}
	struct span content;
	e = reader_bytes(&at, len, &content);
	if (e < 0) {
		return e;
	}
	if (ret_whole) {
		*ret_whole = span_of(r->ptr + r->pos, at.pos - r->pos);
	}
	*ret_content = content;
	*r = at;
	return 0;
}

static int enter(struct reader *r, uint8_t tag, struct reader *ret_child)
{
	struct span content;
	int e = take(r, tag, &content, NULL);
	if (e == 0) {
		*ret_child = reader_of(content);
	}
	return e;
}

static bool next_is(const struct reader *r, uint8_t tag)
{
	return reader_left(r) > 0 && r->ptr[r->pos] == tag;
}

static int take_positive(struct reader *r, size_t most, struct span *ret_content)
{
	struct span s;
	struct reader at = *r;
	int e = take(&at, TAG_INTEGER, &s, NULL);
	if (e < 0) {
		return e;
	}
	bool zero = s.len == 1 && s.ptr[0] == 0;
	if (s.len == 0 || s.len > most || zero || s.ptr[0] & 0x80 ||
		(s.len > 1 && s.ptr[0] == 0 && !(s.ptr[1] & 0x80))) {
		return ERR_VALUE;
	}
	*ret_content = s;
	*r = at;
	return 0;
}

/* Any value that is a certain one. */
static int take_exactly(struct reader *r, const void *bytes, size_t len)
{
	struct span s;
	struct reader at = *r;
	int e = reader_bytes(&at, len, &s);
	if (e == 0 && memcmp(s.ptr, bytes, len) != 0) {
		return ERR_VALUE;
	}
	if (e == 0) {
		*r = at;
	}
	return e;
}

/* ---- Times ---- */

static int digits(const uint8_t *at, unsigned n, int *ret)
{
	int value = 0;
	for (unsigned i = 0; i < n; i++) {
		if (at[i] < '0' || at[i] > '9') {
			return ERR_VALUE;
		}
		value = 10 * value + (at[i] - '0');
	}
	*ret = value;
	return 0;
}

/* RFC 5280 5.1.2.4: with seconds, in UTC, and of the two forms the one that its year has. */
static int take_time(struct reader *r, int64_t *ret_s)
{
	bool is_short = next_is(r, TAG_UTC_TIME);
	unsigned year_len = is_short ? 2 : 4;
	struct reader at = *r;
	struct span s;
	int part[6], e = take(&at, is_short ? TAG_UTC_TIME : TAG_TIME, &s, NULL);
	if (e < 0) {
		return e;
	}
	if (s.len != year_len + 11u || s.ptr[s.len - 1] != 'Z') {
		return ERR_VALUE;
	}
	e = digits(s.ptr, year_len, &part[0]);
	for (unsigned i = 1; e == 0 && i < 6; i++) {
		e = digits(s.ptr + year_len + 2 * (i - 1), 2, &part[i]);
	}
	if (e < 0) {
		return e;
	}
	part[0] += is_short ? part[0] < 50 ? 2000 : 1900 : 0;
	struct tm tm = {part[5], part[4], part[3], part[2], part[1] - 1, part[0] - 1900}, again;
	time_t t = timegm(&tm);
	/* What is no date, such as the 31st of February, is another one when it is taken apart again. */
	if ((part[0] <= YEAR_SHORT_LAST) != is_short || !gmtime_r(&t, &again) || again.tm_mday != part[2] ||
		again.tm_mon != part[1] - 1 || again.tm_hour != part[3] || again.tm_min != part[4] ||
		again.tm_sec != part[5]) {
		return ERR_VALUE;
	}
	*ret_s = t;
	*r = at;
	return 0;
}

/* ---- The list: RFC 5280 5.1 ---- */

/* Extensions, each with its object identifier and what of its head is always the same. */
static const uint8_t version_2[] = {TAG_INTEGER, 1, 1}, of_key_id[] = {0x06, 3, 0x55, 0x1d, 0x23},
		     of_number[] = {0x06, 3, 0x55, 0x1d, 0x14},
		     /* issuingDistributionPoint, critical: indirectCRL [4] TRUE and nothing else. */
	indirect[] = {TAG_SEQUENCE, 0x0f, 0x06, 3, 0x55, 0x1d, 0x1c, TAG_BOOLEAN, 1, 0xff, TAG_OCTETS, 5,
		TAG_SEQUENCE, 3, 0x84, 1, 0xff},
		     of_reason[] = {0x06, 3, 0x55, 0x1d, 0x15},
		     of_issuer[] = {0x06, 3, 0x55, 0x1d, 0x1d, TAG_BOOLEAN, 1, 0xff};

/* SEQUENCE { that identifier, OCTET STRING }: what is in the string. */
static int enter_extension(struct reader *r, const void *id, size_t id_len, struct reader *ret_value)
{
	struct reader at = *r, extension = {0}, value;
	int e = enter(&at, TAG_SEQUENCE, &extension);
	e = e < 0 ? e : take_exactly(&extension, id, id_len);
	e = e < 0 ? e : enter(&extension, TAG_OCTETS, &value);
	e = e < 0 ? e : reader_end(&extension);
	if (e == 0) {
		*ret_value = value;
		*r = at;
	}
	return e;
}

static int read_extensions(struct reader *r, struct tbs_list *l)
{
	struct reader outer, all, value, key;
	struct span number;
	int e = enter(r, TAG_EXTENSIONS, &outer);
	e = e < 0 ? e : enter(&outer, TAG_SEQUENCE, &all);
	e = e < 0 ? e : reader_end(&outer);
	e = e < 0 ? e : enter_extension(&all, of_key_id, sizeof(of_key_id), &value);
	e = e < 0 ? e : enter(&value, TAG_SEQUENCE, &key);
	e = e < 0 ? e : reader_end(&value);
	e = e < 0 ? e : take(&key, TAG_KEY_ID, &l->key_id, NULL);
	e = e < 0 ? e : reader_end(&key);
	e = e < 0 ? e : enter_extension(&all, of_number, sizeof(of_number), &value);
	e = e < 0 ? e : take_positive(&value, NUMBER_MOST, &number);
	e = e < 0 ? e : reader_end(&value);
	e = e < 0 ? e : take_exactly(&all, indirect, sizeof(indirect));
	e = e < 0 ? e : reader_end(&all);
	if (e < 0) {
		return e;
	}
	l->number = 0;
	for (size_t i = 0; i < number.len; i++) {
		l->number = l->number << 8 | number.ptr[i];
	}
	return 0;
}

int tbs_list_read(struct span der, struct tbs_list *ret_list)
{
	struct reader outer = reader_of(der), r;
	struct tbs_list l = {0};
	struct span content;
	int e = enter(&outer, TAG_SEQUENCE, &r);
	e = e < 0 ? e : reader_end(&outer);
	e = e < 0 ? e : take_exactly(&r, version_2, sizeof(version_2));
	e = e < 0 ? e : take(&r, TAG_SEQUENCE, &content, &l.algorithm);
	e = e < 0 ? e : take(&r, TAG_SEQUENCE, &content, &l.issuer);
	e = e < 0 ? e : take_time(&r, &l.this_s);
	e = e < 0 ? e : take_time(&r, &l.next_s);
	/* RFC 5280 5.1.2.6: without entries it is not there. */
	if (e == 0 && next_is(&r, TAG_SEQUENCE)) {
		e = enter(&r, TAG_SEQUENCE, &l.entries);
		e = e == 0 && l.entries.len == 0 ? ERR_LENGTH : e;
	}
	e = e < 0 ? e : read_extensions(&r, &l);
	e = e < 0 ? e : reader_end(&r);
	e = e == 0 && l.next_s <= l.this_s ? ERR_ORDER : e;
	if (e == 0) {
		*ret_list = l;
	}
	return e;
}

/* ---- Entries: RFC 5280 5.3 ---- */

static int read_reason(struct reader *r, int *ret_reason)
{
	static const uint8_t good[] = {1, 3, 4, 5, 9};
	struct reader value;
	struct span code;
	int e = enter_extension(r, of_reason, sizeof(of_reason), &value);
	e = e < 0 ? e : take(&value, TAG_ENUMERATED, &code, NULL);
	e = e < 0 ? e : reader_end(&value);
	if (e < 0 || code.len != 1 || !memchr(good, code.ptr[0], sizeof(good))) {
		return e < 0 ? e : ERR_VALUE;
	}
	*ret_reason = code.ptr[0];
	return 0;
}

static int read_issuer(struct reader *r, struct span *ret_issuer)
{
	struct reader value, names, name;
	struct span content;
	int e = enter_extension(r, of_issuer, sizeof(of_issuer), &value);
	e = e < 0 ? e : enter(&value, TAG_SEQUENCE, &names);
	e = e < 0 ? e : reader_end(&value);
	e = e < 0 ? e : enter(&names, TAG_DIRECTORY, &name);
	e = e < 0 ? e : reader_end(&names);
	e = e < 0 ? e : take(&name, TAG_SEQUENCE, &content, ret_issuer);
	return e < 0 ? e : reader_end(&name);
}

int tbs_entry_next(struct reader *entries, struct tbs_entry *ret_entry)
{
	struct reader at = *entries, r, extensions;
	struct tbs_entry n = {0};
	int e = enter(&at, TAG_SEQUENCE, &r);
	e = e < 0 ? e : take_positive(&r, SERIAL_MOST, &n.serial);
	e = e < 0 ? e : take_time(&r, &n.at_s);
	e = e < 0 ? e : enter(&r, TAG_SEQUENCE, &extensions);
	e = e < 0 ? e : reader_end(&r);
	struct reader before = extensions;
	if (e == 0 && read_issuer(&extensions, &n.issuer) < 0) {
		extensions = before;
		e = read_reason(&extensions, &n.reason);
		e = e < 0 ? e : read_issuer(&extensions, &n.issuer);
	}
	e = e < 0 ? e : reader_end(&extensions);
	if (e == 0) {
		*ret_entry = n;
		*entries = at;
	}
	return e;
}
