/* SPDX-License-Identifier: Apache-2.0 */
#include "base/limits.h"
#include "gateway/gate_count.h"
#include "gateway/gate_slab.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Times are made up: nothing here waits. */

static void test_window(void **state)
{
	struct window w;
	const int64_t t = 1000000;
	window_init(&w, 1000, t);
	assert_int_equal(window_sum(&w, t), 0);
	window_add(&w, 3, t);
	window_add(&w, 4, t + 999);
	assert_int_equal(window_sum(&w, t + 999), 7);
	window_add(&w, 5, t + 30000);
	assert_int_equal(window_sum(&w, t + 59999), 12);
	/* The first bucket leaves after a minute, the other stays. */
	assert_int_equal(window_sum(&w, t + 60000), 5);
	assert_int_equal(window_sum(&w, t + 89999), 5);
	assert_int_equal(window_sum(&w, t + 90000), 0);
}

static void test_window_slides(void **state)
{
	struct window w;
	int64_t t = 77000;
	window_init(&w, 1000, t);
	/* One a second for three minutes: never more than a minute's worth. */
	for (unsigned i = 0; i < 180; i++, t += 1000) {
		window_add(&w, 1, t);
		assert_int_equal(window_sum(&w, t), i < 60 ? i + 1 : 60);
	}
	/* A long silence, longer than a whole turn of the ring. */
	assert_int_equal(window_sum(&w, t + 3600000), 0);
	window_add(&w, 9, t + 3600000);
	/* A clock that steps back does not bring anything back. */
	assert_int_equal(window_sum(&w, t), 9);
	window_add(&w, 1, t);
	assert_int_equal(window_sum(&w, t + 3600000), 10);
}

static void test_hour(void **state)
{
	struct window w;
	window_init(&w, 60000, 0);
	window_add(&w, UINT64_C(50) << 30, 0);
	assert_true(window_sum(&w, 3599999) == UINT64_C(50) << 30);
	assert_int_equal(window_sum(&w, 3600000), 0);
}

static void test_names(void **state)
{
	struct counts *c = counts_new();
	assert_non_null(c);
	struct flow_count *a = counts_flow(c, "a", 1000), *b = counts_flow(c, "b", 1000);
	assert_ptr_not_equal(a, b);
	a->at_once = 3;
	/* A reload finds the same counter by its name. */
	assert_ptr_equal(counts_flow(c, "a", 99000), a);
	assert_int_equal(counts_flow(c, "a", 99000)->at_once, 3);
	assert_ptr_equal(counts_node(c, "n"), counts_node(c, "n"));
	assert_ptr_not_equal(counts_node(c, "n"), counts_node(c, "m"));
	char longer[200];
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = 0;
	assert_ptr_equal(counts_flow(c, longer, 0), counts_flow(c, longer, 0));
	counts_free(c);
	counts_free(NULL);
}

static struct in6_addr ip_of(uint32_t n)
{
	struct in6_addr ip = {.s6_addr = {[10] = 0xff, 0xff}};
	memcpy(&ip.s6_addr[12], &n, 4);
	return ip;
}

static void test_addresses(void **state)
{
	struct counts *c = counts_new();
	for (uint32_t i = 0; i < 5000; i++) {
		struct in6_addr ip = ip_of(i);
		assert_null(counts_look(c, &ip));
		struct address_count *a = counts_address(c, &ip);
		assert_non_null(a);
		assert_ptr_equal(counts_address(c, &ip), a);
		a->at_once = i % 2;
	}
	for (uint32_t i = 0; i < 5000; i++) {
		struct in6_addr ip = ip_of(i);
		counts_settle(c, counts_address(c, &ip), 1);
		/* One without associations is forgotten, one with them is not. */
		assert_int_equal(counts_look(c, &ip) != NULL, i % 2);
	}
	counts_free(c);
}

/* A host may call from any address of its /64: one after the other would else be a thousand peers. */
static void test_networks(void **state)
{
	struct counts *c = counts_new();
	struct in6_addr a, b, other, v4, v4_next;
	assert_int_equal(inet_pton(AF_INET6, "2001:db8::1", &a), 1);
	assert_int_equal(inet_pton(AF_INET6, "2001:db8::ffff:0:1", &b), 1);
	assert_int_equal(inet_pton(AF_INET6, "2001:db8:0:1::1", &other), 1);
	assert_int_equal(inet_pton(AF_INET6, "::ffff:10.0.0.1", &v4), 1);
	assert_int_equal(inet_pton(AF_INET6, "::ffff:10.0.0.2", &v4_next), 1);
	struct address_count *one = counts_address(c, &a);
	assert_ptr_equal(counts_address(c, &b), one);
	assert_ptr_equal(counts_look(c, &b), one);
	assert_ptr_not_equal(counts_address(c, &other), one);
	assert_ptr_not_equal(counts_address(c, &v4), counts_address(c, &v4_next));
	counts_free(c);
}

static void test_crashes(void **state)
{
	struct counts *c = counts_new();
	struct in6_addr ip = ip_of(1);
	struct address_count *a = counts_address(c, &ip);
	const int64_t t = 5000, window = LIMIT_CRASH_WINDOW * 1000;
	for (int i = 1; i < LIMIT_CRASHES; i++) {
		assert_false(counts_crash(a, t));
	}
	assert_false(counts_held(a, t));
	/* The rest long after the first: not repeatedly enough. */
	assert_false(counts_crash(a, t + window));
	assert_false(counts_held(a, t + window));
	for (int i = 2; i < LIMIT_CRASHES; i++) {
		assert_false(counts_crash(a, t + window + i));
	}
	assert_true(counts_crash(a, t + window + 100));
	assert_true(counts_held(a, t + window + 100));
	assert_true(counts_held(a, t + 2 * window + 99));
	assert_false(counts_held(a, t + 2 * window + 100));
	/* While it is held off it is not forgotten, afterwards it is. */
	counts_settle(c, a, t + window + 200);
	assert_non_null(counts_look(c, &ip));
	counts_settle(c, a, t + 3 * window);
	assert_null(counts_look(c, &ip));
	assert_false(counts_held(NULL, 0));
	counts_free(c);
}

/* What the gate knows of peers is not in the memory of a process forked from it. */
static void test_slab_does_not_fork(void **state)
{
	volatile char *secret = slab_alloc(64);
	assert_non_null((void *)secret);
	*secret = 'x';
	for (int shared = 0; shared < 2; shared++) {
		slab_share(shared);
		pid_t pid = fork();
		if (pid == 0) {
			(void)signal(SIGSEGV, SIG_DFL); /* and not cmocka's */
			_exit(*secret == 'x' ? 0 : 1);
		}
		int status;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (shared) {
			assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
		} else {
			assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
		}
	}
	slab_share(false);
	slab_free((void *)secret, 64);
	/* It is used again, zeroed. */
	char *again = slab_alloc(50);
	assert_ptr_equal(again, (void *)secret);
	assert_int_equal(again[0], 0);
	slab_free(again, 50);
	assert_null(slab_alloc(1 << 20));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_window_slides),
		cmocka_unit_test(test_hour),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_networks),
		cmocka_unit_test(test_crashes),
		cmocka_unit_test(test_slab_does_not_fork),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
