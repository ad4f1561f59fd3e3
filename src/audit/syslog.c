/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/syslog.h"
#include "base/clock.h"
#include "base/writer.h"

#include <stdio.h>

/* RFC 5424 6.2.1: facility 10 times 8, and severity 5. */
#define PRIORITY "<85>1 "

static const uint8_t byte_order_mark[] = {0xef, 0xbb, 0xbf};

/* The last moment that RFC 3339 can write. */
#define TIME_MOST 253402300799999

bool syslog_is_name(const char *text, size_t most)
{
	size_t n = 0;
	for (; text[n]; n++) {
		if (text[n] < '!' || text[n] > '~' || n == most) {
			return false;
		}
	}
	return n > 0;
}

static void put(struct writer *w, const char *text)
{
	writer_span(w, span_str(text[0] ? text : "-"));
	writer_u8(w, ' ');
}

int syslog_write(const struct syslog_from *from, int64_t time_ms, struct span text, uint8_t *buf, size_t cap,
	size_t *ret_len)
{
	char iso[CLOCK_ISO_LEN], process[24] = "";
	if ((from->host[0] && !syslog_is_name(from->host, SYSLOG_HOST_MOST)) ||
		(from->app_name[0] && !syslog_is_name(from->app_name, SYSLOG_APP_MOST)) ||
		(from->msgid[0] && !syslog_is_name(from->msgid, SYSLOG_MSGID_MOST)) || time_ms < 0 ||
		time_ms > TIME_MOST) {
		return ERR_VALUE;
	}
	if (from->process > 0) {
		snprintf(process, sizeof(process), "%lld", (long long)from->process);
	}
	clock_iso(time_ms, iso);
	struct writer w = writer_of(buf, cap);
	writer_span(&w, span_str(PRIORITY));
	put(&w, iso);
	put(&w, from->host);
	put(&w, from->app_name);
	put(&w, process);
	put(&w, from->msgid);
	put(&w, ""); /* structured data */
	writer_bytes(&w, byte_order_mark, sizeof(byte_order_mark));
	writer_span(&w, text);
	int e = writer_end(&w);
	if (e == 0) {
		*ret_len = w.len;
	}
	return e;
}

size_t syslog_count(size_t len, char ret_text[SYSLOG_COUNT_MOST])
{
	return (size_t)snprintf(ret_text, SYSLOG_COUNT_MOST, "%zu ", len);
}

size_t syslog_fit(struct span message, size_t most)
{
	if (message.len <= most) {
		return message.len;
	}
	/* Bytes 10xxxxxx go on with a character; there are three of them at most. */
	size_t n = most;
	while (n > 0 && most - n < 4 && (message.ptr[n] & 0xc0) == 0x80) {
		n--;
	}
	return most - n < 4 ? n : most;
}
