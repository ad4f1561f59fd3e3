/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "gateway/lookup_state.h"
#include "keys/crl.h"
#include "keys/x509.h"
#include "priv/memfd.h"

#include <netdb.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/http.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

/* What a job does, in a process of its own: nothing is freed that the process's end frees. */

/* ---- Host names ---- */

static void add(struct msg_addresses *a, const struct sockaddr *sa)
{
	struct in6_addr ip = {0};
	if (sa->sa_family == AF_INET) {
		ip.s6_addr[10] = ip.s6_addr[11] = 0xff;
		memcpy(&ip.s6_addr[12], &((const struct sockaddr_in *)sa)->sin_addr, 4);
	} else if (sa->sa_family == AF_INET6) {
		ip = ((const struct sockaddr_in6 *)sa)->sin6_addr;
	} else {
		return;
	}
	if (a->n < MSG_ADDRESSES_MOST) {
		a->ip[a->n++] = ip;
	}
}

void job_resolve(const char *host, struct message *reply)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	*reply = (struct message){.type = MSG_ADDRESSES, .fd = -1};
	if (getaddrinfo(host, NULL, &hints, &found) != 0) {
		return;
	}
	for (const struct addrinfo *ai = found; ai; ai = ai->ai_next) {
		add(&reply->addresses, ai->ai_addr);
	}
}

/* ---- HTTP, by OpenSSL ---- */

#define HTTP_WAIT_S      4
#define OCSP_ANSWER_MOST (64 * 1024)
#define LIST_MOST        (32 * 1024 * 1024)

static struct span drain(BIO *bio, size_t most)
{
	uint8_t *bytes = NULL;
	size_t len = 0, cap = 0;
	time_t deadline = time(NULL) + 3 * HTTP_WAIT_S;
	int n = 1;
	/* What OpenSSL gives is the answer in memory, or the connection itself, which does not block. */
	bool live = bio && BIO_method_type(bio) != BIO_TYPE_MEM;
	while (bio && (n > 0 || (live && BIO_should_retry(bio) && BIO_wait(bio, deadline, 50) == 1))) {
		if (cap - len < 16384) {
			cap = cap * 2 + 32768;
			uint8_t *grown = cap > 2 * most ? NULL : OPENSSL_realloc(bytes, cap);
			if (!grown) {
				return span_of(NULL, 0);
			}
			bytes = grown;
		}
		n = BIO_read(bio, bytes + len, (int)(cap - len));
		len += n > 0 ? (size_t)n : 0;
	}
	return span_of(bytes, len);
}

/* One try: OpenSSL's own goes on trying a port that is closed until its time is over, and a device waits for us meanwhile. */
static BIO *connect_to(const char *host, const char *port)
{
	BIO *bio = BIO_new(BIO_s_connect());
	bool up = bio && BIO_set_conn_hostname(bio, host) == 1 && BIO_set_conn_port(bio, port) == 1 &&
	          BIO_do_connect(bio) == 1;
	return up ? bio : NULL;
}

static struct span post(const char *url, const uint8_t *request, size_t len)
{
	char *host = NULL, *port = NULL, *path = NULL, *query = NULL;
	int ssl = 0;
	if (OSSL_HTTP_parse_url(url, &ssl, NULL, &host, &port, NULL, &path, &query, NULL) != 1 || ssl) {
		return span_of(NULL, 0);
	}
	BIO *peer = connect_to(host, port);
	if (!peer) {
		return span_of(NULL, 0);
	}
	BIO *body = BIO_new_mem_buf(request, (int)len);
	BIO *answer = OSSL_HTTP_transfer(NULL, host, port, path, 0, NULL, NULL, peer, NULL, NULL, NULL, 0,
		NULL, "application/ocsp-request", body, "application/ocsp-response", 1, OCSP_ANSWER_MOST,
		HTTP_WAIT_S, 0);
	return drain(answer, OCSP_ANSWER_MOST);
}

/* ---- Certificates ---- */

struct anchors {
	X509 *at[256];
	unsigned n;
};

static void read_pem(struct span pem, struct anchors *a)
{
	BIO *bio = x509_bio(pem);
	X509 *cert = NULL;
	while (bio && a->n < ARRAY_LEN(a->at) && x509_next(bio, &cert) == 0) {
		a->at[a->n++] = cert;
	}
}

static X509 *issuer_among(X509 *cert, X509 *const *at, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (X509_check_issued(at[i], cert) == X509_V_OK && X509_check_ca(at[i]) == 1 &&
			X509_verify(cert, X509_get0_pubkey(at[i])) == 1) {
			return at[i];
		}
	}
	return NULL;
}

static bool is_among(X509 *cert, X509 *const *at, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (X509_cmp(cert, at[i]) == 0) {
			return true;
		}
	}
	return false;
}

/*
 * Who asks may have been taken over, and would like to have servers of its choice called: nobody is called on the word of a
 * certificate that no authority of ours has issued.
 */
static bool leads_to_trust(X509 *cert, X509 *const *at, unsigned n, const struct anchors *trusted)
{
	for (unsigned i = 0; cert && i <= n; i++) {
		if (is_among(cert, trusted->at, trusted->n) || issuer_among(cert, trusted->at, trusted->n)) {
			return true;
		}
		cert = issuer_among(cert, at, n);
	}
	return false;
}

static void say(struct standing *s, const char *text, const char *name)
{
	*s = (struct standing){.state = STANDING_UNKNOWN};
	snprintf(s->why, sizeof(s->why), "may have been revoked: %s%.120s", text, name);
}

/* What a responder says; its bytes too, for stapling. ERR_NOT_FOUND: there is nobody to ask. */
static int ask_responder(
	const struct site *s, X509 *cert, X509 *issuer, struct standing *ret, struct span *ret_bytes)
{
	char url[512];
	uint8_t *request = NULL;
	size_t len = 0;
	if (s->ocsp_responder[0]) {
		snprintf(url, sizeof(url), "%s", s->ocsp_responder);
	} else if (ocsp_url(cert, url, sizeof(url)) != 0) {
		return ERR_NOT_FOUND;
	}
	*ret_bytes =
		ocsp_request(cert, issuer, &request, &len) == 0 ? post(url, request, len) : span_of(NULL, 0);
	ERR_clear_error();
	if (ret_bytes->len == 0) {
		say(ret, "no answer from the OCSP responder ", url);
	} else {
		ocsp_judge(*ret_bytes, cert, issuer, clock_wall_ms() / 1000, ret);
	}
	return 0;
}

static struct crl_list *fetched_lists(const struct lookup *l)
{
	struct span *bytes = OPENSSL_zalloc((l->n_lists + 1) * sizeof(*bytes));
	struct crl_list *lists = NULL;
	unsigned n = 0;
	char why[256];
	for (unsigned i = 0; bytes && i < l->n_lists; i++) {
		struct memfd_map map;
		if (l->lists[i].fd >= 0 && memfd_map(l->lists[i].fd, &map) == 0) {
			bytes[n++] = map.bytes;
		}
	}
	return bytes && crl_list_new(bytes, n, l->trust, l->site->n_trust, &lists, why, sizeof(why)) == 0
	               ? lists
	               : NULL;
}

/*
 * What the peer has stapled, if it is good for anything: as young as an answer that is asked for may grow before it is
 * asked for again. exception: RFC 6066 8 would end the handshake for one that is not.
 */
static bool stapled(const struct lookup *l, X509 *cert, X509 *issuer, struct span staple, int64_t now_s,
	struct standing *ret)
{
	struct standing s = {.state = STANDING_UNKNOWN};
	if (staple.len > 0) {
		ocsp_judge(staple, cert, issuer, now_s, &s);
	}
	if (s.state == STANDING_UNKNOWN || s.from_s + (int64_t)l->site->revocation_again < now_s) {
		return false;
	}
	*ret = s;
	return true;
}

/*
 * The lists first: they are here. What two sources say of one certificate: revoked by one is revoked, good by one is known.
 * staple: of the peer's own certificate (leaf).
 */
static void standing_of(const struct lookup *l, const struct crl_list *lists, X509 *cert, X509 *issuer,
	bool leaf, struct span staple, struct standing *ret)
{
	int64_t now_s = clock_wall_ms() / 1000;
	struct span bytes;
	char why[128];
	enum crl_answer listed = lists ? crl_ask(lists, cert, now_s, why, sizeof(why)) : CRL_NOT_ASKED;
	*ret = (struct standing){
		.state = STANDING_GOOD, .until_s = now_s + (int64_t)l->site->revocation_again};
	if (listed == CRL_REVOKED) {
		ret->state = STANDING_REVOKED;
		memcpy(ret->why, why, sizeof(why));
		return;
	}
	if (listed == CRL_GOOD) {
		return;
	}
	if (l->site->ocsp_ask && issuer && leaf && stapled(l, cert, issuer, staple, now_s, ret)) {
		return;
	}
	if (l->site->ocsp_ask && issuer && ask_responder(l->site, cert, issuer, ret, &bytes) == 0) {
		return;
	}
	/* Of an authority between, nobody need say anything; of the peer itself somebody must. */
	if (leaf) {
		say(ret,
			!issuer ? "its authority's certificate is not at hand to ask with"
			: l->site->ocsp_ask
				? "it names no OCSP responder, and there is no list of its authority"
				: "no current list of its authority could be fetched",
			"");
	}
}

static void fill(struct message *reply, const struct standing *s)
{
	*reply = (struct message){.type = MSG_STANDING, .fd = -1};
	reply->number = s->until_s;
	reply->standing.state = (uint8_t)s->state;
	snprintf(reply->text, sizeof(reply->text), "%s", s->why);
}

void job_standing(const struct lookup *l, struct span chain, struct span staple, struct message *reply)
{
	static struct anchors trusted;
	X509 *at[CHAIN_CERTIFICATES];
	unsigned n = 0;
	struct standing all = {.state = STANDING_GOOD, .until_s = INT64_MAX}, one;
	struct crl_list *lists = fetched_lists(l);
	for (unsigned i = 0; i < l->site->n_trust; i++) {
		read_pem(l->trust[i], &trusted);
	}
	if (chain_read(chain, at, &n) != 0) {
		say(&all, "its certificates could not be read", "");
	} else if (!leads_to_trust(at[0], at, n, &trusted)) {
		say(&all, "it is by no authority of `tls: trust`", "");
		n = 0;
	}
	for (unsigned i = 0;
		i < n && all.state != STANDING_REVOKED && !is_among(at[i], trusted.at, trusted.n); i++) {
		X509 *issuer = issuer_among(at[i], at, n);
		issuer = issuer ? issuer : issuer_among(at[i], trusted.at, trusted.n);
		standing_of(l, lists, at[i], issuer, i == 0, staple, &one);
		if (one.state != STANDING_GOOD &&
			(all.state == STANDING_GOOD || one.state == STANDING_REVOKED)) {
			all = one;
		} else if (one.state == STANDING_GOOD && all.state == STANDING_GOOD &&
			   one.until_s < all.until_s) {
			all.until_s = one.until_s;
		}
	}
	if (all.until_s == INT64_MAX) {
		all.until_s = clock_wall_ms() / 1000 + (int64_t)l->site->revocation_again;
	}
	fill(reply, &all);
}

void job_staple(const struct lookup *l, unsigned identity, struct message *reply)
{
	static struct anchors chain, trusted;
	static uint8_t bytes[SHA256_DIGEST_LENGTH + 12 * 1024];
	struct span pem = l->site->identities[identity].certificate.bytes, answer = {0};
	struct standing s = {0};
	read_pem(pem, &chain);
	for (unsigned i = 0; i < l->site->n_trust; i++) {
		read_pem(l->trust[i], &trusted);
	}
	X509 *leaf = chain.n > 0 ? chain.at[0] : NULL;
	X509 *issuer = leaf ? issuer_among(leaf, chain.at, chain.n) : NULL;
	issuer = issuer || !leaf ? issuer : issuer_among(leaf, trusted.at, trusted.n);
	*reply = (struct message){.type = MSG_STANDING, .fd = -1}; /* no staple: not what is waited for */
	if (!issuer || ask_responder(l->site, leaf, issuer, &s, &answer) != 0) {
		snprintf(reply->text, sizeof(reply->text), "%s",
			issuer ? "it names no OCSP responder"
			       : "its issuer's certificate is neither in its file nor trusted");
		return;
	}
	/* A stapled answer that it is revoked helps callers as much. */
	if (s.state == STANDING_UNKNOWN || !answer.ptr || answer.len > sizeof(bytes) - SHA256_DIGEST_LENGTH) {
		snprintf(reply->text, sizeof(reply->text), "%s", s.why);
		return;
	}
	(void)SHA256(pem.ptr, pem.len, bytes);
	memcpy(bytes + SHA256_DIGEST_LENGTH, answer.ptr, answer.len);
	reply->type = MSG_STAPLE;
	reply->number = s.until_s;
	reply->bytes = span_of(bytes, SHA256_DIGEST_LENGTH + answer.len);
}

/* Somebody on the way may show the list from before a certificate was revoked, as long as it lasts. One that is overdue holds nobody up. */
static bool goes_back(const struct lookup *l, unsigned list, struct span fresh)
{
	struct memfd_map map;
	char issuer[256];
	int days;
	return l->lists[list].fd >= 0 && memfd_map(l->lists[list].fd, &map) == 0 &&
	       crl_is_older(fresh, map.bytes) &&
	       crl_days_left(map.bytes, clock_wall_ms() / 1000, &days, issuer) == 0 && days >= 0;
}

void job_list(const struct lookup *l, unsigned which, struct message *reply)
{
	BIO *body = OSSL_HTTP_get(l->lists[which].url, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, 0,
		LIST_MOST, 3 * HTTP_WAIT_S);
	struct span bytes = drain(body, LIST_MOST);
	struct crl_list *list = NULL;
	char why[256] = "", issuer[256];
	int days = 0;
	*reply = (struct message){.type = MSG_STANDING, .fd = -1};
	if (bytes.len == 0) {
		const char *reason = ERR_reason_error_string(ERR_peek_error());
		snprintf(reply->text, sizeof(reply->text), "the server does not answer with it (%s)",
			reason ? reason : "no reason is known");
	} else if (crl_list_new(&bytes, 1, l->trust, l->site->n_trust, &list, why, sizeof(why)) != 0) {
		snprintf(reply->text, sizeof(reply->text), "%s", why);
	} else if (crl_days_left(bytes, clock_wall_ms() / 1000, &days, issuer) != 0 || days < 0) {
		snprintf(reply->text, sizeof(reply->text), "it is overdue itself");
	} else if (goes_back(l, which, bytes)) {
		snprintf(reply->text, sizeof(reply->text),
			"it is older than the one that is here, which is kept: does somebody on the way show an old one?");
	} else if (memfd_of("list", bytes, &reply->fd) == 0) {
		reply->type = MSG_LIST;
		reply->number = clock_wall_ms() / 1000 + (int64_t)days * 86400;
	}
}
