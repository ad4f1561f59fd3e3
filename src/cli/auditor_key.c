/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/auditor_key.h"
#include "cli/passphrase.h"
#include "keys/key_file.h"
#include "keys/private.h"
#include "keys/token_opener.h"

#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool read_pem(const char *where, struct span pem, struct passphrase_way *way, EVP_PKEY **ret_pkey)
{
	BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
	*ret_pkey = bio ? PEM_read_bio_PrivateKey(bio, NULL, passphrase_of_pem, way) : NULL;
	BIO_free(bio);
	ERR_clear_error();
	if (*ret_pkey) {
		return true;
	}
	if (!way->asked) {
		fprintf(stderr, "%s: %s is no private key in PEM\n", way->verb, where);
	} else if (way->answered) {
		fprintf(stderr, "%s: the passphrase does not open %s\n", way->verb, where);
	} else if (!way->file) {
		fprintf(stderr, "%s: no passphrase for %s%s\n", way->verb, where,
			passphrase_asks() ? "" : PASSPHRASE_UNASKED);
	}
	return false;
}

/* Who gives the public half is not to be told to hide it from others first. */
static bool is_public(const char *where)
{
	static const char *const heads[] = {"-----BEGIN PUBLIC KEY", "-----BEGIN CERTIFICATE"};
	char head[32] = "";
	bool is = false;
	int fd = open(where, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read(fd, head, sizeof(head) - 1);
	for (unsigned i = 0; n > 0 && i < ARRAY_LEN(heads); i++) {
		is |= strncmp(head, heads[i], strlen(heads[i])) == 0;
	}
	if (fd >= 0) {
		close(fd);
	}
	return is;
}

static bool open_file(
	const char *verb, const char *where, const char *passphrase_file, struct auditor_key *ret_key)
{
	struct key_file f CLEANUP(key_file_done) = {0};
	char why[512] = "";
	struct auditor_key key = {0};
	struct passphrase_way way = {
		.verb = verb, .file = passphrase_file, .prompt = "Passphrase of the auditor's key: "};
	if (is_public(where)) {
		fprintf(stderr,
			"%s: %s is a public key, or a certificate: records open with the private key to it\n",
			verb, where);
		return false;
	}
	if (key_file_read(where, "private key", S_IRWXO, &f, why, sizeof(why)) < 0) {
		fprintf(stderr, "%s: %s\n", verb, why[0] ? why : "no memory");
		return false;
	}
	if (!read_pem(where, span_of(f.bytes, f.len), &way, &key.pkey)) {
		return false;
	}
	if (hpke_opener_of(key.pkey, &key.opener) != 0) {
		fprintf(stderr, "%s: %s is no key of X25519 or P-256, which an auditor's is\n", verb, where);
		EVP_PKEY_free(key.pkey);
		return false;
	}
	*ret_key = key;
	return true;
}

bool auditor_key_open(
	const char *verb, const char *where, const char *passphrase_file, struct auditor_key *ret_key)
{
	char why[512] = "";
	if (!private_key_is_token(where)) {
		return open_file(verb, where, passphrase_file, ret_key);
	}
	struct auditor_key key = {0};
	if (token_opener(where, &key.token, &key.opener, why, sizeof(why)) != 0) {
		fprintf(stderr, "%s: %s\n", verb, why[0] ? why : "the token cannot be used");
		return false;
	}
	*ret_key = key;
	return true;
}

void auditor_key_done(struct auditor_key *key)
{
	EVP_PKEY_free(key->pkey);
	token_key_free(key->token);
	*key = (struct auditor_key){0};
}
