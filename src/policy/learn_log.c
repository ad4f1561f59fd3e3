/* SPDX-License-Identifier: Apache-2.0 */
#include "base/limits.h"
#include "policy/facts.h"
#include "policy/learn.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A decision's line of the log, read back: as JSON, or as base/log.h's text. */

static void set_text(struct refusal *r, const char *key, const char *value)
{
	const struct {
		const char *fact;
		char *to;
		size_t cap;
	} rows[] = {
		{FACT_FROM, r->address, sizeof(r->address)},
		{FACT_CALLING, r->calling, sizeof(r->calling)},
		{FACT_CALLED, r->called, sizeof(r->called)},
		{FACT_NODE, r->node, sizeof(r->node)},
		{FACT_TARGET, r->target, sizeof(r->target)},
		{FACT_FLOW, r->flow, sizeof(r->flow)},
		{FACT_SAN, r->san[0], sizeof(r->san[0])},
		{FACT_SAN_2, r->san[1], sizeof(r->san[1])},
		{FACT_SAN_3, r->san[2], sizeof(r->san[2])},
		{FACT_SAN_4, r->san[3], sizeof(r->san[3])},
		{FACT_SPKI, r->spki, sizeof(r->spki)},
		{FACT_SERVICE, r->service, sizeof(r->service)},
		{FACT_SOP_CLASS, r->sop_class, sizeof(r->sop_class)},
		{FACT_TRANSFER_SYNTAX, r->transfer_syntax, sizeof(r->transfer_syntax)},
		{FACT_DESTINATION, r->destination, sizeof(r->destination)},
	};
	size_t n = strlen(value);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (strcmp(rows[i].fact, key) == 0 && n < rows[i].cap) {
			memcpy(rows[i].to, value, n + 1);
		}
	}
	if (strcmp(key, FACT_TRANSPORT) == 0) {
		r->tls = strcmp(value, "tls") == 0;
	}
}

static bool passes(const char *decision)
{
	return strcmp(decision, DECISION_ALLOW) == 0 || strcmp(decision, DECISION_OBSERVE) == 0 ||
	       strcmp(decision, DECISION_ALARM) == 0;
}

static bool read_json(struct span line, struct refusal *r)
{
	json_error_t why;
	bool is = false;
	json_t *o = json_loadb((const char *)line.ptr, line.len, 0, &why);
	const char *event = json_string_value(json_object_get(o, "event"));
	const char *decision = json_string_value(json_object_get(o, FACT_DECISION));
	if (event && decision && strcmp(event, FACT_EVENT) == 0 && passes(decision)) {
		const char *key;
		json_t *v;
		is = true;
		json_object_foreach(o, key, v)
		{
			if (json_is_string(v)) {
				set_text(r, key, json_string_value(v));
			}
		}
	}
	json_decref(o);
	return is;
}

/* The next word, or "quoted" value with \" \\ and \u00xx; moves *s behind it. False at the end, or when it is too long. */
static bool next_value(const char **s, const char *end, char *buf, size_t cap)
{
	const char *p = *s;
	size_t n = 0;
	bool quoted = p < end && *p == '"';
	p += quoted;
	while (p < end && (quoted ? *p != '"' : !isspace((unsigned char)*p))) {
		unsigned char c = (unsigned char)*p++;
		if (quoted && c == '\\' && end - p >= 5 && *p == 'u') {
			char hex[5] = {p[1], p[2], p[3], p[4], '\0'};
			c = (unsigned char)strtoul(hex, NULL, 16);
			p += 5;
		} else if (quoted && c == '\\' && p < end) {
			c = (unsigned char)*p++;
		}
		if (n + 1 >= cap || c == '\0') {
			return false;
		}
		buf[n++] = (char)c;
	}
	buf[n] = '\0';
	*s = quoted && p < end ? p + 1 : p;
	return true;
}

static void skip_spaces(const char **s, const char *end)
{
	while (*s < end && isspace((unsigned char)**s)) {
		(*s)++;
	}
}

/* "TIME LEVEL ROLE decision key=value key=\"value\" … \"sentence\"" */
static bool read_text(struct span line, struct refusal *r)
{
	const char *s = (const char *)line.ptr, *end = s + line.len;
	char key[64], value[1024];
	bool passed = false;
	for (unsigned i = 0; i < 4; i++) {
		skip_spaces(&s, end);
		if (!next_value(&s, end, key, sizeof(key))) {
			return false;
		}
	}
	if (strcmp(key, FACT_EVENT) != 0) {
		return false;
	}
	for (;;) {
		skip_spaces(&s, end);
		const char *equals = s < end && *s != '"' ? memchr(s, '=', (size_t)(end - s)) : NULL;
		if (!equals || (size_t)(equals - s) >= sizeof(key)) {
			return passed;
		}
		memcpy(key, s, (size_t)(equals - s));
		key[equals - s] = '\0';
		s = equals + 1;
		if (!next_value(&s, end, value, sizeof(value))) {
			return passed;
		}
		passed |= strcmp(key, FACT_DECISION) == 0 && passes(value);
		set_text(r, key, value);
	}
}

int learn_log_line(struct learn *l, struct span line)
{
	struct refusal r = {0};
	size_t from = 0;
	while (from < line.len && isspace(line.ptr[from])) {
		from++;
	}
	if (from == line.len || line.len > 4 * LIMIT_LOG_LINE) {
		return 0;
	}
	bool json = line.ptr[from] == '{';
	if (!json && line.ptr[line.len - 1] != '\n') {
		return 0; /* cut: its last value may be half a UID */
	}
	if (!(json ? read_json(line, &r) : read_text(line, &r))) {
		return 0;
	}
	int err = learn_add(l, &r);
	return err < 0 ? err : 1;
}

/* "2026-11-26T21:35:43.307Z", of base/log.h. */
static bool is_time(const char *s)
{
	static const char form[] = "0000-00-00T00:00:00.000Z";
	for (size_t i = 0; i < sizeof(form); i++) {
		if (form[i] == '0' ? !isdigit((unsigned char)s[i]) : form[i] != s[i]) {
			return false;
		}
	}
	return true;
}

bool learn_is_log_line(struct span line)
{
	static const char *const levels[] = {"debug", "info", "notice", "warning", "error"};
	const char *s = (const char *)line.ptr, *end = s + line.len;
	char time[32] = "", level[16] = "";
	skip_spaces(&s, end);
	if (s < end && *s == '{' && line.len <= 4 * LIMIT_LOG_LINE) {
		json_t *o = json_loadb(s, (size_t)(end - s), 0, NULL);
		const char *at = json_string_value(json_object_get(o, "time"));
		const char *as = json_string_value(json_object_get(o, "level"));
		snprintf(time, sizeof(time), "%s", at ? at : "");
		snprintf(level, sizeof(level), "%s", as ? as : "");
		json_decref(o);
	} else if (next_value(&s, end, time, sizeof(time))) {
		skip_spaces(&s, end);
		if (!next_value(&s, end, level, sizeof(level))) {
			return false;
		}
	}
	for (unsigned i = 0; i < ARRAY_LEN(levels); i++) {
		if (strcmp(levels[i], level) == 0) {
			return is_time(time);
		}
	}
	return false;
}
