/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "base/clock.h"
#include "base/limits.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int sink_fd = 2;
static enum log_format sink_format = LOG_FORMAT_TEXT;
static enum log_level sink_least = LOG_LEVEL_INFO;
static const char *sink_role = "gantry";

static const char *const level_names[] = {
	[LOG_LEVEL_DEBUG] = "debug",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_NOTICE] = "notice",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_ERROR] = "error",
};

/* A line under construction. Room for the closing of a JSON object is always kept. */
struct line {
	char *ptr;
	size_t cap;
	size_t len;
};

static void put(struct line *l, const char *s, size_t n)
{
	if (n > l->cap - l->len) {
		n = l->cap - l->len;
	}
	memcpy(l->ptr + l->len, s, n);
	l->len += n;
}

static void put_str(struct line *l, const char *s)
{
	put(l, s, strlen(s));
}

/* The length of the valid UTF-8 sequence at s, 0 if there is none. JSON must be UTF-8, and peers send what they like. */
static size_t utf8_len(const unsigned char *s)
{
	size_t n = s[0] < 0x80 ? 1 : (s[0] >= 0xc2 && s[0] <= 0xdf) ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 : 0;
	if (s[0] >= 0xf0 && s[0] <= 0xf4) {
		n = 4;
	}
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80) {
			return 0;
		}
	}
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
		(s[0] == 0xf4 && s[1] > 0x8f)) {
		return 0;
	}
	return n;
}

static void put_quoted(struct line *l, const char *s)
{
	put_str(l, "\"");
	while (*s && l->len + 16 < l->cap) {
		unsigned char c = (unsigned char)*s;
		char esc[8];
		size_t n = utf8_len((const unsigned char *)s);
		if (c == '"' || c == '\\') {
			esc[0] = '\\';
			esc[1] = (char)c;
			put(l, esc, 2);
			s++;
		} else if (c < 0x20 || c == 0x7f || n == 0) {
			snprintf(esc, sizeof(esc), "\\u%04x", c);
			put_str(l, esc);
			s++;
		} else {
			put(l, s, n);
			s += n;
		}
	}
	put_str(l, "\"");
}

static bool is_plain(const char *s)
{
	return strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-:/@+,[]*%") ==
	       strlen(s);
}

static void put_value(struct line *l, const struct log_field *f, enum log_format format)
{
	char number[24];
	if (!f->text) {
		snprintf(number, sizeof(number), "%lld", (long long)f->number);
		put_str(l, number);
	} else if (format == LOG_FORMAT_TEXT && is_plain(f->text)) {
		put_str(l, f->text);
	} else {
		put_quoted(l, f->text);
	}
}

static void put_head(struct line *l, enum log_format format, enum log_level level, const char *event)
{
	char when[CLOCK_ISO_LEN];
	char head[256];
	clock_iso(clock_wall_ms(), when);
	snprintf(head, sizeof(head),
		format == LOG_FORMAT_JSON
			? "{\"time\":\"%s\",\"level\":\"%s\",\"role\":\"%s\",\"event\":\"%s\""
			: "%s %-7s %s %s",
		when, level_names[level], sink_role, event);
	put_str(l, head);
}

size_t log_format_line(enum log_format format, char *buf, size_t cap, enum log_level level, const char *event,
	const char *sentence, const struct log_field *fields, size_t n)
{
	bool json = format == LOG_FORMAT_JSON;
	/* Two bytes are kept for "}\n". */
	struct line l = {.ptr = buf, .cap = cap - 2};
	put_head(&l, format, level, event);
	for (size_t i = 0; i < n; i++) {
		const struct log_field *f = &fields[i];
		/* A field that no longer fits is left out whole: half a field would break the JSON. */
		if (!f->key || (f->text && !f->text[0]) || l.len + strlen(f->key) + 64 > l.cap) {
			continue;
		}
		put_str(&l, json ? ",\"" : " ");
		put_str(&l, f->key);
		put_str(&l, json ? "\":" : "=");
		put_value(&l, f, format);
	}
	if (sentence && sentence[0] && l.len + 64 < l.cap) {
		put_str(&l, json ? ",\"message\":" : " ");
		put_quoted(&l, sentence);
	}
	if (json) {
		buf[l.len++] = '}';
	}
	buf[l.len++] = '\n';
	return l.len;
}

void log_to(int fd, enum log_format format)
{
	sink_fd = fd;
	sink_format = format;
}

void log_role(const char *role)
{
	sink_role = role;
}

void log_least(enum log_level level)
{
	sink_least = level;
}

void log_line(enum log_level level, const char *event, const char *sentence, const struct log_field *fields,
	size_t n)
{
	if (level < sink_least) {
		return;
	}
	char buf[LIMIT_LOG_LINE];
	size_t len = log_format_line(sink_format, buf, sizeof(buf), level, event, sentence, fields, n);
	ssize_t put_bytes;
	do {
		put_bytes = write(sink_fd, buf, len);
	} while (put_bytes < 0 && errno == EINTR);
	/* A log that cannot be written has nowhere to say so. */
}

void log_say(enum log_level level, const char *event, const char *fmt, ...)
{
	char sentence[1024];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, ap);
	va_end(ap);
	log_line(level, event, sentence, NULL, 0);
}
