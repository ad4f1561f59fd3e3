/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/event.h"
#include "base/clock.h"
#include "base/log.h"
#include "gateway/gate_state.h"
#include "policy/values.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * What people do to objects in quarantine, on the control socket (gate_request.c), before they do it:
 *
 *   {"record": "quarantine", "act": "approve", "number": 17, "name": "bob", "uid": 1002, "host": "gw",
 *    "other": "ann", "other_uid": 1001, "text": "", "file": "",
 *    "from": "ct-1", "calling": "CT1", "address": "10.1.2.3", "subject": "CN=ct1", "certificate": "sha256:…", "serial": "4f2a", "issuer": "CN=…",
 *    "to": "archive", "called": "ARCHIVE", "refusal": 42,
 *    "patient_id": …, "patient_name": …, "study": …, "sop_class": …, "sop_instance": …}
 *
 * Only root asks, who alone can read the quarantine; who root is the client says, as the kernel does not know it here.
 */

static const struct act {
	const char *word;
	enum audit_kind kind;
	enum audit_outcome outcome;
	const char *sentence; /* %s: who; second %s: the other person, where two are needed */
	bool two;
} acts[] = {
	{"export", AUDIT_EXPORT, AUDIT_SUCCESS, "%s wrote a copy of it to a file.", false},
	{"delete", AUDIT_ALERT, AUDIT_SUCCESS, "%s deleted it.", false},
	{"ask", AUDIT_ALERT, AUDIT_SUCCESS, "%s asked that it be released.", false},
	{"withdraw", AUDIT_ALERT, AUDIT_SUCCESS, "%s withdrew that it be released, as %s had asked.", true},
	{"approve", AUDIT_ALERT, AUDIT_SUCCESS,
		"%s approved that it be released, as %s had asked; it is delivered without inspection.",
		true},
	{"delivered", AUDIT_ALERT, AUDIT_SUCCESS, "%s released it, as %s had asked: it was delivered.", true},
	{"not-delivered", AUDIT_ALERT, AUDIT_SERIOUS,
		"%s approved its release, as %s had asked; its node did not say that it has it.", true},
};

static const struct act *act_of(const json_t *o)
{
	for (unsigned i = 0; i < ARRAY_LEN(acts); i++) {
		if (strcmp(acts[i].word, request_text(o, "act")) == 0) {
			return &acts[i];
		}
	}
	return NULL;
}

/* root, or whoever runs a gateway that was not started by root. */
static bool may(int fd)
{
	struct ucred who = {.uid = (uid_t)-1};
	socklen_t len = sizeof(who);
	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 &&
	       (who.uid == 0 || who.uid == getuid());
}

#define SET(field, key) audit_text_set((field), sizeof(field), span_str(request_text(o, key)))

static void set_parties(const json_t *o, struct audit_event *ev)
{
	SET(ev->from.node, "from");
	SET(ev->from.ae, "calling");
	SET(ev->from.address, "address");
	SET(ev->from.subject, "subject");
	SET(ev->from.serial, "serial");
	if (ev->from.serial[0]) {
		SET(ev->from.issuer, "issuer");
	}
	ev->from_certificate.known = value_spki(request_text(o, "certificate"), ev->from_certificate.at) == 0;
	SET(ev->to.node, "to");
	SET(ev->to.ae, "called");
}

static void set_data(const json_t *o, struct audit_event *ev)
{
	SET(ev->patient_id, "patient_id");
	SET(ev->patient_name, "patient_name");
	SET(ev->study, "study");
	SET(ev->sop[0].uid, "sop_class");
	ev->n_sop = ev->sop[0].uid[0] ? 1 : 0;
	ev->sop[0].instances = 1;
}

static void person_text(const json_t *o, const char *name, const char *uid, char *buf, size_t cap)
{
	snprintf(buf, cap, "%.120s (Unix user %" JSON_INTEGER_FORMAT ")", request_text(o, name),
		json_integer_value(json_object_get(o, uid)));
}

static void set_text(const json_t *o, const struct act *a, struct audit_event *ev)
{
	char who[160], other[160], did[400], text[1200];
	int64_t number = json_integer_value(json_object_get(o, "number"));
	const char *more = request_text(o, "text");
	person_text(o, "name", "uid", who, sizeof(who));
	person_text(o, "other", "other_uid", other, sizeof(other));
	const char *p = strstr(a->sentence, "%s"), *q = a->two ? strstr(p + 2, "%s") : NULL;
	if (q) {
		snprintf(did, sizeof(did), "%.*s%s%.*s%s%s", (int)(p - a->sentence), a->sentence, who,
			(int)(q - p - 2), p + 2, other, q + 2);
	} else {
		snprintf(did, sizeof(did), "%.*s%s%s", (int)(p - a->sentence), a->sentence, who, p + 2);
	}
	const char *instance = request_text(o, "sop_instance");
	snprintf(text, sizeof(text), "Object %" PRId64 " in quarantine%s%.64s%s: %s%s%.300s", number,
		instance[0] ? " (" : "", instance, instance[0] ? ")" : "", did, more[0] ? " " : "", more);
	audit_text_set(ev->text, sizeof(ev->text), span_str(text));
}

int request_quarantine(int fd, const json_t *o, struct audit_event *ret_event)
{
	char user[257], object[64];
	const struct act *a = act_of(o);
	int64_t number = json_integer_value(json_object_get(o, "number"));
	struct audit_event *ev = ret_event;
	if (!may(fd)) {
		return ERR_DENIED;
	}
	if (!a || number <= 0 || !request_text(o, "name")[0] || (a->two && !request_text(o, "other")[0])) {
		return ERR_VALUE;
	}
	*ev = (struct audit_event){.kind = a->kind, .outcome = a->outcome, .time_ms = clock_wall_ms()};
	ev->alert = a->kind == AUDIT_ALERT ? ALERT_RESTRICTED_FUNCTION : 0;
	ev->refusal = (uint64_t)json_integer_value(json_object_get(o, "refusal"));
	snprintf(user, sizeof(user), "%.120s@%.120s", request_text(o, "name"), request_text(o, "host"));
	audit_text_set(ev->user, sizeof(ev->user), span_str(user));
	ev->user_proved = true;
	set_data(o, ev);
	set_text(o, a, ev);
	if (a->kind == AUDIT_EXPORT) {
		SET(ev->object, "file");
	} else {
		set_parties(o, ev);
		snprintf(object, sizeof(object), "quarantine/%" PRId64, number);
		audit_text_set(ev->object, sizeof(ev->object), span_str(object));
	}
	/* Beside the journal, which a site may not keep. */
	log_event(LOG_LEVEL_NOTICE, "quarantine.used", ev->text, LOG_TEXT("act", a->word),
		LOG_NUMBER("number", number), LOG_TEXT("user", ev->user));
	return 0;
}
