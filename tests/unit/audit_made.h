/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_MADE_H
#define AUDIT_MADE_H

/* Journals, records and signatures that the tests of src/audit make. After cmocka.h. */

#include "audit/journal.h"
#include "audit/segment.h"

#include <dirent.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MADE_ORIGIN "hospital.example/gantry"

struct made_folder {
	char path[64];
	int dir;
};

static inline struct made_folder made_folder(void)
{
	/* In memory if it can be: thousands of fsyncs on a disk take minutes. */
	struct made_folder f = {.path = "/dev/shm/gantry-audit-XXXXXX"};
	if (access("/dev/shm", W_OK) < 0) {
		snprintf(f.path, sizeof(f.path), "/tmp/gantry-audit-XXXXXX");
	}
	assert_non_null(mkdtemp(f.path));
	f.dir = open(f.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f.dir >= 0);
	return f;
}

/* Remove what is in it. */
static inline void made_folder_empty(struct made_folder *f)
{
	int fd = openat(f->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fdopendir(fd);
	const struct dirent *e;
	assert_non_null(d);
	while ((e = readdir(d))) {
		if (e->d_name[0] != '.') {
			assert_int_equal(unlinkat(f->dir, e->d_name, 0), 0);
		}
	}
	closedir(d);
}

static inline void made_folder_done(struct made_folder *f)
{
	made_folder_empty(f);
	close(f->dir);
	assert_int_equal(rmdir(f->path), 0);
}

/* The n-th file of a kind, by name. */
static inline unsigned made_count(const struct made_folder *f, enum journal_file kind)
{
	int fd = openat(f->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fdopendir(fd);
	const struct dirent *e;
	unsigned n = 0;
	uint64_t first;
	assert_non_null(d);
	while ((e = readdir(d))) {
		n += e->d_name[0] != '.' && segment_file_of(e->d_name, &first) == kind;
	}
	closedir(d);
	return n;
}

static inline uint8_t *made_read(int dir, const char *name, size_t *ret_len)
{
	uint8_t *bytes;
	assert_int_equal(io_read_file(&journal_io_system, dir, name, 16u << 20, &bytes, ret_len), 0);
	return bytes;
}

static inline void made_write(int dir, const char *name, const void *bytes, size_t len)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	assert_true(fd >= 0);
	assert_int_equal(io_write(&journal_io_system, fd, bytes, len, 0), 0);
	assert_int_equal(close(fd), 0);
}

/* ---- Keys ---- */

static inline EVP_PKEY *made_secret(uint8_t which)
{
	uint8_t seed[32] = {which, 0x47};
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof(seed));
	assert_non_null(key);
	return key;
}

static inline void made_key(
	uint8_t which, const char *name, enum note_key_type type, struct note_key *ret_key)
{
	EVP_PKEY *secret = made_secret(which);
	uint8_t public_key[32];
	size_t len = sizeof(public_key);
	assert_int_equal(EVP_PKEY_get_raw_public_key(secret, public_key, &len), 1);
	EVP_PKEY_free(secret);
	assert_int_equal(note_key_make(name, type, public_key, ret_key), 0);
}

static inline void made_sign(uint8_t which, struct span text, uint8_t ret_signature[NOTE_SIGNATURE])
{
	EVP_PKEY *secret = made_secret(which);
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	size_t len = NOTE_SIGNATURE;
	assert_int_equal(EVP_DigestSignInit(c, NULL, NULL, NULL, secret), 1);
	assert_int_equal(EVP_DigestSign(c, ret_signature, &len, text.ptr, text.len), 1);
	EVP_MD_CTX_free(c);
	EVP_PKEY_free(secret);
}

/* text, signed as the journal's origin by key 1. The result's length. */
static inline size_t made_note(struct span text, char *buf, size_t cap)
{
	struct note_key key;
	uint8_t signature[NOTE_SIGNATURE];
	size_t len;
	made_key(1, MADE_ORIGIN, NOTE_ED25519, &key);
	made_sign(1, text, signature);
	assert_int_equal(note_write(text, &key, signature, buf, cap, &len), 0);
	return len;
}

/* Sign all that wants to be signed. */
static inline void made_checkpoints(struct journal *j)
{
	while (journal_checkpoint_due(j)) {
		char text[CHECKPOINT_MOST], note[CHECKPOINT_MOST + NOTE_LINE_MOST + 1];
		size_t len;
		assert_int_equal(journal_checkpoint_text(j, text, sizeof(text), &len), 0);
		len = made_note(span_of(text, len), note, sizeof(note));
		assert_int_equal(journal_store_checkpoint(j, span_of(note, len)), 0);
	}
}

/* ---- Records ---- */

/* A record that tells its number: its body is `n` in words, of a length that varies with it. */
static inline struct journal_record made_record(unsigned n, char body[128])
{
	static const struct journal_token tokens[2] = {{1, {1, 2, 3}}, {4, {9, 9, 9}}};
	int len = snprintf(body, 128, "record %u %.*s", n, (int)(n * 7 % 60),
		"............................................................");
	return (struct journal_record){.kind = AUDIT_QUERY,
		.time_ms = 1700000000000 + 1000 * (int64_t)n,
		.about = JOURNAL_NONE,
		.association = n,
		.epoch = JOURNAL_NONE,
		.turn = n,
		.n_tokens = n % 3,
		.tokens = tokens,
		.body = span_of(body, (size_t)len)};
}

static inline int made_append(struct journal *j, unsigned n, uint64_t *ret_index)
{
	char body[128];
	struct journal_record r = made_record(n, body);
	return journal_append(j, &r, ret_index);
}

#endif
