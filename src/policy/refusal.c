/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/refusal.h"
#include "base/clock.h"
#include "base/log.h"
#include "policy/facts.h"

#include <jansson.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* A line of the ledger is at most this long; the fields' own sizes, every byte escaped, come to less. */
#define LEDGER_LINE (32u * 1024)

/* The strings of a refusal: one row gives writing, reading, the log and the comparison. */
struct text_row {
	const char *fact;
	size_t offset, size;
	bool same; /* counts when two refusals are compared */
};

#define TEXT(fact_, field_, same_)                                                                           \
	{                                                                                                    \
		(fact_), offsetof(struct refusal, field_), sizeof(((struct refusal *)0)->field_), (same_)    \
	}

static const struct text_row texts[] = {
	TEXT(FACT_FROM, address, true), TEXT(FACT_CALLING, calling, true), TEXT(FACT_CALLED, called, true),
	TEXT(FACT_NODE, node, true), TEXT(FACT_TARGET, target, true), TEXT(FACT_FLOW, flow, true),
	TEXT(FACT_LISTENER, listener, true), TEXT(FACT_SUBJECT, subject, true), TEXT(FACT_SAN, san[0], true),
	TEXT(FACT_SAN_2, san[1], true), TEXT(FACT_SAN_3, san[2], true), TEXT(FACT_SAN_4, san[3], true),
	TEXT(FACT_SPKI, spki, true), TEXT(FACT_CERTIFICATE, certificate, true),
	/* As the certificate, which is compared. */
	TEXT(FACT_SERIAL, serial, false), TEXT(FACT_ISSUER, issuer, false), TEXT(FACT_SERVICE, service, true),
	TEXT(FACT_SOP_CLASS, sop_class, true), TEXT(FACT_TRANSFER_SYNTAX, transfer_syntax, true),
	TEXT(FACT_DESTINATION, destination, true), TEXT(FACT_ANSWERED, answered, false),
	TEXT(FACT_SENTENCE, sentence, false), /* may hold counts */
};

static const char *text_of(const struct refusal *r, const struct text_row *row)
{
	return (const char *)r + row->offset;
}

static const char *decision_of(const struct refusal *r)
{
	if (r->rule == RULE_NONE) {
		return DECISION_ALLOW;
	}
	return r->observed ? DECISION_OBSERVE : r->alarm ? DECISION_ALARM : DECISION_REFUSE;
}

/* The same words, whatever the numbers in them. */
static bool same_but_for_numbers(const char *a, const char *b)
{
	for (;;) {
		a += strspn(a, "0123456789");
		b += strspn(b, "0123456789");
		if (*a != *b) {
			return false;
		}
		if (*a == '\0') {
			return true;
		}
		a++;
		b++;
	}
}

bool refusal_same(const struct refusal *a, const struct refusal *b)
{
	bool same =
		a->rule == b->rule && a->observed == b->observed && a->alarm == b->alarm && a->tls == b->tls;
	for (size_t i = 0; same && i < ARRAY_LEN(texts); i++) {
		same = !texts[i].same ||
		       strncmp(text_of(a, &texts[i]), text_of(b, &texts[i]), texts[i].size) == 0;
	}
	/*
	 * A policy's sentence may hold counts. A fault's sentence is the fault, and a user's why it was not proved, and a certificate's whose it is: another
	 * one is not hidden under its number, nor one check under another's, nor a full disk under a silent scanner, nor what
	 * the called node does not accept under a rule that was missing.
	 */
	bool counts = rule_is_policy((enum rule)a->rule) && a->rule != RULE_USER_IDENTITY &&
	              a->rule != RULE_CONTENT && a->rule != RULE_EXPIRED;
	if (a->rule == RULE_UNJUDGED || a->rule == RULE_DEIDENTIFY || a->rule == RULE_SIGN ||
		a->rule == RULE_SIGN_KEY) {
		return same && same_but_for_numbers(a->sentence, b->sentence);
	}
	return same && (counts || strcmp(a->sentence, b->sentence) == 0);
}

/* JSON must be UTF-8, and a certificate's subject may be anything: what is none loses its high bytes. */
static json_t *json_text(const char *s, size_t cap)
{
	char copy[VERDICT_SENTENCE];
	size_t n = strnlen(s, cap < sizeof(copy) ? cap : sizeof(copy) - 1);
	json_t *j = json_stringn(s, n);
	if (j) {
		return j;
	}
	memcpy(copy, s, n);
	for (size_t i = 0; i < n; i++) {
		copy[i] = (unsigned char)copy[i] < 0x80 ? copy[i] : '?';
	}
	return json_stringn(copy, n);
}

/* One line of text with its end. Takes the object. */
static int dump(json_t *object, bool whole, char **ret_text)
{
	char *text = whole ? json_dumps(object, JSON_COMPACT) : NULL;
	json_decref(object);
	if (!text) {
		return ERR_NO_MEMORY;
	}
	size_t n = strlen(text);
	char *line = realloc(text, n + 2);
	if (!line) {
		free(text);
		return ERR_NO_MEMORY;
	}
	memcpy(line + n, "\n", 2);
	*ret_text = line;
	return 0;
}

static bool put_number(json_t *o, const char *fact, int64_t v)
{
	return json_object_set_new(o, fact, json_integer(v)) == 0;
}

int refusal_to_json(const struct refusal *r, char **ret_text)
{
	char when[CLOCK_ISO_LEN];
	json_t *o = json_object();
	clock_iso(r->first_ms, when);
	bool ok = o && put_number(o, FACT_NUMBER, (int64_t)r->number) &&
	          put_number(o, FACT_COUNT, (int64_t)r->count) &&
	          json_object_set_new(o, FACT_TIME, json_string(when)) == 0 &&
	          put_number(o, FACT_FIRST_MS, r->first_ms) && put_number(o, FACT_LAST_MS, r->last_ms) &&
	          json_object_set_new(o, FACT_DECISION, json_string(decision_of(r))) == 0 &&
	          json_object_set_new(o, FACT_RULE, json_string(rule_name(r->rule))) == 0 &&
	          json_object_set_new(o, FACT_TRANSPORT, json_string(r->tls ? "tls" : "plain")) == 0 &&
	          put_number(o, FACT_PORT, r->port) && put_number(o, FACT_LINE, r->line);
	for (size_t i = 0; ok && i < ARRAY_LEN(texts); i++) {
		if (text_of(r, &texts[i])[0]) {
			ok = json_object_set_new(
				     o, texts[i].fact, json_text(text_of(r, &texts[i]), texts[i].size)) == 0;
		}
	}
	return dump(o, ok, ret_text);
}

int refusal_count_to_json(uint64_t number, uint64_t count, int64_t last_ms, char **ret_text)
{
	json_t *o = json_object();
	bool ok = o && put_number(o, FACT_NUMBER, (int64_t)number) &&
	          put_number(o, FACT_COUNT, (int64_t)count) && put_number(o, FACT_LAST_MS, last_ms);
	return dump(o, ok, ret_text);
}

/* A whole number of at most `most`; absent is 0. */
static bool get_number(const json_t *o, const char *fact, int64_t most, int64_t *ret)
{
	const json_t *v = json_object_get(o, fact);
	if (v && (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > most)) {
		return false;
	}
	*ret = v ? json_integer_value(v) : 0;
	return true;
}

static bool get_text(const json_t *o, const struct text_row *row, struct refusal *r)
{
	const json_t *v = json_object_get(o, row->fact);
	if (!v) {
		return true;
	}
	if (!json_is_string(v) || json_string_length(v) >= row->size ||
		strlen(json_string_value(v)) != json_string_length(v)) {
		return false;
	}
	memcpy((char *)r + row->offset, json_string_value(v), json_string_length(v));
	return true;
}

static const char *get_word(const json_t *o, const char *fact)
{
	const char *s = json_string_value(json_object_get(o, fact));
	return s ? s : "";
}

static int read_object(const json_t *o, struct refusal *r, bool *ret_is_count)
{
	int64_t number, count, port, line;
	if (!get_number(o, FACT_NUMBER, INT64_MAX, &number) ||
		!get_number(o, FACT_COUNT, INT64_MAX, &count) ||
		!get_number(o, FACT_LAST_MS, INT64_MAX, &r->last_ms) ||
		!get_number(o, FACT_FIRST_MS, INT64_MAX, &r->first_ms) ||
		!get_number(o, FACT_PORT, UINT16_MAX, &port) ||
		!get_number(o, FACT_LINE, UINT32_MAX, &line)) {
		return ERR_VALUE;
	}
	r->number = (uint64_t)number;
	r->count = (uint64_t)count;
	r->port = (uint16_t)port;
	r->line = (uint32_t)line;
	*ret_is_count = !json_object_get(o, FACT_RULE);
	if (*ret_is_count) {
		return number > 0 && count > 0 ? 0 : ERR_MISSING;
	}
	enum rule rule = rule_by_name(get_word(o, FACT_RULE));
	if (rule == RULE_COUNT) {
		return ERR_VALUE;
	}
	r->rule = (uint8_t)rule;
	r->tls = strcmp(get_word(o, FACT_TRANSPORT), "tls") == 0;
	r->observed = strcmp(get_word(o, FACT_DECISION), DECISION_OBSERVE) == 0;
	r->alarm = strcmp(get_word(o, FACT_DECISION), DECISION_ALARM) == 0;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		if (!get_text(o, &texts[i], r)) {
			return ERR_VALUE;
		}
	}
	return 0;
}

int refusal_from_json(struct span line, struct refusal *ret_refusal, bool *ret_is_count)
{
	struct refusal r = {0};
	bool is_count = false;
	json_error_t why;
	if (line.len > LEDGER_LINE) {
		return ERR_LIMIT;
	}
	json_t *o = json_loadb((const char *)line.ptr, line.len, JSON_REJECT_DUPLICATES, &why);
	if (!o) {
		return ERR_VALUE;
	}
	int err = json_is_object(o) ? read_object(o, &r, &is_count) : ERR_TYPE;
	json_decref(o);
	if (err < 0) {
		return err;
	}
	*ret_refusal = r;
	*ret_is_count = is_count;
	return 0;
}

unsigned refusal_log_fields(const struct refusal *r, struct log_field ret_fields[REFUSAL_LOG_FIELDS])
{
	unsigned n = 0;
	ret_fields[n++] = LOG_TEXT(FACT_DECISION, decision_of(r));
	if (r->rule != RULE_NONE) {
		ret_fields[n++] = LOG_TEXT(FACT_RULE, rule_name(r->rule));
		ret_fields[n++] = LOG_NUMBER(FACT_NUMBER, (int64_t)r->number);
	}
	if (r->count > 1) {
		ret_fields[n++] = LOG_NUMBER(FACT_COUNT, (int64_t)r->count);
	}
	ret_fields[n++] = LOG_TEXT(FACT_TRANSPORT, r->tls ? "tls" : "plain");
	ret_fields[n++] = LOG_NUMBER(FACT_PORT, r->port);
	if (r->line) {
		ret_fields[n++] = LOG_NUMBER(FACT_LINE, r->line);
	}
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		/* The sentence is the line's own message. */
		if (text_of(r, &texts[i])[0] && strcmp(texts[i].fact, FACT_SENTENCE) != 0) {
			ret_fields[n++] = LOG_TEXT(texts[i].fact, text_of(r, &texts[i]));
		}
	}
	static_assert(ARRAY_LEN(texts) + 7 <= REFUSAL_LOG_FIELDS, "every field has room");
	return n;
}
