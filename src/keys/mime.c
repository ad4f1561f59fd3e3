/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/mime.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define VALUE_MOST 2048 /* of a field that matters, unfolded */
#define PIECE      4096

/* ---- Lines ---- */

/* The next line without its end; false: there are no more. */
static bool next_line(struct span *left, struct span *ret_line)
{
	if (left->len == 0) {
		return false;
	}
	const uint8_t *end = memchr(left->ptr, '\n', left->len);
	size_t n = end ? (size_t)(end - left->ptr) : left->len, next = end ? n + 1 : n;
	*ret_line = span_of(left->ptr, n > 0 && left->ptr[n - 1] == '\r' ? n - 1 : n);
	*left = span_of(left->ptr + next, left->len - next);
	return true;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

/* ---- Fields ---- */

static void append(char to[VALUE_MOST], size_t *len, struct span bytes)
{
	for (size_t i = 0; i < bytes.len && *len + 1 < VALUE_MOST; i++) {
		to[(*len)++] = bytes.ptr[i] ? (char)bytes.ptr[i] : ' ';
	}
	to[*len] = '\0';
}

/* Is the line the field `name`? Its value is behind the colon. */
static bool is_field(struct span line, const char *name, struct span *ret_value)
{
	size_t n = strlen(name);
	if (line.len <= n || strncasecmp((const char *)line.ptr, name, n) != 0) {
		return false;
	}
	while (n < line.len && is_blank(line.ptr[n])) {
		n++;
	}
	if (n == line.len || line.ptr[n] != ':') {
		return false;
	}
	*ret_value = span_of(line.ptr + n + 1, line.len - n - 1);
	return true;
}

static bool is_any_field(struct span line)
{
	for (size_t i = 0; i < line.len; i++) {
		if (line.ptr[i] == ':') {
			return i > 0;
		}
		if (line.ptr[i] < '!' || line.ptr[i] > '~') {
			return false;
		}
	}
	return false;
}

struct head {
	char type[VALUE_MOST], encoding[VALUE_MOST], disposition[VALUE_MOST];
};

/* From the first line to the empty one. */
static int read_head(struct span *left, struct head *h)
{
	const struct {
		const char *name;
		char *value;
	} fields[] = {{"Content-Type", h->type}, {"Content-Transfer-Encoding", h->encoding},
		{"Content-Disposition", h->disposition}};
	char *value = NULL;
	size_t len = 0;
	struct span line, rest;
	bool any = false;
	while (next_line(left, &line) && line.len > 0) {
		if (is_blank(line.ptr[0])) {
			if (value) {
				append(value, &len, line);
			}
			continue;
		}
		if (!is_any_field(line)) {
			return ERR_TYPE;
		}
		any = true;
		value = NULL;
		for (size_t i = 0; i < ARRAY_LEN(fields) && !value; i++) {
			if (!fields[i].value[0] && is_field(line, fields[i].name, &rest)) {
				value = fields[i].value;
				len = 0;
				append(value, &len, rest);
			}
		}
	}
	return any ? 0 : ERR_TYPE;
}

/* "text/plain; a=b": its first word, in small letters. */
static void first_word(const char *value, char to[64])
{
	size_t n = 0;
	value += strspn(value, " \t");
	while (value[n] && !strchr("; \t(", value[n]) && n < 63) {
		char c = value[n];
		to[n++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
	}
	to[n] = '\0';
}

/* A value, quoted or not, from where it begins, into `to`; cap 0: nowhere. Where it ends. */
static const char *take_value(const char *at, char *to, size_t cap)
{
	bool quoted = *at == '"';
	size_t n = 0;
	at += quoted;
	while (*at && (quoted ? *at != '"' : !strchr("; \t", *at))) {
		at += quoted && *at == '\\' && at[1];
		if (n + 1 < cap) {
			to[n++] = *at;
		} else {
			n = cap; /* longer than it may be: none */
		}
		at++;
	}
	if (cap > 0) {
		to[n < cap ? n : 0] = '\0';
	}
	return at + (quoted && *at);
}

/* Of `; name=value`. False: there is none. */
static bool parameter(const char *value, const char *name, char *to, size_t cap)
{
	const char *at = value + strcspn(value, ";");
	while (*at == ';') {
		at += 1 + strspn(at + 1, " \t");
		size_t n = strcspn(at, "=;");
		if (at[n] != '=') {
			at += n;
			continue;
		}
		bool found = n == strlen(name) && strncasecmp(at, name, n) == 0;
		at = take_value(at + n + 1, to, found ? cap : 0);
		if (found) {
			return to[0] != '\0';
		}
		at += strcspn(at, ";");
	}
	return false;
}

static const struct {
	const char *type;
	enum mime_kind kind;
} kinds[] = {{"multipart/signed", MIME_SIGNED}, {"application/pkcs7-mime", MIME_CMS},
	{"application/x-pkcs7-mime", MIME_CMS}, {"application/pkcs7-signature", MIME_SIGNATURE},
	{"application/x-pkcs7-signature", MIME_SIGNATURE}, {"application/dicom", MIME_DICOM}};

static enum mime_kind kind_of(const char *type)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (strcmp(type, kinds[i].type) == 0) {
			return kinds[i].kind;
		}
	}
	return strncmp(type, "multipart/", 10) == 0 ? MIME_MULTIPART : MIME_OTHER;
}

static enum mime_encoding encoding_of(const char *value)
{
	char word[64];
	first_word(value, word);
	return strcmp(word, "base64") == 0             ? MIME_BASE64
	       : strcmp(word, "quoted-printable") == 0 ? MIME_QUOTED
	       : word[0] == '\0' || strcmp(word, "7bit") == 0 || strcmp(word, "8bit") == 0 ||
	                       strcmp(word, "binary") == 0
	               ? MIME_PLAIN
	               : MIME_UNKNOWN;
}

int mime_read(struct span bytes, struct mime_entity *ret_entity)
{
	struct head h;
	struct mime_entity e = {0};
	char word[64];
	h.type[0] = h.encoding[0] = h.disposition[0] = '\0';
	e.body = bytes;
	int err = read_head(&e.body, &h);
	if (err < 0) {
		return err;
	}
	first_word(h.type, word);
	e.kind = kind_of(word);
	e.encoding = encoding_of(h.encoding);
	if ((e.kind == MIME_MULTIPART || e.kind == MIME_SIGNED) &&
		!parameter(h.type, "boundary", e.boundary, sizeof(e.boundary))) {
		return ERR_VALUE;
	}
	if (e.kind == MIME_DICOM && !parameter(h.type, "id", e.id, sizeof(e.id)) &&
		!parameter(h.disposition, "filename", e.id, sizeof(e.id)) &&
		!parameter(h.type, "name", e.id, sizeof(e.id))) {
		e.id[0] = '\0';
	}
	*ret_entity = e;
	return 0;
}

/* ---- Parts: RFC 2046 5.1.1 ---- */

struct mime_parts mime_parts_of(const struct mime_entity *e)
{
	return (struct mime_parts){.left = e->body, .boundary = e->boundary};
}

/* Is the line the boundary? *ret_last: the one that ends all. */
static bool is_boundary(struct span line, const char *boundary, bool *ret_last)
{
	size_t n = strlen(boundary);
	if (line.len < n + 2 || memcmp(line.ptr, "--", 2) != 0 || memcmp(line.ptr + 2, boundary, n) != 0) {
		return false;
	}
	size_t at = n + 2;
	bool last = line.len >= at + 2 && memcmp(line.ptr + at, "--", 2) == 0;
	at += last ? 2 : 0;
	while (at < line.len && is_blank(line.ptr[at])) {
		at++;
	}
	if (at < line.len) {
		return false;
	}
	*ret_last = last;
	return true;
}

int mime_parts_next(struct mime_parts *p, struct span *ret_part)
{
	struct span left = p->left, line;
	const uint8_t *from = left.ptr;
	bool last = false;
	while (!p->over && next_line(&left, &line)) {
		if (line.len < 2 || line.ptr[0] != '-' || !is_boundary(line, p->boundary, &last)) {
			continue;
		}
		bool begun = p->begun;
		p->begun = true;
		p->over = last;
		p->left = left;
		if (begun) {
			size_t n = (size_t)(line.ptr - from);
			n -= n > 0 && from[n - 1] == '\n';
			n -= n > 0 && n < (size_t)(line.ptr - from) && from[n - 1] == '\r';
			*ret_part = span_of(from, n);
			return 1;
		}
		from = left.ptr;
	}
	return p->over ? 0 : ERR_TRUNCATED;
}

/* ---- Encodings: RFC 2045 6 ---- */

struct sink {
	mime_put *put;
	void *arg;
	uint8_t buf[PIECE];
	size_t n;
	int err;
};

static void flush(struct sink *s)
{
	if (s->err == 0 && s->n > 0) {
		s->err = s->put(s->arg, span_of(s->buf, s->n));
	}
	s->n = 0;
}

static void emit(struct sink *s, uint8_t byte)
{
	s->buf[s->n++] = byte;
	if (s->n == sizeof(s->buf)) {
		flush(s);
	}
}

/* 0 to 63; -1: none. */
static int digit(uint8_t c)
{
	return c >= 'A' && c <= 'Z'   ? c - 'A'
	       : c >= 'a' && c <= 'z' ? c - 'a' + 26
	       : c >= '0' && c <= '9' ? c - '0' + 52
	       : c == '+'             ? 62
	       : c == '/'             ? 63
	                              : -1;
}

static int decode_base64(struct span body, struct sink *s)
{
	uint32_t bits = 0;
	unsigned have = 0, ends = 0;
	for (size_t i = 0; i < body.len && s->err == 0; i++) {
		uint8_t c = body.ptr[i];
		int d = digit(c);
		if (c == '\r' || c == '\n' || is_blank(c)) {
			continue;
		}
		ends += c == '=';
		if ((c != '=' && (d < 0 || ends > 0)) || ends > 2) {
			return ERR_VALUE;
		}
		if (c == '=') {
			continue;
		}
		bits = bits << 6 | (uint32_t)d;
		have += 6;
		if (have >= 8) {
			have -= 8;
			emit(s, (uint8_t)(bits >> have));
		}
	}
	return have >= 6 ? ERR_VALUE : s->err;
}

static int nibble(uint8_t c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	                              : -1;
}

static int decode_quoted_line(struct span line, bool ended, struct sink *s)
{
	bool soft = false;
	while (line.len > 0 && is_blank(line.ptr[line.len - 1])) {
		line.len--;
	}
	for (size_t i = 0; i < line.len; i++) {
		if (line.ptr[i] != '=') {
			emit(s, line.ptr[i]);
		} else if (i + 1 == line.len) {
			soft = true;
		} else {
			int high = nibble(line.ptr[i + 1]),
			    low = i + 2 < line.len ? nibble(line.ptr[i + 2]) : -1;
			if (high < 0 || low < 0) {
				return ERR_VALUE;
			}
			emit(s, (uint8_t)(high << 4 | low));
			i += 2;
		}
	}
	if (ended && !soft) {
		emit(s, '\r');
		emit(s, '\n');
	}
	return s->err;
}

static int decode_quoted(struct span body, struct sink *s)
{
	struct span line;
	int e = 0;
	while (e == 0 && next_line(&body, &line)) {
		e = decode_quoted_line(line, line.ptr + line.len < body.ptr, s);
	}
	return e;
}

int mime_decode(enum mime_encoding encoding, struct span body, mime_put *put, void *arg)
{
	struct sink s = {.put = put, .arg = arg};
	int e = encoding == MIME_BASE64   ? decode_base64(body, &s)
	        : encoding == MIME_QUOTED ? decode_quoted(body, &s)
	        : encoding == MIME_PLAIN  ? (body.len > 0 ? put(arg, body) : 0)
	                                  : ERR_UNSUPPORTED;
	if (e == 0) {
		flush(&s);
	}
	return e < 0 ? e : s.err;
}
