/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/state.h"
#include "base/clock.h"
#include "dicom/charset.h"

#include <stdio.h>
#include <string.h>

/* Facts of an association as events have them: UTF-8, nothing that could be anything but text. */

static void fill_party(const struct association *as, int node, const char *ae, struct audit_party *p)
{
	if (node >= 0) {
		AUDIT_TEXT(p->node, span_str(as->site->nodes[node].name));
	}
	if (ae) {
		AUDIT_TEXT(p->ae, span_str(ae));
	}
}

static void fill_user(const struct association *as, struct audit_event *ev)
{
	const struct identity *id = &as->rq->identity;
	ev->user_proved = as->user.verified;
	if (as->user.verified) {
		AUDIT_TEXT(ev->user, span_str(as->user.name));
	} else if (id->has &&
		   id->type <= 2) { /* PS3.7 D.3.3.7.1: 1 and 2 have the user's name in the primary field */
		AUDIT_TEXT(ev->user, id->primary);
	}
}

/* What came through the local door says so in each of its records. */
static void fill_door(const struct association *as, struct audit_event *ev)
{
	char what[sizeof(as->door.note) + 32];
	if (as->door.why) {
		snprintf(what, sizeof(what), "local %s%s%s", door_why_name(as->door.why),
			as->door.note[0] ? ": " : "", as->door.note);
		AUDIT_TEXT(ev->object, span_str(what));
	}
}

static void fill_certificate(const char *subject, const char *serial, const char *issuer,
	const uint8_t sha256[AUDIT_FINGERPRINT], struct audit_party *p, struct audit_fingerprint *f)
{
	AUDIT_TEXT(p->subject, span_str(subject));
	AUDIT_TEXT(p->serial, span_str(serial));
	AUDIT_TEXT(p->issuer, span_str(issuer));
	f->known = true;
	memcpy(f->at, sha256, sizeof(f->at));
}

void audit_fill(const struct association *as, enum audit_kind kind, struct audit_event *ev)
{
	audit_event_clear(ev);
	ev->kind = kind;
	ev->time_ms = clock_wall_ms();
	ev->association = as->start->id;
	fill_party(as, as->route.from, as->caller.calling, &ev->from);
	fill_party(as, as->route.to, as->caller.called, &ev->to);
	AUDIT_TEXT(ev->from.address, span_str(as->caller_text));
	AUDIT_TEXT(ev->to.address, span_str(as->target_address));
	if (as->caller.has_certificate) {
		fill_certificate(as->caller.subject, as->peer.serial, as->peer.issuer, as->peer.sha256,
			&ev->from, &ev->from_certificate);
	}
	if (as->target_certified) {
		fill_certificate(as->target_subject, as->target_serial, as->target_issuer, as->target_sha256,
			&ev->to, &ev->to_certificate);
	}
	fill_user(as, ev);
	fill_door(as, ev);
}

static void fill_value(char *to, size_t cap, const struct charset *cs, const char *vr,
	const struct header_scan *h, enum header_field field)
{
	struct charset_text ignored;
	charset_to_utf8(cs, vr, 0, header_value(h, field), to, cap, &ignored);
}

void audit_fill_header(const struct header_scan *h, struct audit_event *ev)
{
	const struct charset cs = charset_of(header_value(h, HEADER_CHARSET));
	fill_value(ev->patient_id, sizeof(ev->patient_id), &cs, "LO", h, HEADER_PATIENT_ID);
	fill_value(ev->patient_issuer, sizeof(ev->patient_issuer), &cs, "LO", h, HEADER_ISSUER);
	fill_value(ev->patient_name, sizeof(ev->patient_name), &cs, "PN", h, HEADER_PATIENT_NAME);
	fill_value(ev->study, sizeof(ev->study), &cs, "UI", h, HEADER_STUDY);
	fill_value(ev->accession[0], sizeof(ev->accession[0]), &cs, "SH", h, HEADER_ACCESSION);
	ev->n_accession = ev->accession[0][0] != 0;
}

void audit_login(struct association *as, bool proved, const char *why)
{
	static struct audit_event ev;
	if (!audit_on(as)) {
		return;
	}
	audit_fill(as, AUDIT_LOGIN, &ev);
	ev.outcome = proved ? AUDIT_SUCCESS : AUDIT_SERIOUS;
	AUDIT_TEXT(ev.text, span_str(why));
	audit_tell(as, &ev, MSG_EVENT_NEW,
		(struct audit_pending){.bars = BARS_NONE, .transfer = AUDIT_TRANSFERS});
}
