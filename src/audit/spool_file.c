/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/spool_file.h"
#include "base/reader.h"
#include "base/writer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD_MAGIC  "GANTRYS1"
#define PLACE_MAGIC "GANTRYP1"
#define MAGIC_LEN   8
#define TAG_LEN     16
#define INNER_LEN   9 /* type and time */
#define NONCE_LEN   12
#define CHECK_LEN   8
#define GROUP_MOST  200
#define CONTROL     0x80000000u /* in a frame's length */

/* ---- The head ---- */

void spool_head_write(const struct spool_head *h, uint8_t ret_bytes[SPOOL_HEAD_LEN])
{
	struct writer w = writer_of(ret_bytes, SPOOL_HEAD_LEN);
	writer_bytes(&w, HEAD_MAGIC, MAGIC_LEN);
	writer_bytes(&w, h->id, sizeof(h->id));
	writer_u64be(&w, h->number);
	writer_u64be(&w, h->first);
}

int spool_head_read(struct span bytes, struct spool_head *ret_head)
{
	struct reader r = reader_of(bytes);
	struct span magic, id;
	struct spool_head h;
	int e = reader_bytes(&r, MAGIC_LEN, &magic);
	e = e == 0 ? reader_bytes(&r, sizeof(h.id), &id) : e;
	e = e == 0 ? reader_u64be(&r, &h.number) : e;
	e = e == 0 ? reader_u64be(&r, &h.first) : e;
	e = e == 0 ? reader_end(&r) : e;
	if (e != 0) {
		return e;
	}
	if (memcmp(magic.ptr, HEAD_MAGIC, MAGIC_LEN) != 0) {
		return ERR_VALUE;
	}
	memcpy(h.id, id.ptr, id.len);
	*ret_head = h;
	return 0;
}

int spool_file_key(
	const uint8_t key[SPOOL_KEY_LEN], const struct spool_head *h, uint8_t ret_key[SPOOL_KEY_LEN])
{
	uint8_t head[SPOOL_HEAD_LEN];
	unsigned len = 0;
	spool_head_write(h, head);
	return HMAC(EVP_sha256(), key, SPOOL_KEY_LEN, head, sizeof(head), ret_key, &len) &&
	                       len == SPOOL_KEY_LEN
	               ? 0
	               : ERR_SYSTEM;
}

/* ---- Frames ---- */

static void nonce_of(uint64_t frame, uint8_t ret_nonce[NONCE_LEN])
{
	struct writer w = writer_of(ret_nonce, NONCE_LEN);
	writer_u32be(&w, 0);
	writer_u64be(&w, frame);
}

static bool encrypt(EVP_CIPHER_CTX *ctx, const uint8_t *key, const uint8_t *nonce, const uint8_t head[4],
	struct span inner, struct span bytes, uint8_t *out)
{
	int n = 0;
	return ctx && EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce) == 1 &&
	       EVP_EncryptUpdate(ctx, NULL, &n, head, 4) == 1 &&
	       EVP_EncryptUpdate(ctx, out, &n, inner.ptr, (int)inner.len) == 1 &&
	       (bytes.len == 0 ||
		       EVP_EncryptUpdate(ctx, out + inner.len, &n, bytes.ptr, (int)bytes.len) == 1) &&
	       EVP_EncryptFinal_ex(ctx, out + inner.len + bytes.len, &n) == 1 &&
	       EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_LEN, out + inner.len + bytes.len) == 1;
}

int spool_frame_seal(const uint8_t file_key[SPOOL_KEY_LEN], uint64_t frame, uint8_t type, int64_t time_ms,
	struct span bytes, uint8_t *buf)
{
	uint8_t inner[INNER_LEN], nonce[NONCE_LEN];
	struct writer w = writer_of(inner, sizeof(inner)), head = writer_of(buf, 4);
	writer_u8(&w, type);
	writer_u64be(&w, (uint64_t)time_ms);
	writer_u32be(
		&head, (uint32_t)(bytes.len + INNER_LEN + TAG_LEN) | (spool_is_control(type) ? CONTROL : 0));
	nonce_of(frame, nonce);
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	bool ok = encrypt(ctx, file_key, nonce, buf, writer_span_of(&w), bytes, buf + 4);
	EVP_CIPHER_CTX_free(ctx);
	return ok ? 0 : ERR_SYSTEM;
}

int spool_frame_len(struct span bytes, uint32_t *ret_len, bool *ret_control)
{
	struct reader r = reader_of(bytes);
	uint32_t field;
	int e = reader_u32be(&r, &field);
	uint32_t len = e == 0 ? field & ~CONTROL : 0;
	if (e == 0 && (len < INNER_LEN + TAG_LEN || len > SPOOL_ENTRY_MOST + INNER_LEN + TAG_LEN)) {
		return ERR_LENGTH;
	}
	if (e == 0) {
		*ret_len = len;
		*ret_control = (field & CONTROL) != 0;
	}
	return e;
}

static bool decrypt(EVP_CIPHER_CTX *ctx, const uint8_t *key, const uint8_t *nonce, struct span head,
	struct span sealed, uint8_t *plain)
{
	size_t len = sealed.len - TAG_LEN;
	int n = 0;
	return ctx && EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce) == 1 &&
	       EVP_DecryptUpdate(ctx, NULL, &n, head.ptr, (int)head.len) == 1 &&
	       EVP_DecryptUpdate(ctx, plain, &n, sealed.ptr, (int)len) == 1 &&
	       EVP_CIPHER_CTX_ctrl(
		       ctx, EVP_CTRL_GCM_SET_TAG, TAG_LEN, (void *)(uintptr_t)(sealed.ptr + len)) == 1 &&
	       EVP_DecryptFinal_ex(ctx, plain + len, &n) == 1;
}

int spool_frame_open(const uint8_t file_key[SPOOL_KEY_LEN], uint64_t frame, struct span whole, uint8_t *plain,
	uint8_t *ret_type, int64_t *ret_time_ms, struct span *ret_bytes)
{
	uint8_t nonce[NONCE_LEN], type;
	uint64_t time_ms;
	uint32_t len;
	bool control;
	struct span bytes;
	if (spool_frame_len(whole, &len, &control) != 0 || whole.len != 4 + (size_t)len) {
		return ERR_VALUE;
	}
	nonce_of(frame, nonce);
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	bool ok = decrypt(ctx, file_key, nonce, span_of(whole.ptr, 4), span_of(whole.ptr + 4, len), plain);
	EVP_CIPHER_CTX_free(ctx);
	if (!ok) {
		return ERR_VALUE;
	}
	struct reader r = reader_of(span_of(plain, len - TAG_LEN));
	int e = reader_u8(&r, &type);
	e = e == 0 ? reader_u64be(&r, &time_ms) : e;
	e = e == 0 ? reader_bytes(&r, reader_left(&r), &bytes) : e;
	if (e == 0 && control != spool_is_control(type)) {
		return ERR_VALUE;
	}
	if (e == 0) {
		*ret_type = type;
		*ret_time_ms = (int64_t)time_ms;
		*ret_bytes = bytes;
	}
	return e;
}

ssize_t spool_pread(int fd, void *buf, size_t n, uint64_t offset)
{
	size_t got = 0;
	while (got < n) {
		ssize_t part = pread(fd, (uint8_t *)buf + got, n - got, (off_t)(offset + got));
		if (part < 0 && errno == EINTR) {
			continue;
		}
		if (part < 0) {
			return -1;
		}
		if (part == 0) {
			break;
		}
		got += (size_t)part;
	}
	return (ssize_t)got;
}

int spool_frame_at(int fd, const uint8_t *file_key, uint64_t offset, uint64_t frame, uint8_t *buf,
	struct spool_found *ret_found)
{
	struct spool_found f = {0};
	ssize_t n = spool_pread(fd, buf, 4, offset);
	if (n < 0) {
		return ERR_SYSTEM;
	}
	if (spool_frame_len(span_of(buf, (size_t)n), &f.len, &f.control) != 0) {
		return ERR_TRUNCATED;
	}
	/* Without a key its last byte tells whether it is whole. */
	size_t from = file_key ? 4 : 3 + (size_t)f.len;
	n = spool_pread(fd, buf + from, 4 + (size_t)f.len - from, offset + from);
	if (n < 0) {
		return ERR_SYSTEM;
	}
	if ((size_t)n < 4 + (size_t)f.len - from ||
		(file_key && spool_frame_open(file_key, frame, span_of(buf, 4 + (size_t)f.len), buf + 4,
				     &f.type, &f.time_ms, &f.bytes) != 0)) {
		return ERR_TRUNCATED;
	}
	*ret_found = f;
	return 0;
}

/* What a file is read with. */
struct walk {
	struct spool_head head;
	uint8_t file_key[SPOOL_KEY_LEN];
	uint8_t *buf;
};

static void end_walk(struct walk *w)
{
	free(w->buf);
	OPENSSL_cleanse(w->file_key, sizeof(w->file_key));
}

static int begin_walk(int fd, const uint8_t *key, struct walk *w)
{
	uint8_t head[SPOOL_HEAD_LEN];
	w->buf = NULL;
	ssize_t n = spool_pread(fd, head, sizeof(head), 0);
	if (n < 0) {
		return ERR_SYSTEM;
	}
	if (spool_head_read(span_of(head, (size_t)n), &w->head) != 0) {
		return ERR_VALUE;
	}
	w->buf = malloc(SPOOL_ENTRY_MOST + SPOOL_FRAME_MORE);
	int e = w->buf ? 0 : ERR_NO_MEMORY;
	return e == 0 && key ? spool_file_key(key, &w->head, w->file_key) : e;
}

int spool_walk(
	int fd, const uint8_t *key, struct spool_head *ret_head, uint64_t *ret_end, uint64_t *ret_entries)
{
	struct walk w;
	struct spool_found f;
	uint64_t at = SPOOL_HEAD_LEN, frames = 0, entries = 0;
	int e = begin_walk(fd, key, &w);
	while (e == 0) {
		e = spool_frame_at(fd, key ? w.file_key : NULL, at, frames, w.buf, &f);
		at += e == 0 ? 4 + (uint64_t)f.len : 0;
		frames += e == 0;
		/* An entry is never empty; the end of a file is. */
		entries += e == 0 && !f.control && f.len > INNER_LEN + TAG_LEN;
	}
	end_walk(&w);
	if (e != ERR_TRUNCATED) {
		return e;
	}
	*ret_head = w.head;
	*ret_end = at;
	*ret_entries = entries;
	return 0;
}

static int read_group(struct span bytes, struct spool_tail *t)
{
	struct reader r = reader_of(bytes);
	struct span mark;
	int e = reader_u32be(&r, &t->n);
	e = e == 0 ? reader_bytes(&r, SPOOL_MARK, &mark) : e;
	e = e == 0 ? reader_end(&r) : e;
	if (e == 0) {
		memcpy(t->mark, mark.ptr, SPOOL_MARK);
	}
	return e;
}

int spool_tail_of(int fd, const uint8_t key[SPOOL_KEY_LEN], struct spool_tail *ret_tail)
{
	struct walk w;
	struct spool_found f;
	struct spool_tail t = {0};
	uint64_t at = SPOOL_HEAD_LEN, frames = 0, entries = 0; /* of the group */
	int e = begin_walk(fd, key, &w);
	while (e == 0 && (e = spool_frame_at(fd, w.file_key, at, frames, w.buf, &f)) == 0) {
		at += 4 + (uint64_t)f.len;
		if (f.type == SPOOL_GROUP) {
			t = (struct spool_tail){
				.open = true, .alone = frames == 0, .offset = at, .frame = frames + 1};
			e = read_group(f.bytes, &t);
			entries = 0;
		} else if (f.type == SPOOL_DECISION) {
			t.open = false;
		} else {
			entries++;
		}
		frames++;
	}
	end_walk(&w);
	if (e == ERR_SYSTEM || e == ERR_NO_MEMORY || e == ERR_VALUE) {
		return e;
	}
	t.whole = t.open && entries == t.n;
	t.alone = frames == 0 || (t.open && t.alone);
	*ret_tail = t;
	return 0;
}

/* ---- Places ---- */

void spool_place_name(const char *group, char ret_name[SPOOL_NAME_LEN])
{
	uint8_t hash[SHA256_DIGEST_LENGTH];
	(void)SHA256((const uint8_t *)group, strlen(group), hash);
	int n = snprintf(ret_name, SPOOL_NAME_LEN, "at-");
	for (unsigned i = 0; i < 10; i++) {
		n += snprintf(ret_name + n, SPOOL_NAME_LEN - (size_t)n, "%02x", hash[i]);
	}
}

size_t spool_place_write(const struct spool_place *p, const char *group, uint8_t ret_bytes[SPOOL_PLACE_MOST])
{
	uint8_t hash[SHA256_DIGEST_LENGTH];
	struct writer w = writer_of(ret_bytes, SPOOL_PLACE_MOST);
	size_t len = strnlen(group, GROUP_MOST);
	writer_bytes(&w, PLACE_MAGIC, MAGIC_LEN);
	writer_u8(&w, (uint8_t)len);
	writer_bytes(&w, group, len);
	writer_u64be(&w, p->file);
	writer_u64be(&w, p->offset);
	writer_u64be(&w, p->frame);
	writer_u64be(&w, p->entry);
	writer_bytes(&w, p->id, sizeof(p->id));
	(void)SHA256(ret_bytes, w.len, hash);
	writer_bytes(&w, hash, CHECK_LEN);
	return w.len;
}

int spool_place_read(struct span bytes, const char *group, struct spool_place *ret_place)
{
	uint8_t hash[SHA256_DIGEST_LENGTH], len;
	struct reader r = reader_of(bytes);
	struct span magic, name, id, check;
	struct spool_place p;
	int e = reader_bytes(&r, MAGIC_LEN, &magic);
	e = e == 0 ? reader_u8(&r, &len) : e;
	e = e == 0 ? reader_bytes(&r, len, &name) : e;
	e = e == 0 ? reader_u64be(&r, &p.file) : e;
	e = e == 0 ? reader_u64be(&r, &p.offset) : e;
	e = e == 0 ? reader_u64be(&r, &p.frame) : e;
	e = e == 0 ? reader_u64be(&r, &p.entry) : e;
	e = e == 0 ? reader_bytes(&r, sizeof(p.id), &id) : e;
	size_t checked = r.pos;
	e = e == 0 ? reader_bytes(&r, CHECK_LEN, &check) : e;
	e = e == 0 ? reader_end(&r) : e;
	if (e != 0) {
		return e;
	}
	(void)SHA256(bytes.ptr, checked, hash);
	if (memcmp(magic.ptr, PLACE_MAGIC, MAGIC_LEN) != 0 || memcmp(check.ptr, hash, CHECK_LEN) != 0 ||
		(group && !span_eq(name, span_of(group, strnlen(group, GROUP_MOST))))) {
		return ERR_VALUE;
	}
	memcpy(p.id, id.ptr, id.len);
	*ret_place = p;
	return 0;
}

int spool_place_load(int dir, const char *name, const char *group, struct spool_place *ret_place)
{
	uint8_t bytes[SPOOL_PLACE_MOST + 1];
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0) {
		return errno == ENOENT ? ERR_NOT_FOUND : ERR_SYSTEM;
	}
	ssize_t n = spool_pread(fd, bytes, sizeof(bytes), 0);
	close(fd);
	if (n < 0) {
		return ERR_SYSTEM;
	}
	return spool_place_read(span_of(bytes, (size_t)n), group, ret_place) == 0 ? 0 : ERR_VALUE;
}

/* ---- The folder ---- */

void spool_file_name(uint64_t number, char ret_name[SPOOL_NAME_LEN])
{
	snprintf(ret_name, SPOOL_NAME_LEN, "spool-%020llu", (unsigned long long)number);
}

static bool number_of(const char *name, uint64_t *ret_number)
{
	uint64_t v = 0;
	if (strncmp(name, "spool-", 6) != 0 || strlen(name) != 26) {
		return false;
	}
	for (const char *c = name + 6; *c; c++) {
		if (*c < '0' || *c > '9' || v > (UINT64_MAX - 9) / 10) {
			return false;
		}
		v = v * 10 + (uint64_t)(*c - '0');
	}
	*ret_number = v;
	return true;
}

static int by_number(const void *a, const void *b)
{
	const struct spool_listed *x = a, *y = b;
	return x->number < y->number ? -1 : x->number > y->number;
}

static int add(struct spool_list *l, int dir, const char *name)
{
	uint64_t number;
	struct stat st;
	if (number_of(name, &number) && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		S_ISREG(st.st_mode)) {
		struct spool_listed *grown = reallocarray(l->at, l->n + 1, sizeof(*grown));
		if (!grown) {
			return ERR_NO_MEMORY;
		}
		l->at = grown;
		l->at[l->n++] = (struct spool_listed){number, (uint64_t)st.st_size};
	} else if (strncmp(name, "at-", 3) == 0 && strlen(name) < SPOOL_NAME_LEN) {
		char(*grown)[SPOOL_NAME_LEN] = reallocarray(l->places, l->n_places + 1, sizeof(*grown));
		if (!grown) {
			return ERR_NO_MEMORY;
		}
		l->places = grown;
		memcpy(l->places[l->n_places++], name, strlen(name) + 1);
	}
	return 0;
}

int spool_list(int dir, struct spool_list *ret_list)
{
	struct spool_list l = {0};
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		if (fd >= 0) {
			close(fd);
		}
		return ERR_SYSTEM;
	}
	int e = 0;
	for (const struct dirent *entry; e == 0 && (entry = readdir(d));) {
		e = add(&l, dir, entry->d_name);
	}
	closedir(d);
	if (e != 0) {
		spool_list_done(&l);
		return e;
	}
	if (l.n > 1) {
		qsort(l.at, l.n, sizeof(*l.at), by_number);
	}
	*ret_list = l;
	return 0;
}

void spool_list_done(struct spool_list *l)
{
	free(l->at);
	free(l->places);
	*l = (struct spool_list){0};
}
