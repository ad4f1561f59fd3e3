/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/deed.h"
#include "base/clock.h"
#include "base/log.h"
#include "gateway/gate_state.h"
#include "keys/link_audit.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * What the key holder is asked to sign for a client of the control socket, in the process that was forked for this client:
 *
 *   {"sign-record": "antivirus-definitions", "name": "anna@pc7", "fields": {"engine": "ClamAV 1.0.7", "files": 52}}
 *   {"record": "gantry-record@v1\n…"}      or {"record": null, "why": "…"}
 *
 * The control socket is open to the gateway's group, who look at its state. Only root and the user that the gateway runs as
 * have something signed. Whose wish it is the kernel says, as a number; the name beside it is the client's word.
 */

#define SIGN_MS 5000 /* a token is slow */

struct wish {
	const struct gate *g;
	int fd;
	uid_t uid;
	char why[300];
};

static int fail(struct wish *w, int e, const char *format, ...) __attribute__((format(printf, 3, 4)));
static int fail(struct wish *w, int e, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	(void)vsnprintf(w->why, sizeof(w->why), format, args);
	va_end(args);
	return e;
}

static int who_asks(struct wish *w)
{
	struct ucred who = {.uid = (uid_t)-1};
	socklen_t len = sizeof(who);
	if (getsockopt(w->fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0 || who.uid == (uid_t)-1) {
		return fail(w, ERR_DENIED, "the kernel does not say who asks");
	}
	if (who.uid != 0 && who.uid != getuid()) {
		return fail(w, ERR_DENIED,
			"only root and the user that the gateway runs as may have something signed");
	}
	w->uid = who.uid;
	return 0;
}

/* A channel of this process's own, on which nothing but an operator's wishes is heard. */
static int open_channel(struct wish *w, struct link_audit *ret_link)
{
	const struct gate_site *gs = w->g->sites;
	int own = -1, other = -1;
	int e = gs ? keys_channel(gs, &own, &other) : ERR_CLOSED;
	if (e == 0) {
		e = message_send(gs->keys, &(struct message){.type = MSG_OPERATOR, .fd = other});
		close(other);
	}
	if (e != 0) {
		if (own >= 0) {
			close(own);
		}
		return fail(w, e, "the key holder is away: see its own lines in the log");
	}
	*ret_link = (struct link_audit){.fd = own, .wait_ms = SIGN_MS};
	return 0;
}

/* ---- The record ---- */

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));
	return text ? text : "";
}

static int set_field(struct wish *w, struct deed *r, const char *name, const json_t *value)
{
	char number[24];
	const char *text = json_string_value(value);
	if (json_is_integer(value)) {
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		text = number;
	}
	int e = text ? deed_set(r, name, text) : ERR_VALUE;
	if (e == ERR_NOT_FOUND) {
		return fail(w, e, "a record of %s has no field `%.40s`", deed_name(r->what), name);
	}
	return e == 0 ? 0 : fail(w, e, "the value of `%.40s` is not of its kind", name);
}

static int fill(struct wish *w, const json_t *o, struct deed *r)
{
	const char *name;
	json_t *value;
	*r = (struct deed){.time_s = clock_wall_ms() / 1000, .uid = w->uid};
	if (deed_what_of(span_str(text_of(o, "sign-record")), &r->what) < 0 || deed_is_auditors(r->what)) {
		return fail(w, ERR_TYPE, "no record of `%.40s` is signed for who asks here",
			text_of(o, "sign-record"));
	}
	snprintf(r->origin, sizeof(r->origin), "%s", gate_newest(w->g)->audit.origin);
	snprintf(r->by, sizeof(r->by), "%s", text_of(o, "name")[0] ? text_of(o, "name") : "unknown");
	int e = 0;
	json_object_foreach(json_object_get(o, "fields"), name, value)
	{
		e = e == 0 ? set_field(w, r, name, value) : e;
	}
	const char *missing = e == 0 ? deed_missing(r) : NULL;
	return missing ? fail(w, ERR_MISSING, "the field `%s` is missing", missing) : e;
}

static const char *explain(int e)
{
	switch (e) {
	case ERR_NOT_FOUND:
		return "the gateway has no key for records: `record-key` in `audit:`, which `gantry audit init` makes";
	case ERR_DENIED:
		return "the key holder refuses: the gateway keeps no audit trail, or it is of another origin";
	case ERR_TIMEOUT:
		return "the key holder does not answer: is a token slow or gone?";
	default:
		return err_str(e);
	}
}

static int sign(struct wish *w, const struct deed *r, char note[NOTE_MOST])
{
	char text[DEED_MOST];
	uint8_t public[ED25519_PUBLIC], signature[ED25519_SIGNATURE];
	struct link_audit l;
	struct note_key key;
	size_t len = 0;
	int e = deed_write(r, text, sizeof(text), &len);
	if (e < 0) {
		return fail(w, e, "%s",
			e == ERR_VALUE ? "the name is not of its kind" : "the record is too long");
	}
	e = open_channel(w, &l);
	if (e < 0) {
		return e;
	}
	e = link_audit_record(&l, span_of(text, len), public, signature);
	close(l.fd);
	e = e < 0 ? e : deed_key_make(r->origin, public, &key);
	e = e < 0 ? e : note_write(span_of(text, len), &key, signature, note, NOTE_MOST - 1, &len);
	if (e < 0) {
		return fail(w, e, "%s", explain(e));
	}
	note[len] = 0;
	return 0;
}

/* ---- All ---- */

static void answer(int fd, json_t *o)
{
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	if (text) {
		(void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
	}
	free(text);
	json_decref(o);
}

static void sign_record(struct wish *w, const json_t *o)
{
	static struct deed r;
	static char note[NOTE_MOST];
	const struct site *s = gate_newest(w->g);
	int e = who_asks(w);
	if (e == 0 && !(s && s->audit.has)) {
		e = fail(w, ERR_NOT_FOUND, "the gateway keeps no audit trail, whose origin records bear");
	}
	e = e == 0 ? fill(w, o, &r) : e;
	e = e == 0 ? sign(w, &r, note) : e;
	if (e != 0) {
		log_event(LOG_LEVEL_WARNING, "record.refused", "a record was not signed",
			LOG_TEXT("why", w->why), LOG_NUMBER("uid", (int64_t)w->uid));
		answer(w->fd, json_pack("{s:n,s:s}", "record", "why", w->why));
		return;
	}
	log_event(LOG_LEVEL_NOTICE, "record.signed", "a record was signed",
		LOG_TEXT("what", deed_name(r.what)), LOG_TEXT("by", r.by),
		LOG_NUMBER("uid", (int64_t)w->uid));
	answer(w->fd, json_pack("{s:s}", "record", note));
}

bool gate_sign(const struct gate *g, int fd, const json_t *o)
{
	struct wish w = {.g = g, .fd = fd, .uid = (uid_t)-1};
	if (!text_of(o, "sign-record")[0]) {
		return false;
	}
	sign_record(&w, o);
	return true;
}
