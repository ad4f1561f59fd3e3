/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/log.h"
#include "gateway/state.h"

#include <stdio.h>

/*
 * A handshake refuses a certificate that has expired. An association may be open for longer than its certificate lasts: that is recorded
 * by a number once, in the second after its last, also when nothing is said then. Where the node says so, what it asks from then on is
 * refused, and it is ended when nothing of it is in hand.
 */

static void set_expired(const char *day, char to[48])
{
	snprintf(to, sizeof(((struct association *)0)->expired[0]), "expired on %.15s", day);
}

/* The last second of the caller's certificate, if that is still good. */
static int64_t caller_until(const struct association *as)
{
	bool good = as->a.t.ssl && as->caller.has_certificate && !as->caller.expired;
	return good ? as->peer.not_after_s : INT64_MAX;
}

static const struct node *certified_target(const struct association *as)
{
	bool has = as->route.to >= 0 && as->b.up && as->b.t.ssl && as->target_certified;
	return has ? &as->site->nodes[as->route.to] : NULL;
}

static void caller_again(struct association *as, int64_t now_s)
{
	if (now_s <= caller_until(as)) {
		return;
	}
	set_expired(as->peer.last_day, as->expired[0]);
	as->caller.expired = as->expired[0];
	route_again(as);
	/* What is refused is told of with the request that is. */
	if (!as->route_denied && as->route_verdict.rule == RULE_EXPIRED) {
		(void)report_refusal(as, &as->route_verdict, &(struct subject){0});
	}
}

/* Called again, it has to show another one. */
static void end_target(struct association *as, const struct node *node)
{
	char text[160];
	snprintf(text, sizeof(text), "the called node's certificate %s", as->expired[1]);
	log_event(LOG_LEVEL_WARNING, "upstream.expired", text, LOG_TEXT("target", node->name));
	standing_begin_target(as);
	target_end(as, true, text);
}

static void target_expired(struct association *as, const struct node *node)
{
	struct verdict v = {.rule = RULE_EXPIRED, .alarm = true, .flow = -1, .line = node->line};
	if (as->expired[1][0]) {
		return; /* said already */
	}
	set_expired(as->target_last_day, as->expired[1]);
	snprintf(v.sentence, sizeof(v.sentence),
		"the certificate of the called node %s %s, while the association is open: renew it, or it cannot be called again",
		node->name, as->expired[1]);
	(void)report_refusal(as, &v, &(struct subject){0});
}

void expiry_again(struct association *as)
{
	int64_t now_s = clock_wall_ms() / 1000;
	caller_again(as, now_s);
	const struct node *node = certified_target(as);
	if (!node || now_s <= as->target_until_s) {
		return;
	}
	target_expired(as, node);
	if (node->expired == OVER_REFUSE && standing_nothing_in_hand(as)) {
		end_target(as, node);
	}
}

int64_t expiry_left_ms(const struct association *as)
{
	int64_t until_s = caller_until(as);
	const struct node *node = certified_target(as);
	/* One that is over and was said is looked at again only to end it. */
	if (node && (!as->expired[1][0] || (node->expired == OVER_REFUSE && standing_nothing_in_hand(as)))) {
		until_s = as->target_until_s < until_s ? as->target_until_s : until_s;
	}
	if (until_s == INT64_MAX) {
		return INT64_MAX;
	}
	int64_t left = (until_s + 1) * 1000 - clock_wall_ms();
	return left > 0 ? left : 0;
}

bool expiry_refuses(const struct association *as)
{
	return as->route_denied && as->route_verdict.rule == RULE_EXPIRED;
}

void expiry_end(struct association *as)
{
	(void)report_refusal(as, &as->route_verdict, &(struct subject){.answered = "A-ABORT"});
	report_ended(as, "the caller's certificate %s", as->expired[0]);
	association_abort(as, NULL, NULL);
}
