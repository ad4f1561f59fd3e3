/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/event.h"
#include "base/clock.h"
#include "base/log.h"
#include "gateway/gate_state.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * What left or came in on a sealed medium, on the control socket (gate_request.c), one study at a time, before it does
 * (PS3.15 A.5.3.4, A.5.3.5); and once more if it did not after all:
 *
 *   {"record": "media", "act": "seal", "good": true, "name": "bob", "uid": 1002, "host": "gw", "file": "/srv/out.iso",
 *    "more": "for CN=Bob", "patient_id": …, "patient_name": …, "study": …, "accession": …, "classes": [["1.2.840…", 12]]}
 *
 * Whoever gets at the socket may tell. Who that is the client says if it is root, whom the kernel does not tell apart, or runs the
 * gateway; of others the number is the kernel's, and the name is claimed.
 */

static const struct act {
	const char *word;
	enum audit_kind kind;
	const char *sentence;
} acts[] = {
	{"seal", AUDIT_EXPORT, "Sealed on a medium"},
	{"open", AUDIT_IMPORT, "Opened from a sealed medium"},
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

#define SET(field, key) audit_text_set((field), sizeof(field), span_str(request_text(o, key)))

static bool set_classes(const json_t *list, struct audit_event *ev)
{
	size_t i;
	const json_t *one;
	json_array_foreach(list, i, one)
	{
		const char *uid = json_string_value(json_array_get(one, 0));
		json_int_t n = json_integer_value(json_array_get(one, 1));
		if (!uid || n < 1 || n > UINT32_MAX || i >= AUDIT_CLASSES) {
			return false;
		}
		audit_text_set(ev->sop[i].uid, sizeof(ev->sop[i].uid), span_str(uid));
		ev->sop[i].instances = (uint32_t)n;
		ev->n_sop = (unsigned)i + 1;
	}
	return true;
}

static void set_user(int fd, const json_t *o, const struct act *a, struct audit_event *ev)
{
	struct ucred who = {.uid = (uid_t)-1};
	socklen_t len = sizeof(who);
	char user[257], text[512];
	(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len);
	ev->user_proved = who.uid == 0 || who.uid == getuid();
	json_int_t uid = ev->user_proved ? json_integer_value(json_object_get(o, "uid"))
	                                 : (json_int_t)(who.uid == (uid_t)-1 ? -1 : (long)who.uid);
	snprintf(user, sizeof(user), "%.120s@%.120s", request_text(o, "name"), request_text(o, "host"));
	snprintf(text, sizeof(text), "%s by %.120s (Unix user %" JSON_INTEGER_FORMAT "), %.280s%s",
		a->sentence, request_text(o, "name"), uid, request_text(o, "more"),
		ev->outcome == AUDIT_SUCCESS ? "." : "; but it was not put in its place.");
	audit_text_set(ev->user, sizeof(ev->user), span_str(user));
	audit_text_set(ev->text, sizeof(ev->text), span_str(text));
}

int request_media(int fd, const json_t *o, struct audit_event *ret_event)
{
	const struct act *a = act_of(o);
	struct audit_event *ev = ret_event;
	if (!a || !request_text(o, "name")[0] || !request_text(o, "file")[0]) {
		return ERR_VALUE;
	}
	*ev = (struct audit_event){.kind = a->kind,
		.outcome = json_is_true(json_object_get(o, "good")) ? AUDIT_SUCCESS : AUDIT_SERIOUS,
		.encrypted = true,
		.time_ms = clock_wall_ms()};
	SET(ev->object, "file");
	SET(ev->patient_id, "patient_id");
	SET(ev->patient_name, "patient_name");
	SET(ev->study, "study");
	SET(ev->accession[0], "accession");
	ev->n_accession = ev->accession[0][0] ? 1 : 0;
	if (!set_classes(json_object_get(o, "classes"), ev)) {
		return ERR_VALUE;
	}
	set_user(fd, o, a, ev);
	/* Beside the journal, which a site may not keep; without whom it is about. */
	log_event(LOG_LEVEL_NOTICE, "media.sealed", ev->text, LOG_TEXT("act", a->word),
		LOG_TEXT("medium", ev->object), LOG_TEXT("user", ev->user));
	return 0;
}
