/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/quarantine_json.h"
#include "inspect/check.h"

#include <stdio.h>
#include <time.h>

static void set_text(json_t *o, const char *key, const char *text)
{
	(void)json_object_set_new(o, key, json_string(text));
}

static void set_number(json_t *o, const char *key, uint64_t n)
{
	(void)json_object_set_new(o, key, json_integer((json_int_t)n));
}

/* UTC, as machines read it; null: never. */
static void set_time(json_t *o, const char *key, int64_t ms)
{
	char text[32];
	time_t s = (time_t)(ms / 1000);
	struct tm tm;
	bool ok = ms > 0 && gmtime_r(&s, &tm) && strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) > 0;
	(void)json_object_set_new(o, key, ok ? json_string(text) : json_null());
}

static json_t *person(const struct quarantine_person *p)
{
	if (!p->has) {
		return json_null();
	}
	json_t *o = json_object();
	set_text(o, "name", p->name);
	set_number(o, "uid", p->uid);
	set_time(o, "at", p->at_ms);
	return o;
}

static json_t *findings(const struct facts *f)
{
	json_t *list = json_array();
	for (unsigned i = 0; i < f->n_findings; i++) {
		const struct facts_finding *one = &f->finding[i];
		json_t *o = json_object();
		set_text(o, "check", one->check);
		set_text(o, "severity", inspect_severity_name((enum inspect_severity)one->severity));
		set_text(o, "sentence", one->sentence);
		set_text(o, "path", one->path);
		set_number(o, "offset", one->offset);
		set_text(o, "excerpt", one->excerpt);
		(void)json_array_append_new(list, o);
	}
	return list;
}

static void set_facts(json_t *o, const struct facts *f)
{
	const struct {
		const char *key, *text;
	} texts[] = {{"why", f->why}, {"flow", f->flow}, {"from", f->from}, {"to", f->to},
		{"calling", f->calling}, {"called", f->called}, {"address", f->address},
		{"certificate", f->subject}, {"fingerprint", f->certificate}, {"serial", f->serial},
		{"issuer", f->issuer}, {"user", f->user}, {"sop_class", f->sop_class},
		{"sop_instance", f->sop_instance}, {"transfer_syntax", f->transfer_syntax},
		{"patient_id", f->patient_id}, {"patient_name", f->patient_name}, {"study", f->study}};
	for (unsigned i = 0; i < ARRAY_LEN(texts); i++) {
		set_text(o, texts[i].key, texts[i].text);
	}
	set_time(o, "judged", f->time_ms);
	set_number(o, "refusal", f->refusal);
	set_number(o, "association", f->association);
	(void)json_object_set_new(o, "user_proved", json_boolean(f->user_proved));
	(void)json_object_set_new(o, "findings", findings(f));
}

static void set_hash(json_t *o, const uint8_t sha256[32])
{
	char text[65] = "";
	for (unsigned i = 0; i < 32; i++) {
		snprintf(text + (size_t)2 * i, 3, "%02x", sha256[i]);
	}
	set_text(o, "sha256", text);
}

json_t *quarantine_json(const struct quarantine_item *item, int e)
{
	const struct quarantine_state *s = &item->state;
	json_t *o = json_object();
	set_number(o, "number", item->object.number);
	set_number(o, "file_bytes", item->object.bytes);
	if (e != 0) {
		set_text(o, "state", "damaged");
		set_text(o, "error", err_str(e));
		return o;
	}
	set_text(o, "state", quarantine_word(s));
	set_time(o, "first", s->first_ms);
	set_time(o, "last", s->last_ms);
	set_number(o, "count", s->count);
	set_number(o, "last_refusal", s->last_refusal);
	set_number(o, "bytes", s->size);
	set_hash(o, s->sha256);
	(void)json_object_set_new(o, "asked", person(&s->asked));
	(void)json_object_set_new(o, "approved", person(&s->approved));
	set_time(o, "delivery", s->ended_ms);
	set_text(o, "outcome", s->outcome);
	set_facts(o, &item->facts);
	return o;
}
