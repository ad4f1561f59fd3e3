/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/decide.h"
#include "policy/rules.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct flow *flow_at(const struct site *s, int flow)
{
	return flow >= 0 && (unsigned)flow < s->n_flows ? &s->flows[flow] : NULL;
}

/* "2 GiB", "512 KiB", "17 bytes" */
static void size_text(uint64_t n, char *buf, size_t cap)
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
	unsigned u = 0;
	while (n >= 1024 && n % 1024 == 0 && u < 4) {
		n /= 1024;
		u++;
	}
	if (n < 100 * 1024 || u == 4) {
		snprintf(buf, cap, "%" PRIu64 " %s", n, units[u]);
		return;
	}
	double d = (double)n;
	while (d >= 1024 && u < 4) {
		d /= 1024;
		u++;
	}
	snprintf(buf, cap, "%.1f %s", d, units[u]);
}

static bool over(const struct limit *l, uint64_t n)
{
	return l->most > 0 && n > l->most;
}

static void say_count(const struct flow *f, enum rule rule, const char *what, uint64_t n, uint64_t most,
	const char *key, struct verdict *v)
{
	v->rule = rule;
	snprintf(v->sentence, sizeof(v->sentence),
		"flow %s: %" PRIu64 " %s, its limit is %" PRIu64 " (`%s`, line %u)", f->name, n, what, most,
		key, f->line);
}

static void say_bytes(const struct flow *f, enum rule rule, const char *what, uint64_t n, uint64_t most,
	const char *key, struct verdict *v)
{
	char is[32], limit[32];
	size_text(n, is, sizeof(is));
	size_text(most, limit, sizeof(limit));
	v->rule = rule;
	snprintf(v->sentence, sizeof(v->sentence), "flow %s: %s %s, its limit is %s (`%s`, line %u)", f->name,
		is, what, limit, key, f->line);
}

/* One limit after the other; a refusal counts more than an alarm. */
struct judged {
	const struct site *s;
	const struct route *r;
	const struct flow *f;
	int flow;
	struct verdict worst;
	int err;
};

static struct verdict blank(const struct judged *j)
{
	return (struct verdict){.flow = j->flow, .line = j->f->line};
}

static void judge(struct judged *j, struct verdict *v, enum over what)
{
	int err = verdict_over(j->s, j->r, what, v);
	bool first = j->worst.rule == RULE_NONE;
	if (first || (err < 0 && j->err == 0) || (v->observed && !j->worst.observed && j->err == 0)) {
		j->worst = *v;
		j->err = err;
	}
}

int decide_volume(const struct site *s, const struct route *r, int flow, const struct volume *vol,
	struct verdict *ret_verdict)
{
	const struct flow *f = flow_at(s, flow);
	if (!f) {
		*ret_verdict = (struct verdict){.flow = -1};
		return 0;
	}
	struct judged j = {.s = s, .r = r, .f = f, .flow = flow, .worst = {.flow = flow}};
	struct verdict v = blank(&j);
	if (!(vol->passed & RULE_BIT(RULE_OBJECT_SIZE)) && over(&f->object_size, vol->object_bytes)) {
		say_bytes(f, RULE_OBJECT_SIZE, "of one object", vol->object_bytes, f->object_size.most,
			"object-size", &v);
		judge(&j, &v, f->object_size.over);
	}
	v = blank(&j);
	if (!(vol->passed & RULE_BIT(RULE_OBJECT_RATE)) && over(&f->objects_per_hour, vol->objects_hour)) {
		say_count(f, RULE_OBJECT_RATE, "objects within an hour", vol->objects_hour,
			f->objects_per_hour.most, "objects-per-hour", &v);
		judge(&j, &v, f->objects_per_hour.over);
	}
	v = blank(&j);
	if (!(vol->passed & RULE_BIT(RULE_BYTE_RATE)) && over(&f->bytes_per_hour, vol->bytes_hour)) {
		say_bytes(f, RULE_BYTE_RATE, "within an hour", vol->bytes_hour, f->bytes_per_hour.most,
			"bytes-per-hour", &v);
		judge(&j, &v, f->bytes_per_hour.over);
	}
	*ret_verdict = j.worst;
	return j.err;
}

int decide_associations(const struct site *s, const struct route *r, int flow, unsigned at_once,
	unsigned last_minute, struct verdict *ret_verdict)
{
	const struct flow *f = flow_at(s, flow);
	if (!f) {
		*ret_verdict = (struct verdict){.flow = -1};
		return 0;
	}
	struct judged j = {.s = s, .r = r, .f = f, .flow = flow, .worst = {.flow = flow}};
	struct verdict v = blank(&j);
	if (over(&f->associations_at_once, at_once)) {
		say_count(f, RULE_ASSOCIATIONS, "associations at once", at_once, f->associations_at_once.most,
			"associations: at-once", &v);
		judge(&j, &v, f->associations_at_once.over);
	}
	v = blank(&j);
	if (over(&f->associations_per_minute, last_minute)) {
		say_count(f, RULE_ASSOCIATION_RATE, "associations within a minute", last_minute,
			f->associations_per_minute.most, "associations: per-minute", &v);
		judge(&j, &v, f->associations_per_minute.over);
	}
	*ret_verdict = j.worst;
	return j.err;
}

void verdict_of(const struct site *s, const struct route *r, int flow, enum rule rule, const char *detail,
	struct verdict *ret_verdict)
{
	const struct flow *f = flow_at(s, flow);
	const struct node *to = r && r->to >= 0 ? &s->nodes[r->to] : NULL;
	struct verdict v = {.rule = rule, .flow = f ? flow : -1, .line = f ? f->line : to ? to->line : 0};
	bool more = detail && detail[0];
	snprintf(v.sentence, sizeof(v.sentence), "%s%s%s%s%s%s%s",
		f    ? "flow "
		: to ? "to node "
		     : "",
		f    ? f->name
		: to ? to->name
		     : "",
		f || to ? ": " : "", rule_frame(rule), more ? " (" : "", more ? detail : "", more ? ")" : "");
	(void)!verdict_end(s, r, &v);
	*ret_verdict = v;
}

const char *route_move_title(const struct site *s, int flow, const char *destination)
{
	const struct flow *f = flow_at(s, flow);
	for (unsigned i = 0; f && i < f->n_move_titles; i++) {
		if (strcmp(f->move_titles[i].from, destination) == 0) {
			return f->move_titles[i].to;
		}
	}
	return destination;
}
