/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/token_pin.h"

#include "cli/passphrase.h"
#include "keys/private.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PIN_MOST 256

static bool complain(const char *verb, const char *what, const char *why)
{
	fprintf(stderr, "%s: %s: %s\n", verb, what, why);
	return false;
}

static bool put(const char *verb, const char *where, const char *pin, struct token_pin *ret_pin)
{
	size_t len = strlen(pin);
	ret_pin->fd = memfd_create("pin", MFD_CLOEXEC);
	if (ret_pin->fd < 0 || write(ret_pin->fd, pin, len) != (ssize_t)len) {
		return complain(verb, "the PIN", strerror(errno));
	}
	int n = snprintf(ret_pin->uri, sizeof(ret_pin->uri), "%s%cpin-source=/proc/self/fd/%d", where,
		strchr(where, '?') ? '&' : '?', ret_pin->fd);
	return n < (int)sizeof(ret_pin->uri) || complain(verb, where, "it is too long");
}

bool token_pin_take(const char *verb, const char *where, const char *file, struct token_pin *ret_pin)
{
	char pin[PIN_MOST] = "";
	bool wants =
		private_key_is_token(where) && !strstr(where, "pin-source=") && (file || passphrase_asks());
	*ret_pin = TOKEN_PIN_NONE;
	if (strlen(where) >= sizeof(ret_pin->uri)) {
		return complain(verb, where, "it is too long");
	}
	memcpy(ret_pin->uri, where, strlen(where) + 1);
	if (!wants) {
		return true;
	}
	bool good = file ? passphrase_of_file(verb, file, pin, sizeof(pin))
	                 : passphrase_ask("PIN of the token: ", pin, sizeof(pin)) || true;
	good = good && (!pin[0] || put(verb, where, pin, ret_pin));
	OPENSSL_cleanse(pin, sizeof(pin));
	return good;
}

void token_pin_done(struct token_pin *p)
{
	if (p->fd >= 0) {
		close(p->fd);
	}
	*p = TOKEN_PIN_NONE;
}
