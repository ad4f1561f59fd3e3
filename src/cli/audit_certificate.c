/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/audit_lookup.h"
#include "keys/cert.h"
#include "policy/values.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * --certificate: a file with it, its fingerprint, or what several may have: a subject, or a serial number, which --certificate-issuer
 * makes one certificate's.
 */

static int read_certificate(const struct audit_lookup *l, const char *path, char ret_subject[257],
	uint8_t ret_sha256[AUDIT_FINGERPRINT])
{
	uint8_t *bytes;
	size_t len;
	char subject[256];
	const struct audit_input in = {.verb = l->verb, .beside = true};
	int code = audit_read_file(&in, path, 1u << 20, &bytes, &len);
	if (code != AUDIT_GOOD) {
		return code;
	}
	int e = cert_who(span_of(bytes, len), subject, ret_sha256);
	free(bytes);
	if (e != 0) {
		fprintf(stderr, "%s: %s is no certificate in PEM or DER\n", l->name, path);
		return AUDIT_USAGE;
	}
	audit_text_set(ret_subject, 257, span_str(subject));
	return AUDIT_GOOD;
}

static int take_file(struct audit_lookup *l)
{
	int code = read_certificate(l, l->certificate, l->subject, l->fingerprint);
	if (code == AUDIT_GOOD) {
		l->criteria.certificate = l->subject;
		l->criteria.fingerprint = l->fingerprint;
	}
	return code;
}

/* "sha256:" may stand before it, or what OpenSSL says: "sha256 Fingerprint=". */
static bool take_fingerprint(struct audit_lookup *l)
{
	static const char *const words[] = {"sha256:", "sha256 fingerprint="};
	const char *hex = l->certificate;
	char text[128];
	for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
		if (strncasecmp(hex, words[i], strlen(words[i])) == 0) {
			hex += strlen(words[i]);
			break;
		}
	}
	if (strlen(hex) >= sizeof(text) - 7) {
		return false;
	}
	snprintf(text, sizeof(text), "sha256:%s", hex);
	if (value_spki(text, l->fingerprint) != 0) {
		return false;
	}
	l->criteria.fingerprint = l->fingerprint;
	return true;
}

/* "serial=4F2A", as OpenSSL says it; *ret_is: it is meant to be one. A subject may begin with "serialNumber=". */
static int take_serial(struct audit_lookup *l, bool *ret_is)
{
	const char *text = l->certificate;
	*ret_is = strncasecmp(text, "serial=", 7) == 0 || strncasecmp(text, "serial:", 7) == 0;
	if (!*ret_is) {
		return AUDIT_GOOD;
	}
	if (!audit_serial_set(text + 7, l->serial)) {
		fprintf(stderr,
			"%s: --certificate `%s`: expected a serial number in hexadecimal, as `serial=4F2A` is\n",
			l->name, text);
		return AUDIT_USAGE;
	}
	l->criteria.serial = l->serial;
	return AUDIT_GOOD;
}

static int take_subject(struct audit_lookup *l)
{
	if (strncasecmp(l->certificate, "sha256", 6) == 0 || !strchr(l->certificate, '=')) {
		fprintf(stderr,
			"%s: --certificate `%s`: there is no such file, and it is neither a subject, as `CN=ct1,O=Hospital` is, nor "
			"a serial number, as `serial=4F2A` is, nor a SHA-256 fingerprint of 64 hexadecimal digits\n",
			l->name, l->certificate);
		return AUDIT_USAGE;
	}
	snprintf(l->subject, sizeof(l->subject), "%s", l->certificate);
	l->criteria.certificate = l->subject;
	return AUDIT_GOOD;
}

static int take_certificate(struct audit_lookup *l)
{
	bool is_serial = false;
	if (!l->certificate) {
		return AUDIT_GOOD;
	}
	if (access(l->certificate, F_OK) == 0) {
		return take_file(l);
	}
	if (take_fingerprint(l)) {
		return AUDIT_GOOD;
	}
	int code = take_serial(l, &is_serial);
	return code == AUDIT_GOOD && !is_serial ? take_subject(l) : code;
}

/* The authority's own certificate, or its name as records have it. */
static int take_issuer(struct audit_lookup *l)
{
	uint8_t ignored[AUDIT_FINGERPRINT];
	if (!l->certificate_issuer) {
		return AUDIT_GOOD;
	}
	if (l->criteria.fingerprint) {
		fprintf(stderr,
			"%s: --certificate names one certificate, whoever issued it: leave out "
			"--certificate-issuer\n",
			l->name);
		return AUDIT_USAGE;
	}
	l->criteria.certificate_issuer = l->issuer;
	if (access(l->certificate_issuer, F_OK) == 0) {
		return read_certificate(l, l->certificate_issuer, l->issuer, ignored);
	}
	if (!strchr(l->certificate_issuer, '=')) {
		fprintf(stderr,
			"%s: --certificate-issuer `%s`: there is no such file, and it is no name, as `CN=Hospital CA,O=Hospital` is\n",
			l->name, l->certificate_issuer);
		return AUDIT_USAGE;
	}
	snprintf(l->issuer, sizeof(l->issuer), "%s", l->certificate_issuer);
	return AUDIT_GOOD;
}

int lookup_certificate(struct audit_lookup *l)
{
	int code = take_certificate(l);
	return code == AUDIT_GOOD ? take_issuer(l) : code;
}
