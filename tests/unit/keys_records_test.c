/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/link_audit.h"
#include "base/clock.h"
#include "base/sha256.h"
#include "keys_records.h"
#include "priv/sandbox.h"

#include <pthread.h>
#include <sys/socket.h>
#include <time.h>

/* The keys of the audit trail, in files, asked through the key holder. */

static void signs_checkpoints(void **state)
{
	struct holder *h = holder_of(site.checkpoint, site.index);
	char text[512];
	signs(h, 10, 1);
	signs(h, 10, 1); /* the same again */
	signs(h, 11, 2);
	refuses(h, checkpoint_text(ORIGIN, 10, 1), ERR_ORDER); /* going back */
	refuses(h, checkpoint_text(ORIGIN, 11, 3), ERR_ORDER); /* another tree */
	refuses(h, checkpoint_text("hospital.example/other", 12, 2), ERR_DENIED);
	refuses(h, checkpoint_text(ORIGIN "2", 12, 2), ERR_DENIED);
	struct span good = checkpoint_text(ORIGIN, 12, 2);
	snprintf(text, sizeof(text), "%.*swhat we do not know\n", (int)good.len, (const char *)good.ptr);
	refuses(h, span_str(text), ERR_DENIED);
	snprintf(text, sizeof(text), "%.*s\n", (int)good.len, (const char *)good.ptr);
	refuses(h, span_str(text), ERR_VALUE);
	refuses(h, span_str(""), ERR_VALUE);
	refuses(h, span_str("01234567890123456789012345678901"), ERR_VALUE); /* a digest */
	for (size_t n = 0; n < good.len; n++) {
		refuses(h, span_of(good.ptr, n), ERR_VALUE);
	}
	/* A refused one leaves no trace. */
	signs(h, 11, 2);
	signs(h, 12, 2);
	holder_free(h);
}

/* ---- Records ---- */

static struct span record_text(const char *origin, enum deed_what what, int64_t time_s)
{
	static char text[DEED_MOST];
	static const char hash[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
	static struct deed d;
	size_t len = 0;
	unsigned n;
	const struct deed_field *f = deed_fields(what, &n);
	d = (struct deed){.what = what, .time_s = time_s, .uid = 7, .by = "anna@pc7"};
	snprintf(d.origin, sizeof(d.origin), "%s", origin);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(deed_set(&d, f[i].name, f[i].value == DEED_HASH ? hash : "12"), 0);
	}
	assert_int_equal(deed_write(&d, text, sizeof(text), &len), 0);
	return span_of(text, len);
}

static void signs_record(struct holder *h, struct holder_client *c, struct span text)
{
	struct note_key key, journal;
	struct signed_note note;
	char bytes[DEED_MOST + NOTE_LINE_MOST];
	size_t len = 0;
	assert_int_equal(ask(h, c, ASK_RECORD, text), 0);
	assert_int_equal(answer_len, 2 + ED25519_PUBLIC + ED25519_SIGNATURE);
	assert_int_equal(deed_key_make(ORIGIN, answer_bytes + 2, &key), 0);
	assert_string_equal(key.name, ORIGIN "/records");
	assert_int_equal(
		note_write(text, &key, answer_bytes + 2 + ED25519_PUBLIC, bytes, sizeof(bytes), &len), 0);
	assert_int_equal(note_read(span_of(bytes, len), &note), 0);
	assert_int_equal(note_check(&note, &key, NULL), 0);
	/* And by no other purpose's key. */
	struct holder_client auditor = {.whose = HOLDER_AUDITOR};
	assert_int_equal(ask(h, &auditor, ASK_CHECKPOINT, checkpoint_text(ORIGIN, 1, 1)), 0);
	assert_int_equal(deed_key_make(ORIGIN, answer_bytes + 2, &journal), 0);
	assert_int_equal(note_check(&note, &journal, NULL), ERR_NOT_FOUND);
}

static void signs_records(void **state)
{
	struct holder *h = holder_of(site.checkpoint, site.index);
	struct holder_client asker = {.whose = HOLDER_OPERATOR}, auditor = {.whose = HOLDER_AUDITOR},
			     any = {0};
	int64_t now_s = clock_wall_ms() / 1000;
	signs_record(h, &asker, record_text(ORIGIN, DEED_ANTIVIRUS_DEFINITIONS, now_s));
	signs_record(h, &asker, record_text(ORIGIN, DEED_ANTIVIRUS_DEFINITIONS, now_s - 60));
	signs_record(h, &auditor, record_text(ORIGIN, DEED_HAND_OVER, now_s));
	assert_int_equal(asker.refused + auditor.refused, 0);
	/* Each of its own kinds, of this origin, of now. */
	struct span text = record_text(ORIGIN, DEED_HAND_OVER, now_s);
	assert_int_equal(ask(h, &asker, ASK_RECORD, text), ERR_DENIED);
	assert_int_equal(ask(h, &any, ASK_RECORD, text), ERR_DENIED);
	text = record_text(ORIGIN, DEED_ANTIVIRUS_DEFINITIONS, now_s);
	assert_int_equal(ask(h, &auditor, ASK_RECORD, text), ERR_DENIED);
	assert_int_equal(ask(h, &any, ASK_RECORD, text), ERR_DENIED);
	text = record_text(ORIGIN "2", DEED_ANTIVIRUS_DEFINITIONS, now_s);
	assert_int_equal(ask(h, &asker, ASK_RECORD, text), ERR_DENIED);
	for (int sign = -1; sign <= 1; sign += 2) {
		text = record_text(
			ORIGIN, DEED_ANTIVIRUS_DEFINITIONS, now_s + sign * (RECORD_KEYS_SLACK_S + 60));
		assert_int_equal(ask(h, &asker, ASK_RECORD, text), ERR_ORDER);
	}
	/* Whole, and nothing else. */
	text = record_text(ORIGIN, DEED_ANTIVIRUS_DEFINITIONS, now_s);
	for (size_t n = 0; n < text.len; n++) {
		/* The last field may be absent. */
		bool whole = n + strlen("note 12\n") == text.len;
		assert_int_equal(ask(h, &asker, ASK_RECORD, span_of(text.ptr, n)), whole ? 0 : ERR_VALUE);
	}
	assert_int_equal(ask(h, &asker, ASK_RECORD, checkpoint_text(ORIGIN, 1, 1)), ERR_VALUE);
	assert_int_equal(ask(h, &asker, ASK_RECORD, span_str("01234567890123456789012345678901")), ERR_VALUE);
	/* An asker has nothing else. */
	assert_int_equal(ask(h, &asker, ASK_CHECKPOINT, checkpoint_text(ORIGIN, 9, 1)), ERR_DENIED);
	assert_int_equal(ask(h, &asker, ASK_INDEX_ENVELOPE, span_str("")), ERR_DENIED);
	assert_int_equal(ask(h, &asker, ASK_SIGN, span_of("\1\0\0\4\3x", 6)), ERR_DENIED);
	holder_free(h);
}

static void record_key(void **state)
{
	struct record_keys *keys = NULL;
	struct holder *h = holder_new();
	struct holder_client asker = {.whose = HOLDER_OPERATOR};
	const struct span good[] = {span_str(site.auditor_pem[0])};
	char why[256] = "";
	struct record_keys_of what = {ORIGIN, site.checkpoint, site.index, good, 1, site.checkpoint};
	assert_int_equal(record_keys_open(&what, &keys, why, sizeof(why)), ERR_DENIED);
	assert_non_null(strstr(why, "each has one of its own"));
	what.record_key = "/nowhere/key";
	assert_int_equal(record_keys_open(&what, &keys, why, sizeof(why)), ERR_SYSTEM);
	what.record_key = NULL;
	assert_int_equal(record_keys_open(&what, &keys, why, sizeof(why)), 0);
	holder_use_records(h, keys);
	assert_int_equal(ask(h, &asker, ASK_RECORD,
				 record_text(ORIGIN, DEED_ANTIVIRUS_DEFINITIONS, clock_wall_ms() / 1000)),
		ERR_NOT_FOUND);
	holder_free(h);
}

static void gives_index(void **state)
{
	struct holder *h = holder_of(site.checkpoint, site.index);
	struct holder_client auditor = {.whose = HOLDER_AUDITOR};
	uint8_t key[BLIND_KEY];
	gives_tokens(h);
	assert_int_equal(ask(h, &auditor, ASK_INDEX_ENVELOPE, span_str("x")), ERR_PEER);
	assert_int_equal(ask(h, &auditor, ASK_INDEX_ENVELOPE, span_str("")), 0);
	for (unsigned i = 0; i < 2; i++) {
		memset(key, 0, sizeof(key));
		assert_int_equal(envelope_open(ENVELOPE_INDEX, span_of(answer_bytes + 2, answer_len - 2),
					 &site.opener[i], key),
			0);
		assert_memory_equal(key, site.index_key, sizeof(key));
	}
	/* It is nowhere to be seen in the answer itself. */
	assert_null(memmem(answer_bytes, answer_len, site.index_key, sizeof(site.index_key)));
	holder_free(h);
}

/* Each asks on its own channel alone. */
static void not_on_that_channel(void **state)
{
	struct holder *h = holder_of(site.checkpoint, site.index), *none = holder_new();
	struct holder_client association = {0}, auditor = {.whose = HOLDER_AUDITOR};
	uint8_t request[4096];
	size_t len = put_value(request, 0, BLIND_PATIENT, "17");
	static const uint8_t session[] = {4, 1, 2, 3, 4}, put[] = {0, 4, 1, 2, 3, 4, 5};
	assert_int_equal(ask(h, &association, ASK_CHECKPOINT, checkpoint_text(ORIGIN, 1, 1)), ERR_DENIED);
	assert_int_equal(ask(h, &association, ASK_INDEX, span_of(request, len)), ERR_DENIED);
	assert_int_equal(ask(h, &association, ASK_INDEX_ENVELOPE, span_str("")), ERR_DENIED);
	assert_int_equal(association.refused, 3);
	assert_int_equal(ask(h, &auditor, ASK_SIGN, span_of("\1\0\0\4\3x", 6)), ERR_DENIED);
	assert_int_equal(ask(h, &auditor, ASK_SESSION_GET, span_of(session, sizeof(session))), ERR_DENIED);
	assert_int_equal(ask(h, &auditor, ASK_SESSION_PUT, span_of(put, sizeof(put))), 0);
	assert_int_equal(answer_len, 0);
	assert_int_equal(auditor.refused, 3);
	assert_int_equal(
		ask(h, &association, ASK_SESSION_GET, span_of(session, sizeof(session))), ERR_NOT_FOUND);
	assert_int_equal(ask(h, &association, ASK_COUNT, span_str("")), ERR_PEER);
	/* A site without an audit trail. */
	assert_int_equal(ask(none, &auditor, ASK_INDEX, span_of(request, len)), ERR_DENIED);
	holder_free(h);
	holder_free(none);
}

/* ---- Files ---- */

static void files(void **state)
{
	char text[2 * BLIND_KEY + 8];
	struct record_keys *keys = NULL;
	char why[256];
	says("/nowhere/key", site.index, ERR_SYSTEM, "cannot read /nowhere/key");
	says(site.checkpoint, "/nowhere/key", ERR_SYSTEM, "cannot read /nowhere/key");
	assert_int_equal(chmod(site.index, 0640), 0);
	says(site.checkpoint, site.index, ERR_DENIED, "by its group: `chmod go=");
	assert_int_equal(chmod(site.index, 0604), 0);
	says(site.checkpoint, site.index, ERR_DENIED, "every user");
	assert_int_equal(chmod(site.index, 0600), 0);
	assert_int_equal(chmod(site.checkpoint, 0644), 0);
	says(site.checkpoint, site.index, ERR_DENIED, "every user");
	assert_int_equal(chmod(site.checkpoint, 0600), 0);
	index_text(text);
	text[5] = 'g';
	write_file(site.other, 0600, text);
	says(site.checkpoint, site.other, ERR_VALUE, "64 hexadecimal");
	for (size_t n = 0; n < 64; n += 21) {
		index_text(text);
		text[n] = 0;
		write_file(site.other, 0600, text);
		says(site.checkpoint, site.other, ERR_VALUE, "64 hexadecimal");
	}
	index_text(text);
	snprintf(text + 64, 8, "\n\n");
	write_file(site.other, 0600, text);
	says(site.checkpoint, site.other, ERR_VALUE, "64 hexadecimal");
	write_private(site.other, site.auditor[1]);
	says(site.other, site.index, ERR_UNSUPPORTED, "is no Ed25519 key");
	says(site.index, site.index, ERR_VALUE, "holds no private key");
	const struct span bad[] = {span_str("no key")}, good[] = {span_str(site.auditor_pem[0])};
	assert_int_equal(
		record_keys_open(&(struct record_keys_of){ORIGIN, site.checkpoint, site.index, bad, 1}, &keys,
			why, sizeof(why)),
		ERR_VALUE);
	assert_int_equal(
		record_keys_open(&(struct record_keys_of){ORIGIN, site.checkpoint, site.index, good, 0},
			&keys, why, sizeof(why)),
		ERR_VALUE);
	assert_int_equal(
		record_keys_open(&(struct record_keys_of){"two words", site.checkpoint, site.index, good, 1},
			&keys, why, sizeof(why)),
		ERR_VALUE);
}

/* ---- The sandbox ---- */

/* Each is done for the first time when the key holder is in its sandbox already, and needs nothing that it has not there. */
static void in_the_sandbox(void **state)
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct holder *h = holder_of(site.checkpoint, site.index);
		struct holder_client auditor = {.whose = HOLDER_AUDITOR};
		struct sandbox *s = NULL;
		uint8_t request[64];
		size_t len = put_value(request, 0, BLIND_PATIENT, "17");
		struct span text = checkpoint_text(ORIGIN, 1, 1);
		int bad = sandbox_new(SANDBOX_KEYS, NULL, 0, &s) != 0 || sandbox_load(s) != 0 ? 1
		          : ask(h, &auditor, ASK_INDEX_ENVELOPE, span_str("")) != 0           ? 2
		          : ask(h, &auditor, ASK_INDEX, span_of(request, len)) != 0           ? 3
		          : ask(h, &auditor, ASK_CHECKPOINT, text) != 0                       ? 4
		                                                                              : 0;
		_exit(bad);
	}
	int status = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- The other end ---- */

struct serving {
	struct holder *h;
	int fd;
	struct holder_client client;
};

static void *serve(void *arg)
{
	struct serving *s = arg;
	static uint8_t request[HOLDER_REQUEST_MOST], reply[HOLDER_ANSWER_MOST];
	ssize_t n;
	size_t len;
	while ((n = recv(s->fd, request, sizeof(request), 0)) > 0) {
		if (holder_answer(s->h, &s->client, span_of(request, (size_t)n), clock_mono_ms(), reply,
			    &len) != 0 ||
			send(s->fd, reply, len, MSG_NOSIGNAL) != (ssize_t)len) {
			break;
		}
	}
	close(s->fd);
	sha256_done();
	return NULL;
}

static int64_t cpu_ns(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void asks_over_a_channel(void **state)
{
	int pair[2];
	pthread_t thread;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	struct serving s = {holder_of(site.checkpoint, site.index), pair[1], {.whose = HOLDER_AUDITOR}};
	struct link_audit l = {.fd = pair[0], .wait_ms = 10000};
	assert_int_equal(pthread_create(&thread, NULL, serve, &s), 0);
	uint8_t public[ED25519_PUBLIC], signature[ED25519_SIGNATURE], tokens[8][BLIND_TOKEN],
		want[BLIND_TOKEN], envelope[ENVELOPE_MOST], key[BLIND_KEY];
	struct link_value values[HOLDER_INDEX_MOST + 1];
	size_t len = 0;
	assert_int_equal(link_audit_checkpoint(&l, checkpoint_text(ORIGIN, 5, 1), public, signature), 0);
	assert_int_equal(
		link_audit_checkpoint(&l, checkpoint_text(ORIGIN, 4, 1), public, signature), ERR_ORDER);
	for (unsigned i = 0; i < ARRAY_LEN(values); i++) {
		values[i] =
			(struct link_value){BLIND_STUDY, span_str("1.2.840.113619.2.55.3.604688119.971.1")};
	}
	assert_int_equal(link_audit_index(&l, values, 0, tokens), ERR_LIMIT);
	assert_int_equal(link_audit_index(&l, values, ARRAY_LEN(values), tokens), ERR_LIMIT);
	assert_int_equal(link_audit_index(&l, values, 8, tokens), 0);
	assert_int_equal(blind_token(site.index_key, BLIND_STUDY, values[0].value, want), 0);
	assert_memory_equal(tokens[7], want, sizeof(want));
	assert_int_equal(link_audit_envelope(&l, envelope, 10, &len), ERR_SPACE);
	assert_int_equal(link_audit_envelope(&l, envelope, sizeof(envelope), &len), 0);
	assert_int_equal(envelope_open(ENVELOPE_INDEX, span_of(envelope, len), &site.opener[1], key), 0);
	assert_memory_equal(key, site.index_key, sizeof(key));
	const unsigned rounds = 2000;
	int64_t cpu = cpu_ns(), wall = clock_mono_ms();
	for (unsigned i = 0; i < rounds; i++) {
		assert_int_equal(link_audit_index(&l, values, 6, tokens), 0);
	}
	print_message("ASK_INDEX of six values: %lld ns of CPU at both ends together, %lld us of time\n",
		(long long)((cpu_ns() - cpu) / rounds),
		(long long)((clock_mono_ms() - wall) * 1000 / rounds));
	/* The other end goes away. */
	assert_int_equal(shutdown(pair[1], SHUT_RDWR), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(link_audit_index(&l, values, 1, tokens), ERR_CLOSED);
	close(pair[0]);
	holder_free(s.h);
	/* It is there, and says nothing. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	l = (struct link_audit){.fd = pair[0], .wait_ms = 50};
	assert_int_equal(link_audit_index(&l, values, 1, tokens), ERR_TIMEOUT);
	close(pair[0]);
	close(pair[1]);
}

static void answers_too_late(void **state)
{
	int pair[2];
	pthread_t thread;
	uint8_t public[ED25519_PUBLIC], signature[ED25519_SIGNATURE], tokens[2][BLIND_TOKEN],
		want[2][BLIND_TOKEN];
	const struct link_value values[] = {
		{BLIND_PATIENT, span_str("4711")}, {BLIND_PATIENT, span_str("4712")}};
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	struct link_audit l = {.fd = pair[0], .wait_ms = 20};
	/* Nobody answers: asked once, and not again. */
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(link_audit_index(&l, values, 1, tokens), ERR_TIMEOUT);
	}
	l.wait_ms = 10000;
	struct serving s = {holder_of(site.checkpoint, site.index), pair[1], {.whose = HOLDER_AUDITOR}};
	assert_int_equal(pthread_create(&thread, NULL, serve, &s), 0);
	/* The answer to the first is not taken for that to the second, of the same length. */
	assert_int_equal(link_audit_index(&l, values + 1, 1, tokens), 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(blind_token(site.index_key, BLIND_PATIENT, values[i].value, want[i]), 0);
	}
	assert_memory_equal(tokens[0], want[1], BLIND_TOKEN);
	assert_int_equal(link_audit_checkpoint(&l, checkpoint_text(ORIGIN, 5, 1), public, signature), 0);
	assert_int_equal(shutdown(pair[1], SHUT_RDWR), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	close(pair[0]);
	holder_free(s.h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_the_sandbox), /* first, while OpenSSL has looked up little */
		cmocka_unit_test(signs_checkpoints),
		cmocka_unit_test(signs_records),
		cmocka_unit_test(record_key),
		cmocka_unit_test(gives_index),
		cmocka_unit_test(not_on_that_channel),
		cmocka_unit_test(files),
		cmocka_unit_test(asks_over_a_channel),
		cmocka_unit_test(answers_too_late),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
