/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/gate_tls.h"
#include "gateway/hold.h"
#include "gateway/state.h"
#include "base/clock.h"
#include "base/log.h"
#include "keys/crl.h"
#include "keys/note.h"
#include "priv/message.h"
#include "priv/role.h"

#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UNRECORDED_WAIT_MS 1000

static int find_route(struct association *as, struct route *ret_route, struct verdict *ret_verdict)
{
	switch (as->door.why) {
	case DOOR_IMPORT:
		return decide_import(as->site, as->door.to, as->door.flow, ret_route, ret_verdict);
	case DOOR_RELEASE:
		return decide_release(as->site, as->door.to, as->door.flow, ret_route, ret_verdict);
	default:
		return decide_route(as->site, as->start->hosts, &as->caller, ret_route, ret_verdict);
	}
}

/* Is what comes through the local door made into what its program was told? */
static bool makes_it(const struct association *as, const struct route *r)
{
	const struct flow *f = r->n_flows ? &as->site->flows[r->flows[0]] : NULL;
	unsigned makes = (f && f->deidentify ? DOOR_DEIDENTIFIES : 0) | (f && f->sign.yes ? DOOR_SIGNS : 0);
	return (as->door.makes & ~makes) == 0;
}

int route_find(struct association *as, struct route *ret_route, struct verdict *ret_verdict)
{
	struct route r = {.from = -1, .to = -1};
	int e = find_route(as, &r, ret_verdict);
	if (e == 0 && !makes_it(as, &r)) {
		verdict_of(as->site, &r, -1, RULE_NO_FLOW,
			"the gateway runs with another configuration than the file's, and would not de-identify or sign as that "
			"has it: `gantry reload` first",
			ret_verdict);
		e = ERR_DENIED;
	}
	*ret_route = r;
	return e;
}

/*
 * The route of this association under the new site, by the same facts as at its beginning. Where it would now lead to
 * another node it leads nowhere: the association that is open to the old one must not be taken for one to the new.
 */
void route_again(struct association *as)
{
	struct route r = {.from = -1, .to = -1};
	as->caller.wall_s = clock_wall_ms() / 1000;
	int e = route_find(as, &r, &as->route_verdict);
	if (e == 0 && strcmp(as->site->nodes[r.to].name, as->target_name) != 0) {
		verdict_of(as->site, &r, -1, RULE_NO_FLOW,
			"the configuration now gives this title to another node: a new association is needed",
			&as->route_verdict);
		e = ERR_DENIED;
	}
	if (e == 0) {
		struct verdict remark = as->route_verdict;
		e = decide_user(as->site, &r, &as->user, &as->route_verdict);
		as->route_verdict = as->route_verdict.rule == RULE_NONE ? remark : as->route_verdict;
	}
	as->route_denied = e != 0;
	as->route = e == 0 ? r : (struct route){.from = -1, .to = -1};
}

/* The flow of that name to the same node; -1: there is none any more. */
static int flow_again(const struct site *old, const struct site *fresh, int flow)
{
	const struct flow *was = flow >= 0 && (unsigned)flow < old->n_flows ? &old->flows[flow] : NULL;
	for (unsigned i = 0; was && i < fresh->n_flows; i++) {
		const struct flow *is = &fresh->flows[i];
		if (strcmp(is->name, was->name) == 0 &&
			strcmp(fresh->nodes[is->to].name, old->nodes[was->to].name) == 0) {
			return (int)i;
		}
	}
	return -1;
}

/* Indices into the old site mean nothing in the new one. What is under way is still of its flow, if that is there. */
static void find_flows_again(struct association *as, const struct site *fresh)
{
	struct side *sides[] = {&as->a, &as->b};
	for (unsigned k = 0; k < ARRAY_LEN(sides); k++) {
		for (unsigned i = 0; i < sides[k]->operations_end; i++) {
			struct operation *o = &sides[k]->operations[i];
			o->flow = flow_again(as->site, fresh, o->flow);
		}
		sides[k]->msg.flow = flow_again(as->site, fresh, sides[k]->msg.flow);
		as->holds->of[k].flow = flow_again(as->site, fresh, as->holds->of[k].flow);
	}
	as->n_seen = 0;
	as->unreported_bytes = 0;
	as->unreported_flow = -1;
}

/* The lists of the site, which are files. NULL, and why. */
static struct crl_list *lists_of(const struct site *s, char *why, size_t cap)
{
	struct span *crl = calloc(s->n_crl + 1, sizeof(*crl)),
		    *trust = calloc(s->n_trust + 1, sizeof(*trust));
	struct crl_list *lists = NULL;
	unsigned n_crl = 0;
	snprintf(why, cap, "out of memory");
	for (unsigned i = 0; crl && i < s->n_crl; i++) {
		if (blob_is_list(&s->crl[i])) {
			crl[n_crl++] = s->crl[i].bytes;
		}
	}
	for (unsigned i = 0; trust && i < s->n_trust; i++) {
		trust[i] = s->trust[i].bytes;
	}
	if (crl && trust && crl_list_new(crl, n_crl, trust, s->n_trust, &lists, why, cap) != 0) {
		lists = NULL;
	}
	free(crl);
	free(trust);
	return lists;
}

static void ask_list(const struct crl_list *lists, SSL *ssl, char why[128], const char **ret_revoked,
	const char **ret_unrevoked)
{
	X509 *cert = ssl ? SSL_get0_peer_certificate(ssl) : NULL;
	enum crl_answer answer =
		cert && lists ? crl_ask(lists, cert, clock_wall_ms() / 1000, why, 128) : CRL_NOT_ASKED;
	*ret_revoked = answer == CRL_REVOKED ? why : NULL;
	*ret_unrevoked = answer == CRL_UNKNOWN ? why : NULL;
}

/*
 * The contexts that we were forked with are our own copies; nodes are called with them to the end. The rest of them stays
 * as it was: new identities and anchors are for new associations.
 */
static void use_lists(const struct gate_tls *tls, struct crl_list *lists)
{
	for (unsigned p = 0; p < PROFILE_COUNT; p++) {
		if (tls->client[p] && note_lists(tls->client[p], crl_list_share(lists)) != 0) {
			log_say(LOG_LEVEL_ERROR, "association.reload", "%s", err_str(ERR_NO_MEMORY));
		}
	}
}

/* Lists that came with the new configuration reach an association that was open before they did. */
static void ask_lists_again(struct association *as)
{
	char why[256];
	bool tls = as->a.t.ssl || gate_tls_calls(as->start->tls);
	struct crl_list *lists = tls ? lists_of(as->site, why, sizeof(why)) : NULL;
	if (lists) {
		use_lists(as->start->tls, lists);
	} else if (tls) {
		/* The supervisor has read the same bytes without a mistake. */
		log_say(LOG_LEVEL_ERROR, "association.reload", "the revocation lists could not be read: %s",
			why);
	}
	ask_list(lists, as->a.t.ssl, as->revocation, &as->caller.revoked, &as->caller.unrevoked);
	ask_list(lists, as->b.t.ssl, as->target_revocation, &as->target_revoked, &as->target_unrevoked);
	crl_list_free(lists);
}

static void take_site(struct association *as, int fd, uint32_t generation)
{
	struct site *fresh = NULL;
	int e = role_site(fd, &fresh);
	if (e != 0) {
		log_say(LOG_LEVEL_ERROR, "association.reload", "the new configuration could not be read: %s",
			err_str(e));
		return;
	}
	find_flows_again(as, fresh);
	as->generation = generation;
	struct site *old = as->reloaded;
	as->site = as->reloaded = fresh;
	ask_lists_again(as);
	as->asks = site_asks(fresh);
	as->standing[0].again_ms = as->standing[1].again_ms = 0;
	standing_apply(as);
	route_again(as);
	target_again(as);
	site_free(old);
}

void gate_apply(struct association *as)
{
	if (as->pending_site > 0) {
		take_site(as, as->pending_site, as->pending_generation);
		close(as->pending_site);
		as->pending_site = 0;
	}
	expiry_again(as);
	standing_again(as);
}

static void take(struct association *as, struct message *m)
{
	switch (m->type) {
	case MSG_SITE:
		/* Applied between messages: whoever waits for an answer now holds on to nodes and flows. */
		if (as->pending_site > 0) {
			close(as->pending_site);
		}
		as->pending_site = m->fd;
		as->pending_generation = m->generation;
		return;
	case MSG_STOP:
		if (as->stop_ms == 0) {
			/* A second less than the supervisor gives, so that we say goodbye ourselves. */
			as->stop_ms = clock_mono_ms() + (int64_t)as->timeouts_a.stop * 1000 - 1000;
		}
		break;
	case MSG_LOG:
		log_to(m->fd, MSG_LOG_JSON(m->number) ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT);
		log_least((enum log_level)MSG_LOG_LEVEL(m->number));
		if (as->log_fd > 0) {
			close(as->log_fd);
		}
		as->log_fd = m->fd;
		return; /* it stays open: it is the log */
	default:
		/* An answer that came after its question had timed out. */
		if (as->owed && m->type == as->owed) {
			as->owed = 0;
			if (m->type == MSG_STANDING) {
				standing_late(as, m);
			}
		}
		break;
	}
	if (m->fd >= 0) {
		close(m->fd);
	}
}

static int receive(struct association *as, struct message *ret_m)
{
	int e = message_recv(as->start->channel, FROM_GATE_DOWN, ret_m);
	if (e != 0 && e != ERR_AGAIN) {
		as->gate_lost = true;
	}
	return e;
}

void gate_take(struct association *as)
{
	struct message *m = &as->reply;
	while (!as->gate_lost && receive(as, m) == 0) {
		take(as, m);
	}
}

static int send_waiting(struct association *as, struct message *request, int64_t deadline)
{
	int e;
	request->generation = as->generation;
	while ((e = message_send(as->start->channel, request)) == ERR_AGAIN) {
		int64_t left = deadline - clock_mono_ms();
		struct pollfd p = {.fd = as->start->channel, .events = POLLOUT};
		if (left <= 0) {
			return ERR_TIMEOUT;
		}
		(void)poll(&p, 1, (int)left);
	}
	if (e != 0) {
		as->gate_lost = true;
	}
	return e;
}

static int receive_waiting(struct association *as, struct message *ret_m, int64_t deadline)
{
	int e;
	while ((e = receive(as, ret_m)) == ERR_AGAIN) {
		int64_t left = deadline - clock_mono_ms();
		if (left <= 0) {
			return ERR_TIMEOUT;
		}
		struct pollfd p = {.fd = as->start->channel, .events = POLLIN};
		(void)poll(&p, 1, (int)left);
	}
	return e;
}

int gate_ask(struct association *as, struct message *request, enum message_type want,
	struct message *ret_reply, int64_t wait_ms)
{
	bool lookup = want == MSG_STANDING || want == MSG_USER;
	int64_t deadline = clock_mono_ms() + wait_ms;
	int e = as->gate_lost ? ERR_CLOSED : 0;
	/* Of the lookup one thing is asked at a time: the gate ends who does not keep to that. */
	while (e == 0 && lookup && as->owed) {
		e = receive_waiting(as, ret_reply, deadline);
		if (e == 0) {
			take(as, ret_reply);
		}
	}
	if (e != 0) {
		return e;
	}
	e = send_waiting(as, request, deadline);
	while (e == 0) {
		e = receive_waiting(as, ret_reply, deadline);
		if (e == 0 && ret_reply->type == want) {
			return 0;
		}
		if (e == 0) {
			take(as, ret_reply);
		}
	}
	if (e == ERR_TIMEOUT && lookup) {
		as->owed = want;
		as->owed_side = -1;
	}
	return e;
}

void gate_unrecorded(struct association *as, unsigned kind, unsigned n)
{
	struct message *m = &as->ask;
	*m = (struct message){.type = MSG_UNRECORDED, .fd = -1, .generation = as->generation};
	m->number = MSG_UNRECORDED_OF(n, kind);
	if (as->gate_lost || send_waiting(as, m, clock_mono_ms() + UNRECORDED_WAIT_MS) != 0) {
		log_event(LOG_LEVEL_ERROR, "audit.lost",
			"events passed, or were lost, without a record, and the journal does not tell of it",
			LOG_NUMBER("association", (int64_t)as->start->id), LOG_NUMBER("kind", kind),
			LOG_NUMBER("events", n));
	}
}

void gate_progress(struct association *as, uint8_t state)
{
	struct message *m = &as->ask;
	*m = (struct message){.type = MSG_PROGRESS, .fd = -1, .generation = as->generation};
	m->progress = (struct msg_progress){.messages = as->totals.messages,
		.objects = as->totals.objects,
		.bytes_in = as->a.t.bytes_in,
		.bytes_out = as->a.t.bytes_out,
		.refusals = as->totals.refusals,
		.tolerated = as->totals.tolerated,
		.remade = as->totals.remade,
		.state = state};
	as->progress_ms = clock_mono_ms();
	/* A full channel means that the gate is busy; the next report has the sums again. */
	int e = as->gate_lost ? 0 : message_send(as->start->channel, m);
	if (e != 0 && e != ERR_AGAIN) {
		as->gate_lost = true;
	}
}
