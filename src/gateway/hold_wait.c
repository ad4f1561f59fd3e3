/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "gateway/exchange.h"
#include "gateway/hold_clean.h"
#include "gateway/hold_keep.h"
#include "gateway/hold_parts.h"
#include "gateway/hold_scan.h"

#include <stdio.h>

/* What is waited for before an object that is complete can go on, and for how long. */

/* Who has hung up is not waited for longer while the virus scanner is asked, nor longer than the scanner's own `timeout`. */
#define REST_MS 15000

/* ---- The virus scanner ---- */

static void go_on(struct association *as, struct side *s, int64_t now_ms)
{
	struct hold *h = hold_of(as, s);
	bool kept = hold_is_kept(s);
	if (hold_scan_go_on(h, now_ms) && h->state == HOLD_ASKING && !hold_judge(as, s) && kept &&
		!as->over) {
		exchange_finish(as, s);
	}
}

void hold_ready(struct association *as, struct side *s)
{
	go_on(as, s, clock_mono_ms());
}

static int64_t rest_of(const struct association *as)
{
	int64_t ms = (int64_t)as->site->antivirus.timeout_s * 1000;
	return ms < REST_MS ? ms : REST_MS;
}

bool hold_watches(const struct association *as, const struct side *s)
{
	const struct hold *h = hold_of(as, s);
	bool waits = (h->state == HOLD_ASKING && h->scanning) || h->state == HOLD_CLEANING;
	return waits && !h->left;
}

static bool between_pdus(const struct side *s)
{
	return s->pdu_left == 0 && !s->in_pdv;
}

bool hold_peeks(const struct association *as, const struct side *s)
{
	return hold_watches(as, s) && between_pdus(s) && side_unread(s).len == 0;
}

/* PS3.8 9.2, AA-3: who aborts has left, also if it leaves its connection open. */
static void look_for_abort(struct association *as, struct side *s)
{
	struct span unread = side_unread(s);
	if (hold_watches(as, s) && between_pdus(s) && unread.len > 0 && unread.ptr[0] == PDU_ABORT) {
		hold_left(as, s);
	}
}

void hold_left(struct association *as, struct side *s)
{
	struct hold *h = hold_of(as, s);
	h->left = true;
	if (h->state == HOLD_CLEANING) {
		hold_clean_end(as, s, h, "its sender did not wait for it");
		return;
	}
	scan_hurry(&h->scan, clock_mono_ms(), rest_of(as));
}

/* Who hangs up does not escape the record of what has passed; nor does it keep a process for long. */
void hold_rest(struct association *as)
{
	struct side *sides[] = {&as->a, &as->b};
	int64_t until_ms = clock_mono_ms() + rest_of(as);
	for (unsigned k = 0; k < ARRAY_LEN(sides); k++) {
		struct hold *h = &as->holds->of[k];
		while (h->state == HOLD_ASKING && !hold_is_kept(sides[k]) && clock_mono_ms() < until_ms) {
			struct pollfd p = hold_poll(as, sides[k]);
			(void)poll(&p, 1, 100);
			go_on(as, sides[k], clock_mono_ms());
		}
		if (h->state == HOLD_ASKING && !hold_is_kept(sides[k])) {
			hold_scan_give_up(
				h, "its association ended, and the virus scanner did not answer soon after");
			(void)!hold_judge(as, sides[k]);
		}
	}
}

/* ---- Clocks ---- */

/* It was complete already, and the scanner has not answered: that is one thing more to be judged. */
static void end_of_asking(struct association *as, struct side *s, const char *why)
{
	struct hold *h = hold_of(as, s);
	hold_scan_give_up(h, why);
	if (!hold_judge(as, s) && !as->over) {
		exchange_finish(as, s);
	}
}

/* Others have the room that it needs. When to ask again. */
static int64_t look_for_room(struct association *as, struct side *s, int64_t now_ms)
{
	const struct hold *h = hold_of(as, s);
	bool full = h->room.asked > 0 && h->state == HOLD_TAKING && hold_is_kept(s) &&
	            h->keep == UINT64_MAX && h->len == hold_capacity(h);
	if (full) {
		hold_make_room(as, s);
	}
	return full && h->room.asked > 0 ? now_ms + HOLD_ROOM_AGAIN_MS : INT64_MAX;
}

int64_t hold_check(struct association *as, int64_t now_ms)
{
	struct side *sides[] = {&as->a, &as->b};
	int64_t next = INT64_MAX;
	for (unsigned k = 0; k < ARRAY_LEN(sides) && !as->over; k++) {
		struct hold *h = &as->holds->of[k];
		look_for_abort(as, sides[k]);
		go_on(as, sides[k], now_ms);
		int64_t cleaned = hold_clean_clock(as, sides[k], h, now_ms);
		next = cleaned < next ? cleaned : next;
		int64_t room = look_for_room(as, sides[k], now_ms);
		next = room < next ? room : next;
		int64_t idle = hold_room_rest(&h->room, now_ms);
		next = idle < next ? idle : next;
		bool asking = h->state == HOLD_ASKING, cleaning = h->state == HOLD_CLEANING;
		bool waits = h->state == HOLD_TAKING || asking || cleaning;
		bool counts = hold_is_kept(sides[k]) && waits && !h->failed;
		if (h->state == HOLD_KEEPING) {
			int64_t late = hold_keep_check(as, sides[k], h, now_ms);
			next = late < next ? late : next;
		}
		if (counts && h->until_ms <= now_ms) {
			char why[64];
			snprintf(why, sizeof(why), "it was held for %u seconds, `hold-max`",
				h->content.hold_max);
			if (cleaning) {
				hold_clean_end(as, sides[k], h, why);
			} else if (asking) {
				end_of_asking(as, sides[k], why);
			} else {
				hold_let_go(as, sides[k], why);
			}
		} else if (counts && h->until_ms < next) {
			next = h->until_ms;
		}
		next = hold_scan_due(h) < next ? hold_scan_due(h) : next;
	}
	return next;
}
