/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_AUDITOR_MADE_H
#define GATEWAY_AUDITOR_MADE_H

#include "audit_keys.h"
#include "audit/armor.h"
#include "base/clock.h"
#include "base/log.h"
#include "gateway/auditor_state.h"
#include "priv/message.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * An auditor with a real journal, tellers on socket pairs, and a key holder that is a thread: it gives every value the same token
 * and signs every checkpoint.
 */

static struct auditor a;
static char folder[] = "/tmp/gantry-auditor-XXXXXX";
static int keys_far = -1;
static pthread_t keys_thread;
static EVP_PKEY *signer;
static struct site site;
static const struct journal_params *params; /* of the journal; NULL: as always */
static const struct journal_io *io;
static char texts[2 * BATCH_MOST][512]; /* of the messages that were written last */
static unsigned n_texts;

/* ---- What it stands on ---- */

static inline int xml_stub(const struct audit_event *ev, const struct audit_source *src, uint8_t *buf,
	size_t cap, size_t *ret_len)
{
	(void)src;
	assert_true(cap > 4);
	if (strcmp(ev->patient_id, "UNWRITABLE") == 0) {
		return ERR_SPACE;
	}
	memcpy(texts[n_texts++ % ARRAY_LEN(texts)], ev->text, sizeof(texts[0]));
	memcpy(buf, "<x/>", 4);
	*ret_len = 4;
	return 0;
}

static inline size_t sign(struct span text, uint8_t *to)
{
	size_t public_len = ED25519_PUBLIC, len = ED25519_SIGNATURE;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	assert_int_equal(EVP_PKEY_get_raw_public_key(signer, to, &public_len), 1);
	assert_int_equal(EVP_DigestSignInit(ctx, NULL, NULL, NULL, signer), 1);
	assert_int_equal(EVP_DigestSign(ctx, to + ED25519_PUBLIC, &len, text.ptr, text.len), 1);
	EVP_MD_CTX_free(ctx);
	return ED25519_PUBLIC + ED25519_SIGNATURE;
}

static inline void *hold_keys(void *arg)
{
	static uint8_t ask[1u << 17], answer[2 + HOLDER_INDEX_MOST * BLIND_TOKEN];
	ssize_t n;
	(void)arg;
	while ((n = recv(keys_far, ask, sizeof(ask), 0)) >= 2) {
		size_t values = 0, len = 2;
		if (ask[1] == ASK_CHECKPOINT) {
			len += sign(span_of(ask + 2, (size_t)n - 2), answer + 2);
		}
		for (size_t at = 2; ask[1] == ASK_INDEX && at + 3 <= (size_t)n; values++) {
			at += 3 + (size_t)(ask[at + 1] << 8 | ask[at + 2]);
		}
		answer[0] = HOLDER_VERSION;
		len += values * BLIND_TOKEN;
		if (send(keys_far, answer, len, MSG_NOSIGNAL) < 0) {
			break;
		}
	}
	close(keys_far);
	return NULL;
}

static inline void keys_come(void)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	a.keys = (struct link_audit){.fd = pair[0], .wait_ms = 5000};
	keys_far = pair[1];
	assert_int_equal(pthread_create(&keys_thread, NULL, hold_keys, NULL), 0);
}

static inline void keys_go(void)
{
	close(a.keys.fd);
	a.keys.fd = -1;
	assert_int_equal(pthread_join(keys_thread, NULL), 0);
}

/* Open the journal, anew or again. */
static inline void opens(void)
{
	static struct journal_recovered r;
	assert_int_equal(journal_open(a.dir, "test", params, io, &a.journal, &r), 0);
	open_recovered(&a, &r, clock_mono_ms() - 60000); /* and nobody claims any more */
}

static inline int setup(void **state)
{
	struct hpke_public public;
	(void)state;
	EVP_PKEY *key = fresh(HPKE_X25519);
	assert_non_null(mkdtemp(folder));
	a = (struct auditor){.site = &site,
		.xml = xml_stub,
		.cold.fd = -1,
		.copy.channel.fd = -1,
		.gate.fd = -1,
		.supervisor.fd = -1,
		.spool_dir = -1};
	a.dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(a.dir >= 0);
	assert_int_equal(hpke_public_of(key, &public), 0);
	assert_int_equal(seal_new(&public, 1, &a.seal), 0);
	assert_int_equal(merkle_prepare(), 0);
	a.packer = body_packer_new();
	EVP_PKEY_free(key);
	signer = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	assert_non_null(signer);
	site.audit = (struct audit_config){.has = true,
		.journal = folder,
		.origin = "test",
		.checkpoint_file = "",
		.cold = "",
		.checkpoint_every = 60,
		.spool_most = 64u * 1024 * 1024};
	memset(a.spool_key, 7, sizeof(a.spool_key));
	a.has_spool_key = true;
	keys_come();
	opens();
	return 0;
}

static inline void forget_open(void)
{
	while (a.open) {
		open_remove(&a, a.open);
	}
}

static inline int teardown(void **state)
{
	DIR *d = fdopendir(a.dir);
	char spool[64];
	snprintf(spool, sizeof(spool), "%s/spool", folder);
	(void)state;
	forget_open();
	keys_go();
	journal_close(a.journal);
	seal_free(a.seal);
	body_packer_free(a.packer);
	for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
		(void)unlinkat(a.dir, e->d_name, 0);
	}
	closedir(d);
	if ((d = opendir(spool)) != NULL) {
		for (struct dirent *e; (e = readdir(d)) != NULL;) {
			(void)unlinkat(dirfd(d), e->d_name, 0);
		}
		closedir(d);
		(void)rmdir(spool);
	}
	EVP_PKEY_free(signer);
	return rmdir(folder);
}

/* ---- Tellers ---- */

struct puppet {
	struct teller *t;
	int fd; /* its end */
};

static inline struct puppet puppet(uint64_t association)
{
	int pair[2];
	struct puppet p = {.t = calloc(1, sizeof(*p.t))};
	assert_non_null(p.t);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	*p.t = (struct teller){
		.fd = pair[0], .kind = TELLER_ASSOCIATION, .answers = true, .association = association};
	p.t->ip.s6_addr[15] = 1;
	p.fd = pair[1];
	return p;
}

/* As auditor.c does when the channel is seen to be closed. */
static inline void goes(struct puppet *p)
{
	close(p->t->fd);
	p->t->fd = -1;
	open_teller_gone(&a, p->t);
}

static inline void is_freed(struct puppet *p)
{
	memset(p->t, 0xA5, sizeof(*p->t)); /* whoever still looks is seen, also without a sanitizer */
	free(p->t);
	close(p->fd);
}

static inline void done(struct puppet *p)
{
	goes(p);
	if (a.n_batch > 0) {
		batch_write(&a);
	}
	is_freed(p);
}

static inline void tell(struct puppet *p, enum audit_kind kind, int64_t number, const char *patient)
{
	static uint8_t bytes[AUDIT_EVENT_MOST];
	static struct audit_event ev;
	size_t len;
	ev = (struct audit_event){.kind = kind, .time_ms = clock_wall_ms(), .association = 999};
	snprintf(ev.patient_id, sizeof(ev.patient_id), "%s", patient);
	snprintf(ev.study, sizeof(ev.study), "1.2.3");
	snprintf(ev.sop[0].uid, sizeof(ev.sop[0].uid), "1.2.4");
	ev.sop[0].instances = kind == AUDIT_BEGIN ? 0 : 3;
	ev.n_sop = 1;
	assert_int_equal(audit_event_write(&ev, bytes, sizeof(bytes), &len), 0);
	batch_take(&a, p->t, number, span_of(bytes, len));
}

/* The next answer; INT64_MIN: none. */
static inline int64_t answer(struct puppet *p)
{
	static struct message m;
	return message_recv(p->fd, FROM_AUDITOR, &m) == 0 ? m.number : INT64_MIN;
}

static inline int64_t begins(struct puppet *p, const char *patient)
{
	tell(p, AUDIT_BEGIN, -1, patient);
	batch_write(&a);
	int64_t number = answer(p);
	assert_true(number >= 0);
	return number;
}

/* Records of a kind that are about that one, as the journal has them; about JOURNAL_NONE: about none. */
static inline unsigned recorded(uint8_t kind, uint64_t about, uint64_t *ret_association)
{
	struct journal_reader *r;
	struct journal_entry e;
	unsigned n = 0;
	assert_int_equal(journal_reader_open(&a.dir, 1, &r), 0);
	while (journal_reader_next(r, &e) == 1) {
		if (e.record.kind == kind && e.record.about == about) {
			n++;
			*ret_association = e.record.association;
		}
	}
	journal_reader_free(r);
	return n;
}

/* Of the gate's channel, which waits for no answer. */
static inline void gate_tells(const char *text)
{
	static uint8_t bytes[AUDIT_EVENT_MOST];
	static struct audit_event ev;
	size_t len;
	ev = (struct audit_event){
		.kind = AUDIT_ALERT, .alert = ALERT_RESTRICTED_FUNCTION, .time_ms = clock_wall_ms()};
	snprintf(ev.text, sizeof(ev.text), "%s", text);
	assert_int_equal(audit_event_write(&ev, bytes, sizeof(bytes), &len), 0);
	batch_take(&a, &a.gate, MSG_EVENT_NEW, span_of(bytes, len));
}

static inline bool wrote(const char *part)
{
	for (unsigned i = 0; i < n_texts && i < ARRAY_LEN(texts); i++) {
		if (strstr(texts[i], part)) {
			return true;
		}
	}
	return false;
}

#endif
