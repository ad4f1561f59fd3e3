/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/inspect.h"

struct inspect_policy inspect_policy_default(void)
{
	return (struct inspect_policy){.by_severity = {[INSPECT_NOTE] = ACTION_ALLOW,
					       [INSPECT_WARNING] = ACTION_LOG,
					       [INSPECT_DANGER] = ACTION_REFUSE}};
}

struct inspect_verdict inspect_judge(const struct inspect *i, const struct inspect_policy *policy)
{
	struct inspect_verdict v = {.action = ACTION_ALLOW, .check = CHECK_N};
	for (unsigned c = 0; c < CHECK_N; c++) {
		if (i->counts[c] == 0) {
			continue;
		}
		const struct inspect_check_row *row = inspect_check_row((enum inspect_check)c);
		unsigned action =
			policy->by_check[c] ? policy->by_check[c] : policy->by_severity[row->severity];
		if (action > v.action || v.check == CHECK_N) {
			v.action = action > v.action ? (enum inspect_action)action : v.action;
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
