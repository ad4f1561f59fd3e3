/* SPDX-License-Identifier: Apache-2.0 */
#include "antivirus/answer.h"

#include <stdarg.h>
#include <stdio.h>

static void make_printable(char *text)
{
	for (; *text; text++) {
		if (*text < ' ' || *text > '~') {
			*text = '?';
		}
	}
}

void answer_say(struct scan_answer *a, enum scan_verdict verdict, const char *format, ...)
{
	va_list ap;
	a->verdict = verdict;
	va_start(ap, format);
	vsnprintf(a->text, sizeof(a->text), format, ap);
	va_end(ap);
	make_printable(a->text);
}

static bool ends_with(struct span s, const char *end)
{
	size_t n = strlen(end);
	return s.len >= n && memcmp(s.ptr + s.len - n, end, n) == 0;
}

static bool begins_with(struct span s, const char *begin)
{
	size_t n = strlen(begin);
	return s.len >= n && memcmp(s.ptr, begin, n) == 0;
}

static int text_length(struct span s)
{
	size_t n = s.len < SCAN_TEXT ? s.len : SCAN_TEXT;
	const uint8_t *nul = n > 0 ? memchr(s.ptr, 0, n) : NULL;
	return (int)(nul ? (size_t)(nul - s.ptr) : n);
}

static void read_found(struct span name, struct scan_answer *a)
{
	static const char limits[] = "Heuristics.Limits.Exceeded";
	if (begins_with(name, limits)) {
		size_t n = sizeof(limits) - 1 + (name.len > sizeof(limits) - 1);
		struct span which = span_of(name.ptr + n, name.len - n);
		answer_say(a, SCAN_PARTLY, "it is over a limit of clamd's (%.*s)", text_length(which),
			(const char *)which.ptr);
		return;
	}
	answer_say(a, SCAN_FOUND, "%.*s", text_length(name), (const char *)name.ptr);
}

void answer_read(struct span reply, struct scan_answer *ret_answer)
{
	static const char stream[] = "stream: ";
	size_t n = sizeof(stream) - 1, found = sizeof(" FOUND") - 1;
	if (span_eq(reply, span_str("stream: OK"))) {
		answer_say(ret_answer, SCAN_CLEAN, "%s", "");
	} else if (begins_with(reply, stream) && ends_with(reply, " FOUND") && reply.len > n + found) {
		read_found(span_of(reply.ptr + n, reply.len - n - found), ret_answer);
	} else if (begins_with(reply, "INSTREAM size limit exceeded")) {
		answer_say(ret_answer, SCAN_PARTLY, "it is over clamd's StreamMaxLength");
	} else if (ends_with(reply, "ERROR")) {
		answer_say(ret_answer, SCAN_NOT_SCANNED, "clamd says: %.*s", text_length(reply),
			(const char *)reply.ptr);
	} else if (reply.len == 0) {
		answer_say(ret_answer, SCAN_NOT_SCANNED, "clamd closed the connection without an answer");
	} else {
		answer_say(ret_answer, SCAN_NOT_SCANNED, "clamd's answer makes no sense: %.*s",
			text_length(reply), (const char *)reply.ptr);
	}
}

void answer_add(struct scan_answer *sum, const struct scan_answer *one)
{
	if (one->verdict > sum->verdict) {
		*sum = *one;
	}
}

const char *scan_verdict_name(enum scan_verdict v)
{
	static const char *const names[] = {[SCAN_PENDING] = "pending",
		[SCAN_CLEAN] = "clean",
		[SCAN_PARTLY] = "partly",
		[SCAN_NOT_SCANNED] = "not-scanned",
		[SCAN_FOUND] = "found"};
	static_assert(ARRAY_LEN(names) == SCAN_VERDICTS, "a name for each");
	return (unsigned)v < SCAN_VERDICTS ? names[v] : "unknown";
}
