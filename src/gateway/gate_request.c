/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/event.h"
#include "base/clock.h"
#include "gateway/gate_state.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * What comes on the control socket: nothing, or a line that is not of JSON, from who wants the report; or one line of JSON that
 * asks that a use of the journal be recorded (PS3.15 A.5.3.2), which is answered when the record is durable. All of it
 * happens in the process that was forked for this client.
 *
 *   {"record": "search", "name": "anna", "host": "pc7", "criteria": ["patient", "from"]}
 *   {"record": "quarantine", …}      gate_request_quarantine.c
 *   {"record": "media", …}           gate_request_media.c
 *   {"record": "antivirus", "name": "anna", "act": "promoted", "set": "0123…", "good": true}
 *   {"recorded": 4711}      or {"recorded": null, "why": "…"}
 *
 * Of the virus scanner only root and the user that the gateway runs as may tell. Whose it is the kernel says, as a number;
 * the name beside it is the client's word. Lines that ask for a signature are gate_sign.c's.
 */

#define REQUEST_MOST  (256u * 1024) /* a revocation list of as much as the key holder takes */
#define REQUEST_MS    300           /* clients of ours send at once; others want the report */
#define RECORD_MS     8000
#define CRITERIA_MOST 32

static int read_line(int fd, char *buf, size_t cap)
{
	size_t len = 0;
	int64_t end = clock_mono_ms() + REQUEST_MS;
	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int64_t left = end - clock_mono_ms();
		if (left <= 0 || len + 1 == cap || poll(&p, 1, (int)left) <= 0) {
			return ERR_TIMEOUT;
		}
		ssize_t n = recv(fd, buf + len, cap - 1 - len, MSG_DONTWAIT);
		if (n <= 0) {
			return ERR_CLOSED;
		}
		len += (size_t)n;
		buf[len] = 0;
		if (memchr(buf, '\n', len)) {
			return 0;
		}
	}
}

/* ---- The event ---- */

static uid_t who_asks(int fd)
{
	struct ucred who = {.uid = (uid_t)-1};
	socklen_t len = sizeof(who);
	(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len);
	return who.uid;
}

/* "patient, from": words of ours, and nothing else of what a client may have written. */
static void criteria_text(const json_t *list, char *buf, size_t cap)
{
	size_t i, len = 0;
	const json_t *one;
	buf[0] = 0;
	json_array_foreach(list, i, one)
	{
		const char *word = json_string_value(one);
		if (i >= CRITERIA_MOST || !word ||
			strspn(word, "abcdefghijklmnopqrstuvwxyz-") != strlen(word) || strlen(word) > 24) {
			continue;
		}
		int n = snprintf(buf + len, cap - len, "%s%s", len ? ", " : "", word);
		len += n > 0 && (size_t)n < cap - len ? (size_t)n : 0;
	}
	if (len == 0) {
		snprintf(buf, cap, "no criterion");
	}
}

const char *request_text(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));
	return text ? text : "";
}

static void fill_event(const struct gate *g, int fd, const json_t *o, struct audit_event *ev)
{
	char user[257], criteria[300], text[512];
	uid_t uid = who_asks(fd);
	*ev = (struct audit_event){.kind = AUDIT_LOG_USED, .time_ms = clock_wall_ms()};
	snprintf(user, sizeof(user), "%.120s@%.120s", request_text(o, "name"), request_text(o, "host"));
	criteria_text(json_object_get(o, "criteria"), criteria, sizeof(criteria));
	snprintf(text, sizeof(text),
		"%s of the journal by: %s. By the Unix user %ld, as the kernel says, who is called %.120s.",
		strcmp(request_text(o, "record"), "incident") == 0 ? "A report" : "A search", criteria,
		uid == (uid_t)-1 ? -1L : (long)uid, request_text(o, "name"));
	audit_text_set(ev->user, sizeof(ev->user), span_str(user));
	audit_text_set(ev->text, sizeof(ev->text), span_str(text));
	audit_text_set(ev->object, sizeof(ev->object), span_str(gate_newest(g)->audit.origin));
}

/* ---- Definitions of the virus scanner ---- */

/* What was done to a set of definitions, in words of ours. ERR_DENIED, ERR_VALUE. */
static int fill_antivirus(int fd, const json_t *o, struct audit_event *ev)
{
	static const char *const acts[][2] = {{"staged", "staged, to be tried"},
		{"validated", "held against the site's own objects"}, {"promoted", "put to use"},
		{"rolled-back", "put to use again in the place of newer ones"}};
	const char *set = request_text(o, "set"), *what = NULL;
	bool good = json_is_true(json_object_get(o, "good"));
	uid_t uid = who_asks(fd);
	char text[512], user[257];
	for (unsigned i = 0; i < ARRAY_LEN(acts); i++) {
		what = strcmp(request_text(o, "act"), acts[i][0]) == 0 ? acts[i][1] : what;
	}
	if (uid != 0 && uid != getuid()) {
		return ERR_DENIED;
	}
	if (!what || strlen(set) != 64 || strspn(set, "0123456789abcdef") != 64) {
		return ERR_VALUE;
	}
	*ev = (struct audit_event){.kind = AUDIT_ALERT,
		.alert = ALERT_SOFTWARE_CONFIGURATION,
		.outcome = good ? AUDIT_SUCCESS : AUDIT_MINOR,
		.time_ms = clock_wall_ms()};
	snprintf(user, sizeof(user), "%.250s", request_text(o, "name"));
	snprintf(text, sizeof(text),
		"Definitions of the virus scanner were %s%s. By the Unix user %ld, as the kernel says.", what,
		good ? "" : ", and this failed", (long)uid);
	audit_text_set(ev->user, sizeof(ev->user), span_str(user));
	audit_text_set(ev->text, sizeof(ev->text), span_str(text));
	audit_text_set(ev->object, sizeof(ev->object), span_str(set));
	return 0;
}

/* ---- Recording ---- */

static int open_channel(const struct gate *g, int *ret_fd)
{
	int pair[2];
	if (g->auditor.fd < 0 || !gate_newest(g)->audit.has) {
		return ERR_NOT_FOUND;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) {
		return ERR_SYSTEM;
	}
	int e = message_send(g->auditor.fd, &(struct message){.type = MSG_CLIENT, .fd = pair[1]});
	close(pair[1]);
	if (e != 0) {
		close(pair[0]);
		return e;
	}
	*ret_fd = pair[0];
	return 0;
}

static int wait_recorded(int fd, int64_t *ret_record)
{
	static struct message m;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	if (poll(&p, 1, RECORD_MS) <= 0) {
		return ERR_TIMEOUT;
	}
	int e = message_recv(fd, FROM_AUDITOR, &m);
	if (e == 0 && m.number < 0) {
		return (int)m.number;
	}
	if (e == 0) {
		*ret_record = m.number;
	}
	return e;
}

int request_record(const struct gate *g, const struct audit_event *ev, int64_t *ret_record)
{
	static uint8_t bytes[AUDIT_EVENT_MOST];
	size_t len;
	int fd;
	struct message m = {.type = MSG_EVENT, .fd = -1};
	int e = open_channel(g, &fd);
	if (e != 0) {
		return e;
	}
	e = audit_event_write(ev, bytes, sizeof(bytes), &len);
	if (e == 0) {
		m.number = MSG_EVENT_NEW;
		m.bytes = span_of(bytes, len);
		e = message_send(fd, &m);
	}
	e = e == 0 ? wait_recorded(fd, ret_record) : e;
	close(fd);
	return e;
}

static void answer(int fd, int e, int64_t number)
{
	json_t *o = e == 0 ? json_pack("{s:I}", "recorded", (json_int_t)number)
	                   : json_pack("{s:n,s:s}", "recorded", "why",
				     e == ERR_NOT_FOUND ? "the gateway keeps no audit trail"
				     : e == ERR_DENIED  ? "only root may"
							: err_str(e));
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	if (text) {
		(void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
	}
}

bool gate_request(const struct gate *g, int fd)
{
	static struct audit_event ev;
	static char line[REQUEST_MOST];
	int64_t number = -1;
	json_t *o = read_line(fd, line, sizeof(line)) == 0 ? json_loads(line, 0, NULL) : NULL;
	if (gate_sign(g, fd, o)) {
		return true;
	}
	if (!request_text(o, "record")[0]) {
		return false;
	}
	int e = 0;
	if (strcmp(request_text(o, "record"), "quarantine") == 0) {
		e = request_quarantine(fd, o, &ev);
	} else if (strcmp(request_text(o, "record"), "media") == 0) {
		e = request_media(fd, o, &ev);
	} else if (strcmp(request_text(o, "record"), "antivirus") == 0) {
		e = fill_antivirus(fd, o, &ev);
	} else {
		fill_event(g, fd, o, &ev);
	}
	e = e == 0 ? request_record(g, &ev, &number) : e;
	answer(fd, e, number);
	return true;
}
