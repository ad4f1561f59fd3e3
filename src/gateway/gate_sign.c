/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/armor.h"
#include "audit/deed.h"
#include "base/clock.h"
#include "base/log.h"
#include "gateway/gate_state.h"
#include "keys/link_audit.h"
#include "keys/tbs_list.h"

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
 *   {"sign-list": "MIIB…", "name": "anna@pc7"}      a TBSCertList (RFC 5280 5.1) in base64, of `tls: revocation`
 *   {"list": "MEUC…"}      its signature, or {"list": null, "why": "…"}
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
	if (deed_what_of(span_str(request_text(o, "sign-record")), &r->what) < 0 ||
		deed_is_auditors(r->what)) {
		return fail(w, ERR_TYPE, "no record of `%.40s` is signed for who asks here",
			request_text(o, "sign-record"));
	}
	snprintf(r->origin, sizeof(r->origin), "%s", gate_newest(w->g)->audit.origin);
	snprintf(
		r->by, sizeof(r->by), "%s", request_text(o, "name")[0] ? request_text(o, "name") : "unknown");
	int e = 0;
	json_object_foreach(json_object_get(o, "fields"), name, value)
	{
		e = e == 0 ? set_field(w, r, name, value) : e;
	}
	const char *missing = e == 0 ? deed_missing(r) : NULL;
	return missing ? fail(w, ERR_MISSING, "the field `%s` is missing", missing) : e;
}

struct reason {
	int error;
	const char *text;
};

static const struct reason record_reasons[] = {
	{ERR_NOT_FOUND,
		"the gateway has no key for records: `record-key` in `audit:`, which `gantry audit init` makes"},
	{ERR_DENIED, "the key holder refuses: the gateway keeps no audit trail, or it is of another origin"},
	{ERR_TIMEOUT, "the key holder does not answer: is a token slow or gone?"},
	{0},
};

static const struct reason list_reasons[] = {
	{ERR_VALUE, "the key holder refuses: it is no list of the form that it signs"},
	{ERR_DENIED,
		"the key holder refuses: the running gateway has no `tls: revocation`, or another certificate for it, or "
		"an entry is of no authority that it trusts"},
	{ERR_ORDER,
		"the key holder refuses: its last list has this number or a later one, or a time is not now. Was the "
		"list's file put back?"},
	{ERR_LIMIT, "the key holder refuses: the list would serve too long"},
	{ERR_CLOSED,
		"the delegation is over: have `gantry ca delegate` make a new certificate; or the key holder is away"},
	{ERR_TIMEOUT, "the key holder does not answer: is a token slow or gone?"},
	{0},
};

static const char *explain(const struct reason *r, int e)
{
	while (r->error != 0 && r->error != e) {
		r++;
	}
	return r->text ? r->text : err_str(e);
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
		return fail(w, e, "%s", explain(record_reasons, e));
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

/* ---- The site's own revocation list ---- */

static int ask_list(struct wish *w, struct span tbs, uint8_t *sig, size_t cap, size_t *ret_len)
{
	struct link_audit l;
	if (tbs.len + HOLDER_HEAD > HOLDER_REQUEST_MOST) {
		return fail(w, ERR_LIMIT, "the list is too long for the key holder");
	}
	int e = open_channel(w, &l);
	if (e < 0) {
		return e;
	}
	e = link_audit_list(&l, tbs, sig, cap, ret_len);
	close(l.fd);
	return e < 0 ? fail(w, e, "%s", explain(list_reasons, e)) : 0;
}

/* That a list was signed, or not, is for the audit trail too, where there is one. No trail keeps a certificate from being blocked. */
static void record_list(const struct wish *w, const json_t *o, const char *what, bool good)
{
	static struct audit_event ev;
	char text[512];
	const struct site *s = gate_newest(w->g);
	int64_t number = -1;
	ev = (struct audit_event){.kind = AUDIT_ALERT,
		.alert = ALERT_SECURITY_CONFIGURATION,
		.outcome = good ? AUDIT_SUCCESS : AUDIT_SERIOUS,
		.time_ms = clock_wall_ms()};
	snprintf(text, sizeof(text), "%.380s. By the Unix user %ld, as the kernel says.", what, (long)w->uid);
	audit_text_set(ev.user, sizeof(ev.user), span_str(request_text(o, "name")));
	audit_text_set(ev.text, sizeof(ev.text), span_str(text));
	if (s && s->revocation.list.path) {
		audit_text_set(ev.object, sizeof(ev.object), span_str(s->revocation.list.path));
	}
	int e = request_record(w->g, &ev, &number);
	if (e < 0 && e != ERR_NOT_FOUND) {
		log_event(LOG_LEVEL_ERROR, "audit.lost",
			"the audit trail has no record of what was done with the site's own revocation list",
			LOG_TEXT("why", err_str(e)));
	}
}

static int log_list(const struct wish *w, const json_t *o, struct span tbs)
{
	char text[160];
	struct tbs_list l;
	struct tbs_entry entry;
	int64_t n = 0;
	int e = tbs_list_read(tbs, &l);
	while (e == 0 && reader_left(&l.entries) > 0) {
		e = tbs_entry_next(&l.entries, &entry);
		n++;
	}
	if (e == 0) {
		log_event(LOG_LEVEL_NOTICE, "revocation.signed", "the site's own revocation list was signed",
			LOG_NUMBER("number", l.number), LOG_NUMBER("entries", n),
			LOG_TEXT("by", request_text(o, "name")), LOG_NUMBER("uid", (int64_t)w->uid));
		snprintf(text, sizeof(text),
			"The site's own revocation list %lld was signed, which blocks %lld certificates",
			(long long)l.number, (long long)n);
		record_list(w, o, text, true);
	}
	return e;
}

static void sign_list(struct wish *w, const json_t *o)
{
	static uint8_t tbs[HOLDER_REQUEST_MOST], sig[PRIVATE_KEY_SIGNATURE_MOST];
	char text[ARMOR_LEN(PRIVATE_KEY_SIGNATURE_MOST) + 1];
	size_t len = 0, sig_len = 0;
	int e = who_asks(w);
	if (e == 0 && armor_read(span_str(request_text(o, "sign-list")), tbs, sizeof(tbs), &len) < 0) {
		e = fail(w, ERR_VALUE, "the list is no base64, or too long for the key holder");
	}
	e = e == 0 ? ask_list(w, span_of(tbs, len), sig, sizeof(sig), &sig_len) : e;
	if (e != 0 || log_list(w, o, span_of(tbs, len)) < 0) {
		log_event(LOG_LEVEL_WARNING, "revocation.refused", "a revocation list was not signed",
			LOG_TEXT("why", w->why), LOG_NUMBER("uid", (int64_t)w->uid));
		char what[400];
		snprintf(what, sizeof(what), "A revocation list of the site was not signed: %s", w->why);
		record_list(w, o, what, false);
		answer(w->fd, json_pack("{s:n,s:s}", "list", "why", w->why));
		return;
	}
	struct writer writer = writer_of(text, sizeof(text) - 1);
	armor_write(&writer, span_of(sig, sig_len));
	text[writer.len] = 0;
	answer(w->fd, json_pack("{s:s}", "list", text));
}

bool gate_sign(const struct gate *g, int fd, const json_t *o)
{
	struct wish w = {.g = g, .fd = fd, .uid = (uid_t)-1};
	if (request_text(o, "sign-record")[0]) {
		sign_record(&w, o);
		return true;
	}
	if (request_text(o, "sign-list")[0]) {
		sign_list(&w, o);
		return true;
	}
	return false;
}
