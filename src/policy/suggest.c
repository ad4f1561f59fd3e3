/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/suggest.h"
#include "policy/content.h"
#include "policy/learn.h"
#include "policy/learn_parts.h"
#include "policy/match.h"
#include "policy/vocabulary.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct flow *flow_named(const struct site *s, const char *name)
{
	for (unsigned i = 0; name[0] && i < s->n_flows; i++) {
		if (strcmp(s->flows[i].name, name) == 0) {
			return &s->flows[i];
		}
	}
	return NULL;
}

static const struct node *node_named(const struct site *s, const char *name)
{
	for (unsigned i = 0; name[0] && i < s->n_nodes; i++) {
		if (strcmp(s->nodes[i].name, name) == 0) {
			return &s->nodes[i];
		}
	}
	return NULL;
}

/* Who, whom, and what: the lines that `learn` would write had it passed. 1: none is missing, the site allows it by now. */
static int from_learning(FILE *f, const struct site *s, const struct refusal *r)
{
	unsigned flags = LEARN_ECHO | (r->rule == RULE_TRANSFER_SYNTAX ? LEARN_TRANSFER_SYNTAXES : 0);
	char *text = NULL;
	struct learn *l = learn_new(s, flags);
	int err = l ? learn_add(l, r) : ERR_NO_MEMORY;
	err = err < 0 ? err : learn_write(l, &text);
	learn_free(l);
	if (err == 0) {
		fputs(text, f);
	}
	bool allowed = err == 0 && !text[0] && learn_can(r);
	free(text);
	return err == ERR_NO_MEMORY ? err : allowed;
}

static const char *over_word(enum over over)
{
	return over == OVER_REFUSE ? "refuse" : "alarm";
}

static void write_limit(FILE *f, const char *key, const struct limit *l, bool alarm)
{
	if (l->most) {
		fprintf(f, "      %s: { most: %" PRIu64 ", over: %s }\n", key, l->most,
			alarm ? "alarm" : over_word(l->over));
	}
}

static void write_associations(FILE *f, const struct flow *flow, bool alarm)
{
	if (!flow->associations_at_once.most && !flow->associations_per_minute.most) {
		return;
	}
	fputs("      associations: { ", f);
	if (flow->associations_at_once.most) {
		fprintf(f, "at-once: %" PRIu64 ", ", flow->associations_at_once.most);
	}
	if (flow->associations_per_minute.most) {
		fprintf(f, "per-minute: %" PRIu64 ", ", flow->associations_per_minute.most);
	}
	fprintf(f, "over: %s }\n", alarm ? "alarm" : over_word(flow->associations_at_once.over));
}

/* The flow's limits as they are, and the one that refused made to alarm. */
static void relax_limit(FILE *f, const struct flow *flow, enum rule rule)
{
	fprintf(f, "flows:\n  - name: %s    # in line %u: these lines in place of its own\n    limits:\n",
		flow->name, flow->line);
	write_associations(f, flow, rule == RULE_ASSOCIATIONS || rule == RULE_ASSOCIATION_RATE);
	write_limit(f, "objects-per-hour", &flow->objects_per_hour, rule == RULE_OBJECT_RATE);
	write_limit(f, "bytes-per-hour", &flow->bytes_per_hour, rule == RULE_BYTE_RATE);
	write_limit(f, "object-size", &flow->object_size, rule == RULE_OBJECT_SIZE);
	if (flow->until_s) {
		fprintf(f, "      until: { over: %s }\n",
			rule == RULE_UNTIL ? "alarm" : over_word(flow->until_over));
	}
	if (flow->n_hours) {
		fprintf(f, "      hours: { over: %s }\n",
			rule == RULE_HOURS ? "alarm" : over_word(flow->hours_over));
	}
}

static void write_tags(FILE *f, const char *key, const uint32_t *tags, unsigned n)
{
	char buf[16];
	for (unsigned i = 0; i < n; i++) {
		fprintf(f, i ? ", " : "      %s: [ ", key);
		yaml_word(f, word_of_tag(tags[i], buf));
	}
	fputs(n ? " ]\n" : "", f);
}

/* The guard without what it missed: no keys asked for, or twice the matches. */
static void relax_query(FILE *f, const struct flow *flow, enum rule rule)
{
	bool keys = rule == RULE_QUERY_KEYS;
	fprintf(f, "flows:\n  - name: %s    # in line %u: these lines in place of its own\n    query:\n",
		flow->name, flow->line);
	fprintf(f, "      bare-wildcards: %s\n", keys || flow->bare_wildcards ? "yes" : "no");
	if (!keys) {
		write_tags(f, "require-any", flow->require_any, flow->n_require_any);
		write_tags(f, "require-all", flow->require_all, flow->n_require_all);
	}
	if (flow->matches) {
		uint64_t most = keys ? flow->matches : (uint64_t)flow->matches * 2;
		fprintf(f, "      matches: %" PRIu64 "\n", most > 10000000 ? 10000000 : most);
	}
}

static void write_words(FILE *f, const char *key, const char *words)
{
	char copy[INSPECT_WORDS], *rest = copy, *word;
	bool first = true;
	snprintf(copy, sizeof(copy), "%s", words);
	while ((word = strsep(&rest, "\\")) != NULL) {
		if (word[0]) {
			fprintf(f, first ? "      %s: [ " : ", ", key);
			yaml_word(f, word);
			first = false;
		}
	}
	fputs(first ? "" : " ]\n", f);
}

/* What is not the default would be lost with the lines that these replace. */
static void write_content(FILE *f, const struct content *c)
{
	if (c->antivirus != ANTIVIRUS_OFF) {
		fprintf(f, "      antivirus: %s\n", c->antivirus == ANTIVIRUS_WHOLE ? "whole" : "values");
	}
	if (c->hold == HOLD_TAIL) {
		fputs("      hold: tail\n", f);
	}
	if (c->hold_max != HOLD_MAX_S) {
		fprintf(f, "      hold-max: %us\n", c->hold_max);
	}
	if (c->fail == HOLD_FAIL_PASS) {
		fputs("      fail: pass\n", f);
	}
	write_words(f, "modalities", c->wanted.modalities);
	write_words(f, "not-modalities", c->wanted.not_modalities);
	write_words(f, "body-parts", c->wanted.body_parts);
	write_words(f, "not-body-parts", c->wanted.not_body_parts);
}

/* The flow's inspection, with the check that the sentence names in backquotes only logged. */
static void relax_content(FILE *f, const struct flow *flow, const struct refusal *r)
{
	const struct content *c = flow->inspect;
	const char *from = strchr(r->sentence, '`'), *to = from ? strchr(from + 1, '`') : NULL;
	char name[64] = "";
	enum inspect_check check;
	if (to && to - from - 1 < (ptrdiff_t)sizeof(name)) {
		snprintf(name, sizeof(name), "%.*s", (int)(to - from - 1), from + 1);
	}
	if (!c || inspect_check_by_name(name, &check) != 0) {
		return;
	}
	fprintf(f, "flows:\n  - name: %s    # in line %u: these lines in place of its own\n    inspect:\n",
		flow->name, flow->line);
	for (unsigned s = 0; s < INSPECT_SEVERITIES; s++) {
		fprintf(f, "      %s: %s\n", inspect_severity_name((enum inspect_severity)s),
			inspect_action_name((enum inspect_action)c->policy.by_severity[s]));
	}
	write_content(f, c);
	fputs("      checks:\n", f);
	for (unsigned i = 0; i < CHECK_N; i++) {
		unsigned action = i == check ? ACTION_LOG : c->policy.by_check[i];
		if (action != ACTION_UNSET) {
			fprintf(f, "        %s: %s\n", inspect_check_row((enum inspect_check)i)->name,
				inspect_action_name((enum inspect_action)action));
		}
	}
}

static uint32_t twice(uint32_t n)
{
	return n > 500000 ? 1000000 : 2 * n;
}

static void relax_site(FILE *f, const struct site *s)
{
	fprintf(f, "associations: { at-once: %u, per-address: %u }\n", twice(s->associations_at_once),
		twice(s->associations_per_address));
}

/* A called title that nobody has: the caller's first flow may list it. */
static bool add_called(FILE *f, const struct site *s, const struct refusal *r)
{
	const struct node *from = node_named(s, r->node);
	for (unsigned i = 0; from && i < s->n_flows; i++) {
		const struct flow *flow = &s->flows[i];
		bool has = false;
		for (unsigned j = 0; j < flow->n_from; j++) {
			has |= &s->nodes[flow->from[j]] == from;
		}
		if (!has) {
			continue;
		}
		fprintf(f,
			"flows:\n  - name: %s    # in line %u: this line in place of its own\n    called: [ ",
			flow->name, flow->line);
		for (unsigned j = 0; j < flow->called.n; j++) {
			yaml_word(f, flow->called.at[j]);
			fputs(", ", f);
		}
		yaml_word(f, r->called);
		fputs(" ]\n", f);
		return true;
	}
	return false;
}

static void tolerate_nul(FILE *f, const struct site *s, const struct refusal *r)
{
	const struct node *n = node_named(s, r->node);
	if (n && strstr(r->sentence, "nul-padding")) {
		fprintf(f,
			"nodes:\n  %s:    # in line %u: this line in place of its own\n    tolerate: [ nul-padding%s%s%s ]\n",
			n->name, n->line, n->tolerate & TOLERATE_AE_CASE ? ", ae-case" : "",
			n->tolerate & TOLERATE_PDU_OVERRUN ? ", pdu-overrun" : "",
			n->tolerate & TOLERATE_ODD_FRAGMENTS ? ", odd-fragments" : "");
	}
}

/* The one whose title it is but for the case of letters. */
static const struct node *node_in_other_case(const struct site *s, const char *calling)
{
	for (unsigned i = 0; i < s->n_nodes; i++) {
		if (names_have(&s->nodes[i].ae, calling, true) &&
			!names_have(&s->nodes[i].ae, calling, false)) {
			return &s->nodes[i];
		}
	}
	return NULL;
}

static bool tolerate_case(FILE *f, const struct site *s, const struct refusal *r)
{
	const struct node *n = strstr(r->sentence, "ae-case") ? node_in_other_case(s, r->calling) : NULL;
	if (!n) {
		return false;
	}
	fprintf(f,
		"nodes:\n  %s:    # in line %u: this line in place of its own\n    tolerate: [ ae-case%s%s%s ]\n",
		n->name, n->line, n->tolerate & TOLERATE_NUL_PADDING ? ", nul-padding" : "",
		n->tolerate & TOLERATE_PDU_OVERRUN ? ", pdu-overrun" : "",
		n->tolerate & TOLERATE_ODD_FRAGMENTS ? ", odd-fragments" : "");
	return true;
}

/* It called by TLS and its entry says plain: the entry is behind the times. */
static bool expect_tls(FILE *f, const struct site *s, const struct refusal *r)
{
	const struct node *n = NULL;
	for (unsigned i = 0; r->tls && i < s->n_nodes && !n; i++) {
		bool plain = s->nodes[i].transport == TRANSPORT_PLAIN;
		n = plain && names_have(&s->nodes[i].ae, r->calling, false) ? &s->nodes[i] : NULL;
	}
	if (!n) {
		return false;
	}
	fprintf(f, "nodes:\n  %s:    # in line %u: these lines in place of its own\n    transport: tls\n",
		n->name, n->line);
	if (r->san[0][0]) {
		fputs("    certificate: { san: [ ", f);
		yaml_word(f, r->san[0]);
		fputs(" ] }\n", f);
	} else if (r->spki[0]) {
		fprintf(f, "    certificate: { spki: [ sha256:%s ] }\n", r->spki);
	}
	return true;
}

/* The end date as it is, and only alarmed of. */
static void relax_ending(FILE *f, const struct site *s, const struct refusal *r)
{
	for (unsigned i = 0; i < s->n_nodes; i++) {
		const struct node *n = &s->nodes[i];
		time_t last = (time_t)(n->transport_until.until_s - 1);
		struct tm day;
		if (n->line == r->line && n->transport_until.until_s > 0 && localtime_r(&last, &day)) {
			fprintf(f,
				"nodes:\n  %s:    # in line %u: this line in place of its own\n    transport-until: { date: "
				"%04d-%02d-%02d, over: alarm }\n",
				n->name, n->line, day.tm_year + 1900, day.tm_mon + 1, day.tm_mday);
		}
	}
}

static void relax_expired(FILE *f, const struct site *s, const struct refusal *r)
{
	for (unsigned i = 0; i < s->n_nodes; i++) {
		if (s->nodes[i].line == r->line && s->nodes[i].expired == OVER_REFUSE) {
			fprintf(f,
				"nodes:\n  %s:    # in line %u: this line in place of its own\n    expired: alarm\n",
				s->nodes[i].name, s->nodes[i].line);
		}
	}
}

/* As from_learning(). */
static int write_lines(FILE *f, const struct site *s, const struct refusal *r)
{
	const struct flow *flow = flow_named(s, r->flow);
	switch ((enum rule)r->rule) {
	case RULE_CALLER_UNKNOWN:
		return tolerate_case(f, s, r) ? 0 : from_learning(f, s, r);
	case RULE_CALLER_TRANSPORT:
		return expect_tls(f, s, r) ? 0 : from_learning(f, s, r);
	case RULE_CALLER_ADDRESS:
	case RULE_CALLER_CERTIFICATE:
	case RULE_NO_FLOW:
	case RULE_SOP_CLASS:
	case RULE_TRANSFER_SYNTAX:
	case RULE_SERVICE:
	case RULE_DESTINATION:
		return from_learning(f, s, r);
	case RULE_CALLED_UNKNOWN:
		return add_called(f, s, r) ? 0 : from_learning(f, s, r);
	case RULE_ASSOCIATIONS:
	case RULE_ASSOCIATION_RATE:
		if (!flow) {
			relax_site(f, s);
			return 0;
		}
		relax_limit(f, flow, r->rule);
		return 0;
	case RULE_OBJECT_SIZE:
	case RULE_OBJECT_RATE:
	case RULE_BYTE_RATE:
	case RULE_HOURS:
	case RULE_UNTIL:
		if (flow) {
			relax_limit(f, flow, r->rule);
		}
		return 0;
	case RULE_QUERY_KEYS:
	case RULE_QUERY_MATCHES:
		if (flow) {
			relax_query(f, flow, r->rule);
		}
		return 0;
	case RULE_CONTENT:
		if (flow) {
			relax_content(f, flow, r);
		}
		return 0;
	case RULE_USER_IDENTITY:
		if (flow) {
			fprintf(f,
				"flows:\n  - name: %s    # in line %u: this line in place of its own\n    user-identity: { "
				"caller: ignore, called: %s }\n",
				flow->name, flow->line,
				flow->user_called == USER_STRIP ? "strip" : "forward");
		}
		return 0;
	case RULE_EXPIRED:
		relax_expired(f, s, r);
		return 0;
	case RULE_TRANSPORT_UNTIL:
		relax_ending(f, s, r);
		return 0;
	case RULE_MALFORMED:
		tolerate_nul(f, s, r);
		return 0;
	default:
		return 0;
	}
}

static const char allowed_by_now[] =
	"gantry.yaml allows this by now, as far as this record tells: `gantry reload` if the gateway has not read it since, "
	"and have the device try again.";

static const char *note_of(enum rule rule, bool tls)
{
	switch (rule) {
	case RULE_TLS:
		return "This failed before any rule was asked: no line of gantry.yaml but those under `tls:` has a part in it.";
	case RULE_CALLER_UNKNOWN:
	case RULE_CALLER_ADDRESS:
	case RULE_CALLER_CERTIFICATE:
		return "Write them only if you know that this device belongs here: a title is easily borrowed.";
	case RULE_CALLER_TRANSPORT:
		return tls ? "Whoever holds that certificate is then taken for the device: see that it is the device's."
		           : "Plain DICOM is readable by anyone on its way: rather set the device to TLS where it can.";
	case RULE_USER_IDENTITY:
		return "Better set the device to send who uses it.";
	case RULE_EXPIRED:
		return "Renew the certificate: no line lets anybody in anew with one that has expired.";
	case RULE_TRANSPORT_UNTIL:
		return "Move the device to TLS (docs/from-plain-to-tls.md), or give `transport-until` another date.";
	case RULE_CALLED_UNKNOWN:
		return "If the called title is a slip of the device, correct it there instead.";
	case RULE_OBJECT_SIZE:
	case RULE_OBJECT_RATE:
	case RULE_BYTE_RATE:
	case RULE_ASSOCIATIONS:
	case RULE_ASSOCIATION_RATE:
		return "So the limit alarms and lets pass; or set it higher.";
	case RULE_HOURS:
	case RULE_UNTIL:
		return "So the flow stays open and alarms; or change its `hours` or `until`.";
	case RULE_QUERY_KEYS:
		return "So the guard is gone; better fill in one of the keys at the device.";
	case RULE_QUERY_MATCHES:
		return "Better ask more narrowly at the device.";
	case RULE_CONTENT:
		return "See what the check means (docs/refused-object.md); `gantry inspect` says the same of a file.";
	case RULE_UNJUDGED:
		return "Sent again it may pass: see the log for what was missing; `inspect: fail` says what happens then.";
	case RULE_DEIDENTIFY:
		return "Its flow de-identifies what passes; `gantry deidentify` with the same options says the same of a file. Where text is "
		       "in pixels, rules of the site say: `pixel-rules` (docs/pixel-cleaning.md). Queries are to ask by patient ID "
		       "or UIDs.";
	case RULE_SIGN:
		return "Its flow signs what passes; `gantry sign` says the same of a file, and `sign: when-unable` what happens then.";
	case RULE_SIGN_KEY:
		return "Sent again it may pass: see the key holder's lines in the log; `sign: when-unable` says what happens then.";
	case RULE_HELD_OFF:
		return "No line of gantry.yaml helps: look for crash reports of associations in the log.";
	case RULE_STOPPING:
		return "The gateway was being stopped; the device will call again.";
	case RULE_UPSTREAM_DOWN:
	case RULE_UPSTREAM_TLS:
	case RULE_UPSTREAM_REJECTED:
	case RULE_UPSTREAM_CONTEXT:
	case RULE_UPSTREAM_LOST:
		return "This came from the called node, not from a rule: no line of gantry.yaml allows it.";
	case RULE_APPLICATION_CONTEXT:
	case RULE_PROTOCOL_VERSION:
	case RULE_MALFORMED:
		return "The device does not follow the standard here; observe mode does not soften that.";
	default:
		return "";
	}
}

static bool keeps_none(const struct site *s, const struct refusal *r)
{
	const struct flow *flow = flow_named(s, r->flow);
	return flow && (!flow->inspect || flow->inspect->strictest != ACTION_QUARANTINE);
}

int suggest(const struct site *s, const struct refusal *r, struct suggestion *ret_suggestion)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	if (!f) {
		return ERR_NO_MEMORY;
	}
	int err = write_lines(f, s, r);
	bool bad = ferror(f) != 0;
	if (fclose(f) != 0 || bad || err < 0) {
		free(text);
		return ERR_NO_MEMORY;
	}
	*ret_suggestion = (struct suggestion){.yaml = text,
		.note = err > 0 ? allowed_by_now : note_of(r->rule, r->tls),
		.keeps_none = keeps_none(s, r)};
	return 0;
}

void suggestion_done(struct suggestion *g)
{
	free(g->yaml);
	*g = (struct suggestion){0};
}
