/* SPDX-License-Identifier: Apache-2.0 */
#include "antivirus/probe.h"

#include <stdio.h>

#define LEAST (1024u * 1024)

void probe_string(char to[PROBE_STRING + 1])
{
	/* Each byte is one less here, so that no scanner finds it in us. */
	static const char shifted[] = "W4N O$?@OZ3[OYW43'O](6BB(6|#DHB@Q,RS@MC@QC,@MSHUHQTR,SDRS,EHKD #G*G)";
	static_assert(sizeof(shifted) == PROBE_STRING + 1, "its length is known");
	for (unsigned i = 0; i < PROBE_STRING; i++) {
		to[i] = (char)(shifted[i] + 1);
	}
	to[PROBE_STRING] = '\0';
}

static void scan_padded(const struct clamd *clamd, uint64_t len, struct scan_answer *ret)
{
	static const uint8_t zeros[64 * 1024];
	char text[PROBE_STRING + 1];
	struct clamd_stream s;
	probe_string(text);
	clamd_begin(&s, clamd);
	clamd_send(&s, span_of(text, PROBE_STRING));
	for (uint64_t left = len - PROBE_STRING; left > 0 && s.fd >= 0;) {
		size_t n = left < sizeof(zeros) ? (size_t)left : sizeof(zeros);
		clamd_send(&s, span_of(zeros, n));
		left -= n;
	}
	clamd_end(&s);
	*ret = s.answer;
}

void probe_short(const struct clamd *clamd, struct probe *ret)
{
	struct scan_answer a;
	*ret = (struct probe){.good = false};
	scan_padded(clamd, PROBE_STRING, &a);
	if (a.verdict == SCAN_FOUND && clamd_ask(clamd, "VERSION", ret->version, sizeof(ret->version)) == 0) {
		ret->good = true;
	} else if (a.verdict == SCAN_CLEAN) {
		snprintf(ret->why, sizeof(ret->why),
			"clamd does not find the test string (EICAR): its definitions are missing or not those of a scanner");
	} else if (a.verdict == SCAN_FOUND) {
		snprintf(ret->why, sizeof(ret->why), "clamd does not say its version");
	} else {
		snprintf(ret->why, sizeof(ret->why), "%s", a.text);
	}
}

void probe_long(const struct clamd *clamd, uint64_t want, struct probe *ret)
{
	struct scan_answer a = {.verdict = SCAN_PENDING};
	probe_short(clamd, ret);
	for (uint64_t n = want; ret->good && ret->most == 0 && n >= LEAST; n /= 2) {
		scan_padded(clamd, n, &a);
		if (a.verdict == SCAN_FOUND) {
			ret->most = n;
		} else if (a.verdict == SCAN_NOT_SCANNED) {
			ret->good = false;
			snprintf(ret->why, sizeof(ret->why), "%s", a.text);
		}
		ret->tells |= a.verdict == SCAN_PARTLY;
	}
	if (ret->good && ret->most < want) {
		snprintf(ret->why, sizeof(ret->why),
			"clamd looks at no file over %llu bytes, and `max-size` is %llu: raise its MaxFileSize, MaxScanSize and "
			"StreamMaxLength",
			(unsigned long long)ret->most, (unsigned long long)want);
	}
}
