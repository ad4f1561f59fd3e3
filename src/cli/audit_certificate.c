/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/audit_lookup.h"
#include "keys/cert.h"
#include "policy/values.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --certificate: a file with it, its fingerprint, or a subject, which several may have. */

static int take_file(struct audit_lookup *l)
{
	uint8_t *bytes;
	size_t len;
	char subject[256];
	const struct audit_input in = {.verb = l->verb, .beside = true};
	int code = audit_read_file(&in, l->certificate, 1u << 20, &bytes, &len);
	if (code != AUDIT_GOOD) {
		return code;
	}
	int e = cert_who(span_of(bytes, len), subject, l->fingerprint);
	free(bytes);
	if (e != 0) {
		fprintf(stderr, "%s: %s is no certificate in PEM or DER\n", l->name, l->certificate);
		return AUDIT_USAGE;
	}
	audit_text_set(l->subject, sizeof(l->subject), span_str(subject));
	l->criteria.certificate = l->subject;
	l->criteria.fingerprint = l->fingerprint;
	return AUDIT_GOOD;
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

int lookup_certificate(struct audit_lookup *l)
{
	if (!l->certificate) {
		return AUDIT_GOOD;
	}
	if (access(l->certificate, F_OK) == 0) {
		return take_file(l);
	}
	if (take_fingerprint(l)) {
		return AUDIT_GOOD;
	}
	if (strncasecmp(l->certificate, "sha256", 6) == 0 || !strchr(l->certificate, '=')) {
		fprintf(stderr,
			"%s: --certificate `%s`: there is no such file, and it is neither a subject, as `CN=ct1,O=Hospital` is, nor "
			"a SHA-256 fingerprint of 64 hexadecimal digits\n",
			l->name, l->certificate);
		return AUDIT_USAGE;
	}
	snprintf(l->subject, sizeof(l->subject), "%s", l->certificate);
	l->criteria.certificate = l->subject;
	return AUDIT_GOOD;
}
