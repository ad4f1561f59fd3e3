/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/audit.h"
#include "cli/media.h"
#include "cli/passphrase.h"
#include "keys/cms_seal.h"

#include <stdio.h>

#define PEM_MOST (1u << 20)

/* One that would not do is not asked for again. */
static bool take_new(const char *name, char buf[MEDIA_PASSPHRASE])
{
	const char *fault = cms_passphrase_fault(buf);
	if (fault) {
		fprintf(stderr, "%s: the passphrase: %s; nothing was sealed\n", name, fault);
	} else if (!passphrase_again(buf)) {
		fprintf(stderr, "%s: the two are not the same; nothing was sealed\n", name);
	} else {
		return true;
	}
	return false;
}

bool media_passphrase(const char *verb, const char *file, bool twice, char buf[MEDIA_PASSPHRASE])
{
	char name[32];
	snprintf(name, sizeof(name), "gantry media %s", verb);
	if (file) {
		return passphrase_of_file(name, file, buf, MEDIA_PASSPHRASE);
	}
	if (!passphrase_ask(
		    twice ? "Passphrase for the disc (12 characters or more): " : "Passphrase of the disc: ",
		    buf, MEDIA_PASSPHRASE)) {
		fprintf(stderr, "%s: there was no passphrase%s\n", name,
			!passphrase_asks() ? PASSPHRASE_UNASKED
			: twice            ? "; nothing was sealed"
					   : "");
		return false;
	}
	return !twice || take_new(name, buf);
}

bool media_read_pem(const char *verb, const char *path, uint8_t **ret_bytes, size_t *ret_len)
{
	char name[32];
	snprintf(name, sizeof(name), "media %s", verb);
	const struct audit_input in = {.verb = name, .beside = true};
	return audit_read_file(&in, path, PEM_MOST, ret_bytes, ret_len) == AUDIT_GOOD;
}
