/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/record_keys.h"
#include "audit/envelope.h"
#include "audit/note.h"
#include "keys/key_file.h"
#include "keys/token.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

struct record_keys {
	char origin[NOTE_NAME_MOST + 1];
	struct private_key *checkpoint, *record; /* record may be NULL */
	uint8_t public[ED25519_PUBLIC], record_public[ED25519_PUBLIC];
	uint8_t *index; /* BLIND_KEY bytes of locked memory; NULL: on a token */
	struct token_key *index_token;
	struct hpke_public auditors[ENVELOPE_PEOPLE];
	unsigned n_auditors;
	bool signed_one;
	struct checkpoint last; /* that was signed */
};

/* ---- Opening ---- */

static int digit(uint8_t c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	                              : -1;
}

static int parse_index_key(struct span text, uint8_t ret_key[BLIND_KEY])
{
	uint8_t key[BLIND_KEY];
	if (text.len == 2 * BLIND_KEY + 1 && text.ptr[2 * BLIND_KEY] == '\n') {
		text.len--;
	}
	int bad = text.len == 2 * BLIND_KEY ? 0 : -1;
	for (size_t i = 0; bad == 0 && i < BLIND_KEY; i++) {
		int high = digit(text.ptr[2 * i]), low = digit(text.ptr[2 * i + 1]);
		bad = high < 0 || low < 0 ? -1 : 0;
		key[i] = (uint8_t)(high << 4 | (low & 15));
	}
	if (bad == 0) {
		memcpy(ret_key, key, sizeof(key));
	}
	OPENSSL_cleanse(key, sizeof(key));
	return bad == 0 ? 0 : ERR_VALUE;
}

int index_key_read(const char *path, uint8_t ret_key[BLIND_KEY], char *why, size_t cap)
{
	struct key_file f CLEANUP(key_file_done) = {0};
	int e = key_file_read(path, "index key", S_IRWXG | S_IRWXO, &f, why, cap);
	if (e < 0) {
		return e;
	}
	e = parse_index_key(span_of(f.bytes, f.len), ret_key);
	if (e < 0) {
		snprintf(why, cap, "%s holds no index key: 64 hexadecimal digits are one", path);
	}
	return e;
}

static int open_index(const char *where, struct record_keys *k, char *why, size_t cap)
{
	if (private_key_is_token(where)) {
		uint8_t mac[TOKEN_MAC];
		int e = token_secret_open(where, &k->index_token, why, cap);
		if (e == 0 && (e = token_secret_mac(k->index_token, span_str("a try"), mac)) < 0) {
			snprintf(why, cap, "the token's key %s gives no HMAC-SHA-256", where);
		}
		return e;
	}
	k->index = OPENSSL_secure_zalloc(BLIND_KEY);
	return k->index ? index_key_read(where, k->index, why, cap) : ERR_NO_MEMORY;
}

static int take_auditors(const struct record_keys_of *what, struct record_keys *k, char *why, size_t cap)
{
	if (what->n_auditors == 0 || what->n_auditors > ENVELOPE_PEOPLE) {
		snprintf(why, cap, "there must be 1 to %d auditors, and there are %u", ENVELOPE_PEOPLE,
			what->n_auditors);
		return ERR_VALUE;
	}
	for (unsigned i = 0; i < what->n_auditors; i++) {
		int e = hpke_public_read(what->auditors[i], &k->auditors[i]);
		if (e < 0) {
			snprintf(why, cap,
				"the key of auditor %u cannot be used: it must be of X25519 or P-256, in PEM",
				i + 1);
			return e;
		}
	}
	k->n_auditors = what->n_auditors;
	return 0;
}

/* One key a purpose: what one of them says can never be taken for what the other says. */
static int open_record(const char *where, struct record_keys *k, char *why, size_t cap)
{
	struct note_key key;
	if (!where) {
		return 0;
	}
	int e = private_key_open_ed25519(where, &k->record, k->record_public, why, cap);
	if (e < 0) {
		return e;
	}
	if (memcmp(k->record_public, k->public, sizeof(k->public)) == 0) {
		snprintf(why, cap, "the key of records, %s, is that of checkpoints: each has one of its own",
			where);
		return ERR_DENIED;
	}
	e = deed_key_make(k->origin, k->record_public, &key);
	if (e < 0) {
		snprintf(why, cap, "`%s" DEED_KEY_SUFFIX "` is too long for a key's name", k->origin);
	}
	return e;
}

int record_keys_open(const struct record_keys_of *what, struct record_keys **ret_keys, char *why, size_t cap)
{
	struct record_keys *k = calloc(1, sizeof(*k));
	why[0] = 0;
	int e = k ? 0 : ERR_NO_MEMORY;
	if (e == 0 && !note_name_valid(span_str(what->origin))) {
		snprintf(why, cap, "`%s` is no origin of checkpoints", what->origin);
		e = ERR_VALUE;
	}
	if (e == 0) {
		memcpy(k->origin, what->origin, strlen(what->origin) + 1);
	}
	e = e < 0 ? e : take_auditors(what, k, why, cap);
	e = e < 0 ? e : private_key_open_ed25519(what->checkpoint_key, &k->checkpoint, k->public, why, cap);
	e = e < 0 ? e : open_index(what->index_key, k, why, cap);
	e = e < 0 ? e : open_record(what->record_key, k, why, cap);
	if (e < 0) {
		record_keys_free(k);
		if (!why[0]) {
			snprintf(why, cap, "%s", err_str(e));
		}
		return e;
	}
	*ret_keys = k;
	return 0;
}

int record_keys_open_site(const struct audit_config *a, struct record_keys **ret_keys, char *why, size_t cap)
{
	struct span auditors[ENVELOPE_PEOPLE];
	for (unsigned i = 0; i < a->n_auditors && i < ENVELOPE_PEOPLE; i++) {
		auditors[i] = a->auditors[i].bytes;
	}
	return record_keys_open(&(struct record_keys_of){a->origin, a->checkpoint_key.path, a->index_key.path,
					auditors, a->n_auditors, a->record_key.path},
		ret_keys, why, cap);
}

void record_keys_free(struct record_keys *k)
{
	if (k) {
		private_key_free(k->checkpoint);
		private_key_free(k->record);
		token_key_free(k->index_token);
		OPENSSL_secure_clear_free(k->index, BLIND_KEY);
		free(k);
	}
}

/* ---- What they do ---- */

static int sign_text(
	const struct private_key *key, struct span text, uint8_t ret_signature[ED25519_SIGNATURE])
{
	uint8_t signature[PRIVATE_KEY_SIGNATURE_MOST];
	size_t len = 0;
	int e = private_key_sign(
		key, sign_scheme_for(SIGN_ED25519, NULL, false), text, signature, sizeof(signature), &len);
	if (e < 0 || len != ED25519_SIGNATURE) {
		return e < 0 ? e : ERR_TLS;
	}
	memcpy(ret_signature, signature, ED25519_SIGNATURE);
	return 0;
}

int record_keys_checkpoint(struct record_keys *k, struct span text, uint8_t ret_public[ED25519_PUBLIC],
	uint8_t ret_signature[ED25519_SIGNATURE])
{
	struct checkpoint c;
	if (checkpoint_read(text, &c) < 0) {
		return ERR_VALUE;
	}
	if (strcmp(c.origin, k->origin) != 0 || c.extended) {
		return ERR_DENIED;
	}
	if (k->signed_one &&
		(c.size < k->last.size ||
			(c.size == k->last.size && memcmp(&c.root, &k->last.root, sizeof(c.root)) != 0))) {
		return ERR_ORDER;
	}
	int e = sign_text(k->checkpoint, text, ret_signature);
	if (e < 0) {
		return e;
	}
	k->last = c;
	k->signed_one = true;
	memcpy(ret_public, k->public, sizeof(k->public));
	return 0;
}

int record_keys_record(struct record_keys *k, struct span text, bool auditor, int64_t now_s,
	uint8_t ret_public[ED25519_PUBLIC], uint8_t ret_signature[ED25519_SIGNATURE])
{
	struct deed r;
	if (!k->record) {
		return ERR_NOT_FOUND;
	}
	if (deed_read(text, &r) < 0) {
		return ERR_VALUE;
	}
	if (strcmp(r.origin, k->origin) != 0 || deed_is_auditors(r.what) != auditor) {
		return ERR_DENIED;
	}
	if (r.time_s < now_s - RECORD_KEYS_SLACK_S || r.time_s > now_s + RECORD_KEYS_SLACK_S) {
		return ERR_ORDER;
	}
	int e = sign_text(k->record, text, ret_signature);
	if (e == 0) {
		memcpy(ret_public, k->record_public, sizeof(k->record_public));
	}
	return e;
}

int record_keys_token(
	struct record_keys *k, enum blind_kind kind, struct span value, uint8_t ret_token[BLIND_TOKEN])
{
	uint8_t text[1 + BLIND_VALUE_MOST], mac[TOKEN_MAC];
	if (!k->index_token) {
		return blind_token(k->index, kind, value, ret_token);
	}
	if (kind <= 0 || kind >= BLIND_KIND_COUNT || value.len > BLIND_VALUE_MOST) {
		return ERR_TYPE;
	}
	struct writer w = writer_of(text, sizeof(text));
	writer_u8(&w, (uint8_t)kind);
	writer_span(&w, value);
	int e = token_secret_mac(k->index_token, writer_span_of(&w), mac);
	if (e == 0) {
		memcpy(ret_token, mac, BLIND_TOKEN);
	}
	return e;
}

int record_keys_envelope(struct record_keys *k, struct writer *w)
{
	return k->index ? envelope_write(ENVELOPE_INDEX, k->auditors, k->n_auditors, k->index, w) : 0;
}
