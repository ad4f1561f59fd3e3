/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/decide.h"
#include "policy/match.h"
#include "policy/rules.h"

#include <stdio.h>
#include <string.h>

/* Who of the users may use which flow. */

bool route_verifies(const struct site *s, const struct route *r)
{
	for (unsigned i = 0; i < r->n_flows; i++) {
		if (s->flows[r->flows[i]].user_caller == USER_VERIFY) {
			return true;
		}
	}
	return false;
}

static bool list_has(const char *list, const char *name)
{
	size_t n = strlen(name);
	while (list && list[0]) {
		size_t len = strcspn(list, ",");
		if (len == n && memcmp(list, name, n) == 0) {
			return true;
		}
		list += len + (list[len] == ',');
	}
	return false;
}

static bool in_group(const struct site *s, const struct user_facts *u, const char *group)
{
	for (unsigned i = 0; i < s->users.n_groups; i++) {
		const struct user_group *g = &s->users.groups[i];
		for (unsigned k = 0; strcmp(g->name, group) == 0 && k < g->members.n; k++) {
			if (strcmp(g->members.at[k], u->name) == 0) {
				return true;
			}
		}
	}
	return list_has(u->groups, group);
}

static bool may_use(const struct site *s, const struct flow *f, const struct user_facts *u)
{
	if (f->user_caller == USER_IGNORE || (f->user_caller == USER_REQUIRE && u->sent)) {
		return true;
	}
	if (f->user_caller == USER_REQUIRE || !u->verified) {
		return false;
	}
	for (unsigned i = 0; f->has_users && i < f->users.n; i++) {
		const char *want = f->users.at[i];
		if (want[0] == '@' ? in_group(s, u, want + 1) : strcmp(want, u->name) == 0) {
			return true;
		}
	}
	return !f->has_users;
}

static int refuse(const struct site *s, struct route *r, const struct user_facts *u, struct verdict *v)
{
	const struct flow *f = &s->flows[r->flows[0]];
	*v = (struct verdict){.rule = RULE_USER_IDENTITY, .flow = (int)r->flows[0], .line = f->line};
	if (!u->sent) {
		snprintf(v->sentence, sizeof(v->sentence),
			"flow %s (line %u) requires a user identity, and the device sent none. Set it to send %s, or set "
			"`user-identity: { caller: ignore }`",
			f->name, f->line,
			f->user_caller == USER_VERIFY ? "one that can be proved" : "a user name");
	} else if (!u->verified) {
		snprintf(v->sentence, sizeof(v->sentence),
			"flow %s (line %u) wants the user proved, and %.200s", f->name, f->line,
			u->why ? u->why : "that was not done");
	} else {
		snprintf(v->sentence, sizeof(v->sentence),
			"the user %.100s is not among the `users` of flow %s (line %u), nor in a group that is",
			u->name, f->name, f->line);
	}
	return verdict_end(s, r, v);
}

int decide_user(
	const struct site *s, struct route *r, const struct user_facts *u, struct verdict *ret_verdict)
{
	struct route left = *r;
	*ret_verdict = (struct verdict){.flow = -1};
	/* Who may open the local door is for the system to say. */
	if (r->n_flows == 0 || r->local) {
		return 0;
	}
	left.n_flows = 0;
	for (unsigned i = 0; i < r->n_flows; i++) {
		if (may_use(s, &s->flows[r->flows[i]], u)) {
			left.flows[left.n_flows++] = r->flows[i];
		}
	}
	bool wrong = u->sent && !u->verified && route_verifies(s, r);
	if (left.n_flows == 0 || wrong) {
		return refuse(s, r, u, ret_verdict);
	}
	*r = left;
	return 0;
}
