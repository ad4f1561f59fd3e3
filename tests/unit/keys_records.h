/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_RECORDS_H
#define KEYS_RECORDS_H

#include "audit/envelope.h"
#include "audit/note.h"
#include "audit_keys.h"
#include "base/writer.h"
#include "keys/holder.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A key holder that has the keys of an audit trail, and what it is asked: for keys in files, and on a token. */

#define ORIGIN "hospital.example/gantry"

static struct {
	char folder[64], checkpoint[128], index[128], record[128], other[128];
	char auditor_pem[2][4096];
	EVP_PKEY *auditor[2];
	struct hpke_opener opener[2];
	uint8_t index_key[BLIND_KEY];
} site;

static inline void write_file(const char *path, mode_t mode, const char *text)
{
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static inline void write_private(const char *path, EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char pem[4096];
	assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
	pem_of(bio, pem);
	write_file(path, 0600, pem);
}

static inline void index_text(char text[2 * BLIND_KEY + 2])
{
	for (unsigned i = 0; i < BLIND_KEY; i++) {
		site.index_key[i] = (uint8_t)(0xa0 + i);
		snprintf(text + 2 * (size_t)i, 3, "%02x", site.index_key[i]);
	}
	text[2 * BLIND_KEY] = '\n';
	text[2 * BLIND_KEY + 1] = 0;
}

static inline int set_up(void **state)
{
	char text[2 * BLIND_KEY + 2];
	snprintf(site.folder, sizeof(site.folder), "/tmp/gantry-records-XXXXXX");
	assert_non_null(mkdtemp(site.folder));
	snprintf(site.checkpoint, sizeof(site.checkpoint), "%s/checkpoint.key", site.folder);
	snprintf(site.index, sizeof(site.index), "%s/index.key", site.folder);
	snprintf(site.record, sizeof(site.record), "%s/record.key", site.folder);
	snprintf(site.other, sizeof(site.other), "%s/other", site.folder);
	for (unsigned i = 0; i < 2; i++) {
		EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
		write_private(i == 0 ? site.checkpoint : site.record, key);
		EVP_PKEY_free(key);
	}
	index_text(text);
	write_file(site.index, 0600, text);
	for (unsigned i = 0; i < 2; i++) {
		site.auditor[i] = fresh(i == 0 ? HPKE_X25519 : HPKE_P256);
		public_pem(site.auditor[i], site.auditor_pem[i]);
		assert_int_equal(hpke_opener_of(site.auditor[i], &site.opener[i]), 0);
	}
	return 0;
}

static inline int tear_down(void **state)
{
	EVP_PKEY_free(site.auditor[0]);
	EVP_PKEY_free(site.auditor[1]);
	const char *const argv[] = {"rm", "-rf", site.folder, NULL};
	pid_t pid = fork();
	if (pid == 0) {
		execv("/bin/rm", (char *const *)argv);
		_exit(127);
	}
	return waitpid(pid, NULL, 0) == pid ? 0 : -1;
}

static inline int open_records(
	const char *checkpoint, const char *index, struct record_keys **ret, char why[256])
{
	const struct span auditors[] = {span_str(site.auditor_pem[0]), span_str(site.auditor_pem[1])};
	return record_keys_open(
		&(struct record_keys_of){ORIGIN, checkpoint, index, auditors, 2, site.record}, ret, why, 256);
}

static inline struct holder *holder_of(const char *checkpoint, const char *index)
{
	struct record_keys *keys = NULL;
	struct holder *h = holder_new();
	char why[256];
	int e = open_records(checkpoint, index, &keys, why);
	if (e != 0) {
		fail_msg("%s", why);
	}
	holder_use_records(h, keys);
	return h;
}

/* ---- Asking ---- */

static uint8_t answer_bytes[HOLDER_ANSWER_MOST];
static size_t answer_len;

/* 0, or the error that the answer tells, or what holder_answer() says of a broken request. */
static inline int ask(struct holder *h, struct holder_client *c, enum holder_ask what, struct span rest)
{
	static uint8_t request[HOLDER_REQUEST_MOST];
	struct writer w = writer_of(request, sizeof(request));
	writer_u8(&w, HOLDER_VERSION);
	writer_u8(&w, (uint8_t)what);
	writer_span(&w, rest);
	int e = holder_answer(h, c, writer_span_of(&w), 1000, answer_bytes, &answer_len);
	if (e != 0) {
		return e;
	}
	return answer_len == 0 ? 0 : -(int)answer_bytes[1];
}

static inline struct span checkpoint_text(const char *origin, uint64_t size, uint8_t root)
{
	static char text[CHECKPOINT_MOST + 64];
	struct checkpoint c = {.size = size};
	size_t len = 0;
	snprintf(c.origin, sizeof(c.origin), "%s", origin);
	memset(&c.root, root, sizeof(c.root));
	assert_int_equal(checkpoint_write(&c, text, sizeof(text), &len), 0);
	return span_of(text, len);
}

/* The answer is the note's key and a signature that a note's reader takes. */
static inline void signs(struct holder *h, uint64_t size, uint8_t root)
{
	struct holder_client auditor = {.whose = HOLDER_AUDITOR};
	struct span text = checkpoint_text(ORIGIN, size, root);
	struct note_key key;
	struct signed_note note;
	char bytes[1024];
	size_t len = 0;
	assert_int_equal(ask(h, &auditor, ASK_CHECKPOINT, text), 0);
	assert_int_equal(answer_len, 2 + ED25519_PUBLIC + ED25519_SIGNATURE);
	assert_int_equal(note_key_make(ORIGIN, NOTE_ED25519, answer_bytes + 2, &key), 0);
	assert_int_equal(
		note_write(text, &key, answer_bytes + 2 + ED25519_PUBLIC, bytes, sizeof(bytes), &len), 0);
	assert_int_equal(note_read(span_of(bytes, len), &note), 0);
	assert_int_equal(note_check(&note, &key, NULL), 0);
}

static inline void refuses(struct holder *h, struct span text, int want)
{
	struct holder_client auditor = {.whose = HOLDER_AUDITOR};
	assert_int_equal(ask(h, &auditor, ASK_CHECKPOINT, text), want);
	assert_int_equal(answer_len, 2);
	assert_int_equal(auditor.refused, 1);
}

static inline size_t put_value(uint8_t *buf, size_t at, unsigned kind, const char *value)
{
	struct writer w = writer_of(buf + at, 4096 - at);
	writer_u8(&w, (uint8_t)kind);
	writer_u16be(&w, (uint16_t)strlen(value));
	writer_span(&w, span_str(value));
	return at + w.len;
}

static inline void gives_tokens(struct holder *h)
{
	struct holder_client auditor = {.whose = HOLDER_AUDITOR};
	uint8_t request[4096], want[BLIND_TOKEN];
	size_t len = put_value(request, 0, BLIND_PATIENT, "17");
	len = put_value(request, len, BLIND_NAME, "doe^john");
	assert_int_equal(ask(h, &auditor, ASK_INDEX, span_of(request, len)), 0);
	assert_int_equal(answer_len, 2 + 2 * BLIND_TOKEN);
	assert_int_equal(blind_token(site.index_key, BLIND_PATIENT, span_str("17"), want), 0);
	assert_memory_equal(answer_bytes + 2, want, sizeof(want));
	assert_int_equal(blind_token(site.index_key, BLIND_NAME, span_str("doe^john"), want), 0);
	assert_memory_equal(answer_bytes + 2 + BLIND_TOKEN, want, sizeof(want));
	/* Cut at any byte but between two values it is no request; of an unknown kind it is refused. */
	size_t first = put_value(request, 0, BLIND_PATIENT, "17");
	for (size_t n = 0; n < len; n++) {
		assert_int_equal(ask(h, &auditor, ASK_INDEX, span_of(request, n)), n == first ? 0 : ERR_PEER);
	}
	len = put_value(request, 0, BLIND_KIND_COUNT, "17");
	assert_int_equal(ask(h, &auditor, ASK_INDEX, span_of(request, len)), ERR_TYPE);
	len = put_value(request, 0, 0, "17");
	assert_int_equal(ask(h, &auditor, ASK_INDEX, span_of(request, len)), ERR_TYPE);
	len = 0;
	for (unsigned i = 0; i <= HOLDER_INDEX_MOST; i++) {
		len = put_value(request, len, BLIND_STUDY, "1.2");
		assert_int_equal(ask(h, &auditor, ASK_INDEX, span_of(request, len)),
			i == HOLDER_INDEX_MOST ? ERR_PEER : 0);
	}
}

static inline void says(const char *checkpoint, const char *index, int want, const char *words)
{
	struct record_keys *keys = NULL;
	char why[256] = "";
	int e = open_records(checkpoint, index, &keys, why);
	if (e != want || !strstr(why, words)) {
		fail_msg("%d instead of %d: %s", e, want, why);
	}
	assert_null(keys);
}

#endif
