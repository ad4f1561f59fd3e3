/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/tls.h"
#include "base/clock.h"
#include "keys/note.h"
#include "keys/profile.h"
#include "keys/x509.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

static bool printable(const unsigned char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] <= ' ' || text[i] > '~') {
			return false;
		}
	}
	return len > 0;
}

/*
 * The kinds of names share one list, so each must look like its kind: a mail address or URI that spells a host name
 * or an address would otherwise pass for that host.
 */
static bool text_of_kind(int kind, const char *text)
{
	uint8_t ip[16];
	switch (kind) {
	case GEN_DNS:
		return x509_dns_name(text, strlen(text), true);
	case GEN_URI:
		return isalpha((unsigned char)text[0]) && strchr(text, ':') && x509_ip(text, ip) == 0;
	case GEN_EMAIL:
		return strchr(text, '@') && !strchr(text, ':');
	default:
		return false;
	}
}

static bool san_text(const GENERAL_NAME *name, char ret_text[TLS_NAME_LEN])
{
	int kind;
	const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &kind);
	if (kind != GEN_IPADD && kind != GEN_DNS && kind != GEN_URI && kind != GEN_EMAIL) {
		return false;
	}
	const unsigned char *bytes = ASN1_STRING_get0_data(value);
	size_t len = (size_t)ASN1_STRING_length(value);
	if (kind == GEN_IPADD) {
		int family = len == 4 ? AF_INET : len == 16 ? AF_INET6 : AF_UNSPEC;
		return family != AF_UNSPEC && inet_ntop(family, bytes, ret_text, TLS_NAME_LEN);
	}
	if (len >= TLS_NAME_LEN || !printable(bytes, len)) {
		return false;
	}
	for (size_t i = 0; i < len; i++) {
		ret_text[i] = (char)(kind == GEN_DNS ? tolower(bytes[i]) : bytes[i]);
	}
	ret_text[len] = '\0';
	return text_of_kind(kind, ret_text);
}

static int read_sans(const X509 *cert, struct tls_peer *peer)
{
	int critical;
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, &critical, NULL);
	if (!names) {
		return critical == -1 ? 0 : ERR_VALUE; /* -1: there is none; else twice or broken */
	}
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		if (peer->n_san < TLS_SAN_MAX &&
			san_text(sk_GENERAL_NAME_value(names, i), peer->san[peer->n_san])) {
			peer->n_san++;
		} else {
			peer->n_san_left_out++;
		}
	}
	GENERAL_NAMES_free(names);
	return 0;
}

static void read_serial(const X509 *cert, char *buf, size_t cap)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
	const unsigned char *bytes = ASN1_STRING_get0_data(serial);
	int len = ASN1_STRING_length(serial);
	size_t at = 0;
	buf[0] = '\0';
	for (int i = 0; i < len && at + 2 < cap; i++) {
		at += (size_t)snprintf(buf + at, cap - at, "%02x", bytes[i]);
	}
}

/*
 * The handshake has asked for the whole chain. A session that is resumed has had no such handshake, and of it only the
 * peer's own certificate is left.
 */
static void ask_lists(SSL *ssl, struct tls_peer *peer)
{
	const struct crl_list *lists = note_lists_of(ssl);
	char why[128];
	enum crl_answer answer = lists ? crl_ask(lists, SSL_get0_peer_certificate(ssl),
						 clock_wall_ms() / 1000, why, sizeof(why))
	                               : CRL_NOT_ASKED;
	if (answer == CRL_REVOKED) {
		memcpy(peer->revoked, why, sizeof(why));
	} else if (answer == CRL_UNKNOWN) {
		memcpy(peer->unrevoked, why, sizeof(why));
	}
}

/* Its own, or that of an authority of its chain: which ends first. */
static int read_end(SSL *ssl, const X509 *cert, struct tls_peer *peer)
{
	STACK_OF(X509) *chain = SSL_get0_verified_chain(ssl);
	int r = x509_time_s(X509_get0_notAfter(cert), &peer->not_after_s);
	x509_day(X509_get0_notAfter(cert), peer->last_day);
	for (int i = 0; r == 0 && i < sk_X509_num(chain); i++) {
		const ASN1_TIME *end = X509_get0_notAfter(sk_X509_value(chain, i));
		int64_t end_s;
		if (x509_time_s(end, &end_s) == 0 && end_s < peer->not_after_s) {
			peer->not_after_s = end_s;
			x509_day(end, peer->last_day);
		}
	}
	return r;
}

int tls_peer_of(SSL *ssl, struct tls_peer *ret_peer)
{
	const X509 *cert = SSL_get0_peer_certificate(ssl);
	if (!cert) {
		return ERR_MISSING;
	}
	/* The handshake has failed already if this is not so; asked again because everything hangs on it. */
	if (SSL_get_verify_result(ssl) != X509_V_OK) {
		return ERR_DENIED;
	}
	struct tls_peer peer = {0};
	x509_name_text(X509_get_subject_name(cert), peer.subject, sizeof(peer.subject));
	x509_name_text(X509_get_issuer_name(cert), peer.issuer, sizeof(peer.issuer));
	read_serial(cert, peer.serial, sizeof(peer.serial));
	int r = read_sans(cert, &peer);
	if (r == 0) {
		r = x509_spki_sha256(cert, peer.spki_sha256);
	}
	if (r == 0) {
		r = x509_sha256(cert, peer.sha256);
	}
	if (r == 0) {
		r = read_end(ssl, cert, &peer);
	}
	if (r < 0) {
		ERR_clear_error();
		return r;
	}
	snprintf(peer.version, sizeof(peer.version), "%s", SSL_get_version(ssl));
	snprintf(peer.suite, sizeof(peer.suite), "%s", SSL_CIPHER_get_name(SSL_get_current_cipher(ssl)));
	ask_lists(ssl, &peer);
	peer.outside = profile_outside(ssl);
	*ret_peer = peer;
	return 0;
}
