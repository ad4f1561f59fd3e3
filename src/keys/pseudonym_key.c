/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/pseudonym_key.h"
#include "base/writer.h"
#include "keys/key_file.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NONCE 12
#define TAG   16
#define TEXT  (NAME_SEALED - NONCE - TAG) /* u8 kind, u8 length, the old name, zeros */

/* Kinds that no pseudonym has: what keys are made of. */
enum { KIND_TOKEN_KEY = 0x80, KIND_SEAL_KEY, KIND_MARK };

struct pseudonym_key {
	uint8_t bytes[PSEUDONYM_KEY];
	uint8_t token[PSEUDONYM_KEY], seal[PSEUDONYM_KEY];
};

static int derive(struct pseudonym_key *k)
{
	const struct span label = span_str("gantry book of names 1");
	int e = pseudonym_make(k->bytes, (enum pseudonym)KIND_TOKEN_KEY, label, k->token);
	return e < 0 ? e : pseudonym_make(k->bytes, (enum pseudonym)KIND_SEAL_KEY, label, k->seal);
}

int pseudonym_key_open(const char *path, struct pseudonym_key **ret_key, char *why, size_t cap)
{
	struct key_file f CLEANUP(key_file_done) = {0};
	int e = key_file_read(path, "key of pseudonyms", S_IRWXG | S_IRWXO, &f, why, cap);
	if (e < 0) {
		size_t len = strlen(why);
		if (access(path, F_OK) < 0 && len < cap) {
			snprintf(why + len, cap - len,
				"; `gantry deidentify --new-key %s` makes one, for other pseudonyms", path);
		}
		return e;
	}
	if (f.len != PSEUDONYM_KEY) {
		snprintf(why, cap, "%s is no key of `gantry deidentify --new-key`, which has %d bytes", path,
			PSEUDONYM_KEY);
		return ERR_VALUE;
	}
	if (!pseudonym_key_is_chance(f.bytes)) {
		snprintf(why, cap,
			"%s is no key of `gantry deidentify --new-key`: it is a text or a pattern, which can be guessed",
			path);
		return ERR_VALUE;
	}
	struct pseudonym_key *k = OPENSSL_secure_zalloc(sizeof(*k));
	if (!k) {
		snprintf(why, cap, "%s", err_str(ERR_NO_MEMORY));
		return ERR_NO_MEMORY;
	}
	memcpy(k->bytes, f.bytes, sizeof(k->bytes));
	e = derive(k);
	if (e < 0) {
		snprintf(why, cap, "OpenSSL makes no keys of %s", path);
		pseudonym_key_free(k);
		return e;
	}
	*ret_key = k;
	return 0;
}

void pseudonym_key_free(struct pseudonym_key *k)
{
	OPENSSL_secure_clear_free(k, sizeof(*k));
}

int pseudonym_key_make(struct pseudonym_key *k, unsigned kind, struct span value, uint8_t ret[PSEUDONYM_SIZE])
{
	return kind > PSEUDONYM_ORIGINALS ? ERR_TYPE
	                                  : pseudonym_make(k->bytes, (enum pseudonym)kind, value, ret);
}

int pseudonym_key_token(
	struct pseudonym_key *k, unsigned kind, struct span name, uint8_t ret_token[NAME_TOKEN])
{
	uint8_t mac[PSEUDONYM_SIZE];
	if (kind != PSEUDONYM_UID && kind != PSEUDONYM_PATIENT) {
		return ERR_TYPE;
	}
	int e = pseudonym_make(k->token, (enum pseudonym)kind, name, mac);
	if (e == 0) {
		memcpy(ret_token, mac, NAME_TOKEN);
	}
	return e;
}

/* sealed = nonce, text, tag. */
static int seal(
	const struct pseudonym_key *k, const uint8_t *token, const uint8_t text[TEXT], uint8_t *sealed)
{
	int n = 0;
	uint8_t *in = sealed + NONCE, *tag = in + TEXT;
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	bool good = c && RAND_bytes(sealed, NONCE) == 1 &&
	            EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, k->seal, sealed) == 1 &&
	            EVP_EncryptUpdate(c, NULL, &n, token, NAME_TOKEN) == 1 &&
	            EVP_EncryptUpdate(c, in, &n, text, TEXT) == 1 && EVP_EncryptFinal_ex(c, tag, &n) == 1 &&
	            EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG, tag) == 1;
	EVP_CIPHER_CTX_free(c);
	return good ? 0 : ERR_SYSTEM;
}

static int unseal(
	const struct pseudonym_key *k, const uint8_t *token, const uint8_t *sealed, uint8_t text[TEXT])
{
	int n = 0;
	const uint8_t *in = sealed + NONCE;
	uint8_t tag[TAG], rest[16];
	memcpy(tag, in + TEXT, TAG);
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	bool good = c && EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, k->seal, sealed) == 1 &&
	            EVP_DecryptUpdate(c, NULL, &n, token, NAME_TOKEN) == 1 &&
	            EVP_DecryptUpdate(c, text, &n, in, TEXT) == 1 &&
	            EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG, tag) == 1 &&
	            EVP_DecryptFinal_ex(c, rest, &n) == 1;
	EVP_CIPHER_CTX_free(c);
	return good ? 0 : ERR_VALUE;
}

/* The new name, as it stands in objects; of a patient whose issuer and ID are told apart by a NUL. */
static int name_of(struct pseudonym_key *k, unsigned kind, struct span value, char ret_name[UID_MAX + 1],
	struct span *ret_old)
{
	const struct pseudonyms p = {.make = pseudonym_make, .arg = k->bytes};
	if (kind == PSEUDONYM_UID) {
		*ret_old = value;
		return pseudonym_uid(&p, value, ret_name);
	}
	const uint8_t *nul =
		kind == PSEUDONYM_PATIENT && value.len > 0 ? memchr(value.ptr, 0, value.len) : NULL;
	if (!nul) {
		return ERR_TYPE;
	}
	struct span issuer = span_of(value.ptr, (size_t)(nul - value.ptr));
	*ret_old = span_of(nul + 1, value.len - issuer.len - 1);
	return pseudonym_patient(&p, issuer, *ret_old, ret_name);
}

int pseudonym_key_enter(struct pseudonym_key *k, unsigned kind, struct span value,
	uint8_t ret[PSEUDONYM_SIZE], uint8_t ret_entry[NAME_ENTRY])
{
	uint8_t text[TEXT] = {(uint8_t)kind}, mac[PSEUDONYM_SIZE], entry[NAME_ENTRY];
	char name[UID_MAX + 1];
	struct span old;
	int e = name_of(k, kind, value, name, &old);
	if (e == 0 && (old.len == 0 || old.len > NAME_OLD_MOST)) {
		e = ERR_LENGTH;
	}
	e = e == 0 ? pseudonym_key_make(k, kind, value, mac) : e;
	e = e == 0 ? pseudonym_key_token(k, kind, span_str(name), entry) : e;
	if (e < 0) {
		return e;
	}
	text[1] = (uint8_t)old.len;
	memcpy(text + 2, old.ptr, old.len);
	e = seal(k, entry, text, entry + NAME_TOKEN);
	if (e == 0) {
		memcpy(ret, mac, sizeof(mac));
		memcpy(ret_entry, entry, sizeof(entry));
	}
	return e;
}

int pseudonym_key_recall(struct pseudonym_key *k, const uint8_t entry[NAME_ENTRY],
	uint8_t ret_old[NAME_OLD_MOST], size_t *ret_len)
{
	uint8_t text[TEXT];
	int e = unseal(k, entry, entry + NAME_TOKEN, text);
	if (e == 0 && (text[1] == 0 || text[1] > NAME_OLD_MOST)) {
		e = ERR_VALUE;
	}
	if (e == 0) {
		memcpy(ret_old, text + 2, text[1]);
		*ret_len = text[1];
	}
	return e;
}

int pseudonym_key_mark(struct pseudonym_key *k, char ret_mark[PSEUDONYM_MARK])
{
	uint8_t mac[PSEUDONYM_SIZE];
	int e = pseudonym_make(
		k->bytes, (enum pseudonym)KIND_MARK, span_str("gantry key of pseudonyms 1"), mac);
	for (size_t i = 0; e == 0 && i < sizeof(mac); i++) {
		snprintf(ret_mark + 2 * i, 3, "%02x", mac[i]);
	}
	return e;
}
