/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/writer.h"
#include "gateway/state.h"

#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

/*
 * The user behind the caller (PS3.7 D.3.3.7): told by the item of its A-ASSOCIATE-RQ and proved by the lookup, or by the
 * certificate of a card that the user has put into the workstation.
 */

/* The lookup gives up a little earlier, and says so. */
#define WAIT_MS 17000

enum { USER_NAME = 1, USER_NAME_AND_PASSCODE = 2 };

static void unproved(struct association *as, const char *why)
{
	as->user.verified = false;
	as->user.name = as->user.groups = NULL;
	snprintf(as->user_why, sizeof(as->user_why), "%.200s", why);
	as->user.why = as->user_why;
}

static void proved(struct association *as, const char *name, const char *groups)
{
	snprintf(as->user_name, sizeof(as->user_name), "%s", name);
	snprintf(as->user_groups, sizeof(as->user_groups), "%s", groups);
	as->user = (struct user_facts){
		.sent = true, .verified = true, .name = as->user_name, .groups = as->user_groups};
}

/* The kernel knows the number; the name is the program's word, which root could have told anyway. */
void user_of_door(struct association *as)
{
	char name[128];
	snprintf(name, sizeof(name), "%s (uid %u)", as->door.user, as->start->uid);
	proved(as, name, "");
}

/* Written for one moment, and wiped. */
static void ask(struct association *as)
{
	static uint8_t bytes[UINT16_MAX];
	const struct identity *id = &as->rq->identity;
	struct message *m = &as->ask, *reply = &as->reply;
	struct writer w = writer_of(bytes, sizeof(bytes));
	writer_u8(&w, id->type);
	writer_u16be(&w, (uint16_t)id->primary.len);
	writer_span(&w, id->primary);
	writer_u16be(&w, (uint16_t)id->secondary.len);
	writer_span(&w, id->secondary);
	*m = (struct message){.type = MSG_WHO, .fd = -1};
	m->bytes = writer_span_of(&w);
	int e = writer_end(&w);
	e = e == 0 ? gate_ask(as, m, MSG_USER, reply, WAIT_MS) : e;
	explicit_bzero(bytes, w.len);
	as->user_response_len = 0;
	if (e == 0 && reply->bytes.len > 0 && reply->bytes.len <= sizeof(as->user_response)) {
		memcpy(as->user_response, reply->bytes.ptr, reply->bytes.len);
		as->user_response_len = reply->bytes.len;
	}
	message_wipe();
	if (e != 0) {
		unproved(as,
			e == ERR_SPACE ? "its identity is too large" : "the gateway's lookup did not answer");
	} else if (reply->user.proved) {
		proved(as, reply->user.name, reply->user.groups);
	} else {
		unproved(as, reply->text);
	}
}

/* The name of the certificate that is a user's. "": none. */
static void name_of_card(const struct association *as, char name[256])
{
	enum user_certificate how = as->site->users.certificate;
	X509 *cert = as->a.t.ssl ? SSL_get0_peer_certificate(as->a.t.ssl) : NULL;
	name[0] = 0;
	if (!cert || how == USER_OF_NO_CERTIFICATE) {
		return;
	}
	for (size_t i = 0; how == USER_OF_EMAIL && !name[0] && i < as->peer.n_san; i++) {
		if (strchr(as->peer.san[i], '@') && !strchr(as->peer.san[i], ':')) {
			snprintf(name, 256, "%s", as->peer.san[i]);
		}
	}
	X509_NAME *subject = X509_get_subject_name(cert);
	int at = how == USER_OF_COMMON_NAME ? X509_NAME_get_index_by_NID(subject, NID_commonName, -1) : -1;
	/* One that has two is nobody's. */
	if (at >= 0 && X509_NAME_get_index_by_NID(subject, NID_commonName, at) < 0) {
		uint8_t *text = NULL;
		int n = ASN1_STRING_to_UTF8(
			&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
		if (n > 0 && n < 256 && !memchr(text, 0, (size_t)n)) {
			memcpy(name, text, (size_t)n);
			name[n] = 0;
		}
		OPENSSL_free(text);
	}
}

static bool is_name(struct span s, const char *name)
{
	return span_eq(s, span_str(name));
}

void user_find(struct association *as)
{
	const struct identity *id = &as->rq->identity;
	char card[256];
	as->user = (struct user_facts){.sent = id->has};
	if (!route_verifies(as->site, &as->route)) {
		return;
	}
	name_of_card(as, card);
	if (id->has && id->type != USER_NAME) {
		ask(as);
	} else if (id->has && !card[0]) {
		unproved(as, "a user name alone proves nothing");
	}
	if (!card[0]) {
		return;
	}
	bool same =
		!id->has || (id->type == USER_NAME ? is_name(id->primary, card)
						   : as->user.verified && strcmp(as->user.name, card) == 0);
	if (same && !as->user.verified) {
		proved(as, card, "");
	} else if (!same && (as->user.verified || id->type == USER_NAME)) {
		unproved(as, "its user identity is another's than its certificate's");
	}
}

void user_told(const struct association *as, const struct flow *f, struct identity *ret)
{
	enum user_called how = f ? f->user_called : USER_FORWARD;
	if (how == USER_FORWARD) {
		*ret = as->rq->identity;
		return;
	}
	*ret = (struct identity){0};
	if (how == USER_REPLACE) {
		struct span passcode = f->user_passcode.bytes;
		const uint8_t *end = passcode.len > 0 ? memchr(passcode.ptr, '\n', passcode.len) : NULL;
		*ret = (struct identity){.has = true,
			.type = passcode.len > 0 ? USER_NAME_AND_PASSCODE : USER_NAME,
			.primary = span_str(f->user_as),
			.secondary =
				span_of(passcode.ptr, end ? (size_t)(end - passcode.ptr) : passcode.len)};
	}
}

void user_answer(const struct association *as, struct identity *ret)
{
	const struct identity *id = &as->rq->identity;
	const struct flow *f = as->route.n_flows ? &as->site->flows[as->route.flows[0]] : NULL;
	bool told = !f || f->user_called == USER_FORWARD;
	if (!id->has || !id->response_requested) {
		return;
	}
	bool answered = told && as->ac->identity.has;
	if (answered && as->ac->identity.response.len > 0) {
		*ret = as->ac->identity;
	} else if (answered || as->user.verified || (!told && id->type <= USER_NAME_AND_PASSCODE)) {
		/* What we have proved, or kept to ourselves, we answer: empty but for tickets and assertions (PS3.7 D.3.3.7.2). */
		*ret = (struct identity){.has = true};
		if (as->user.verified) {
			ret->response = span_of(as->user_response, as->user_response_len);
		}
	}
}
