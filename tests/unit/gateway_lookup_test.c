/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/lookup_state.h"
#include "keys/x509.h"
#include "keys_ends.h"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/wait.h>

/* A job of the lookup, asked by a process that was taken over: whom does it call on the network? */

static struct {
	int fd;
	unsigned port, calls;
	pthread_t thread;
} responder;

static void *count_calls(void *unused)
{
	int fd;
	(void)unused;
	while ((fd = accept(responder.fd, NULL, NULL)) >= 0) {
		__atomic_add_fetch(&responder.calls, 1, __ATOMIC_SEQ_CST);
		close(fd);
	}
	return NULL;
}

static int start(void **state)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	responder.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(responder.fd, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(responder.fd, 16), 0);
	assert_int_equal(getsockname(responder.fd, (struct sockaddr *)&at, &len), 0);
	responder.port = ntohs(at.sin_port);
	assert_int_equal(pthread_create(&responder.thread, NULL, count_calls, NULL), 0);
	(void)signal(SIGPIPE, SIG_IGN); /* as in the lookup */
	unsetenv("http_proxy");
	unsetenv("HTTP_PROXY");
	return set_up(state);
}

static int stop(void **state)
{
	(void)shutdown(responder.fd, SHUT_RDWR);
	pthread_join(responder.thread, NULL);
	close(responder.fd);
	return tear_down(state);
}

static X509 *certificate(const struct ca_pair *pair)
{
	BIO *bio = x509_bio(ca_certificate(pair));
	X509 *cert = NULL;
	assert_int_equal(x509_next(bio, &cert), 0);
	BIO_free(bio);
	return cert;
}

/* How often the responder was called for this chain, and what the job says. */
static unsigned calls_for(const struct ca_pair *leaf, const struct ca_pair *above, struct message *ret_said)
{
	static struct site s;
	struct span trust = ca_certificate(&site.ca);
	struct lookup l = {.site = &s, .trust = &trust};
	X509 *at[2] = {certificate(leaf), above ? certificate(above) : NULL};
	uint8_t bytes[8192];
	char url[64];
	int pair[2];
	size_t len;
	unsigned before = __atomic_load_n(&responder.calls, __ATOMIC_SEQ_CST);
	s.n_trust = 1;
	s.ocsp_ask = true;
	s.revocation_again = 600;
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", responder.port);
	s.ocsp_responder = url;
	assert_int_equal(chain_write(at, above ? 2 : 1, bytes, sizeof(bytes), &len), 0);
	/* As in the lookup: the job's end frees what it has. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	pid_t pid = fork();
	if (pid == 0) {
		job_standing(&l, span_of(bytes, len), span_of(NULL, 0), ret_said);
		_exit(message_send(pair[1], ret_said) == 0 ? 0 : 1);
	}
	assert_true(pid > 0);
	close(pair[1]);
	assert_int_equal(message_recv(pair[0], FROM_JOB, ret_said), 0);
	assert_int_equal(ret_said->type, MSG_STANDING);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(pair[0]);
	chain_free(at, 2);
	return __atomic_load_n(&responder.calls, __ATOMIC_SEQ_CST) - before;
}

static void calls_for_whom(void **state)
{
	static struct message said;
	struct ca_pair made = {0};
	/* Of the site's authority; it answers with nothing, and so nothing is known. */
	assert_true(calls_for(&site.scanner, NULL, &said) > 0);
	assert_int_equal(said.standing.state, STANDING_UNKNOWN);
	assert_non_null(strstr(said.text, "no answer from the OCSP responder"));
	assert_true(calls_for(&site.scanner, &site.ca, &said) > 0);
	/* Of an authority of the asker's own, shown or not. */
	assert_int_equal(calls_for(&site.foreign, NULL, &said), 0);
	assert_int_equal(said.standing.state, STANDING_UNKNOWN);
	assert_int_equal(calls_for(&site.foreign, &site.other_ca, &said), 0);
	assert_non_null(strstr(said.text, "by no authority of"));
	/* Signed by a device, whose certificate is good. */
	issue(&site.scanner, "made up", CA_KEY_P256, CA_USE_CLIENT, -1, 10, &made);
	assert_int_equal(calls_for(&made, &site.scanner, &said), 0);
	assert_int_equal(said.standing.state, STANDING_UNKNOWN);
	ca_pair_done(&made);
	/* The anchor itself is trusted because it is listed. */
	assert_int_equal(calls_for(&site.ca, NULL, &said), 0);
	assert_int_equal(said.standing.state, STANDING_GOOD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_for_whom),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
