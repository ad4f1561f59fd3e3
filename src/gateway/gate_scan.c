/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "gateway/gate_state.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * An object that is to be scanned for viruses: a stream of which one end goes to the association and the other to the lookup,
 * for a job. And how the scanner is, as the lookup says: told once when it changes.
 */

int lookup_stream(struct gate *g, enum message_type type, int64_t number)
{
	int pair[2];
	if (g->lookup.fd < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		return -1;
	}
	struct message m = {.type = type, .fd = pair[1], .number = number};
	int e = fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0 ? ERR_SYSTEM : message_send(g->lookup.fd, &m);
	close(pair[1]);
	if (e != 0) {
		close(pair[0]);
		return -1;
	}
	return pair[0];
}

bool scan_ask(struct gate *g, struct child *c, const struct message *m, const struct gate_site *gs)
{
	struct message reply = {.type = MSG_SCANNER,
		.fd = gs->site->antivirus.has ? lookup_stream(g, MSG_SCANNING, (int64_t)c->id) : -1};
	(void)m;
	reply.number = reply.fd < 0;
	child_send(g, c, &reply);
	if (reply.fd >= 0) {
		close(reply.fd);
	}
	return true;
}

void antivirus_take(struct gate *g, const struct msg_antivirus *a)
{
	bool was = !g->antivirus_known || g->antivirus.good;
	bool same = g->antivirus_known && strcmp(g->antivirus.why, a->why) == 0;
	if (!a->good && was) {
		log_event(LOG_LEVEL_ERROR, "antivirus.away",
			"objects are not scanned for viruses: what becomes of them the flows say",
			LOG_TEXT("why", a->why));
	} else if (a->good && !was) {
		log_event(LOG_LEVEL_NOTICE, "antivirus.back", "objects are scanned for viruses again",
			LOG_TEXT("version", a->version));
	}
	if (a->good && a->why[0] && !(same && was)) {
		log_event(LOG_LEVEL_ERROR, "antivirus.limits",
			"larger objects are not scanned for viruses: what becomes of them the flows say",
			LOG_TEXT("why", a->why));
	}
	g->antivirus = *a;
	g->antivirus_known = true;
}
