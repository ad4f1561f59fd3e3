/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/witness.h"
#include "audit/armor.h"

#include <strings.h>

/* ---- Addresses ---- */

static int read_port(const char *text, uint16_t *ret_port)
{
	uint64_t v;
	if (armor_read_number(span_str(text), &v) != 0 || v == 0 || v > UINT16_MAX) {
		return ERR_VALUE;
	}
	*ret_port = (uint16_t)v;
	return 0;
}

static bool is_clean(const char *text)
{
	for (; *text; text++) {
		if (*text <= ' ' || *text > '~' || *text == '#' || *text == '@') {
			return false;
		}
	}
	return true;
}

int witness_url_read(const char *url, struct witness_url *ret_url)
{
	static const char scheme[] = "http://", verb[] = "/add-checkpoint";
	struct witness_url u = {.port = 80};
	if (strncasecmp(url, scheme, sizeof(scheme) - 1) != 0 || !is_clean(url)) {
		return ERR_VALUE;
	}
	const char *host = url + sizeof(scheme) - 1;
	size_t len = strcspn(host, "/?");
	const char *path = host + len;
	const char *end = host[0] == '[' ? memchr(host, ']', len) : NULL;
	const char *colon = memchr(end ? end : host, ':', len - (size_t)((end ? end : host) - host));
	size_t host_len = colon ? (size_t)(colon - host) : len;
	char port[8] = "";
	if (colon && (size_t)(path - colon - 1) < sizeof(port)) {
		memcpy(port, colon + 1, (size_t)(path - colon - 1));
	}
	if (colon && read_port(port, &u.port) != 0) {
		return ERR_VALUE;
	}
	if (host[0] == '[') {
		if (!end || (size_t)(end - host) + 1 != host_len) {
			return ERR_VALUE;
		}
		host++;
		host_len -= 2;
	}
	size_t path_len = strlen(path);
	path_len -= path_len > 0 && path[path_len - 1] == '/';
	if (host_len == 0 || host_len >= sizeof(u.host) || path_len + sizeof(verb) > sizeof(u.path) ||
		strchr(path, '?')) {
		return ERR_VALUE;
	}
	memcpy(u.host, host, host_len);
	memcpy(u.path, path, path_len);
	memcpy(u.path + path_len, verb, sizeof(verb));
	*ret_url = u;
	return 0;
}

/* ---- What is said ---- */

int witness_submission_read(struct span bytes, struct witness_submission *ret)
{
	struct witness_submission s;
	struct signed_note note;
	struct checkpoint c;
	struct span rest = bytes, line, number;
	int e = armor_line(&rest, &line);
	if (e != 0) {
		return e;
	}
	if (!armor_after(line, "old", &number) || armor_read_number(number, &s.old) != 0) {
		return ERR_VALUE;
	}
	s.proof = span_of(rest.ptr, 0);
	while ((e = armor_line(&rest, &line)) == 0 && line.len > 0) {
		s.proof.len = (size_t)(rest.ptr - s.proof.ptr);
	}
	if (e != 0) {
		return e;
	}
	s.note = rest;
	e = checkpoint_read_note(rest, &note, &c);
	if (e == 0) {
		s.size = c.size;
		s.text = note.text;
		*ret = s;
	}
	return e;
}

int witness_request(const struct witness_url *url, const struct witness_submission *s, uint64_t old,
	char *buf, size_t cap, size_t *ret_len)
{
	char body_head[40];
	struct writer h = writer_of(body_head, sizeof(body_head)), w = writer_of(buf, cap);
	struct span proof = old == s->old && old != 0 ? s->proof : span_of(NULL, 0);
	bool six = strchr(url->host, ':') != NULL;
	armor_write_text(&h, "old ");
	armor_write_number(&h, old);
	armor_write_text(&h, "\n");
	/* HTTP/1.0: the answer ends with the connection, and is in one piece. */
	armor_write_text(&w, "POST ");
	armor_write_text(&w, url->path);
	armor_write_text(&w, " HTTP/1.0\r\nHost: ");
	armor_write_text(&w, six ? "[" : "");
	armor_write_text(&w, url->host);
	armor_write_text(&w, six ? "]:" : ":");
	armor_write_number(&w, url->port);
	armor_write_text(&w, "\r\nUser-Agent: gantry\r\nContent-Type: text/plain; charset=utf-8\r\n"
			     "Connection: close\r\nContent-Length: ");
	armor_write_number(&w, h.len + proof.len + 1 + s->note.len);
	armor_write_text(&w, "\r\n\r\n");
	writer_span(&w, writer_span_of(&h));
	writer_span(&w, proof);
	armor_write_text(&w, "\n");
	writer_span(&w, s->note);
	int e = writer_end(&w);
	if (e == 0) {
		*ret_len = w.len;
	}
	return e;
}

/* ---- What is answered ---- */

/* A line that ends with CR LF or LF, without them. */
static int http_line(struct span *rest, struct span *ret_line)
{
	struct span line;
	int e = armor_line(rest, &line);
	if (e == 0) {
		line.len -= line.len > 0 && line.ptr[line.len - 1] == '\r';
		*ret_line = line;
	}
	return e;
}

static int read_status(struct span line, unsigned *ret_status)
{
	const uint8_t *p = line.ptr;
	if (line.len < 12 || memcmp(p, "HTTP/1.", 7) != 0 || (p[7] != '0' && p[7] != '1') || p[8] != ' ' ||
		(line.len > 12 && p[12] != ' ')) {
		return ERR_VALUE;
	}
	unsigned status = 0;
	for (unsigned i = 9; i < 12; i++) {
		if (p[i] < '0' || p[i] > '9') {
			return ERR_VALUE;
		}
		status = status * 10 + (unsigned)(p[i] - '0');
	}
	*ret_status = status;
	return status >= 100 ? 0 : ERR_VALUE;
}

static bool is_field(struct span line, const char *name, struct span *ret_value)
{
	size_t n = strlen(name);
	if (line.len <= n || line.ptr[n] != ':' || strncasecmp((const char *)line.ptr, name, n) != 0) {
		return false;
	}
	struct span v = span_of(line.ptr + n + 1, line.len - n - 1);
	while (v.len > 0 && (v.ptr[0] == ' ' || v.ptr[0] == '\t')) {
		v = span_of(v.ptr + 1, v.len - 1);
	}
	while (v.len > 0 && (v.ptr[v.len - 1] == ' ' || v.ptr[v.len - 1] == '\t')) {
		v.len--;
	}
	*ret_value = v;
	return true;
}

/* To the body. ERR_UNSUPPORTED: it comes in pieces, which HTTP/1.0 does not have. */
static int read_fields(struct span *rest, struct span *ret_body)
{
	struct span line, value;
	uint64_t length = 0;
	bool has_length = false;
	int e;
	while ((e = http_line(rest, &line)) == 0 && line.len > 0) {
		if (is_field(line, "Transfer-Encoding", &value)) {
			return ERR_UNSUPPORTED;
		}
		if (is_field(line, "Content-Length", &value)) {
			if (has_length || armor_read_number(value, &length) != 0) {
				return ERR_VALUE;
			}
			has_length = true;
		}
	}
	if (e != 0) {
		return e;
	}
	if (has_length && length > rest->len) {
		return ERR_TRUNCATED;
	}
	*ret_body = span_of(rest->ptr, has_length ? (size_t)length : rest->len);
	return 0;
}

int witness_answer_read(struct span bytes, struct witness_answer *ret_answer)
{
	struct witness_answer a = {.said = WITNESS_REFUSED};
	struct span rest = bytes, line, body;
	int e = http_line(&rest, &line);
	e = e == 0 ? read_status(line, &a.status) : e;
	e = e == 0 ? read_fields(&rest, &body) : e;
	if (e != 0) {
		return e;
	}
	if (a.status == 200) {
		a.said = WITNESS_COSIGNED;
		a.lines = body;
	} else if (a.status == 409) {
		struct span number;
		if (http_line(&body, &number) != 0 || body.len > 0 ||
			armor_read_number(number, &a.size) != 0) {
			return ERR_VALUE;
		}
		a.said = WITNESS_CONFLICT;
	}
	*ret_answer = a;
	return 0;
}

int witness_cosigned(struct span note, struct span lines, const struct note_key *key, char *buf, size_t cap,
	size_t *ret_len, uint64_t *ret_time_s)
{
	struct signed_note own, whole;
	struct writer w = writer_of(buf, cap);
	uint64_t time_s = 0;
	writer_span(&w, note);
	writer_span(&w, lines);
	int e = writer_end(&w);
	/* Of the same text: what is added are signatures and nothing else. */
	if (e == 0 && (lines.len == 0 || note_read(note, &own) != 0 ||
			      note_read(writer_span_of(&w), &whole) != 0 || !span_eq(whole.text, own.text))) {
		return ERR_VALUE;
	}
	e = e == 0 ? note_check(&whole, key, &time_s) : e;
	if (e == 0) {
		*ret_len = w.len;
		*ret_time_s = time_s;
	}
	return e;
}
