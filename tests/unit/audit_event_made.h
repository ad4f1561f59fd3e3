/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_EVENT_MADE_H
#define AUDIT_EVENT_MADE_H

#include "audit/event.h"
#include "audit/xml.h"

#include <stdio.h>
#include <string.h>

/* Events of all kinds for tests: the same number makes the same event. Each text is there or not, by chance. */

enum made_style {
	MADE_PLAIN,
	MADE_XML,    /* what XML has a meaning for */
	MADE_FAR,    /* beyond the basic plane, and what looks like other things */
	MADE_SPACES, /* nothing but spaces, which is nothing */
	MADE_LONG,   /* as long as its place */
	MADE_STYLES,
};

static const char *const made_texts[MADE_STYLES] = {"Doe^Jane", "<>&\"']]><!--%s;\\&lt;&#0;<?x ?>",
	"\xf0\x9f\xa9\xbb\xe5\xb1\xb1\xe7\x94\xb0\xc3\xa9\xf4\x8f\xbf\xbd\xe2\x80\xae\xc2\xa0", "   ", ""};

struct made {
	uint64_t state;
	enum made_style style;
};

static inline uint32_t made_number(struct made *m)
{
	/* splitmix64 */
	uint64_t z = (m->state += 0x9e3779b97f4a7c15u);
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (uint32_t)(z ^ z >> 31);
}

static inline bool made_chance(struct made *m)
{
	return made_number(m) % 3 != 0;
}

static inline void made_text(struct made *m, char *to, size_t cap, const char *plain)
{
	const char *text = m->style == MADE_PLAIN ? plain : made_texts[m->style];
	if (!made_chance(m)) {
		return;
	}
	if (m->style == MADE_LONG) {
		memset(to, '&', cap - 1);
		return;
	}
	audit_text_set(to, cap, span_str(text));
	if (m->style == MADE_SPACES && cap > 3) {
		memcpy(to, text, 4);
	}
}

#define MADE_TEXT(m, field, plain) made_text(m, field, sizeof(field), plain)

static inline void made_party(struct made *m, struct audit_party *p, const char *node, const char *address)
{
	MADE_TEXT(m, p->node, node);
	MADE_TEXT(m, p->ae, "CT1 A/B");
	if (made_chance(m)) {
		snprintf(p->address, sizeof(p->address), "%s", address);
	}
	MADE_TEXT(m, p->subject, "CN=ct1,O=Hospital");
	MADE_TEXT(m, p->serial, "4f2a00ff");
	if (p->serial[0]) {
		MADE_TEXT(m, p->issuer, "CN=Hospital CA,O=Hospital");
	}
}

static inline void made_fingerprint(struct made *m, struct audit_fingerprint *f)
{
	f->known = made_chance(m);
	for (unsigned i = 0; f->known && i < sizeof(f->at); i++) {
		f->at[i] = (uint8_t)made_number(m);
	}
}

static inline void made_lists(struct made *m, struct audit_event *ev)
{
	static const unsigned accessions[] = {0, 1, AUDIT_ACCESSIONS}, classes[] = {0, 1, 3, AUDIT_CLASSES};
	ev->n_accession = accessions[made_number(m) % ARRAY_LEN(accessions)];
	for (unsigned i = 0; i < ev->n_accession; i++) {
		MADE_TEXT(m, ev->accession[i], "A1234");
	}
	ev->n_sop = classes[made_number(m) % ARRAY_LEN(classes)];
	for (unsigned i = 0; i < ev->n_sop; i++) {
		MADE_TEXT(m, ev->sop[i].uid, "1.2.840.10008.5.1.4.1.1.2");
		ev->sop[i].instances = made_number(m) >> (made_number(m) % 32);
	}
}

static inline void made_event(uint64_t seed, enum audit_kind kind, enum audit_outcome outcome,
	enum made_style style, struct audit_event *ev)
{
	static uint8_t query[3000];
	static const enum audit_alert alerts[] = {ALERT_NODE_AUTHENTICATION, ALERT_NETWORK_CONFIGURATION,
		ALERT_SECURITY_CONFIGURATION, ALERT_SOFTWARE_CONFIGURATION, ALERT_RESTRICTED_FUNCTION,
		ALERT_RECORDING_STOPPED, ALERT_RECORDING_STARTED};
	static const char *const objects[] = {"/etc/gantry/gantry yaml", "rule \"ct\" #3",
		"https://x.example/a b?q=1", "DVD LABEL 7", "mailto:a@b.example", "Tape 9", "film", "usb"};
	struct made m = {.state = seed * 1000003 + kind * 101u + outcome * 7u + style, .style = style};
	memset(ev, 0, sizeof(*ev));
	ev->kind = kind;
	ev->outcome = outcome;
	ev->alert = kind == AUDIT_ALERT ? alerts[made_number(&m) % ARRAY_LEN(alerts)] : (enum audit_alert)0;
	ev->time_ms = 1795640000000 + made_number(&m);
	ev->association = made_chance(&m) ? made_number(&m) : 0;
	ev->refusal = made_chance(&m) ? made_number(&m) : 0;
	ev->times = made_number(&m) % 4;
	made_party(&m, &ev->from, "ct1", "192.0.2.7");
	made_party(&m, &ev->to, "archive", "2001:db8::1");
	ev->to_caller = made_chance(&m);
	ev->by_to = made_number(&m) % 3 == 0;
	MADE_TEXT(&m, ev->user, "jane");
	ev->user_proved = made_chance(&m);
	ev->anonymized = made_chance(&m);
	ev->encrypted = made_chance(&m);
	made_fingerprint(&m, &ev->from_certificate);
	made_fingerprint(&m, &ev->to_certificate);
	MADE_TEXT(&m, ev->patient_id, "PID0815");
	MADE_TEXT(&m, ev->patient_issuer, "HOSPITAL");
	MADE_TEXT(&m, ev->patient_name, made_texts[MADE_PLAIN]);
	MADE_TEXT(&m, ev->study, "1.2.3.4");
	made_lists(&m, ev);
	ev->failed = made_chance(&m) ? 0 : made_number(&m);
	MADE_TEXT(&m, ev->query_class, "1.2.840.10008.5.1.4.31");
	MADE_TEXT(&m, ev->query_syntax, "1.2.840.10008.1.2.1");
	for (size_t i = 0; i < sizeof(query); i++) {
		query[i] = (uint8_t)(i * 7);
	}
	ev->query = span_of(query, made_chance(&m) ? made_number(&m) % sizeof(query) : 0);
	MADE_TEXT(&m, ev->text, "it was so");
	MADE_TEXT(&m, ev->object, objects[made_number(&m) % ARRAY_LEN(objects)]);
}

/* Two sources: all there is, and as little as may be. */
static inline const struct audit_source *made_source(unsigned which)
{
	static const char *const ae[] = {"GANTRY", "", "ARCHIVE<&>"};
	static const struct audit_source sources[] = {{.site = "Hospital \"North\" & <South>",
							      .id = "gantry1",
							      .type = 4,
							      .host = "gw.hospital.example",
							      .address = "192.0.2.1",
							      .ae = ae,
							      .n_ae = ARRAY_LEN(ae),
							      .process = 4711},
		{.id = "g", .host = "h"}};
	return &sources[which % 2];
}

static const enum audit_outcome made_outcomes[] = {AUDIT_SUCCESS, AUDIT_MINOR, AUDIT_SERIOUS, AUDIT_MAJOR};

#endif
