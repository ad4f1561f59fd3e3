/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * usage: audit_maker FOLDER ORIGIN RECORDS BODY [SEGMENT]: append records with bodies of BODY bytes to the journal in FOLDER,
 * 100 a commit (10, if segments of SEGMENT bytes are asked for), and sign what wants to be signed with a key that is made from the origin.
 * Prints the key. For tests and measurements.
 */

static EVP_PKEY *secret;
static struct note_key key;

static int make_key(const char *origin)
{
	struct merkle_hash seed;
	uint8_t public_key[32];
	size_t len = sizeof(public_key);
	merkle_sha256(span_str("audit_maker "), span_str(origin), &seed);
	secret = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed.at, MERKLE_HASH);
	if (!secret || EVP_PKEY_get_raw_public_key(secret, public_key, &len) != 1) {
		return ERR_NO_MEMORY;
	}
	return note_key_make(origin, NOTE_ED25519, public_key, &key);
}

static int sign_one(struct journal *j)
{
	char text[CHECKPOINT_MOST], note[CHECKPOINT_MOST + NOTE_LINE_MOST + 1];
	uint8_t signature[NOTE_SIGNATURE];
	size_t len, n = sizeof(signature);
	int r = journal_checkpoint_text(j, text, sizeof(text), &len);
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	if (r == 0 && (!c || EVP_DigestSignInit(c, NULL, NULL, NULL, secret) != 1 ||
			      EVP_DigestSign(c, signature, &n, (const uint8_t *)text, len) != 1)) {
		r = ERR_NO_MEMORY;
	}
	EVP_MD_CTX_free(c);
	r = r < 0 ? r : note_write(span_of(text, len), &key, signature, note, sizeof(note), &len);
	return r < 0 ? r : journal_store_checkpoint(j, span_of(note, len));
}

static int append(struct journal *j, uint64_t records, size_t body, uint64_t batch)
{
	uint8_t *bytes = malloc(body + 1);
	int r = bytes ? 0 : ERR_NO_MEMORY;
	for (uint64_t i = 0; r == 0 && i < records; i++) {
		uint64_t index = journal_size(j) + journal_pending(j);
		memset(bytes, (int)('a' + index % 26), body);
		struct journal_record record = {.kind = AUDIT_QUERY,
			.time_ms = 1790000000000 + (int64_t)index,
			.about = JOURNAL_NONE,
			.association = index,
			.epoch = JOURNAL_NONE,
			.body = span_of(bytes, body)};
		r = journal_append(j, &record, &index);
		if (r == 0 && (i % batch == batch - 1 || i + 1 == records)) {
			r = journal_commit(j);
		}
	}
	while (r == 0 && journal_checkpoint_due(j)) {
		r = sign_one(j);
	}
	free(bytes);
	return r;
}

int main(int argc, char **argv)
{
	struct journal *j;
	struct journal_recovered recovered;
	struct journal_params params = {0};
	char vkey[NOTE_LINE_MOST];
	if (argc != 5 && argc != 6) {
		fputs("usage: audit_maker FOLDER ORIGIN RECORDS BODY [SEGMENT]\n", stderr);
		return 2;
	}
	params.segment_bytes = argc == 6 ? strtoull(argv[5], NULL, 10) : 0;
	int dir = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0) {
		perror(argv[1]);
		return 1;
	}
	int r = make_key(argv[2]);
	r = r < 0 ? r : note_key_write(&key, vkey, sizeof(vkey));
	r = r < 0 ? r : journal_open(dir, argv[2], &params, NULL, &j, &recovered);
	if (r == 0) {
		r = append(j, strtoull(argv[3], NULL, 10), (size_t)strtoull(argv[4], NULL, 10),
			argc == 6 ? 10 : 100);
		journal_close(j);
	}
	EVP_PKEY_free(secret);
	close(dir);
	if (r < 0) {
		fprintf(stderr, "audit_maker: %s\n", err_str(r));
		return 1;
	}
	puts(vkey);
	return 0;
}
