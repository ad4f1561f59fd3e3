/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/xml.h"

#include "audit/xml_parts.h"
#include "base/clock.h"

#include <string.h>

/* Who is marked as the one that began it (A.5.2, UserIsRequestor: one at most). */
enum requests {
	REQUESTS_NOBODY,
	REQUESTS_CALLER, /* the side that asked: its user if it is proved, otherwise its node */
	REQUESTS_ONE,  /* the same, and the gateway where nobody is known (A.5.3.4.1, A.5.3.5: exactly one) */
	REQUESTS_USER, /* the user, proved or not */
	REQUESTS_LOCAL, /* the user, or the gateway where there is none */
};

static const struct message {
	enum audit_code id;
	const char *action; /* EventActionCode */
	enum audit_code type;
	enum requests requests;
	xml_part *who, *what; /* no `what`: there are no objects, and numbers go into the sentence */
} messages[AUDIT_KIND_COUNT] = {
	[AUDIT_START] = {CODE_APPLICATION_ACTIVITY, "E", CODE_APPLICATION_START, REQUESTS_USER,
		xml_who_activity},
	[AUDIT_STOP] = {CODE_APPLICATION_ACTIVITY, "E", CODE_APPLICATION_STOP, REQUESTS_USER,
		xml_who_activity},
	[AUDIT_BEGIN] = {CODE_BEGIN_TRANSFERRING_DICOM_INSTANCES, "E", CODE_NONE, REQUESTS_CALLER,
		xml_who_transfer, xml_what_transfer},
	/* "R": the audit source is not the receiver (Table A.5.3.7-1) */
	[AUDIT_TRANSFERRED] = {CODE_DICOM_INSTANCES_TRANSFERRED, "R", CODE_NONE, REQUESTS_CALLER,
		xml_who_transfer, xml_what_transfer},
	/* The application stopped in the middle of it, or that part of it that carried the transfer. */
	[AUDIT_INTERRUPTED] = {CODE_APPLICATION_ACTIVITY, "E", CODE_APPLICATION_STOP, REQUESTS_NOBODY,
		xml_who_interrupted, xml_what_transfer},
	[AUDIT_QUERY] = {CODE_QUERY, "E", CODE_NONE, REQUESTS_CALLER, xml_who_query, xml_what_query},
	[AUDIT_PATIENT_SHOWN] = {CODE_PATIENT_RECORD, "R", CODE_NONE, REQUESTS_CALLER, xml_who_shown,
		xml_what_shown},
	[AUDIT_ALERT] = {CODE_SECURITY_ALERT, "E", CODE_NONE, REQUESTS_NOBODY, xml_who_alert, xml_what_alert},
	[AUDIT_ATTACHED] = {CODE_NETWORK_ENTRY, "E", CODE_ATTACH, REQUESTS_NOBODY, xml_who_entry},
	[AUDIT_DETACHED] = {CODE_NETWORK_ENTRY, "E", CODE_DETACH, REQUESTS_NOBODY, xml_who_entry},
	[AUDIT_LOGIN] = {CODE_USER_AUTHENTICATION, "E", CODE_LOGIN, REQUESTS_USER, xml_who_login},
	[AUDIT_LOG_USED] = {CODE_AUDIT_LOG_USED, "R", CODE_NONE, REQUESTS_LOCAL, xml_who_log_used,
		xml_what_log_used},
	[AUDIT_IMPORT] = {CODE_IMPORT, "C", CODE_NONE, REQUESTS_ONE, xml_who_import, xml_what_import},
	[AUDIT_EXPORT] = {CODE_EXPORT, "R", CODE_NONE, REQUESTS_ONE, xml_who_export, xml_what_export},
};

static const void *requestor(const struct audit_event *ev, const struct audit_source *src, enum requests r)
{
	const struct audit_party *asked = ev->by_to ? &ev->to : &ev->from;
	bool known = xml_is_known(ev->user);
	switch (r) {
	case REQUESTS_NOBODY:
		return NULL;
	case REQUESTS_USER:
		return ev->user;
	case REQUESTS_LOCAL:
		return known ? (const void *)ev->user : src;
	case REQUESTS_CALLER:
	case REQUESTS_ONE:
		break;
	}
	if (known && ev->user_proved && !ev->by_to) {
		return ev->user;
	}
	return r == REQUESTS_CALLER || xml_knows_party(asked) ? (const void *)asked : src;
}

/* ---- EventIdentification ---- */

struct sentence {
	char text[sizeof(((struct audit_event *)0)->text) + 1400];
	size_t len;
};

static void add(struct sentence *s, const char *what, const char *value)
{
	if (!xml_is_known(value)) {
		return;
	}
	const char *between = s->len > 0 ? "; " : "";
	size_t n = strlen(between) + strlen(what) + strlen(value), room = sizeof(s->text) - s->len;
	if (n < room) {
		xml_join(s->text + s->len, room, (const char *const[]){between, what, value, NULL});
		s->len += n;
	}
}

static void add_number(struct sentence *s, const char *what, uint64_t value)
{
	char text[XML_DIGITS];
	add(s, what, value > 0 ? xml_decimal(value, text) : "");
}

/* Where there is no object that could have details, what they would say. */
static void add_details(struct sentence *s, const struct audit_event *ev)
{
	char fingerprint[AUDIT_FINGERPRINT_TEXT];
	add(s, "", ev->object);
	add_number(s, "association ", ev->association);
	add_number(s, "refusal ", ev->refusal);
	add_number(s, "times ", ev->times > 1 ? ev->times : 0);
	audit_fingerprint_text(&ev->from_certificate, fingerprint);
	add(s, "caller's certificate ", fingerprint);
	add(s, "serial number ", ev->from.serial);
	add(s, "of ", ev->from.issuer);
	audit_fingerprint_text(&ev->to_certificate, fingerprint);
	add(s, "called node's certificate ", fingerprint);
	add(s, "serial number ", ev->to.serial);
	add(s, "of ", ev->to.issuer);
}

static void event_identification(struct out *o, const struct message *m)
{
	const struct audit_event *ev = o->ev;
	char time[CLOCK_ISO_LEN];
	struct sentence s;
	s.text[s.len = 0] = '\0';
	clock_iso(ev->time_ms, time);
	add(&s, "", ev->text);
	if (ev->kind == AUDIT_INTERRUPTED && s.len == 0) {
		add(&s, "", "nobody ended this transfer: the gateway was stopped in the middle of it");
	}
	if (!m->what) {
		add_details(&s, ev);
	}
	xml_begin(o, "EventIdentification");
	xml_attribute(o, "EventActionCode", m->action);
	xml_attribute(o, "EventDateTime", time);
	xml_attribute_number(o, "EventOutcomeIndicator", ev->outcome);
	xml_coded(o, CODED_EVENT, m->id);
	if (ev->kind == AUDIT_ALERT) {
		xml_coded(o, CODED_EVENT_TYPE, xml_code_of(ev->alert));
	} else if (m->type != CODE_NONE) {
		xml_coded(o, CODED_EVENT_TYPE, m->type);
	}
	xml_text_element(o, "EventOutcomeDescription", s.text);
	xml_end(o);
}

static void source_identification(struct out *o)
{
	struct kept k;
	xml_key_begin(&k, 'S');
	writer_u8(&k.key, (uint8_t)o->src->type);
	xml_key_text(&k, o->src->site);
	xml_key_text(&k, o->src->id);
	if (xml_kept(o, &k)) {
		return;
	}
	xml_begin(o, "AuditSourceIdentification");
	xml_attribute(o, "AuditEnterpriseSiteID", o->src->site);
	xml_attribute(o, "AuditSourceID", o->src->id);
	if (o->src->type > 0) {
		xml_begin(o, "AuditSourceTypeCode");
		xml_attribute_number(o, "csd-code", o->src->type);
		xml_end(o);
	}
	xml_end(o);
	xml_keep(o, &k);
}

/* ---- The whole ---- */

/* libxml2 writes a line's end after it, which collectors that work by line do not like. */
#define DECLARATION "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"

static void message(struct out *o, xmlOutputBuffer *out, const struct message *m)
{
	if (xmlTextWriterStartDocument(o->w, NULL, "UTF-8", NULL) < 0) {
		o->err = ERR_NO_MEMORY;
		return;
	}
	out->encoder = NULL; /* it would copy all, as it is UTF-8 already */
	xml_begin(o, "AuditMessage");
	event_identification(o, m);
	m->who(o);
	source_identification(o);
	if (m->what) {
		m->what(o);
	}
	xml_end(o);
	if (xmlTextWriterFlush(o->w) < 0 && o->err == 0) {
		o->err = ERR_NO_MEMORY;
	}
}

static bool may_be_text(const char *s)
{
	return !s || audit_text_check(s, AUDIT_SOURCE_TEXT) == 0;
}

static int check_source(const struct audit_source *s)
{
	bool good = xml_is_known(s->id) && xml_is_known(s->host) && s->type <= 9 && may_be_text(s->site) &&
	            may_be_text(s->id) && may_be_text(s->host) && may_be_text(s->address);
	for (unsigned i = 0; good && i < s->n_ae; i++) {
		good = may_be_text(s->ae[i]);
	}
	return good ? 0 : ERR_VALUE;
}

static int take(void *context, const char *bytes, int n)
{
	struct sink *s = context;
	if (n > 0 && s->len <= s->cap && (size_t)n <= s->cap - s->len) {
		memcpy(s->buf + s->len, bytes, (size_t)n);
	}
	s->len += n > 0 ? (size_t)n : 0;
	return n; /* or libxml2 complains */
}

static int begin(struct sink *s, struct out *o, xmlOutputBuffer **ret_out)
{
	xmlOutputBuffer *out = xmlOutputBufferCreateIO(take, NULL, s, NULL);
	o->w = out ? xmlNewTextWriter(out) : NULL;
	if (!o->w) {
		(void)xmlOutputBufferClose(out);
		return ERR_NO_MEMORY;
	}
	*ret_out = out;
	return 0;
}

static int end(const struct sink *s)
{
	const size_t at = sizeof(DECLARATION) - 1;
	if (s->len > s->cap) {
		return ERR_SPACE;
	}
	if (s->len <= at || memcmp(s->buf, DECLARATION "\n", at + 1) != 0) {
		return ERR_NO_MEMORY;
	}
	s->buf[at] = ' ';
	return 0;
}

int audit_xml_write(const struct audit_event *ev, const struct audit_source *src, uint8_t *buf, size_t cap,
	size_t *ret_len)
{
	int e = audit_event_check(ev);
	if (e == 0) {
		e = check_source(src);
	}
	if (e != 0) {
		return e;
	}
	const struct message *m = &messages[ev->kind];
	if (!m->who) {
		return ERR_VALUE;
	}
	struct sink sink = {.buf = buf, .cap = cap};
	struct out o = {.ev = ev, .src = src, .sink = &sink, .requestor = requestor(ev, src, m->requests)};
	xmlOutputBuffer *out;
	e = begin(&sink, &o, &out);
	if (e != 0) {
		return e;
	}
	message(&o, out, m);
	xmlFreeTextWriter(o.w); /* and out with it */
	e = o.err == 0 ? end(&sink) : o.err;
	if (e == 0) {
		*ret_len = sink.len;
	}
	return e;
}
