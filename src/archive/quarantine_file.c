/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/quarantine_file.h"
#include "audit/io.h"
#include "base/reader.h"
#include "base/writer.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC       "GTYQUAR\1"
#define STATE_SIZE  (AEAD_NONCE + QUARANTINE_STATE + AEAD_TAG)
#define STATES_AT   QUARANTINE_HEAD
#define FACTS_AT    (STATES_AT + 2 * STATE_SIZE)
#define PIECE_SIZE  (QUARANTINE_PIECE + AEAD_TAG)
#define FACTS_LEAST (AEAD_TAG + 1)

/* ---- Keys ---- */

static int derive(const uint8_t key[QUARANTINE_KEY], const char *what, uint8_t ret[QUARANTINE_KEY])
{
	unsigned n = 0;
	const void *made =
		HMAC(EVP_sha256(), key, QUARANTINE_KEY, (const unsigned char *)what, strlen(what), ret, &n);
	return made && n == QUARANTINE_KEY ? 0 : ERR_SYSTEM;
}

int quarantine_site(const uint8_t key[QUARANTINE_KEY], struct quarantine_site *ret_site)
{
	int e = derive(key, "gantry quarantine wrap 1", ret_site->wrap);
	return e == 0 ? derive(key, "gantry quarantine same 1", ret_site->same) : e;
}

void quarantine_site_done(struct quarantine_site *s)
{
	OPENSSL_cleanse(s, sizeof(*s));
}

static int keys_of(const uint8_t key[QUARANTINE_KEY], struct quarantine_keys *ret_keys)
{
	int e = derive(key, "facts", ret_keys->facts);
	e = e == 0 ? derive(key, "state", ret_keys->state) : e;
	return e == 0 ? derive(key, "pieces", ret_keys->pieces) : e;
}

void quarantine_prepare(void)
{
	uint8_t key[QUARANTINE_KEY] = {0}, nonce[AEAD_NONCE] = {0}, buf[AEAD_TAG];
	size_t n;
	const struct aead_key k = {.key = key, .nonce = nonce};
	(void)derive(key, "", key);
	(void)RAND_bytes(nonce, sizeof(nonce));
	SHA256((const unsigned char *)"", 0, key);
	if (aead_seal(EVP_aes_256_gcm(), &k, span_of(NULL, 0), buf, sizeof(buf), &n) == 0) {
		(void)!aead_open(EVP_aes_256_gcm(), &k, span_of(buf, n), key, sizeof(key), &n);
	}
}

/* ---- The head ---- */

int quarantine_head_read(struct span bytes, struct quarantine_head *ret_head)
{
	struct reader r = reader_of(bytes);
	struct quarantine_head h;
	struct span magic;
	int e = reader_bytes(&r, sizeof(MAGIC) - 1, &magic);
	if (e == 0 && !span_eq(magic, span_of(MAGIC, sizeof(MAGIC) - 1))) {
		return ERR_TYPE;
	}
	e = e == 0 ? reader_u32be(&r, &h.facts) : e;
	if (e == 0 && (h.facts < FACTS_LEAST || h.facts > FACTS_MOST + AEAD_TAG)) {
		return ERR_LENGTH;
	}
	e = e == 0 ? reader_bytes(&r, AEAD_NONCE, &h.nonce) : e;
	e = e == 0 ? reader_bytes(&r, QUARANTINE_KEY + AEAD_TAG, &h.sealed) : e;
	if (e == 0) {
		*ret_head = h;
	}
	return e;
}

/* A fresh key, and the head with it. */
static int make_head(const struct quarantine_site *site, uint32_t facts, uint8_t buf[QUARANTINE_HEAD],
	struct quarantine_keys *ret_keys)
{
	uint8_t key[QUARANTINE_KEY], nonce[AEAD_NONCE], sealed[QUARANTINE_KEY + AEAD_TAG];
	struct writer w = writer_of(buf, QUARANTINE_HEAD);
	size_t n = 0;
	if (RAND_priv_bytes(key, sizeof(key)) != 1 || RAND_bytes(nonce, sizeof(nonce)) != 1) {
		return ERR_SYSTEM;
	}
	writer_bytes(&w, MAGIC, sizeof(MAGIC) - 1);
	writer_u32be(&w, facts);
	const struct aead_key k = {.key = site->wrap, .nonce = nonce, .aad = writer_span_of(&w)};
	int e = aead_seal(EVP_aes_256_gcm(), &k, span_of(key, sizeof(key)), sealed, sizeof(sealed), &n);
	e = e == 0 ? keys_of(key, ret_keys) : e;
	OPENSSL_cleanse(key, sizeof(key));
	writer_bytes(&w, nonce, sizeof(nonce));
	writer_bytes(&w, sealed, n);
	return e == 0 ? writer_end(&w) : e;
}

static int unwrap(const struct quarantine_site *site, struct span head, struct quarantine_file *f)
{
	struct quarantine_head h;
	uint8_t key[QUARANTINE_KEY];
	size_t n;
	int e = quarantine_head_read(head, &h);
	if (e != 0) {
		return e;
	}
	const struct aead_key k = {
		.key = site->wrap, .nonce = h.nonce.ptr, .aad = span_of(head.ptr, sizeof(MAGIC) - 1 + 4)};
	e = aead_open(EVP_aes_256_gcm(), &k, h.sealed, key, sizeof(key), &n);
	e = e == 0 ? keys_of(key, &f->keys) : e;
	OPENSSL_cleanse(key, sizeof(key));
	f->facts = h.facts;
	f->pieces = FACTS_AT + h.facts;
	return e;
}

/* ---- Facts ---- */

static const uint8_t no_nonce[AEAD_NONCE];

/* Sealed once under a key of their own: any nonce will do. */
static struct aead_key facts_key(const struct quarantine_file *f)
{
	return (struct aead_key){.key = f->keys.facts, .nonce = no_nonce, .aad = span_str("facts")};
}

static int write_facts(struct quarantine_file *f, struct span plain)
{
	size_t n = 0;
	uint8_t *buf = malloc(plain.len + AEAD_TAG);
	if (!buf) {
		return ERR_NO_MEMORY;
	}
	const struct aead_key k = facts_key(f);
	int e = aead_seal(EVP_aes_256_gcm(), &k, plain, buf, plain.len + AEAD_TAG, &n);
	e = e == 0 ? io_write(&journal_io_system, f->fd, buf, n, FACTS_AT) : e;
	free(buf);
	return e;
}

static int read_facts(const struct quarantine_file *f, struct facts *ret_facts)
{
	size_t n = 0, len = 0;
	uint8_t *buf = malloc(2 * (size_t)f->facts);
	if (!buf) {
		return ERR_NO_MEMORY;
	}
	const struct aead_key k = facts_key(f);
	int e = io_read(&journal_io_system, f->fd, buf, f->facts, FACTS_AT, &n);
	e = e == 0 && n < f->facts ? ERR_TRUNCATED : e;
	e = e == 0 ? aead_open(EVP_aes_256_gcm(), &k, span_of(buf, n), buf + f->facts, f->facts, &len) : e;
	e = e == 0 ? facts_read(span_of(buf + f->facts, len), ret_facts) : e;
	OPENSSL_cleanse(buf + f->facts, f->facts);
	free(buf);
	return e;
}

int quarantine_file_begin(const struct quarantine_site *site, int fd, const struct facts *facts,
	struct quarantine_file *ret_file)
{
	uint8_t head[QUARANTINE_HEAD];
	struct quarantine_file f = {.fd = fd, .place = 1};
	size_t n = 0;
	uint8_t *plain = malloc(FACTS_MOST);
	int e = plain ? facts_write(facts, plain, FACTS_MOST, &n) : ERR_NO_MEMORY;
	f.facts = (uint32_t)(n + AEAD_TAG);
	f.pieces = FACTS_AT + f.facts;
	e = e == 0 ? make_head(site, f.facts, head, &f.keys) : e;
	e = e == 0 ? io_write(&journal_io_system, fd, head, sizeof(head), 0) : e;
	e = e == 0 ? write_facts(&f, span_of(plain, n)) : e;
	if (plain) {
		OPENSSL_cleanse(plain, FACTS_MOST);
		free(plain);
	}
	if (e == 0) {
		*ret_file = f;
	}
	OPENSSL_cleanse(&f.keys, sizeof(f.keys));
	return e;
}

/* ---- Pieces ---- */

struct piece_key {
	uint8_t nonce[AEAD_NONCE], aad[9];
};

/* u64 number, u8 last */
static void piece_key(uint64_t n, bool last, struct piece_key *p)
{
	struct writer nonce = writer_of(p->nonce, sizeof(p->nonce));
	struct writer aad = writer_of(p->aad, sizeof(p->aad));
	writer_u32be(&nonce, 0);
	writer_u64be(&nonce, n);
	writer_u64be(&aad, n);
	writer_u8(&aad, last);
}

int quarantine_file_piece(struct quarantine_file *f, struct span bytes, bool last)
{
	static uint8_t sealed[PIECE_SIZE];
	struct piece_key p;
	size_t n = 0;
	if (bytes.len > QUARANTINE_PIECE || (!last && bytes.len != QUARANTINE_PIECE)) {
		return ERR_LENGTH;
	}
	piece_key(f->at, last, &p);
	const struct aead_key k = {
		.key = f->keys.pieces, .nonce = p.nonce, .aad = span_of(p.aad, sizeof(p.aad))};
	int e = aead_seal(EVP_aes_256_gcm(), &k, bytes, sealed, sizeof(sealed), &n);
	e = e == 0 ? io_write(&journal_io_system, f->fd, sealed, n, f->pieces + f->at * PIECE_SIZE) : e;
	f->at += e == 0;
	return e;
}

int quarantine_file_read(
	const struct quarantine_file *f, uint64_t n, uint8_t *buf, size_t *ret_len, bool *ret_last)
{
	static uint8_t sealed[PIECE_SIZE];
	struct piece_key p;
	struct stat st;
	size_t got = 0;
	if (fstat(f->fd, &st) < 0) {
		return ERR_SYSTEM;
	}
	uint64_t all = (uint64_t)st.st_size > f->pieces ? (uint64_t)st.st_size - f->pieces : 0;
	if (all == 0) {
		return ERR_NOT_FOUND;
	}
	if (n > all / PIECE_SIZE) {
		return ERR_TRUNCATED;
	}
	bool last = all - n * PIECE_SIZE <= PIECE_SIZE;
	piece_key(n, last, &p);
	const struct aead_key k = {
		.key = f->keys.pieces, .nonce = p.nonce, .aad = span_of(p.aad, sizeof(p.aad))};
	int e = io_read(&journal_io_system, f->fd, sealed, sizeof(sealed), f->pieces + n * PIECE_SIZE, &got);
	e = e == 0 ? aead_open(EVP_aes_256_gcm(), &k, span_of(sealed, got), buf, QUARANTINE_PIECE, ret_len)
	           : e;
	if (e == 0) {
		*ret_last = last;
	}
	return e;
}

int quarantine_file_empty(struct quarantine_file *f)
{
	return ftruncate(f->fd, (off_t)f->pieces) < 0 || fdatasync(f->fd) < 0 ? io_error() : 0;
}

/* ---- The state ---- */

static int read_place(const struct quarantine_file *f, unsigned place, struct quarantine_state *ret_state)
{
	uint8_t sealed[STATE_SIZE], plain[QUARANTINE_STATE];
	uint8_t aad = (uint8_t)place;
	size_t n = 0, len = 0;
	int e = io_read(&journal_io_system, f->fd, sealed, sizeof(sealed),
		STATES_AT + (uint64_t)place * STATE_SIZE, &n);
	if (e != 0 || n < sizeof(sealed)) {
		return e != 0 ? e : ERR_TRUNCATED;
	}
	const struct aead_key k = {.key = f->keys.state, .nonce = sealed, .aad = span_of(&aad, 1)};
	e = aead_open(EVP_aes_256_gcm(), &k, span_of(sealed + AEAD_NONCE, n - AEAD_NONCE), plain,
		sizeof(plain), &len);
	return e == 0 ? quarantine_state_read(span_of(plain, len), ret_state) : e;
}

int quarantine_file_again(struct quarantine_file *f, struct quarantine_state *ret_state)
{
	struct quarantine_state s[2];
	const int e[2] = {read_place(f, 0, &s[0]), read_place(f, 1, &s[1])};
	if (e[0] == ERR_SYSTEM || e[1] == ERR_SYSTEM || (e[0] != 0 && e[1] != 0)) {
		return e[0] == ERR_SYSTEM || e[1] != ERR_SYSTEM ? e[0] : e[1];
	}
	f->place = e[0] != 0 || (e[1] == 0 && s[1].sequence > s[0].sequence);
	*ret_state = s[f->place];
	return 0;
}

int quarantine_file_state(struct quarantine_file *f, struct quarantine_state *s)
{
	uint8_t sealed[STATE_SIZE], plain[QUARANTINE_STATE];
	unsigned place = !f->place;
	uint8_t aad = (uint8_t)place;
	size_t n = 0;
	s->sequence++;
	int e = quarantine_state_write(s, plain);
	if (e == 0 && RAND_bytes(sealed, AEAD_NONCE) != 1) {
		e = ERR_SYSTEM;
	}
	const struct aead_key k = {.key = f->keys.state, .nonce = sealed, .aad = span_of(&aad, 1)};
	e = e == 0 ? aead_seal(EVP_aes_256_gcm(), &k, span_of(plain, sizeof(plain)), sealed + AEAD_NONCE,
			     sizeof(sealed) - AEAD_NONCE, &n)
	           : e;
	e = e == 0 ? io_write(&journal_io_system, f->fd, sealed, sizeof(sealed),
			     STATES_AT + (uint64_t)place * STATE_SIZE)
	           : e;
	if (e == 0 && fdatasync(f->fd) < 0) {
		e = io_error();
	}
	f->place = e == 0 ? place : f->place;
	return e;
}

/* ---- One that is there ---- */

int quarantine_file_open(const struct quarantine_site *site, int fd, struct quarantine_file *ret_file,
	struct quarantine_state *ret_state, struct facts *ret_facts)
{
	uint8_t head[QUARANTINE_HEAD];
	struct quarantine_file f = {.fd = fd};
	struct quarantine_state s;
	size_t n = 0;
	int e = io_read(&journal_io_system, fd, head, sizeof(head), 0, &n);
	e = e == 0 ? unwrap(site, span_of(head, n), &f) : e;
	e = e == 0 ? quarantine_file_again(&f, &s) : e;
	e = e == 0 && ret_facts ? read_facts(&f, ret_facts) : e;
	if (e == 0) {
		*ret_file = f;
		*ret_state = s;
	}
	OPENSSL_cleanse(&f.keys, sizeof(f.keys));
	return e;
}

void quarantine_file_done(struct quarantine_file *f)
{
	if (f->fd >= 0) {
		int error = errno;
		close(f->fd);
		errno = error;
	}
	OPENSSL_cleanse(f, sizeof(*f));
	f->fd = -1;
}
