/* SPDX-License-Identifier: Apache-2.0 */
#include "audit_keys.h"
#include "base/clock.h"
#include "base/log.h"
#include "gateway/auditor_state.h"
#include "priv/message.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * The auditor against associations that were taken over, and against tellers that go at the worst moment: nobody's records
 * but their own suffer. The journal is real; the key holder is a thread that gives every value the same token.
 */

static struct auditor a;
static char folder[] = "/tmp/gantry-auditor-XXXXXX";
static int keys_far = -1;
static pthread_t keys_thread;
static char texts[2 * BATCH_MOST][512]; /* of the messages that were written last */
static unsigned n_texts;

/* ---- What it stands on ---- */

static int xml_stub(const struct audit_event *ev, const struct audit_source *src, uint8_t *buf, size_t cap,
	size_t *ret_len)
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

static void *hold_keys(void *arg)
{
	static uint8_t ask[1u << 17], answer[2 + HOLDER_INDEX_MOST * BLIND_TOKEN];
	ssize_t n;
	(void)arg;
	while ((n = recv(keys_far, ask, sizeof(ask), 0)) >= 2) {
		size_t values = 0, len = 2;
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

static void keys_come(void)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	a.keys = (struct link_audit){.fd = pair[0], .wait_ms = 5000};
	keys_far = pair[1];
	assert_int_equal(pthread_create(&keys_thread, NULL, hold_keys, NULL), 0);
}

static void keys_go(void)
{
	close(a.keys.fd);
	a.keys.fd = -1;
	assert_int_equal(pthread_join(keys_thread, NULL), 0);
}

/* Open the journal, anew or again. */
static void opens(void)
{
	static struct journal_recovered r;
	assert_int_equal(journal_open(a.dir, "test", NULL, NULL, &a.journal, &r), 0);
	open_recovered(&a, &r, clock_mono_ms() - 60000); /* and nobody claims any more */
}

static int setup(void **state)
{
	static struct site site;
	struct hpke_public public;
	(void)state;
	EVP_PKEY *key = fresh(HPKE_X25519);
	assert_non_null(mkdtemp(folder));
	a = (struct auditor){.site = &site,
		.xml = xml_stub,
		.cold.fd = -1,
		.copy.channel.fd = -1,
		.gate.fd = -1,
		.supervisor.fd = -1};
	a.dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(a.dir >= 0);
	assert_int_equal(hpke_public_of(key, &public), 0);
	assert_int_equal(seal_new(&public, 1, &a.seal), 0);
	assert_int_equal(merkle_prepare(), 0);
	a.packer = body_packer_new();
	EVP_PKEY_free(key);
	keys_come();
	opens();
	return 0;
}

static void forget_open(void)
{
	while (a.open) {
		open_remove(&a, a.open);
	}
}

static int teardown(void **state)
{
	DIR *d = fdopendir(a.dir);
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
	return rmdir(folder);
}

/* ---- Tellers ---- */

struct puppet {
	struct teller *t;
	int fd; /* its end */
};

static struct puppet puppet(uint64_t association)
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
static void goes(struct puppet *p)
{
	close(p->t->fd);
	p->t->fd = -1;
	open_teller_gone(&a, p->t);
}

static void is_freed(struct puppet *p)
{
	memset(p->t, 0xA5, sizeof(*p->t)); /* whoever still looks is seen, also without a sanitizer */
	free(p->t);
	close(p->fd);
}

static void done(struct puppet *p)
{
	goes(p);
	if (a.n_batch > 0) {
		batch_write(&a);
	}
	is_freed(p);
}

static void tell(struct puppet *p, enum audit_kind kind, int64_t number, const char *patient)
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
static int64_t answer(struct puppet *p)
{
	static struct message m;
	return message_recv(p->fd, FROM_AUDITOR, &m) == 0 ? m.number : INT64_MIN;
}

static int64_t begins(struct puppet *p, const char *patient)
{
	tell(p, AUDIT_BEGIN, -1, patient);
	batch_write(&a);
	int64_t number = answer(p);
	assert_true(number >= 0);
	return number;
}

/* Records of a kind that are about that one, as the journal has them; about JOURNAL_NONE: about none. */
static unsigned recorded(uint8_t kind, uint64_t about, uint64_t *ret_association)
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

/* ---- Tests ---- */

static void nobody_ends_anothers_transfer(void **state)
{
	(void)state;
	uint64_t who = 0;
	struct puppet good = puppet(1), bad = puppet(2);
	int64_t number = begins(&good, "P1");
	tell(&bad, AUDIT_TRANSFERRED, number, "P1");
	tell(&bad, AUDIT_PROGRESS, number, "P1");
	batch_write(&a);
	assert_true(answer(&bad) >= 0);
	assert_int_equal(recorded(AUDIT_TRANSFERRED, (uint64_t)number, &who), 0);
	assert_non_null(open_find(&a, (uint64_t)number));
	assert_int_equal(open_find(&a, (uint64_t)number)->count, 0);
	tell(&good, AUDIT_TRANSFERRED, number, "P1");
	tell(&good, AUDIT_TRANSFERRED, number, "P1"); /* twice ends it once */
	batch_write(&a);
	assert_int_equal(recorded(AUDIT_TRANSFERRED, (uint64_t)number, &who), 1);
	assert_int_equal(who, 1); /* and not 999, as it said */
	assert_null(open_find(&a, (uint64_t)number));
	done(&good);
	done(&bad);
}

/* Found when the journal was opened: only an association of that number may have it. */
static void nobody_claims_what_was_found(void **state)
{
	(void)state;
	uint64_t who = 0;
	struct puppet good = puppet(7), bad = puppet(8), late = puppet(7);
	int64_t number = begins(&good, "P1");
	journal_close(a.journal);
	forget_open();
	opens();
	assert_non_null(open_find(&a, (uint64_t)number));
	tell(&bad, AUDIT_TRANSFERRED, number, "P1");
	batch_write(&a);
	assert_int_equal(recorded(AUDIT_TRANSFERRED, (uint64_t)number, &who), 0);
	tell(&late, AUDIT_TRANSFERRED, number, "P1");
	batch_write(&a);
	int64_t end = answer(&late);
	assert_int_equal(recorded(AUDIT_TRANSFERRED, (uint64_t)number, &who), 1);
	/* Its answer is lost with the auditor: told again it is the same record, and another association's is not. */
	journal_close(a.journal);
	forget_open();
	opens();
	tell(&late, AUDIT_TRANSFERRED, number, "P1");
	tell(&bad, AUDIT_TRANSFERRED, number, "P1");
	batch_write(&a);
	assert_int_equal(answer(&late), end);
	assert_int_equal(recorded(AUDIT_TRANSFERRED, (uint64_t)number, &who), 1);
	done(&good);
	done(&bad);
	done(&late);
}

static void a_flood_of_beginnings_ends(void **state)
{
	(void)state;
	struct puppet good = puppet(1), bad = puppet(2);
	unsigned taken = 0, refused = 0;
	int64_t number;
	for (unsigned i = 0; i < 200; i++) {
		tell(&bad, AUDIT_BEGIN, -1, "FLOOD");
		if (i % 10 == 0) {
			tell(&good, AUDIT_LOGIN, -1, "P1");
		}
		while ((number = answer(&bad)) != INT64_MIN) {
			taken += number >= 0;
			refused += number == ERR_LIMIT;
		}
	}
	batch_write(&a);
	while ((number = answer(&bad)) != INT64_MIN) {
		taken += number >= 0;
		refused += number == ERR_LIMIT;
	}
	assert_int_equal(taken, OPEN_MOST);
	assert_int_equal(refused, 200 - OPEN_MOST);
	for (unsigned i = 0; i < 20; i++) {
		assert_true(answer(&good) >= 0);
	}
	done(&bad);
	assert_null(a.open);
	done(&good);
}

static void what_is_wrong_with_one_is_no_others_fault(void **state)
{
	(void)state;
	static uint8_t noise[LIMIT_IDENTIFIER];
	struct puppet good = puppet(1), bad = puppet(2);
	memset(noise, 0xEE, sizeof(noise));
	tell(&bad, AUDIT_BEGIN, -1, "B1");
	batch_take(&a, bad.t, -1, span_of(noise, sizeof(noise)));
	tell(&bad, AUDIT_BEGIN, -1, "UNWRITABLE");
	tell(&bad, AUDIT_START, -1, "B2"); /* not an association's to tell */
	tell(&good, AUDIT_BEGIN, -1, "P1");
	batch_take(&a, bad.t, -1, span_of(noise, 3));
	tell(&bad, AUDIT_BEGIN, -1, "B3");
	batch_write(&a);
	/* In the order of the events. */
	assert_true(answer(&bad) >= 0);
	assert_true(answer(&bad) < 0);
	assert_int_equal(answer(&bad), ERR_SPACE);
	assert_int_equal(answer(&bad), ERR_DENIED);
	assert_true(answer(&bad) < 0);
	assert_true(answer(&bad) >= 0);
	assert_int_equal(answer(&bad), INT64_MIN);
	assert_true(answer(&good) >= 0);
	done(&good);
	done(&bad);
}

/* The end, or the beginning, is in the batch when its teller goes, and the batch cannot be recorded. */
static void who_goes_while_nothing_can_be_recorded_is_recorded_later(void **state)
{
	(void)state;
	uint64_t who = 0;
	struct puppet p = puppet(3), q = puppet(4);
	int64_t number = begins(&p, "P1");
	tell(&p, AUDIT_TRANSFERRED, number, "P1");
	goes(&p);
	keys_go();
	batch_write(&a);
	is_freed(&p);
	assert_true(a.failing);
	open_check(&a, clock_mono_ms());
	assert_int_equal(recorded(AUDIT_TRANSFERRED, (uint64_t)number, &who), 0);
	keys_come();
	/* Nobody tells anything: it is tried again all the same. */
	open_check(&a, clock_mono_ms() + 2000);
	open_check(&a, clock_mono_ms() + 4000);
	assert_int_equal(recorded(AUDIT_TRANSFERRED, (uint64_t)number, &who), 1);
	assert_int_equal(who, 3);
	assert_null(a.open);
	/* One whose beginning is recorded when it has gone already. */
	tell(&q, AUDIT_BEGIN, -1, "P2");
	goes(&q);
	batch_write(&a);
	is_freed(&q);
	assert_non_null(a.open);
	open_check(&a, clock_mono_ms());
	assert_null(a.open);
}

/* Another channel of the same association: what it had begun is its own there. */
static void who_takes_a_new_channel_keeps_its_transfers(void **state)
{
	(void)state;
	uint64_t who = 0;
	struct puppet before = puppet(5), after = puppet(5);
	int64_t number = begins(&before, "P1");
	tell(&before, AUDIT_BEGIN, -1, "P2");
	open_teller_moved(&a, before.t, after.t);
	goes(&before);
	batch_write(&a);
	is_freed(&before);
	tell(&after, AUDIT_TRANSFERRED, number, "P1");
	batch_write(&a);
	assert_int_equal(recorded(AUDIT_TRANSFERRED, (uint64_t)number, &who), 1);
	assert_non_null(a.open); /* the other one, which lives with it */
	open_check(&a, clock_mono_ms());
	assert_non_null(a.open);
	done(&after);
	assert_null(a.open);
}

/* Of the gate's channel, which waits for no answer. */
static void gate_tells(const char *text)
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

static bool wrote(const char *part)
{
	for (unsigned i = 0; i < n_texts && i < ARRAY_LEN(texts); i++) {
		if (strstr(texts[i], part)) {
			return true;
		}
	}
	return false;
}

static void nothing_that_was_told_is_lost_in_silence(void **state)
{
	(void)state;
	uint64_t who = 0;
	unsigned before = recorded(AUDIT_ALERT, JOURNAL_NONE, &who);
	struct puppet p = puppet(11);
	int64_t now = clock_mono_ms();
	keys_go();
	gate_tells("refusal one");
	gate_tells("refusal two");
	tell(&p, AUDIT_LOGIN, -1, "P1"); /* the association's to tell again */
	batch_write(&a);
	assert_true(a.failing);
	assert_true(answer(&p) < 0);
	/* What passed meanwhile, as the gate says. */
	kept_missed(&a, AUDIT_BEGIN, 3);
	kept_missed(&a, AUDIT_QUERY, 1);
	kept_missed(&a, 0, 1);
	kept_missed(&a, AUDIT_KIND_COUNT, 1);
	health_check(&a, now + 2000);
	assert_true(a.failing);
	keys_come();
	n_texts = 0;
	health_check(&a, now + 4000);
	assert_false(a.failing);
	assert_true(wrote("no record could be made"));
	assert_true(wrote("were lost: 3 begin, 1 query."));
	assert_true(wrote("2 that were kept follow"));
	assert_true(wrote("refusal one"));
	assert_true(wrote("refusal two"));
	assert_int_equal(recorded(AUDIT_ALERT, JOURNAL_NONE, &who), before + 3);
	assert_null(a.kept);
	/* And that was all. */
	health_check(&a, now + 6000);
	assert_int_equal(recorded(AUDIT_ALERT, JOURNAL_NONE, &who), before + 3);
	done(&p);
}

static void what_has_no_place_is_counted(void **state)
{
	(void)state;
	int64_t now = clock_mono_ms();
	keys_go();
	for (unsigned i = 0; i < 1100; i++) {
		gate_tells("one of many");
	}
	batch_write(&a);
	keys_come();
	n_texts = 0;
	health_check(&a, now + 4000);
	assert_true(wrote("were lost: 76 alert."));
	assert_true(wrote("1024 that were kept follow"));
	for (unsigned i = 0; i < 1024 / BATCH_MOST; i++) {
		assert_true(health_next_ms(&a) == 0 || !a.kept);
		health_check(&a, now + 4000);
	}
	assert_null(a.kept);
	/* The auditor was away: no commit failed, and it is told all the same. */
	kept_missed(&a, AUDIT_PATIENT_SHOWN, 2);
	assert_true(health_next_ms(&a) <= clock_mono_ms() + KEPT_TELL_MS);
	n_texts = 0;
	health_check(&a, clock_mono_ms() + 2 * KEPT_TELL_MS);
	assert_true(wrote("did not answer in time. Without a record in time passed, or were lost: 2 "));
}

int main(void)
{
	log_to(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_FORMAT_TEXT);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_ends_anothers_transfer),
		cmocka_unit_test(nobody_claims_what_was_found),
		cmocka_unit_test(a_flood_of_beginnings_ends),
		cmocka_unit_test(what_is_wrong_with_one_is_no_others_fault),
		cmocka_unit_test(who_goes_while_nothing_can_be_recorded_is_recorded_later),
		cmocka_unit_test(who_takes_a_new_channel_keeps_its_transfers),
		cmocka_unit_test(nothing_that_was_told_is_lost_in_silence),
		cmocka_unit_test(what_has_no_place_is_counted),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
