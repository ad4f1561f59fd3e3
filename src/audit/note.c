/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/note.h"

#include "audit/armor.h"
#include "base/reader.h"

#include <openssl/evp.h>
#include <stdlib.h>

static const char dash[] = "\xe2\x80\x94 "; /* U+2014 and a space */

#define DASH_LEN 4

/* ---- UTF-8 ---- */

/* The next character, or ERR_VALUE: overlong forms, surrogates and what is beyond U+10FFFF are none. RFC 3629 4. */
static int next_character(struct span *rest, uint32_t *ret_c)
{
	static const struct {
		uint8_t mask, lead;
		uint32_t least;
	} forms[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
	size_t n = 0;
	while (n < ARRAY_LEN(forms) && (rest->ptr[0] & forms[n].mask) != forms[n].lead) {
		n++;
	}
	if (n == ARRAY_LEN(forms) || rest->len <= n) {
		return ERR_VALUE;
	}
	uint32_t c = rest->ptr[0] & (uint8_t)~forms[n].mask;
	for (size_t i = 1; i <= n; i++) {
		if ((rest->ptr[i] & 0xc0) != 0x80) {
			return ERR_VALUE;
		}
		c = c << 6 | (rest->ptr[i] & 0x3f);
	}
	if (c < forms[n].least || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) {
		return ERR_VALUE;
	}
	*rest = span_of(rest->ptr + n + 1, rest->len - n - 1);
	*ret_c = c;
	return 0;
}

/* Unicode's White_Space. */
static bool is_space(uint32_t c)
{
	return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
	       (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
	       c == 0x3000;
}

bool note_name_valid(struct span name)
{
	if (name.len == 0 || name.len > NOTE_NAME_MOST) {
		return false;
	}
	while (name.len > 0) {
		uint32_t c;
		if (next_character(&name, &c) < 0 || c < 0x20 || (c >= 0x7f && c < 0xa0) || c == '+' ||
			is_space(c)) {
			return false;
		}
	}
	return true;
}

/* A note's bytes: UTF-8, and of the control characters the newline alone. */
static bool is_text(struct span bytes)
{
	while (bytes.len > 0) {
		uint32_t c;
		if (next_character(&bytes, &c) < 0 || (c < 0x20 && c != '\n')) {
			return false;
		}
	}
	return true;
}

bool note_line_valid(struct span line)
{
	while (line.len > 0) {
		uint32_t c;
		if (next_character(&line, &c) < 0 || c < 0x20 || (c >= 0x7f && c < 0xa0)) {
			return false;
		}
	}
	return true;
}

/* ---- Keys ---- */

int note_key_make(
	const char *name, enum note_key_type type, const uint8_t public_key[32], struct note_key *ret_key)
{
	struct span s = span_str(name);
	struct note_key key = {.type = type};
	struct merkle_hash hash;
	uint8_t rest[34] = {'\n', (uint8_t)type};
	if (!note_name_valid(s)) {
		return ERR_VALUE;
	}
	memcpy(key.name, s.ptr, s.len);
	memcpy(key.public_key, public_key, 32);
	memcpy(rest + 2, public_key, 32);
	merkle_sha256(s, span_of(rest, sizeof(rest)), &hash);
	key.id = (uint32_t)hash.at[0] << 24 | (uint32_t)hash.at[1] << 16 | (uint32_t)hash.at[2] << 8 |
	         hash.at[3];
	*ret_key = key;
	return 0;
}

int note_key_read(struct span vkey, struct note_key *ret_key)
{
	const uint8_t *plus = vkey.len > 0 ? memchr(vkey.ptr, '+', vkey.len) : NULL;
	char name[NOTE_NAME_MOST + 1] = "";
	uint8_t id[4], bytes[33];
	size_t len;
	if (!plus || plus - vkey.ptr > NOTE_NAME_MOST) {
		return ERR_VALUE;
	}
	size_t n = (size_t)(plus - vkey.ptr);
	struct span rest = span_of(plus + 1, vkey.len - n - 1);
	if (rest.len < 9 || rest.ptr[8] != '+' || armor_read_hex(span_of(rest.ptr, 8), id, sizeof(id)) < 0) {
		return ERR_VALUE;
	}
	int r = armor_read(span_of(rest.ptr + 9, rest.len - 9), bytes, sizeof(bytes), &len);
	if (r == ERR_SPACE) {
		return ERR_UNSUPPORTED; /* a larger key than Ed25519's */
	}
	if (r < 0 || len == 0) {
		return ERR_VALUE;
	}
	if (bytes[0] != NOTE_ED25519 && bytes[0] != NOTE_COSIGNATURE) {
		return ERR_UNSUPPORTED;
	}
	memcpy(name, vkey.ptr, n);
	struct note_key key;
	if (len != sizeof(bytes) || strlen(name) != n ||
		note_key_make(name, (enum note_key_type)bytes[0], bytes + 1, &key) < 0 ||
		key.id != ((uint32_t)id[0] << 24 | (uint32_t)id[1] << 16 | (uint32_t)id[2] << 8 | id[3])) {
		return ERR_VALUE;
	}
	*ret_key = key;
	return 0;
}

int note_key_write(const struct note_key *key, char *buf, size_t cap)
{
	struct writer w = writer_of(buf, cap);
	uint8_t bytes[33] = {(uint8_t)key->type};
	const uint8_t id[4] = {(uint8_t)(key->id >> 24), (uint8_t)(key->id >> 16), (uint8_t)(key->id >> 8),
		(uint8_t)key->id};
	memcpy(bytes + 1, key->public_key, 32);
	armor_write_text(&w, key->name);
	writer_u8(&w, '+');
	armor_write_hex(&w, span_of(id, sizeof(id)));
	writer_u8(&w, '+');
	armor_write(&w, span_of(bytes, sizeof(bytes)));
	writer_u8(&w, 0);
	return writer_end(&w);
}

/* ---- Notes ---- */

static int read_signature(struct span line, struct note_signature *ret_signature)
{
	struct note_signature s = {0};
	uint8_t bytes[4 +
		      8192]; /* signatures that are not known here are at most so long, and are passed over */
	size_t len;
	if (line.len < DASH_LEN || memcmp(line.ptr, dash, DASH_LEN) != 0) {
		return ERR_VALUE;
	}
	struct span rest = span_of(line.ptr + DASH_LEN, line.len - DASH_LEN);
	const uint8_t *space = rest.len > 0 ? memchr(rest.ptr, ' ', rest.len) : NULL;
	if (!space) {
		return ERR_VALUE;
	}
	s.name = span_of(rest.ptr, (size_t)(space - rest.ptr));
	rest = span_of(space + 1, rest.len - s.name.len - 1);
	int r = note_name_valid(s.name) ? armor_read(rest, bytes, sizeof(bytes), &len) : ERR_VALUE;
	if (r < 0 || len < 5) {
		return ERR_VALUE;
	}
	struct reader reader = reader_of(span_of(bytes, len));
	r = reader_u32be(&reader, &s.id);
	s.len = reader_left(&reader);
	if (r == 0 && s.len <= sizeof(s.bytes)) {
		memcpy(s.bytes, bytes + 4, s.len);
	}
	*ret_signature = s;
	return r;
}

int note_read(struct span bytes, struct signed_note *ret_note)
{
	struct signed_note note = {0};
	if (bytes.len > NOTE_MOST) {
		return ERR_LENGTH;
	}
	if (bytes.len < 2 || bytes.ptr[bytes.len - 1] != '\n') {
		return ERR_TRUNCATED;
	}
	if (!is_text(bytes)) {
		return ERR_VALUE;
	}
	/* The last empty line parts the text from the signatures. */
	size_t at = bytes.len - 1;
	while (at > 0 && !(bytes.ptr[at] == '\n' && bytes.ptr[at - 1] == '\n')) {
		at--;
	}
	if (at < 2) {
		return ERR_VALUE; /* no empty line, or no text before it */
	}
	note.text = span_of(bytes.ptr, at);
	struct span rest = span_of(bytes.ptr + at + 1, bytes.len - at - 1), line;
	while (rest.len > 0) {
		if (note.n == NOTE_SIGNATURES_MOST) {
			return ERR_LIMIT;
		}
		int r = armor_line(&rest, &line);
		r = r < 0 ? r : read_signature(line, &note.signatures[note.n++]);
		if (r < 0) {
			return r;
		}
	}
	if (note.n == 0) {
		return ERR_VALUE;
	}
	*ret_note = note;
	return 0;
}

int note_cosigned_text(struct span text, uint64_t time_s, char *buf, size_t cap, size_t *ret_len)
{
	struct writer w = writer_of(buf, cap);
	armor_write_text(&w, "cosignature/v1\ntime ");
	armor_write_number(&w, time_s);
	writer_u8(&w, '\n');
	writer_span(&w, text);
	int r = writer_end(&w);
	if (r == 0) {
		*ret_len = w.len;
	}
	return r;
}

static bool ed25519_good(
	const uint8_t public_key[32], struct span text, const uint8_t signature[NOTE_SIGNATURE])
{
	EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key, 32);
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool good = key && c && EVP_DigestVerifyInit(c, NULL, NULL, NULL, key) == 1 &&
	            EVP_DigestVerify(c, signature, NOTE_SIGNATURE, text.ptr, text.len) == 1;
	EVP_MD_CTX_free(c);
	EVP_PKEY_free(key);
	return good;
}

static bool cosignature_good(
	const struct note_key *key, struct span text, const struct note_signature *s, uint64_t *ret_time_s)
{
	struct reader r = reader_of(span_of(s->bytes, s->len));
	uint64_t time_s;
	struct span signature;
	size_t cap = text.len + 64, len = 0;
	if (reader_u64be(&r, &time_s) < 0 || reader_bytes(&r, NOTE_SIGNATURE, &signature) < 0 ||
		reader_end(&r) < 0 || time_s > INT64_MAX) {
		return false;
	}
	char *signed_text = malloc(cap);
	bool good = signed_text && note_cosigned_text(text, time_s, signed_text, cap, &len) == 0 &&
	            ed25519_good(key->public_key, span_of(signed_text, len), signature.ptr);
	free(signed_text);
	if (good) {
		*ret_time_s = time_s;
	}
	return good;
}

int note_check(const struct signed_note *note, const struct note_key *key, uint64_t *ret_time_s)
{
	uint64_t time_s = 0;
	bool found = false;
	for (unsigned i = 0; i < note->n; i++) {
		const struct note_signature *s = &note->signatures[i];
		if (s->id != key->id || !span_eq(s->name, span_str(key->name))) {
			continue;
		}
		bool good =
			key->type == NOTE_COSIGNATURE
				? s->len == sizeof(s->bytes) && cosignature_good(key, note->text, s, &time_s)
				: s->len == NOTE_SIGNATURE &&
					  ed25519_good(key->public_key, note->text, s->bytes);
		if (!good) {
			return ERR_DENIED;
		}
		found = true;
	}
	if (!found) {
		return ERR_NOT_FOUND;
	}
	if (ret_time_s) {
		*ret_time_s = time_s;
	}
	return 0;
}

static void put_line(struct writer *w, const struct note_key *key, const uint8_t signature[NOTE_SIGNATURE],
	uint64_t time_s)
{
	uint8_t bytes[4 + 8 + NOTE_SIGNATURE];
	struct writer b = writer_of(bytes, sizeof(bytes));
	writer_u32be(&b, key->id);
	if (key->type == NOTE_COSIGNATURE) {
		writer_u64be(&b, time_s);
	}
	writer_bytes(&b, signature, NOTE_SIGNATURE);
	armor_write_text(w, dash);
	armor_write_text(w, key->name);
	writer_u8(w, ' ');
	armor_write(w, writer_span_of(&b));
	writer_u8(w, '\n');
}

int note_line_write(const struct note_key *key, const uint8_t signature[NOTE_SIGNATURE], uint64_t time_s,
	char *buf, size_t cap, size_t *ret_len)
{
	struct writer w = writer_of(buf, cap);
	put_line(&w, key, signature, time_s);
	int r = writer_end(&w);
	if (r == 0) {
		*ret_len = w.len;
	}
	return r;
}

int note_write(struct span text, const struct note_key *key, const uint8_t signature[NOTE_SIGNATURE],
	char *buf, size_t cap, size_t *ret_len)
{
	struct writer w = writer_of(buf, cap);
	writer_span(&w, text);
	writer_u8(&w, '\n');
	put_line(&w, key, signature, 0);
	int r = writer_end(&w);
	if (r == 0) {
		*ret_len = w.len;
	}
	return r;
}

/* ---- Checkpoints ---- */

int checkpoint_write(const struct checkpoint *c, char *buf, size_t cap, size_t *ret_len)
{
	struct writer w = writer_of(buf, cap);
	armor_write_text(&w, c->origin);
	writer_u8(&w, '\n');
	armor_write_number(&w, c->size);
	writer_u8(&w, '\n');
	armor_write(&w, span_of(c->root.at, MERKLE_HASH));
	writer_u8(&w, '\n');
	int r = writer_end(&w);
	if (r == 0) {
		*ret_len = w.len;
	}
	return r;
}

int checkpoint_read(struct span text, struct checkpoint *ret_checkpoint)
{
	struct checkpoint c = {0};
	struct span line;
	int r = armor_line(&text, &line);
	if (r < 0) {
		return r;
	}
	if (line.len > NOTE_NAME_MOST) {
		return ERR_LIMIT;
	}
	if (line.len == 0 || !is_text(line) || memchr(line.ptr, 0, line.len)) {
		return ERR_VALUE;
	}
	memcpy(c.origin, line.ptr, line.len);
	r = armor_line(&text, &line);
	r = r < 0 ? r : armor_read_number(line, &c.size);
	r = r < 0 ? r : armor_line(&text, &line);
	r = r < 0 ? r : armor_read_exactly(line, c.root.at, MERKLE_HASH);
	while (r == 0 && text.len > 0) {
		r = armor_line(&text, &line);
		r = r < 0 ? r : line.len > 0 ? 0 : ERR_VALUE;
		c.extended = true;
	}
	if (r == 0) {
		*ret_checkpoint = c;
	}
	return r;
}

int checkpoint_read_note(struct span bytes, struct signed_note *ret_note, struct checkpoint *ret_checkpoint)
{
	struct signed_note note;
	int r = note_read(bytes, &note);
	r = r < 0 ? r : checkpoint_read(note.text, ret_checkpoint);
	if (r == 0) {
		*ret_note = note;
	}
	return r;
}
