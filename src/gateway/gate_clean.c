/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/gate_state.h"

#include <unistd.h>

/* An object whose pixels are to be cleaned: a stream of which one end goes to the association and the other to the lookup, for a job. */
bool clean_ask(struct gate *g, struct child *c, const struct message *m, const struct gate_site *gs)
{
	bool cleans = site_cleans(gs->site);
	int64_t number = MSG_CLEANING_OF(c->id, c->from ? c->from->number : 0, m->number);
	struct message reply = {
		.type = MSG_CLEANER, .fd = cleans ? lookup_stream(g, MSG_CLEANING, number) : -1};
	reply.number = reply.fd < 0;
	child_send(g, c, &reply);
	if (reply.fd >= 0) {
		close(reply.fd);
	}
	return true;
}
