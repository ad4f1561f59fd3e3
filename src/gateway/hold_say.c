/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/hold_say.h"
#include "base/log.h"

#include <stdio.h>

/* What was found in objects, for people: one line an object, and none where all of it has been said of an earlier one. */

static bool is_worth_a_line(const struct inspect_policy *p, unsigned check)
{
	unsigned action = p->by_check[check]
	                          ? p->by_check[check]
	                          : p->by_severity[inspect_check_row((enum inspect_check)check)->severity];
	return action >= ACTION_LOG;
}

static size_t add(char *to, size_t cap, size_t at, const char *name, uint32_t count)
{
	int n = count > 1 ? snprintf(to + at, cap - at, "%s%s (%u)", at ? ", " : "", name, count)
	                  : snprintf(to + at, cap - at, "%s%s", at ? ", " : "", name);
	return n < 0 || (size_t)n >= cap - at ? cap - 1 : at + (size_t)n;
}

/* Is there something that no line of this association has? *ret_any: something that is to be logged at all. */
static bool is_fresh(struct hold_said *said, const struct hold *h, bool *ret_any)
{
	bool fresh = false;
	for (unsigned c = 0; c < CHECK_N; c++) {
		if (h->i.counts[c] > 0 && is_worth_a_line(&h->content.policy, c)) {
			*ret_any = true;
			fresh |= !said->checks[c];
			said->checks[c] = true;
		}
	}
	return fresh;
}

/* The names of what is to be logged. */
static void list_checks(const struct hold *h, char *to, size_t cap)
{
	size_t at = 0;
	to[0] = '\0';
	for (unsigned c = 0; c < CHECK_N; c++) {
		if (h->i.counts[c] > 0 && is_worth_a_line(&h->content.policy, c)) {
			at = add(to, cap, at, inspect_check_row((enum inspect_check)c)->name, h->i.counts[c]);
		}
	}
}

/* Where the first of these was found. */
static void place_of(const struct hold *h, enum inspect_check check, char to[INSPECT_PATH])
{
	to[0] = '\0';
	for (unsigned i = 0; i < h->i.n_findings; i++) {
		if (h->i.findings[i].check == check) {
			inspect_path(&h->i.findings[i], to);
			return;
		}
	}
}

/* What is done about it: in observe mode no more than this is. */
static const char *action_of(
	const struct association *as, const struct hold *h, const struct inspect_verdict *found)
{
	bool observes = found->action >= ACTION_REFUSE && route_observes(as->site, &as->route, h->flow);
	return inspect_action_name(observes ? ACTION_LOG : found->action);
}

/* Texts of the object are the patient's, and not for the log: names of checks, and where. */
static void say(struct association *as, const struct side *s, const struct hold *h,
	const struct inspect_verdict *found)
{
	char checks[512], place[INSPECT_PATH];
	bool any = false;
	if (!is_fresh(&as->holds->said, h, &any)) {
		as->holds->said.more += any;
		return;
	}
	list_checks(h, checks, sizeof(checks));
	place_of(h, found->check, place);
	const struct operation *o = s->msg.operation;
	log_event(LOG_LEVEL_WARNING, "object.found", inspect_check_row(found->check)->sentence,
		LOG_NUMBER("association", (int64_t)as->start->id), LOG_TEXT("checks", checks),
		LOG_TEXT("place", place), LOG_TEXT("action", action_of(as, h, found)),
		LOG_TEXT("flow", h->flow >= 0 ? as->site->flows[h->flow].name : ""),
		LOG_TEXT("instance", o ? o->sop_instance : h->i.facts.sop_instance),
		LOG_TEXT("modality", h->i.facts.modality));
}

static bool is_of_scanner(enum inspect_check check)
{
	return check == CHECK_ANTIVIRUS_FOUND || check == CHECK_ANTIVIRUS_PARTLY ||
	       check == CHECK_ANTIVIRUS_NOT_SCANNED;
}

/* Of what is known. That the scanner could not say is no fact of the object, and hides none. */
static struct inspect_verdict known_of(const struct hold *h)
{
	struct inspect_policy policy = h->content.policy;
	policy.by_check[CHECK_ANTIVIRUS_NOT_SCANNED] = ACTION_ALLOW;
	return inspect_judge(&h->i, &policy);
}

static void content_verdict(
	const struct association *as, const struct hold *h, enum inspect_check check, struct verdict *ret_v)
{
	const struct inspect_check_row *row = inspect_check_row(check);
	char detail[256];
	snprintf(detail, sizeof(detail), "`%s`, a %s: %s", row->name, inspect_severity_name(row->severity),
		row->sentence);
	size_t n = strlen(detail);
	if (n > 0 && detail[n - 1] == '.') {
		detail[n - 1] = '\0'; /* it stands in brackets */
	}
	if (is_of_scanner(check)) {
		/* The scanner's own words are not the patient's. */
		snprintf(detail, sizeof(detail), "`%s`: %s", row->name, h->told);
	}
	bool unjudged = check == CHECK_ANTIVIRUS_NOT_SCANNED;
	verdict_of(as->site, &as->route, h->flow, unjudged ? RULE_UNJUDGED : RULE_CONTENT, detail, ret_v);
	/* Sent again it may be scanned. */
	if (unjudged && h->content.fail == HOLD_FAIL_PASS && ret_v->refuse) {
		ret_v->refuse = false;
		ret_v->alarm = true;
	}
}

bool hold_say_verdict(
	struct association *as, const struct side *s, struct hold *h, struct verdict *ret_v, bool *ret_keep)
{
	struct inspect_verdict all = inspect_judge(&h->i, &h->content.policy);
	if (all.action < ACTION_LOG) {
		return false;
	}
	struct inspect_verdict known = known_of(h);
	say(as, s, h, known.action >= ACTION_REFUSE ? &known : &all);
	if (all.action < ACTION_REFUSE) {
		return false;
	}
	bool bad = known.action >= ACTION_REFUSE;
	content_verdict(as, h, bad ? known.check : CHECK_ANTIVIRUS_NOT_SCANNED, ret_v);
	*ret_keep = bad && known.action == ACTION_QUARANTINE;
	return true;
}

void hold_report(const struct association *as)
{
	uint64_t more = as->holds->said.more;
	if (more > 0) {
		log_event(LOG_LEVEL_NOTICE, "object.found-more",
			"Further objects of this association had findings of the checks that were named.",
			LOG_NUMBER("association", (int64_t)as->start->id),
			LOG_NUMBER("objects", (int64_t)more));
	}
}
