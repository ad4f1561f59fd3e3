/* SPDX-License-Identifier: Apache-2.0 */
#include "audit_event_made.h"

#include <jansson.h>
#include <stdlib.h>

/*
 * Prints messages of all kinds, for audit_messages.py to check: a line of JSON with what was told, a line with the message.
 */

static void put_party(json_t *o, const char *name, const struct audit_party *p)
{
	json_object_set_new(o, name,
		json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "node", p->node, "ae", p->ae, "address",
			p->address, "subject", p->subject, "serial", p->serial, "issuer", p->issuer));
}

/* Written by itself, not by what is tested. */
static void put_fingerprint(json_t *o, const char *name, const struct audit_fingerprint *f)
{
	char hex[2 * AUDIT_FINGERPRINT + 1] = "";
	for (unsigned i = 0; f->known && i < AUDIT_FINGERPRINT; i++) {
		snprintf(hex + (size_t)2 * i, 3, "%02x", f->at[i]);
	}
	json_object_set_new(o, name, json_string(hex));
}

static json_t *told(const struct audit_event *ev)
{
	json_t *o = json_pack("{s:s, s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:b, s:b, s:s, s:b}", "kind",
		audit_kind_name(ev->kind), "outcome", (int)ev->outcome, "alert", (int)ev->alert, "time_ms",
		(json_int_t)ev->time_ms, "association", (json_int_t)ev->association, "refusal",
		(json_int_t)ev->refusal, "times", (json_int_t)ev->times, "failed", (json_int_t)ev->failed,
		"to_caller", ev->to_caller, "by_to", ev->by_to, "user", ev->user, "proved", ev->user_proved);
	json_t *rest = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:[], s:[]}", "patient_id",
		ev->patient_id, "patient_issuer", ev->patient_issuer, "patient_name", ev->patient_name,
		"study", ev->study, "query_class", ev->query_class, "query_syntax", ev->query_syntax, "text",
		ev->text, "object", ev->object, "accession", "sop");
	put_party(o, "from", &ev->from);
	put_party(o, "to", &ev->to);
	put_fingerprint(o, "from_certificate", &ev->from_certificate);
	put_fingerprint(o, "to_certificate", &ev->to_certificate);
	for (unsigned i = 0; i < ev->n_accession; i++) {
		json_array_append_new(json_object_get(rest, "accession"), json_string(ev->accession[i]));
	}
	for (unsigned i = 0; i < ev->n_sop; i++) {
		json_array_append_new(json_object_get(rest, "sop"),
			json_pack("[s, I]", ev->sop[i].uid, (json_int_t)ev->sop[i].instances));
	}
	char hex[2 * 3000 + 1] = "";
	for (size_t i = 0; i < ev->query.len; i++) {
		snprintf(hex + 2 * i, 3, "%02x", ev->query.ptr[i]);
	}
	json_object_set_new(rest, "query", json_string(hex));
	json_object_update(o, rest);
	json_decref(rest);
	return o;
}

static int print(const struct audit_event *ev, unsigned source)
{
	static uint8_t buf[AUDIT_XML_MOST];
	size_t len;
	if (audit_xml_write(ev, made_source(source), buf, sizeof(buf), &len) != 0) {
		return -1;
	}
	json_t *o = told(ev);
	char *line = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(o);
	if (!line) {
		return -1;
	}
	printf("%s\n%.*s\n", line, (int)len, (const char *)buf);
	free(line);
	return 0;
}

int main(void)
{
	static struct audit_event ev;
	for (int kind = AUDIT_START; kind < AUDIT_KIND_COUNT; kind++) {
		for (unsigned i = 0; kind != AUDIT_PROGRESS && i < 4 * MADE_STYLES * 10; i++) {
			made_event(i, (enum audit_kind)kind, made_outcomes[i % 4],
				(enum made_style)(i / 4 % MADE_STYLES), &ev);
			if (print(&ev, i / 20) != 0) {
				fprintf(stderr, "%s %u could not be written\n", audit_kind_name(ev.kind), i);
				return 1;
			}
		}
	}
	return 0;
}
