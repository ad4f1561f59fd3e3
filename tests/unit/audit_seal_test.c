/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/seal.h"
#include "audit_keys.h"

#include <openssl/hmac.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct {
	EVP_PKEY *key[3]; /* X25519, P-256, a stranger's */
	struct hpke_opener opener[3];
	struct hpke_public to[2];
} people;

static int set_up(void **state)
{
	for (unsigned i = 0; i < 3; i++) {
		people.key[i] = fresh(i == 0 ? HPKE_X25519 : HPKE_P256);
		assert_int_equal(hpke_opener_of(people.key[i], &people.opener[i]), 0);
	}
	people.to[0] = people.opener[0].public;
	people.to[1] = people.opener[1].public;
	return 0;
}

static int tear_down(void **state)
{
	for (unsigned i = 0; i < 3; i++) {
		EVP_PKEY_free(people.key[i]);
	}
	return 0;
}

static struct seal *begun(uint8_t body[SEAL_KEY_BODY_MOST], size_t *ret_len)
{
	struct seal *s = NULL;
	assert_int_equal(seal_new(people.to, 2, &s), 0);
	assert_int_equal(seal_begin(s, span_of(NULL, 0), 1000, body, SEAL_KEY_BODY_MOST, ret_len), 0);
	return s;
}

static struct span index_envelope(uint8_t buf[ENVELOPE_MOST], const uint8_t secret[ENVELOPE_SECRET])
{
	struct writer w = writer_of(buf, ENVELOPE_MOST);
	assert_int_equal(envelope_write(ENVELOPE_INDEX, people.to, 2, secret, &w), 0);
	return writer_span_of(&w);
}

/* ---- One epoch ---- */

#define BODIES 50

static struct {
	uint8_t bytes[64];
	size_t len;
	char head[16], text[16];
} sealed[BODIES];

static struct span head_of(unsigned i)
{
	snprintf(sealed[i].head, sizeof(sealed[i].head), "head %u", i);
	return span_str(sealed[i].head);
}

static void seal_all(struct seal *s)
{
	for (unsigned i = 0; i < BODIES; i++) {
		snprintf(sealed[i].text, sizeof(sealed[i].text), "body %u", i);
		assert_int_equal(seal_turn(s), i);
		/* Every second one where it is. */
		struct span body = span_str(sealed[i].text);
		if (i % 2) {
			memcpy(sealed[i].bytes, body.ptr, body.len);
			body.ptr = sealed[i].bytes;
		}
		assert_int_equal(seal_body(s, head_of(i), body, sealed[i].bytes, sizeof(sealed[i].bytes),
					 &sealed[i].len),
			0);
		assert_int_equal(sealed[i].len, strlen(sealed[i].text) + SEAL_TAG);
	}
}

static void opens(struct seal_epoch *e, unsigned i)
{
	uint8_t text[64];
	size_t len;
	assert_int_equal(seal_open(e, i, head_of(i), span_of(sealed[i].bytes, sealed[i].len), text,
				 sizeof(text), &len),
		0);
	assert_int_equal(len, strlen(sealed[i].text));
	assert_memory_equal(text, sealed[i].text, len);
}

static void an_epoch(void **state)
{
	uint8_t body[SEAL_KEY_BODY_MOST], text[64];
	size_t n = 0, len;
	struct seal *s = begun(body, &n);
	seal_all(s);
	seal_free(s);
	for (unsigned who = 0; who < 2; who++) {
		struct seal_epoch *e = NULL;
		assert_int_equal(seal_epoch_open(span_of(body, n), &people.opener[who], &e), 0);
		for (unsigned i = 0; i < BODIES; i++) {
			opens(e, i);
			opens(e, i);
		}
		for (unsigned i = BODIES; i-- > 0;) {
			opens(e, i);
		}
		opens(e, 7);
		opens(e, 31);
		/* Of another turn, another head, changed, cut. */
		struct span good = span_of(sealed[3].bytes, sealed[3].len);
		assert_int_equal(seal_open(e, 4, head_of(3), good, text, sizeof(text), &len), ERR_DENIED);
		assert_int_equal(seal_open(e, 3, head_of(4), good, text, sizeof(text), &len), ERR_DENIED);
		for (size_t k = 0; k < good.len; k++) {
			sealed[3].bytes[k] ^= 1;
			assert_int_equal(
				seal_open(e, 3, head_of(3), good, text, sizeof(text), &len), ERR_DENIED);
			sealed[3].bytes[k] ^= 1;
			assert_true(seal_open(e, 3, head_of(3), span_of(good.ptr, k), text, sizeof(text),
					    &len) < 0);
		}
		assert_int_equal(seal_open(e, SEAL_EPOCH_BODIES, head_of(3), good, text, sizeof(text), &len),
			ERR_LIMIT);
		assert_int_equal(
			seal_open(e, UINT32_MAX, head_of(3), good, text, sizeof(text), &len), ERR_LIMIT);
		assert_int_equal(
			seal_open(e, 3, head_of(3), good, text, good.len - SEAL_TAG - 1, &len), ERR_SPACE);
		opens(e, 3);
		seal_epoch_free(e);
	}
	struct seal_epoch *none = NULL;
	assert_int_equal(seal_epoch_open(span_of(body, n), &people.opener[2], &none), ERR_NOT_FOUND);
	assert_null(none);
}

static void hostile_key_bodies(void **state)
{
	uint8_t body[SEAL_KEY_BODY_MOST + 1], secret[ENVELOPE_SECRET] = {9}, got[ENVELOPE_SECRET],
					      envelope[ENVELOPE_MOST];
	struct seal *s = NULL;
	struct seal_epoch *e = NULL;
	size_t n = 0;
	assert_int_equal(seal_new(people.to, 2, &s), 0);
	assert_int_equal(seal_begin(s, index_envelope(envelope, secret), 0, body, SEAL_KEY_BODY_MOST, &n), 0);
	seal_free(s);
	for (size_t k = 0; k < n; k++) {
		assert_int_equal(seal_epoch_open(span_of(body, k), &people.opener[0], &e), ERR_TRUNCATED);
		assert_int_equal(seal_index_key(span_of(body, k), &people.opener[0], got), ERR_TRUNCATED);
	}
	body[n] = 0;
	assert_int_equal(seal_epoch_open(span_of(body, n + 1), &people.opener[0], &e), ERR_TRAILING);
	body[0] = 2;
	assert_int_equal(seal_epoch_open(span_of(body, n), &people.opener[0], &e), ERR_VALUE);
	body[0] = 1;
	body[1] = 0xff; /* the envelope's length */
	assert_int_equal(seal_epoch_open(span_of(body, n), &people.opener[0], &e), ERR_TRUNCATED);
	assert_null(e);
}

static void index_keys(void **state)
{
	uint8_t body[SEAL_KEY_BODY_MOST], secret[ENVELOPE_SECRET] = {1, 2, 3}, got[ENVELOPE_SECRET],
					  envelope[ENVELOPE_MOST];
	struct seal *s = NULL;
	size_t n = 0;
	assert_int_equal(seal_new(people.to, 2, &s), 0);
	struct span index = index_envelope(envelope, secret);
	assert_int_equal(seal_begin(s, index, 0, body, sizeof(body), &n), 0);
	for (unsigned who = 0; who < 2; who++) {
		memset(got, 0, sizeof(got));
		assert_int_equal(seal_index_key(span_of(body, n), &people.opener[who], got), 0);
		assert_memory_equal(got, secret, sizeof(got));
	}
	assert_int_equal(seal_index_key(span_of(body, n), &people.opener[2], got), ERR_NOT_FOUND);
	/* What is no envelope is not written. */
	assert_int_equal(
		seal_begin(s, span_of(index.ptr, index.len - 1), 0, body, sizeof(body), &n), ERR_TRUNCATED);
	assert_true(seal_due(s, 0));
	assert_int_equal(seal_begin(s, span_of(NULL, 0), 0, body, sizeof(body), &n), 0);
	assert_int_equal(seal_index_key(span_of(body, n), &people.opener[0], got), ERR_MISSING);
	seal_free(s);
}

static void epochs_end(void **state)
{
	uint8_t body[SEAL_KEY_BODY_MOST], again[SEAL_KEY_BODY_MOST], buf[64];
	size_t n = 0, m = 0, len;
	struct seal *s = NULL;
	assert_int_equal(seal_new(people.to, 0, &s), ERR_LIMIT);
	assert_int_equal(seal_new(people.to, ENVELOPE_PEOPLE + 1, &s), ERR_LIMIT);
	assert_int_equal(seal_new(people.to, 2, &s), 0);
	assert_true(seal_due(s, 0));
	assert_int_equal(seal_body(s, span_str("h"), span_str("b"), buf, sizeof(buf), &len), ERR_ORDER);
	assert_int_equal(seal_begin(s, span_of(NULL, 0), 5000, body, 100, &n), ERR_SPACE);
	assert_true(seal_due(s, 5000));
	assert_int_equal(seal_begin(s, span_of(NULL, 0), 5000, body, sizeof(body), &n), 0);
	assert_false(seal_due(s, 5000 + SEAL_EPOCH_MS - 1));
	assert_true(seal_due(s, 5000 + SEAL_EPOCH_MS));
	for (unsigned i = 0; i < SEAL_EPOCH_BODIES; i++) {
		assert_false(seal_due(s, 5000));
		assert_int_equal(seal_body(s, span_str("h"), span_str("b"), buf, sizeof(buf), &len), 0);
	}
	assert_true(seal_due(s, 5000));
	assert_int_equal(seal_body(s, span_str("h"), span_str("b"), buf, sizeof(buf), &len), ERR_ORDER);
	assert_int_equal(seal_begin(s, span_of(NULL, 0), 5000, again, sizeof(again), &m), 0);
	assert_int_equal(m, n);
	assert_memory_not_equal(body, again, n);
	assert_int_equal(seal_turn(s), 0);
	seal_drop(s);
	assert_true(seal_due(s, 5000));
	assert_int_equal(seal_body(s, span_str("h"), span_str("b"), buf, sizeof(buf), &len), ERR_ORDER);
	seal_free(s);
}

/* ---- What the process that writes still knows ---- */

static void hmac(const uint8_t key[32], const char *text, uint8_t ret[32])
{
	unsigned len = 0;
	assert_non_null(HMAC(EVP_sha256(), key, 32, (const uint8_t *)text, strlen(text), ret, &len));
}

#define TURNS 300

/* Seals, says so, and waits to be looked at. Its parent alone has what opens the epoch. */
static void write_and_wait(int to)
{
	uint8_t body[SEAL_KEY_BODY_MOST], buf[64];
	size_t n = 0, len;
	struct seal *s = begun(body, &n);
	for (unsigned i = 0; i < TURNS; i++) {
		if (seal_body(s, span_str("h"), span_str("b"), buf, sizeof(buf), &len) != 0) {
			_exit(1);
		}
	}
	if (write(to, body, n) != (ssize_t)n || close(to) != 0) {
		_exit(1);
	}
	for (;;) {
		pause();
	}
}

/*
 * How often one of the 32-byte values stands in what the process may write to, with each of three masks. It looks at each byte
 * of hundreds of megabytes where AddressSanitizer maps them, so is not itself instrumented.
 */
__attribute__((no_sanitize("address", "undefined"))) static unsigned count_in(
	const uint8_t *mem, size_t len, uint8_t (*values)[32], unsigned n)
{
	/* By the first byte, so that it is quick. HMAC's two pads would leave a key behind XORed. */
	static const uint8_t masks[] = {0, 0x36, 0x5c};
	unsigned found = 0;
	static uint16_t by_first[256][3 * TURNS];
	static unsigned n_first[256];
	memset(n_first, 0, sizeof(n_first));
	for (unsigned i = 0; i < n; i++) {
		for (unsigned m = 0; m < 3; m++) {
			uint8_t first = values[i][0] ^ masks[m];
			by_first[first][n_first[first]++] = (uint16_t)(i * 3 + m);
		}
	}
	for (size_t at = 0; len >= 32 && at <= len - 32; at++) {
		for (unsigned k = 0; k < n_first[mem[at]]; k++) {
			unsigned which = by_first[mem[at]][k], same = 0;
			while (same < 32 && mem[at + same] == (values[which / 3][same] ^ masks[which % 3])) {
				same++;
			}
			found += same == 32;
		}
	}
	return found;
}

static unsigned count_in_process(pid_t pid, uint8_t (*values)[32], unsigned n)
{
	char path[64], line[512];
	unsigned found = 0;
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	FILE *maps = fopen(path, "re");
	assert_non_null(maps);
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	FILE *mem = fopen(path, "re");
	assert_non_null(mem);
	while (fgets(line, sizeof(line), maps)) {
		unsigned long from, to;
		char how[5];
		/* AddressSanitizer maps terabytes that nobody has touched. */
		if (sscanf(line, "%lx-%lx %4s", &from, &to, how) != 3 || how[1] != 'w' ||
			to - from > 1ul << 28) {
			continue;
		}
		uint8_t *copy = malloc(to - from);
		assert_non_null(copy);
		if (fseeko(mem, (off_t)from, SEEK_SET) == 0) {
			size_t got = fread(copy, 1, to - from, mem);
			found += count_in(copy, got, values, n);
		}
		free(copy);
	}
	fclose(mem);
	fclose(maps);
	return found;
}

static void read_key_body(int from, uint8_t body[SEAL_KEY_BODY_MOST], size_t *ret_len)
{
	ssize_t n;
	*ret_len = 0;
	while ((n = read(from, body + *ret_len, SEAL_KEY_BODY_MOST - *ret_len)) > 0) {
		*ret_len += (size_t)n;
	}
	assert_int_equal(n, 0);
}

static void forgets(void **state)
{
	int pipes[2];
	assert_int_equal(pipe(pipes), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(pipes[0]);
		write_and_wait(pipes[1]);
	}
	close(pipes[1]);
	static uint8_t body[SEAL_KEY_BODY_MOST], old[TURNS][32], keys[TURNS][32], now[1][32];
	size_t n = 0;
	read_key_body(pipes[0], body, &n);
	/* Chain 0 is the seed, which the envelope's form gives to who can open it: version, length, envelope. */
	assert_int_equal(envelope_open(ENVELOPE_EPOCH, span_of(body + 3, (size_t)body[1] << 8 | body[2]),
				 &people.opener[0], old[0]),
		0);
	for (unsigned i = 0; i < TURNS; i++) {
		hmac(old[i], "body", keys[i]);
		hmac(old[i], "next", i + 1 < TURNS ? old[i + 1] : now[0]);
	}
	unsigned olds = count_in_process(pid, old, TURNS), used = count_in_process(pid, keys, TURNS),
		 next = count_in_process(pid, now, 1);
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(pipes[0]);
	assert_true(next >= 1); /* so that we know that we look in the right places */
	assert_int_equal(olds, 0);
	assert_int_equal(used, 0);
}

/* ---- Cost ---- */

static int64_t cpu_ns(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

/* Printed; and so far off that a cost that grows with the turn, or a look-up for each body, is seen. */
static void costs(void **state)
{
	static uint8_t text[1500], buf[2000], body[SEAL_KEY_BODY_MOST];
	size_t n = 0, len;
	struct seal *s = begun(body, &n);
	struct seal_epoch *e = NULL;
	int64_t start = cpu_ns();
	for (unsigned i = 0; i < SEAL_EPOCH_BODIES; i++) {
		assert_int_equal(
			seal_body(s, span_of(text, 100), span_of(text, sizeof(text)), buf, sizeof(buf), &len),
			0);
	}
	int64_t per = (cpu_ns() - start) / SEAL_EPOCH_BODIES;
	print_message("sealing a body of 1,500 bytes: %lld ns of CPU\n", (long long)per);
	assert_true(per < 200000);
	assert_int_equal(seal_epoch_open(span_of(body, n), &people.opener[1], &e), 0);
	start = cpu_ns();
	for (unsigned i = 0; i < SEAL_EPOCH_BODIES; i++) {
		size_t got;
		int err = seal_open(e, i, span_of(text, 100), span_of(buf, len), text, sizeof(text), &got);
		assert_int_equal(err, i + 1 == SEAL_EPOCH_BODIES ? 0 : ERR_DENIED);
	}
	per = (cpu_ns() - start) / SEAL_EPOCH_BODIES;
	print_message("opening one in turn: %lld ns of CPU\n", (long long)per);
	assert_true(per < 200000);
	seal_epoch_free(e);
	seal_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_epoch),
		cmocka_unit_test(hostile_key_bodies),
		cmocka_unit_test(index_keys),
		cmocka_unit_test(epochs_end),
		cmocka_unit_test(forgets),
		cmocka_unit_test(costs),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
