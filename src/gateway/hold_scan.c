/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/hold_scan.h"
#include "base/clock.h"
#include "dicom/implementation.h"
#include "dicom/part10.h"
#include "dicom/uid.h"
#include "gateway/hold_parts.h"

#include <stdio.h>
#include <string.h>

/* The job's own patience, as clamd may think twice as long as it may (over the rest, and over the whole), and be away at first. */
#define OVER_MS 15000

/* ---- It begins ---- */

static int open_stream(struct association *as)
{
	struct message *m = &as->ask, *reply = &as->reply;
	*m = (struct message){.type = MSG_SCAN, .fd = -1};
	int e = gate_ask(as, m, MSG_SCANNER, reply, GATE_WAIT_MS);
	return e == 0 && reply->number == 0 ? reply->fd : -1;
}

struct span hold_file_head(const struct association *as, const struct side *s, uint8_t *buf, size_t cap)
{
	struct writer w = writer_of(buf, cap);
	const struct part10_meta meta = {.sop_class = uid_trim(s->msg.command.affected_sop_class),
		.sop_instance = uid_trim(s->msg.command.affected_sop_instance),
		.transfer_syntax = uid_trim(as->context[s->msg.context].transfer),
		.implementation_class = span_str(GANTRY_IMPLEMENTATION_CLASS)};
	return part10_write(&meta, &w) == 0 ? writer_span_of(&w) : (struct span){0};
}

void hold_scan_begin(struct association *as, const struct side *s, struct hold *h)
{
	uint8_t head[PART10_META_MAX];
	const struct antivirus_config *config = &as->site->antivirus;
	if (h->content.antivirus == ANTIVIRUS_OFF) {
		return;
	}
	h->scanning = true;
	h->scan_ending = false;
	h->n_unscanned = 0;
	int fd = config->has ? open_stream(as) : -1;
	if (fd < 0) {
		scan_none(&h->scan, "the gateway's lookup, which asks the virus scanner, is away");
		return;
	}
	bool whole = h->content.antivirus == ANTIVIRUS_WHOLE;
	scan_begin(&h->scan, fd,
		&(struct scan_about){.transfer_syntax = as->context[s->msg.context].transfer,
			.whole = whole,
			.file = whole ? hold_file_head(as, s, head, sizeof(head)) : (struct span){0},
			.timeout_ms = 2 * (int64_t)config->timeout_s * 1000 + OVER_MS});
}

/* ---- It goes on ---- */

void hold_scan_feed(struct hold *h, struct span bytes)
{
	if (!h->scanning) {
		return;
	}
	size_t n = scan_feed(&h->scan, bytes);
	h->n_unscanned = bytes.len - n;
	if (h->n_unscanned > 0) {
		memcpy(h->unscanned, bytes.ptr + n, h->n_unscanned);
	}
}

bool hold_scan_is_full(const struct hold *h)
{
	return h->scanning && h->n_unscanned > 0;
}

static void feed_rest(struct hold *h)
{
	if (h->n_unscanned > 0) {
		size_t n = scan_feed(&h->scan, span_of(h->unscanned, h->n_unscanned));
		h->n_unscanned -= n;
		memmove(h->unscanned, h->unscanned + n, h->n_unscanned);
	}
	if (h->n_unscanned == 0 && h->scan_ending && !h->scan.last) {
		scan_last(&h->scan, clock_mono_ms());
	}
}

/* ---- The answer ---- */

static void tell(struct hold *h)
{
	static const enum inspect_check checks[SCAN_VERDICTS] = {[SCAN_FOUND] = CHECK_ANTIVIRUS_FOUND,
		[SCAN_PARTLY] = CHECK_ANTIVIRUS_PARTLY,
		[SCAN_NOT_SCANNED] = CHECK_ANTIVIRUS_NOT_SCANNED};
	if (h->scan.answer.verdict != SCAN_CLEAN) {
		snprintf(h->told, sizeof(h->told), "%s", h->scan.answer.text);
		inspect_told(&h->i, checks[h->scan.answer.verdict], h->told);
	}
	hold_scan_drop(h);
}

void hold_scan_give_up(struct hold *h, const char *why)
{
	if (h->scanning) {
		snprintf(h->told, sizeof(h->told), "%s", why);
		inspect_told(&h->i, CHECK_ANTIVIRUS_NOT_SCANNED, h->told);
	}
	hold_scan_drop(h);
}

bool hold_scan_end(struct hold *h)
{
	if (!h->scanning) {
		return false;
	}
	h->scan_ending = true;
	feed_rest(h);
	if (h->scan.answer.verdict == SCAN_PENDING) {
		return true;
	}
	tell(h);
	return false;
}

bool hold_scan_go_on(struct hold *h, int64_t now_ms)
{
	if (!h->scanning) {
		return false;
	}
	scan_ready(&h->scan);
	scan_check(&h->scan, now_ms); /* before the rest, of which all is taken once it is over */
	feed_rest(h);
	if (!h->scan_ending || h->scan.answer.verdict == SCAN_PENDING) {
		return false;
	}
	tell(h);
	return true;
}

int64_t hold_scan_due(const struct hold *h)
{
	return h->scanning ? scan_due(&h->scan) : INT64_MAX;
}

void hold_scan_drop(struct hold *h)
{
	if (h->scanning) {
		scan_done(&h->scan);
	}
	h->scanning = h->scan_ending = false;
	h->n_unscanned = 0;
}

struct pollfd hold_poll(const struct association *as, const struct side *s)
{
	const struct hold *h = hold_of(as, s);
	return (struct pollfd){
		.fd = h->scanning ? h->scan.fd : -1, .events = h->scanning ? h->scan.events : 0};
}
