/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/xml_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct code_entry {
	const char *code, *scheme, *meaning;
} code_table[CODE_COUNT] = {
#define CODE_ROW(name, code, scheme, meaning) [CODE_##name] = {code, scheme, meaning},
	AUDIT_CODES(CODE_ROW)
#undef CODE_ROW
};

enum audit_code xml_code_of(unsigned dcm)
{
	char digits[XML_DIGITS];
	const char *text = xml_decimal(dcm, digits);
	for (int i = CODE_NONE + 1; i < CODE_COUNT; i++) {
		if (strcmp(code_table[i].code, text) == 0 && strcmp(code_table[i].scheme, "DCM") == 0) {
			return (enum audit_code)i;
		}
	}
	return CODE_NONE;
}

const char *xml_code_meaning(enum audit_code c)
{
	return code_table[c].meaning;
}

bool xml_is_known(const char *s)
{
	while (s && *s == ' ') {
		s++;
	}
	return s && *s != '\0';
}

bool xml_knows_party(const struct audit_party *p)
{
	return xml_is_known(p->node) || xml_is_known(p->ae) || xml_is_known(p->address) ||
	       xml_is_known(p->subject);
}

/* ---- libxml2's writer, with errors that stick ---- */

static const xmlChar *x(const char *s)
{
	return (const xmlChar *)s;
}

static void note(struct out *o, int written)
{
	if (written < 0 && o->err == 0) {
		o->err = ERR_NO_MEMORY;
	}
}

void xml_begin(struct out *o, const char *element)
{
	note(o, xmlTextWriterStartElement(o->w, x(element)));
}

void xml_end(struct out *o)
{
	note(o, xmlTextWriterEndElement(o->w));
}

void xml_attribute(struct out *o, const char *name, const char *value)
{
	if (xml_is_known(value)) {
		note(o, xmlTextWriterWriteAttribute(o->w, x(name), x(value)));
	}
}

const char *xml_decimal(uint64_t value, char text[XML_DIGITS])
{
	char *at = text + XML_DIGITS - 1;
	*at = '\0';
	do {
		*--at = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	return at;
}

void xml_attribute_number(struct out *o, const char *name, uint64_t value)
{
	char text[XML_DIGITS];
	xml_attribute(o, name, xml_decimal(value, text));
}

void xml_text_element(struct out *o, const char *name, const char *text)
{
	if (xml_is_known(text)) {
		note(o, xmlTextWriterWriteElement(o->w, x(name), x(text)));
	}
}

/* RFC 4648 4, on one line: libxml2's own breaks it after 72 characters. to has room for (n + 2) / 3 * 4. */
static size_t base64(const uint8_t *from, size_t n, char *to)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t len = 0;
	for (size_t i = 0; i < n; i += 3) {
		size_t have = n - i < 3 ? n - i : 3;
		uint32_t v = (uint32_t)from[i] << 16 | (have > 1 ? (uint32_t)from[i + 1] << 8 : 0) |
		             (have > 2 ? from[i + 2] : 0);
		to[len++] = alphabet[v >> 18];
		to[len++] = alphabet[v >> 12 & 63];
		to[len++] = have > 1 ? alphabet[v >> 6 & 63] : '=';
		to[len++] = have > 2 ? alphabet[v & 63] : '=';
	}
	return len;
}

#define BASE64_PIECE 768 /* bytes at once: a multiple of 3 */

void xml_base64_element(struct out *o, const char *name, struct span bytes)
{
	char text[BASE64_PIECE / 3 * 4];
	xml_begin(o, name);
	while (bytes.len > 0) {
		size_t n = bytes.len < BASE64_PIECE ? bytes.len : BASE64_PIECE;
		size_t len = base64(bytes.ptr, n, text);
		note(o, xmlTextWriterWriteRawLen(o->w, x(text), (int)len));
		bytes = span_of(bytes.ptr + n, bytes.len - n);
	}
	xml_end(o);
}

/* NULL: no memory. Codes are ASCII. */
static xmlBufferPtr write_coded(const char *element, const struct code_entry *c)
{
	xmlBufferPtr made = xmlBufferCreate();
	struct out o = {.w = made ? xmlNewTextWriterMemory(made, 0) : NULL};
	if (o.w) {
		xml_begin(&o, element);
		xml_attribute(&o, "csd-code", c->code);
		xml_attribute(&o, "codeSystemName", c->scheme);
		xml_attribute(&o, "originalText", c->meaning);
		xml_end(&o);
		note(&o, xmlTextWriterFlush(o.w));
	}
	bool good = o.w && o.err == 0;
	xmlFreeTextWriter(o.w);
	if (!good) {
		xmlBufferFree(made);
		made = NULL;
	}
	return made;
}

/* They are most of what is written, and always the same: each is written once. */
void xml_coded(struct out *o, enum coded element, enum audit_code code)
{
	static const char *const names[CODED_COUNT] = {
		[CODED_EVENT] = "EventID",
		[CODED_EVENT_TYPE] = "EventTypeCode",
		[CODED_ROLE] = "RoleIDCode",
		[CODED_MEDIA] = "MediaType",
		[CODED_OBJECT] = "ParticipantObjectIDTypeCode",
	};
	static xmlBufferPtr written[CODED_COUNT][CODE_COUNT];
	xmlBufferPtr *at = &written[element][code];
	if (code == CODE_NONE) {
		o->err = o->err ? o->err : ERR_VALUE;
		return;
	}
	if (!*at) {
		*at = write_coded(names[element], &code_table[code]);
	}
	note(o, *at ? xmlTextWriterWriteRawLen(o->w, xmlBufferContent(*at), xmlBufferLength(*at)) : -1);
}

void xml_detail(struct out *o, const char *type, const char *text)
{
	char value[BASE64_PIECE / 3 * 4];
	static_assert(sizeof(o->ev->text) <= BASE64_PIECE, "every text that stands in a detail fits");
	if (!xml_is_known(text)) {
		return;
	}
	size_t n = strlen(text);
	size_t len = base64((const uint8_t *)text, n < BASE64_PIECE ? n : BASE64_PIECE, value);
	xml_begin(o, "ParticipantObjectDetail");
	xml_attribute(o, "type", type);
	/* It has no character that is to be looked for. */
	note(o, xmlTextWriterStartAttribute(o->w, x("value")));
	note(o, xmlTextWriterWriteRawLen(o->w, x(value), (int)len));
	note(o, xmlTextWriterEndAttribute(o->w));
	xml_end(o);
}

void xml_detail_number(struct out *o, const char *type, uint64_t value)
{
	char text[XML_DIGITS];
	xml_detail(o, type, xml_decimal(value, text));
}

/* ---- Larger parts ---- */

static void participant_key(const struct participant *p, struct kept *k)
{
	xml_key_begin(k, 'P');
	writer_u8(&k->key, p->requestor);
	writer_u8(&k->key, (uint8_t)p->access_type);
	for (unsigned i = 0; i < PARTICIPANT_ROLES; i++) {
		writer_u16be(&k->key, (uint16_t)p->roles[i]);
	}
	writer_u16be(&k->key, (uint16_t)p->media);
	xml_key_text(k, p->id);
	xml_key_text(k, p->alternative);
	xml_key_text(k, p->name);
	xml_key_text(k, p->access);
}

static void participant(struct out *o, const struct participant *p)
{
	xml_begin(o, "ActiveParticipant");
	xml_attribute(o, "UserID", p->id);
	xml_attribute(o, "AlternativeUserID", p->alternative);
	xml_attribute(o, "UserName", p->name);
	xml_attribute(o, "UserIsRequestor", p->requestor ? "true" : "false");
	if (xml_is_known(p->access)) {
		xml_attribute(o, "NetworkAccessPointID", p->access);
		xml_attribute_number(o, "NetworkAccessPointTypeCode", p->access_type);
	}
	for (unsigned i = 0; i < PARTICIPANT_ROLES && p->roles[i] != CODE_NONE; i++) {
		xml_coded(o, CODED_ROLE, p->roles[i]);
	}
	if (p->media != CODE_NONE) {
		xml_begin(o, "MediaIdentifier");
		xml_coded(o, CODED_MEDIA, p->media);
		xml_end(o);
	}
	xml_end(o);
}

void xml_participant(struct out *o, const struct participant *p)
{
	struct kept k;
	if (!p->comes_again) {
		participant(o, p);
		return;
	}
	participant_key(p, &k);
	if (!xml_kept(o, &k)) {
		participant(o, p);
		xml_keep(o, &k);
	}
}

void xml_object_begin(struct out *o, const struct object *b)
{
	xml_begin(o, "ParticipantObjectIdentification");
	xml_attribute(o, "ParticipantObjectID", b->id);
	xml_attribute_number(o, "ParticipantObjectTypeCode", b->type);
	if (b->role > 0) {
		xml_attribute_number(o, "ParticipantObjectTypeCodeRole", b->role);
	}
	if (b->life_cycle > 0) {
		xml_attribute_number(o, "ParticipantObjectDataLifeCycle", b->life_cycle);
	}
	xml_coded(o, CODED_OBJECT, b->id_type);
}

const char *xml_first_known(const char *const *texts)
{
	for (; *texts; texts++) {
		if (xml_is_known(*texts)) {
			return *texts;
		}
	}
	return UNKNOWN;
}

void xml_join(char *to, size_t cap, const char *const *texts)
{
	size_t len = 0;
	for (; *texts; texts++) {
		size_t n = strlen(*texts), room = cap - 1 - len;
		n = n < room ? n : room;
		memcpy(to + len, *texts, n);
		len += n;
	}
	to[len] = '\0';
}

/* ---- URIs, RFC 3986 ---- */

#define UNRESERVED "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

bool xml_has_scheme(const char *s)
{
	size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-.");
	bool letter = (s[0] >= 'a' && s[0] <= 'z') || (s[0] >= 'A' && s[0] <= 'Z');
	return letter && n >= 2 && s[n] == ':' && s[n + 1] != '\0';
}

/* Append s, with what is not allowed as %XX. */
static size_t encode(const char *s, const char *allowed, char *to, size_t len)
{
	for (; *s && len + 4 < XML_URI_SIZE; s++) {
		if (strchr(allowed, *s)) {
			to[len++] = *s;
		} else {
			snprintf(to + len, 4, "%%%02X", (unsigned char)*s);
			len += 3;
		}
	}
	to[len] = '\0';
	return len;
}

void xml_uri(const struct out *o, const char *thing, char ret_uri[XML_URI_SIZE])
{
	size_t len = 0;
	if (xml_has_scheme(thing)) {
		encode(thing, UNRESERVED ":/?#[]@!$&'()*+,;=%", ret_uri, 0);
		return;
	}
	if (thing[0] == '/') {
		len = encode("file://", "file:/", ret_uri, 0);
	} else {
		len = encode("gantry://", "gantry:/", ret_uri, 0);
		len = encode(o->src->host, UNRESERVED, ret_uri, len);
		len = encode("/", "/", ret_uri, len);
	}
	encode(thing, UNRESERVED "/", ret_uri, len);
}
