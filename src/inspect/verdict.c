/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/inspect.h"

struct inspect_policy inspect_policy_default(void)
{
	return (struct inspect_policy){.by_severity = {[INSPECT_NOTE] = ACTION_ALLOW,
					       [INSPECT_WARNING] = ACTION_LOG,
					       [INSPECT_DANGER] = ACTION_REFUSE}};
}

/* What is done about a check. */
static enum inspect_action action_of(const struct inspect_policy *policy, unsigned check)
{
	return policy->by_check[check]
	               ? policy->by_check[check]
	               : policy->by_severity[inspect_check_row((enum inspect_check)check)->severity];
}

enum inspect_action inspect_policy_strictest(const struct inspect_policy *policy)
{
	enum inspect_action strictest = ACTION_ALLOW;
	for (unsigned c = 0; c < CHECK_N; c++) {
		enum inspect_action a = action_of(policy, c);
		strictest = a > strictest ? a : strictest;
	}
	return strictest;
}

struct inspect_verdict inspect_judge(const struct inspect *i, const struct inspect_policy *policy)
{
	struct inspect_verdict v = {.action = ACTION_ALLOW, .check = CHECK_N};
	if (i->n_findings == 0) {
		return v;
	}
	for (unsigned c = 0; c < CHECK_N; c++) {
		if (i->counts[c] == 0) {
			continue;
		}
		enum inspect_action action = action_of(policy, c);
		if (action > v.action || v.check == CHECK_N) {
			v.action = action > v.action ? action : v.action;
			v.check = (enum inspect_check)c;
		}
	}
	return v;
}

const char *inspect_action_name(enum inspect_action action)
{
	static const char *const names[] = {"", "allow", "log", "refuse", "quarantine"};
	static_assert(ARRAY_LEN(names) == ACTION_N, "a name for each");
	return names[action];
}

int inspect_worst(const struct inspect *i)
{
	int worst = -1;
	for (unsigned c = 0; c < CHECK_N; c++) {
		int severity = (int)inspect_check_row((enum inspect_check)c)->severity;
		worst = i->counts[c] > 0 && severity > worst ? severity : worst;
	}
	return worst;
}
