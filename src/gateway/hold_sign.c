/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/hold_sign.h"
#include "base/clock.h"
#include "keys/object_site.h"
#include "keys/object_watch.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- Whom we believe ---- */

static void find_trust(struct association *as)
{
	struct hold_trust *t = &as->holds->trust;
	if (t->read) {
		return;
	}
	t->read = true;
	char why[256];
	int e = object_trust_of_site(as->site, &t->lists, &t->trust, why, sizeof(why));
	if (e < 0) {
		t->why = err_str(e);
	}
}

/* ---- An object ---- */

void hold_sign_begin(const struct association *as, const struct side *s, struct hold *h)
{
	hold_sign_drop(h);
	h->watching = h->content.signatures != SIGNATURES_OFF;
	if (h->watching && object_watch_new(uid_trim(as->context[s->msg.context].transfer), &h->watch) != 0) {
		h->watch = NULL; /* which is told at its end */
	}
}

void hold_sign_feed(struct hold *h, struct span bytes)
{
	if (h->watch) {
		object_watch_feed(h->watch, bytes);
	}
}

static void tell(struct hold *h, uint32_t state, const char *what, const char *why)
{
	static const enum inspect_check checks[] = {[OBJECT_UNTRUSTED] = CHECK_SIGNATURE_UNTRUSTED,
		[OBJECT_FALSE] = CHECK_SIGNATURE_FALSE,
		[OBJECT_UNKNOWN] = CHECK_SIGNATURE_UNKNOWN};
	char words[240];
	if (state != OBJECT_GOOD) {
		snprintf(words, sizeof(words), "%s%s", what, why);
		inspect_told(&h->i, checks[state], words);
	}
}

void hold_sign_end(struct association *as, struct hold *h)
{
	struct object_report *r = h->watching ? calloc(1, sizeof(*r)) : NULL;
	bool good = false, apart = false;
	if (!h->watching) {
		return;
	}
	find_trust(as);
	const struct hold_trust *t = &as->holds->trust;
	if (!h->watch || !r || !t->trust) {
		tell(h, OBJECT_UNKNOWN, "", t->why ? t->why : "no memory, or an unknown transfer syntax");
	} else if (object_watch_end(h->watch, t->trust, clock_wall_ms() / 1000, r) < 0) {
		tell(h, OBJECT_UNKNOWN, "", r->why);
	}
	for (uint32_t i = 0; r && i < r->n; i++) {
		const struct object_verdict *v = &r->verdicts[i];
		tell(h, v->state, "", v->why);
		tell(h, v->stamp.present ? v->stamp.state : OBJECT_GOOD, "its timestamp: ", v->stamp.why);
		/* What is not over the SOP Instance UID would be as good in an object that somebody else has made. */
		bool here = v->state == OBJECT_GOOD && !v->where[0];
		good = good || (here && v->over_instance);
		apart = apart || (here && !v->over_instance);
	}
	if (h->content.signatures == SIGNATURES_REQUIRE && !good) {
		inspect_told(&h->i, CHECK_SIGNATURE_MISSING,
			apart           ? "none that is good is over its SOP Instance UID"
			: r && r->n > 0 ? "none of its signatures is good"
					: "it has none");
	}
	free(r);
	hold_sign_drop(h);
}

void hold_sign_drop(struct hold *h)
{
	object_watch_free(h->watch);
	h->watch = NULL;
	h->watching = false;
}
