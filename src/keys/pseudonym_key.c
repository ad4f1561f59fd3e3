/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/pseudonym_key.h"
#include "keys/key_file.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct pseudonym_key {
	uint8_t bytes[PSEUDONYM_KEY];
};

int pseudonym_key_open(const char *path, struct pseudonym_key **ret_key, char *why, size_t cap)
{
	struct key_file f CLEANUP(key_file_done) = {0};
	int e = key_file_read(path, "key of pseudonyms", S_IRWXG | S_IRWXO, &f, why, cap);
	if (e < 0) {
		return e;
	}
	if (f.len != PSEUDONYM_KEY) {
		snprintf(why, cap, "%s is no key of `gantry deidentify --new-key`", path);
		return ERR_VALUE;
	}
	struct pseudonym_key *k = OPENSSL_secure_zalloc(sizeof(*k));
	if (!k) {
		snprintf(why, cap, "%s", err_str(ERR_NO_MEMORY));
		return ERR_NO_MEMORY;
	}
	memcpy(k->bytes, f.bytes, sizeof(k->bytes));
	*ret_key = k;
	return 0;
}

void pseudonym_key_free(struct pseudonym_key *k)
{
	OPENSSL_secure_clear_free(k, sizeof(*k));
}

int pseudonym_key_make(struct pseudonym_key *k, unsigned kind, struct span value, uint8_t ret[PSEUDONYM_SIZE])
{
	return kind > PSEUDONYM_DATES ? ERR_TYPE : pseudonym_make(k->bytes, (enum pseudonym)kind, value, ret);
}
