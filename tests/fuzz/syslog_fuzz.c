/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/syslog.h"
#include "base/reader.h"
#include "base/writer.h"

#include <stdlib.h>
#include <string.h>

/*
 * Whatever texts and names are in it, a receiver finds where a message ends (RFC 5425 4.3) and which part of it is which (RFC 5424 6): read
 * back here by these grammars, and not by the writer's code. The input: time, process, three names that end with a zero, the text.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TEXT_MOST 4096

static void must(bool fact)
{
	if (!fact) {
		abort();
	}
}

/* Up to the next space, which is taken too. */
static struct span field(struct span *s)
{
	const uint8_t *end = s->len > 0 ? memchr(s->ptr, ' ', s->len) : NULL;
	must(end != NULL);
	struct span f = span_of(s->ptr, (size_t)(end - s->ptr));
	*s = span_of(end + 1, s->len - f.len - 1);
	must(f.len > 0);
	return f;
}

static bool is(struct span s, const char *text)
{
	return s.len == strlen(text) && memcmp(s.ptr, text, s.len) == 0;
}

static bool is_or_none(struct span s, const char *text)
{
	return is(s, text[0] ? text : "-");
}

static void is_time(struct span s)
{
	static const char form[] = "0000-00-00T00:00:00.000Z";
	must(s.len == sizeof(form) - 1);
	for (size_t i = 0; i < s.len; i++) {
		must(form[i] == '0' ? s.ptr[i] >= '0' && s.ptr[i] <= '9' : s.ptr[i] == form[i]);
	}
}

static void is_message(struct span m, const struct syslog_from *from, struct span text)
{
	must(is(field(&m), "<85>1"));
	is_time(field(&m));
	must(is_or_none(field(&m), from->host));
	must(is_or_none(field(&m), from->app_name));
	struct span process = field(&m);
	must(from->process > 0 ? strtoll((const char *)process.ptr, NULL, 10) == from->process
			       : is(process, "-"));
	must(is_or_none(field(&m), from->msgid));
	must(is(field(&m), "-"));
	must(m.len == text.len + 3 && memcmp(m.ptr, "\xef\xbb\xbf", 3) == 0);
	must(text.len == 0 || memcmp(m.ptr + 3, text.ptr, text.len) == 0);
}

/* Two of them on a stream, one behind the other. */
static void are_framed(struct span message, const struct syslog_from *from, struct span text)
{
	static uint8_t stream[2 * (TEXT_MOST + SYSLOG_MORE)];
	char count[SYSLOG_COUNT_MOST];
	struct writer w = writer_of(stream, sizeof(stream));
	for (unsigned i = 0; i < 2; i++) {
		writer_bytes(&w, count, syslog_count(message.len, count));
		writer_span(&w, message);
	}
	must(writer_end(&w) == 0);
	struct span rest = span_of(stream, w.len);
	for (unsigned i = 0; i < 2; i++) {
		struct span digits = field(&rest);
		size_t len = 0;
		must(digits.ptr[0] != '0');
		for (size_t k = 0; k < digits.len; k++) {
			must(digits.ptr[k] >= '0' && digits.ptr[k] <= '9');
			len = len * 10 + (digits.ptr[k] - '0');
		}
		must(len <= rest.len);
		is_message(span_of(rest.ptr, len), from, text);
		rest = span_of(rest.ptr + len, rest.len - len);
	}
	must(rest.len == 0);
}

static void fits(struct span message)
{
	for (size_t most = 0; most <= message.len; most += 1 + message.len / 16) {
		size_t n = syslog_fit(message, most);
		must(n <= most && most - n < 4);
	}
	must(syslog_fit(message, message.len) == message.len);
}

static const char *name(struct reader *r, char buf[300])
{
	size_t n = 0;
	uint8_t c = 0;
	while (n < 299 && reader_u8(r, &c) == 0 && c != 0) {
		buf[n++] = (char)c;
	}
	buf[n] = 0;
	return buf;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t message[TEXT_MOST + SYSLOG_MORE];
	char host[300], app[300], msgid[300];
	struct reader r = reader_of(span_of(data, size));
	uint32_t high = 0, low = 0, process = 0;
	size_t len = 0;
	if (reader_u32be(&r, &high) != 0 || reader_u32be(&r, &low) != 0 || reader_u32be(&r, &process) != 0) {
		return 0;
	}
	const struct syslog_from from = {.host = name(&r, host),
		.app_name = name(&r, app),
		.msgid = name(&r, msgid),
		.process = process};
	struct span text;
	size_t most = reader_left(&r) < TEXT_MOST ? reader_left(&r) : TEXT_MOST;
	must(reader_bytes(&r, most, &text) == 0);
	if (syslog_write(&from, (int64_t)((uint64_t)high << 32 | low), text, message, sizeof(message),
		    &len) == 0) {
		is_message(span_of(message, len), &from, text);
		are_framed(span_of(message, len), &from, text);
	}
	fits(text);
	return 0;
}
