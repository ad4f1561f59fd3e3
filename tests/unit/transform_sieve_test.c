/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/sieve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants those before it */
#include <cmocka.h>

/* What stays in a sieve, of bytes where it is known from comparing each with each. */

#define FOURS_MOST 200
#define BYTES      1000

static uint64_t chance = 88172645463325252u;

static uint32_t next(uint32_t below)
{
	chance ^= chance << 13;
	chance ^= chance >> 7;
	chance ^= chance << 17;
	return (uint32_t)(chance >> 20) % below;
}

static uint8_t small(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

/* Of text, wide text, digits, and anything. */
static uint8_t byte_of(unsigned kind, size_t i)
{
	static const char text[] = "abcXYZ-", digits[] = "0123456789.-/";
	return kind == 0   ? (uint8_t)text[next(sizeof(text) - 1)]
	       : kind == 1 ? (uint8_t)(i % 2 ? 0 : text[next(sizeof(text) - 1)])
	       : kind == 2 ? (uint8_t)digits[next(sizeof(digits) - 1)]
	                   : (uint8_t)next(256);
}

struct known {
	struct sieve sieve;
	unsigned n;
	uint8_t fours[FOURS_MOST][SIEVE_FOUR];
	size_t n_bytes;
	uint8_t bytes[BYTES + 32];
};

static bool is_one(const struct known *k, const uint8_t *at)
{
	for (unsigned i = 0; i < k->n; i++) {
		const uint8_t *four = k->fours[i];
		if (small(at[0]) == four[0] && small(at[1]) == four[1] && small(at[2]) == four[2] &&
			small(at[3]) == four[3]) {
			return true;
		}
	}
	return false;
}

/* All that is one of the sequences stays; what is passed over has none; nothing stays that is not in the set. */
static void look(const struct known *k, sieve_look *of, size_t shift, size_t step)
{
	const uint8_t *bytes = k->bytes + shift;
	size_t at = 0, seen = 0;
	uint64_t bits = 1;
	while (bits != 0) {
		at += of(&k->sieve, bytes + at, k->n_bytes - at, &bits);
		assert_int_equal(at % SIEVE_BLOCK, 0);
		for (; seen < at; seen += step) {
			assert_false(is_one(k, bytes + seen));
		}
		for (size_t i = 0; bits != 0 && i < SIEVE_BLOCK; i += step) {
			bool stays = bits >> i & 1;
			assert_true(stays || !is_one(k, bytes + at + i));
			assert_true(!stays || sieve_has(&k->sieve, bytes + at + i));
		}
		at += bits ? SIEVE_BLOCK : 0;
		seen = at;
	}
	assert_true(k->n_bytes - at < SIEVE_BLOCK + SIEVE_FOUR - 1);
}

static void known_from_comparing(void **state)
{
	static struct known k;
	(void)state;
	for (unsigned turn = 0; turn < 400; turn++) {
		memset(&k.sieve, 0, sizeof(k.sieve));
		k.n = 1 + next(turn % 2 ? 4 : FOURS_MOST);
		for (unsigned i = 0; i < k.n; i++) {
			unsigned kind = next(4);
			for (size_t c = 0; c < SIEVE_FOUR; c++) {
				k.fours[i][c] = small(byte_of(kind, c));
			}
			sieve_add(&k.sieve, k.fours[i]);
		}
		unsigned kind = next(4);
		k.n_bytes = next(BYTES);
		for (size_t i = 0; i < sizeof(k.bytes); i++) {
			k.bytes[i] = byte_of(kind, i);
		}
		for (size_t i = 0; i + SIEVE_FOUR <= sizeof(k.bytes); i += 1 + next(60)) {
			memcpy(k.bytes + i, k.fours[next(k.n)], SIEVE_FOUR);
			k.bytes[i] = k.bytes[i] >= 'a' && k.bytes[i] <= 'z' && next(2) ? k.bytes[i] - 32
			                                                               : k.bytes[i];
		}
		size_t shift = turn % 32;
		look(&k, sieve_every_portable, shift, 1);
		look(&k, sieve_fourth_portable, shift, SIEVE_FOUR);
		look(&k, sieve_every, shift, 1);
		look(&k, sieve_fourth, shift, SIEVE_FOUR);
	}
}

/* One sequence at each place of three blocks, and nothing else: it alone stays. */
static void wherever_it_lies(void **state)
{
	static const struct {
		const uint8_t four[SIEVE_FOUR + 1], in[SIEVE_FOUR + 1];
	} of[] = {{"mill", "MiLL"}, {"1961", "1961"}, {"m\0i", "M\0i"}, {"\0m\0i", "\0m\0I"},
		{"\x1b$b;", "\x1b$B;"}};
	sieve_look *const looks[] = {sieve_every_portable, sieve_every, sieve_fourth_portable, sieve_fourth};
	uint8_t bytes[3 * SIEVE_BLOCK + SIEVE_FOUR - 1] = {0};
	static struct sieve s;
	(void)state;
	for (size_t k = 0; k < sizeof(of) / sizeof(of[0]); k++) {
		memset(&s, 0, sizeof(s));
		sieve_add(&s, of[k].four);
		for (size_t at = 0; at < (size_t)3 * SIEVE_BLOCK; at++) {
			memset(bytes, 0x7F, sizeof(bytes));
			memcpy(bytes + at, of[k].in, SIEVE_FOUR);
			for (size_t i = 0; i < 4; i++) {
				uint64_t bits;
				size_t found = looks[i](&s, bytes, sizeof(bytes), &bits);
				bool stays = i < 2 || at % SIEVE_FOUR == 0;
				assert_int_equal(
					found, stays ? at / SIEVE_BLOCK * SIEVE_BLOCK : 3 * SIEVE_BLOCK);
				assert_true(bits == (stays ? (uint64_t)1 << at % SIEVE_BLOCK : 0));
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_from_comparing),
		cmocka_unit_test(wherever_it_lies),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
